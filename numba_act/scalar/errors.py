"""The error function and its complement, of which the latter is the normal distribution's tail."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.node import PerType, copysign, fma, where
from .coefficients import ERF, LOG_ERFC, OFFSET
from .exponential import decay, reduced_plain
from .normal import mills_parts
from .pairs import divide, horner, magnified, multiply, number, rounded, rounded_product, split, two_product, two_sum
from .ranges import at_most

TWO_OVER_ROOT_PI = Fraction("1.128379167095512573896158903121545171688101258657997713688171443")
ROOT_2 = Fraction("1.414213562373095048801688724209698078569671875376948073176679738")
NEAR = 0.9                                                   # up to it erf x is a polynomial
FURTHEST = PerType(float32=11.4, float64=28.2)               # erfc is 0, and -a^2 is above LEAST
ONE = PerType(float32=3.93, float64=6.0)                     # erf is 1


def bell(a):
    """e^(-a^2) for 0 <= a <= FURTHEST as a scaled pair."""
    return decay(*magnified(two_product(a, -a)), bounded=True)


def erfc_of_size(a):
    """erfc a for 0 <= a <= FURTHEST as a scaled pair: 2 Q(sqrt(2) a)."""
    e, shrink = bell(a)
    offset = split(Fraction(OFFSET[a.dtype]) / ROOT_2, a)
    polynomial, d, _ = mills_parts(a, offset)
    return multiply(multiply(divide(polynomial, d), split(ROOT_2, a)), e), shrink


@for_numbers_too
def erfc(x):
    """1 - erf x, exact in the tail."""
    y, shrink = erfc_of_size(at_most(abs(x), FURTHEST))
    right = rounded(y) * shrink
    high, low = two_sum(number(2, x), -y.high)
    return where(x < 0, high + (low - y.low), right)


@for_numbers_too
def erf(x):
    """A polynomial near 0, and 1 - erfc |x|."""
    a = at_most(abs(x), ONE)
    square = a * a
    factor, factor_low = split(TWO_OVER_ROOT_PI, x)
    near = fma(a, factor, a * fma(square, horner(ERF[x.dtype], square), factor_low))
    return copysign(where(a < NEAR, near, _far(a)), x)


def _far(a):
    if a.dtype == "float32":
        s, p = reduced_plain(horner(LOG_ERFC[a.dtype], a))
        return fma(-s, p.high, 1 - s)
    y, _ = erfc_of_size(a)
    return (1 - y.high) - y.low


@for_numbers_too
def erf_slope(x):
    """2 / sqrt(pi) e^(-x^2)."""
    a = at_most(abs(x), FURTHEST)
    e, shrink = bell(a)
    return rounded_product(split(TWO_OVER_ROOT_PI, x), e) * shrink
