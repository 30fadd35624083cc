"""The error function and its complement, of which the latter is the normal distribution's tail."""
import math
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.marks import kept, tier
from ..tree.node import PerType, copysign, fma, where
from .coefficients import ERF, LOG_ERFC, OFFSET
from .exponential import decay_parts, exponential_pair, reduced_plain
from .normal import DENSITY, mills_parts
from .pairs import (
    Pair,
    Scaled,
    add_any,
    divide,
    exact,
    horner,
    magnified,
    multiply,
    negate,
    number,
    polynomial,
    rounded,
    rounded_product,
    saturating,
    scaled,
    split,
    two_product,
    two_sum,
)
from .ranges import LARGEST, at_most, clipped, multiplicand
from .wider import single, through_float64

TWO_OVER_ROOT_PI = Fraction("1.128379167095512573896158903121545171688101258657997713688171443")
ROOT_2 = Fraction("1.414213562373095048801688724209698078569671875376948073176679738")
NEAR = PerType(float32=0.875, float64=0.9)                   # up to it erf x is a polynomial
FURTHEST = PerType(float32=11.4, float64=28.2)               # erfc is 0, and -a^2 is above LEAST
ONE = PerType(float32=3.93, float64=6.0)                     # erf is 1
USUAL_SLOPE = 1.75                                           # about -log(erfc a) / a next to NEAR
# of erf x / x in x^2, but for 2 / sqrt(pi): to 2^-64 up to NEAR, by pairs for the last six
SERIES = [Fraction((-1) ** n, math.factorial(n) * (2 * n + 1)) for n in reversed(range(20))]


def bell(a):
    """e^(-a^2) of a pair from 0 to FURTHEST, as a scaled pair."""
    parts, shrink = _parts_of_bell(a)
    return Scaled(exponential_pair(*parts), shrink)


def _parts_of_bell(a):
    return decay_parts(*magnified(negate(multiply(a, a))), bounded=True)


def _over_bell(a):
    """erfc a e^(a^2) / sqrt(2) of a pair, as a pair: sqrt(2) Q(sqrt(2) a)."""
    offset = split(Fraction(OFFSET[a.high.dtype]) / ROOT_2, a.high)
    polynomial, d, _ = mills_parts(a.high, offset, a.low)
    return divide(polynomial, d)


def erfc_of_size(a):
    """erfc of a pair from 0 to FURTHEST, as a scaled pair."""
    e, shrink = bell(a)
    return Scaled(multiply(multiply(_over_bell(a), split(ROOT_2, a.high)), e), shrink)


@for_numbers_too
def erfc(x):
    """1 - erf x, exact in the tail; the fast tier rounds twice less, of t (1 + p) the sum, and sqrt(2) comes last."""
    a = _size(Pair(x))
    t, ((s, p, _), shrink), (y, _) = _over_bell(a), _parts_of_bell(a), erfc_of_size(a)
    t = kept(rounded(t)) if x.dtype == "float64" else t.high
    lean = fma(t, p.high, t) * s
    right = tier(rounded(y) * shrink, lean * (shrink * ROOT_2))
    high, low = two_sum(number(2, x), -y.high)
    left = tier(high + (low - y.low), fma(lean, -ROOT_2, 2))
    return where(x < 0, left, right)


@for_numbers_too
def erf(x):
    """A polynomial near 0, and 1 - erfc |x|."""
    a = at_most(abs(x), ONE)
    return copysign(where(a < NEAR[a.dtype], _near(a), _far(a)), x)


def _near(a):
    square, rest = two_product(a, a)
    factor, factor_low = split(TWO_OVER_ROOT_PI, a)
    if a.dtype == "float32":                                     # what the square lacks, 0.1 ULP, by the slope in it
        factor_low = fma(rest, -0.25, factor_low)
    return fma(a, factor, a * fma(square, horner(ERF[a.dtype], square), factor_low))


def _far(a):
    if a.dtype == "float32":
        *rest, slope, start = LOG_ERFC[a.dtype]
        start = fma(horner([*rest, slope + USUAL_SLOPE], a), a, start)
        s, p = reduced_plain(fma(a, -USUAL_SLOPE, start))
        return fma(-s, p.high, 1 - s)
    y, _ = erfc_of_size(Pair(a))
    return (1 - y.high) - y.low


def _size(z, most=FURTHEST):
    """The size of a pair, at most so much."""
    a = abs(z.high)
    low = None if z.low is None else where(a < most[a.dtype], where(z.high < 0, -z.low, z.low), 0)
    return Pair(at_most(a, most), low)


def bell_of_pair(z):
    """e^(-z^2) of a pair as a scaled pair."""
    return bell(_size(z))


def erf_of_pair(z):
    """erf z of a pair z >= 0, as a pair: by its series, and 1 - erfc z."""
    a = _size(z, ONE)
    square = multiply(a, a)
    near = multiply(polynomial(SERIES[:-6], [split(c, a.high) for c in SERIES[-6:]], square), a)
    tail, shrink = erfc_of_size(a)
    far = add_any(exact(1, a.high), negate(scaled(tail, shrink)))
    return where(a.high < NEAR[a.high.dtype], multiply(near, split(TWO_OVER_ROOT_PI, a.high)), far)


@for_numbers_too
def erf_slope(x):
    """2 / sqrt(pi) e^(-x^2)."""
    e, shrink = bell_of_pair(Pair(x))
    return rounded_product(split(TWO_OVER_ROOT_PI, x), e) * shrink


def _standard(x, mu, sigma):
    """(x - mu) / sigma as a pair."""
    return saturating(divide(two_sum(x, -mu), Pair(sigma)))


@through_float64
def normal(x, mu, sigma, dtype):
    """The distribution function of the normal distribution."""
    z = single(multiply(_standard(x, mu, sigma), split(1 / ROOT_2, x)), dtype)
    tail, shrink = erfc_of_size(_size(z))
    high, low = two_sum(number(2, x), -tail.high)
    return 0.5 * where(z.high > 0, high + (low - tail.low), rounded(tail) * shrink)


@through_float64
def normal_slopes(x, mu, sigma, dtype):
    """In x, mu and sigma: the density d, -d and -z d, of z = (x - mu) / sigma."""
    z = single(_standard(x, mu, sigma), dtype)
    bell, shrink = bell_of_pair(multiply(z, split(1 / ROOT_2, x)))
    density = divide(multiply(bell, split(DENSITY, x)), Pair(sigma))
    y = rounded(density) * shrink
    return y, -y, -rounded_product(density, Pair(clipped(z.high, 2 * FURTHEST[x.dtype]), z.low)) * shrink


def _argument(x, alpha, s):
    """alpha x + s as a pair, without its sign, and that sign."""
    high, low = add_any(two_product(alpha, multiplicand(x, alpha)), Pair(s))
    high, low = two_sum(high, where(abs(high) <= LARGEST, low, 0))
    sign = copysign(number(1, x), high)
    return saturating(Pair(sign * high, sign * low)), sign


@through_float64(cancels=True)
def derf(x, alpha, s, gamma, shift, dtype):
    """gamma erf(alpha x + s) + shift."""
    tiny = abs(fma(alpha, x, s)) < 2.0**-900                     # there the tangent is taken, of all times 2^300
    up = where(tiny, number(2.0**300, x), 1)
    z, sign = _argument(x * up, alpha, s * up)
    z = single(z, dtype)
    moved = scaled(multiply(Pair(sign * gamma), erf_of_pair(z)), where(tiny, number(2.0**-300, x), 1))
    return rounded(add_any(moved, Pair(shift)))


@through_float64
def derf_slopes(x, alpha, s, gamma, dtype):
    """In x, alpha, s and gamma."""
    z, sign = _argument(x, alpha, s)
    z = single(z, dtype)
    bell, shrink = bell_of_pair(z)
    slope = multiply(multiply(bell, split(TWO_OVER_ROOT_PI, x)), Pair(gamma))
    factor = where(z.high < FURTHEST, clipped(x, LARGEST), 0)    # 0 times the largest x as well
    return (rounded_product(slope, Pair(alpha)) * shrink, rounded_product(slope, Pair(factor)) * shrink,
            rounded(slope) * shrink, sign * rounded(erf_of_pair(z)))
