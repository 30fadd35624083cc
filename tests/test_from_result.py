"""Gradients from the saved result: what they are, what they cost the interface, what is refused."""
import inspect
import math
import pickle

import mpmath
import numpy as np
import pytest
from numba import njit
from tools import DTYPES, generator, random_patterns, rows, same_bits

import numba_act as act
from numba_act import accuracy, nn
from numba_act.tree.exact import number

DECLARED = [name for name, a in act.activations.items() if a.expressions.from_result]
NAMED = r"backward takes y= in place of x, for the derivative in x alone, of sigmoid, .*sparse_sigmoid$"
BOUNDS = {"float16": 0.501, "bfloat16": 0.501, "float32": 1, "float64": 2}
FAST = {**BOUNDS, "float32": 4, "float64": 4}
every_declared = pytest.mark.parametrize("name", DECLARED)


def told(name):
    """The parameters for which the slope follows from the result."""
    return [row for row in rows(name) if name not in ("leaky_relu", "prelu", "elu") or row[0] >= 0]


def test_which():
    assert set(DECLARED) == {
        "sigmoid", "tanh", "softsign", "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "softplus",
        "exponential", "hard_tanh", "hard_sigmoid", "sparse_sigmoid"}


def results(name, row, dtype, count):
    """Results of all sizes, the ends of the range, and where in x they come from."""
    rng = generator(name, dtype)
    x = np.concatenate([*[rng.normal(size=count) * scale for scale in (1e-4, 1, 8, 60)],
                        [-1e4, -1e-30, 0, 1e-30, 0.5, 1, 6, 1e4]]).astype(dtype)
    x = x[abs(x).argsort()]
    y, places = np.unique(act.activations[name](x, *row), return_index=True)
    return x[places][np.isfinite(y)], y[np.isfinite(y)]


def slope(name, row, x, y, dtype):
    """The true slope where the function is y, near x, by Newton's method; 0 at an end that it does not reach."""
    value, first = (accuracy.Output(act.activations[name], wrt, row) for wrt in ((), ("x",)))
    where, y = number(float(x)), number(float(y))
    for _ in range(80):                          # towards an end each step divides the slope by e
        off, steep = value.exact(where, dtype) - y, first.exact(where, dtype)
        if off == 0 or steep == 0:
            break
        where -= off / steep
    return steep if abs(steep) > abs(y) * number(2)**-115 else number(0)


def error(got, true, dtype):
    """In units in the last place of the true value."""
    digits, least, _ = accuracy.unit(dtype)
    exponent = max(mpmath.frexp(true)[1] - 1, least) if true else least
    return abs(float((number(float(got)) - true) / number(2) ** (exponent - digits)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@every_declared
def test_error(name, dtype):
    a = act.activations[name]
    for k, row in enumerate(told(name)):
        x, y = results(name, row, dtype, 3 if k else 10)
        exact = [slope(name, row, *pair, dtype) for pair in zip(x, y, strict=True)]
        for tier, bounds in ((a, BOUNDS), (a.fast, FAST)):
            got = tier.backward(np.ones_like(y), None, *row, y=y)
            assert got.dtype == dtype
            errors = [error(*pair, dtype) for pair in zip(got, exact, strict=True)]
            worst = int(np.argmax(errors))
            assert errors[worst] <= bounds[dtype.name], (row, x[worst], y[worst], got[worst], exact[worst])


@every_declared
def test_float32_everywhere(name):
    """Against float64, on results of all exponents."""
    a = act.activations[name]
    x = np.concatenate([random_patterns(np.dtype("f4"), 50000, name), generator(name).normal(size=50000).astype("f4")])
    for row in np.float32(told(name)):
        y = a(x, *row)
        y = y[abs(y) < 1e30]
        true = a.backward(np.ones(len(y)), None, *row.astype("f8"), y=y.astype("f8"))
        unit = np.spacing(abs(true).astype("f4")).astype("f8")
        for tier, bound in ((a, 1), (a.fast, 4)):
            got = tier.backward(np.ones_like(y), None, *row, y=y)
            assert (abs(got - true) / unit).max() <= bound


@every_declared
def test_not_a_number(name):
    a, nan = act.activations[name], np.float32([np.nan])
    assert np.isnan(a.backward(nan * 0 + 1, y=nan)) and np.isnan(a.backward(nan, y=np.float32([0.5])))
    if "alpha" in a.params and name not in ("celu", "hard_sigmoid"):          # where x is not seen in y
        assert np.isnan(a.backward(np.ones(3), None, np.float64([-1, -1, -1e-300]), y=np.float64([-1, 1, 0]))).all()


@every_declared
def test_same_rules(name):
    """Dtypes, shapes, layouts, outputs and kinds are those of backward(gy, x)."""
    a, rng = act.activations[name], generator(name)
    gy, y = rng.uniform(size=(2, 4, 30)).astype("f4")
    for one, other in ((gy, y), (gy.T, y.T), (gy[:, ::2], y[:, ::-2]), (gy, y[0]), (gy, y.astype("f2")), (gy, 0.5),
                       (2, y), (gy > 0.5, y > 0.5), (0.25, 0.5), (gy[0, 0], y[0, 0])):
        got, alike = a.backward(one, y=other), a.backward(one, other)
        assert type(got) is type(alike) and got.dtype == alike.dtype and got.shape == alike.shape
        whole = np.broadcast_arrays(np.asarray(one, got.dtype), np.asarray(other, got.dtype))
        whole = a.backward(whole[0].copy(), y=whole[1].copy())
        np.testing.assert_allclose(got, whole.sum(tuple(range(whole.ndim - got.ndim))), rtol=1e-3)
    out = np.empty_like(y)
    assert a.backward(gy, y=y, out=out) is out
    same_bits(out, a.backward(gy, y=y))
    same_bits(a.backward(gy, y=y, wrt=("x",))[0], out)
    large = np.tile(y.ravel(), 3000)
    same_bits(a.backward(np.ones_like(large), y=large)[-120:], a.backward(np.ones(120, "f4"), y=y.ravel()))
    again = pickle.loads(pickle.dumps(a)).backward
    same_bits(again(gy, y=y), out)


@every_declared
def test_on_the_gpu(cupy, name):
    gy, y = generator(name).uniform(size=(2, 40)).astype("f4")
    for tier in (act.activations[name], act.activations[name].fast):
        same_bits(tier.backward(cupy.asarray(gy), y=cupy.asarray(y)).get(), tier.backward(gy, y=y))


def test_other_kinds():
    pd, dask, torch = map(pytest.importorskip, ("pandas", "dask.array", "torch"))
    gy, y = generator().uniform(size=(2, 40)).astype("f4")
    right = act.prelu.backward(gy, y=y, alpha=0.5)
    same_bits(act.prelu.backward(gy, y=pd.Series(y), alpha=0.5).to_numpy(), right)
    same_bits(act.prelu.backward(torch.tensor(gy), y=torch.tensor(y), alpha=0.5).numpy(), right)
    same_bits(act.prelu.backward(dask.from_array(gy), y=dask.from_array(y), alpha=0.5).compute(), right)


def test_in_compiled_code():
    gy, y = generator().uniform(size=(2, 4, 30)).astype("f4")

    @njit
    def called(gy, y):
        return (act.prelu.backward(gy, y=y, alpha=0.5), act.tanh.fast.backward(gy.T, y=y.T),
                act.elu.backward(gy, y=y, wrt=("x",))[0], act.prelu.backward(1.0, y=-2.0), act.sigmoid.backward(gy, y))
    right = (act.prelu.backward(gy, y=y, alpha=0.5), act.tanh.fast.backward(gy.T, y=y.T), act.elu.backward(gy, y=y),
             act.prelu.backward(1.0, y=-2.0), act.sigmoid.backward(gy, y))
    for one, other in zip(called(gy, y), right, strict=True):
        same_bits(one, other)
    with pytest.raises(Exception, match="prelu: backward takes y= in place of x"):
        njit(lambda gy: act.prelu.backward(gy, y=gy, wrt="alpha"))(gy)
    with pytest.raises(Exception, match="sigmoid: the operand x is missing"):
        njit(lambda gy: act.sigmoid.backward(gy))(gy)


@pytest.mark.parametrize(("call", "said"), [
    (lambda g, out: act.prelu.backward(g, y=g, wrt="alpha", out=out), f"prelu: {NAMED}"),
    (lambda g, out: act.prelu.backward(g, y=g, wrt=("x", "alpha")), f"prelu: {NAMED}"),
    (lambda g, out: act.sigmoid.backward(g, g, y=g, out=out), f"sigmoid: {NAMED}"),
    (lambda g, out: act.gelu.backward(g, y=g, out=out), f"gelu: {NAMED}"),
    (lambda g, out: act.gelu.fast.backward(g, g, y=g), rf"gelu\.fast: {NAMED}"),
    (lambda g, out: act.glu.backward(g, y=g), f"glu: {NAMED}"),
    (lambda g, out: act.sigmoid.backward(g, out=out), "sigmoid: the operand x is missing"),
    (lambda g, out: act.sigmoid.backward(g, y="a", out=out), "sigmoid: y: dtype <U1 is not supported"),
    (lambda g, out: act.sigmoid.backward(g, y=g, z=g), "sigmoid: z is an unknown keyword; accepted are x, out, wrt, y"),
    (lambda g, out: nn.Activation("gelu", keep="y"), f"gelu: keep='y' is not possible; {NAMED}"),
    (lambda g, out: act.glu.from_result(lambda y, z: y), "glu: from_result is for functions of one array"),
    (lambda g, out: act.elu.from_result(lambda y: y), "elu: a plain Python function of y, alpha is needed"),
])
def test_refused(call, said):
    gy, out = np.ones(3, "f4"), np.full(3, 42, "f4")
    with pytest.raises(TypeError, match=f"^{said}") as caught:
        call(gy, out)
    assert (out == 42).all() and "\n" not in str(caught.value)


def test_zeros_are_refused():
    with pytest.raises(ValueError, match="celu: alpha must not be 0"):
        act.celu.backward(1.0, y=1.0, alpha=0)


@pytest.mark.parametrize("until", [math.inf, 1e9], ids=["tree", "numba"])
def test_ones_own(until):
    """An argument called y keeps its name."""
    @act.activation
    def own(x, y=2.0):
        z = x * x * y
        return z if until == math.inf else looped(z, until)

    @own.from_result
    def _(z, y):
        return 2 * math.sqrt(z / y) * y

    assert own.compiler == ("tree" if until == math.inf else "numba")
    x, gy = np.float32([1, 2, 3]), np.float32([3, 2, 1])
    assert "y_=None" in str(inspect.signature(own.backward))
    for f in (own, own.fast):
        np.testing.assert_allclose(f.backward(gy, y_=f(x)), f.backward(gy, x), rtol=1e-6)
        np.testing.assert_allclose(f.backward(gy, y_=f(x, 3), y=3), f.backward(gy, x, y=3), rtol=1e-6)
    np.testing.assert_allclose(njit(lambda g, z: own.backward(g, y_=z))(gy, own(x)), own.backward(gy, x), rtol=1e-6)
    block = nn.Activation(own, keep="y")
    block(x)
    np.testing.assert_allclose(block.backward(gy), own.backward(gy, x), rtol=1e-6)


@njit
def looped(z, until):
    while z > until:
        z = z / 2
    return z


@every_declared
def test_blocks(name):
    x, gy = generator(name).normal(size=(2, 3, 4)).astype("f4")
    block = nn.Activation(name, keep="y")
    y = block(x)
    right = block.activation.backward(gy, y=y)
    y[:], x[:] = 0, 0
    same_bits(pickle.loads(pickle.dumps(block))(x), block.activation(x))
    same_bits(block.backward(gy), right)
    assert repr(block).endswith("keep='y')")


def test_other_blocks():
    fast = nn.Activation("tanh", keep="y", fast=True)
    for block in (nn.ELU(0.5, keep="y"), nn.SELU(keep="y"), nn.LeakyReLU(keep="y"), fast):
        x = np.float32([-1, 0.5, 3])
        y = block(x)
        same_bits(block.backward(x), block.activation.backward(x, None, *block.settings.values(), y=y))
    with pytest.raises(ValueError, match="tanh: keep='z' is neither 'x' nor 'y'"):
        nn.Activation("tanh", keep="z")
