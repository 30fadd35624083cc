"""The gated unit of any activation: a value times the activation of a gate, as one kernel."""
import functools
from types import MappingProxyType

from ..declare import Activation, activations, get, of_numbers, registered
from ..docstrings import Docstring, written
from ..expressions import Call, Expressions
from ..scalar.gating import gate_slopes
from ..tree.node import argument, stored

UNITS = {"sigmoid": "glu", "relu": "reglu", "gelu": "geglu", "silu": "swiglu", "identity": "bilinear",
         "gelu_tanh": "geglu_tanh", "relu2": "sreglu", "quick_gelu": "qgeglu"}


def gated(name):
    """The gated unit of an activation of one array, value f(gate), with gradients in both and in f's parameters.

    Parameters
    ----------
    name : str or Activation
        Of one array, without a parameter that is called value or gate.

    Returns
    -------
    Activation
        That of the registry where it has the unit, else a new one, the same whenever it is asked for.

    Raises
    ------
    ValueError
        An unknown name, a parameter called value or gate.
    TypeError
        An activation of several arrays, or one that is no expression tree.

    Examples
    --------
    >>> import numpy as np, numba_act as act
    >>> act.gated("silu") is act.swiglu, act.gated("mish")
    (True, <activation mish_glu(value, gate)>)
    >>> act.gated("mish")(np.float32([1, 2]), np.float32([-1, 3]))
    array([-0.30340147,  5.97307   ], dtype=float32)
    """
    of = of_numbers(name)
    if of.expressions.fast:
        return gated(of._exact).fast
    if activations.get(of.name) is of and of.name in UNITS:
        return activations[UNITS[of.name]]
    return _new(of)


@functools.cache
def _new(of):
    if len(of.operands) > 1:
        raise TypeError(f"gated: {of.name} takes {', '.join(of.operands)}; a function of one array is needed")
    if of.compiler == "numba":
        raise TypeError(f"gated: {of.name} is no expression tree, of which a unit is made")
    for name in {"value", "gate"} & {*of.params}:
        raise ValueError(f"gated: the parameter {name} of {of.name} has the name of an operand; it needs another one")
    return Unit(of, f"{of.name}_glu", f"The value times {of.name} of the gate.")


class Unit(Activation):
    """A gated unit; `of` is the activation of the gate."""

    __doc__ = Docstring(__doc__, written)

    def __init__(self, of, name, text):
        self.of, self.expressions = of, _Product(of, name)
        self.name = self.__name__ = self.__qualname__ = name
        self.__module__, self.aliases, self._nonzero, self._text = __name__, (), of._nonzero, text
        self.formula = rf"\mathrm{{value}} \, \mathrm{{{of.name.replace('_', chr(92) + '_')}}}(\mathrm{{gate}})"
        self._complete()

    def __reduce_ex__(self, protocol):
        if self.expressions.fast or activations.get(self.name) is self:
            return super().__reduce_ex__(protocol)
        return gated, (self.of,)

    def facts(self):
        return self.name, self.of.facts()


class _Product(Expressions):
    """What a unit says, by calls of the activation."""

    def __init__(self, of, name):
        self.name, self.inputs, self.defaults = name, ("value", "gate", *of.params), dict(of.defaults)
        self.value, self.derivative, self.reference = (
            _Trees(functools.partial(trees, of)) for trees in (_values, _slopes, _definitions))
        self.from_result = None
        self._complete()


class _Trees:
    """What makes trees for a dtype, as Program does."""
    places = MappingProxyType({})

    def __init__(self, make):
        self.make = make

    def __call__(self, dtype):
        return self.make(dtype)


def _parts(of, dtype):
    """The value, and f of the gate with its derivatives."""
    args = [argument(name, dtype) for name in ("gate", *of.params)]
    names = of.operands + of.params
    return argument("value", dtype), Call(of, ())(*args), [Call(of, (name,))(*args) for name in names]


def _values(of, dtype):
    value, factor, _ = _parts(of, dtype)
    return (value * stored(factor),)


def _slopes(of, dtype):
    value, factor, (slope, *others) = _parts(of, dtype)
    return *gate_slopes(value, factor, slope), *[value * stored(other) for other in others]


def _definitions(of, dtype):
    value, factor, slopes = _parts(of, dtype)
    return value * factor, factor, *[value * slope for slope in slopes]


for name, of, example in (("geglu_tanh", "gelu_tanh", "-0.15880801,  5.9927254 "), ("sreglu", "relu2", " 0., 18."),
                          ("qgeglu", "quick_gelu", "-0.15420423,  5.963857  ")):
    registered(Unit(get(of), name, f"""The value times {of} of the gate.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.{name}(np.float32([1, 2]), np.float32([-1, 3]))
    array([{example}], dtype=float32)
    """))
