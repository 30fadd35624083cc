"""float32 functions computed in float64, where no error of the last place shows: cheaper than pairs, and exact."""
import functools

from ..tree.evaluate import for_numbers_too
from ..tree.marks import FAST, resolved
from ..tree.node import constant, narrowed, widened


def through_float64(function):
    """Decorator of a function of float64 numbers and of the dtype that its result will have; where that is float32 the
    fast tier serves both."""
    @for_numbers_too
    @functools.wraps(function)
    def call(*args):
        if args[0].dtype == "float64":
            return function(*args, "float64")
        result, = resolved((function(*map(_wide, args), "float32"),), FAST)
        return narrowed(result)
    return call


def _wide(x):
    """A float32 node in float64; a constant stays what was written."""
    return constant(x.value, x.kind, "float64") if x.op == "constant" else widened(x)
