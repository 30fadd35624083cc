"""A tree in twice the precision: every number a pair, rounded at the end.

Derivatives of higher order are computed so where nothing wider is at hand: what cancels between their terms, and what
an exponential makes of its argument's last bit, does not show then.  Far out an exponential is carried times a power
of two, as long as it is only multiplied, or added to what is carried so as well: a subnormal one would lack bits.
"""
import functools

from ..tree.marks import kept
from ..tree.node import build, copysign, floor, fma, in_order, rounded_to_even, sqrt, where
from ..tree.operations import TRUTHS
from . import vocabulary
from .exponential import exp_pair_fine
from .pairs import Pair, Scaled, add_any, divide, exact, multiply, negate, residual, rounded, split
from .ranges import unless_nan


def _times(pair, power):
    return Pair(*[None if part is None else part * power for part in pair])


def _plain(number):
    """A scaled pair with the power multiplied in."""
    return number.pair if number.power is None else _times(*number)


def doubled(output):
    """The node that computes this one by pairs."""
    numbers = {}
    for node in in_order([output]):
        numbers[node] = _number(node, [numbers[a] for a in node.args])
    pair, power = numbers[output]
    result = pair.high if pair.low is None else unless_nan(pair.low, rounded(pair), pair.high)
    return result if power is None else result * power


def _number(node, args):
    if node.op == "constant" and node.kind == "float" and not isinstance(node.value, str):
        high, low = split(node.value, node)
        return Scaled(Pair(high, low if kept(low).value else None))
    if not args:
        return Scaled(Pair(node))
    return _call(node, [_plain(a) for a in args]) if node.op == "call" else RULES[node.op](*args)


def _call(node, args):
    function = node.value
    if function is vocabulary.exp:
        return exp_pair_fine(*args[0])
    call, low = function(*[h for h, _ in args]), None
    for k, (_, rest) in enumerate(args):
        slope = None if rest is None else function.partial(k, call)
        if slope is not None:
            low = slope * rest if low is None else fma(slope, rest, low)
    return Scaled(Pair(call, low))


def _sum(a, b):
    if a.power is b.power:
        return Scaled(add_any(a.pair, b.pair), a.power)
    if a.power is None or b.power is None:
        return Scaled(add_any(_plain(a), _plain(b)))
    larger = where(a.power > b.power, a.power, b.power)
    return Scaled(add_any(_times(a.pair, a.power / larger), _times(b.pair, b.power / larger)), larger)


def _negative(a):
    return Scaled(negate(a.pair), a.power)


def _product(a, b):
    powers = [p for p in (a.power, b.power) if p is not None]
    return Scaled(multiply(a.pair, b.pair), powers[0] * powers[1] if len(powers) == 2 else (powers or [None])[0])


def _quotient(a, b):
    if b.power is None:
        return Scaled(divide(a.pair, b.pair), a.power)
    return Scaled(divide(a.pair, b.pair), (1 if a.power is None else a.power) / b.power)


def _choice(c, a, b):
    holds, pair = c.pair.high, where(c.pair.high, a.pair, b.pair)
    if a.power is b.power:
        return Scaled(pair, a.power)
    one, _ = exact(1, pair.high)
    return Scaled(pair, where(holds, one if a.power is None else a.power, one if b.power is None else b.power))


def _absolute(a):
    return Scaled(where(a.pair.high < 0, negate(a.pair), a.pair), a.power)


def _root(a):
    high, low = _plain(a)
    root = sqrt(high)
    rest = residual(high, root, root)
    rest = rest if low is None else rest + low
    return Scaled(Pair(root, where(root > 0, rest / (2 * root), 0)))


def _with_sign(a, b):
    sign = copysign(1, a.pair.high) * copysign(1, b.pair.high)
    return Scaled(multiply(a.pair, Pair(sign)), a.power)


def _floor(a):
    return _whole(_plain(a), floor)


def _ceil(a):
    return _negative(_floor(_negative(a)))


def _trunc(a):
    up, down = _ceil(a).pair, _floor(a).pair
    return Scaled(where(a.pair.high > 0, down, up))


def _round(a):
    return _whole(_plain(a), rounded_to_even)


def _whole(pair, rounding):
    """A whole number, and what the rest says to it."""
    high, low = pair
    whole = rounding(high)
    return Scaled(Pair(whole, None if low is None else rounding((high - whole) + low)))


def _remainder(a, b):
    return _sum(a, _negative(_product(_trunc(_quotient(a, b)), b)))


def _truth(op, *args):
    """A condition, by the high parts."""
    return Scaled(Pair(build(op, *[_plain(a).high for a in args])))


RULES = {
    "add": _sum, "sub": lambda a, b: _sum(a, _negative(b)), "mul": _product, "div": _quotient, "neg": _negative,
    "fma": lambda a, b, c: _sum(_product(a, b), c), "abs": _absolute, "sqrt": _root, "copysign": _with_sign,
    "floor": _floor, "ceil": _ceil, "trunc": _trunc, "round": _round, "fmod": _remainder,
    "where": _choice, **{op: functools.partial(_truth, op) for op in TRUTHS},
}
