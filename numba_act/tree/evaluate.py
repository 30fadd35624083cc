"""A tree as NumPy arithmetic, and scalar functions in plain Python by it."""
import functools

import numpy as np

from .marks import EXACT, everywhere, resolved
from .node import Node, argument, in_order, number_of
from .operations import OPERATIONS


def evaluate(outputs, arguments):
    """The outputs' values by NumPy, the same bits as the compiled function; slow, for tests and for looking."""
    values = {}
    with np.errstate(all="ignore"):
        for node in in_order(outputs):
            if node.op == "argument":
                values[node] = arguments[node.value]
            elif node.op == "constant":
                values[node] = number_of(node)
            elif node.op == "stored":
                values[node] = values[node.args[0]]
            else:
                operation = node.value if node.op == "call" else OPERATIONS[node.op]
                values[node] = operation.compute(*[values[a] for a in node.args])
                if node.kind == "float":
                    values[node] = np.asarray(values[node], dtype=node.dtype)[()]
    return [values[node] for node in outputs]


def for_numbers_too(function):
    """Decorator of a function of nodes: with numbers (or NumPy arrays) for arguments it computes their value, in
    float32 for NumPy's float32 and in float64 for everything else."""
    @functools.wraps(function)
    def call(*args):
        if any(isinstance(a, Node) for a in args):
            return function(*args)
        dtype = "float32" if np.result_type(*args) == np.float32 else "float64"
        nodes = [argument(str(k), dtype) for k in range(len(args))]
        numbers = {node.value: np.asarray(a, dtype)[()] for node, a in zip(nodes, args, strict=True)}
        result, = evaluate(everywhere(resolved((function(*nodes),), EXACT)), numbers)
        return result if any(isinstance(a, np.generic | np.ndarray) for a in args) else float(result)
    return call
