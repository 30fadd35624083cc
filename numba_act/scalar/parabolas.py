"""Parabolas on the right, and on the left a constant or an exponential beside a line."""
from ..tree.marks import kept
from ..tree.node import fma, where
from .coefficients import EXP
from .exponential import exp_pair, exp_pair_fine
from .pairs import Pair, add_any, exact, multiply, number, polynomial, rounded, rounded_product, two_product, two_sum
from .ranges import LARGEST, at_least, multiplicand, unless_nan
from .wider import through_float64

NEAR = -(2.0**-10)                                           # from it to 0 e^m - 1 - m is taken by its polynomial
FAR = -60.0                                                  # below it e^x is lost beside 1


def star_relu(x, s, b):
    """s max(x, 0)^2 + b."""
    right = multiplicand(x, s)
    line, line_low = two_product(s, right)
    square, square_low = two_product(line, right)
    y, rest = two_sum(square, b)
    exact = y + (rest + fma(line_low, right, square_low))
    return kept(where(x <= 0, b, where(abs(y) <= LARGEST, exact, y)))


def _exponential(m, dtype):
    """e^m for m <= 0, or little above, as a pair."""
    return (exp_pair(m) if dtype == "float32" else exp_pair_fine(m)).pair


def _bend(x, eps, dtype):
    """e^m - 1 - x of the smaller m of x and eps, for FAR <= x <= 0, as a pair."""
    m = where(x < eps, x, eps)
    near = multiply(two_product(m, m), polynomial(EXP[m.dtype][:-1], [exact(0.5, m)], Pair(m)))
    far = add_any(add_any(_exponential(m, dtype), exact(-1, m)), Pair(-m))
    return add_any(where(m > NEAR, near, far), two_sum(m, -x))


@through_float64(cancels=True)
def xielu(x, alpha_p, alpha_n, beta, eps, dtype):
    """alpha_p x^2 + beta x on the right, alpha_n (e^min(x, eps) - 1 - x) + beta x on the left."""
    line = add_any(two_product(alpha_p, multiplicand(x, alpha_p)), Pair(beta))
    right = line.high * multiplicand(x, line.high)
    right = where(abs(right) <= LARGEST, rounded_product(line, Pair(x)), right)
    inner, slope = at_least(x, FAR), two_sum(beta, -alpha_n)
    left = rounded(add_any(multiply(Pair(alpha_n), _bend(inner, eps, dtype)), two_product(beta, inner)))
    far = slope.high * multiplicand(x, slope.high)
    far = where(abs(far) <= LARGEST, rounded(add_any(multiply(slope, Pair(x)), Pair(-alpha_n))), far - alpha_n)
    return where(x > 0, right, where(x >= FAR, left, where(x < FAR, unless_nan(eps, far), x)))


@through_float64(cancels=True)
def xielu_slopes(x, alpha_p, alpha_n, beta, eps, dtype):
    """In every argument; eps wins a tie."""
    inner, right = at_least(x, FAR), x > 0
    rising = add_any(two_product(2 * alpha_p, multiplicand(x, alpha_p)), Pair(beta))
    rising = where(abs(rising.high) <= LARGEST, rounded(rising), rising.high)
    falling = add_any(_exponential(inner, dtype), exact(-1, x))
    falling = rounded(add_any(multiply(Pair(alpha_n), falling), Pair(beta)))
    bend = where(x < FAR, unless_nan(eps, -1 - x), rounded(_bend(inner, eps, dtype)))
    e, grow = exp_pair(eps)
    return (where(right, rising, where(x < eps, falling, where(x <= 0, beta - alpha_n, x))),
            where(right, x * x, where(x <= 0, number(0, x), x)),
            where(right, number(0, x), where(x <= 0, bend, x)),
            x,
            where(right | (x < eps), number(0, x), where(x <= 0, rounded_product(Pair(alpha_n), e) * grow, x)))
