"""A tree in twice the precision: every number a pair, rounded at the end.

Derivatives of higher order are computed so where nothing wider is at hand: what cancels between their terms, and what
an exponential makes of its argument's last bit, does not show then.  Far out an exponential is carried times a power
of two, as long as it is only multiplied, or added to what is carried so as well: a subnormal one would lack bits.
"""
import functools
from typing import NamedTuple

from ..tree.node import Node, build, copysign, fma, in_order, split, sqrt, where
from ..tree.operations import TRUTHS
from . import vocabulary
from .exponential import exp_pair_fine
from .pairs import add_any, divide, multiply, negate, rounded


class Number(NamedTuple):
    """pair times scale, a power of two; None for 1."""
    pair: tuple
    scale: Node | None = None

    def plain(self):
        """The pair with the scale multiplied in."""
        return self.pair if self.scale is None else self.times(self.scale)

    def times(self, power):
        """The pair times a power of two."""
        return tuple(None if p is None else p * power for p in self.pair)


def doubled(output):
    """The node that computes this one by pairs."""
    numbers = {}
    for node in in_order([output]):
        numbers[node] = _number(node, [numbers[a] for a in node.args])
    pair, scale = numbers[output]
    result = pair[0] if pair[1] is None else where(build("eq", pair[1], pair[1]), rounded(pair), pair[0])
    return result if scale is None else result * scale


def _number(node, args):
    if node.op == "constant" and node.kind == "float" and not isinstance(node.value, str):
        high, low = split(node.value, node)
        return Number((high, low if low.value else None))
    if not args:
        return Number((node, None))
    return _call(node, [a.plain() for a in args]) if node.op == "call" else RULES[node.op](*args)


def _call(node, args):
    function = node.value
    if function is vocabulary.exp:
        return Number(*exp_pair_fine(*args[0]))
    call, low = function(*[h for h, _ in args]), None
    for k, (_, rest) in enumerate(args):
        slope = None if rest is None else function.partial(k, call)
        if slope is not None:
            low = slope * rest if low is None else fma(slope, rest, low)
    return Number((call, low))


def _sum(a, b):
    if a.scale is b.scale:
        return Number(add_any(a.pair, b.pair), a.scale)
    if a.scale is None or b.scale is None:
        return Number(add_any(a.plain(), b.plain()))
    larger = where(a.scale > b.scale, a.scale, b.scale)
    return Number(add_any(a.times(a.scale / larger), b.times(b.scale / larger)), larger)


def _negative(a):
    return a._replace(pair=negate(a.pair))


def _product(a, b):
    scales = [s for s in (a.scale, b.scale) if s is not None]
    return Number(multiply(a.pair, b.pair), scales[0] * scales[1] if len(scales) == 2 else (scales or [None])[0])


def _quotient(a, b):
    if b.scale is None:
        return Number(divide(a.pair, b.pair), a.scale)
    return Number(divide(a.pair, b.pair), (1 if a.scale is None else a.scale) / b.scale)


def _choice(c, a, b):
    pair = where(c.pair[0], a.pair, b.pair)
    if a.scale is b.scale:
        return Number(pair, a.scale)
    one = split(1, pair[0])[0]
    return Number(pair, where(c.pair[0], one if a.scale is None else a.scale, one if b.scale is None else b.scale))


def _absolute(a):
    return a._replace(pair=where(a.pair[0] < 0, negate(a.pair), a.pair))


def _root(a):
    high, low = a.plain()
    root = sqrt(high)
    rest = fma(-root, root, high) if low is None else fma(-root, root, high) + low
    return Number((root, where(root > 0, rest / (2 * root), 0)))


def _with_sign(a, b):
    sign = copysign(1, a.pair[0]) * copysign(1, b.pair[0])
    return a._replace(pair=multiply(a.pair, (sign, None)))


def _truth(op, *args):
    """A condition, by the high parts."""
    return Number((build(op, *[a.plain()[0] for a in args]), None))


RULES = {
    "add": _sum, "sub": lambda a, b: _sum(a, _negative(b)), "mul": _product, "div": _quotient, "neg": _negative,
    "fma": lambda a, b, c: _sum(_product(a, b), c), "abs": _absolute, "sqrt": _root, "copysign": _with_sign,
    "where": _choice, **{op: functools.partial(_truth, op) for op in TRUTHS},
}
