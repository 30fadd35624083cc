"""Half of |x| + sqrt(x^2 + b), for squareplus; and the root of softplus."""
from typing import NamedTuple

from ..tree.node import Node, PerType, fma, sqrt, where
from .exponential import decay
from .logarithm import log1p_unit
from .logistic import decay_of_size, denominator
from .pairs import (
    Pair,
    add_any,
    exact,
    multiply,
    number,
    residual,
    rounded,
    rounded_quotient,
    scaled,
    two_product,
    two_sum,
)
from .ranges import LARGEST, at_most
from .wider import through_float64

LONG, SHORTER = PerType(float32=2.0**50, float64=2.0**400), PerType(float32=2.0**-66, float64=2.0**-524)
SHORT, LONGER = PerType(float32=2.0**-70, float64=2.0**-300), PerType(float32=2.0**90, float64=2.0**600)


class Hypotenuse(NamedTuple):
    """(|x| + root) / 2 and root = sqrt(x^2 + b), times `up` and `down`, which keep x^2 in range, the latter 0 for
    infinity; and `back`, which takes both back."""
    half: Pair
    root: Pair
    up: Node
    down: Node
    back: Node


def hypotenuse(x, b):
    a = abs(x)
    long, endless, short = a > LONG, a > LARGEST, fma(a, a, b) < SHORT[x.dtype]
    up, down = where(short, number(LONGER, x), 1), where(long, number(SHORTER, x), 1)
    scale = up * down
    a, b = where(endless, number(LARGEST, x), a) * scale, b * scale * scale
    square, square_low = two_product(a, a)
    total, rest = two_sum(square, b)
    root, half_a = sqrt(total), 0.5 * a
    half = fma(0.5, root, half_a)
    error = (residual(total, root, root) + (rest + square_low)) * (0.5 * half * (1 / (half * root)))
    root = Pair(root, where(total > 0, error, 0))
    half = add_any(Pair(half_a), scaled(root, 0.5))
    back = where(long, where(endless, float("inf"), 1 / SHORTER[x.dtype]), where(short, 1 / LONGER[x.dtype], 1))
    return Hypotenuse(half, root, up, where(endless, 0, down), back)


LEFT = -50.0                                                 # up to it log(1 + e^x) is e^x


def _root_of_softplus(x):
    """e = e^-|x|, at x above LEFT, and the root of log(1 + e^x), both as pairs."""
    e, _ = decay_of_size(x)
    softplus = add_any(Pair(where(x > 0, x, 0)), log1p_unit(e))
    root = sqrt(softplus.high)
    return e, Pair(root, (residual(softplus.high, root, root) + softplus.low) / (2 * root))


@through_float64
def sqrtsoftplus(x, dtype):
    """sqrt(log(1 + e^x)), on the far left the exponential of x / 2."""
    _, root = _root_of_softplus(at_most(x, LARGEST))
    far, shrink = decay(at_most(0.5 * x, 0))
    return where(x < LEFT, rounded(far) * shrink, where(x > LARGEST, x, rounded(root)))


@through_float64
def sqrtsoftplus_slope(x, dtype):
    """1 / (2 (1 + e^-x) sqrt(log(1 + e^x))), on the far left half the exponential of x / 2."""
    e, root = _root_of_softplus(at_most(x, LARGEST))
    far, shrink = decay(at_most(0.5 * x, 0))
    near = rounded_quotient(where(x > 0, exact(1, x), e), multiply(denominator(e), scaled(root, 2)))
    return where(x < LEFT, 0.5 * rounded(far) * shrink, where(x > LARGEST, 0, near))
