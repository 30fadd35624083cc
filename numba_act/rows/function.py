"""What a row function is to its user: a Python function with a gradient, known by its name."""
import functools
import inspect

from numpy import asarray, generic, ndarray

from ..backends.jit import rows_type_of
from ..backends.rows import dispatch
from ..backends.rows.program import RowKernel
from ..declare import register
from ..docstrings import arranged

MOST = 4096                                      # shapes to remember
UNSAID = object()                                # an argument that is not given, which costs less than to look for it


class RowFunction:
    """A function along an axis of an array, called as the Python function that it is made of.

    Attributes
    ----------
    name, aliases : as those of an activation
    fast : itself, there is one tier
    """

    def __init__(self, function, program, aliases=()):
        self._function, self._prepared = function, {}
        self.name, self.aliases = function.__name__, tuple(aliases)
        self._programs = {"value": (program, ("x",), (), ())} if program else {}
        self._has_usual = program is not None
        functools.update_wrapper(self, function).__doc__ = arranged(function.__doc__)
        self.__signature__ = inspect.signature(function)

    def __call__(self, /, *args, **kwargs):
        if args and type(args[0]) is ndarray and len(args) + len(kwargs) < 3 and self._has_usual:
            x = args[0]
            axis, flags = args[1] if len(args) == 2 else kwargs.get("axis") if kwargs else -1, x.flags
            if type(axis) is int and flags.c_contiguous and flags.aligned:
                found = self._prepared.get((axis, x.dtype, x.shape))
                return found(x) if found else self._first(x, axis)
        return self._called(self.name, self._function, args, kwargs)

    def _first(self, x, axis):
        """The result for an array whose like may come again."""
        y = self._function(x, axis)
        if len(self._prepared) < MOST:
            self._prepared[axis, x.dtype, x.shape] = dispatch.prepared(self.kernel("value"), x.shape, axis, x.dtype)
        return y

    def gradient(self, function, of_row=False, **programs):
        """Make the function what `backward` is; the programs are those of a call with gy and x, or gy and y, alone, and
        `of_row` says that gy has a number for each row."""
        inputs, once = ((), ("gy",)) if of_row else (("gy",), ())
        self._programs |= {name: (build, (*inputs, name), once, ("x",) if name == "x" else ())
                           for name, build in programs.items()}

        @functools.wraps(function)
        def backward(*args, y=None, axis=UNSAID, **options):
            if programs and len(args) == 3 and axis is UNSAID:
                args, axis = args[:2], args[2]
            usual, kind, gy, other = None, None, None, None
            if len(args) == 1:
                gy, = args
                kind, other = "y", y
            elif len(args) == 2 and y is None:
                gy, other = args
                kind = "x"
            if of_row and isinstance(gy, generic):
                gy = asarray(gy)
            if type(gy) is type(other) is ndarray and not options:
                shape, dtype, place = other.shape, gy.dtype, -1 if axis is UNSAID else axis
                if (of_row or gy.shape == shape) and other.dtype == dtype and type(place) is int and (
                        (flags := gy.flags).c_contiguous and flags.aligned) and (
                        (flags := other.flags).c_contiguous and flags.aligned):
                    usual = kind, place, dtype, (shape, gy.shape) if of_row else shape
                    found = self._prepared.get(usual)
                    if found:
                        return found(other, gy) if of_row else found(gy, other)
            options |= ({} if y is None else {"y": y}) | ({} if axis is UNSAID else {"axis": axis})
            gx = self._called(f"{self.name}.backward", function, args, options)
            if usual and kind in programs and len(self._prepared) < MOST and (
                    not of_row or gy.size * shape[place] == other.size):
                self._prepared[usual] = dispatch.prepared(self.kernel(kind), shape, place, dtype)
            return gx
        self.backward = self._method(backward)
        return function

    def value_and_gradient(self, function):
        """Decorator of what `value_and_grad` is."""
        @functools.wraps(function)
        def value_and_grad(*args, **kwargs):
            return self._called(f"{self.name}.value_and_grad", function, args, kwargs)
        self.value_and_grad = self._method(value_and_grad)
        return function

    def _method(self, function):
        """One of what stands in this object, found by its name there, as pickle looks for it."""
        function.__qualname__ = f"{self.__qualname__}.{function.__name__}"
        return function

    def kernel(self, kind, masks=(), once=()):
        """What is compiled of a call with these options: the "value", or the gradient from "x" or "y"; None if
        unknown."""
        if kind not in self._programs:
            return None
        build, inputs, of_row, wanted = self._programs[kind]
        return kernel_of(build, self.name, inputs, masks, (*of_row, *once), (), wanted)

    @functools.cached_property
    def _numba_type_(self):
        return rows_type_of(self)

    @staticmethod
    def _called(name, function, args, kwargs):
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__.tb_next:
                raise
            # the call itself failed; Python's own words name neither the function nor what is accepted
            what, accepted = str(error).partition("() ")[2], ", ".join(inspect.signature(function).parameters)
        raise TypeError(f"{name}: {what}; accepted are {accepted}")

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


@functools.cache
def kernel_of(build, owner, *names):
    """What is compiled of a row program, for operands of these names."""
    name = "_".join((build.__name__.strip("_"), *[name for group in names for name in group]))
    return RowKernel(name, owner, build, *names)


def computed(build, owner, axis, inputs, where=None, once=None, wanted=(), places=None, **options):
    """What a row program makes of operands: `inputs` with a number for each element, a mask, and numbers `once` a row,
    of which those that are None are none, and places in it; `wanted` says which of its outputs, if it has several."""
    masks, places = {} if where is None else {"where": where}, places or {}
    once = {name: operand for name, operand in (once or {}).items() if operand is not None}
    kernel = kernel_of(build, owner, *map(tuple, (inputs, masks, once, places)), wanted)
    operands = *inputs.values(), *masks.values(), *once.values(), *places.values()
    return dispatch.call(kernel, operands, axis, **options)
