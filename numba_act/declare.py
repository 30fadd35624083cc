"""What an activation is: a scalar function with a name, its derivative, and everything that follows from them."""
import functools
import sys
from types import FunctionType, MappingProxyType

from numpy import ndarray

from .backends import Kernel, dispatch
from .scalar import VOCABULARY
from .tree.node import Node, argument, constant, stored

OPTIONS = "out", "where", "dtype", "casting", "order"
UPSTREAM = "gy"                                  # backward's first operand

_registry = {}                                   # name -> Activation, in the order declared
_aliases = {}
activations = MappingProxyType(_registry)


def activation(function=None, *, aliases=(), formula=None, nonzero=()):
    r"""Turn a scalar Python function into an activation.

    Arguments without a default are array operands, those with one are parameters.

    Parameters
    ----------
    function : a plain function of numbers that returns a number
    aliases : other names
    formula : LaTeX
    nonzero : parameters that must not be 0

    Returns
    -------
    Activation

    Raises
    ------
    TypeError : where `function` is not a plain Python function

    Examples
    --------
    >>> import numpy as np, numba_act as act
    >>> @act.activation
    ... def cube(x, scale=1.0):
    ...     return scale * x * x * x
    >>> cube(np.float32([1, 2]), 0.5)
    array([0.5, 4. ], dtype=float32)
    """
    if function is None:
        return functools.partial(activation, aliases=aliases, formula=formula, nonzero=nonzero)
    return Activation(function, aliases, formula, nonzero)


def declared(**attributes):
    """Decorator of a built-in activation: `activation`, and its name enters the registry."""
    def register(function):
        made = activation(function, **attributes)
        _registry[made.name] = made
        _aliases.update(dict.fromkeys(made.aliases, made))
        return made
    return register


def names():
    """Every name and alias with its activation."""
    return {**_registry, **_aliases}


def get(name):
    """The activation of that name or alias; an Activation is returned as it is.

    Raises
    ------
    ValueError : an unknown name; the nearest known ones are suggested

    Examples
    --------
    >>> import numba_act as act
    >>> act.get("softrelu") is act.softplus
    True
    """
    if isinstance(name, Activation):
        return name
    found = _registry.get(name) or _aliases.get(name)
    if found is None:
        import difflib
        near = difflib.get_close_matches(str(name), [*_registry, *_aliases], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(_registry)}"
        raise ValueError(f"there is no activation {name!r}; {hint}")
    return found


class Activation:
    """A scalar function that runs on arrays, with its gradients.

    Attributes
    ----------
    name, aliases, formula : the first in Python, the last in LaTeX
    operands : names of the array operands, usually ("x",)
    params : names of the parameters
    defaults : the parameters' defaults, by name
    function : the scalar function it was made from
    """

    def __init__(self, function, aliases=(), formula=None, nonzero=()):
        if not isinstance(function, FunctionType):
            raise TypeError(f"activation: a plain Python function is needed, not {type(function).__name__}")
        code, values = function.__code__, function.__defaults__ or ()
        names = code.co_varnames[:code.co_argcount]
        self.function, self.aliases, self.formula = function, tuple(aliases), formula
        self.name = self.__name__ = function.__name__
        self.__module__, self.__qualname__ = function.__module__, function.__qualname__
        self.operands = names[:len(names) - len(values)]
        self.defaults = MappingProxyType(dict(zip(names[len(self.operands):], values, strict=True)))
        self.params = tuple(self.defaults)
        self._inputs, self._nonzero = self.operands + self.params, tuple(nonzero)
        self.__doc__ = _documented(self, function.__doc__ or "")
        self._derivative = None
        self._declare_kernels()

    def __repr__(self):
        given = [*self.operands, *(f"{name}={value}" for name, value in self.defaults.items())]
        return f"<activation {self.name}({', '.join(given)})>"

    def __reduce__(self):
        if _registry.get(self.name) is self:
            return get, (self.name,)
        if getattr(sys.modules.get(self.__module__), self.__qualname__, None) is self:
            return self.__qualname__             # by reference, as functions pickle
        return _rebuilt, (self.function, self.aliases, self.formula, self._nonzero, self._derivative)

    def derivative(self, function):
        """Decorator that gives the derivative: a scalar function of the same arguments that returns the partial
        derivatives, in the order of the arguments (one number where there is one argument)."""
        self._derivative = function
        self._declare_kernels()
        return self

    def reference(self, function):
        """Decorator that gives a second definition, by which the first is judged: a scalar function of the same
        arguments, in plain mathematics, that returns the value and then the partial derivatives."""
        self._reference = function
        return self

    def _declare_kernels(self):
        self._kernels = {}
        self._value, self._backward = self._kernel("value", ()), self._kernel("backward", self.operands)
        single = len(self.operands) == 1         # then a call with one array, or gy and one, is complete
        self._single, self._single_backward = (self._value.quick, self._backward.quick) if single else ({}, {})

    # what there is to call -------------------------------------------------------------------------------------
    def __call__(self, *args, **kwargs):
        """The function's value, elementwise, as a ufunc gives it."""
        if len(args) == 1:                       # dispatch.quick for one array, written out: 0.25 us instead of 0.6
            x = args[0]
            if type(x) is ndarray:
                ufunc, limit, defaults = self._single.get(x.dtype, dispatch.NOT_YET)
                if x.size < limit and not kwargs:
                    return ufunc(x, *defaults) if defaults else ufunc(x)
        return self._elementwise(self._value, (self,), args, kwargs)

    def grad(self, *args, wrt=None, **kwargs):
        """The derivative in the operand or parameter `wrt` (default: the first operand), elementwise."""
        names = self._inputs[:1] if wrt is None else self._names(wrt)
        calls = (functools.partial(self.grad, wrt=names[0]),)
        return self._elementwise(self._kernel("grad", names), calls, args, kwargs)

    def value_and_grad(self, *args, wrt=None, **kwargs):
        """The value and the derivative in `wrt` (default: the first operand), in one pass over memory."""
        names = self._inputs[:1] if wrt is None else self._names(wrt)
        calls = self, functools.partial(self.grad, wrt=names[0])
        return self._elementwise(self._kernel("value_and_grad", names), calls, args, kwargs)

    def backward(self, gy, *args, wrt=None, out=None, **params):
        """gy times the derivative, summed to the shape of each operand in `wrt`.

        `wrt` is a name, which gives an array, or a tuple of names, which gives a tuple; the default is the array
        operand or operands.  `out` takes a result that is not summed.
        """
        if len(args) == 1 and type(gy) is ndarray and wrt is out is None and not params:          # as in __call__
            x = args[0]
            if type(x) is ndarray and gy.dtype == x.dtype and gy.shape == x.shape:
                ufunc, limit, defaults = self._single_backward.get(x.dtype, dispatch.NOT_YET)
                if x.size < limit:
                    return ufunc(gy, x, *defaults)
        if wrt is None and not params:
            result = dispatch.quick(self._backward, (gy, *args), out, 1 + len(self.operands))
            if result is not None:
                return result
        names = self.operands if wrt is None else self._names(wrt)
        single = isinstance(wrt, str) or (wrt is None and len(names) == 1)
        kernel = self._kernel("backward", names)
        operands = (gy, *self._bind(args, params))
        calls = tuple(functools.partial(self._product, wrt=name) for name in names)
        results = dispatch.backward(kernel, operands, self._inputs, names, calls, out)
        return results[0] if single else results

    def _product(self, gy, *operands, wrt):
        """gy times one derivative, elementwise."""
        return dispatch.elementwise(self._kernel("backward", (wrt,)), (gy, *operands),
                                    (functools.partial(self._product, wrt=wrt),))

    @property
    def ufunc(self):
        """The forward function as an np.ufunc, named numba_act_<name>."""
        from .backends import cpu
        return cpu.ufunc(self._value)

    @functools.cached_property
    def scalar(self):
        """The function of numbers, for plain Python and for Numba's @njit, @vectorize, @guvectorize and @cfunc, where
        it is inlined."""
        from .backends.jit import Scalar
        return Scalar(self._value, self)

    @functools.cached_property
    def scalar_grad(self):
        """The derivative in the first operand, as `scalar` is the function."""
        from .backends.jit import Scalar
        return Scalar(self._kernel("grad", self._inputs[:1]), self.grad)

    def plot(self, *params, **options):
        """Draw the function and its gradient: `visualize_activation` of this activation."""
        from .plotting import visualize_activation
        return visualize_activation(self, *params, **options)

    # trees and kernels -----------------------------------------------------------------------------------------
    def tree(self, dtype="float64"):
        """The value as an expression tree in float32 or float64."""
        return _as_node(self._parsed(self.function, dtype), dtype)

    def partials(self, dtype="float64"):
        """The derivatives in every argument, by name, as expression trees."""
        if self._derivative is None:
            raise NotImplementedError(f"{self.name}: no derivative is known; declare one with @{self.name}.derivative")
        result = self._parsed(self._derivative, dtype)
        result = result if isinstance(result, tuple) else (result,)
        return dict(zip(self._inputs, (_as_node(r, dtype) for r in result), strict=True))

    def _parsed(self, function, dtype):
        from .tree.parse import parse  # with ast and inspect 10 ms, which a later import need not take
        return parse(function, [argument(name, dtype) for name in self._inputs], VOCABULARY)

    def _kernel(self, kind, wrt):
        kernel = self._kernels.get((kind, wrt))
        if kernel is None:
            build = functools.partial(getattr(self, f"_build_{kind}"), wrt)
            name = "_".join((self.name, *(() if kind == "value" else (kind, *wrt))))
            inputs = (UPSTREAM,) * (kind == "backward") + self._inputs
            n_outputs = {"value_and_grad": 2, "backward": len(wrt)}.get(kind, 1)
            made = Kernel(name, self.name, inputs, self.defaults, build, n_outputs)
            kernel = self._kernels.setdefault((kind, wrt), made)
        return kernel

    def _build_value(self, wrt, dtype):
        return (self.tree(dtype),)

    def _build_grad(self, wrt, dtype):
        return (self.partials(dtype)[wrt[0]],)

    def _build_value_and_grad(self, wrt, dtype):
        return self.tree(dtype), self.partials(dtype)[wrt[0]]

    def _build_backward(self, wrt, dtype):
        partials = self.partials(dtype)
        return tuple(argument(UPSTREAM, dtype) * stored(partials[name]) for name in wrt)

    # arguments -------------------------------------------------------------------------------------------------
    def _elementwise(self, kernel, calls, args, kwargs):
        out = kwargs.get("out")
        if len(kwargs) == (out is not None):
            result = dispatch.quick(kernel, args, out)
            if result is not None:
                return result
        options = {key: kwargs.pop(key) for key in OPTIONS if key in kwargs}
        return dispatch.elementwise(kernel, self._bind(args, kwargs), calls, **options)

    def _bind(self, args, given):
        """The operands in order, defaults filled in."""
        if len(args) > len(self._inputs):
            raise TypeError(f"{self.name}: at most {len(self._inputs)} operands are accepted "
                            f"({', '.join(self._inputs)}), not {len(args)}")
        operands = list(args)
        for name in self._inputs[len(args):]:
            if name in given:
                operands.append(given.pop(name))
            elif name in self.defaults:
                operands.append(self.defaults[name])
            else:
                raise TypeError(f"{self.name}: the operand {name} is missing")
        if given:
            raise TypeError(f"{self.name}: unknown keyword {next(iter(given))!r}; "
                            f"accepted are {', '.join((*self._inputs[len(args):], *OPTIONS, 'wrt'))}")
        for name in self._nonzero:
            value = operands[self._inputs.index(name)]
            if isinstance(value, int | float) and value == 0:
                raise ValueError(f"{self.name}: {name} must not be 0, for which the function is not defined")
        return operands

    def _names(self, wrt):
        """`wrt` as a tuple of names."""
        names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
        for name in names:
            if name not in self._inputs:
                raise ValueError(f"{self.name}: wrt={name!r} is none of its arguments; "
                                 f"accepted are {', '.join(self._inputs)}")
        return names


def _documented(activation, text):
    """An activation's docstring: the function's own, its formula, and what holds for all of them."""
    summary, _, rest = text.replace("\n    ", "\n").strip().partition("\n")
    formula = f".. math:: {activation.formula}\n\n" if activation.formula else ""
    operands = ", ".join(activation.operands)
    parameters = "".join(f"{name} : number, or array that broadcasts (default {value})\n"
                         for name, value in activation.defaults.items())
    return f"""{summary}

{formula}Parameters
----------
{operands} : float16, bfloat16, float32 or float64 array of any shape; integers and bool compute in float64
{parameters}out, where, dtype, casting, order : as for any ufunc

Returns
-------
array of the shape to which the operands broadcast, in their common dtype

Raises
------
TypeError : an operand of another dtype, or one too many
ValueError : shapes that do not broadcast, an out of another shape{", a zero " + activation._nonzero[0]
                                                                     if activation._nonzero else ""}
{rest}
"""


def _as_node(result, dtype):
    return result if isinstance(result, Node) else constant(result, "float", dtype)


def _rebuilt(function, aliases, formula, nonzero, derivative):
    made = Activation(function, aliases, formula, nonzero)
    return made if derivative is None else made.derivative(derivative)
