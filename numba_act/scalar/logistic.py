"""The logistic function s(z) = 1 / (1 + e^-z) and its relatives, as pairs, by e = e^-|z|."""
from ..tree.node import PerType, copysign, fma, where
from .exponential import ROUND, SATURATED, decay, reduced, reduced_plain
from .pairs import (add, add_any, divide, fast_two_sum, multiply, number, reciprocal, rounded, rounded_product)

CARRY = PerType(float32=64, float64=512)                    # logistic()'s denominator is carried times 2^-CARRY
STEEP, FLAT = PerType(float32=104.5, float64=746.0), PerType(float32=-30.0, float64=-60.0)


def decay_of_size(z, low=None):
    """e^-|z + low| as a pair, and the power of two still to be multiplied."""
    return decay(-abs(z), None if low is None else where(z > 0, -low, low))


def denominator(e):
    """1 + e of a pair 0 <= e <= 1."""
    return add((number(1, e[0]), None), e)


def logistic(x):
    """s(x) by one division and 27 other operations."""
    z = where(-x < FLAT, FLAT, -x)
    z = where(z > STEEP, STEEP, z)
    carry = CARRY[x.dtype]
    one = number(2.0**-carry, x)
    s, p = reduced_plain(z, number(ROUND[x.dtype] - carry, x))
    steep = one < s
    base, base_low = fast_two_sum(where(steep, s, one), where(steep, one, s))
    d = fma(s, p, base)                                     # (1 + e^z) / 2^carry
    d_low = fma(s, p, base - d) + base_low
    q = 1 / d
    return fma(q, fma(-d_low, q, fma(-d, q, 1)), q) * one


def logistic_pair(z, low=None):
    """s(z + low) as a pair, and the power of two still to be multiplied."""
    e, shrink = decay_of_size(z, low)
    right = z >= 0
    numerator = where(right, (number(1, z), None), e)
    return divide(numerator, denominator(e)), where(right, 1, shrink)


def logistic_slope(z, height):
    """height s'(z), height a power of two."""
    e, shrink = decay_of_size(z)
    q = reciprocal(denominator(e))
    return rounded_product((height * e[0], height * e[1]), multiply(q, q)) * shrink


def product_slope(z, v):
    """s(z) (1 + v s(-z)) of two pairs: the derivative of x s(z(x)), v = x z'(x), which has the sign of z."""
    e, shrink = decay_of_size(*z)
    right = z[0] >= 0
    one = number(1, z[0]), None
    d = denominator(e)
    q = reciprocal(d)
    numerator = add_any(d, multiply(where(right, e, one), v))
    return rounded_product(multiply(numerator, where(right, one, e)), multiply(q, q)) * where(right, 1, shrink)


def tanh(x):
    """(1 - e^-2a) / (1 + e^-2a) of a = |x|, with the sign of x."""
    z = -2 * abs(x)
    s, p, p_low, rest = reduced(where(z < SATURATED, SATURATED, z))
    one, one_low = fast_two_sum(number(1, x), -s)
    n = fma(-s, p, one)
    n_low = fma(-s, fma(p, rest, p_low + rest), fma(-s, p, one - n)) + one_low
    d, d_low = fast_two_sum(number(2, x), -n)
    return copysign(rounded(divide((n, n_low), (d, d_low - n_low))), x)
