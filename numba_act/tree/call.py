"""Functions that trees call by name: they can be differentiated, printed and evaluated before they are written out."""
import math

import numpy as np

from .node import Node, constant, in_order, widened

_named = {}


class Callee:
    """What a call in a tree calls.

    name : what is printed
    arity : how many operands it takes
    extreme : whether it is the larger or the smaller of its operands
    expand : from the operands' nodes to the node that computes it; None where the platform's library does
    define : as expand, in terms of mathematics alone; None: it is that already
    partial : from an operand's number and the call to the derivative in that operand, None for 0
    """

    extreme = False
    define = None

    def __call__(self, *args):
        if len(args) != self.arity:
            raise TypeError(f"{self.name}() takes {self.arity} number{'s' * (self.arity > 1)}, not {len(args)}")
        dtype = next(a.dtype for a in args if isinstance(a, Node))
        args = tuple(a if isinstance(a, Node) else constant(a, "float", dtype) for a in args)
        return Node("call", args, "float", dtype, self)

    def __repr__(self):
        return self.name


class Function(Callee):
    """A function of Python's math, or of the library: beside what a call needs it can be computed by the platform.

    partials : from the call and its operands to the derivatives in the operands, None for 0; None where not known
    """

    def __init__(self, name, expand=None, partials=None, arity=1, extreme=False, define=None):
        self.name, self.expand, self._partials, self.arity = name, expand, partials, arity
        self.extreme, self.define = extreme, define
        _named[name] = self

    def __reduce__(self):
        return named, (self.name,)

    @property
    def symbol(self):
        """What the platform's library calls it."""
        return {"gamma": "tgamma"}.get(self.name, self.name)

    def partial(self, k, call):
        """The derivative of a call in its operand k; None is 0."""
        if self._partials is None:
            raise NotDifferentiableError(call)
        return self._partials(call, *call.args)[k]

    def compute(self, *numbers):
        """The value by NumPy, or by Python's math."""
        numpys = getattr(np, self.name, None)
        return (numpys or np.vectorize(getattr(math, self.name)))(*numbers)

    def emit(self, builder, *values):
        """One call of the platform's library for each lane, in double precision or in quadruple."""
        from llvmlite import ir
        type_, module = values[0].type, builder.module
        scalar = getattr(type_, "element", type_)
        quad = str(scalar) == "fp128"
        kind = scalar if quad else ir.DoubleType()
        symbol = getattr(module, "library", "") + self.symbol + ("f128" if quad else "")
        signature = ir.FunctionType(kind, [kind] * len(values))
        function = module.globals.get(symbol) or ir.Function(module, signature, symbol)

        def one(scalars):
            if scalar == kind:
                return builder.call(function, scalars)
            wide = builder.call(function, [builder.fpext(s, kind) for s in scalars])
            return builder.fptrunc(wide, scalar)
        if not hasattr(type_, "count"):
            return one(values)
        result = ir.Constant(type_, ir.Undefined)
        for lane in map(ir.IntType(32), range(type_.count)):
            result = builder.insert_element(result, one([builder.extract_element(v, lane) for v in values]), lane)
        return result


def named(name):
    """The function of that name (for pickle)."""
    return _named[name]


class NotDifferentiableError(NotImplementedError):
    """A node whose derivative is not known."""

    def __init__(self, node):
        super().__init__(f"the derivative of {node.value or node.op}() is not known")
        self.node = node


def rewritten(outputs, change):
    """The outputs with `change(node, its operands after the change)` in every node's place."""
    new = {}
    for node in in_order(outputs):
        new[node] = change(node, tuple(new[a] for a in node.args))
    return tuple(new[node] for node in outputs)


def with_operands(node, args):
    return node if args == node.args else Node(node.op, args, node.kind, node.dtype, node.value)


def substitute(outputs, values):
    """The outputs with nodes for arguments, by name."""
    return rewritten(outputs, lambda node, args: values[node.value] if node.op == "argument" else
                     with_operands(node, args))


def expand(outputs):
    """The outputs with every call written out, except of what only the platform's library computes."""
    return _replaced(outputs, lambda function: function.expand)


def define(outputs):
    """The outputs with every call that has a definition replaced by it."""
    return _replaced(outputs, lambda function: function.define)


def retyped(output, dtype):
    """A tree computed in another dtype."""
    return rewritten((output,), lambda node, args: Node(node.op, args, node.kind, dtype, node.value))[0]


def wide(output):
    """A float32 tree computed in float64, but for its conditions, which hold where they did."""
    new = {}
    for node in in_order([output]):
        if node.kind == "bool":
            new[node] = node
        elif node.op == "argument":
            new[node] = widened(node)
        else:
            new[node] = Node(node.op, tuple(new[a] for a in node.args), node.kind, "float64", node.value)
    return new[output]


def _replaced(outputs, means):
    """The outputs with the node that `means(its function)` makes of its operands in every call's place."""
    new = {}

    def replace(outputs):
        for node in in_order(outputs, known=new):
            args = tuple(new[a] for a in node.args)
            if node.op == "call" and means(node.value):
                new.update(zip(args, args, strict=True))         # they are written out already
                new[node], = replace((means(node.value)(*args),))
            else:
                new[node] = with_operands(node, args)
        return tuple(new[node] for node in outputs)
    return replace(outputs)
