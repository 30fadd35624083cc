"""Marks in a tree: what differs between the tiers, and what differs between usual numbers and the others.

tier     (exact, fast, short): the first in the exact tier, the second in the fast one, the third, which is the second
         unless it is given, where results are rounded to 16 bits
usually  (everywhere, usual, exceptions): the first; where no exception holds the second has the same bits

Marks stand in what calls are written out to.  `resolved` takes a tier, `everywhere` drops the second kind of mark, and
`usual` gives the shorter tree for numbers without any exception, and the condition for it.
"""
from .call import with_operands
from .node import Node, build, constant, in_order
from .operations import OPERATIONS

EXACT, FAST, SHORT = range(3)


def tier(exact, fast, *short):
    """What the exact tier computes, the fast one, and 16-bit results; None: nothing, it is small beside all to which it
    is added."""
    return Node("tier", (exact, _absent(exact.dtype) if fast is None else fast, *short), exact.kind, exact.dtype)


def low(x):
    """What the fast tier leaves out: the low part of a pair."""
    return tier(x, None)


def usually(everywhere, usual, *exceptions):
    """A number or condition that has a simpler form but where an exception holds, a comparison with a constant.  NaN is
    always one."""
    usual = usual if isinstance(usual, Node) else constant(usual, everywhere.kind, everywhere.dtype)
    return Node("usually", (everywhere, usual, *exceptions), everywhere.kind, everywhere.dtype)


def rare(condition, *exceptions):
    """A comparison with a constant that usual numbers do not fulfil; or any condition that holds only where one of such
    comparisons does."""
    return usually(condition, False, *exceptions or (condition,))


def resolved(outputs, tier):
    """The outputs in one tier: EXACT, FAST or SHORT."""
    return _folded(outputs, "tier", lambda *ways: ways[min(tier, len(ways) - 1)])


def kept(tree):
    """What both tiers compute as the exact one does, because the other would be too far off."""
    return resolved((tree,), EXACT)[0]


def everywhere(outputs):
    """The outputs as they are computed for all numbers."""
    return _folded(outputs, "usually", lambda whole, usual, *exceptions: whole)


def usual(outputs):
    """A condition and the outputs as they are computed where it holds; None where nothing is simpler then."""
    folded = _folding(outputs, "usually", lambda whole, usual, *exceptions: usual)
    exceptions, stack, seen = [], list(outputs), set()
    while stack:                                 # what is left of the trees
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        needed = node.args
        if node.op == "usually":
            needed = node.args[1:]
            exceptions += needed[1:]
        elif node.op == "where" and folded[node.args[0]].op == "constant":
            needed = node.args[0], node.args[1 if folded[node.args[0]].value else 2]
        stack += needed
    return (_without([folded[e] for e in exceptions]), _filled(outputs, folded)) if exceptions else None


def _without(exceptions):
    """The condition under which none of the comparisons with constants holds, with one comparison for each number."""
    limits = {}
    for exception in dict.fromkeys(exceptions):
        number, limit = exception.args
        op = exception.op
        if limit.op != "constant":
            raise TypeError(f"{exception!r} is no comparison with a constant")
        if number.op == "neg":
            number, limit, op = number.args[0], -limit, {"gt": "lt", "lt": "gt"}[op]
        size = number.op == "abs"
        while size and number.op in ("abs", "neg"):
            number = number.args[0]
        key = number, "size" if size and op == "gt" else "least size" if size else op
        bound = limit.value if op == "gt" else -limit.value
        limits[key] = min(bound, limits.get(key, bound))
    holds = None
    for (number, kind), bound in _joined(limits).items():
        one = {"size": lambda n, b: abs(n) <= b, "least size": lambda n, b: abs(n) >= -b,
               "gt": lambda n, b: n <= b, "lt": lambda n, b: n >= -b}[kind](number, bound)
        holds = one if holds is None else holds & one
    return holds


def _joined(limits):
    """Limits on both sides of a number as one of its size, where 0 lies between them."""
    joined = {}
    for (number, kind), bound in limits.items():
        sides = [limits[number, k] for k in ("gt", "lt", "size") if (number, k) in limits]
        if kind != "least size" and len(sides) > 1 and min(sides) > 0:
            joined[number, "size"] = min(sides)
        else:
            joined[number, kind] = bound
    return joined


def _absent(dtype):
    return Node("absent", (), "float", dtype)


def _folded(outputs, mark, chosen):
    """The outputs with what is chosen of each mark's operands in its place, and what follows from that."""
    return _filled(outputs, _folding(outputs, mark, chosen))


def _filled(outputs, folded):
    new = [folded[o] for o in outputs]
    return tuple(constant(0, "float", o.dtype) if o.op == "absent" else o for o in new)


def _folding(outputs, mark, chosen):
    """What every node becomes."""
    new = {}
    for node in in_order(outputs):
        args = tuple(new[a] for a in node.args)
        if node.op == mark:
            new[node] = chosen(*args)
        elif args == node.args or node.op not in OPERATIONS or node.op in ("widened", "narrowed"):
            new[node] = with_operands(node, args)
        else:
            found = RULES[node.op](*args) if node.op in RULES else None
            new[node] = build(node.op, *args) if found is None else found
    return new


def _is_absent(*nodes):
    return any(node.op == "absent" for node in nodes)


def _where(c, a, b):
    if c.op == "constant":
        return a if c.value else b
    if _is_absent(a) and _is_absent(b):
        return a
    if _is_absent(a, b):
        return build("where", c, *[constant(0, "float", n.dtype) if _is_absent(n) else n for n in (a, b)])
    return None


def _fma(a, b, c):
    if _is_absent(a, b):
        return c
    return a * b if _is_absent(c) else None


def _either_truth(a, b, decides):
    for one, other in ((a, b), (b, a)):
        if one.op == "constant" and one.kind == "bool":
            return one if bool(one.value) == decides else other
    return None


def _comparison(holds):
    def decided(a, b):
        if not _is_absent(a, b):
            return None
        values = [0 if _is_absent(n) else n.value for n in (a, b)]
        return constant(holds(*values), "bool", a.dtype)
    return decided


# what follows from an operand that is absent or a truth that is known; None: nothing
RULES = {
    "add": lambda a, b: b if _is_absent(a) else a if _is_absent(b) else None,
    "sub": lambda a, b: (b if _is_absent(b) else -b) if _is_absent(a) else a if _is_absent(b) else None,
    "mul": lambda a, b: a if _is_absent(a) else b if _is_absent(b) else None,
    "div": lambda a, b: a if _is_absent(a) else None,
    "neg": lambda a: a if _is_absent(a) else None,
    "abs": lambda a: a if _is_absent(a) else None,
    "copysign": lambda a, b: a if _is_absent(a) else None,
    "fma": _fma, "where": _where,
    "and": lambda a, b: _either_truth(a, b, False), "or": lambda a, b: _either_truth(a, b, True),
    "not": lambda a: constant(not a.value, "bool", a.dtype) if a.op == "constant" else None,
    "lt": _comparison(lambda a, b: a < b), "gt": _comparison(lambda a, b: a > b),
}
