"""What the catalogue promises where mathematics leaves a choice: NaN, infinities, zeros, kinks, warnings."""
import warnings

import ml_dtypes
import mpmath
import numpy as np
import pytest
from tools import (
    BEYOND,
    BFLOAT16,
    DTYPES,
    NAMES,
    each_output,
    every_dtype,
    every_name,
    every_name_and_dtype,
    finite,
    generator,
    inputs_of,
    output,
    outputs_of,
    parameters,
    patterns,
    random_patterns,
    rows,
    same_bits,
    specials,
    word,
)

import numba_act as act
from numba_act import accuracy
from numba_act.tools.accuracy.definition import ORDINARY

SOME = 60                                    # points at which mpmath is asked
KINKS = {                                    # where the slope jumps, and the derivative there; the defaults
    "relu": {0: 0}, "leaky_relu": {0: 0.01}, "prelu": {0: 0.25}, "elu": {0: 1}, "celu": {0: 1},
    "selu": {0: 1.7580993408473768599}, "relu6": {0: 0, 6: 0}, "hard_tanh": {-1: 0, 1: 0},
    "hard_swish": {-3: 0, 3: 1}, "softshrink": {-0.5: 0, 0.5: 0},
    "hard_shrink": {-0.5: 0, 0.5: 0}, "threshold": {1: 0}, "step": {0: 0}, "shrink": {-0.5: 0, 0.5: 0},
    "star_relu": {0: 0}, "xielu": {0: -0.3}, "gelu_10": {10: 1}, "hard_mish": {-2: 0, 0: 1}, "rrelu": {0: 11 / 48},
}
LIMITS = {                                   # at -inf and inf
    "sigmoid": (0, 1), "softplus": (0, np.inf), "log_sigmoid": (-np.inf, 0), "tanh": (-1, 1), "softsign": (-1, 1),
    "selu": (-1.7580993408473768599402175208123, np.inf), "elu": (-1, np.inf), "squareplus": (0, np.inf),
    "softcap": (-30, 30), "dyt": (-1, 1), "derf": (-1, 1), "laplace": (0, 1), "step": (0, 1),
    "sqrtsoftplus": (0, np.inf), "xielu": (np.inf, np.inf), "star_relu": (-0.4472, np.inf),
    "gelu_10": (0, 10), **dict.fromkeys(("snake", "snake_beta"), (-np.inf, np.inf)),
    "lisht": (np.inf, np.inf), "logcosh": (np.inf, np.inf), "stanh": (-1.7159, 1.7159), "tanhshrink": (-np.inf, np.inf),
    **dict.fromkeys(("silu", "swish", "mish", "gelu", "gelu_tanh", "hard_swish", "telu", "golu", "serf"),
                    (0, np.inf)),
}
MINIMA = {
    **dict.fromkeys(("silu", "swish"), (-1.2784645427610738, -0.2784645427610738)),
    "gelu": (-0.7517915246935645, -0.16997120747990366), "gelu_tanh": (-0.7524614220710162, -0.17004075057125405),
    "mish": (-1.1924312145154952, -0.3088434130172504),
}
PARTIAL = ("logit",)                          # defined on a part of the line; elsewhere they are NaN
ODD = ("tanh", "softsign", "softshrink", "hard_shrink", "tanhshrink", "stanh", "identity", "softcap")


def everything(dtype):
    """All patterns of a 16-bit type, random ones of a wider type, and the special numbers."""
    return np.concatenate([patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 20_000),
                           specials(dtype)])


def wide(x):
    """Numbers in float64; a signalling NaN is no reason to warn."""
    with np.errstate(invalid="ignore"):
        return x.astype(np.float64)


def is_nan(x):
    return np.isnan(wide(x))


def unit(value, dtype):
    """A bound on the rounding error of a result near value."""
    info = ml_dtypes.finfo(dtype)
    return max(abs(float(value)) * float(info.eps), float(info.smallest_subnormal)) if np.isfinite(value) else 0


def some(name, dtype):
    """A few finite inputs of every kind."""
    x = finite(everything(dtype))
    return np.concatenate([generator(name).choice(x, SOME), finite(specials(dtype))])


def close(value, true, dtype):
    """Whether a result is the true value but for its rounding."""
    if np.isnan(true):
        return np.isnan(value)
    return value == float(dtype.type(true)) or abs(value - true) <= unit(true, dtype)


def undefined(call, x):
    """Where a definition gives no number; that of an infinity is that of a number far out."""
    return np.isnan(call.fast(np.clip(wide(x), -ORDINARY, ORDINARY), x.dtype))


# --- NaN and infinity -------------------------------------------------------------------------------------------------
@every_name_and_dtype
@each_output
def test_nan_gives_nan_and_nothing_else_does(name, what, dtype):
    x = everything(dtype)
    for row in rows(name):
        call = output(name, what, row)
        np.testing.assert_array_equal(is_nan(call(x)), undefined(call, x) if name in PARTIAL else is_nan(x))


@every_dtype
@pytest.mark.parametrize("name", LIMITS)
def test_the_catalogues_limits(name, dtype):
    got = act.activations[name](np.array([-np.inf, np.inf], dtype)).astype(float)
    for value, limit in zip(got.tolist(), LIMITS[name], strict=True):
        assert close(value, limit, dtype)


@every_name_and_dtype
@each_output
def test_limits(name, what, dtype):
    """At infinity every output is what its definition is far beyond every number of the dtype."""
    info = ml_dtypes.finfo(dtype)
    for row in rows(name):
        call = output(name, what, row)
        got = call(np.array([-np.inf, np.inf], dtype)).astype(float)
        for value, x in zip(got.tolist(), (-BEYOND, BEYOND), strict=True):
            limit = float(call.exact(x, dtype))
            limit = np.copysign(np.inf, limit) if abs(limit) > float(info.max) else limit
            assert close(value, limit, dtype), (row, x)


@every_name_and_dtype
@each_output
def test_a_nan_parameter_matters_where_it_is_used(name, what, dtype):
    """NaN where the definition computes with it; else, unless a comparison with it decides, nothing changes."""
    x, usual = some(name, dtype), rows(name)[0]
    x = x[abs(wide(x)) < ORDINARY]
    for k in range(len(usual)):
        row = [dtype.type(p) for p in usual]
        row[k] = dtype.type(np.nan)
        call, value = output(name, what, tuple(row)), output(name, "f", tuple(row))
        got, computed = is_nan(call(x)), np.isnan(call.fast(x, dtype))
        assert got[computed].all()
        for v, g in zip(wide(x[~computed]).tolist(), wide(call(x[~computed])).tolist(), strict=True):
            if not any(mpmath.isnan(one.exact(v, dtype)) for one in (call, value)):
                assert accuracy.exact_error(call, v, g, dtype) <= 2, v
        full = np.full(x.shape, row[k])
        full[::2] = dtype.type(usual[k])
        row[k] = full
        expected = np.where(np.arange(x.size) % 2, outputs_of(name)[what](x, *call.row), outputs_of(name)[what](x))
        same_bits(outputs_of(name)[what](x, *row), expected.astype(dtype))


# --- zeros, kinks, subnormals -----------------------------------------------------------------------------------------
@every_dtype
@pytest.mark.parametrize("name", KINKS)
def test_kinks(name, dtype):
    for kink, slope in KINKS[name].items():
        x = np.array([kink, -kink] if kink == 0 else [kink], dtype)
        x[1:] = -x[:1]
        got = act.activations[name].grad(x).astype(float)
        assert (abs(got - float(dtype.type(slope))) <= (0 if slope in (0, 1) else unit(slope, dtype))).all()


@every_dtype
def test_kinks_of_hard_sigmoid(dtype):
    """With parameters that every dtype holds: 1/6 is rounded, and 3 lies before the end of the slope or past it."""
    np.testing.assert_array_equal(act.hard_sigmoid.grad(np.array([-2, 2], dtype), 0.25, 0.5), [0, 0])


def symmetry(call):
    """1 for an even definition, -1 for an odd one, 0 for others; of the constant 0 too."""
    dtype, found = np.dtype(np.float64), {1, -1}
    for x in (1e-15, 1e-3, 0.1, 0.7, 1.3, 2.9, 8.1, 31.0, 1e3, 1e6, 1e20):
        right, left = call.exact(x, dtype), call.exact(-x, dtype)
        found = {sign for sign in found if abs(right - sign * left) <= 1e-25 * abs(right)}
    return found.pop() if len(found) == 1 else 0


def test_odd_functions_are_known():
    assert {n for n in NAMES if symmetry(output(n)) == -1} >= set(ODD)


@every_name_and_dtype
@each_output
def test_symmetry(name, what, dtype):
    """Odd and even functions are so bit for bit, but for the sign of a zero at a number that is none."""
    x = everything(dtype)
    for row in rows(name):
        call = output(name, what, row)
        sign = symmetry(call)
        left, right = call(-x), call(x)
        if sign:
            expected = -right if sign < 0 else right
            zero = (wide(left) == 0) & (wide(right) == 0)
            same_bits(np.where(zero, left, expected).astype(dtype), left)


@every_dtype
@pytest.mark.parametrize("name", ODD)
def test_odd_functions_keep_the_sign_of_zero(name, dtype):
    got = act.activations[name](np.array([0.0, -0.0], dtype))
    same_bits(got, np.array([0.0, 0.0 if name == "hard_shrink" else -0.0], dtype))


@every_dtype
def test_the_dead_zone_of_softshrink_keeps_the_sign(dtype):
    same_bits(act.softshrink(np.array([0.25, -0.25], dtype)), np.array([0.0, -0.0], dtype))
    same_bits(act.hard_shrink(np.array([0.25, -0.25], dtype)), np.array([0.0, 0.0], dtype))


@every_name_and_dtype
@each_output
def test_the_sign_of_a_result_is_the_true_one(name, what, dtype):
    x = finite(everything(dtype))
    if name in ("snake", "snake_beta") and dtype == np.float64:      # no truth in float64 knows a large angle
        x = x[abs(x) <= 1]
    for row in rows(name):
        call = output(name, what, row)
        true, got = call.fast(x, dtype), call(x).astype(float)
        assert not ((np.sign(true) * np.sign(got) < 0) & (abs(true) > 1e-12)).any()


@every_name_and_dtype
@each_output
def test_subnormals_are_computed(name, what, dtype):
    """Neither subnormal inputs nor subnormal results are flushed to zero."""
    least = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    x = np.array([1, 2, 3, 5, 100], word(dtype)).view(dtype)
    x = np.concatenate([x, -x])
    for row in rows(name):
        call = output(name, what, row)
        true, got = call.fast(x, dtype), call(x).astype(float)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(true))
        assert (got != 0)[abs(true) >= least].all()
        assert (abs(got) >= least)[(got != 0) & ~np.isnan(got)].all()


@every_dtype
@pytest.mark.parametrize("name", MINIMA)
def test_minima(name, dtype):
    at, least = MINIMA[name]
    y = wide(act.activations[name](everything(dtype)))
    assert np.nanmin(y) >= least - unit(least, dtype)
    assert abs(float(act.activations[name](dtype.type(at))) - least) <= unit(least, dtype)
    assert abs(float(act.activations[name].grad(dtype.type(at)))) <= float(ml_dtypes.finfo(dtype).eps)


# --- warnings ---------------------------------------------------------------------------------------------------------
@every_name_and_dtype
def test_no_floating_point_warning(name, dtype):
    a, x, names = act.activations[name], everything(dtype), inputs_of(name)
    gy = generator(name).permutation(x)
    x = [x, generator(name, 1).permutation(x)][:len(a.operands)]
    halves = [v[::2] for v in x]
    some = np.arange(halves[0].size) % 3 == 0
    with np.errstate(all="raise"), warnings.catch_warnings(action="error"):
        for row in parameters(name, dtype):
            a(*x, *row)
            a.ufunc(*x, *row)
            a(*halves, *row, where=some, out=np.zeros_like(halves[0]))
            for wrt in names:
                a.grad(*x, *row, wrt=wrt)
                a.value_and_grad(*x, *row, wrt=wrt)
            a.backward(gy, *x, *row, wrt=names)
        for k in range(len(a.params)):
            a.backward(gy, *x, *[gy if j == k else p for j, p in enumerate(row)], wrt=names)
        if len(names) == 2:
            a.ufunc.outer(gy[:50], gy[-50:])


@every_name
def test_no_floating_point_warning_from_casts(name):
    a, narrow = act.activations[name], np.ones(3, np.float16)
    call, rest = outputs_of(name)["f"], [narrow * np.float16(-6e4)] * len(a.operands)
    beyond = np.array([1e300, 1e-300, 1], np.float64)
    with np.errstate(all="raise"), warnings.catch_warnings(action="error"):
        call(beyond, dtype=np.float32)
        call(beyond, dtype=BFLOAT16)
        call(1e300, dtype="f4")
        for given in (1e300, 1e-300):
            call(narrow, *[given] * len(a.params))
            a.backward(np.full(3, 6e4, np.float16), *rest, *[given] * len(a.params), wrt=inputs_of(name))


@pytest.mark.parametrize("dtype", DTYPES[:3], ids=str)
def test_no_floating_point_warning_from_a_narrower_output(dtype):
    with np.errstate(all="raise"):
        act.relu(np.array([1e300, 1, 2]), out=np.zeros(3, dtype))


@pytest.mark.parametrize("n", [10, 400_000])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_errstate_of_others_is_kept(dtype, n):
    """An exception of the caller's own arithmetic is neither lost nor brought about."""
    x = np.full(n, -1e4, dtype)
    with np.errstate(all="raise"):
        act.gelu(x)
        with pytest.raises(FloatingPointError):
            np.divide(x, dtype.type(0))
        act.gelu(x)
    with np.errstate(all="ignore"):
        np.divide(x, dtype.type(0))
        assert act.gelu(x).dtype == dtype
