"""Derivatives of trees, forward: each node's derivative from those of its operands, None standing for 0."""
import math

from .call import NotDifferentiableError
from .node import build, constant, copysign, fma, in_order, where
from .operations import TRUTHS


def derivative(output, name, parameters=()):
    """The derivative of a tree in the argument of that name, as a tree.

    Of a branch it is the derivative of the branch taken; of abs at 0 it is 0.  At a tie of max or min what depends on
    `parameters` alone wins; two other numbers share.
    """
    slope = differential(output, {name: constant(1, "float", output.dtype)}, parameters)
    return constant(0, "float", output.dtype) if slope is None else slope


def differential(output, seeds, parameters=()):
    """As `derivative`, from the slopes of the arguments, by name; None for 0."""
    slopes, fixed = {}, {}
    for node in in_order([output]):
        own = [slopes[a] for a in node.args]
        fixed[node] = node.value in parameters if node.op == "argument" else all(fixed[a] for a in node.args)
        if node.op == "argument":
            slopes[node] = seeds.get(node.value)
        elif all(slope is None for slope in own):
            slopes[node] = None
        elif node.op == "call":
            ties = [fixed[a] for a in node.args] if node.value.extreme else ()
            slopes[node] = _extreme(node, ties, *own) if sum(ties) == 1 else _chain(node, own)
        elif node.op in RULES:
            slopes[node] = RULES[node.op](node, *node.args, *own)
        else:
            raise NotDifferentiableError(node)
    return slopes[output]


def _chain(call, slopes):
    total = None
    for k, slope in enumerate(slopes):
        if slope is not None:
            total = _plus(total, _times(call.value.partial(k, call), slope))
    return total


def _extreme(call, fixed, da, db):
    """Of the larger or smaller of two numbers of which one wins a tie."""
    winner, other = (da, db) if fixed[0] else (db, da)
    return where(build("eq", call, call.args[fixed.index(True)]), 0 if winner is None else winner,
                 0 if other is None else other)


def _plus(a, b):
    return b if a is None else a if b is None else a + b


def _minus(a, b):
    return a if b is None else -b if a is None else a - b


def _times(a, b):
    return None if a is None or b is None else a * b


def _multiply_add(a, b, c):
    return c if a is None or b is None else a * b if c is None else fma(a, b, c)


def _quotient(slope, b, db):
    """0 where the divisor is infinite, as 1 + e^-x soon is."""
    return slope if db is None else where(abs(b) == math.inf, 0, slope)


# node, operands, the operands' derivatives -> the node's derivative; comparisons are constant but for their jumps
RULES = {
    "add": lambda y, a, b, da, db: _plus(da, db),
    "sub": lambda y, a, b, da, db: _minus(da, db),
    "mul": lambda y, a, b, da, db: _multiply_add(da, b, _times(a, db)),
    "div": lambda y, a, b, da, db: _quotient(_minus(da, _times(y, db)) / b, b, db),
    "fma": lambda y, a, b, c, da, db, dc: _multiply_add(da, b, _multiply_add(a, db, dc)),
    "neg": lambda y, a, da: -da,
    "abs": lambda y, a, da: where(a > 0, da, where(a == 0, 0, -da)),
    "sqrt": lambda y, a, da: da / (2 * y),
    "copysign": lambda y, a, b, da, db: _times(da, copysign(1, a) * copysign(1, b)),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), lambda y, a, da: None),
    "fmod": lambda y, a, b, da, db: _minus(da, _times((a - y) / b, db)),
    "where": lambda y, c, a, b, dc, da, db: None if da is db is None else where(c, da, db),
    **dict.fromkeys(TRUTHS, lambda y, *operands: None),
}
