"""Half of |x| + sqrt(x^2 + b), for squareplus."""
from typing import NamedTuple

from ..tree.node import Node, PerType, fma, sqrt, where
from .pairs import Pair, add_any, number, residual, scaled, two_product, two_sum
from .ranges import LARGEST

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
