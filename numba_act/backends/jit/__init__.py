"""Activations inside other people's Numba code: @njit, @vectorize, @guvectorize, @cfunc, @stencil, @cuda.jit.

calls : the type of an activation in compiled code, and what a call of it becomes
loops : the call on arrays
rows : the same of row functions
exact : a tree in somebody else's function, whose options do not change what it computes
witness : what keeps Numba's files of compiled functions from being stale
"""
import functools

from ..signature import Signature


class Scalar:
    """One function of numbers: in plain Python it takes and gives numbers; in compiled code it is the activation, or
    its `grad`, by another name."""

    def __init__(self, owner, wrt):
        self.owner, self.wrt = owner, wrt
        self.__name__ = f"{owner.name}{'_grad' * bool(wrt)}"

    def __call__(self, /, *args, **params):
        result = self.owner.grad(*args, **params) if self.wrt else self.owner(*args, **params)
        first = args[0] if args else params[self.owner.operands[0]]
        return result.item() if type(first) in (int, float, bool) else result

    __signature__ = Signature("_arguments")

    @property
    def _arguments(self):
        return self.owner._operands

    def on_nodes(self, /, *args, **params):
        """A call of it in the tree of another function."""
        return self.owner.on_nodes(*args, wrt=self.wrt, **params)

    @functools.cached_property
    def _numba_type_(self):
        return type_of(self.owner, self._method)

    @property
    def _method(self):
        return "scalar_grad" if self.wrt else "scalar"

    def __reduce__(self):
        return getattr, (self.owner, self._method)

    def __repr__(self):
        return f"<scalar function {self.__name__}({', '.join((*self.owner.operands, *self.owner.params))})>"


def type_of(owner, method=""):
    """The type that Numba gives to an activation, or to what it has to call by this name."""
    from .calls import ActivationType
    return ActivationType(owner, method)


def rows_type_of(owner):
    """The type that Numba gives to a row function."""
    from .rows import RowsType
    return RowsType(owner)
