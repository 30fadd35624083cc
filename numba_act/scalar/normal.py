"""The normal distribution: its upper tail is Q(a) = mills(a) e^(-a^2/2), a >= 0."""
from fractions import Fraction

from ..tree.marks import rare, tier
from ..tree.node import PerType, fma, where
from .coefficients import EXP2, MILLS, MILLS_FAST, MILLS_SLOPE_FAST, OFFSET, OFFSET_FAST
from .exponential import FAR, LN2, LOG2E, ROUND, SHIFT, decay, power_of_two, reduced_plain
from .pairs import (
    Pair,
    add,
    add_any,
    divide,
    exact,
    fast_two_sum,
    fused_sum,
    horner,
    inverse,
    magnified,
    multiply,
    number,
    quotient,
    split,
    two_product,
    two_sum,
)
from .ranges import at_most, finite

DENSITY = Fraction("0.398942280401432677939946059934381868475858631164934657665925")       # 1 / sqrt(2 pi)

TINY = PerType(float32=2.0**-40, float64=2.0**-60)       # below it gelu(x) is x / 2: Phi(x) - 1/2 is less than x / 2
ZERO_OF_SLOPE = Fraction("0.7517915246935644574579049467795240396645")         # gelu's slope is 0 at minus that
USUAL = PerType(float32=12.6, float64=37.4)              # up to it -a^2/2 is above FAR
FURTHEST = PerType(float32=16.2, float64=39.9)           # both tails are 0, and -a^2/2 is above LEAST


def mills(a):
    """Q(a) e^(a^2/2) for a >= 0, as a pair."""
    polynomial, d, _ = mills_parts(a)
    return divide(polynomial, d, inverse(d.high))


def times_mills(a):
    """a Q(a) e^(a^2/2) for a >= 0, as a pair."""
    polynomial, _, v = mills_parts(a)
    return multiply(polynomial, v)


def mills_parts(a, k=None, low=None):
    """The pairs p, d = a + k and v = a / d: p / d = Q(a) e^(a^2/2), p a polynomial in v - 1/2.  With the pair
    k / sqrt(2) instead it is so of sqrt(2) a.  `low`: that of a."""
    k = k or exact(OFFSET, a)
    d = a + k.high
    d = Pair(d, a - (d - k.high))                        # exact up to a = k; further out nothing depends on it
    for rest in (k.low, low):
        d = add(d, Pair(rest)) if rest is not None else d
    v = divide(Pair(a, low), d, inverse(d.high))
    w, w_low = fast_two_sum(number(-0.5, a), v.high)
    *upper, c1, c0 = MILLS[a.dtype]
    tail = horner(upper, w)
    slope, slope_low = fused_sum(tail, w, number(c1, w))
    high, low = fused_sum(slope, w, number(c0, w))
    derivative = fma(tail, w, slope)                     # to a quarter, which does for the low part of w
    return Pair(high, fma(slope_low, w, fma(derivative, w_low + v.low, low))), d, v


def normal_decay(a):
    """e^(-a^2/2) as a scaled pair."""
    z = magnified(two_product(a, -0.5 * a))
    return decay(*z, bounded=True, far=is_far(z.high, a))


def is_far(z, a):
    """Whether z = -a^2/2 is below FAR; usual numbers are told by a, which other conditions are about as well."""
    return rare(z < FAR, a > USUAL)


def magnitude(x):
    """|x|, at most FURTHEST."""
    return at_most(abs(x), FURTHEST)


def gelu(x):
    a = magnitude(x)
    e, shrink = normal_decay(a)
    tail, tail_low = times_mills(a)
    y, error = fused_sum(-tail, e.high, where(x > 0, x, 0))
    rest = error - fma(tail, e.low, tail_low * e.high)
    y = (y + finite(rest, x)) * where(x > 0, 1, shrink)
    v, w = lean_variable(a)
    tail, shrink = lean_decay_times(v * horner(MILLS_FAST[x.dtype], w), a)
    return tier(where(a < TINY, x * 0.5, y), where(x < -0.0, -0.0, x) - tail * shrink)


def lean_variable(a):
    """v = a / (a + k) and v - 1/2: that of the polynomials for the fast tier."""
    v = quotient(a, a + number(OFFSET_FAST, a))
    return v, v - 0.5


def lean_decay_times(y, a):
    """y e^(-a^2/2) and the power of two still to be multiplied, for the fast tier: of y (1 + p) the sum is rounded."""
    z, low = magnified(two_product(a, -0.5 * a))
    far, shift, rounder = is_far(z, a), SHIFT[a.dtype], ROUND[a.dtype]
    rounder = where(far, number(rounder + shift, a), rounder)
    s, p = reduced_plain(z, rounder, low=low)
    tail = fma(y, p.high, y) * s
    s, p = short_decay(a, rounder)
    return tier(tail, tail, fma(y, p, y) * s), where(far, number(2.0**-shift, a), 1)


def short_decay(a, rounder):
    """s and p of e^(-a^2/2) = s (1 + p) for 16-bit numbers a, whose squares are exact."""
    square = a * a
    shifted = fma(square, -LOG2E / 2, rounder)
    r = fma(square, -LOG2E / 2, rounder - shifted)
    return power_of_two(shifted), r * horner([*EXP2[a.dtype], LN2], r)


def gelu_slope(x):
    a = magnitude(x)
    e, shrink = normal_decay(a)
    density = multiply(split(-DENSITY, x), Pair(a))
    left = multiply(add_any(mills(a), density), e)
    y, rest = two_sum(where(x > 0, number(1, x), 0), where(x > 0, -left.high, left.high))
    exact = (y + (rest + where(x > 0, -left.low, left.low))) * where(x > 0, 1, shrink)
    zero, zero_low = magnified(split(ZERO_OF_SLOPE, x))
    slope = (zero - a + zero_low) * horner(MILLS_SLOPE_FAST[x.dtype], lean_variable(a)[1])
    tail, shrink = lean_decay_times(slope, a)
    tail = tail * shrink
    return tier(exact, where(x > 0, 1 - tail, tail))
