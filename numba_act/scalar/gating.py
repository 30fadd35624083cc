"""Self-gated functions: x times something that goes from 0 to 1."""
from fractions import Fraction
from typing import NamedTuple

from ..tree.marks import kept, rare, tier, usually
from ..tree.node import Node, PerType, build, fma, stored, where
from .errors import TWO_OVER_ROOT_PI, bell_of_pair, erf_of_pair
from .exponential import FAR, LEAST, LOG2E, ROUND, SHIFT, decay, exp_pair, exp_pair_fine, reduced_plain
from .logarithm import log1p_unit
from .logistic import (
    decay_of_size,
    denominator,
    exact_product,
    exact_product_slope,
    lean_binary_product,
    lean_binary_product_slope,
    lean_product,
    lean_product_slope,
    logistic_product,
    product_slope,
)
from .pairs import (
    Pair,
    Scaled,
    add,
    add_any,
    argument_product,
    divide,
    exact,
    fast_two_sum,
    fused_sum,
    inverse,
    magnified,
    multiply,
    negate,
    number,
    reciprocal,
    rounded,
    rounded_product,
    scaled,
    split,
    two_product,
)
from .powers import log1p_fine
from .ranges import LARGEST, at_least, at_most, bounded, clipped, unless_nan
from .wider import single, through_float64

FLAT = 1000                                                  # past it the gate is 0 or 1
CUBIC = PerType(float32=20.0, float64=40.0)                  # past it gelu_tanh's gate is 0 or 1
GELU_LINEAR = 2 * Fraction("0.797884560802865355879892119868763736951717262329869315331852")       # 2 sqrt(2 / pi)
GELU_CUBIC = GELU_LINEAR * Fraction("0.044715")
QUICK = Fraction("1.702")
# limits of x for USUAL, NOTHING and STEEP_SLOPE of z, where z is gelu_tanh's or quick_gelu's
GELU_USUAL, QUICK_USUAL = PerType(float32=8.5, float64=19.5), PerType(float32=35.0, float64=350.0)
GELU_NOTHING, QUICK_NOTHING = PerType(float32=-12.0, float64=-23.0), PerType(float32=-113.0, float64=-855.0)
GELU_STEEP, QUICK_STEEP = PerType(float32=11.2, float64=21.7), PerType(float32=65.8, float64=446.0)
# of which a constant is a multiple, so that it is taken exactly from sums up to 17 (64)
GRID = PerType(float32=2.0**-19, float64=2.0**-47)
ONE = PerType(float32=20.0, float64=170.0)                   # past it mish(x) is x, and up to it e^4x is finite
GUMBEL_ENDS = -7.0, 60.0                                     # e^-e^-x is 0 and 1, both to less than a last bit


def gated(x, right, gate):
    """x times a scaled pair from 0 to 1 that is exactly 0 or 1 beyond FLAT, 1 on the right."""
    (high, low), power = gate
    inner = clipped(x, FLAT)
    y = fma(where(right, x, inner), high, inner * low)
    return y if power is None else y * power


def silu(x):
    return tier(exact_product(x, x, number(0, x)), lean_product(x, x))


def silu_slope(x):
    z = clipped(x, FLAT)
    return tier(exact_product_slope(Pair(z, number(0, x)), Pair(z)), lean_product_slope(z, None, Pair(z)))


def gelu_tanh(x):
    return tier(exact_product(x, *gelu_argument(x)[0]),
                lean_binary_product(x, lean_gelu_factor, GELU_USUAL, GELU_NOTHING))


def gelu_tanh_slope(x):
    return tier(exact_product_slope(*gelu_argument(x)),
                lean_binary_product_slope(x, lean_gelu_factor, lean_gelu_growth, GELU_USUAL, GELU_STEEP))


def gelu_argument(x):
    """The pairs z = 2 sqrt(2/pi) (x + 0.044715 x^3) and x z'(x)."""
    a = clipped(x, CUBIC)
    cube = multiply(split(GELU_CUBIC, x), two_product(a, a))
    line = add_any(split(GELU_LINEAR, x), cube)
    return magnified(multiply(line, Pair(a))), magnified(multiply(add_any(line, scaled(cube, 2)), Pair(a)))


def lean_gelu_factor(a):
    """z / (a log 2) as a pair."""
    return lean_line(LOG2E * GELU_CUBIC, LOG2E * GELU_LINEAR, a)


def lean_gelu_growth(a):
    """a z'(a) as a pair."""
    return lean_times(a, lean_line(3 * GELU_CUBIC, GELU_LINEAR, a))


def lean_line(cubic, linear, a):
    """cubic a^2 + linear as a pair, which both tiers would compute so."""
    unit = Fraction(GRID[a.dtype])
    short = round(linear / unit) * unit
    cubic, cubic_low = magnified(split(cubic, a))
    square = a * a
    factor = fma(cubic, square, number(short, a))
    rest = fma(cubic, fma(a, a, -square), fma(cubic_low, square, number(linear - short, a)))
    return Pair(factor, fma(cubic, square, number(short, a) - factor) + rest)


def lean_times(a, factor):
    """The product of a number and a pair, as a pair."""
    high = a * factor.high
    return Pair(high, fma(a, factor.low, fma(a, factor.high, -high)))


def quick_gelu(x):
    return tier(exact_product(x, *quick_argument(x)), lean_binary_product(x, quick_factor, QUICK_USUAL, QUICK_NOTHING))


def quick_gelu_slope(x):
    z = quick_argument(x)
    return tier(exact_product_slope(z, z),
                lean_binary_product_slope(x, quick_factor, quick_growth, QUICK_USUAL, QUICK_STEEP))


def quick_argument(x):
    """1.702 x as a pair."""
    return magnified(multiply(Pair(clipped(x, FLAT)), split(QUICK, x)))


def quick_factor(a):
    """1.702 / log 2 as a pair."""
    return magnified(split(LOG2E * QUICK, a))


def quick_growth(a):
    """1.702 a as a pair."""
    return lean_times(a, magnified(split(QUICK, a)))


class SoftplusTanh(NamedTuple):
    """tanh(softplus x) = n / d times `power`, and of what these are made: e = e^-|x| and its square."""
    e: Pair
    square: Pair
    n: Pair
    d: Pair
    power: Node


def softplus_tanh(x):
    e, shrink = decay_of_size(x)
    square, right = multiply(e, e), x > 0
    n = where(right, add(exact(1, x), scaled(e, 2)), add(scaled(e, 2), square))
    d = add_any(n, where(right, scaled(square, 2), exact(2, x)))
    return SoftplusTanh(e, square, n, d, where(right, 1, shrink))


def mish(x):
    _, _, n, d, power = softplus_tanh(x)
    inner = at_least(x, LEAST)
    s, p, shrink = lean_exponential(inner)
    e = fma(s, p, s) * shrink
    gate, right = fma(inner, e, 2 * inner), x > 0
    share = where(right, 2 * x, fma(gate, p, gate) * s) / fma(e, e + 2, 2)
    lean = where(rare(x > ONE), x, where(right, x - share, share * shrink))
    return tier(gated(x, right, Scaled(divide(n, d), power)), lean)


def mish_slope(x):
    e, square, n, d, power = softplus_tanh(x)
    right, one = x > 0, exact(1, x)
    first = multiply(where(right, n, add(exact(2, x), e)), d)
    second = multiply(where(right, square, one), multiply(denominator(e), Pair(4 * clipped(x, FLAT))))
    q = reciprocal(d)
    slope = multiply(add_any(first, second), multiply(q, q))
    return tier(rounded_product(slope, where(right, one, e)) * power, lean_mish_slope(x))


def lean_mish_slope(x):
    """For the fast tier, by e = e^x and d = e^2 + 2 e + 2: on the left, where the terms of the sum
    1 - (2 d - 4 x e (e + 1)) / d^2 would cancel, e (4 + 4 x + (6 + 4 x) e + 4 e^2 + e^3) / d^2."""
    z = bounded(x, LEAST, ONE)
    s, p, shrink = lean_exponential(z)
    e, e_low = magnified(scaled(fused_sum(s, p, s), shrink))
    d, d_low = magnified(polynomial_denominator(e))
    d_low = fma(2 * e_low, e + 1, d_low)
    inner = fma(e, e + 4, fma(4, z, 6))
    m = fma(e, inner, fma(e_low, fma(4, e, inner), fma(4, z, 4)))
    middle = x > -0.4
    upper = fma(-4 * z, e * (e + 1), 2 * d_low) + 2 * d
    share = where(middle, upper, fma(m, p, m) * s) / fma(d, d, 2 * d * d_low)
    return where(middle, 1 - share, share * shrink)


def polynomial_denominator(e):
    """e (e + 2) + 2 as a pair."""
    upper, upper_low = fast_two_sum(number(2, e), e)
    d, d_low = fused_sum(e, upper, number(2, e))
    return Pair(d, fma(e, upper_low, d_low))


def lean_exponential(z):
    """s and p of e^z = s (1 + p) for the fast tier, z up to ONE, and the power of two still to be multiplied."""
    z = at_most(z, ONE)
    far, shift, rounder = rare(z < FAR), SHIFT[z.dtype], ROUND[z.dtype]
    s, p = reduced_plain(z, where(far, number(rounder + shift, z), rounder))
    return s, p.high, where(far, number(2.0**-shift, z), 1)


def swish_slope_in_beta(x, z, low):
    """x^2 s'(z + low)."""
    e, shrink = decay_of_size(z, low)
    d = denominator(e)
    factor = multiply(reciprocal(d, inverse(d.high)), Pair(clipped(x, LARGEST)))
    return kept(rounded_product(factor, multiply(factor, e))) * shrink


def gate_slopes(value, factor, slope):
    """Of value times a factor of a gate; the factor is NaN where the value is."""
    return unless_nan(value, factor), value * stored(slope)


def _gumbel(x, dtype):
    """e^-e^-x as a scaled pair, and e^-x as a pair; x within the bounds beyond which the former is 0 or 1."""
    e, _ = exp_pair_fine(-x) if dtype == "float64" else exp_pair(-x)
    e = single(e, dtype)
    return decay(*(negate(e) if dtype == "float32" else magnified(negate(e)))), e


@through_float64(cancels=True)
def golu(x, dtype):
    """x e^-e^-x."""
    gate, _ = _gumbel(bounded(x, *GUMBEL_ENDS), dtype)
    return gated(x, x > 0, gate)


@through_float64(cancels=True)
def golu_slope(x, dtype):
    """e^-e^-x (1 + x e^-x)."""
    inner = bounded(x, *GUMBEL_ENDS)
    (gate, shrink), e = _gumbel(inner, dtype)
    return rounded_product(gate, add_any(exact(1, x), multiply(e, Pair(inner)))) * shrink


def _erf_of_softplus(x, log1p, dtype):
    """e^-|x|, z = log(1 + e^x) and erf z as pairs, the latter two for negative x to be multiplied by what follows."""
    e, shrink = decay_of_size(x)
    left = x < 0
    z = single(add_any(Pair(where(left, 0, at_most(x, FLAT))), log1p(e)), dtype)
    return e, z, erf_of_pair(z), where(left, shrink, 1)


@through_float64
def serf(x, dtype):
    """x erf(log(1 + e^x))."""
    _, _, gate, power = _erf_of_softplus(x, log1p_unit, dtype)
    return gated(x, x > 0, Scaled(gate, power))


@through_float64(cancels=True)
def serf_slope(x, dtype):
    """erf(z) + 2 / sqrt(pi) e^(-z^2) x s(x) of z = log(1 + e^x)."""
    e, z, gate, power = _erf_of_softplus(x, log1p_unit if dtype == "float32" else log1p_fine, dtype)
    bell, shrink = bell_of_pair(z)
    steep = multiply(divide(where(x < 0, e, exact(1, x)), denominator(e)), Pair(clipped(x, FLAT)))
    term = multiply(multiply(bell, split(TWO_OVER_ROOT_PI, x)), steep)
    return rounded(add_any(gate, scaled(term, shrink))) * power


def swish(x, beta):
    """x s(beta x)."""
    return logistic_product(x, *argument_product(x, beta))


def swish_slope(x, beta):
    """The derivative of x s(beta x) in x."""
    z, low = argument_product(x, beta)
    z = Pair(clipped(z, FLAT), low)
    return product_slope(z, z)


def at_one(beta, usual, general):
    """What is usual for a parameter of 1; both are written out where blocks do not tell."""
    return usually(where(build("eq", beta, 1), usual, general), usual, beta < 1, beta > 1)


def swish_slopes(x, beta):
    """x s(beta x) with its derivatives in x and beta, at beta = 1 with those of silu."""
    z, low = argument_product(x, beta)
    return (at_one(beta, silu(x), swish(x, beta)), at_one(beta, silu_slope(x), swish_slope(x, beta)),
            swish_slope_in_beta(x, clipped(z, FLAT), low))
