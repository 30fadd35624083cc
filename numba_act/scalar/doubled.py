"""A tree in twice the precision: every number a pair, rounded at the end.

Derivatives of higher order are computed so where nothing wider is at hand: what cancels between their terms, and what
an exponential makes of its argument's last bit, does not show then.
"""
from ..tree.node import build, copysign, fma, in_order, split, sqrt, where
from . import vocabulary
from .exponential import exponential_of_pair
from .pairs import add_any, divide, multiply, negate, rounded


def doubled(output):
    """The node that computes this one by pairs."""
    pairs = {}
    for node in in_order([output]):
        pairs[node] = _pair(node, [pairs[a] for a in node.args])
    pair = pairs[output]
    return where(build("eq", pair[1], pair[1]), rounded(pair), pair[0]) if pair[1] is not None else pair[0]


def _pair(node, args):
    if node.op in RULES:
        return RULES[node.op](*args)
    if node.op == "constant" and node.kind == "float" and not isinstance(node.value, str):
        high, low = split(node.value, node)
        return high, low if low.value else None
    if node.op == "call":
        return _call(node, args)
    high = [h for h, _ in args]                          # an argument, or the truth of a comparison
    return (build(node.op, *high) if high else node), None


def _call(node, args):
    function = node.value
    if function is vocabulary.exp:
        return exponential_of_pair(*args[0])
    call, low = function(*[h for h, _ in args]), None
    for k, (_, rest) in enumerate(args):
        slope = None if rest is None else function.partial(k, call)
        if slope is not None:
            low = slope * rest if low is None else fma(slope, rest, low)
    return call, low


def _absolute(a):
    return where(a[0] < 0, negate(a), a)


def _root(a):
    root = sqrt(a[0])
    rest = fma(-root, root, a[0]) if a[1] is None else fma(-root, root, a[0]) + a[1]
    return root, where(root > 0, rest / (2 * root), 0)


def _with_sign(a, b):
    sign = copysign(1, a[0]) * copysign(1, b[0])
    return multiply(a, (sign, None))


RULES = {
    "add": add_any, "sub": lambda a, b: add_any(a, negate(b)), "mul": multiply, "div": divide, "neg": negate,
    "fma": lambda a, b, c: add_any(multiply(a, b), c), "abs": _absolute, "sqrt": _root, "copysign": _with_sign,
    "where": lambda c, a, b: where(c[0], a, b),
}
