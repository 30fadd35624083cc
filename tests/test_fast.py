"""The fast tier: its bounds, its names, and the shorter trees that both tiers take for usual numbers."""
import pickle

import numpy as np
import pytest
from numba import njit
from tools import GATED, NAMES, spread

import numba_act as act
from numba_act import accuracy, fast, nn
from numba_act.backends import cpu_ufunc
from numba_act.backends.kernel import Kernel
from numba_act.fast import nn as fast_nn
from numba_act.tree.marks import RULES, everywhere, low, rare, resolved, tier, usual, usually
from numba_act.tree.node import argument, fma, where
from numba_act.tree.operations import OPERATIONS
from numba_act.tree.storage import STORAGE

X = argument("x", "float32")


def inputs(dtype):
    """Every kind of number, neighbours side by side, so that blocks are usual throughout or not."""
    rng = np.random.default_rng(1)
    dtype = np.dtype(dtype)
    patterns = np.linspace(0, 2.0**(8 * dtype.itemsize), 20000, endpoint=False).astype(f"u{dtype.itemsize}").view(dtype)
    with np.errstate(all="ignore"):
        scaled = [(rng.normal(size=4000) * s).astype(dtype) for s in (1e-3, 1, 5, 30, 300)]
    mixed = np.where(rng.random(4000) < 0.05, rng.choice(patterns, 4000), scaled[1])
    return np.concatenate([patterns, *scaled, mixed])


def kernels(activation):
    yield activation.kernel()
    for name in activation.operands + activation.params:
        yield activation.kernel("grad", name)


@pytest.mark.parametrize(("name", "dtype"), spread(["float32", "float64"]))
def test_bound(name, dtype):
    dtype, limit = np.dtype(dtype), 6 if name in GATED else 4
    for output in accuracy.outputs(act.get(name).fast):
        x = accuracy.points(output, dtype)
        error = accuracy.errors(output, x, output(x))
        assert error.max() <= limit, (output.wrt, x[error.argmax()])


@pytest.mark.parametrize(("name", "dtype"), spread(["float32", "float64"]))
def test_usual_numbers_have_the_same_bits(name, dtype):
    x = inputs(dtype)
    for tier_ in (act.get(name), act.get(name).fast):
        for kernel in kernels(tier_):
            if kernel.usual_trees(STORAGE[dtype]) is None:
                continue
            whole = Kernel(kernel.name, kernel.owner, kernel.inputs, kernel.parameters, kernel.build, fast=kernel.fast)
            whole.usual_trees = lambda storage: None
            operands = [x] * len(tier_.operands) + [np.asarray(v, dtype) for v in tier_.defaults.values()]
            with np.errstate(all="ignore"):
                got, expected = (cpu_ufunc.ufunc(k)(*operands) for k in (kernel, whole))
            np.testing.assert_array_equal(got, expected)
            np.testing.assert_array_equal(np.signbit(got) & (got == 0), np.signbit(expected) & (got == 0))


@pytest.mark.parametrize("name", NAMES)
def test_16_bit_kernels_are_of_the_fast_tier(name):
    exact = act.get(name)
    for storage in ("float16", "bfloat16"):
        assert exact.kernel().trees(STORAGE[storage]) == exact.fast.kernel().trees(STORAGE[storage])
    twice = ("grad", *exact.operands[:1] * 2)
    assert exact.fast.kernel(*twice).trees(STORAGE["float64"]) == exact.kernel(*twice).trees(STORAGE["float64"])


def test_names():
    assert set(fast.activations) == set(act.activations) and all(hasattr(fast, name) for name in fast.__all__)
    for name in NAMES:
        made = act.get(name).fast
        assert made is fast.get(name) is getattr(fast, name) is made.fast is pickle.loads(pickle.dumps(made))
        assert made is act.get(made.name)
    assert fast.gelu is act.fast.gelu is act.gelu.fast and fast.gelu_new is act.gelu_tanh.fast
    assert repr(act.swish.fast) == "<activation swish.fast(x, beta=1.0)>"
    with pytest.raises(ValueError, match="did you mean gelu"):
        fast.get("gelo")


def test_whole_interface():
    x, gy = np.float32([-30, -1, 0, 2]), np.float32([1, 2, 3, 4])
    f = act.swish.fast
    y, slope = f.value_and_grad(x, beta=2)
    np.testing.assert_array_equal(y, f(x, 2))
    np.testing.assert_array_equal(f.backward(gy, x, 2), gy * slope)
    np.testing.assert_array_equal(f.grad(x, n=2), act.swish.grad(x, n=2))
    assert f.ufunc(x, np.float32(2)).tolist() == y.tolist() and f.scalar(2.0) == f(2.0)
    assert njit(lambda x: f(x))(2.0) == njit(lambda x: act.swish.fast(x))(2.0) == f(2.0)
    with pytest.raises(TypeError, match=r"swish\.fast"):
        f(x, gamma=1)


def test_functions_of_ones_own():
    @act.activation
    def bump(x, width=1.0):
        return act.gelu(x) * act.sigmoid(x / width)

    x = np.float32([-2, 0.5, 3])
    exact, quick = act.gelu(x) * act.sigmoid(x), bump.fast(x)
    np.testing.assert_allclose(quick, exact, rtol=1e-6)
    assert bump.kernel().trees(STORAGE["float32"]) != bump.fast.kernel().trees(STORAGE["float32"])
    np.testing.assert_allclose(bump.fast.grad(x), bump.grad(x), rtol=1e-5)
    before = bump.fast

    @bump.derivative
    def _(x, width):
        return x, width
    assert bump.fast is not before and bump.fast.grad(x).tolist() == x.tolist()


def test_blocks():
    x = np.float32([-1, 0, 2])
    for block in (nn.Activation("gelu", fast=True), fast_nn.GELU(), fast_nn.Activation("gelu")):
        assert pickle.loads(pickle.dumps(block)).activation is act.gelu.fast
        assert block(x).tolist() == act.gelu.fast(x).tolist()
    assert nn.GELU().activation is nn.Activation("gelu").activation is act.gelu
    assert {"GELU", "PReLU", "Activation"} <= set(fast_nn.__all__) and fast.nn is fast_nn

    @act.activation
    def own(x, fast=1.0):
        return x * fast
    assert nn.Activation(own, fast=3)(x).tolist() == [-3, 0, 6]


def test_marks():
    assert set(RULES) <= set(OPERATIONS)
    rest = low(X * X)
    assert resolved((X + rest, fma(rest, X, X), where(X > 0, rest, X)), True) == (X, X, where(X > 0, 0, X))
    assert resolved((X + rest, tier(X, rest)), False) == (X + X * X, X)
    assert resolved((rest,), True)[0].value == 0 and resolved((where(rest < 1, X, -X),), True) == (X,)
    clipped = where(rare(X > 3), 3, where(rare(-X > 4), -4, X))
    condition, (shorter,) = usual((clipped,))
    assert shorter is X and condition is (abs(X) <= 3)
    assert everywhere((clipped,)) == (where(X > 3, 3, where(-X > 4, -4, X)),)
    one, _ = usual((usually(X * X, X, X < 1, X > 1),))
    assert set(one.args) == {X >= 1, X <= 1}
    assert usual((X + 1,)) is None
    hidden = where(rare(X > 3), usually(X, 1, X < -1), X)          # of a way that is not taken nothing is asked
    assert usual((hidden,)) == ((X <= 3), (X,))
    with pytest.raises(TypeError, match="no comparison with a constant"):
        usual((rare(X > X * X),))
