"""Self-gated functions: x times something that goes from 0 to 1."""
from fractions import Fraction
from typing import NamedTuple

from ..tree.node import Node, PerType, fma, stored, where
from .logistic import decay_of_size, logistic_product, product_slope
from .pairs import Pair, add, add_any, exact, multiply, number, scaled, split, two_product
from .ranges import clipped, unless_nan

FLAT = 1000                                                  # past it the gate is 0 or 1
CUBIC = PerType(float32=20.0, float64=40.0)                  # past it gelu_tanh's gate is 0 or 1
GELU_LINEAR = 2 * Fraction("0.797884560802865355879892119868763736951717262329869315331852")       # 2 sqrt(2 / pi)
GELU_CUBIC = GELU_LINEAR * Fraction("0.044715")
QUICK = Fraction("1.702")


def gated(x, right, gate):
    """x times a scaled pair from 0 to 1 that is exactly 0 or 1 beyond FLAT, 1 on the right."""
    (high, low), power = gate
    inner = clipped(x, FLAT)
    y = fma(where(right, x, inner), high, inner * low)
    return y if power is None else y * power


def silu(x):
    return logistic_product(x, x, number(0, x))


def silu_slope(x):
    z = clipped(x, FLAT)
    return product_slope(Pair(z, number(0, x)), Pair(z))


def gelu_argument(x):
    """The pairs z = 2 sqrt(2/pi) (x + 0.044715 x^3) and x z'(x)."""
    a = clipped(x, CUBIC)
    cube = multiply(split(GELU_CUBIC, x), two_product(a, a))
    line = add_any(split(GELU_LINEAR, x), cube)
    return multiply(line, Pair(a)), multiply(add_any(line, scaled(cube, 2)), Pair(a))


def quick_argument(x):
    """1.702 x as a pair."""
    return multiply(Pair(clipped(x, FLAT)), split(QUICK, x))


class SoftplusTanh(NamedTuple):
    """tanh(softplus x) = n / d times `power`, and of what these are made: e = e^-|x| and its square."""
    e: Pair
    square: Pair
    n: Pair
    d: Pair
    power: Node


def softplus_tanh(x):
    e, shrink = decay_of_size(x)
    square, right = multiply(e, e), x > 0
    n = where(right, add(exact(1, x), scaled(e, 2)), add(scaled(e, 2), square))
    d = add_any(n, where(right, scaled(square, 2), exact(2, x)))
    return SoftplusTanh(e, square, n, d, where(right, 1, shrink))


def gate_slopes(value, factor, slope):
    """Of value times a factor of a gate; the factor is NaN where the value is."""
    return unless_nan(value, factor), value * stored(slope)
