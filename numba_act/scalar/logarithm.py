"""Logarithms: log(1 + g) = g + g^2 q(g) on [-0.293, 0.5], q a polynomial."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.node import PerType, bits, copysign, fma, from_bits, split, to_float, where
from .coefficients import LOG1P
from .exponential import BIAS, LN2, MANTISSA
from .pairs import LARGEST, fast_two_sum, horner, number, two_sum


def log1p_near(g, low):
    """log(1 + g + low) as a pair, g in [-0.293, 0.5]."""
    w = g * horner(LOG1P[g.dtype], g)
    high = fma(w, g, g)
    slope = fma(g, fma(g, 0.6, -0.9), 1)                        # 1 / (1 + g) to a few per cent, for the low part
    return high, fma(slope, low, fma(w, g, g - high))


def log1p_unit(e):
    """log(1 + e) of a pair 0 <= e <= 1, as a pair."""
    upper = e[0] > 0.5                                          # then log 2 + log(1 + (e - 1) / 2), e - 1 exact
    g, low = where(upper, (fma(e[0], 0.5, -0.5), e[1] * 0.5), e)
    ln2, ln2_low = split(LN2, g)
    log, log_low = log1p_near(g, low)
    total, rest = fast_two_sum(where(upper, ln2, 0), log)
    return total, rest + (log_low + where(upper, ln2_low, 0))


@for_numbers_too
def log1p(x):
    """log(1 + x): -inf at -1, NaN below."""
    u, rest = two_sum(number(1, x), x)
    n = (bits(u) - SQRT_HALF[x.dtype]) >> MANTISSA[x.dtype]     # u = 2^n m, m from sqrt(1/2) to sqrt(2)
    exponent = where(n < BIAS[x.dtype], BIAS[x.dtype] - n, 0)
    unit = from_bits(exponent << MANTISSA[x.dtype])                 # 2^-n, or 0 where the rest is nothing
    m = from_bits(bits(u) - (n << MANTISSA[x.dtype]))
    log, log_low = log1p_near(*fast_two_sum(m - 1, rest * unit))
    n = to_float(n)
    high, low = fast_two_sum(n * number(LN2_SHORT, x), log)
    y = copysign(high + (low + fma(n, LN2 - Fraction(LN2_SHORT[x.dtype]), log_low)), x)
    y = where(x > LARGEST, x, y)
    return where(x > -1, y, where(x == -1, float("-inf"), float("nan")))


SQRT_HALF = PerType(float32=0x3F3504F3, float64=0x3FE6A09E667F3BCD)             # its bits
LN2_SHORT = PerType(float32=0.693145751953125, float64=0.6931471803691238)      # times any n it is exact
