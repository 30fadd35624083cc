"""Numbers kept within a range that usual numbers do not leave, and what is NaN."""
import functools
import operator

from ..tree.marks import usually
from ..tree.node import PerType, build, copysign, where

LARGEST = PerType(float32=3.4028234663852886e38, float64=1.7976931348623157e308)


def at_most(x, limit):
    """The smaller of the two; NaN stays."""
    return usually(where(x > limit, limit, x), x, x > limit)


def at_least(x, limit):
    """The larger of the two; NaN stays."""
    return usually(where(x < limit, limit, x), x, x < limit)


def bounded(x, low, high):
    """The number from low to high that is nearest to x; NaN stays."""
    return at_most(at_least(x, low), high)


def clipped(x, limit):
    """x with a size of at most the limit."""
    return usually(where(abs(x) > limit, copysign(limit, x), x), x, abs(x) > limit)


def finite(low, x):
    """The low part of a sum whose high part may be infinite, as x then is: never NaN."""
    return usually(where(low < LARGEST, low, LARGEST), low, abs(x) > LARGEST)


def multiplicand(x, alpha):
    """x, but finite where alpha is 0, so that their product is 0."""
    return usually(where((alpha == 0) & (abs(x) == float("inf")), copysign(LARGEST, x), x), x, abs(x) > LARGEST)


def unless_nan(x, value, instead=None):
    """The value; where x is NaN x, or something else."""
    return where(build("eq", x, x), value, x if instead is None else instead)


def nan_of(*numbers):
    """NaN where one of the numbers is, as where no comparison between them holds."""
    return functools.reduce(operator.add, numbers)
