"""What an activation is: a scalar function with a name, its derivative, and everything that follows from them."""
import copyreg
import functools
import sys
from collections.abc import Iterable
from types import MappingProxyType

from numpy import generic, integer, ndarray, ufunc

from .backends import dispatch
from .backends.dtypes import STORED
from .backends.jit import Scalar, type_of
from .backends.signature import Signature, free, way
from .docstrings import Docstring, written
from .expressions import UFUNC, Call, Expressions
from .runtime import objects
from .tree.callables import is_ours, plain
from .tree.errors import NoTreeError
from .tree.storage import STORAGE

CASTING, ORDER = UFUNC["casting"], UFUNC["order"]
SEVERAL = str | tuple | Iterable
MAX_ORDER = 4                                    # of a derivative: trees grow threefold with each

_registry = {}                                   # name -> Activation, in the order declared
_aliases = {}
_row_functions = {}                              # by names and aliases; functions of arrays, not of numbers
activations = MappingProxyType(_registry)
row_functions = MappingProxyType(_row_functions)
_of_ufuncs = {}                                  # ufunc -> its Activation
_numpys_name = copyreg.dispatch_table[ufunc]     # by which NumPy pickles a ufunc


def activation(function=None, *, aliases=(), formula=None, nonzero=()):
    r"""Turn a scalar Python function into an activation.

    Arguments without a default are array operands, those with one are parameters.  Loops over what is known when the
    function is decorated unroll; an assert about data is left out.

    Parameters
    ----------
    function : callable
        Of numbers, that returns a number, plain or one of Numba's.  What is no expression tree, such as a loop that
        depends on its argument, Numba compiles whole.
    aliases : str or sequence of str, optional
        Other names.
    formula : str, optional
        LaTeX, in place of what is read from the function.
    nonzero : str or sequence of str, optional
        Parameters that must not be 0.

    Returns
    -------
    Activation

    Raises
    ------
    TypeError
        Where `function` is no function, prints, uses files or random numbers, or is neither a tree nor
        something that Numba compiles.

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
    return lambda function: registered(Activation(function, **attributes))


def registered(made):
    """A built-in activation, whose name enters the registry."""
    _registry[made.name] = made
    _aliases.update(dict.fromkeys(made.aliases, made))
    return made


def _pickled(made):
    """A ufunc as pickle keeps it: ours by its activation, which may stand in no module that others can import."""
    owner = _of_ufuncs.get(made)
    return _numpys_name(made) if owner is None else (getattr, (owner, "ufunc"))


copyreg.pickle(ufunc, _pickled)


def names():
    """Every name and alias with its activation."""
    return {**_registry, **_aliases}


def register(row_function):
    """Make a function along an axis known by its name and aliases."""
    _row_functions.update(dict.fromkeys((row_function.name, *row_function.aliases), row_function))


def get(name):
    """The activation, or function along an axis, of that name or alias; such an object is returned as it is.

    Raises
    ------
    ValueError
        An unknown name; the nearest known ones are suggested.

    Examples
    --------
    >>> import numba_act as act
    >>> act.get("softrelu") is act.softplus
    True
    """
    if is_known(name):
        return name
    exact = name.removesuffix(".fast") if isinstance(name, str) else None        # as those of the fast tier are called
    found = {**names(), **_row_functions}.get(exact)
    if found is None:
        import difflib
        near = difflib.get_close_matches(str(name).lower(), [*names(), *_row_functions], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(_registry)}"
        hint = "a function becomes one by numba_act.activation" if callable(name) else hint
        raise ValueError(f"there is no activation {name!r}; {hint}")
    return found if name == exact else found.fast


def is_known(thing):
    """Whether a thing is an activation or a function along an axis itself."""
    return isinstance(thing, Activation) or any(thing is known for known in _row_functions.values())


def of_numbers(name):
    """As `get`, where a function along an axis is refused."""
    found = get(name)
    if not isinstance(found, Activation):
        raise TypeError(f"{found.name} is a function along an axis; an activation is accepted")
    return found


def _usual(kind):
    """What gives an activation's kernel of a call without options."""
    def kernel(activation):
        wrt = {"value": (), "backward": activation.operands}.get(kind, activation.operands[:1])
        return activation.kernel(kind, *wrt)
    return kernel


class Activation:
    """A scalar function that runs on arrays, with its gradients.

    Attributes
    ----------
    name, formula : str
        The latter in LaTeX.
    aliases : tuple of str
        Other names.
    operands : tuple of str
        Names of the array operands, usually ("x",).
    params : tuple of str
        Names of the parameters.
    defaults : mapping of str to float
        The parameters' defaults.
    expressions : object
        What the scalar function says, as trees or as Numba compiles it.
    fast : Activation
        The same in the fast tier.
    """

    __doc__ = Docstring(__doc__, written)
    _exact = None                                # of one of the fast tier: the same in the exact tier

    _STATE = "name", "__name__", "__module__", "__qualname__", "aliases", "formula", "_nonzero", "_text", "expressions"

    def __init__(self, function, aliases=(), formula=None, nonzero=()):
        if plain(function) is None:
            from .tree.wrappers import as_function
            function = as_function(function)
        self.expressions = _understood(function)
        self.name = self.__name__ = function.__name__
        self.__module__, self.__qualname__ = function.__module__, function.__qualname__
        self.aliases, self._nonzero = (self._named(*given) for given in (("aliases", aliases), ("nonzero", nonzero)))
        self._text = function.__doc__ or ""
        if not isinstance(formula, str | None):
            raise TypeError(f"{self.name}: formula={formula!r} is no LaTeX; a string is accepted")
        for name in set(self._nonzero) - set(self.expressions.defaults):
            raise ValueError(f"{self.name}: nonzero={name!r} is none of its parameters "
                             f"({', '.join(self.expressions.defaults)})")
        self.formula = formula if formula or is_ours(function) else self.expressions.formula
        self._complete()

    def _named(self, option, given):
        """Names that are given as one string or several."""
        names = _strings(given) if isinstance(given, str | Iterable) else (given,)
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{self.name}: {option}={given!r} is neither a name nor several; strings are accepted")
        return names

    def _complete(self):
        """What follows from the rest, and is not pickled."""
        self._inputs, self.operands = self.expressions.inputs, self.expressions.operands
        self.defaults = MappingProxyType(self.expressions.defaults)
        self.params = tuple(self.defaults)
        self._find_kernels()

    def _find_kernels(self):
        """What holds a kernel, made anew where a derivative is declared."""
        for name in ("_call", "grad", "value_and_grad", "backward", "scalar_grad", "fast", "__doc__"):
            vars(self).pop(name, None)
        self._single = self.kernel().quick if len(self.operands) == 1 else {}       # a call with one array is complete

    def __repr__(self):
        given = [*self.operands, *(f"{name}={value}" for name, value in self.defaults.items())]
        name = self.name if self.name.isprintable() else repr(self.name)[1:-1]
        return f"<activation {name}({', '.join(given)})>"

    def __reduce_ex__(self, protocol):
        if self._exact:
            return getattr, (self._exact, "fast")
        if _registry.get(self.name) is self:
            return get, (self.name,)
        here = self.__module__ != "__main__" and getattr(sys.modules.get(self.__module__), self.__qualname__, None)
        return self.__qualname__ if here is self else object.__reduce_ex__(self, max(protocol, 2))

    def __getstate__(self):
        return {name: getattr(self, name) for name in self._STATE}

    def __setstate__(self, state):
        vars(self).update(state)
        self._complete()

    @functools.cached_property
    def fast(self):
        """The same function in the fast tier: at most 4 units in the last place instead of 1, in its tails too.

        Derivatives of higher order, and results of 16 bits, are those of the exact tier.  What Numba compiles has one
        tier."""
        if self._exact or self.compiler == "numba":
            return self
        fast = object.__new__(type(self))
        vars(fast).update(self.__getstate__(), name=f"{self.name}.fast", _exact=self,
                          __qualname__=f"{self.__qualname__}.fast", expressions=self.expressions.in_fast_tier())
        fast._complete()
        return fast

    def derivative(self, function):
        """Decorator that gives the derivative: a scalar function of the same arguments that returns the partial
        derivatives, in the order of the arguments (one number where there is one argument)."""
        try:
            self.expressions.declare_derivative(function)
        except NoTreeError as error:
            self.expressions = _jitted(self.expressions.value.function, error)
            self.expressions.declare_derivative(function)
        self._complete()
        return self

    def from_result(self, function):
        """Decorator that gives the derivative as a function of the result y, for `backward(gy, y=y)`: a scalar function
        of y and the parameters that returns one number; for activations of one array."""
        self.expressions.declare_from_result(function)
        self._complete()
        return self

    def reference(self, function):
        """Decorator that gives a second definition, by which the first is judged: a scalar function of the same
        arguments, in plain mathematics, that returns the value and then the partial derivatives."""
        self.expressions.declare_reference(function)
        vars(self).pop("fast", None)
        return self

    # what there is to call --------------------------------------------------------------------------------------------
    def __call__(self, /, *args, **kwargs):
        """The function's value, elementwise, as a ufunc gives it."""
        if len(args) == 1:                       # dispatch.quick for one array, written out: 0.25 us instead of 0.6
            x = args[0]
            if type(x) is ndarray:
                ufunc, limit, defaults = self._single.get(x.dtype, dispatch.NOT_YET)
                if x.size < limit:
                    if not kwargs:
                        return ufunc(x, *defaults) if defaults else ufunc(x)
                    out = kwargs.get("out")
                    if len(kwargs) == 1 and type(out) is ndarray and out.dtype == x.dtype and out.shape == x.shape and (
                            out.flags.writeable):
                        return ufunc(x, *defaults, out)
        return self._call(*args, **kwargs)

    __signature__ = Signature("_call")

    @way(usual=_usual("value"), **UFUNC)
    def _call(self, operands, *options):
        return self._elementwise("value", (), operands, *options)

    @way(usual=_usual("grad"), **UFUNC, wrt=None, n=1)
    def grad(self, operands, out, where, dtype, casting, order, wrt, n):
        """The n-th derivative, elementwise.

        Parameters
        ----------
        operands, parameters : array_like
            As in a call of the activation.
        wrt : str, optional
            The operand or parameter in which is differentiated; the first operand by default.
        n : int, default 1
            How often, up to 4 times.
        out, where, dtype, casting, order : optional
            As for any ufunc.

        Returns
        -------
        array
            Of the shape and dtype of the activation's value.

        Raises
        ------
        ValueError
            A `wrt` that is none of the activation's arguments, another `n`.

        Examples
        --------
        >>> import numpy as np, numba_act as act
        >>> act.prelu.grad(np.float32([-2, 3]), 0.25), act.prelu.grad(np.float32([-2, 3]), 0.25, wrt="alpha")
        (array([0.25, 1.  ], dtype=float32), array([-2.,  0.], dtype=float32))
        """
        return self._elementwise("grad", self._repeated(wrt, n), operands, out, where, dtype, casting, order)

    @way(usual=_usual("value_and_grad"), **UFUNC, wrt=None)
    def value_and_grad(self, operands, out, where, dtype, casting, order, wrt):
        """The value and a derivative, in one pass over memory.

        Parameters
        ----------
        operands, parameters : array_like
            As in a call of the activation.
        wrt : str, optional
            The operand or parameter in which is differentiated; the first operand by default.
        out : tuple of two arrays, optional
            Where the results go.
        where, dtype, casting, order : optional
            As for any ufunc.

        Returns
        -------
        value, slope : array
            With the bits of the activation's own call and of `grad`.

        Raises
        ------
        ValueError
            A `wrt` that is none of the activation's arguments.

        Examples
        --------
        >>> import numpy as np, numba_act as act
        >>> act.silu.value_and_grad(np.float32([0, 1]))
        (array([0.       , 0.7310586], dtype=float32), array([0.5       , 0.92767054], dtype=float32))
        """
        return self._elementwise("value_and_grad", (self._name(wrt),), operands, out, where, dtype, casting, order)

    @way("gy", usual=_usual("backward"), instead=("y", _usual("from_result")), out=None, wrt=None)
    def backward(self, gy, operands, out, wrt, y=None):
        """gy times the derivative, summed to the shape of each operand in `wrt`.

        Parameters
        ----------
        gy : array_like
            The gradient in the activation's value.
        operands, parameters : array_like
            As in the activation's call.
        wrt : str or tuple of str, optional
            A name gives an array, a tuple of names a tuple; by default the array operand or operands.
        y : array_like, optional
            The saved result in place of x, where an activation's slope in x follows from it; where alpha is negative in
            leaky_relu, prelu and elu it does not follow, and is NaN.
        out : array or tuple of arrays, optional
            Where a result goes that is not summed.

        Returns
        -------
        array or tuple of arrays
            Each of the shape of its operand.

        Raises
        ------
        TypeError
            A `y` beside x, or where it does not do.
        ValueError
            A `wrt` that is none of the activation's arguments, shapes that do not broadcast.

        Examples
        --------
        >>> import numpy as np, numba_act as act
        >>> x = np.float32([-2, 3])
        >>> act.prelu.backward(np.float32([1, 10]), x, 0.25, wrt=("x", "alpha"))
        (array([ 0.25, 10.  ], dtype=float32), np.float32(-2.0))
        >>> act.sigmoid.backward(np.float32([1, 1]), y=act.sigmoid(x))
        array([0.10499358, 0.04517666], dtype=float32)
        """
        if self._nonzero:
            self._refuse_zeros(operands)
        names = self.operands if wrt is None else self._names(wrt)
        kind = self._start(operands[0], y, names)
        operands = (gy, *operands) if y is None else (gy, y, *operands[1:])
        kernel, several = self.expressions.kernel(kind, names), wrt is not None and not isinstance(wrt, str)
        if set(self.operands).issuperset(names):                 # a parameter's gradient is mostly summed
            result = dispatch.quick(kernel, operands, out, 1 + len(self.operands))
            if result is not None:
                return (result,) if several and len(names) == 1 else result
        results = dispatch.backward(kernel, operands, self._inputs, names, self._calls(kind, names), out)
        return results if several or len(names) > 1 else results[0]

    def _elementwise(self, kind, wrt, operands, out, where, dtype, casting, order):
        kernel = self.expressions.kernel(kind, wrt)
        if self._nonzero:
            self._refuse_zeros(operands)
        if where is True and dtype is None and casting is CASTING and order is ORDER:
            result = dispatch.quick(kernel, operands, out)
            if result is not None:
                return result
        return dispatch.elementwise(kernel, operands, self._calls(kind, wrt), out=out, where=where, dtype=dtype,
                                    casting=casting, order=order)

    def _calls(self, kind, wrt):
        """What gives the functions of the operands alone that a kernel's outputs are."""
        def calls():
            if kind in ("backward", "from_result"):
                return tuple(functools.partial(self._product, kind, name) for name in wrt)
            slope = (functools.partial(self.slope, wrt),) if wrt else ()
            return slope if kind == "grad" else (self, *slope)
        return calls

    def slope(self, wrt, *operands, **options):
        """The derivative in one name after another, elementwise, of all operands and parameters by position."""
        return dispatch.elementwise(self.kernel("grad", *wrt), operands, self._calls("grad", wrt), **options)

    def _product(self, kind, name, gy, *operands):
        """gy times one derivative, elementwise."""
        return dispatch.elementwise(self.kernel(kind, name), (gy, *operands), self._calls(kind, (name,)))

    def kernel(self, kind="value", *wrt):
        """What is compiled for a call: of the value, of a derivative in one name after another (grad), of both
        (value_and_grad), or of gy times each derivative (backward; from_result where it is one of the result)."""
        return self.expressions.kernel(kind, wrt)

    @property
    def compiler(self):
        """What compiles the function: "tree", or "numba" where it is no expression tree."""
        return self.expressions.compiler

    def facts(self):
        """All that code follows from which calls the activation."""
        return (self.name, objects.code_of(self.__module__)) if is_ours(self) else self.expressions.facts()

    @property
    def ufunc(self):
        """The forward function as an np.ufunc, named numba_act_<name>."""
        from .backends import cpu_ufunc
        made = cpu_ufunc.ufunc(self.kernel())
        _of_ufuncs[made] = self
        return made

    @functools.cached_property
    def scalar(self):
        """The function of numbers, for plain Python and for Numba's @njit, @vectorize, @guvectorize and @cfunc, where
        it is inlined."""
        return Scalar(self, ())

    @functools.cached_property
    def scalar_grad(self):
        """The derivative in the first operand, as `scalar` is the function."""
        return Scalar(self, self._inputs[:1])

    @functools.cached_property
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

    # trees ------------------------------------------------------------------------------------------------------------
    def tree(self, dtype="float64"):
        """The value as an expression tree in float32 or float64."""
        return self.kernel().trees(STORAGE[dtype])[0]

    def partials(self, dtype="float64"):
        """The derivatives in every argument, by name, as expression trees."""
        return {name: self.kernel("grad", name).trees(STORAGE[dtype])[0] for name in self._inputs}

    def definition(self, *wrt, dtype="float64"):
        """The value, or a derivative of it, in plain mathematics: what `tree` and `partials` are judged by."""
        return self.expressions.definition(wrt, dtype)

    @way()
    def _operands(self, operands):
        return operands

    def on_nodes(self, /, *args, wrt=(), **params):
        """A call of the activation, or of a derivative, in another's tree."""
        if self.compiler == "numba":
            raise NoTreeError(f"{self.name}() is no expression tree")
        operands = self._operands(*args, **params)
        self._refuse_zeros(operands)
        return Call(self, wrt)(*operands)

    def options(self, **given):
        """Keywords of grad, value_and_grad and backward by the names that they have beside the function's arguments.

        Examples
        --------
        >>> import numba_act as act
        >>> act.activation(lambda x, n=1.0: n * x * x).options(wrt="n", n=1)
        {'wrt': 'n', 'n_': 1}
        """
        return {free(name, self._inputs): value for name, value in given.items()}

    # arguments --------------------------------------------------------------------------------------------------------
    def _refuse_zeros(self, operands):
        for name in self._nonzero:
            value = operands[self._inputs.index(name)]
            single = isinstance(value, int | float | generic | ndarray) and getattr(value, "ndim", 0) == 0
            if single and value == 0:
                raise ValueError(f"{self.name}: {name} must not be 0, for which the function is not defined")

    def _start(self, x, y, names):
        """From what a gradient is computed: the kernel's kind."""
        if y is None and x is None and self.expressions.from_result:
            raise TypeError(f"{self.name}: the operand {self.operands[0]} is missing; {', '.join(STORED)} arrays are "
                            "accepted, or y= for the result")
        if y is not None and (x is not None or names != self.operands):
            raise TypeError(f"{self.name}: {self.results_taken}")
        return "backward" if y is None else "from_result"

    @property
    def results_taken(self):
        """What is said where `backward` cannot start from the result."""
        known = ", ".join(name for name, a in _registry.items() if a.expressions.from_result)
        return f"backward takes {self.expressions.result}= in place of x, for the derivative in x alone, of {known}"

    def _repeated(self, wrt, n):
        """`wrt` as one name, as often as is differentiated in it."""
        order = int(n) if isinstance(n, integer) else n
        if type(order) is not int or not 1 <= order <= MAX_ORDER:
            raise ValueError(f"{self.name}: n={n!r} is no order of a derivative; accepted are 1 to {MAX_ORDER}")
        return (self._name(wrt),) * order

    def _name(self, wrt):
        """`wrt` as one name."""
        if wrt is None:
            return self._inputs[0]
        if not isinstance(wrt, str):
            raise TypeError(f"{self.name}: wrt={wrt!r} is not one name; accepted are {', '.join(self._inputs)}")
        return self._names(wrt)[0]

    def _names(self, wrt):
        """`wrt` as a tuple of names."""
        if not isinstance(wrt, SEVERAL):
            raise TypeError(f"{self.name}: wrt={wrt!r} is neither a name nor a tuple of names; "
                            f"accepted are {', '.join(self._inputs)}")
        names = _strings(wrt)
        for name in names:
            if name not in self._inputs:
                raise ValueError(f"{self.name}: wrt={name!r} is none of its arguments; "
                                 f"accepted are {', '.join(self._inputs)}")
        return names


def _understood(function):
    """The function as trees, or else as what Numba compiles."""
    try:
        return Expressions(function)
    except NoTreeError as error:
        return _jitted(function, error)


def _jitted(function, no_tree):
    from .jitted.definition import Jitted
    return Jitted(function, no_tree)


def _strings(given):
    """One string or several as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)
