"""Gated units of more than two factors: their products are taken of pairs and rounded once."""
from ..tree.node import build, copysign, where
from .exponential import decay, exp_pair_fine
from .hyperbolic import LINEAR, tanh_less_tangent, tanh_of_pair
from .pairs import (
    Pair,
    add,
    add_any,
    argument_product,
    argument_quotient,
    divide,
    exact,
    multiply,
    number,
    reciprocal,
    rounded,
    rounded_product,
    scaled,
    two_sum,
)
from .ranges import LARGEST, unless_nan
from .wider import single, through_float64

NOTHING = -790.0                                             # below it s(z) is 0, and so is x s(z)


def _logistic(z, dtype):
    """s(z) and s(-z) of a pair as scaled pairs, of which the larger one is whole."""
    z = single(z, dtype)
    size = -abs(z.high), None if z.low is None else where(z.high > 0, -z.low, z.low)
    e, power = decay(*size) if dtype == "float32" else exp_pair_fine(*size)
    d, right = add(exact(1, z.high), e), z.high > 0
    large, small = reciprocal(d), divide(e, d)
    return ((where(right, large, small), where(right, 1, power)), (where(right, small, large), where(right, power, 1)))


def _capped(x, limit):
    """The smaller of the two; NaN stays."""
    return where(x > limit, limit, x)


def _kept_within(value, limit):
    """The value from -limit to limit, and the derivative of that in the limit: 1, -1 or 0."""
    low = where(value < -limit, -limit, value)
    return _capped(low, limit), where(low > limit, 1, where(value < -limit, number(-1, value), unless_nan(value, 0)))


def _inside(side, y):
    """y where nothing is clipped, else 0."""
    return where(build("eq", side, 0), y, where(build("eq", abs(side), 1), unless_nan(y, 0), side))


def _swish(x, alpha, dtype):
    """z = alpha x, the pair x s(z) but for the power that follows, with x 0 where it vanishes; that of s(z) alone, and
    s(-z) with its power."""
    z = argument_product(x, alpha)
    (s, power), other = _logistic(z, dtype)
    x = where(z.high < NOTHING, copysign(0, x), x)
    factor = multiply(Pair(x), s)
    whole = where(abs(x) <= LARGEST, factor, Pair(x, number(0, x)))
    return single(z, dtype), whole, power, s, other


def _slope(z, s, other):
    """s(z) (1 + z s(-z)) but for s(z)'s power."""
    finite = where(abs(z.high) < -NOTHING, z.high, 0)
    return multiply(s, add_any(exact(1, z.high), multiply(z._replace(high=finite), scaled(*other))))


@through_float64(cancels=True)
def clamped_swiglu(value, gate, alpha, limit, offset, dtype):
    """(clip(value) + offset) h s(alpha h), h = min(gate, limit)."""
    h, line = _capped(gate, limit), two_sum(_kept_within(value, limit)[0], offset)
    _, factor, power, s, _ = _swish(h, alpha, dtype)
    large = where(abs(factor.high) <= LARGEST, rounded_product(factor, line), factor.high * line.high)
    return where(abs(h) < 1, rounded_product(multiply(line, Pair(h)), s), large) * power


@through_float64(cancels=True)
def clamped_swiglu_slopes(value, gate, alpha, limit, offset, dtype):
    """In every argument."""
    h = _capped(gate, limit)
    z, factor, power, s, other = _swish(h, alpha, dtype)
    inner, side = _kept_within(value, limit)
    line, beyond = two_sum(inner, offset), gate > limit
    steep = multiply(line, _slope(z, s, other))
    nothing = Pair(unless_nan(factor.high, 0), number(0, gate))
    clipped = where(build("eq", side, 0), nothing, scaled(factor, side))
    both = add_any(clipped, where(beyond, steep, exact(0, gate)))
    living = Pair(where(abs(z.high) < -NOTHING, h, 0))           # s(z) s(-z) is 0 on either side
    return (_inside(side, rounded(factor) * power),
            where(beyond, 0, rounded(steep) * power),
            rounded_product(multiply(line, multiply(living, s)), multiply(living, other[0])) * power * other[1],
            rounded(both) * power,
            unless_nan(value, rounded(factor) * power))


@through_float64(cancels=True)
def swiglustep(value, gate, limit, dtype):
    """clip(value) min(silu(gate), limit)."""
    factor, power, over, _, _ = _step(gate, limit, dtype)
    line, _ = _kept_within(value, limit)
    return where(over, line * limit, rounded_product(factor, Pair(line)) * power)


@through_float64(cancels=True)
def swiglustep_slopes(value, gate, limit, dtype):
    """In every argument."""
    factor, power, over, slope, slope_power = _step(gate, limit, dtype)
    line, side = _kept_within(value, limit)
    capped = where(over, limit, rounded(factor) * power)
    return (_inside(side, capped), where(over, 0, rounded_product(slope, Pair(line)) * slope_power),
            side * capped + where(over, line, 0))


def _step(gate, limit, dtype):
    """silu(gate) as a scaled pair, whether it is above the limit, and its slope as a scaled pair."""
    z, factor, power, s, other = _swish(gate, number(1, gate), dtype)
    over = rounded(add_any(scaled(factor, power), Pair(-limit))) > 0
    return factor, power, over | (gate > LARGEST), _slope(z, s, other), power


def _cap(x, b, dtype):
    """b tanh(x / b) as a pair, and its slope as a scaled pair."""
    z, z_low = argument_quotient(x, b)
    sign = copysign(number(1, x), z)
    size = single(Pair(abs(z), sign * z_low), dtype)
    y = multiply(Pair(sign * b), tanh_of_pair(size, dtype))
    twice = scaled(size, -2)
    u, power = decay(*twice) if dtype == "float32" else exp_pair_fine(*twice)
    q = reciprocal(add(exact(1, x), u))
    return where(size.high < LINEAR, Pair(x, number(0, x)), y), (multiply(scaled(u, 4), multiply(q, q)), power)


@through_float64(cancels=True)
def situ_glu(value, gate, b1, b2, dtype):
    """b1 tanh(gate / b1) s(gate) b2 tanh(value / b2)."""
    (y, _), (line, _) = _cap(gate, b1, dtype), _cap(value, b2, dtype)
    (s, power), _ = _logistic(Pair(gate, number(0, gate)), dtype)
    return rounded_product(multiply(y, s), line) * power


@through_float64(cancels=True)
def situ_glu_slopes(value, gate, b1, b2, dtype):
    """In every argument."""
    (y, (steep, steep_power)), (line, (rise, rise_power)) = _cap(gate, b1, dtype), _cap(value, b2, dtype)
    (s, power), (other, other_power) = _logistic(Pair(gate, number(0, gate)), dtype)
    slope = add_any(scaled(steep, steep_power), multiply(y, scaled(other, other_power)))
    return (rounded_product(multiply(y, s), rise) * rise_power * power,
            rounded_product(multiply(slope, s), line) * power,
            rounded_product(multiply(line, s), Pair(tanh_less_tangent(gate, b1))) * power,
            rounded_product(multiply(y, s), Pair(tanh_less_tangent(value, b2))) * power)
