"""What an activation is: a scalar function with a name, its derivative, and everything that follows from them."""
import functools
import math
import sys
from collections.abc import Iterable
from numbers import Real
from types import FunctionType, MappingProxyType

from numpy import generic, ndarray

from .backends import dispatch
from .backends.jit import Scalar, type_of
from .backends.kernel import Kernel
from .scalar import VOCABULARY
from .scalar.doubled import doubled
from .scalar.ranges import unless_nan
from .tree.call import Callee, NotDifferentiableError, define, expand, substitute, wide
from .tree.differentiate import derivative
from .tree.latex import latex
from .tree.node import argument, in_order, narrowed, stored
from .tree.program import Program

OPTIONS = "out", "where", "dtype", "casting", "order"
UPSTREAM = "gy"                                  # backward's first operand
VARARGS, VARKEYWORDS = 4, 8                      # flags of a code object
MAX_ORDER = 4                                    # of a derivative: trees grow threefold with each

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
    """Decorator of a built-in activation: its name enters the registry."""
    def register(function):
        made = Activation(function, **attributes)
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
    found = (_registry.get(name) or _aliases.get(name)) if isinstance(name, str) else None
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
        names, values = _signature(function)
        self.name = self.__name__ = function.__name__
        self.__module__, self.__qualname__ = function.__module__, function.__qualname__
        self._inputs, self.operands = names, names[:len(names) - len(values)]
        self.defaults = dict(zip(names[len(self.operands):], values, strict=True))
        self.aliases, self._nonzero, self._text = _strings(aliases), _strings(nonzero), function.__doc__ or ""
        for name in set(self._nonzero) - set(self.defaults):
            raise ValueError(f"{self.name}: nonzero={name!r} is none of its parameters ({', '.join(self.defaults)})")
        self._value, self._derivative, self._reference = self._program(function, 1), None, None
        self.formula = formula if formula or _is_ours(function) else latex(self._value("float64")[0])
        self._complete()

    def _complete(self):
        """What follows from the rest, and is not pickled."""
        self.params, self.defaults = tuple(self.defaults), MappingProxyType(self.defaults)
        self.__doc__ = _documented(self, self._text)
        self._declare_kernels()

    def __repr__(self):
        given = [*self.operands, *(f"{name}={value}" for name, value in self.defaults.items())]
        return f"<activation {self.name}({', '.join(given)})>"

    def __reduce_ex__(self, protocol):
        if _registry.get(self.name) is self:
            return get, (self.name,)
        here = self.__module__ != "__main__" and getattr(sys.modules.get(self.__module__), self.__qualname__, None)
        return self.__qualname__ if here is self else object.__reduce_ex__(self, max(protocol, 2))

    def __getstate__(self):
        follows = ("params", "__doc__", "_kernels", "_forward", "_backward", "_single", "_single_backward",
                   "scalar", "scalar_grad")
        return {k: v for k, v in self.__dict__.items() if k not in follows} | {"defaults": dict(self.defaults)}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._complete()

    def derivative(self, function):
        """Decorator that gives the derivative: a scalar function of the same arguments that returns the partial
        derivatives, in the order of the arguments (one number where there is one argument)."""
        self._derivative = self._program(function, len(self._inputs))
        self._declare_kernels()
        return self

    def reference(self, function):
        """Decorator that gives a second definition, by which the first is judged: a scalar function of the same
        arguments, in plain mathematics, that returns the value and then the partial derivatives."""
        self._reference = self._program(function, 1 + len(self._inputs), traced=False)
        return self

    def _declare_kernels(self):
        self._kernels = {}
        self._forward, self._backward = self._kernel("value", ()), self._kernel("backward", self.operands)
        single = len(self.operands) == 1         # then a call with one array, or gy and one, is complete
        self._single, self._single_backward = (self._forward.quick, self._backward.quick) if single else ({}, {})

    # what there is to call -------------------------------------------------------------------------------------
    def __call__(self, /, *args, **kwargs):
        """The function's value, elementwise, as a ufunc gives it."""
        if len(args) == 1:                       # dispatch.quick for one array, written out: 0.25 us instead of 0.6
            x = args[0]
            if type(x) is ndarray:
                ufunc, limit, defaults = self._single.get(x.dtype, dispatch.NOT_YET)
                if x.size < limit and not kwargs:
                    return ufunc(x, *defaults) if defaults else ufunc(x)
        return self._elementwise(self._forward, (self,), args, kwargs)

    def grad(self, /, *args, wrt=None, n=1, **kwargs):
        """The n-th derivative in the operand or parameter `wrt` (default: the first operand), elementwise."""
        names = self._repeated(wrt, n)
        calls = (functools.partial(self.grad, wrt=names[0], n=n),)
        return self._elementwise(self._kernel("grad", names), calls, args, kwargs, ("wrt", "n"))

    def value_and_grad(self, /, *args, wrt=None, **kwargs):
        """The value and the derivative in `wrt` (default: the first operand), in one pass over memory."""
        name = self._name(wrt)
        calls = self, functools.partial(self.grad, wrt=name)
        return self._elementwise(self._kernel("value_and_grad", (name,)), calls, args, kwargs, ("wrt",))

    def backward(self, gy=..., /, *args, wrt=None, out=None, **params):
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
        if gy is ...:
            raise TypeError(f"{self.name}: the operand gy is missing")
        names = self.operands if wrt is None else self._names(wrt)
        single = isinstance(wrt, str) or (wrt is None and len(names) == 1)
        kernel = self._kernel("backward", names)
        operands = (gy, *self._bind(args, params, "out", "wrt"))
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
        from .backends import cpu_ufunc
        return cpu_ufunc.ufunc(self._forward)

    @functools.cached_property
    def scalar(self):
        """The function of numbers, for plain Python and for Numba's @njit, @vectorize, @guvectorize and @cfunc, where
        it is inlined."""
        return Scalar(self, ())

    @functools.cached_property
    def scalar_grad(self):
        """The derivative in the first operand, as `scalar` is the function."""
        return Scalar(self, self._inputs[:1])

    @property
    def _numba_type_(self):
        """By which Numba knows it in compiled code."""
        return type_of(self)

    def plot(self, *params, **options):
        """Draw the function and its gradient: `visualize_activation` of this activation."""
        from .plotting import visualize_activation
        return visualize_activation(self, *params, **options)

    def _repr_html_(self):
        from .plotting import card
        return card(self)

    # trees -----------------------------------------------------------------------------------------------------
    def tree(self, dtype="float64"):
        """The value as an expression tree in float32 or float64."""
        return expand((self._expression((), dtype),))[0]

    def partials(self, dtype="float64"):
        """The derivatives in every argument, by name, as expression trees."""
        return dict(zip(self._inputs, expand([self._expression((name,), dtype) for name in self._inputs]), strict=True))

    def definition(self, *wrt, dtype="float64"):
        """The value, or a derivative of it, in plain mathematics: what `tree` and `partials` are judged by."""
        if self._reference:
            tree = self._reference(dtype)[1 + self._inputs.index(wrt[0]) if wrt else 0]
            wrt = wrt[1:]
        else:
            tree, = define(self._value(dtype))
        return self._differentiated(tree, wrt)

    def on_nodes(self, /, *args, wrt=(), **params):
        """A call of the activation, or of a derivative, in another's tree."""
        return _Call(self, wrt)(*self._bind(args, params))

    def _program(self, function, count, traced=True):
        if not isinstance(function, FunctionType) or function.__code__.co_argcount != len(self._inputs):
            raise TypeError(f"{self.name}: a plain Python function of {', '.join(self._inputs)} is needed, "
                            f"not {function!r}")
        ours = _is_ours(function)
        program = Program(function, self._inputs, count, VOCABULARY, traced and ours)
        return program if ours else program.read()

    def _expression(self, wrt, dtype):
        """The value, differentiated in each of `wrt`, as it is computed; calls are not yet written out."""
        if not wrt:
            return self._value(dtype)[0]
        if len(wrt) == 1 and self._derivative:
            return self._derivative(dtype)[self._inputs.index(wrt[0])]
        if self._reference:
            slope = self.definition(*wrt, dtype=dtype)
        elif self._derivative:
            slope = self._differentiated(self._expression(wrt[:1], dtype), wrt[1:])
        else:
            slope = self._differentiated(self._expression((), dtype), wrt)
        first = [self._expression(wrt[:1], dtype)] if len(wrt) > 1 else []        # where that is NaN so is the slope
        used = {node.value for node in in_order([slope, *first]) if node.op == "argument"}
        for name in self.operands:               # NaN in, NaN out, whatever the branches say
            if name in used or len(self.operands) == 1:
                x = argument(name, dtype)
                slope = unless_nan(x, slope)
        if len(wrt) > 1:                         # more precision inside: the terms cancel
            return narrowed(wide(slope)) if dtype == "float32" else doubled(slope)
        return slope

    def _differentiated(self, tree, wrt):
        try:
            return functools.reduce(functools.partial(derivative, parameters=self.params), wrt, tree)
        except NotDifferentiableError as error:
            place = self._value.places.get(error.node)
            raise NotImplementedError(f"{self.name}: {error}{f': {place}' if place else ''}; "
                                      f"declare the derivative with @{self.name}.derivative") from None

    # kernels ---------------------------------------------------------------------------------------------------
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
        return expand((self._expression((), dtype),))

    def _build_grad(self, wrt, dtype):
        return expand((self._expression(wrt, dtype),))

    def _build_value_and_grad(self, wrt, dtype):
        return expand((self._expression((), dtype), self._expression(wrt, dtype)))

    def _build_backward(self, wrt, dtype):
        slopes = expand([self._expression((name,), dtype) for name in wrt])
        return tuple(argument(UPSTREAM, dtype) * stored(slope) for slope in slopes)

    # arguments -------------------------------------------------------------------------------------------------
    def _elementwise(self, kernel, calls, args, kwargs, keywords=()):
        out = kwargs.get("out")
        if len(kwargs) == (out is not None):
            result = dispatch.quick(kernel, args, out)
            if result is not None:
                return result
        options = {key: kwargs.pop(key) for key in OPTIONS if key in kwargs}
        return dispatch.elementwise(kernel, self._bind(args, kwargs, *OPTIONS, *keywords), calls, **options)

    def _bind(self, args, given, *keywords):
        """The operands in order, defaults filled in; the keywords, taken before, are for the message."""
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
        for name in given:
            wrong = "is given twice" if name in self._inputs else "is an unknown keyword"
            raise TypeError(f"{self.name}: {name} {wrong}; "
                            f"accepted are {', '.join((*self._inputs[len(args):], *keywords))}")
        for name in self._nonzero:
            value = operands[self._inputs.index(name)]
            single = isinstance(value, int | float | generic | ndarray) and getattr(value, "ndim", 0) == 0
            if single and value == 0:
                raise ValueError(f"{self.name}: {name} must not be 0, for which the function is not defined")
        return operands

    def _name(self, wrt):
        """`wrt` as one name."""
        if wrt is not None and not isinstance(wrt, str):
            raise TypeError(f"{self.name}: wrt={wrt!r} is not one name; accepted are {', '.join(self._inputs)}")
        return self._inputs[0] if wrt is None else self._names(wrt)[0]

    def _repeated(self, wrt, n):
        """`wrt` as one name, as often as is differentiated in it."""
        if type(n) is not int or n not in range(1, MAX_ORDER + 1):
            raise ValueError(f"{self.name}: n={n!r} is no order of a derivative; accepted are 1 to {MAX_ORDER}")
        return (self._name(wrt),) * n

    def _names(self, wrt):
        """`wrt` as a tuple of names."""
        if not isinstance(wrt, Iterable):
            raise TypeError(f"{self.name}: wrt={wrt!r} is neither a name nor a tuple of names; "
                            f"accepted are {', '.join(self._inputs)}")
        names = _strings(wrt)
        for name in names:
            if name not in self._inputs:
                raise ValueError(f"{self.name}: wrt={name!r} is none of its arguments; "
                                 f"accepted are {', '.join(self._inputs)}")
        return names


def _strings(given):
    """One string or several as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)


def _is_ours(function):
    return str(function.__module__).partition(".")[0] == __package__


def _signature(function):
    """The names of a scalar function's arguments, and the defaults of the last of them."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"activation: a plain Python function is needed, not {type(function).__name__}")
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[:code.co_argcount]
    if code.co_kwonlyargcount or code.co_flags & (VARARGS | VARKEYWORDS) or len(names) == len(values):
        raise TypeError(f"{function.__name__}: the arguments must be array operands, which have no default, and then "
                        "parameters, which have one; *, *args and **kwargs are not accepted")
    for name, value in zip(reversed(names), reversed(values), strict=False):
        if isinstance(value, bool) or not isinstance(value, Real) or not _is_finite(value):
            raise TypeError(f"{function.__name__}: the default of {name} must be a finite number, not {value!r:.40}")
    for name in {*OPTIONS, UPSTREAM, "wrt", "n"} & set(names):
        raise TypeError(f"{function.__name__}: an argument must not be named {name}, which is a keyword of the call")
    return names, [value if isinstance(value, int) else float(value) for value in values]


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:                        # an int beyond every float
        return False


def register_with_numba():
    """What Numba calls as it starts, by the package's entry point."""


def _documented(activation, text):
    """An activation's docstring: the function's own, its formula, and what holds for all of them."""
    summary, _, rest = text.replace("\n    ", "\n").strip().partition("\n")
    formula = f".. math:: {activation.formula}\n\n" if activation.formula else ""
    operands = ", ".join(activation.operands)
    parameters = "".join(f"{name} : number, or array that broadcasts (default {value})\n"
                         for name, value in activation.defaults.items())
    return f"""{summary or f"The activation {activation.name}, elementwise."}

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


class _Call(Callee):
    """An activation, or a derivative of it, as a call in another's tree."""

    def __init__(self, activation, wrt):
        self.activation, self.wrt = activation, wrt

    def __reduce__(self):
        return _Call, (self.activation, self.wrt)

    def __eq__(self, other):
        return isinstance(other, _Call) and self.activation is other.activation and self.wrt == other.wrt

    def __hash__(self):
        return hash((id(self.activation), self.wrt))

    @property
    def name(self):
        return self.activation.name + "'" * len(self.wrt)

    @property
    def arity(self):
        return len(self.activation._inputs)

    def expand(self, *args):
        return self._with(args, self.activation._expression(self.wrt, args[0].dtype))

    def define(self, *args):
        return self._with(args, self.activation.definition(*self.wrt, dtype=args[0].dtype))

    def partial(self, k, call):
        return _Call(self.activation, (*self.wrt, self.activation._inputs[k]))(*call.args)

    def _with(self, args, tree):
        return substitute((tree,), dict(zip(self.activation._inputs, args, strict=True)))[0]
