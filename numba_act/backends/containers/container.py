"""What the kinds of containers have in common."""
import contextlib
import functools

import numpy as np

from ...runtime import threads
from .. import layout
from . import kind_of, same_shape, shape_of

USUAL = {"out": None, "where": True, "dtype": None, "casting": "same_kind", "order": "K"}


class Container:
    """How one library's objects are computed on: a function of arrays is mapped over what they hold.

    Attributes
    ----------
    name : what the objects are called in messages
    conversion : how to make one of an array
    holds : names of the other classes whose objects may be operands beside it
    takes_plain : whether plain arrays may be
    has_numbers : whether objects of no dimension are numbers for any other kind
    """

    name = "such objects"
    conversion = "numpy.asarray(x)"
    holds = frozenset()
    takes_plain = True
    has_numbers = False

    def mapped(self, kernel, call, operands):
        """The call, a partial of a function of arrays, on what these operands hold."""
        raise NotImplementedError

    def elementwise(self, kernel, operands, calls, options):
        """The outputs, one a call."""
        again = {option: value for option, value in options.items() if is_given(option, options)}
        for option in ("out", "where"):
            if option in again:
                raise TypeError(f"{kernel.owner}: {option}= is not accepted for {self.name}")
        operands = numbers_unpacked(kernel, operands)
        with named(kernel):
            results = tuple(self.mapped(kernel, functools.partial(call, **again), operands) for call in calls)
        return results[0] if len(calls) == 1 else results

    def backward(self, kernel, operands, names, wrt, calls, out):
        """The gradients: each product elementwise, then summed to its operand's shape."""
        if out is not None:
            raise TypeError(f"{kernel.owner}: out= is not accepted for {self.name}")
        whole = self.elementwise(kernel, operands, calls, USUAL)
        whole = whole if isinstance(whole, tuple) else (whole,)
        with named(kernel):
            return tuple(self.summed(gradient, operands[1 + names.index(name)])
                         for gradient, name in zip(whole, wrt, strict=True))

    def rowwise(self, kernel, operands, axis, again):
        """A function along an axis; `again(operands, axis)` is the same of arrays."""
        raise TypeError(f"{kernel.owner}: {self.name} are not supported along an axis; NumPy and CuPy arrays are")

    def whole(self, kernel, operands, compute):
        """A function of whole arrays, whose results may have any shape."""
        raise TypeError(f"{kernel.owner}: {self.name} are not supported; arrays and tensors are")

    def summed(self, gradient, operand):
        """A gradient, summed to the shape of its operand."""
        shape = shape_of(operand)
        if same_shape(shape, shape_of(gradient)):
            return gradient
        total = layout.summed(self.dense(gradient), shape, self.total)
        return total if shape else total[()]

    def dense(self, gradient):
        """A gradient as an array, 0 where it is missing or masked."""
        return np.asarray(gradient)

    total = staticmethod(layout.total)

    # what split_gate asks ------------------------------------------------------------------------------------------
    def shape(self, x):
        return getattr(x, "shape", ())

    def part(self, x, axis, place):
        """What is at a place, a slice, along an axis."""
        return x[(slice(None),) * axis + (place,)] if axis else x[place]

    def relabelled(self, part, first, axis):
        """A part with the labels of the first one."""
        return part


class Refused(Container):
    """What cannot be computed on; the message takes the activation and the type."""

    message = ""

    def elementwise(self, kernel, operands, *_):
        thing = next(o for o in operands if kind_of(o) is self)
        raise TypeError(self.message.format(owner=kernel.owner, type=type(thing).__name__))

    def rowwise(self, kernel, operands, *_):
        self.elementwise(kernel, operands)

    whole = rowwise

    def backward(self, kernel, operands, *_):
        self.elementwise(kernel, operands)


def each(results, made):
    """What is made of a result, or of each of several."""
    return tuple(map(made, results)) if isinstance(results, tuple) else made(results)


def is_given(option, options):
    """Whether an option differs from what it usually is."""
    value = options[option]
    return value != USUAL[option] if isinstance(value, str) else value is not USUAL[option]


def numbers_unpacked(kernel, operands):
    """The operands, tensors of no dimension as NumPy's."""
    return [kind_of(o).array(kernel, name, o) if kind_of(o) is not None and kind_of(o).has_numbers else o
            for name, o in zip(kernel.operands, operands, strict=True)]


@contextlib.contextmanager
def named(kernel):
    """Errors, which libraries may have wrapped in theirs, in one line that names the activation."""
    try:
        yield
    except Exception as error:
        prefix, cause = f"{kernel.owner}: ", error
        while cause is not None and not str(cause).startswith(prefix):
            cause = cause.__cause__ or cause.__context__
        line = (str(cause or error).strip() or type(error).__name__).splitlines()[0]
        kinds = (ValueError, ModuleNotFoundError, TypeError)                    # their own take other arguments
        kind = next((kind for kind in kinds if isinstance(cause or error, kind)), TypeError)
        raise kind(prefix + line.removeprefix(prefix)) from error


def alone(call, *operands, **options):
    """A block's result in the thread that asks for it: Dask has as many threads as it may use."""
    with threads.alone():
        return call(*operands, **options)
