"""What an operation means, to every pass: the tables are complete, and each operation is the same everywhere."""
from fractions import Fraction
from typing import NamedTuple

import numba
import numpy as np
import pytest
from tools import random_patterns, same_bits

from numba_act.backends import cpu
from numba_act.backends.jit import type_of
from numba_act.backends.kernel import Kernel
from numba_act.scalar import doubled
from numba_act.tree import differentiate, exact, latex
from numba_act.tree.call import Callee
from numba_act.tree.evaluate import evaluate
from numba_act.tree.node import Node, argument, build, constant, where
from numba_act.tree.operations import MACHINE, MATHEMATICS, OPERATIONS, TRUTHS

ARITY = {"fma": 3, "neg": 1, "abs": 1, "sqrt": 1, "not": 1,
         "floor": 1, "ceil": 1, "trunc": 1, "round": 1}
ENDS = [0.0, -0.0, 0.5, -0.5, 1, 1.5, -2.5, 3, 7, 1e30, -1e-30, np.inf, -np.inf, np.nan]
SPECIAL = [v.ravel() for v in np.meshgrid(ENDS, ENDS, ENDS)]


@pytest.mark.parametrize("rules", [differentiate, latex, exact, doubled], ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_pass_knows_every_operation_of_mathematics(rules):
    assert set(rules.RULES) == set(MATHEMATICS) | set(TRUTHS)
    assert set(OPERATIONS) == set(MATHEMATICS) | set(TRUTHS) | set(MACHINE)
    assert all(row.emit and row.compute for row in OPERATIONS.values())


def test_passes_refuse_what_they_do_not_know():
    x = argument("x", "float64")
    moved = build("from_bits", build("bits", x))
    with pytest.raises(NotImplementedError, match=r"the derivative of bits\(\) is not known"):
        differentiate.derivative(moved, "x")
    assert latex.latex(moved) is None
    for wrong in (lambda: doubled.doubled(moved), lambda: exact.exactly(moved, {"x": 1})):
        with pytest.raises(KeyError, match="bits"):
            wrong()
    assert not hasattr(Callee, "emit") and not hasattr(Callee, "compute")


def test_true_values_of_whole_numbers():
    x = argument("x", "float64")
    tree = build("fmod", x, constant("0.7", "float", "float64")) + build("floor", x / 3) + build("round", x)
    for v in (0.5, 1e6, -2.5, 1e200, -1e-300):
        exactly = Fraction(v) - int(Fraction(v) / Fraction("0.7")) * Fraction("0.7")
        whole = Fraction(v) // 3 + round(Fraction(v))
        assert abs(Fraction(str(exact.exactly(tree, {"x": v}))) - (exactly + whole)) < abs(whole) / 2**90 + 2**-90


def test_a_tree_has_one_dtype():
    x, y = argument("x", "float32"), argument("y", "float64")
    for wrong in (lambda: x + y, lambda: where(x > 0, x, y), lambda: build("fma", x, x, y)):
        with pytest.raises(TypeError, match="of float32 and float64: a tree has one working dtype"):
            wrong()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", [*MATHEMATICS, *TRUTHS])
def test_every_operation_has_one_meaning(op, dtype, cupy):
    """By NumPy, in vectors, on the GPU, and inlined into somebody's loop."""
    n = len(of_operation(op, dtype).args)
    kernel = Kernel(op, op, tuple("abc"[:n]), {}, lambda dtype: (of_operation(op, dtype).tree,))
    operands = [np.append(random_patterns(np.dtype(dtype), 400, op, k), SPECIAL[k].astype(dtype)) for k in range(n)]
    expected, = evaluate(kernel.build(dtype), dict(zip("abc", operands, strict=False)))
    same_bits(cpu.call(kernel, operands)[0], expected)
    from numba_act.backends import cuda
    same_bits(cuda.call(kernel, [cupy.asarray(v) for v in operands])[0].get(), expected)
    inlined = numba.vectorize(jit_of(kernel, n))
    with np.errstate(all="ignore"):
        same_bits(inlined(*operands), expected)


class Case(NamedTuple):
    tree: Node
    args: tuple


def of_operation(op, dtype):
    """A tree of one operation, conditions as 1 or 0."""
    args = tuple(argument(name, dtype) for name in "abc"[:ARITY.get(op, 2)])
    conditions = [a > 0 for a in args]
    first = {"and": 2, "or": 2, "not": 1, "where": 1}.get(op, 0)
    result = build(op, *conditions[:first], *args[first if op in ("and", "or", "not") else 0:])
    return Case(where(result, 1, constant(0, "float", dtype)) if result.kind == "bool" else result, args)


class Bare:
    """What compiled code asks of an activation, of a kernel alone."""
    name, defaults, _nonzero, _numba_type_ = "bare", {}, (), property(type_of)

    def __init__(self, kernel):
        self._inputs = self.operands = kernel.inputs
        self.kernel = lambda *kind: kernel


def jit_of(kernel, n):
    f = Bare(kernel)
    return (lambda a: f(a), lambda a, b: f(a, b), lambda a, b, c: f(a, b, c))[n - 1]
