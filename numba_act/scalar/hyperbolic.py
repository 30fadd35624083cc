"""The hyperbolic tangent, tanh a = (1 - u) / (1 + u) with u = e^-2a, and what is made of it."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.marks import kept
from ..tree.node import copysign, fma
from .coefficients import TANHSHRINK
from .exponential import SATURATED, expm1_decay_whole, reduced_plain
from .pairs import (
    Pair,
    add,
    add_any,
    exact,
    fast_two_sum,
    fused_sum,
    multiply,
    negate,
    number,
    polynomial,
    reciprocal,
    rounded_product,
    rounded_quotient,
    scaled,
    split,
    two_product,
)
from .ranges import at_least

THIRD = Fraction(1, 3)


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
    return copysign(rounded_quotient(Pair(n, n_low), Pair(d, d_low - n_low)), x)


def tanhshrink_near(x):
    """x^3 (1/3 - 2 x^2/15 + ...)."""
    square = two_product(x, x)
    ratio = polynomial(TANHSHRINK[x.dtype], [split(THIRD, x)], square)
    return rounded_product(multiply(square, ratio), Pair(x))


def slope_of_product(n, d, v):
    """tanh z + v (1 - tanh^2 z), tanh z = n / d as in `tanh_parts`, as one float."""
    u = add(exact(1, v.high), negate(n))
    q = reciprocal(d)
    return kept(rounded_product(add_any(multiply(n, d), multiply(u, scaled(v, 4))), multiply(q, q)))
