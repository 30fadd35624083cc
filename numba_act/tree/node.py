"""Nodes of an expression tree: what a scalar function computes, one working dtype, no control flow.

A node is built by ordinary Python arithmetic on other nodes, so a scalar function without branches is turned into
a tree by calling it.  Equal nodes are the same object, which makes common parts common.
"""
import functools
import math
from contextvars import ContextVar
from fractions import Fraction

import numpy as np

from .operations import OPERATIONS

_nodes = {}
answers = ContextVar("answers", default=None)    # whether a condition holds, while a function runs for either case


class PerType(dict):
    """A constant that differs between float32 and float64: `PerType(float32=24, float64=53)`."""


class Node:
    """One operation on other nodes.  `kind` is float, int (the bits of a float) or bool."""
    __slots__ = "args", "dtype", "kind", "op", "value"

    def __new__(cls, op, args, kind, dtype, value=None):
        key = op, args, kind, dtype, value
        node = _nodes.get(key)
        if node is None:
            node = object.__new__(cls)
            node.op, node.args, node.kind, node.dtype, node.value = op, args, kind, dtype, value
            node = _nodes.setdefault(key, node)
        return node

    def __repr__(self):
        if self.op in ("constant", "argument"):
            return str(self.value)
        return f"{self.op}({', '.join(a.op if a.args else repr(a) for a in self.args)})"

    def __bool__(self):
        answer = answers.get()
        if answer:
            return answer(self)
        raise TypeError("the truth of a value is not known before the function runs; use where(condition, a, b)")

    def __add__(self, other):
        return build("add", self, other)

    def __radd__(self, other):
        return build("add", other, self)

    def __sub__(self, other):
        return build("sub", self, other)

    def __rsub__(self, other):
        return build("sub", other, self)

    def __mul__(self, other):
        return build("mul", self, other)

    def __rmul__(self, other):
        return build("mul", other, self)

    def __truediv__(self, other):
        return build("div", self, other)

    def __rtruediv__(self, other):
        return build("div", other, self)

    def __neg__(self):
        return build("neg", self)

    def __pos__(self):
        return self

    def __abs__(self):
        return build("abs", self)

    def __lt__(self, other):
        return build("lt", self, other)

    def __le__(self, other):
        return build("le", self, other)

    def __gt__(self, other):
        return build("gt", self, other)

    def __ge__(self, other):
        return build("ge", self, other)

    def __eq__(self, other):
        return self is other if isinstance(other, Node) else build("eq", self, other)

    __hash__ = object.__hash__

    def __and__(self, other):
        return build("and", self, other)

    def __or__(self, other):
        return build("or", self, other)

    def __invert__(self):
        return build("not", self)

    def __lshift__(self, count):
        return build("shl", self, count)

    def __rshift__(self, count):
        return build("shr", self, count)


def argument(name, dtype):
    return Node("argument", (), "float", dtype, name)


def constant(value, kind, dtype):
    """A number as a node.  A float stands for the decimal that was written (0.1 is one tenth), rounded once, to
    the working dtype, when the tree is emitted; arithmetic between constants is exact."""
    if isinstance(value, PerType):
        value = value[dtype]
    if kind == "float" and not isinstance(value, Fraction):
        value = float(value)
        special = not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0)
        value = repr(value) if special else Fraction(repr(value))      # a string: nan would not equal itself
    elif kind == "int":
        value = int(value)
    return Node("constant", (), kind, dtype, value)


def is_constant(node, value):
    return node.op == "constant" and node.value == value


def build(op, *operands):
    """The node of `op`; numbers among the operands take the kind and dtype of the nodes beside them."""
    operation = OPERATIONS[op]
    nodes = [o for o in operands if isinstance(o, Node)]
    dtypes = {n.dtype for n in nodes if n.kind != "bool"}
    if len(dtypes) > 1:
        raise TypeError(f"{op} of {' and '.join(sorted(dtypes))}: a tree has one working dtype")
    kinds = [n.kind for n in nodes if n.kind != "bool"] or [n.kind for n in nodes]
    args = tuple(o if isinstance(o, Node) else constant(o, kinds[-1], nodes[0].dtype) for o in operands)
    known = all(a.op == "constant" and isinstance(a.value, Fraction) for a in args)
    if operation.fold and known and not (op == "div" and args[1].value == 0):          # which is infinite, or NaN
        return constant(operation.fold(*[a.value for a in args]), "float", args[0].dtype)
    if op in ("mul", "div") and is_constant(args[1], 1):
        return args[0]
    if op == "mul" and is_constant(args[0], 1):
        return args[1]
    if op == "where" and args[1] is args[2]:
        return args[1]
    kind = operation.kind or args[-1].kind
    return Node(op, args, kind, args[-1].dtype)


def where(condition, a, b):
    """a where the condition holds, else b; tuples element by element, None beside a number counting as 0."""
    if isinstance(a, tuple):
        return part_by_part(functools.partial(where, condition), a, b)
    if a is None or b is None:
        return None if a is b else where(condition, 0 if a is None else a, 0 if b is None else b)
    if isinstance(condition, bool):
        return a if condition else b
    if not isinstance(a, Node) and not isinstance(b, Node):
        a = constant(a, "float", condition.dtype)
    return build("where", condition, a, b)


def part_by_part(function, *tuples):
    """What a function makes of tuples' parts, as a tuple named like the first."""
    return getattr(type(tuples[0]), "_make", tuple)(map(function, *tuples))


def fma(a, b, c):
    """a * b + c with one rounding."""
    return build("fma", a, b, c)


def sqrt(x):
    return build("sqrt", x)


def copysign(x, y):
    return build("copysign", x, y)


def floor(x):
    """The next whole number below."""
    return build("floor", x)


def ceil(x):
    """The next whole number above."""
    return build("ceil", x)


def trunc(x):
    """The next whole number towards 0."""
    return build("trunc", x)


def rounded_to_even(x):
    """The nearest whole number, of two the even one."""
    return build("round", x)


def fmod(x, y):
    """x - trunc(x / y) y, exactly, with the sign of x."""
    return build("fmod", x, y)


def bits(x):
    """The bits of a float as an integer of its width."""
    return build("bits", x)


def from_bits(i):
    return build("from_bits", i)


def to_float(i):
    """An integer as the float of the same value."""
    return build("to_float", i)


def round_to(value, dtype):
    """A constant's value in the working dtype, as a NumPy scalar."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf if value > 0 else -math.inf
    with np.errstate(over="ignore", under="ignore"):
        return np.dtype(dtype).type(value)


def stored(x):
    """x rounded to the type in which arrays hold it: float16 and bfloat16 compute in float32."""
    return Node("stored", (x,), "float", x.dtype)


def widened(x):
    """A float32 number as float64, or that as float128."""
    return Node("widened", (x,), "float", {"float32": "float64", "float64": "float128"}[x.dtype])


def narrowed(x):
    """A float64 number rounded to float32, or a float128 number to float64."""
    return Node("narrowed", (x,), "float", {"float64": "float32", "float128": "float64"}[x.dtype])


def is_nan(x):
    return build("ne", x, x)


def maximum(a, b):
    """The larger of two, NaN where either is NaN."""
    return _extreme("ge", a, b)


def minimum(a, b):
    """The smaller of two, NaN where either is NaN."""
    return _extreme("le", a, b)


def _extreme(comparison, a, b):
    if not isinstance(a, Node):
        a, b = b, a                                             # a constant is never NaN
    b = b if isinstance(b, Node) else constant(b, "float", a.dtype)
    best = where(build(comparison, b, a), b, a)
    return best if b.op == "constant" else where(is_nan(b), b, best)


def in_order(outputs, arranged=reversed, known=()):
    """Every node below the outputs that is not `known`, operands before their users; `arranged` puts operands that
    come first last."""
    seen, order, stack = set(), [], [(node, False) for node in arranged(outputs)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen and node not in known:
            seen.add(node)
            stack.append((node, True))
            stack.extend((arg, False) for arg in arranged(node.args) if arg not in seen)
    return order


def number_of(node):
    """A constant node as a NumPy scalar of its dtype."""
    if node.kind == "float":
        return round_to(node.value, node.dtype)
    if node.kind == "bool":
        return np.bool_(node.value)
    return np.int64(node.value) if node.dtype == "float64" else np.int32(node.value)
