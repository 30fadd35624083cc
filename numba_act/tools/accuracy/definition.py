"""Outputs of activations, and what each truly is: its definition, by the platform's library or by mpmath."""
import functools
import math
from dataclasses import dataclass

import numpy as np

from ... import math as mathematics
from ...backends import cpu
from ...backends.kernel import Kernel
from ...declare import Activation
from ...functions.reference import terms
from ...tree.call import define, rewritten, substitute, with_operands
from ...tree.exact import exactly
from ...tree.node import argument, constant, in_order, where
from .vectors import vectorised

MATHEMATICS = frozenset(getattr(mathematics, name) for name in mathematics.__all__)
FACTORS = -0.7, 3.3, 50.0, 1e-3, 0.0             # times a default: a parameter to test with
ORDINARY = 1e30                                  # nearer to 0 a definition with good parameters is a number


@dataclass(frozen=True)
class Output:
    """An activation's value or a derivative, as a function of its last array operand; the others are 1.

    wrt : what it is differentiated in, one after another; () for the value
    row : the parameters
    """
    activation: Activation
    wrt: tuple = ()
    row: tuple = ()

    @property
    def operand(self):
        return self.activation.operands[-1]

    def __call__(self, x):
        """What numba_act computes."""
        ones, row = [x.dtype.type(1)] * (len(self.activation.operands) - 1), self.parameters(x.dtype)
        if not self.wrt:
            return self.activation(*ones, x, *row)
        options = self.activation.options(wrt=self.wrt[0], n=len(self.wrt))
        return self.activation.grad(*ones, x, *row, **options)

    def parameters(self, dtype):
        """The parameters rounded to a dtype."""
        with np.errstate(all="ignore"):
            return tuple(np.array(self.row, np.float64).astype(dtype))

    def exact(self, x, dtype):
        """The true value at a number, for parameters in a dtype, by mpmath."""
        return self._exactly(definition(self.activation, self.wrt), x, dtype)

    def largest(self, x, dtype):
        """The size of the largest term there, by mpmath; 0 where the reference names no terms."""
        tree = largest(self.activation, self.wrt)
        return 0 if tree is None else self._exactly(tree, x, dtype)

    def _exactly(self, tree, x, dtype):
        row = map(float, self.parameters(dtype))
        return exactly(tree, dict(zip((self.operand, *self.activation.params), (x, *row), strict=True)))

    def fast(self, x, dtype):
        """The true values at a float64 array, by the platform's library."""
        row = [np.asarray(p, np.float64) for p in self.parameters(dtype)]
        return cpu.call(_definition_kernel(self.activation, self.wrt), [np.asarray(x, np.float64), *row])[0]


def of_mathematics(activation):
    """Whether it is a function of numba_act.math, in either tier."""
    return (activation._exact or activation) in MATHEMATICS


@functools.cache
def with_one_operand(activation):
    """The activation; pow and hypot as functions of y with x as a parameter, because at x = 1 they show nothing."""
    if not of_mathematics(activation) or len(activation.operands) == 1:
        return activation
    if activation._exact:
        return with_one_operand(activation._exact).fast

    def function(y, x=1.5):
        return activation(x, y)
    function.__name__ = activation.name
    return Activation(function)


def outputs(activation, row=None):
    """The value and the first derivatives, for the default parameters or others."""
    row = tuple(activation.defaults.values()) if row is None else row
    return [Output(activation, wrt, row) for wrt in ((), *[(name,) for name in (*activation.operands,
                                                                                *activation.params)])]


@functools.cache
def rows(activation):
    """Parameters to test with: the defaults, then one of them changed at a time, as far as the definition holds."""
    usual = tuple(activation.defaults.values())
    changed = [(*usual[:k], factor * (usual[k] or 1), *usual[k + 1:]) for k in range(len(usual)) for factor in FACTORS]
    return [usual, *[row for row in dict.fromkeys(changed) if row != usual and _defined(activation, row)]]


def _defined(activation, row):
    """Whether the definition holds for these parameters, without a jump that it has not for the defaults."""
    dtype = np.dtype(np.float64)
    if any(value == 0 for name, value in zip(activation.params, row, strict=True) if name in activation._nonzero):
        return False
    value, usual = (Output(activation, (), parameters) for parameters in (row, tuple(activation.defaults.values())))
    sizes = np.geomspace(1 / ORDINARY, ORDINARY, 200)
    x = np.concatenate([-sizes, [0], sizes])
    numbers = [output.fast(x, dtype) for output in outputs(activation, row)]
    return (all((np.isfinite(true) | (abs(x) > 1) & ~np.isnan(true)).all() for true in numbers)
            and _jumps(value, dtype) <= _jumps(usual, dtype))


def _jumps(output, dtype):
    """Whether the value jumps."""
    at = np.array(switches(output, dtype))
    return bool(np.any(abs(output.fast(at + 1e-9, dtype) - output.fast(at - 1e-9, dtype)) > 1e-6))


@functools.cache
def definition(activation, wrt):
    """The definition's tree, in which operands but the last are 1."""
    return _of_one_operand(activation, activation.definition(*wrt))


@functools.cache
def largest(activation, wrt):
    """The size of the value or derivative if nothing cancelled: its tree with the larger of two terms in place of their
    sum.  None where the reference names no terms."""
    stated = activation.expressions.stated(wrt[:1], "float64") if activation.compiler == "tree" else None
    if len(wrt) > 1 or stated is None or not any(node.value is terms for node in in_order([stated])):
        return None
    return abs(_of_one_operand(activation, define(rewritten((stated,), _larger))[0]))


@functools.cache
def fine(activation, wrt):
    """Whether float64 does not hold the definition: a wave whose angle has an exponential in it."""
    waves = [n for n in in_order([definition(activation, wrt)]) if n.op == "call" and n.value.name in ("sin", "cos")]
    return any(node.op == "call" and node.value.name == "exp" for node in in_order(waves))


def _of_one_operand(activation, tree):
    tree, = rewritten((tree,), _compared)
    ones = dict.fromkeys(activation.operands[:-1], constant(1, "float", tree.dtype))
    rest = {name: argument(name, tree.dtype) for name in (activation.operands[-1], *activation.params)}
    return substitute((tree,), ones | rest)[0]


def _larger(node, args):
    if node.op == "call" and node.value is terms:
        a, b = map(abs, args)
        return where(a > b, a, b)
    return with_operands(node, args)


def _compared(node, args):
    """The larger and the smaller of two by comparisons: no library treats NaN as they do."""
    if node.op == "call" and node.value.extreme:
        return node.value.expand(*args)
    return with_operands(node, args)


@functools.cache
def _definition_kernel(activation, wrt):
    inputs = activation.operands[-1], *activation.params
    name = "_".join((activation.name, "definition", *wrt))
    return Kernel(name, activation.name, inputs, activation.defaults,
                  lambda dtype: (vectorised(definition(activation, wrt)),))


@functools.cache
def switches(output, dtype):
    """Numbers at which the definition's comparisons switch, where these are linear in x or in its size."""
    names = output.operand, *output.activation.params
    arguments = dict(zip(names, (0, *map(float, output.parameters(dtype))), strict=True))
    trees = [definition(output.activation, wrt) for wrt in ((), output.wrt)]
    found = set()
    for node in in_order(trees):
        if node.op in ("lt", "le", "gt", "ge", "eq", "ne"):
            found.update(_roots(node.args[0] - node.args[1], output.operand, arguments))
    return tuple(sorted(found))


def _roots(tree, name, arguments):
    def f(x):
        return float(exactly(tree, arguments | {name: x}))
    start, rise = f(0), f(1) - f(0)
    root = -start / rise if rise else math.inf
    return [x for x in {root, -root} if math.isfinite(x) and abs(f(x)) <= 1e-9 * abs(start)]
