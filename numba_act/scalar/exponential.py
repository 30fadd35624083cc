"""Exponentials.  e^z = 2^n (1 + p): n is the nearest integer to z / ln 2, p a polynomial in the rest.

The relative error is a power of two, float32 then float64, and the cost counts float32 operations, four more in
float64; "beside 1" is the error in units of 1.

| function          | computes                | where             | error                  | operations |
|-------------------|-------------------------|-------------------|------------------------|------------|
| reduced_plain     | e^z as s (1 + p)        | exponent in range | -25.7, -54.8           | 15         |
| reduced_binary    | 2^ab as s (1 + p)       | exponent in range | -25.7, -54.8           | 16         |
| decay             | e^z, scaled pair        | z <= 0            | -27.8, -57.0           | 24         |
| lifted_decay      | e^z 2^SHIFT             | z <= 0            | -23.9, -52.9           | 18         |
| exp_pair          | e^z, scaled pair        | everywhere        | -28.0, -56.9           | 29         |
| exp_pair_fine     | e^z, scaled pair        | everywhere        | -37, -96               | 84         |
| exp               | e^z                     | everywhere        | -23.9, -52.9           | 22         |
| expm1_decay       | e^z - 1, pair           | z <= 0            | -26.5, -55.3; beside 1 | 23         |
|                   |                         |                   | -25, -54               |            |
| expm1_decay_whole | e^z - 1, pair           | z <= 0            | -26.5, -55.3           | 26         |
| expm1_pair        | e^z - 1, scaled pair    | everywhere        | -26.5, -55.3           | 35         |
"""
import math
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.marks import kept, rare, tier
from ..tree.node import PerType, bits, copysign, fma, from_bits, where
from .coefficients import CELU, EXP, EXP2, EXP_FAST
from .pairs import (
    Pair,
    Scaled,
    add_any,
    fast_two_sum,
    fused_sum,
    horner,
    magnified,
    multiply,
    negate,
    number,
    polynomial,
    rounded,
    rounded_product,
    scaled,
    split,
    two_sum,
)
from .ranges import at_least, bounded

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680")
LOG2E = Fraction("1.442695040888963407359924681001892137426645954152985934135449")
MANTISSA = PerType(float32=23, float64=52)
BIAS = PerType(float32=127, float64=1023)
# Added to a small number it rounds it to an integer and leaves integer + BIAS in the lowest bits.
ROUND = PerType(float32=1.5 * 2**23 + 127, float64=1.5 * 2**52 + 1023)

# Below FAR a decaying exponential is carried times 2^SHIFT.  There its pair has no part beside 1, and above it s is a
# normal number; to carry it further would be of no use, for at LEAST, where s becomes 0, even the result is 0.
FAR = PerType(float32=-80.0, float64=-700.0)
SHIFT = PerType(float32=64, float64=128)
LEAST = PerType(float32=-(127 + 64) * 0.6931471805599453, float64=-(1023 + 128) * 0.6931471805599453)
# FAR where a factor down to 2^-80 (2^-730) follows, which must leave a normal number
NEAR = PerType(float32=-30.0, float64=-200.0)
GREATEST = PerType(float32=100.0, float64=720.0)             # e^z is infinite, and 2^-SHIFT times it is not
SATURATED = PerType(float32=-40.0, float64=-80.0)            # e^z is lost beside a pair's 1
TINY = PerType(float32=2.0**-27, float64=2.0**-56)           # below it e^z - 1 is z: z^2 / 2 is a quarter ULP at most
THIRD = Fraction(1, 3)
CELU_END = 0.7                                               # up to it celu's slope in alpha is a polynomial
TAYLOR = [Fraction(1, math.factorial(k)) for k in reversed(range(10))]
LIFT = PerType(float32=2.0**32, float64=2.0**64)             # times it z^2 keeps its low part


def power_of_two(shifted):
    """2^n from n + ROUND."""
    return from_bits(bits(shifted) << MANTISSA[shifted.dtype])


def _rest_of_exp(r, sign=1):
    """q of e^t = 1 + t + q t^2, t = sign r."""
    return tier(*[horner([c * sign**k for k, c in enumerate(table[r.dtype], 1 - len(table[r.dtype]))], r)
                  for table in (EXP, EXP_FAST)])


def reduced_plain(x, rounder=ROUND, sign=1, low=None):
    """s = 2^n and a pair p: e^(sign (x + low)) = s (1 + p), up to an error in p of 2^-26 (2^-55) where n or low is not
    0."""
    shifted = fma(x, sign * LOG2E, rounder)
    n = shifted - rounder
    ln2, ln2_low = scaled(magnified(split(-LN2, x)), sign)
    r = fma(n, ln2, x)                           # exact for every n that occurs, because the sum is small
    r = fma(n, ln2_low, r) if low is None else r + fma(n, ln2_low, low)
    q, square = _rest_of_exp(r, sign), r * r
    return power_of_two(shifted), fused_sum(q, square, r if sign > 0 else -r)


def reduced_binary(a, b, low, rounder=ROUND):
    """s and p of 2^(a (b + low)) = s (1 + p), for the fast tier: the product a b is never rounded."""
    shifted = fma(a, b, rounder)
    r = fma(a, low, fma(a, b, rounder - shifted))
    ln2, ln2_low = magnified(split(LN2, a))
    q = horner([*EXP2[a.dtype], ln2_low], r)
    return power_of_two(shifted), fma(r, ln2, r * q)


def reduced(z, low=None, rounder=ROUND, share=1):
    """s = 2^n, a pair p and a tiny rest: e^(z + low) = s (1 + p) (1 + rest); or a share of what stands behind s, such
    as its 32nd root."""
    shifted = fma(z, LOG2E, rounder)
    n = shifted - rounder
    ln2, ln2_low = magnified(split(-LN2, z))
    r = fma(n, ln2, z)
    rest = fma(n, ln2_low, low) if low is not None else n * ln2_low
    r = tier(r, fma(n, ln2_low, r) if low is None else r + rest)
    r, rest = r * share, tier(rest * share, None)
    q, square = _rest_of_exp(r), r * r
    return power_of_two(shifted), fused_sum(q, square, r), rest


def exponential_pair(s, p, rest=None):
    """s (1 + p) (1 + rest) as a pair, of a pair p."""
    high, low = fused_sum(s, p.high, s)
    low = fma(s, p.low, low)
    return Pair(high, low if rest is None else fma(high, rest, low))


def decay(z, low=None, bounded=False, far=None):
    """e^(z + low) for z <= 0 as a scaled pair, whose power is not 1 below FAR, or where another condition `far` holds.
    `bounded`: z is never below LEAST."""
    parts, shrink = decay_parts(z, low, bounded, far)
    return Scaled(exponential_pair(*parts), shrink)


def decay_and_expm1(z, low=None):
    """As `decay`, and e^(z + low) - 1 as a pair."""
    parts, shrink = decay_parts(z, low)
    return Scaled(exponential_pair(*parts), shrink), _less_one(*parts)


def decay_parts(z, low, bounded=False, far=None):
    if not bounded:
        z = at_least(z, LEAST)
    far = rare(z < FAR) if far is None else far
    shift = SHIFT[z.dtype]
    rounder = ROUND[z.dtype]
    return reduced(z, low, where(far, number(rounder + shift, z), rounder)), where(far, number(2.0**-shift, z), 1)


def lifted_decay(z, low):
    """e^(z + low) for z <= 0, times 2^SHIFT so that it is a normal number; 0 below LEAST."""
    z, low = _from_least(z, low)
    s, p = reduced_plain(z, ROUND[z.dtype] + SHIFT[z.dtype], low=low)
    return fma(s, p.high, s)


def lifted_decay_pair(z, low):
    """As `lifted_decay`, as a pair."""
    z, low = _from_least(z, low)
    return exponential_pair(*reduced(z, low, ROUND[z.dtype] + SHIFT[z.dtype]))


def _from_least(z, low):
    return at_least(z, LEAST), tier(where(z < LEAST, 0, low), None)


def times_exp(scale, x):
    """(a pair) e^x for x <= 0."""
    e, shrink = decay(x, far=rare(x < NEAR))
    return rounded_product(scale, e) * shrink


def lift(size):
    """A power of two by which e^-size may be multiplied before small factors are, so that low parts stay normal
    numbers, and its reciprocal."""
    far = size > 20
    return where(far, number(2.0**40, size), 1), where(far, number(2.0**-40, size), 1)


def expm1_decay(z):
    """e^z - 1 for z <= 0 as a pair, but for 2^-25 (2^-54) where the result is -1 to that."""
    s, *parts = reduced(at_least(z, SATURATED))
    return _moved(s - 1, s, *parts)


def expm1_decay_whole(z, low=None):
    """e^(z + low) - 1 for z <= 0 as a pair."""
    return _less_one(*reduced(at_least(z, SATURATED), low))


def _less_one(s, *parts):
    """s (1 + p) (1 + rest) - 1 as a pair, s at most 1."""
    m, m_low = fast_two_sum(number(-1, s), s)
    high, low = _moved(m, s, *parts)
    return Pair(high, low + m_low)


def _moved(m, s, p, rest):
    """m + s p (1 + rest) + s rest as a pair, |m| >= |s p| or m = 0."""
    high, low = fused_sum(s, p.high, m)
    return Pair(high, fma(s, fma(p.high, rest, p.low + rest), low))


def exp_pair(z, low=None, greatest=GREATEST):
    """e^(z + low) as a scaled pair."""
    z, rounder, grow = _in_range(z, greatest)
    return Scaled(exponential_pair(*reduced(z, low, rounder)), grow)


def exp_pair_fine(z, low=None):
    """As `exp_pair`, as good as a pair holds, in both tiers: the 256th power of an exponential near 1."""
    z, rounder, grow = _in_range(z)
    shifted = fma(z, LOG2E, rounder)
    n = shifted - rounder
    ln2, ln2_low = split(-LN2, z)
    t = scaled(two_sum(fma(n, ln2, z), n * ln2_low if low is None else fma(n, ln2_low, low)), 2.0**-8)
    e = polynomial(TAYLOR[:5], [split(c, z) for c in TAYLOR[5:]], t)
    for _ in range(8):
        e = multiply(e, e)
    s = power_of_two(shifted)
    return Scaled(magnified(scaled(e, s)), kept(grow))


def _in_range(z, greatest=GREATEST):
    """z where e^z is not yet 0 or infinite, what rounds z / ln 2, and the power of two to be multiplied in the end."""
    z = bounded(z, LEAST, greatest)
    shift, rounder = SHIFT[z.dtype], ROUND[z.dtype]
    small, large = rare(z < FAR), rare(z > -FAR[z.dtype])
    rounder = where(small, number(rounder + shift, z), where(large, number(rounder - shift, z), rounder))
    return z, rounder, where(small, number(2.0**-shift, z), where(large, number(2.0**shift, z), 1))


def expm1_pair(z, low=None, sum_=two_sum):
    """As `exp_pair`, e^(z + low) - 1; but where the power of two is not 1, the 1 beside it is left out.

    With fast_two_sum for the sum it is `expm1_decay` for z <= 0.
    """
    z = bounded(z, SATURATED, GREATEST)
    shift, rounder, large = SHIFT[z.dtype], ROUND[z.dtype], rare(z > -FAR[z.dtype])
    s, *parts = reduced(z, low, where(large, number(rounder - shift, z), rounder))
    m, m_low = sum_(s, where(large, number(0, z), -1))
    high, low = _moved(m, s, *parts)
    return Scaled(Pair(high, low + m_low), where(large, number(2.0**shift, z), 1))


def celu_in_alpha(z, z_low):
    """e^z - 1 - z e^z; near 0 it is -z^2 (1/2 + z/3 + ...)."""
    series = polynomial(CELU[z.dtype], [split(THIRD, z), Pair(0.5)], Pair(z, z_low))
    lift = LIFT[z.dtype]
    lifted = Pair(z * lift, z_low * lift)
    near = rounded_product(multiply(lifted, lifted), series) * lift**-2
    y, grow = expm1_pair(z, z_low)
    e = add_any(y, Pair(where(grow > 1, number(0, z), 1)))
    far = add_any(y, negate(multiply(e, Pair(bounded(z, SATURATED, GREATEST), z_low))))
    return kept(where(abs(z) < CELU_END, -near, rounded(far) * grow))


@for_numbers_too
def exp(z):
    """e^z, by 22 operations to within 0.99 ULP; the pair would take ten more for 0.75."""
    left, rounder = z < 0, ROUND[z.dtype]
    z = bounded(z, LEAST, GREATEST)
    up, down = SHIFT[z.dtype], 20
    s, p = reduced_plain(z, where(left, number(rounder + up, z), rounder - down))
    return fma(s, p.high, s) * where(left, number(2.0**-up, z), 2.0**down)


@for_numbers_too
def expm1(z):
    """e^z - 1."""
    y, grow = expm1_pair(z)
    return copysign(rounded(y) * grow, z)
