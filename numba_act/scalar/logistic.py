"""The logistic function s(z) = 1 / (1 + e^-z) and its relatives, as pairs, by e = e^-|z|."""
from ..tree.marks import rare, tier, usually
from ..tree.node import PerType, copysign, fma, to_float, where
from .exponential import ROUND, decay, exponential_pair, reduced_binary, reduced_plain
from .logarithm import exponent_and_mantissa, log1p_near, with_exponent
from .pairs import (
    Pair,
    add,
    add_any,
    divide,
    exact,
    fast_two_sum,
    fused_sum,
    inverse,
    multiply,
    number,
    quotient,
    reciprocal,
    reciprocal_parts,
    rounded_product,
    scaled,
    two_product,
    two_sum,
)
from .powers import log_single
from .ranges import at_most, bounded, finite
from .wider import through_float64

FLAT = PerType(float32=30.0, float64=60.0)                   # e^-FLAT is lost beside 1
# Below -STEEP s(z), and below -STEEP_SLOPE the slope of x s(x), is less than half of the least number.  Until there the
# denominator is carried times 2^-CARRY, so that it stays finite and its 1 a normal number with its low part.
STEEP = PerType(float32=104.5, float64=746.0)
STEEP_SLOPE = PerType(float32=112.0, float64=760.0)
CARRY = PerType(float32=64, float64=512)
# Below FAR_LEFT the denominator of x s(z) is carried times 2^-2HALF, and the 1 in it does not count even in a pair;
# below NOTHING x s(z) is less than half of the least number for every x.
FAR_LEFT, HALF = PerType(float32=-80.0, float64=-700.0), PerType(float32=76, float64=539)
NOTHING = PerType(float32=-193.5, float64=-1456.0)


# Up to it the fast tier carries nothing: e^-z and its reciprocal are normal numbers, and 1 is lost beside one of them.
USUAL = PerType(float32=60.0, float64=600.0)


def decay_of_size(z, low=None):
    """e^-|z + low| as a scaled pair."""
    return decay(-abs(z), None if low is None else where(z > 0, -low, low))


def denominator(e):
    """1 + e of a pair 0 <= e <= 1."""
    return add(exact(1, e.high), e)


def logistic(x, low=None):
    """s(x + low): in float32 by one division and 27 other operations."""
    one, _, d = carried_denominator(x, low, STEEP)
    q, rest = reciprocal_parts(d, inverse(d.high))
    exact = fma(q, rest, q) * one
    one, d = lean_denominator(bounded(x, -STEEP[x.dtype], FLAT), -1, low)
    return tier(exact, inverse(d) * one)


def lean_denominator(z, sign, low=None):
    """one = 2^-CARRY, usually 1, and one (1 + e^(sign (z + low))), for the fast tier."""
    one, rounder = lean_carrying(abs(z) > USUAL)
    s, p = reduced_plain(z, rounder, sign, low)
    return one, fma(s, p.high, one + s)


def lean_carrying(far):
    """2^-CARRY where a comparison holds, usually 1, and what rounds exponents so that exponentials are times that."""
    carry = CARRY[far.args[0].dtype]
    like = far.args[0]
    return usually(number(2.0**-carry, like), 1, far), usually(number(ROUND[like.dtype] - carry, like), ROUND, far)


def carried_denominator(x, low, steepest):
    """one = 2^-CARRY; s and p of s (1 + p) = one e^-(x + low); and one (1 + e^-(x + low)) as a pair that still lacks s
    times p's low part."""
    z = bounded(x, -steepest[x.dtype], FLAT)
    carry = CARRY[x.dtype]
    one = usually(number(2.0**-carry, x), 1, abs(x) > FLAT)
    s, p = reduced_plain(z, usually(number(ROUND[x.dtype] - carry, x), ROUND[x.dtype], abs(x) > FLAT), -1, low)
    steep = one < s
    return one, (s, p), sum_with_exponential(where(steep, s, one), where(steep, one, s), s, p.high)


def sum_with_exponential(larger, smaller, s, p):
    """larger + smaller + s p as a pair, for powers of two of which one is s."""
    base, base_low = fast_two_sum(larger, smaller)
    d, error = fused_sum(s, p, base)
    return Pair(d, error + base_low)


def logistic_product(x, z, low):
    """x s(z + low)."""
    return tier(exact_product(x, z, low), lean_product(x, z, low))


def lean_product(x, z, low=None):
    """The same in the fast tier."""
    def exponential(z, rounder):
        s, p = reduced_plain(z, rounder, -1, low)
        return s, p.high

    return _lean_quotient(x, z, USUAL, NOTHING, exponential)


def lean_binary_product(x, factor, usual, nothing):
    """x s(z) of z / log 2 = x factor(x), a pair; `usual` and `nothing` are such limits of x as those of z."""
    return _lean_quotient(x, x, usual, nothing, lambda a, rounder: reduced_binary(-a, *factor(a), rounder))


def _lean_quotient(x, z, usual, nothing, exponential):
    """x / (1 + e), e = s (1 + p) of z: beyond -usual the denominator, whose 1 does not count, is carried times
    2^-2HALF."""
    far, half = rare(z < -usual[x.dtype]), HALF[x.dtype]
    x = where(rare(z < nothing[x.dtype]), copysign(0, x), x)
    one = where(far, number(2.0**-half, x), 1)
    s, p = exponential(bounded(z, nothing[x.dtype], usual),
                       where(far, number(ROUND[x.dtype] - 2 * half, x), ROUND[x.dtype]))
    d = fma(s, p, where(far, number(0, x), 1) + s)
    return quotient(x * one, d, z < -usual[x.dtype]) * one


def exact_product(x, z, low):
    """The same in the exact tier: in float32 by one division and 43 other operations.

    On the far left, x takes one half of what the denominator is carried times, the result the other.
    """
    far = rare(z < FAR_LEFT[x.dtype])
    x = where(rare(z < NOTHING[x.dtype]), copysign(0, x), x)
    z, before = bounded(z, NOTHING[x.dtype], FLAT), z
    one = where(far, number(2.0**-HALF[x.dtype], x), 1)
    rounder = where(far, number(ROUND[x.dtype] - 2 * HALF[x.dtype], x), ROUND[x.dtype])
    s, p = reduced_plain(z, rounder, -1, low)
    left = z < 0
    d, d_low = sum_with_exponential(where(left, s, one), where(left, one, s), s, p.high)
    q, rest = reciprocal_parts(Pair(d, fma(s, p.low, d_low)), inverse(d, before < FAR_LEFT[x.dtype]))
    y, y_low = two_product(x * one, q)
    return (y + finite(fma(y, rest, y_low), x)) * one


def logistic_slope(z, height, low=None):
    """height s'(z + low), height a power of two."""
    e, shrink = decay_of_size(z, low)
    d = denominator(e)
    q = reciprocal(d, inverse(d.high))
    slope = rounded_product(scaled(e, height), multiply(q, q)) * shrink
    one, q = lean_reciprocal(z, low)
    return tier(slope, height * lean_slope(one, q) * one)


def lean_reciprocal(z, low=None):
    """one and s(-|z + low|) / one, for the fast tier."""
    low = None if low is None else where(z > 0, low, -low)
    one, d = lean_denominator(at_most(abs(z), STEEP_SLOPE), 1, low)
    return one, inverse(d)


def lean_slope(one, q):
    """s'(z) / one of what `lean_reciprocal` gives: at most 1/2 that is, so that nothing cancels."""
    return fma(-q * one, q, q)


def product_slope(z, v):
    """s(z) (1 + v s(-z)) of two pairs: the derivative of x s(z(x)), v = x z'(x)."""
    return tier(exact_product_slope(z, v), lean_product_slope(z.high, z.low, v))


def lean_product_slope(z, low, v):
    """The same in the fast tier, z and v of one sign: on the right it is 1 less that on the left."""
    one, q = lean_reciprocal(z, low)
    slope = lean_slope(one, q)
    left = fma(-abs(v.high), slope, q)
    if v.low is not None:
        left = fma(-where(z > 0, v.low, -v.low), slope, left)
    left = left * one
    return where(z > 0, 1 - left, left)


def lean_binary_product_slope(x, factor, v, usual, steep):
    """The same of z / log 2 = x factor(x) and v, pairs; `usual` and `steep` are such limits of x as USUAL and
    STEEP_SLOPE are of z."""
    a = at_most(abs(x), steep)
    one, rounder = lean_carrying(a > usual)
    s, p = reduced_binary(a, *factor(a), rounder)
    d = fma(s, p, one + s)
    q = 1 / d
    slope, (high, low) = lean_slope(one, q), v(a)
    lost = q * fma(-d, q, 1)                     # by the reciprocal; without it the error is 4.12 ULP
    rest = fma(lost, fma(-high, fma(-2 * one, q, 1), 1), -low * slope)
    left = (fma(-high, slope, q) + rest) * one
    return where(x > 0, 1 - left, left)


def exact_product_slope(z, v):
    """The same in the exact tier, |v| at most 20,000.

    It is (d + v e) / d^2 with e = e^-z and d = 1 + e, both carried times 2^-CARRY.
    """
    one, (s, p), (d, d_low) = carried_denominator(*z, STEEP_SLOPE)
    d = Pair(d, fma(s, p.low, d_low))
    n, n_low = add_any(d, multiply(exponential_pair(s, p), v))
    q, rest = reciprocal_parts(d, inverse(d.high))
    t, t_low = two_product(n, q)
    t_low = fma(t, 2 * rest, fma(n_low, q, t_low))
    return fma(t, q, t_low * q) * one


@through_float64(cancels=True)
def logit(x, dtype):
    """log(x / (1 - x)): -inf at 0, inf at 1, NaN outside."""
    odds, odds_low = divide(Pair(x), two_sum(number(1, x), -x))
    if dtype == "float32":
        y = log_single(odds)
    else:
        tiny = odds < 2.0**-900
        n, m, unit = exponent_and_mantissa(where(tiny, odds * 2.0**128, odds))
        log = log1p_near(*fast_two_sum(m - 1, where(tiny, 0, odds_low * unit)))
        y = with_exponent(to_float(n) - where(tiny, number(128, x), 0), *log)
    ends = where(x == 0, float("-inf"), where(x == 1, float("inf"), float("nan")))
    return where((x > 0) & (x < 1), y, ends)


@through_float64
def logit_slope(x, dtype):
    """1 / (x (1 - x)), NaN outside."""
    return where((x >= 0) & (x <= 1), 1 / abs(x * (1 - x)), float("nan"))
