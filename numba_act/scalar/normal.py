"""The normal distribution: its upper tail is Q(a) = mills(a) e^(-a^2/2), a >= 0."""
from fractions import Fraction

from ..tree.node import fma, where
from .coefficients import MILLS, OFFSET
from .exponential import decay
from .pairs import divide, fast_two_sum, horner, number, two_product

DENSITY = Fraction("0.398942280401432677939946059934381868475858631164934657665925")       # 1 / sqrt(2 pi)


def mills(a):
    """Q(a) e^(a^2/2) for a >= 0, as a pair: a polynomial in w = a / (a + k) - 1/2, divided by a + k."""
    k = number(OFFSET, a)
    d = a + k
    d = d, a - (d - k)                                   # exact up to a = k; further out nothing depends on it
    v, v_low = divide((a, None), d)
    w, w_low = fast_two_sum(number(-0.5, a), v)
    *upper, c1, c0 = MILLS[a.dtype]
    slope, slope_low = _step(horner(upper, w), w, c1)
    high, low = _step(slope, w, c0)
    return divide((high, fma(slope_low, w, fma(slope, w_low + v_low, low))), d)


def _step(p, w, c):
    """One step of Horner's scheme and its rounding error."""
    c = number(c, w)
    high = fma(p, w, c)
    return high, fma(p, w, c - high)


def normal_decay(a):
    """e^(-a^2/2) as a pair, and the power of two still to be multiplied."""
    return decay(*two_product(a, -0.5 * a))


def magnitude(x):
    """|x|, at most 40: further out every tail is 0."""
    a = abs(x)
    return where(a > 40, 40, a)
