"""What numba_act.torch and numba_act.jax have in common: activations as functions of another library's arrays."""
import inspect

from . import declare, functions  # noqa: F401, the latter declares the activations


class Bridged:
    """An activation as a function there; `get` is its module's, by which it pickles and finds its like."""

    def __init__(self, activation, get):
        self.activation, self._bound, self._get = activation, activation._operands, get
        self.__name__ = activation.name
        self.__signature__ = inspect.signature(activation._operands)
        self.fast = self if activation.fast is activation else get(activation.fast)

    def __reduce__(self):
        return self._get, (self.activation,)


def bridged(name, kind, get, module):
    """What a module's `get` gives for a name: the activation as its kind of Bridged, the same for all its names."""
    if isinstance(name, kind):
        return name
    activation = declare.get(name)
    if not isinstance(activation, declare.Activation):
        raise TypeError(f"{activation.name}: row functions are not in {module}, activations of numbers are")
    return kind(activation, get) if activation is name else get(activation)
