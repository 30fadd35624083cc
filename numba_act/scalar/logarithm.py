"""Logarithms: log(1 + g) = g + g^2 q(g) on [-0.293, 0.5], q a polynomial."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.marks import tier
from ..tree.node import PerType, bits, copysign, fma, from_bits, to_float, where
from .coefficients import LOG1P, LOG1P_FAST, LOGCOSH
from .exponential import BIAS, LN2, MANTISSA, SHIFT
from .pairs import (
    Pair,
    fast_two_sum,
    fused_sum,
    horner,
    magnified,
    multiply,
    number,
    polynomial,
    split,
    two_product,
    two_sum,
)
from .ranges import LARGEST, finite

SQRT_HALF = PerType(float32=0x3F3504F3, float64=0x3FE6A09E667F3BCD)             # its bits
LOGCOSH_END = 0.625                                         # up to it log cosh x is a polynomial


def per_size(g):
    """(log(1 + g) - g) / g, g in [-0.293, 0.5]."""
    return g * tier(horner(LOG1P[g.dtype], g), horner(LOG1P_FAST[g.dtype], g))


def log1p_near(g, low=None):
    """log(1 + g + low) as a pair, g in [-0.293, 0.5]."""
    high, error = fused_sum(per_size(g), g, g)
    if low is None:
        return Pair(high, error)
    slope = fma(g, fma(g, 0.6, -0.9), 1)                        # 1 / (1 + g) to a few per cent, for the low part
    return Pair(high, fma(slope, low, error))


def log1p_unit(e):
    """log(1 + e) of a pair 0 <= e <= 1, as a pair."""
    upper = e.high > 0.5                                        # then log 2 + log(1 + (e - 1) / 2), e - 1 exact
    g, low = where(upper, Pair(fma(e.high, 0.5, -0.5), e.low * 0.5), e)
    ln2, ln2_low = split(LN2, g)
    log, log_low = log1p_near(g, low)
    total, rest = fast_two_sum(where(upper, ln2, 0), log)
    return Pair(total, rest + (log_low + where(upper, ln2_low, 0)))


def log_of_mean(line, e):
    """line + log((1 + e) / 2) of a pair 0 <= e <= 1, as one float."""
    log, log_low = log1p_unit(e)
    ln2, ln2_low = split(LN2, line)
    less, less_low = fast_two_sum(-ln2, log)
    y, rest = two_sum(line, less)
    return y + finite(rest + (less_low + (log_low - ln2_low)), line)


def logcosh_near(x):
    """log(cosh x) up to LOGCOSH_END, as a pair."""
    square = two_product(x, x)
    return multiply(square, polynomial(LOGCOSH[x.dtype], [Pair(0.5)], square))


@for_numbers_too
def log1p(x):
    """log(1 + x): -inf at -1, NaN below."""
    u, rest = magnified(two_sum(number(1, x), x))
    n, m, unit = exponent_and_mantissa(u)
    log, log_low = log1p_near(*fast_two_sum(m - 1, rest * unit))
    y = where(x > LARGEST, x, copysign(with_exponent(to_float(n), log, log_low), x))
    return where(x > -1, y, where(x == -1, float("-inf"), float("nan")))


@for_numbers_too
def log(x):
    """The natural logarithm: -inf at 0, NaN below; n log 2 + g is exact as a pair, and the rest is small beside it."""
    n, m = taken_apart(x)
    g = m - 1
    high, low = fast_two_sum(n * number(LN2_SHORT, n), g)
    return log_or_limit(x, high + (low + fma(per_size(g), g, n * (LN2 - Fraction(LN2_SHORT[n.dtype])))))


def log_or_limit(x, y):
    """What a logarithm is where it is y for positive numbers."""
    return where(x > 0, where(x > LARGEST, x, y), where(x == 0, float("-inf"), float("nan")))


def log_of_lifted(total):
    """log of a pair that is lifted by 2^SHIFT, as a pair; -inf at 0."""
    n, m, unit = exponent_and_mantissa(total.high)
    log, log_low = log1p_near(*magnified(fast_two_sum(m - 1, total.low * unit)))
    n = to_float(n) - SHIFT[m.dtype]
    high, low = magnified(fast_two_sum(n * number(LN2_SHORT, n), log))
    low = low + (log_low + n * (LN2 - Fraction(LN2_SHORT[n.dtype])))
    return Pair(where(total.high > 0, high, total.high - float("inf")), where(total.high > 0, low, 0))


def exponent_and_mantissa(u):
    """n and m of u = 2^n m, m from sqrt(1/2) to sqrt(2), and 2^-n, or 0 where that is below the last bit of 1."""
    n = (bits(u) - SQRT_HALF[u.dtype]) >> MANTISSA[u.dtype]
    exponent = where(n < BIAS[u.dtype], BIAS[u.dtype] - n, 0)
    return n, from_bits(bits(u) - (n << MANTISSA[u.dtype])), from_bits(exponent << MANTISSA[u.dtype])


def taken_apart(x, least=SQRT_HALF):
    """n, as a float, and m of x = 2^n m > 0, m from the least on, given by its bits; x subnormal or not."""
    digits = MANTISSA[x.dtype]
    word = where(x < NORMAL, bits(x * 2.0**64) - (64 << digits), bits(x))        # with an exponent below 0
    n = (word - least[x.dtype]) >> digits
    return to_float(n), from_bits(word - (n << digits))


def with_exponent(n, log, log_low):
    """n ln 2 + log + log_low."""
    high, low = fast_two_sum(n * number(LN2_SHORT, n), log)
    return high + (low + fma(n, LN2 - Fraction(LN2_SHORT[n.dtype]), log_low))


NORMAL = PerType(float32=2.0**-126, float64=2.0**-1022)
LN2_SHORT = PerType(float32=0.693145751953125, float64=0.6931471803691238)      # times any n it is exact

