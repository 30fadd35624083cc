"""Cases that other projects test their activations by.

Their tolerances are theirs, some thousands of units wide; how exact the results are is test_accuracy's matter.  Where a
project and the catalogue disagree, it is said beside the case which is right and why.
"""
import ast
import functools
import importlib.util
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from tools import DTYPES, every_dtype, parameters

import numba_act as act
from numba_act.tools import peers


# --- PyTorch: op_db's sample inputs, value and gradient ---------------------------------------------------------------
def defaults(*names, **rest):
    """From an operator's arguments to an activation's parameters: names in torch's order, with torch's defaults."""
    wanted = dict(rest)

    def read(*args, **kwargs):
        given = dict(zip(wanted, args, strict=False)) | kwargs
        return {ours: float(given.get(theirs, wanted[theirs])) for ours, theirs in names}
    return read


plain = defaults()
OPERATORS = {                                    # ours, with what torch's arguments mean to it
    **dict.fromkeys(("sigmoid", "tanh", "exponential", "softsign", "relu", "selu", "silu", "mish", "relu6",
                     "hard_sigmoid", "hard_swish", "log_sigmoid", "tanhshrink"), plain),
    "softplus": defaults(("beta", "beta"), beta=1, threshold=20),
    "leaky_relu": defaults(("alpha", "negative_slope"), negative_slope=0.01),
    "elu": defaults(("alpha", "alpha"), alpha=1), "celu": defaults(("alpha", "alpha"), alpha=1),
    "threshold": defaults(("theta", "threshold"), ("value", "value"), threshold=None, value=None),
    "hard_tanh": defaults(("lo", "min_val"), ("hi", "max_val"), min_val=-1, max_val=1),
    "softshrink": defaults(("lambd", "lambd"), lambd=0.5), "hard_shrink": defaults(("lambd", "lambd"), lambd=0.5),
    "gelu": lambda approximate="none": {"approximate": approximate},
}


@functools.cache
def operators():
    """torch's table of operators, by name; it imports half of torch's tests."""
    pytest.importorskip("torch")
    pytest.importorskip("expecttest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    found = {}
    for operator in op_db:
        found.setdefault(operator.name, operator)
    return found


def operator(name):
    """torch's operator that is ours of that name."""
    theirs = peers.called(name, "PyTorch").name
    return operators().get(f"nn.functional.{theirs}") or operators()[theirs]


def samples(operator, dtype):
    import torch
    return operator.sample_inputs("cpu", getattr(torch, dtype), requires_grad=True)


def known_to_differ(name, options):
    """Samples in which torch computes something else on purpose."""
    # linear from beta x = threshold on, which is off by log1p(e^-threshold): softplus is smooth, so ours is right
    return name == "softplus" and options.get("threshold", 20) < 20


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_samples(name, dtype):
    torch = pytest.importorskip("torch")
    read, call = OPERATORS[name], operator(name)
    count = 0
    for sample in samples(call, dtype):
        options = read(*sample.args, **{k: v for k, v in sample.kwargs.items() if k != "inplace"})
        ours = act.get("gelu_tanh" if options.pop("approximate", "none") == "tanh" else name)
        x = sample.input.detach().requires_grad_()
        if known_to_differ(name, sample.kwargs):
            continue
        y = call(x, *sample.args, **sample.kwargs)
        gy = torch.linspace(-2, 2, max(1, y.numel()), dtype=y.dtype)[:y.numel()].reshape(y.shape)
        y.backward(gy)
        array = x.detach().numpy()
        torch.testing.assert_close(torch.from_numpy(np.asarray(ours(array, **options))), y.detach())
        gx = ours.backward(gy.numpy(), array, **options)
        torch.testing.assert_close(torch.from_numpy(np.asarray(gx)), x.grad)
        count += 1
    assert count or name == "softplus"


def test_torch_softplus_beyond_its_threshold():
    """torch is linear there; the true value is larger by log1p(e^(-beta x)) / beta."""
    torch = pytest.importorskip("torch")
    x = np.array([0.25, 1.0])
    theirs = torch.nn.functional.softplus(torch.from_numpy(x), beta=3, threshold=0.2).numpy()
    np.testing.assert_array_equal(theirs, x)
    np.testing.assert_allclose(act.softplus(x, 3.0) - x, np.log1p(np.exp(-3 * x)) / 3, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_samples_of_glu(dtype):
    torch = pytest.importorskip("torch")
    for sample in samples(operator("glu"), dtype):
        x = sample.input.detach().requires_grad_()
        axis = sample.args[0] if sample.args else sample.kwargs.get("dim", -1)
        y = torch.nn.functional.glu(x, axis)
        y.backward(torch.ones_like(y))
        value, gate = act.split_gate(x.detach().numpy(), axis)
        torch.testing.assert_close(torch.from_numpy(np.asarray(act.glu(value, gate))), y.detach())
        parts = act.glu.backward(np.ones(y.shape, dtype), value, gate)
        torch.testing.assert_close(torch.from_numpy(np.concatenate(parts, axis)), x.grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_samples_of_prelu(dtype):
    """A weight is for axis 1, where it is not a single one."""
    torch = pytest.importorskip("torch")
    for sample in samples(operator("prelu"), dtype):
        weight = (sample.args[0] if sample.args else sample.kwargs["weight"]).detach().requires_grad_()
        x = sample.input.detach().requires_grad_()
        y = torch.nn.functional.prelu(x, weight)
        y.backward(torch.ones_like(y))
        shape = (-1, *[1] * (x.ndim - 2)) if weight.ndim and x.ndim > 1 else weight.shape if x.ndim else ()
        alpha = weight.detach().numpy().reshape(shape)
        torch.testing.assert_close(torch.from_numpy(np.asarray(act.prelu(x.detach().numpy(), alpha))), y.detach())
        gx, ga = act.prelu.backward(np.ones(y.shape, dtype), x.detach().numpy(), alpha, wrt=("x", "alpha"))
        torch.testing.assert_close(torch.from_numpy(np.asarray(gx)), x.grad)
        torch.testing.assert_close(torch.from_numpy(np.asarray(ga).reshape(weight.shape)), weight.grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_samples_of_rrelu_in_evaluation(dtype):
    """In training its slopes are random, by another generator than ours."""
    torch = pytest.importorskip("torch")
    count = 0
    for sample in samples(operator("rrelu"), dtype):
        options = {"lower": 1 / 8, "upper": 1 / 3} | sample.kwargs
        if options.pop("training", False):
            continue
        options.pop("inplace", None)
        x = sample.input.detach()
        y = torch.nn.functional.rrelu(x, **options)
        torch.testing.assert_close(torch.from_numpy(np.asarray(act.rrelu(x.numpy(), **options))), y)
        count += 1
    assert count


# (operand, value, slope) by the catalogue, and what torch 2.13 gives instead
AT_INFINITY = {
    "silu": (-np.inf, 0, 0),                     # NaN twice: -inf * 0; the limit of x e^x is 0
    "mish": (-np.inf, 0, 0),                     # NaN twice, for the same reason
    "gelu": (-np.inf, 0, 0),                     # NaN twice
    "gelu_tanh": (-np.inf, 0, 0),                # NaN twice
    "hard_swish": (-np.inf, 0, 0),               # NaN: -inf * 0 / 6, of a function that is 0 from -3 down
    "softsign": (np.inf, 1, 0),                  # NaN: inf / inf
}


@pytest.mark.parametrize("name", AT_INFINITY)
@every_dtype
def test_infinities_give_the_limit_where_torch_gives_nan(name, dtype):
    x, value, slope = AT_INFINITY[name]
    a = act.get(name)
    assert (float(a(dtype.type(x))), float(a.grad(dtype.type(x)))) == (value, slope)


def test_relu_keeps_nan_in_its_slope_where_torch_says_1():
    """Of a slope at NaN nothing is known: NaN, which a 1 would hide."""
    assert np.isnan(act.relu.grad(np.nan))


# --- ONNX: the node cases of its standard -----------------------------------------------------------------------------
NODES = {
    "Sigmoid": act.sigmoid, "Tanh": act.tanh, "Softsign": act.softsign, "Relu": act.relu, "Softplus": act.softplus,
    "LeakyRelu": lambda x, alpha=0.01: act.leaky_relu(x, alpha), "PRelu": act.prelu,
    "Elu": lambda x, alpha=1.0: act.elu(x, alpha),
    "Selu": lambda x, alpha=None, gamma=None: act.selu(x) if alpha is None else gamma * act.elu(x, alpha),
    "Gelu": lambda x, approximate=b"none": (act.gelu if approximate == b"none" else act.gelu_tanh)(x),
    "Mish": act.mish, "Celu": lambda x, alpha=1.0: act.celu(x, alpha), "Exp": act.exponential,
    "ThresholdedRelu": lambda x, alpha=1.0: act.threshold(x, alpha, 0.0),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: act.hard_sigmoid(x, alpha, beta),     # ours: 1/6, as torch and Keras
    "HardSwish": act.hard_swish, "Shrink": act.shrink, "Swish": lambda x, alpha=1.0: act.swish(x, alpha),
}


@functools.cache
def node_cases():
    """(operator, attributes, inputs, outputs, rtol, atol) of every case of one node."""
    pytest.importorskip("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases
        from onnx.helper import get_attribute_value
        found = []
        for case in collect_testcases(None):
            nodes = case.model.graph.node
            if len(nodes) == 1 and nodes[0].op_type in NODES:
                attributes = {a.name: get_attribute_value(a) for a in nodes[0].attribute}
                found += [(nodes[0].op_type, attributes, *data, case.rtol, case.atol) for data in case.data_sets]
    return found


def test_the_nodes_are_those_of_the_table():
    """But for Identity, whose cases are of strings and sequences too."""
    listed = {peers.called(name, "ONNX") for name in peers.NAMES} - {None}
    assert {*NODES, "Identity"} == {call.name for call in listed}


@pytest.mark.parametrize("operator", NODES)
def test_onnx_node_cases(operator):
    cases = [case[1:] for case in node_cases() if case[0] == operator]
    assert cases
    for attributes, inputs, outputs, rtol, atol in cases:
        got = NODES[operator](*inputs, **attributes)
        assert got.dtype == outputs[0].dtype
        wide = (a.astype(np.float64) for a in (got, outputs[0]))
        # a case in 16 bits may be a unit off, which the standard's 0.001 does not allow bfloat16
        np.testing.assert_allclose(*wide, rtol=max(rtol, 2.0**-7 if got.dtype.itemsize == 2 else 0), atol=atol)


# --- Keras: its functions at the numbers of its own tests -------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name in peers.NAMES if peers.called(name, "Keras")])
def test_keras(name):
    keras = pytest.importorskip("keras")
    x = np.random.default_rng(1337).uniform(-10, 10, (10, 6)).astype(np.float32)
    call = peers.called(name, "Keras")
    if name == "prelu":
        theirs = getattr(keras.layers, call.name)(keras.initializers.Constant(0.25))(x)
    else:
        theirs = getattr(keras.activations, call.name)(x, **call.options)
    ours = act.glu(*act.split_gate(x)) if name == "glu" else act.get(name)(x)
    np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6)


def test_keras_where_its_defaults_differ():
    """leaky_relu has 0.2 there and gelu is exact in both; threshold is relu(x, threshold=theta)."""
    keras = pytest.importorskip("keras")
    x = np.linspace(-3, 3, 61, dtype=np.float32)
    for ours, theirs in ((act.leaky_relu(x, 0.2), keras.activations.leaky_relu(x)),
                         (act.gelu(x), keras.activations.gelu(x)),
                         (act.gelu_tanh(x), keras.activations.gelu(x, approximate=True)),
                         (act.threshold(x, 1.5, 0.0), keras.activations.threshold(x, 1.5, 0.0))):
        np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6)


# --- NNlib: values at 0, 1 and -1, and types --------------------------------------------------------------------------
E = math.e
NNLIB = {                                        # at 0, at 1, at -1
    "sigmoid": (0.5, E / (E + 1), 1 / (E + 1)), "hard_sigmoid": (0.5, 2 / 3, 1 / 3),
    "log_sigmoid": (-math.log(2), 1 - math.log(E + 1), -math.log(E + 1)), "hard_tanh": (0, 1, -1),
    "tanh": (0, math.tanh(1), -math.tanh(1)), "relu": (0, 1, 0), "leaky_relu": (0, 1, -0.01), "relu6": (0, 1, 0),
    "rrelu": (0, 1, -11 / 48), "elu": (0, 1, 1 / E - 1), "celu": (0, 1, 1 / E - 1),
    "gelu_tanh": (0, 0.8411919906082768, -0.15880800939172324),          # NNlib's gelu is the tanh form by default
    "swish": (0, E / (E + 1), -1 / (E + 1)), "hard_swish": (0, 2 / 3, -1 / 3),
    "lisht": (0, math.tanh(1), math.tanh(1)), "selu": (0, 1.0507009873554805, -1.1113307378125628),
    "threshold": (0, 0, 0), "softplus": (math.log(2), math.log(E + 1), math.log(1 / E + 1)),
    "softsign": (0, 0.5, -0.5), "logcosh": (0, 0.4337808304830271, 0.4337808304830271),
    "mish": (0, 0.8650983882673103, -0.30340146137410895),
    "tanhshrink": (0, 0.23840584404423515, -0.23840584404423515), "softshrink": (0, 0.5, -0.5),
}


@pytest.mark.parametrize("name", NNLIB)
def test_nnlib_values(name):
    np.testing.assert_allclose(act.get(name)(np.array([0.0, 1.0, -1.0])), NNLIB[name], rtol=4e-16)


@pytest.mark.parametrize("name", NNLIB)
def test_nnlib_types(name):
    """A number's type is kept; integers count as float64; NaN stays NaN."""
    a = act.get(name)
    for dtype in DTYPES:
        for row in parameters(name, dtype)[:1]:
            assert a(dtype.type(1), *row).dtype == a.grad(dtype.type(1), *row).dtype == dtype
        assert np.isnan(float(a(dtype.type(np.nan))))
    for integer in (np.int8, np.int32, np.int64, np.uint8, bool):
        assert a(np.ones(2, integer)).dtype == np.float64
        np.testing.assert_array_equal(a(np.ones(2, integer)), a(np.ones(2)))


# --- NumPy: its validation sets ---------------------------------------------------------------------------------------
@act.activation
def exp(x):
    return math.exp(x)


@act.activation
def expm1(x):
    return math.expm1(x)


@act.activation
def log1p(x):
    return math.log1p(x)


@act.activation
def log(x):
    return math.log(x)


VALIDATED = {a.name: a for a in (exp, expm1, log1p, log, act.tanh)}


def bits(column, dtype):
    return np.array([int(v, 16) for v in column], dtype=f"u{dtype.itemsize}").view(dtype)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)
@pytest.mark.parametrize("name", VALIDATED)
def test_numpy_validation_sets(name, dtype):
    """Within 1 unit of NumPy's correctly rounded answers, whatever they allow (2 and more)."""
    folder = Path(np.__file__).parent / "_core" / "tests" / "data"
    file = folder / f"umath-validation-set-{name}.csv"
    if not file.exists():
        pytest.skip("NumPy is installed without its tests")
    lines = [line.split(",") for line in file.read_text().splitlines() if line.startswith(f"np.{dtype.name},")]
    x, expected = (bits([line[k] for line in lines], dtype) for k in (1, 2))
    got = VALIDATED[name](x)
    special = ~np.isfinite(expected)
    np.testing.assert_array_equal(got[special], expected[special])
    with np.errstate(all="ignore"):
        apart = abs(got.astype(np.longdouble) - expected.astype(np.longdouble)) / np.spacing(abs(expected))
    assert apart[~special].max() <= 1


# --- every name, by the sources of those who have it ------------------------------------------------------------------
# what stands beside the activations there: layers, helpers, and functions of rows
BESIDE = {
    "softmax", "log_softmax", "softmin", "gumbel_softmax", "logsumexp", "logmeanexp", "sparsemax", "standardize",
    "one_hot", "log1mexp", "dot_product_attention", "scaled_dot_general", "scaled_matmul",
    "get_scaled_dot_general_config", "initializers", "get", "serialize", "deserialize",
}
TORCH = [                                        # of torch.nn.functional, which has losses and layers too
    "threshold", "relu", "glu", "hardtanh", "relu6", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu",
    "logsigmoid", "gelu", "hardshrink", "tanhshrink", "softsign", "softplus", "softshrink", "tanh", "sigmoid",
    "hardsigmoid", "silu", "mish", "hardswish",
]
TRANSFORMER_ENGINE = ["gelu", "glu", "qgelu", "relu", "geglu", "reglu", "silu", "swiglu"]    # what its MLP layers take


def source_of(place):
    """The syntax of a file in a package, which is not imported: that takes up to twenty seconds."""
    package, _, rest = place.partition("/")
    found = importlib.util.find_spec(package)
    file = found and Path(found.submodule_search_locations[0]) / rest
    if not file or not file.exists():
        pytest.skip(f"there is no {place}")
    return ast.parse(file.read_text(encoding="utf-8"))


def keys_of(place, *tables):
    """The keys of dictionaries in a file, literals and calls of dict."""
    for node in source_of(place).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in tables:
            value = node.value
            yield from ([key.value for key in value.keys] if isinstance(value, ast.Dict)
                        else [keyword.arg for keyword in value.keywords])


def functions_of(place):
    return [node.name for node in source_of(place).body if isinstance(node, ast.FunctionDef)]


def listed(place):
    return [name for node in source_of(place).body if isinstance(node, ast.ImportFrom)
            for name in (alias.asname or alias.name for alias in node.names)]


KNOWN = {
    "transformers": lambda: keys_of("transformers/activations.py", "ACT2CLS"),
    "timm": lambda: keys_of("timm/layers/create_act.py", "_ACT_FN_DEFAULT", "_ACT_LAYER_DEFAULT"),
    "PyTorch": lambda: TORCH, "Transformer Engine": lambda: TRANSFORMER_ENGINE,
    "Keras": lambda: functions_of("keras/src/activations/activations.py"),
    "JAX": lambda: listed("jax/nn/__init__.py"),
    "MLX": lambda: functions_of("mlx/nn/layers/activations.py"),
}


@pytest.mark.parametrize("library", KNOWN)
def test_every_name_is_known(library):
    names = {name for name in KNOWN[library]() if not name.startswith("_")} - BESIDE
    assert len(names) > 5
    unknown = [name for name in names if name not in act.declare.names()]
    assert not unknown
