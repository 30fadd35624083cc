"""What a row function is to its user: a Python function with a gradient, known by its name."""
import functools
import inspect

from numpy import ndarray

from ..backends.rows import dispatch
from ..backends.rows.program import RowKernel
from ..declare import register

MOST = 4096                                      # shapes to remember


class RowFunction:
    """A function along an axis of an array, called as the Python function that it is made of.

    Attributes
    ----------
    name, aliases : as those of an activation
    fast : itself, there is one tier
    """

    def __init__(self, function, program, aliases=()):
        self._function, self._gradient, self._prepared = function, None, {}
        self.name, self.aliases = function.__name__, tuple(aliases)
        self._kernel = _kernel(program, self.name, ("x",), (), (), ())
        functools.update_wrapper(self, function)
        self.__signature__ = inspect.signature(function)

    def __call__(self, /, *args, **kwargs):
        if args and type(args[0]) is ndarray and len(args) + len(kwargs) < 3:
            x = args[0]
            axis = args[1] if len(args) == 2 else kwargs.get("axis") if kwargs else -1
            if type(axis) is int and x.flags.c_contiguous:
                found = self._prepared.get((axis, x.dtype, x.shape))
                if found:
                    return found(x)
                return self._first(x, axis)
        try:
            return self._function(*args, **kwargs)
        except TypeError as error:
            raise _said(self.name, error, self._function) from None

    def _first(self, x, axis):
        """The result for an array whose like may come again."""
        y = self._function(x, axis)
        if x.flags.aligned and len(self._prepared) < MOST:
            self._prepared[axis, x.dtype, x.shape] = dispatch.prepared(self._kernel, x.shape, axis, x.dtype)
        return y

    def backward(self, /, *args, **kwargs):
        """The gradient."""
        try:
            return self._gradient(*args, **kwargs)
        except TypeError as error:
            raise _said(f"{self.name}.backward", error, self._gradient) from None

    def gradient(self, function):
        """Decorator of what `backward` calls."""
        self._gradient = function
        return function

    @property
    def fast(self):
        return self

    def __repr__(self):
        return f"<row function {self.name}{self.__signature__}>"

    def __reduce__(self):
        return self.__qualname__


def row_function(program, *aliases):
    """Decorator that makes a row function, which `get` then knows; the program is that of a call without options."""
    def made(function):
        found = RowFunction(function, program, aliases)
        register(found)
        return found
    return made


def _said(name, error, function):
    """Python's error where a call does not fit, with the name and what is accepted; any other as it is."""
    if error.__traceback__.tb_next:
        return error
    what = str(error).partition("() ")[2]
    return TypeError(f"{name}: {what}; accepted are {', '.join(inspect.signature(function).parameters)}")


@functools.cache
def _kernel(build, owner, *names):
    name = "_".join((build.__name__.strip("_"), *[name for group in names for name in group]))
    return RowKernel(name, owner, build, *names)


def computed(build, owner, axis, inputs, where=None, once=None, wanted=(), **options):
    """What a row program makes of operands: `inputs` with a number for each element, a mask, and numbers `once` a row,
    of which those that are None are none; `wanted` says which of its outputs, if it has several."""
    masks = {} if where is None else {"where": where}
    once = {name: operand for name, operand in (once or {}).items() if operand is not None}
    kernel = _kernel(build, owner, tuple(inputs), tuple(masks), tuple(once), wanted)
    return dispatch.call(kernel, (*inputs.values(), *masks.values(), *once.values()), axis, **options)
