"""Activations in plain Python as functions of numbers, and in other people's Numba code by their own names."""
import math
import pickle
import re
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba import cfunc, guvectorize, njit, prange, stencil, vectorize
from numba.experimental import jitclass
from tools import same_bits, spread

import numba_act as act
from numba_act import fast

X = np.array([-200, -20, -1, -0.0, 0, 1e-30, 0.3, 5, 90, np.inf, -np.inf, np.nan])
TABLE = np.linspace(-4, 4, 35).reshape(5, 7)


@act.activation
def bump(x, width=1.0):
    return width / (1 + x * x)


@pytest.mark.parametrize(("name", "dtype"), spread(["float32", "float64"]))
def test_same_bits_in_njit(name, dtype):
    """Also where the user's own operations are not exact: fastmath=True writes its flags to all that have none."""
    activation = act.get(name)
    slope = activation.scalar_grad

    if len(activation.operands) == 1:
        @njit(fastmath=True)
        def both(x, z, y, dy):
            for i in range(x.size):
                y[i], dy[i] = activation(x[i]), slope(x[i])
    else:
        @njit(fastmath=True)
        def both(x, z, y, dy):
            for i in range(x.size):
                y[i], dy[i] = activation(x[i], z[i]), slope(x[i], z[i])

    x, z = X.astype(dtype), X.astype(dtype)[::-1]
    y, dy = np.empty_like(x), np.empty_like(x)
    both(x, z, y, dy)
    operands = (x, z)[:len(activation.operands)]
    np.testing.assert_array_equal(y, activation(*operands))
    np.testing.assert_array_equal(dy, activation.grad(*operands))


# --- by `scalar`, also in plain Python --------------------------------------------------------------------------------
def test_keywords_in_plain_python():
    assert act.gelu.scalar(x=1.0) == act.gelu(1.0)
    assert type(act.elu.scalar_grad(x=-1.0, alpha=2.0)) is float
    with pytest.raises(TypeError, match=r"^gelu: the operand x is missing"):
        act.gelu.scalar()


def test_parameters():
    elu = act.elu.scalar

    @njit
    def one(x, alpha):
        return elu(x, alpha) + elu(x)

    x = np.float32(-0.7)
    assert one(x, np.float32(0.3)) == act.elu(x, 0.3) + act.elu(x)


def test_plain_python():
    assert act.gelu.scalar(1.0) == act.gelu(1.0) and type(act.gelu.scalar(1.0)) is float
    assert act.gelu.scalar(np.float32(1)) == act.gelu(np.float32(1))
    assert act.swish.scalar_grad(0.5, 1.5) == act.swish.grad(0.5, 1.5)
    assert repr(act.swish.scalar) == "<scalar function swish(x, beta)>"


# --- arrays -----------------------------------------------------------------------------------------------------------
LAYOUTS = {
    "C": lambda x: x, "F": np.asfortranarray, "strided": lambda x: x[::2, ::3], "backwards": lambda x: x[::-1, ::-1],
    "row": lambda x: x[1], "column": lambda x: x[:, 1], "0-d": lambda x: x[1, 1, ...], "empty": lambda x: x[:, :0],
    "broadcast": lambda x: np.broadcast_to(x, (3, 5, 7)), "four axes": lambda x: x.reshape(5, 7, 1, 1)[:, ::2],
    "long": lambda x: np.tile(x, (300, 1))[::2],
}


@njit
def leaky(x, alpha):
    return act.leaky_relu(x, alpha=alpha)


@njit
def swiglu(value, gate):
    return act.swiglu(value, gate)


@pytest.mark.parametrize(("layout", "dtype"), [
    *[(layout, dtype) for layout in LAYOUTS for dtype in ("float32", "float64")],
    ("C", "int16"), ("strided", "int16"), ("C", "bool")])
def test_layouts(layout, dtype):
    x = LAYOUTS[layout](TABLE.astype(dtype))
    y = leaky(x, 0.1)
    expected = act.leaky_relu(x, 0.1)
    same_bits(y if x.ndim else expected.dtype.type(y), expected)
    assert not x.ndim or y.flags.c_contiguous or x.flags.f_contiguous


@pytest.mark.parametrize(("value", "gate"), [
    ("C", "C"), ("F", "F"), ("C", "F"), ("C", "row"), ("row", "C"), ("0-d", "C"), ("strided", "strided"),
    ("broadcast", "C"), ("C", "empty rows")])
def test_operands_that_broadcast(value, gate):
    layouts = LAYOUTS | {"empty rows": lambda x: x[:0].reshape(0, 1, 1)}
    value, gate = layouts[value](TABLE.astype("f4")), layouts[gate](TABLE[::-1].astype("f4"))
    same_bits(swiglu(value, gate), act.swiglu(value, gate))


@pytest.mark.parametrize("rows", [1, 2])
def test_contiguous_arrays_that_broadcast(rows):
    x, alpha = TABLE.astype("f4"), np.linspace(0, 1, 7 * rows, dtype="f4").reshape(rows, 7)[:1]
    for a, b in ((x, alpha), (x.copy("F"), alpha.copy("F")), (alpha, x)):
        same_bits(leaky(a, b), act.leaky_relu(a, b))


@pytest.mark.parametrize("length", [1, 3, 9, 600])
def test_columns_that_broadcast(length):
    """A number for each row, beside rows that are short or long, of cheap functions and others."""
    x = np.linspace(-3, 3, 6 * length, dtype="f4").reshape(6, length)
    column = np.ascontiguousarray(x[:, :1])
    for a, b in ((x, column), (column, x), (x, column[:1]), (column, column)):
        same_bits(leaky(a, b), act.leaky_relu(a, b))
        same_bits(swiglu(a, b), act.swiglu(a, b))


@pytest.mark.parametrize("alpha", [0.1, np.float32(0.1), 2, np.array(0.1), np.full(7, 0.1), np.full((5, 1), 0.1, "f4")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_of_results(dtype, alpha):
    """A number as a parameter does not widen; operands promote as in NumPy."""
    x = TABLE.astype(dtype)
    same_bits(leaky(x, alpha), act.leaky_relu(x, alpha.item() if isinstance(alpha, np.generic) else alpha))
    assert isinstance(leaky(1.5, 0.1), float)
    same_bits(swiglu(x, x.astype("f4")), act.swiglu(x, x.astype("f4")))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"^swiglu: the shapes of value, gate, alpha do not broadcast$"):
        swiglu(TABLE, TABLE[:, :3].copy())


# --- the methods ------------------------------------------------------------------------------------------------------
@njit
def methods(x, beta):
    return (act.swish(x, beta), act.swish.grad(x, beta=beta), act.swish.grad(x, beta, wrt="beta"),
            act.swish.grad(x, n=2), act.swish.value_and_grad(x, beta), act.swish.value_and_grad(x, wrt="beta"),
            act.swish.backward(x, x, beta), act.swish.backward(x, x, wrt=("x",)),
            act.swiglu.backward(x, x, x), act.swiglu.backward(x, x, x, wrt="gate"),
            bump(x), bump.grad(x, 2, wrt="width"))


def test_methods():
    def leaves(results):
        return [np.asarray(leaf) for r in results for leaf in (r if isinstance(r, tuple) else (r,))]
    x = X.astype("f4")
    compiled, expected = leaves(methods(x, 1.5)), leaves(methods.py_func(x, 1.5))
    assert len(compiled) == len(expected) == 15
    for a, b in zip(compiled, expected, strict=True):
        same_bits(a, b)
    for k, number in enumerate(x):
        for a, b in zip(leaves(methods(number, 1.5)), compiled, strict=True):
            np.testing.assert_array_equal(a, b[k])


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: act.gelu(x, x), r"gelu: at most 1 operands are accepted \(x\), not 2"),
    (lambda x: act.gelu(), "gelu: the operand x is missing"),
    (lambda x: act.gelu(x, beta=1), "gelu: beta is an unknown keyword; accepted are no others"),
    (lambda x: act.elu(x, beta=1), "elu: beta is an unknown keyword; accepted are alpha"),
    (lambda x: act.elu(x, (1,)), r"elu: alpha must be a number or an array of numbers, not UniTuple"),
    (lambda x: act.gelu(1j * x), r"gelu: x must be a number or an array of numbers, not array\(complex"),
    (lambda x: act.elu.grad(x, wrt="beta"), "elu: wrt='beta' is none of its arguments; accepted are x, alpha"),
    (lambda x: act.elu.grad(x, wrt="xa"[x.size:]), "elu: in compiled code wrt must be a constant, as wrt='alpha', not"),
    (lambda x: act.elu.grad(x, n=5), "elu: n=5 is no order of a derivative; accepted are 1 to 4"),
    (lambda x: act.elu.backward(), "elu: the operand gy is missing"),
    (lambda x: act.elu.scalar(x), r"elu: x must be a number, not array\("),
    (lambda x: act.gelu(x.astype(np.float16)), "gelu: Numba computes in float32 and float64, not in float16; cast"),
])
def test_errors_name_the_activation(call, message):
    with pytest.raises(numba.TypingError, match=f"\\n{message}") as error:
        njit(call)(np.ones(3))
    assert len(str(error.value).splitlines()) < 20


def test_the_fast_tier():
    @njit
    def calls(f, x):
        return act.gelu.fast(x), fast.swish.grad(x, 1.5, wrt="beta"), f(x)

    x = X.astype("f4")
    for a, b in zip(calls(fast.mish, x), calls.py_func(fast.mish, x), strict=True):
        same_bits(a, b)
    assert calls(fast.mish, 0.3)[2] == act.mish.fast(0.3)


def test_what_numba_compiles_whole():
    @act.activation
    def halving(x, limit=1.0):
        if x > 1000:
            raise ValueError("too large")
        while limit < abs(x) < math.inf:
            x = x / 2
        return x

    @njit
    def calls(x):
        return halving(x, 2), halving.value_and_grad(x), halving.backward(x, x, wrt="limit")

    assert halving.compiler == "numba"
    x = np.float32([-7, 0.5, 3])
    for a, b in zip(calls(x)[:2], (halving(x, 2), halving.value_and_grad(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert calls(3.0) == (1.5, (0.75, 0.25), 0)
    with pytest.raises(ValueError, match="too large"):
        calls(np.full(3, 1e4))


# --- as an object -----------------------------------------------------------------------------------------------------
@njit
def applied(function, x):
    return function(x)


@jitclass([("function", numba.typeof(act.gelu)), ("bias", numba.float32)])
class Layer:
    def __init__(self, function, bias):
        self.function, self.bias = function, bias

    def run(self, x):
        return self.function(x + self.bias)


def test_activations_are_arguments_elements_and_attributes():
    x = X.astype("f4")
    same_bits(applied(act.gelu, x), act.gelu(x))
    same_bits(applied(bump, x), bump(x))
    assert applied(act.mish.scalar_grad, 0.3) == act.mish.grad(0.3)
    same_bits(njit(lambda fs, x: fs[0](x) + fs[1](x))((act.gelu, act.relu), x), act.gelu(x) + act.relu(x))
    assert pickle.loads(pickle.dumps(njit(lambda x: bump(x))))(2.0) == bump(2.0)
    layer = Layer(act.gelu, 1)
    same_bits(layer.run(x), act.gelu(x + np.float32(1)))
    assert layer.function is act.gelu
    assert njit(lambda f: (f, f.scalar))(act.gelu) == (act.gelu, act.gelu.scalar)


# --- Numba's other decorators -----------------------------------------------------------------------------------------
def test_parallel():
    @njit(parallel=True)
    def parallel(f, x):
        y = np.empty_like(x)
        for i in prange(x.size):
            y[i] = act.swish(x[i], beta=1.5) + f.grad(x[i])
        return y + act.relu(x)

    x = X[:9].astype("f4")
    same_bits(parallel(act.elu, x), act.swish(x, 1.5) + act.elu.grad(x) + act.relu(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_decorators(dtype):
    x = X[:9].astype(dtype)
    one, expected = x.dtype.type(1), act.swish(x, 1.5) + act.elu.grad(x, alpha=0.5)

    def f(x):
        return act.swish(x, beta=1.5) + act.elu.grad(x, alpha=0.5)

    @guvectorize([f"({dtype}[:], {dtype}[:])"], "(n)->(n)")
    def by_rows(x, y):
        y[:] = act.swish(x, beta=1.5)

    with np.errstate(all="ignore"):                        # Numba's ufuncs report what happens inside
        same_bits(vectorize(f)(x), expected)
        same_bits(vectorize([f"{dtype}({dtype})"])(f)(x), expected)
        same_bits(by_rows(np.stack([x, x])), act.swish(np.stack([x, x]), 1.5))
    assert cfunc(f"{dtype}({dtype})")(f).ctypes(0.25) == act.swish(one / 4, 1.5) + act.elu.grad(one / 4, 0.5)
    same_bits(stencil(lambda x: act.gelu(x[-1]) + act.gelu(x[1]))(x)[1:-1], act.gelu(x[:-2]) + act.gelu(x[2:]))


# --- speed ------------------------------------------------------------------------------------------------------------
VECTORS = r"vfn?m\w+ps.*[yz]mm"


def vectorised(function):
    assembly = "".join(function.inspect_asm().values())
    return re.search(VECTORS if "vfmadd" in assembly else r"fmla.*\.4s", assembly)


@pytest.mark.parametrize("fastmath", [False, True])
def test_a_users_loop_still_vectorises(fastmath):
    @njit(error_model="numpy", fastmath=fastmath)
    def bias_gelu(x, bias, y):
        for i in range(x.size):
            y[i] = act.gelu(x[i] + bias)

    bias_gelu(X.astype("f4"), np.float32(1), np.empty(X.size, "f4"))
    assert vectorised(bias_gelu)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "broadcast"])
def test_arrays_of_any_layout_are_vectorised(layout):
    gelu = njit(lambda x: act.gelu(x))
    gelu(LAYOUTS[layout](TABLE.astype("f4")))
    assert vectorised(gelu)


# --- processes --------------------------------------------------------------------------------------------------------
def run(folder, text, *options):
    command = [sys.executable, "-W", "error", *options, "-c", text]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(("first", "at"), [("stencil", "x[0]"), ("vectorize(['f8(f8)'])", "x")])
def test_the_first_use_of_numba(tmp_path, first, at):
    """Numba asks extensions' entry points when a dispatcher compiles, and these are none."""
    assert run(tmp_path, f"""
import numba, numba_act as act, numpy as np
f = numba.{first}(lambda x: act.gelu.grad({at}) + act.gelu({at}))
print(f(np.ones(1)).item() == act.gelu.grad(1.0) + act.gelu(1.0))""") == ["True"]


def test_what_numba_keeps_on_disk_is_not_stale(tmp_path):
    """Of functions with an activation from elsewhere: as a global, in a helper, in a derivative, as an argument."""
    shape = "import numba_act as act\n@act.activation\ndef bump(x, width=1.0):\n    return width / ({} + x * x)\n"
    (tmp_path / "layers.py").write_text("""
import numba, numba_act as act, numpy as np
from shapes import bump
from numba_act import fast
helper = numba.njit(lambda x: bump(x))
nameless = act.activation(lambda x: x / 2)
@numba.njit(cache=True)
def number(x): return bump(x) - helper(x)
@numba.njit(cache=True)
def array(x): return bump.grad(x)
@numba.njit(cache=True)
def inside(x): return helper(x)
@numba.njit(cache=True)
def passed(f, x): return f(x)
@numba.njit(cache=True)
def steady(x): return act.gelu(x) + fast.gelu(x)
@numba.njit(cache=True)
def unnamed(x): return nameless(x)
@numba.njit(cache=True)
def rows(x): return act.softmax(x)[0]
print(number(1.0), array(np.ones(1))[0], inside(1.0), passed(bump, 1.0), steady(0.0), unnamed(1.0), rows(np.ones(2)))
for f in number, array, inside, passed, steady, unnamed, rows:
    print(sum(f.stats.cache_hits.values()))
""")
    values = {1: ["0.0", "-0.5", "0.5", "0.5", "0.0", "0.5", "0.5"],
              3: ["0.0", "-0.125", "0.25", "0.25", "0.0", "0.5", "0.5"]}
    for constant, hits in ((1, "0000000"), (1, "1111101"), (3, "0000101"), (3, "1111101")):
        (tmp_path / "shapes.py").write_text(shape.format(constant))
        assert run(tmp_path, "import layers", "-B") == [*values[constant], *hits], constant
