"""Straight lines alpha x + beta, with 0 for alpha = 0 times an infinite x."""
from ..tree.node import PerType, fma, where
from .pairs import number, two_sum
from .ranges import clipped, multiplicand

UP = PerType(float32=2.0**30, float64=2.0**200)              # times it no product is lost to underflow
HUGE = PerType(float32=2.0**96, float64=2.0**820)            # times UP it does not overflow


def negative_part(x):
    return where(x > 0, 0, x)


def leak(x, alpha):
    """alpha x, and -0 for x = -inf where alpha is 0."""
    return alpha * multiplicand(x, alpha)


def leak_slopes(x, alpha):
    return where(x > 0, 1, where(x <= 0, alpha, x)), where(x > 0, 0, x)


def line(alpha, x, beta):
    """alpha x + beta; beta where alpha is 0 and x infinite."""
    return fma(alpha, multiplicand(x, alpha), beta)


def on_slope(alpha, x, beta):
    """Whether alpha x + beta lies between 0 and 1, decided before any rounding."""
    up = UP[x.dtype]
    a, z, up = alpha * up, clipped(x, HUGE) * up, up * up
    below, below_low = two_sum(beta, number(-1, x))
    return (fma(a, z, beta * up) > 0) & (fma(a, z, below * up) + below_low * up < 0)
