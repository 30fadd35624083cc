"""Why the thresholds of scalar/ are those numbers: each inequality that their comments state."""
from fractions import Fraction

import mpmath as mp
import pytest

from numba_act.scalar import exponential as E
from numba_act.scalar import gating, logarithm, logistic, normal
from numba_act.scalar.ranges import LARGEST

DTYPES = {"float32": (24, -149, 128), "float64": (53, -1074, 1024)}      # digits, exponents of the least and the limit


@pytest.fixture(autouse=True, params=DTYPES)
def in_type(request):
    with mp.workprec(200):
        yield request.param


def log2(x):
    return mp.log(x, 2)


def exponent(z):
    """log2 of e^z."""
    return mp.mpf(z) / mp.log(2)


def test_natural_logarithms():
    assert abs(mp.mpf(E.LN2.numerator) / E.LN2.denominator - mp.log(2)) < mp.mpf(10)**-59
    assert abs(mp.mpf(E.LOG2E.numerator) / E.LOG2E.denominator - 1 / mp.log(2)) < mp.mpf(10)**-59


def test_exponents_fit(in_type):
    digits, least, most = DTYPES[in_type]
    bias, shift, far = E.BIAS[in_type], E.SHIFT[in_type], exponent(E.FAR[in_type])
    assert bias == most - 1 and E.MANTISSA[in_type] == digits - 1
    assert far < -2 * digits + 1                          # no part beside 1, even in a pair
    assert far - 1 > -bias                                # s is normal above FAR, and carried it does not overflow
    assert -far - shift < most - 1 and exponent(E.GREATEST[in_type]) - shift < most - 1
    assert exponent(E.LEAST[in_type]) <= -bias - shift + 1e-3
    assert exponent(E.LEAST[in_type]) < least - 1
    assert exponent(E.GREATEST[in_type]) > most
    assert exponent(E.SATURATED[in_type]) < -2 * digits + 1
    assert exponent(E.NEAR[in_type]) + {"float32": -80, "float64": -730}[in_type] > least + digits - 1
    assert E.TINY[in_type] / 2 <= mp.mpf(2)**-digits / 4


def test_logistic(in_type):
    digits, least, most = DTYPES[in_type]
    half = least - 1                                      # below 2^half everything is rounded to 0
    assert exponent(-logistic.FLAT[in_type]) < -digits - 1
    steep, steep_slope = logistic.STEEP[in_type], logistic.STEEP_SLOPE[in_type]
    assert exponent(-steep) < half and log2(steep_slope) + exponent(-steep_slope) < half
    carry = logistic.CARRY[in_type]
    assert exponent(steep_slope) - carry < most - 1 and -carry - 2 * digits > 2 - most
    assert most + exponent(logistic.NOTHING[in_type]) < half
    carry = 2 * logistic.HALF[in_type]
    assert exponent(logistic.FAR_LEFT[in_type]) < -2 * digits + 1
    assert exponent(-logistic.NOTHING[in_type]) - carry < most
    assert exponent(-logistic.FAR_LEFT[in_type]) - carry > 2 - most


def test_fast_tier(in_type):
    digits, least, most = DTYPES[in_type]
    usual, one = exponent(logistic.USUAL[in_type]), mp.mpf(gating.ONE[in_type])
    assert usual > digits + 1 and usual + 1 < most - 1 and -usual - 1 > least + digits - 1
    assert logistic.USUAL[in_type] <= logistic.STEEP[in_type]
    assert 2 * one / mp.expm1(one)**2 < mp.mpf(2)**-digits / 4 and 4 * exponent(one) + 8 < most - 1
    zero = mp.mpf(normal.ZERO_OF_SLOPE.numerator) / normal.ZERO_OF_SLOPE.denominator
    assert abs(mp.ncdf(-zero) - zero * mp.npdf(zero)) < mp.mpf(10)**-39


def test_normal(in_type):
    _, least, _ = DTYPES[in_type]
    a = mp.mpf(normal.FURTHEST[in_type])
    assert log2(a * mp.ncdf(-a)) < least - 1 and -a * a / 2 > E.LEAST[in_type]
    assert log2(mp.npdf(a) * a) < least - 1
    tiny = mp.mpf(normal.TINY[in_type])
    assert mp.ncdf(tiny) - 0.5 < mp.mpf(2)**-DTYPES[in_type][0] / 4


def test_gates(in_type):
    _, least, _ = DTYPES[in_type]
    flat, cubic = mp.mpf(gating.FLAT), mp.mpf(gating.CUBIC[in_type])
    assert log2(flat) + exponent(-flat) < least - 1
    line, cube = (mp.mpf(c.numerator) / c.denominator for c in (gating.GELU_LINEAR, gating.GELU_CUBIC))
    assert exponent(-(line * cubic + cube * cubic**3)) + log2(cubic) * 4 < least - 1
    assert abs(line - 2 * mp.sqrt(2 / mp.pi)) < mp.mpf(10)**-50


def test_logarithm(in_type):
    digits, least, most = DTYPES[in_type]
    assert float(LARGEST[in_type]) == 2.0**(most - 1) * (2 - 2.0**(1 - digits))
    assert logarithm.NORMAL[in_type] == 2.0**(least + digits - 1)
    short = Fraction(logarithm.LN2_SHORT[in_type])        # times the exponent of any number, subnormal ones included
    assert short.numerator.bit_length() + (-least).bit_length() <= digits
