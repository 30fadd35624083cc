"""The scalar mathematics by itself: exact, and callable with plain numbers."""
import math

import mpmath
import numpy as np
import pytest
from numba import njit

import numba_act as act
from numba_act import scalar

EXACT = {"exp": mpmath.exp, "expm1": mpmath.expm1, "log1p": mpmath.log1p, "tanh": mpmath.tanh}


def calling(function):
    @act.activation
    def called(x):
        return function(x)
    return called


FUNCTIONS = {name: calling(getattr(math, name)) for name in EXACT}


def inputs(dtype):
    rng = np.random.default_rng(0)
    word = np.uint32 if dtype == "float32" else np.uint64
    x = rng.integers(0, 2**(8 * np.dtype(dtype).itemsize), 3000, dtype=word).view(dtype)
    near = [rng.uniform(-s, s, 700) for s in (1e-3, 1, 20, 110, 760)] + [2.0**rng.uniform(-140, 1000, 500)]
    with np.errstate(all="ignore"):
        x = np.concatenate([x, *near]).astype(dtype)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1), ("float64", 2)])
def test_error(name, dtype, limit):
    x = inputs(dtype)
    if name == "log1p":
        x = x[x > -1]
    got = FUNCTIONS[name](x)
    info = np.finfo(dtype)
    with mpmath.workdps(50):
        for v, g in zip(x.tolist(), got.tolist(), strict=True):
            true = EXACT[name](mpmath.mpf(v))
            if abs(true) > float(info.max):
                assert g == math.copysign(math.inf, true), v
                continue
            unit = max(mpmath.frexp(true)[1] - info.nmant - 1, int(info.minexp) - info.nmant) if true else info.minexp
            assert abs(g - true) <= limit * mpmath.ldexp(1, int(unit)), (v, g, true)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_specials(name):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
    expected = {"exp": [1, 1, np.inf, 0, np.nan], "expm1": [0, -0.0, np.inf, -1, np.nan],
                "log1p": [0, -0.0, np.inf, np.nan, np.nan], "tanh": [0, -0.0, 1, -1, np.nan]}[name]
    for dtype in ("float32", "float64"):
        got = FUNCTIONS[name](x.astype(dtype))
        np.testing.assert_array_equal(got, np.array(expected, dtype))
        np.testing.assert_array_equal(np.signbit(got[:2]), np.signbit(expected[:2]))
    assert FUNCTIONS["log1p"](-1.0) == -np.inf and np.isnan(FUNCTIONS["log1p"](-2.0))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_numbers(name):
    function = getattr(scalar, name)
    for v in (-0.75, 1e-9, 0.5, 3.0):
        assert type(function(v)) is float and function(v) == FUNCTIONS[name](v)
        assert function(np.float32(v)) == FUNCTIONS[name](np.float32(v))
        assert type(function(np.float32(v))) is np.float32
    np.testing.assert_array_equal(function(np.array([0.1, 0.2])), FUNCTIONS[name](np.array([0.1, 0.2])))


def test_fma_rounds_once():
    assert scalar.fma(0.1, 10.0, -1.0) == 2.0**-54
    assert scalar.sqrt(2.0) == math.sqrt(2)
    assert scalar.copysign(3.0, -0.0) == -3
    assert math.isnan(scalar.maximum(math.nan, 1.0)) and math.isnan(scalar.minimum(1.0, math.nan))
    f = act.activation(lambda x: max(x, 0) + min(x, 1)).scalar
    assert njit(lambda x: f(x))(0.5) == 1.0
