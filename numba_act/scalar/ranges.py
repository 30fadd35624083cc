"""Numbers kept within a range, and what is NaN."""
import functools
import operator

from ..tree.node import PerType, build, copysign, where

LARGEST = PerType(float32=3.4028234663852886e38, float64=1.7976931348623157e308)


def at_most(x, limit):
    """The smaller of the two; NaN stays."""
    return where(x > limit, limit, x)


def at_least(x, limit):
    """The larger of the two; NaN stays."""
    return where(x < limit, limit, x)


def bounded(x, low, high):
    """The number from low to high that is nearest to x; NaN stays."""
    return at_most(at_least(x, low), high)


def clipped(x, limit):
    """x with a size of at most the limit."""
    return where(abs(x) > limit, copysign(limit, x), x)


def finite(low):
    """The low part of a sum whose high part may be infinite: never NaN."""
    return where(low < LARGEST, low, LARGEST)


def multiplicand(x, alpha):
    """x, but finite where alpha is 0, so that their product is 0."""
    return where((alpha == 0) & (abs(x) == float("inf")), copysign(LARGEST, x), x)


def unless_nan(x, value, instead=None):
    """The value; where x is NaN x, or something else."""
    return where(build("eq", x, x), value, x if instead is None else instead)


def nan_of(*numbers):
    """NaN where one of the numbers is, as where no comparison between them holds."""
    return functools.reduce(operator.add, numbers)
