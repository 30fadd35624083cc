"""What other libraries call the activations, and how they are called there with our defaults.

`NAMES` is the one table of it: the README shows it, the benchmark and the accuracy command call by it, and the tests of
conformance find by it what belongs together.
"""
import functools
from dataclasses import dataclass, field

import numpy as np

from ..declare import get

LIBRARIES = "PyTorch", "JAX", "Keras", "MXNet", "MLX", "transformers", "ONNX"


@dataclass(frozen=True, eq=False)
class Call:
    """A function's name, and the options with which it is ours."""
    name: str
    options: dict = field(default_factory=dict)

    def __str__(self):
        options = ", ".join(f"{name}={format(value, '.4g') if isinstance(value, float) else repr(value)}"
                            for name, value in self.options.items())
        return f"{self.name}({options})" if options else self.name


def call(name, **options):
    return Call(name, options)


NAMES = {                                        # by library; one name stands for those of all but ONNX
    "sigmoid": ("sigmoid", "Sigmoid"),
    "tanh": ("tanh", "Tanh"),
    "softsign": ("softsign", "soft_sign", "softsign", "softsign", "softsign", "", "Softsign"),
    "relu": ("relu", "Relu"),
    "softplus": ("softplus", "softplus", "softplus", "softrelu", "softplus", "", "Softplus"),
    "leaky_relu": ("leaky_relu", "leaky_relu", call("leaky_relu", negative_slope=0.01), call("LeakyReLU", alpha=0.01),
                   "leaky_relu", "leaky_relu", "LeakyRelu"),
    "prelu": ("prelu", "", "PReLU", "PReLU", "prelu", "prelu", "PRelu"),
    "elu": ("elu", "elu", "elu", "ELU", "elu", "", "Elu"),
    "selu": ("selu", "selu", "selu", "selu", "selu", "", "Selu"),
    "swish": ("", "", "", "Swish", "", "", "Swish"),
    "silu": ("silu", "silu", "silu", "SiLU", "silu", "silu", ""),
    "gelu": ("gelu", call("gelu", approximate=False), "gelu", "GELU", "gelu", "gelu", "Gelu"),
    "gelu_tanh": (call("gelu", approximate="tanh"), "gelu", call("gelu", approximate=True),
                  call("GELU", approximation="tanh"), "gelu_approx", "gelu_pytorch_tanh",
                  call("Gelu", approximate="tanh")),
    "quick_gelu": ("", "", "", "", "gelu_fast_approx", "quick_gelu", ""),
    "mish": ("mish", "Mish"),
    "celu": ("celu", "celu", "celu", "", "celu", "", "Celu"),
    "relu6": ("relu6", "relu6", "relu6", "", "relu6", "relu6", ""),
    "relu2": ("", "", "", "", "relu2", "relu2", ""),
    "gelu_10": ("", "", "", "", "", "gelu_10", ""),
    "logit": ("logit", "", "", "", "", "", ""),
    "step": ("", "", "", "", "step", "", ""),
    "shrink": ("", "", "", "", "", "", "Shrink"),
    "threshold": (call("threshold", threshold=1, value=0), "", call("threshold", threshold=1, default_value=0), "",
                  "", "", "ThresholdedRelu"),
    "hard_sigmoid": ("hardsigmoid", "hard_sigmoid", "hard_sigmoid", call("hard_sigmoid", alpha=1 / 6), "", "",
                     call("HardSigmoid", alpha=1 / 6)),
    "hard_swish": ("hardswish", "hard_swish", "hard_silu", "", "hardswish", "hardswish", "HardSwish"),
    "hard_tanh": ("hardtanh", "hard_tanh", "hard_tanh", "", "hard_tanh", "", ""),
    "log_sigmoid": ("logsigmoid", "log_sigmoid", "log_sigmoid", "log_sigmoid", "log_sigmoid", "", ""),
    "tanhshrink": ("tanhshrink", "", "tanh_shrink", "", "", "", ""),
    "softshrink": ("softshrink", "", "soft_shrink", "", "softshrink", "", call("Shrink", bias=0.5)),
    "hard_shrink": ("hardshrink", "", "hard_shrink", "", "hard_shrink", "", "Shrink"),
    "squareplus": ("", "squareplus", "squareplus", "", "", "", ""),
    "sparse_plus": ("", "sparse_plus", "sparse_plus", "", "", "", ""),
    "sparse_sigmoid": ("", "sparse_sigmoid", "sparse_sigmoid", "", "", "", ""),
    "exponential": ("exp", "exp", "exponential", "exp", "exp", "", "Exp"),
    "identity": ("Identity", "identity", "linear", "identity", "Identity", "linear", "Identity"),
    "rrelu": ("rrelu", "", "", "rrelu", "", "", ""),
    "glu": ("glu", "glu", "glu", "", "glu", "", ""),
}
# calls there that are not our function of that name at its defaults, and ours that are the same
ELSEWHERE = (
    ("PyTorch", "nn.functional.softplus(x)", "softplus(x)", "linear from 20 on, off by up to 2e-9 there"),
    ("PyTorch", "nn.functional.glu(x)", "glu(*split_gate(x))", "one array, whose second half is the gate"),
    ("JAX", "nn.gelu(x)", "gelu_tanh(x)", "the approximation unless approximate=False"),
    ("JAX", "nn.glu(x)", "glu(*split_gate(x))", "as PyTorch"),
    ("Flax", "PReLU()(x)", "prelu(x, 0.01)", "its first alpha; here 0.25, as in PyTorch"),
    ("Keras", "activations.leaky_relu(x)", "leaky_relu(x, 0.2)", "the function; here 0.01, as in PyTorch and JAX"),
    ("Keras", "layers.LeakyReLU()(x)", "leaky_relu(x, 0.3)", "the layer"),
    ("Keras", "layers.PReLU()(x)", "prelu(x, 0)", "its first alpha"),
    ("Keras", "activations.glu(x)", "glu(*split_gate(x))", "as PyTorch"),
    ("TensorFlow", "nn.leaky_relu(x)", "leaky_relu(x, 0.2)", ""),
    ("MXNet", "nd.LeakyReLU(x)", "leaky_relu(x, 0.25)", "the operator; a block needs its alpha written out"),
    ("MXNet", "nd.LeakyReLU(x, act_type='elu')", "elu(x, 0.25)", "the operator; the block has 1, as here"),
    ("MXNet", "nd.hard_sigmoid(x)", "hard_sigmoid(x, 0.2)", "here 1/6, as in PyTorch, JAX and Keras"),
    ("ONNX", "HardSigmoid(x)", "hard_sigmoid(x, 0.2)", ""),
)
OPSET, IR = 20, 10                               # of ONNX: the first that has Gelu, and what goes with it
# at their defaults these are another function there, with less to compute
SAME = {"prelu": call("leaky_relu", negative_slope=0.25), "swish": call("silu")}


def called(name, library):
    """What a library calls an activation; None where it has no such thing."""
    row = NAMES.get(name, ("", ""))
    cells = (row[0],) * (len(LIBRARIES) - 1) + row[1:] if len(row) == 2 else row
    found = cells[LIBRARIES.index(library)]
    return (Call(found) if isinstance(found, str) else found) if found else None


def function(name, library, places):
    """A library's function of one array, found in one of these modules, with our defaults; None where it has none."""
    if name == "identity" or len(get(name).operands) > 1:        # it hands its operand back; they take one array
        return None
    found = SAME.get(name) or called(name, library)
    for place in places if found else ():
        if hasattr(place, found.name):
            f = getattr(place, found.name)
            return functools.partial(f, **found.options) if found.options else f
    return None


def torch_function(name):
    """PyTorch's, of a tensor."""
    import torch
    return function(name, "PyTorch", (torch, torch.nn.functional))


def jax_function(name):
    """JAX's, of an array."""
    import jax
    return function(name, "JAX", (jax.nn, jax.numpy))


# --- calls of arrays that NumPy holds ---------------------------------------------------------------------------------
# Each takes a number of threads and gives make(name, kind, gy, x), whose results are functions without arguments by the
# form of the call: "" for a fresh output, " out" for a given one; there are none where the library has no such thing.
def torch_peer(threads):
    import torch
    torch.set_num_threads(threads)

    def tensor(array):
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)

    def make(name, kind, gy, x):
        f, x, gy = torch_function(name), tensor(x), tensor(gy)
        if f is None:
            return {}
        if kind == "backward":
            return {"": _torch_backward(f, gy, x)}
        found, y = {"": functools.partial(f, x)}, torch.empty_like(x)
        for place in (torch, torch._C._nn, torch.nn.functional):
            into = function(name, "PyTorch", (place,))
            try:
                into(x, out=y)
            except TypeError:                    # there is none in this place, or none with out=
                continue
            return {**found, " out": functools.partial(into, x, out=y)}
        return found
    return make


def _torch_backward(f, gy, x):
    """What autograd calls, with what it saved: one node where there is one, else the walk over the graph."""
    import torch
    with torch.enable_grad():
        x.requires_grad_()
        y = f(x)
    if [node.name() for node, _ in y.grad_fn.next_functions if node] == ["torch::autograd::AccumulateGrad"]:
        return functools.partial(y.grad_fn, gy)
    return lambda: torch.autograd.grad(y, x, gy, retain_graph=True)[0]


def jax_peer(threads):
    import jax
    jax.config.update("jax_enable_x64", True)

    @functools.cache
    def compiled(name, kind):
        f = jax_function(name)
        return f and jax.jit(f if kind == "forward" else lambda x, gy: jax.vjp(f, x)[1](gy)[0])

    def make(name, kind, gy, x):
        g, arrays = compiled(name, kind), [jax.numpy.asarray(a) for a in ((x,) if kind == "forward" else (x, gy))]
        return {"": lambda: g(*arrays).block_until_ready()} if g else {}
    return make


def onnx_peer(threads):
    import onnxruntime
    from onnx import helper

    def make(name, kind, gy, x):
        found = called(name, "ONNX")
        if kind != "forward" or found is None or name == "identity":
            return {}
        element = helper.np_dtype_to_tensor_dtype(x.dtype)
        inputs, outputs = ([helper.make_tensor_value_info(v, element, [None])] for v in "xy")
        graph = helper.make_graph([helper.make_node(found.name, ["x"], ["y"], **found.options)], "g", inputs, outputs)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        try:
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
            session = onnxruntime.InferenceSession(model.SerializeToString(), options)
            bound, y = session.io_binding(), np.empty_like(x)
            bound.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
            bound.bind_output("y", "cpu", 0, x.dtype, x.shape, y.ctypes.data)
            session.run_with_iobinding(bound)
        except Exception:                        # a kernel that it lacks for this dtype
            return {}
        return {"": lambda: session.run(None, {"x": x})[0], " out": lambda: (session.run_with_iobinding(bound), y)[1]}
    return make


def scipy_peer(threads):
    from scipy import special
    functions = {"sigmoid": special.expit, "log_sigmoid": special.log_expit, "softplus": special.softplus}

    def make(name, kind, gy, x):
        return {"": functools.partial(functions[name], x)} if kind == "forward" and name in functions else {}
    return make


def as_array(result, dtype):
    """What a call gave, as a NumPy array."""
    return np.asarray(result.detach().double() if hasattr(result, "detach") else result).astype(dtype)
