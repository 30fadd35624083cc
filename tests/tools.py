"""What the tests share: dtypes, bits, errors in units in the last place, inputs worth trying."""
import functools
import zlib

import ml_dtypes
import numpy as np
import pytest
from truth import EXACT, FAST, TRUTH

import numba_act as act

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = [np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
NAMES = list(act.activations)
FLOOR = 2.0**-4                              # the least unit's number near a simple zero of a slope

every_name = pytest.mark.parametrize("name", NAMES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def generator(*seed):
    return np.random.default_rng(zlib.crc32(repr(seed).encode()))


def word(dtype):
    return np.dtype(f"u{np.dtype(dtype).itemsize}")


def patterns(dtype):
    """All bit patterns of a 16-bit type."""
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def random_patterns(dtype, n, *seed):
    """Random bit patterns: every exponent alike, infinities, NaN and subnormals among them."""
    return generator(dtype, *seed).integers(0, np.iinfo(word(dtype)).max, n, word(dtype), endpoint=True).view(dtype)


def specials(dtype):
    """Zeros, infinities, NaN, subnormals, the ends of the range, and ordinary numbers."""
    info = ml_dtypes.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 1, 1.5, 3, 20, 100, info.max, np.inf]
    positive = np.array([dtype.type(v) for v in positive], dtype)
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def same_bits(actual, expected):
    """Equal dtypes, shapes and bits, but for the payload of NaN."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    both = np.isnan(actual) & np.isnan(expected)
    different = (np.ascontiguousarray(actual).view(word(actual.dtype)).reshape(actual.shape)
                 != np.ascontiguousarray(expected).view(word(expected.dtype)).reshape(actual.shape)) & ~both
    assert not different.any(), (np.argwhere(different)[:3], actual[different][:3], expected[different][:3])


def outputs_of(name):
    """(what, call) of the value and of each derivative: call(*operands, **options)."""
    a = act.activations[name]
    return {"value": a, **{wrt: functools.partial(a.grad, wrt=wrt) for wrt in (*a.operands, *a.params)}}


OUTPUTS = [(name, what) for name, truth in TRUTH.items() for what in truth.definitions()]
every_output = pytest.mark.parametrize(("name", "what"), OUTPUTS)


def parameters(name, dtype):
    """The parameter grid, rounded to the dtype."""
    return [tuple(dtype.type(p) for p in row) for row in TRUTH[name].grid]


def unit_exponents(magnitudes, dtype):
    """k for which 2^k is the unit in the last place of these numbers."""
    info = ml_dtypes.finfo(dtype)
    exponent = np.frexp(magnitudes)[1].astype(np.int64) - 1
    exponent = np.where(np.asarray(magnitudes) == 0, info.minexp, exponent)
    return np.maximum(exponent, info.minexp) - info.nmant


def near_zero_of_slope(name, what, x, row):
    """Where the unit is at least that of FLOOR: within 0.5 of a zero of the slope, in beta x for swish, whose slope is
    silu's at beta x."""
    x, zeros = np.asarray(x, np.float64), TRUTH[name].zeros(*map(float, row)) if what == "x" else ()
    width = 0.5 / abs(float(row[0])) if row and row[0] else 0.5
    return functools.reduce(np.logical_or, [abs(x - z) < width for z in zeros], np.zeros(np.shape(x), bool))


def fast_truth(name, what, x, row):
    """The true value in float64, good to 2^-45."""
    with np.errstate(all="ignore"):
        operands = [np.float64(p) for p in row]
        return np.asarray(TRUTH[name].definitions()[what](FAST, x.astype(np.float64), *operands), np.float64)


@functools.cache
def _exact(name, what, x, row):
    return TRUTH[name].definitions()[what](EXACT, EXACT.number(x), *map(EXACT.number, row))


def exact_truth(name, what, x, row):
    """The true values as mpmath numbers."""
    row = tuple(float(p) for p in row)
    return [_exact(name, what, v, row) for v in x.astype(np.float64).tolist()]


def fast_errors(name, what, got, x, row):
    """Errors in units in the last place of float64 truth, for types that are narrower."""
    true, dtype = fast_truth(name, what, x, row), got.dtype
    top = 2.0**ml_dtypes.finfo(dtype).maxexp               # an infinity that overflowed counts as this
    true, got = np.clip(true, -top, top), np.clip(got.astype(np.float64), -top, top)
    magnitude = np.minimum(abs(true), np.nextafter(top, 0))
    magnitude = np.where(near_zero_of_slope(name, what, x, row), np.maximum(magnitude, FLOOR), magnitude)
    return np.ldexp(abs(got - true), -unit_exponents(magnitude, dtype))


def exact_errors(name, what, got, x, row):
    """The same by mpmath, one number at a time."""
    info = ml_dtypes.finfo(got.dtype)
    top, floored = EXACT.ldexp(1, int(info.maxexp)), near_zero_of_slope(name, what, x, row)
    errors = []
    for true, value, floor in zip(exact_truth(name, what, x, row), got.tolist(), floored, strict=True):
        exponent = EXACT.frexp(true)[1] - 1 if true else int(info.minexp)
        exponent = min(max(exponent, -4 if floor else int(info.minexp)), int(info.maxexp) - 1)
        true, value = min(max(true, -top), top), min(max(EXACT.number(value), -top), top)
        errors.append(abs(float(EXACT.ldexp(value - true, int(info.nmant) - exponent))))
    return np.array(errors)


def near(points, dtype, count=8):
    """The points and their nearest neighbours in the dtype."""
    found = []
    for point in points:
        for towards in (-np.inf, np.inf):
            x = dtype.type(point)
            for _ in range(count):
                found.append(x)
                x = np.nextafter(x, dtype.type(towards))
    return np.array(found, dtype)


def subnormal_intervals(name, what, row, dtype):
    """Intervals of x with a result between the least subnormal number and the least normal one."""
    info = np.finfo(dtype)
    edge = np.concatenate([np.geomspace(float(info.tiny), float(info.max) / 2, 2000), np.linspace(0.1, 2000, 8000)])
    x = np.sort(np.concatenate([-edge, [0], edge]))
    size = abs(fast_truth(name, what, x, row))
    inside = np.flatnonzero((size > 0) & (size < float(info.tiny)))
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1) if inside.size else []
    return [(x[max(r[0] - 1, 0)], x[min(r[-1] + 1, x.size - 1)]) for r in runs]


def points(name, what, row, dtype, scale=1):
    """Finite inputs of every exponent and sign, dense where something happens; more for a larger scale."""
    rng, info = generator(name, what, row, str(dtype)), np.finfo(dtype)
    exponents = np.arange(int(info.minexp) - int(info.nmant), int(info.maxexp))
    exponents = exponents[::max(1, exponents.size // (600 * scale))]
    wide = np.ldexp(rng.uniform(1, 2, exponents.size), exponents) * rng.choice([-1, 1], exponents.size)
    windows = [rng.uniform(-1, 1, 25 * scale) * 2.0**k for k in range(-5, 11)]
    tails = [rng.uniform(*ends, 80 * scale) for ends in subnormal_intervals(name, what, row, dtype)]
    zeros = [z + rng.choice([-1, 1], 80 * scale) * np.append(rng.uniform(0, 0.5, 40 * scale),
                                                             rng.uniform(0.5, 0.6, 40 * scale))
             for z in TRUTH[name].zeros(*map(float, row))]
    special = [*TRUTH[name].kinks, *TRUTH[name].zeros(*map(float, row)), 0, 1, -1]
    with np.errstate(all="ignore"):
        x = np.concatenate([wide, *windows, *tails, *zeros, [info.max, info.min, info.tiny]]).astype(dtype)
        return np.concatenate([x, near(special, dtype)])

