"""What the catalogue promises where mathematics leaves a choice: NaN, infinities, zeros, kinks, warnings."""
import warnings

import ml_dtypes
import numpy as np
import pytest
from tools import (
    BFLOAT16,
    DTYPES,
    NAMES,
    every_dtype,
    every_name,
    every_output,
    fast_truth,
    generator,
    outputs_of,
    parameters,
    patterns,
    random_patterns,
    same_bits,
    specials,
    word,
)
from truth import EXACT, TRUTH

import numba_act as act

BEYOND = EXACT.number("1e400")               # a finite number beyond every dtype stands for infinity


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


# --- NaN and infinity -------------------------------------------------------------------------------------------------
@every_output
@every_dtype
def test_nan_gives_nan_and_nothing_else_does(name, what, dtype):
    x = everything(dtype)
    for row in parameters(name, dtype):
        got = outputs_of(name)[what](x, *row)
        np.testing.assert_array_equal(is_nan(got), is_nan(x))


@every_output
@every_dtype
def test_limits(name, what, dtype):
    got = outputs_of(name)[what](np.array([-np.inf, np.inf], dtype))
    for value, limit in zip(got.astype(float).tolist(), TRUTH[name].limits[what], strict=True):
        assert value == float(dtype.type(limit)) or abs(value - limit) <= unit(limit, dtype)


@every_output
@every_dtype
def test_limits_for_other_parameters(name, what, dtype):
    info = ml_dtypes.finfo(dtype)
    for row in parameters(name, dtype):
        got = outputs_of(name)[what](np.array([-np.inf, np.inf], dtype), *row)
        for value, x in zip(got.astype(float).tolist(), (-BEYOND, BEYOND), strict=True):
            limit = float(TRUTH[name].definitions()[what](EXACT, x, *map(EXACT.number, map(float, row))))
            limit = limit if abs(limit) <= float(info.max) else np.copysign(np.inf, limit)
            assert value == limit or abs(value - limit) <= unit(limit, dtype), (row, x)


@every_output
@every_dtype
def test_a_nan_parameter_matters_in_its_branch_only(name, what, dtype):
    truth, a = TRUTH[name], act.activations[name]
    x = everything(dtype)
    x = x[~is_nan(x)]
    matters = truth.branch(x.astype(float))
    for k in range(len(a.params)):
        row = [dtype.type(p) for p in truth.grid[0]]
        usual = outputs_of(name)[what](x, *row)
        row[k] = dtype.type(np.nan)
        got = outputs_of(name)[what](x, *row)
        same_bits(got[~matters], usual[~matters])
        if what != a.params[k]:
            assert is_nan(got[matters]).all()
        full = np.full(x.shape, row[k])
        full[::2] = dtype.type(truth.grid[0][k])
        row[k] = full
        same_bits(outputs_of(name)[what](x, *row), np.where(np.arange(x.size) % 2, got, usual).astype(dtype))


# --- zeros, kinks, subnormals -----------------------------------------------------------------------------------------
@every_name
@every_dtype
def test_kinks(name, dtype):
    for kink, slopes in TRUTH[name].kinks.items():
        x = np.array([kink, -kink] if kink == 0 else [kink], dtype)
        x[1:] = -x[:1]
        for what, slope in slopes.items():
            got = outputs_of(name)[what](x).astype(float)
            assert (abs(got - float(dtype.type(slope))) <= (0 if slope in (0, 1) else unit(slope, dtype))).all()


@every_dtype
@pytest.mark.parametrize("name", [n for n in NAMES if TRUTH[n].odd])
def test_odd_functions(name, dtype):
    x = everything(dtype)
    same_bits(act.activations[name](-x), -act.activations[name](x))
    same_bits(act.activations[name](np.zeros(2, dtype) * dtype.type(-1)), np.array([-0.0, -0.0], dtype))


@every_dtype
@pytest.mark.parametrize("name", NAMES)
def test_the_sign_of_a_result_is_the_true_one(name, dtype):
    x = everything(dtype)
    x = x[np.isfinite(wide(x))]
    for row in parameters(name, dtype):
        for what in TRUTH[name].definitions():
            true, got = fast_truth(name, what, x, row), outputs_of(name)[what](x, *row).astype(float)
            assert not ((np.sign(true) * np.sign(got) < 0) & (abs(true) > 1e-12)).any()


@every_output
@every_dtype
def test_subnormals_are_computed(name, what, dtype):
    """Neither subnormal inputs nor subnormal results are flushed to zero."""
    least = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    x = np.array([1, 2, 3, 5, 100], word(dtype)).view(dtype)
    x = np.concatenate([x, -x])
    for row in parameters(name, dtype):
        true, got = fast_truth(name, what, x, row), outputs_of(name)[what](x, *row).astype(float)
        assert (got != 0)[abs(true) >= least].all()
        assert (abs(got) >= least)[got != 0].all()


@every_dtype
@pytest.mark.parametrize("name", [n for n in NAMES if TRUTH[n].minimum])
def test_minima(name, dtype):
    at, least = TRUTH[name].minimum
    y = wide(act.activations[name](everything(dtype)))
    assert np.nanmin(y) >= least - unit(least, dtype)
    assert abs(float(act.activations[name](dtype.type(at))) - least) <= unit(least, dtype)
    assert abs(float(act.activations[name].grad(dtype.type(at)))) <= float(ml_dtypes.finfo(dtype).eps)


# --- warnings ---------------------------------------------------------------------------------------------------------
@every_name
@every_dtype
def test_no_floating_point_warning(name, dtype):
    a, x = act.activations[name], everything(dtype)
    gy = generator(name).permutation(x)
    names, some = tuple(TRUTH[name].partials), np.arange(x[::2].size) % 3 == 0
    with np.errstate(all="raise"), warnings.catch_warnings(action="error"):
        for row in parameters(name, dtype):
            a(x, *row)
            a.ufunc(x, *row)
            a(x[::2], *row, where=some, out=np.zeros_like(x[::2]))
            for wrt in names:
                a.grad(x, *row, wrt=wrt)
                a.value_and_grad(x, *row, wrt=wrt)
            a.backward(gy, x, *row, wrt=names)
        for k in range(len(a.params)):
            a.backward(gy, x, *[gy if j == k else p for j, p in enumerate(row)], wrt=names)
        a.ufunc.outer(x[:50], *[x[-50:]] * len(a.params)) if len(names) == 2 else a.ufunc(x[:50])


@every_name
def test_no_floating_point_warning_from_casts(name):
    a, narrow = act.activations[name], np.ones(3, np.float16)
    beyond = np.array([1e300, 1e-300, 1], np.float64)
    with np.errstate(all="raise"), warnings.catch_warnings(action="error"):
        a(beyond, dtype=np.float32)
        a(beyond, dtype=BFLOAT16)
        a(1e300, dtype="f4")
        for given in (1e300, 1e-300):
            a(narrow, *[given] * len(a.params))
            a.backward(np.full(3, 6e4, np.float16), narrow * np.float16(-6e4), *[given] * len(a.params),
                       wrt=tuple(TRUTH[name].partials))


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
