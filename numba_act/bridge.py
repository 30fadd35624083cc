"""What numba_act.torch and numba_act.jax have in common: activations as functions of another library's arrays."""
import inspect

from . import declare, functions, rows  # noqa: F401, functions declares the activations
from .backends.signature import by_name

ROWS = tuple([name for name, function in declare.row_functions.items() if function.kernel("value")])


class Bridged:
    """An activation as a function there; `get` is its module's, by which it pickles and finds its like."""

    def __init__(self, activation, get):
        self.activation, self._bound, self._get = activation, activation._operands, get
        self.__name__ = activation.name
        self.__signature__ = inspect.signature(activation._operands)
        self.fast = self if activation.fast is activation else get(activation.fast)

    def __reduce__(self):
        return self._get, (self.activation,)


class BridgedRows:
    """A row function as a function there, of which the operand and the sink may be differentiated."""

    def __init__(self, function, get):
        self.function, self._get = function, get
        self.__name__, self.fast = function.name, self
        known = inspect.signature(function).parameters.values()
        self.__signature__ = inspect.Signature([p for p in known if p.name not in ("out", "dtype")])

    def arguments(self, args, kwargs):
        """A call's arguments by name, the defaults with them."""
        return by_name(self.__name__, self.__signature__, args, kwargs).arguments

    def __reduce__(self):
        return self._get, (self.__name__,)


def result_shape(shape, axis, keepdims=None):
    """The shape of a row function's result; those that give one number for a row have keepdims."""
    if keepdims is None:
        return tuple(shape)
    place = axis % len(shape)
    return *shape[:place], *[1] * keepdims, *shape[place + 1:]


def bridged(name, kinds, get, module):
    """What a module's `get` gives for a name: the function as one of its two kinds, of activations and of rows, the
    same for all its names."""
    of_numbers, of_rows = kinds
    if isinstance(name, kinds):
        return name
    found = declare.get(name)
    if isinstance(found, declare.Activation):
        return of_numbers(found, get) if found is name else get(found)
    if found.name not in ROWS:
        raise TypeError(f"{found.name} is not in {module}; of the functions of rows {', '.join(ROWS)} are")
    return of_rows(found, get) if found.name == name else get(found.name)
