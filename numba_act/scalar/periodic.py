"""x + sin^2(alpha x) / alpha and its relatives, by what an angle leaves of whole turns."""
from fractions import Fraction

from ..tree.node import copysign, where
from .circular import (
    QUARTER,
    cosine_near,
    half_turns,
    quarter_turns,
    quarter_turns_of_pair,
    sine_and_cosine,
    sine_near,
    square_of_sine,
)
from .exponential import decay, exp_pair_fine
from .pairs import (
    Pair,
    add_any,
    divide,
    exact,
    fast_two_sum,
    magnified,
    multiply,
    negate,
    number,
    rounded_product,
    scaled,
    split,
    two_product,
)
from .ranges import LARGEST, finite
from .wider import single, through_float64

FURTHEST = 2.0**24                               # of an angle e^alpha x, up to which a pair holds it to a last bit
TINY, UP = 2.0**-300, 2.0**400                   # an angle below it is multiplied by the other before it is squared
LITTLE = Fraction(1, 10**9)                      # what keeps snake_beta from a division by 0


def _angle(x, alpha, dtype):
    """alpha x as a pair, exactly; 0 where it is no number."""
    high, low = two_product(x, alpha)
    endless = abs(high) > LARGEST
    return Pair(where(endless, 0, high), None if dtype == "float32" else where(endless, 0, low))


def _waves(a, dtype):
    """The sine and the cosine of a pair, but for the sign that both have in the second half of a turn, as pairs."""
    if dtype == "float32":
        n, r = quarter_turns(a.high, "float64")
        r = r if a.low is None else Pair(r.high, r.low + a.low)
        sine, cosine = (single(wave(single(r, dtype), "float64"), dtype) for wave in (sine_near, cosine_near))
    else:
        n, r = quarter_turns_of_pair(a)
        sine, cosine = sine_and_cosine(r)
    even = (n & 1) == 0
    return where(even, sine, cosine), where(even, cosine, negate(sine))


@through_float64(cancels=True)
def snake(x, alpha, dtype):
    """x + sin^2(alpha x) / alpha."""
    a = _angle(x, alpha, dtype)
    if dtype == "float32":
        return x + square_of_sine(half_turns(a.high)) / alpha
    sine, _ = _waves(a, dtype)
    y, rest = add_any(Pair(x), divide(multiply(sine, sine), Pair(alpha)))
    return y + finite(rest, x)


@through_float64(cancels=True)
def snake_slope(x, alpha, dtype):
    """1 + sin(2 a) = 2 sin^2(a + pi / 4) of a = alpha x."""
    a = _angle(x, alpha, dtype)
    if dtype == "float32":
        r = half_turns(a.high)
        r = where(r > 0.75, (r - QUARTER) - QUARTER / 2, r + QUARTER / 2)
        return 2 * square_of_sine(r)
    n, r = quarter_turns_of_pair(a)
    r = where((n & 1) == 0, r, negate(r))
    left = r.high < 0
    sine, cosine = sine_and_cosine(add_any(where(left, r, negate(r)), split(QUARTER / 2, x)))
    y = where(left, sine, cosine)
    return 2 * rounded_product(y, y)


@through_float64(cancels=True)
def snake_slope_in_alpha(x, alpha, dtype):
    """sin a (2 a cos a - sin a) / alpha^2 of a = alpha x."""
    a, per_alpha = _angle(x, alpha, dtype), Pair(alpha)
    sine, cosine = _waves(a, dtype)
    rest = add_any(multiply(a, cosine), scaled(sine, -0.5))
    return rounded_product(scaled(divide(sine, per_alpha), 2), divide(rest, per_alpha))


def _exponential_angle(x, alpha):
    """e^alpha as a scaled pair, and e^alpha x as a pair, 0 beyond FURTHEST."""
    e, grow = exp_pair_fine(alpha)
    product, rest = multiply(e, Pair(x))
    high, low = scaled(fast_two_sum(product, where(abs(product) <= LARGEST, rest, 0)), grow)
    beyond = (abs(high) > FURTHEST) | ((abs(high) - FURTHEST) + copysign(1, high) * low > 0)
    return (e, grow), magnified(Pair(where(beyond, 0, high), where(beyond, 0, low)))


def _lifted(sine, a, dtype):
    """The sine of a pair and the pair, times UP where they are tiny, and by what a product of two of them is then to be
    multiplied."""
    if dtype == "float32":
        return sine, a, 1
    tiny = abs(a.high) < TINY
    up = where(tiny, number(UP, a.high), 1)
    return scaled(sine, up), scaled(a, up), where(tiny, number(UP**-2, a.high), 1)


def _share(beta):
    """1 / (e^beta + 1e-9) as a pair and the power of two still to be multiplied, and e^beta times the first."""
    e, shrink = decay(-abs(beta))
    right, small, little = beta > 0, scaled(e, shrink), split(LITTLE, beta)
    one = exact(1, beta)
    d = where(right, add_any(one, multiply(little, small)), add_any(small, little))
    return divide(where(right, e, one), d), where(right, shrink, 1), divide(where(right, one, small), d)


@through_float64(cancels=True)
def snake_beta(x, alpha, beta, dtype):
    """x + sin^2(e^alpha x) / (e^beta + 1e-9)."""
    _, a = _exponential_angle(x, alpha)
    share, shrink, _ = _share(beta)
    sine, _ = _waves(a, dtype)
    term = multiply(multiply(sine, sine), share)
    y, rest = add_any(Pair(x), scaled(term, shrink))
    return y + finite(rest, x)


@through_float64(cancels=True)
def snake_beta_slopes(x, alpha, beta, dtype):
    """In x, alpha and beta: 1 + e^alpha sin(2 a) s, a sin(2 a) s and -sin^2(a) s^2 e^beta, of a = e^alpha x and
    s = 1 / (e^beta + 1e-9)."""
    (e, grow), a = _exponential_angle(x, alpha)
    share, shrink, part = _share(beta)
    sine, cosine = _waves(a, dtype)
    steep = multiply(multiply(multiply(sine, cosine), share), e)
    y, rest = add_any(exact(1, x), scaled(steep, 2 * shrink * grow))
    sine, a, down = _lifted(sine, a, dtype)
    both, power = multiply(sine, share), shrink * down
    return (y + finite(rest, y), 2 * rounded_product(multiply(both, cosine), a) * power,
            -rounded_product(multiply(both, sine), part) * power)
