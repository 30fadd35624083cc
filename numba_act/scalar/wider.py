"""float32 functions computed in float64, where no error of the last place shows: cheaper than pairs, and exact."""
import functools

from ..tree.evaluate import for_numbers_too
from ..tree.marks import FAST, kept, resolved
from ..tree.node import constant, narrowed, widened
from .pairs import Pair, rounded


def through_float64(function=None, *, cancels=False):
    """Decorator of a function of float64 numbers and of the dtype that its result, or each of its results, will have;
    where that is float32 the fast tier serves both.  `cancels`: what the fast tier leaves out would show where terms
    cancel, so that in float64 both tiers are the exact one."""
    if function is None:
        return functools.partial(through_float64, cancels=cancels)

    @for_numbers_too
    @functools.wraps(function)
    def call(*args):
        if args[0].dtype == "float64":
            made = function(*args, "float64")
            return _each(kept, made) if cancels else made
        return _each(narrowed, _each(_fast, function(*map(_wide, args), "float32")))
    return call


def single(pair, dtype):
    """A pair, or its sum alone where the result is float32 and its low part does not show."""
    return Pair(_fast(rounded(pair))) if dtype == "float32" else pair


def _each(change, made):
    return tuple(map(change, made)) if isinstance(made, tuple) else change(made)


def _fast(node):
    return resolved((node,), FAST)[0]


def _wide(x):
    """A float32 node in float64; a constant stays what was written."""
    return constant(x.value, x.kind, "float64") if x.op == "constant" else widened(x)
