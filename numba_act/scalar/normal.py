"""The normal distribution: its upper tail is Q(a) = mills(a) e^(-a^2/2), a >= 0."""
from fractions import Fraction

from ..tree.node import PerType, fma, where
from .coefficients import MILLS, OFFSET
from .exponential import decay
from .pairs import divide, fast_two_sum, horner, multiply, number, two_product

DENSITY = Fraction("0.398942280401432677939946059934381868475858631164934657665925")       # 1 / sqrt(2 pi)

FURTHEST = PerType(float32=16.2, float64=39.9)           # every tail is 0, and -a^2/2 not yet below LEAST


def mills(a):
    """Q(a) e^(a^2/2) for a >= 0, as a pair."""
    polynomial, d, _ = mills_parts(a)
    return divide(polynomial, d)


def times_mills(a):
    """a Q(a) e^(a^2/2) for a >= 0, as a pair."""
    polynomial, _, v = mills_parts(a)
    return multiply(polynomial, v)


def mills_parts(a):
    """The pairs p, d = a + k and v = a / d: p / d = Q(a) e^(a^2/2), p a polynomial in v - 1/2."""
    k = number(OFFSET, a)
    d = a + k
    d = d, a - (d - k)                                   # exact up to a = k; further out nothing depends on it
    v = divide((a, None), d)
    w, w_low = fast_two_sum(number(-0.5, a), v[0])
    *upper, c1, c0 = MILLS[a.dtype]
    tail = horner(upper, w)
    slope, slope_low = _step(tail, w, c1)
    high, low = _step(slope, w, c0)
    derivative = fma(tail, w, slope)                     # to a quarter, which does for the low part of w
    return (high, fma(slope_low, w, fma(derivative, w_low + v[1], low))), d, v


def _step(p, w, c):
    """One step of Horner's scheme and its rounding error."""
    c = number(c, w)
    high = fma(p, w, c)
    return high, fma(p, w, c - high)


def normal_decay(a):
    """e^(-a^2/2) as a pair, and the power of two still to be multiplied."""
    return decay(*two_product(a, -0.5 * a), bounded=True)


def magnitude(x):
    """|x|, at most FURTHEST."""
    a = abs(x)
    return where(a > FURTHEST, FURTHEST, a)
