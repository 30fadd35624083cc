"""The hyperbolic tangent, tanh a = (1 - u) / (1 + u) with u = e^-2a, and what is made of it."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.marks import kept, tier
from ..tree.node import PerType, copysign, fma, round_to, sqrt, where
from .coefficients import EXP2, TANHSHRINK
from .exponential import (
    LN2,
    LOG2E,
    ROUND,
    SATURATED,
    decay_and_expm1,
    exp_pair,
    exp_pair_fine,
    expm1_decay_whole,
    expm1_pair,
    lift,
    power_of_two,
    reduced_plain,
)
from .logarithm import log1p
from .pairs import (
    Pair,
    add,
    add_any,
    argument_product,
    argument_quotient,
    divide,
    exact,
    fast_two_sum,
    fused_sum,
    horner,
    inverse,
    multiply,
    negate,
    number,
    polynomial,
    quotient,
    reciprocal,
    rounded,
    rounded_product,
    rounded_quotient,
    scaled,
    split,
    two_product,
)
from .powers import hypot, log_single
from .ranges import LARGEST, at_least, at_most, clipped
from .wider import through_float64

THIRD = Fraction(1, 3)
SERIES = 0.625                                               # up to it z - tanh z is a polynomial
FLAT = 50                                                    # past it the slope of tanh is 0
LINEAR = PerType(float32=2.0**-14, float64=2.0**-29)         # below it tanh z is z
TINY = 2.0**-200                                             # below it tanh z is z, and 1 / TINY^3 a number


def tanh_parts(a, low=None):
    """The pairs 1 - u and 1 + u, u = e^(-2 (a + low)), a >= 0: tanh(a + low) is their quotient."""
    return beside_one(expm1_decay_whole(-2 * a, None if low is None else -2 * low))


def beside_one(m):
    """The pairs 1 - u and 1 + u of m = u - 1."""
    return negate(m), add(exact(2, m.high), m)


@for_numbers_too
def tanh(x):
    """(1 - e^-2a) / (1 + e^-2a) of a = |x|, with the sign of x."""
    s, p = reduced_plain(at_least(-2 * abs(x), SATURATED))
    one, one_low = fast_two_sum(number(1, x), -s)
    n, error = fused_sum(-s, p.high, one)
    n_low = fma(-s, p.low, error) + one_low
    d, d_low = fast_two_sum(number(2, x), -n)
    return copysign(tier(rounded_quotient(Pair(n, n_low), Pair(d, d_low - n_low), inverse(d)), lean_tanh(abs(x))), x)


def lean_tanh(a):
    """The same for the fast tier: e^-2a is the nearest power of two times a power of b = e^(2 / k), k = 2 / log 2 as it
    is rounded.  b is not quite 2, but what that changes is lost beside 1."""
    a, k = at_most(a, -SATURATED[a.dtype] / 2), Fraction(float(round_to(2 * LOG2E, a.dtype)))
    shifted = fma(a, -k, ROUND)
    r = fma(a, -k, ROUND[a.dtype] - shifted)
    s = power_of_two(shifted)
    n = fma(-s, r * horner([*EXP2[a.dtype], 2 / k], r), 1 - s)
    return quotient(n, 2 - n)


def tanhshrink_near(x):
    """x^3 (1/3 - 2 x^2/15 + ...)."""
    square = two_product(x, x)
    ratio = polynomial(TANHSHRINK[x.dtype], [split(THIRD, x)], square)
    return rounded_product(multiply(square, ratio), Pair(x))


@through_float64(cancels=True)
def tanh_less_tangent(x, c, dtype):
    """tanh z - z / cosh^2 z of z = x / c."""
    high, low = argument_quotient(x, c)
    z = Pair(at_most(abs(high), FLAT), copysign(1, high) * low)
    t, square = divide(*tanh_parts(*z)), multiply(z, z)
    far = add_any(t, negate(multiply(z, add(exact(1, x), negate(multiply(t, t))))))
    third, tiny = polynomial(TANHSHRINK[x.dtype], [split(THIRD, x)], square), z.high < TINY
    up = where(tiny, number(1 / TINY, x), 1)
    z, t = scaled(z, up), where(tiny, scaled(z, up), t)          # so that the cubes keep their low parts
    near = add_any(multiply(z, multiply(t, t)), negate(multiply(multiply(multiply(z, z), third), z)))
    return copysign(where(abs(high) < SERIES, rounded(near) / (up * up * up), rounded(far)), high)


def slope_of_product(n, d, v):
    """tanh z + v (1 - tanh^2 z), tanh z = n / d as in `tanh_parts`, as one float."""
    u = add(exact(1, v.high), negate(n))
    q = reciprocal(d)
    return kept(rounded_product(add_any(multiply(n, d), multiply(u, scaled(v, 4))), multiply(q, q)))


@for_numbers_too
def sinh(x):
    """(y + y / (1 + y)) / 2 of y = e^a - 1, a = |x|."""
    y, grow = expm1_pair(abs(x))
    far = grow > 1                                               # then y is e^a, scaled
    e = add_any(exact(1, x), y)
    half = scaled(add_any(y, where(far, Pair(number(0, x), number(0, x)), divide(y, e))), 0.5)
    return copysign(rounded(half) * grow, x)


@for_numbers_too
def cosh(x):
    """(e^a + e^-a) / 2 of a = |x|."""
    e, grow = exp_pair(abs(x))
    less = where(grow > 1, Pair(number(0, x), number(0, x)), reciprocal(e))
    return rounded(scaled(add(e, less), 0.5)) * grow


@through_float64
def asinh(x, dtype):
    """log(1 + t) of t = a + a^2 / (1 + sqrt(1 + a^2)), a = |x|; where a^2 overflows, log a + log 2."""
    a = abs(x)
    if dtype == "float32":
        t = a + a * a / (1 + sqrt(fma(a, a, 1)))
        u = 1 + t
        y = where(a > LARGEST, a, log_single(u, t - (u - 1)))
    else:
        far = a > 2.0**60
        square = where(far, 0, a * a)
        y = log1p(where(far, a, a + square / (1 + sqrt(1 + square)))) + where(far, number(LN2, x), 0)
    return copysign(y, x)


@through_float64
def asinh_slope(x, dtype):
    """1 / sqrt(1 + x^2)."""
    return 1 / hypot(x, number(1, x))


def tanh_of_pair(a, dtype):
    """tanh of a pair a >= 0, to 2^-58 where the result is float64."""
    if dtype == "float32":
        return divide(*tanh_parts(*a))
    square = multiply(a, a)
    ratio = polynomial(TANHSHRINK[dtype], [split(THIRD, a.high)], square)
    near = add(a, negate(multiply(multiply(square, ratio), a)))
    (e, _), one = exp_pair_fine(at_least(-2 * a.high, SATURATED), -2 * a.low), exact(1, a.high)
    return where(a.high < 0.25, near, divide(add(one, negate(e)), add(one, e)))


@through_float64(cancels=True)
def dyt(x, alpha, gamma, shift, dtype):
    """gamma tanh(alpha x) + shift."""
    tiny = abs(alpha * x) < 2.0**-900                            # there the tangent is taken, of x times 2^300
    z, z_low = argument_product(x * where(tiny, number(2.0**300, x), 1), alpha)
    t = tanh_of_pair(Pair(abs(z), copysign(1, z) * z_low), dtype)
    moved = multiply(Pair(copysign(number(1, x), z) * gamma), t)
    return rounded(add_any(scaled(moved, where(tiny, number(2.0**-300, x), 1)), Pair(shift)))


def scaled_tanh_slopes(x, a, b):
    """Of b tanh(a x) in x, a and b."""
    z, z_low = argument_product(x, a)
    size, sign = abs(z), copysign(number(1, x), z)
    (e, shrink), m = decay_and_expm1(-2 * size, -2 * sign * z_low)
    n, d = beside_one(m)
    q = reciprocal(d)
    up, down = lift(size)
    slope = multiply(multiply(scaled(e, 4 * up), multiply(q, q)), Pair(b))
    back = shrink * down
    return (kept(rounded_product(slope, Pair(a))) * back,
            kept(rounded_product(slope, Pair(clipped(x, LARGEST)))) * back,
            sign * rounded(divide(n, d)))
