"""Scalar functions in plain Python and in other people's Numba code."""
import re

import numpy as np
import pytest
from numba import cfunc, njit, vectorize

import numba_act as act

X = np.array([-200, -20, -1, -0.0, 0, 1e-30, 0.3, 5, 90, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("name", act.activations)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_in_njit(name, dtype):
    activation = act.get(name)
    f, g = activation.scalar, activation.scalar_grad

    if len(activation.operands) == 1:
        @njit
        def both(x, z, y, dy):
            for i in range(x.size):
                y[i], dy[i] = f(x[i]), g(x[i])
    else:
        @njit
        def both(x, z, y, dy):
            for i in range(x.size):
                y[i], dy[i] = f(x[i], z[i]), g(x[i], z[i])

    x, z = X.astype(dtype), X.astype(dtype)[::-1]
    y, dy = np.empty_like(x), np.empty_like(x)
    both(x, z, y, dy)
    operands = (x, z)[:len(activation.operands)]
    np.testing.assert_array_equal(y, activation(*operands))
    np.testing.assert_array_equal(dy, activation.grad(*operands))


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


def test_other_decorators():
    gelu = act.gelu.scalar
    doubled = vectorize(lambda x: 2 * gelu(x))
    with np.errstate(all="ignore"):                        # Numba's ufuncs report what happens inside
        np.testing.assert_array_equal(doubled(X), 2 * act.gelu(X))
    assert cfunc("float64(float64)")(lambda x: gelu(x)).ctypes(0.25) == act.gelu(0.25)


def test_a_users_loop_still_vectorises():
    gelu = act.gelu.scalar

    @njit(error_model="numpy")
    def bias_gelu(x, bias, y):
        for i in range(x.size):
            y[i] = gelu(x[i] + bias)

    bias_gelu(X.astype("f4"), np.float32(1), np.empty(X.size, "f4"))
    assembly = "".join(bias_gelu.inspect_asm().values())
    assert re.search(r"vfn?m\w+ps.*[yz]mm" if "vfmadd" in assembly else r"fmla.*\.4s", assembly)


def test_custom_activation():
    @act.activation
    def bump(x, width=1.0):
        return width / (1 + x * x)

    f = bump.scalar
    assert njit(lambda x: f(x, 2.0))(3.0) == bump(3.0, 2.0)
    assert njit(lambda x: f(x))(np.float32(3)) == bump(np.float32(3))
