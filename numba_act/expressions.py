"""What a scalar function says, as trees: its value, its derivatives, its definition; and the kernels made of them."""
import functools
import math
from numbers import Real

from .backends.kernel import Kernel
from .backends.signature import free
from .scalar import VOCABULARY
from .scalar.doubled import doubled
from .scalar.ranges import unless_nan
from .tree.call import Callee, NotDifferentiableError, define, expand, substitute, wide
from .tree.callables import argument_names, is_ours, plain
from .tree.differentiate import derivative
from .tree.latex import latex
from .tree.marks import kept
from .tree.node import argument, in_order, narrowed, stored
from .tree.program import Program

# the keywords of a ufunc, which no argument may be called
UFUNC = {"out": None, "where": True, "dtype": None, "casting": "same_kind", "order": "K"}
VARARGS, VARKEYWORDS = 4, 8                      # flags of a code object


class Expressions:
    """A scalar function, its declared derivatives and its reference, as trees and as kernels.

    name : of the function
    inputs : the names of its arguments
    operands, defaults : those of the arguments without a default, which are arrays; the others with their defaults
    value, derivative, from_result, reference : Programs; all but the first are None where they are not declared
    upstream, result : what the gradient that comes in, and the saved result, are called beside the arguments
    compiler : what compiles the function, "tree" or "numba"
    fast : whether its kernels are of the fast tier
    """

    compiler = "tree"
    fast = False

    _STATE = "name", "inputs", "defaults", "value", "derivative", "from_result", "reference"

    def __init__(self, function):
        self.name = getattr(plain(function), "__name__", "activation")
        self.inputs, self.defaults = _arguments(function)
        self.value = self._program(function, self.inputs, 1)
        self.derivative = self.from_result = self.reference = None
        self._complete()

    def _complete(self):
        """What follows from the rest."""
        self.operands = self.inputs[:len(self.inputs) - len(self.defaults)]
        self.upstream, self.result = free("gy", self.inputs), free("y", self.inputs)
        self._kernels = {}

    def __getstate__(self):
        return {name: getattr(self, name) for name in self._STATE}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._complete()

    def in_fast_tier(self):
        """The same, whose kernels are of the fast tier."""
        fast = object.__new__(type(self))
        vars(fast).update(self.__getstate__(), fast=True, name=f"{self.name}.fast")
        fast._complete()
        return fast

    def declare_derivative(self, function):
        """A scalar function of the same arguments that returns the partial derivatives."""
        self.derivative = self._program(function, self.inputs, len(self.inputs))
        self._kernels = {}

    def declare_from_result(self, function):
        """A scalar function of the result and the parameters that returns the derivative in the operand."""
        if len(self.operands) > 1:
            raise TypeError(f"{self.name}: from_result is for functions of one array, "
                            f"not of {', '.join(self.operands)}")
        self.from_result = self._program(function, (self.result, *self.defaults), 1)
        self._kernels = {}

    def declare_reference(self, function):
        """A scalar function of the same arguments that returns the value and then the partial derivatives."""
        self.reference = self._program(function, self.inputs, 1 + len(self.inputs), traced=False)

    def _checked(self, function, inputs):
        """A function that has as many arguments."""
        if plain(function) is None or len(argument_names(plain(function).__code__)) != len(inputs):
            raise TypeError(f"{self.name}: a plain Python function of {', '.join(inputs)} is needed, not {function!r}")
        return function

    def _program(self, function, inputs, count, traced=True):
        function, ours = plain(self._checked(function, inputs)), is_ours(function)
        program = Program(function, inputs, count, VOCABULARY, traced and ours)
        return program if ours else program.read()

    def facts(self):
        """All that code follows from which calls the function."""
        programs = self.value, self.derivative, self.from_result, self.reference
        return [program and program.facts() for program in programs]

    @property
    def formula(self):
        """What the function says, in LaTeX."""
        return latex(self.value("float64")[0])

    # trees ------------------------------------------------------------------------------------------------------------
    def expression(self, wrt, dtype):
        """The value, differentiated in each of `wrt`, as it is computed; calls are not yet written out."""
        if not wrt:
            return self.value(dtype)[0]
        slope = self._slope(wrt, dtype)
        if len(wrt) == 1 and self.derivative:
            return slope
        first = [self.expression(wrt[:1], dtype)] if len(wrt) > 1 else []         # where that is NaN so is the slope
        used = {node.value for node in in_order([slope, *first]) if node.op == "argument"}
        for name in self.operands:               # NaN in, NaN out, whatever the branches say
            if name in used or len(self.operands) == 1:
                slope = unless_nan(argument(name, dtype), slope)
        if len(wrt) > 1:                         # more precision inside: the terms cancel
            return narrowed(wide(slope)) if dtype == "float32" else kept(doubled(slope))
        return slope

    def _slope(self, wrt, dtype):
        """Which function is differentiated, the best that is known: a first derivative is the declared one; otherwise
        the reference comes first, which is plain mathematics, then the declared derivative, then the value itself."""
        if len(wrt) == 1 and self.derivative:
            return self.derivative(dtype)[self.inputs.index(wrt[0])]
        if self.reference:
            return self.definition(wrt, dtype)
        known = wrt[:1] if self.derivative else ()
        return self._differentiated(self.expression(known, dtype), wrt[len(known):])

    def definition(self, wrt, dtype):
        """The value, or a derivative of it, in plain mathematics: what expressions are judged by."""
        tree, = define((self.stated(wrt, dtype),))
        return self._differentiated(tree, wrt[1:] if self.reference else wrt)

    def stated(self, wrt, dtype):
        """What the reference says of the value or of a first derivative, with the names that it calls; without one, the
        value."""
        if not self.reference:
            return self.value(dtype)[0]
        return self.reference(dtype)[1 + self.inputs.index(wrt[0]) if wrt else 0]

    def _differentiated(self, tree, wrt):
        try:
            return functools.reduce(functools.partial(derivative, parameters=tuple(self.defaults)), wrt, tree)
        except NotDifferentiableError as error:
            place = self.value.places.get(error.node)
            raise NotImplementedError(f"{self.name}: {error}{f': {place}' if place else ''}; "
                                      f"declare the derivative with @{self.name}.derivative") from None

    # kernels ----------------------------------------------------------------------------------------------------------
    def kernel(self, kind, wrt=()):
        """A kernel of some kind: value, grad, value_and_grad, backward, which may have several `wrt`, or from_result,
        which is backward of the saved result."""
        kernel = self._kernels.get((kind, wrt))
        if kernel is None:
            name = "_".join((self.name, *(() if kind == "value" else (kind, *wrt))))
            inputs = {"backward": (self.upstream, *self.inputs),
                      "from_result": (self.upstream, self.result, *self.defaults)}.get(kind, self.inputs)
            n_outputs = {"value_and_grad": 2, "backward": len(wrt)}.get(kind, 1)
            fast = self.fast and not (kind == "grad" and len(wrt) > 1)
            made = Kernel(name, self.name, inputs, self.defaults, n_outputs=n_outputs, fast=fast,
                          **self._made_of(kind, wrt))
            kernel = self._kernels.setdefault((kind, wrt), made)
        return kernel

    def _made_of(self, kind, wrt):
        """What a kernel is compiled from."""
        return {"build": functools.partial(getattr(self, f"_{kind}"), wrt)}

    def _value(self, wrt, dtype):
        return expand((self.expression((), dtype),))

    def _grad(self, wrt, dtype):
        return expand((self.expression(wrt, dtype),))

    def _value_and_grad(self, wrt, dtype):
        return expand((self.expression((), dtype), self.expression(wrt, dtype)))

    def _backward(self, wrt, dtype):
        return self._products([self.expression((name,), dtype) for name in wrt], dtype)

    def _from_result(self, wrt, dtype):
        return self._products(self.from_result(dtype), dtype)

    def _products(self, slopes, dtype):
        return tuple(argument(self.upstream, dtype) * stored(slope) for slope in expand(slopes))


class Call(Callee):
    """An activation, or a derivative of it, as a call in another's tree."""

    def __init__(self, activation, wrt):
        self.activation, self.wrt = activation, wrt

    def __reduce__(self):
        return Call, (self.activation, self.wrt)

    def __eq__(self, other):
        return isinstance(other, Call) and self.activation is other.activation and self.wrt == other.wrt

    def __hash__(self):
        return hash((id(self.activation), self.wrt))

    @property
    def name(self):
        return self.activation.name + "'" * len(self.wrt)

    @property
    def arity(self):
        return len(self._inputs)

    @property
    def _inputs(self):
        return self.activation.expressions.inputs

    def expand(self, *args):
        return self._with(args, self.activation.expressions.expression(self.wrt, args[0].dtype))

    def define(self, *args):
        return self._with(args, self.activation.expressions.definition(self.wrt, args[0].dtype))

    def partial(self, k, call):
        return Call(self.activation, (*self.wrt, self._inputs[k]))(*call.args)

    def _with(self, args, tree):
        return substitute((tree,), dict(zip(self._inputs, args, strict=True)))[0]


def _arguments(function):
    """The names of a scalar function's arguments, and the defaults of the last of them by name."""
    given, function = function, plain(function)
    if function is None:
        raise TypeError(f"activation: a plain Python function is needed, or one of Numba's, not {type(given).__name__}")
    code, named = function.__code__, function.__kwdefaults__ or {}
    names, values = argument_names(code), (*(function.__defaults__ or ()), *named.values())
    if len(named) < code.co_kwonlyargcount or code.co_flags & (VARARGS | VARKEYWORDS) or len(names) == len(values):
        raise TypeError(f"{function.__name__}: the arguments must be array operands, which have no default, and then "
                        "parameters, which have one; *args and **kwargs are not accepted")
    defaults = dict(zip(names[len(names) - len(values):], values, strict=True))
    for name, value in defaults.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not _is_finite(value):
            raise TypeError(f"{function.__name__}: the default of {name} must be a finite number, not {value!r:.40}")
    for name in UFUNC:
        if name in names:
            raise TypeError(f"{function.__name__}: an argument must not be named {name}, a keyword of any ufunc")
    return names, {name: (int if isinstance(value, int) else float)(value) for name, value in defaults.items()}


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:                        # an int beyond every float
        return False
