"""x + sin^2(alpha x) / alpha and its relatives, by what an angle leaves of whole turns."""
from ..tree.node import where
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
from .pairs import (
    Pair,
    add_any,
    divide,
    multiply,
    negate,
    rounded_product,
    scaled,
    split,
    two_product,
)
from .ranges import LARGEST, finite
from .wider import single, through_float64


def _angle(x, alpha, dtype):
    """alpha x as a pair, exactly; 0 where it is no number."""
    high, low = two_product(x, alpha)
    endless = abs(high) > LARGEST
    return Pair(where(endless, 0, high), None if dtype == "float32" else where(endless, 0, low))


def _waves(a, dtype):
    """The sine and the cosine of a pair, but for the sign that both have in the second half of a turn, as pairs."""
    if dtype == "float32":
        n, r = quarter_turns(a.high, "float64")
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
