"""A tree as LLVM instructions, on scalars or on vectors."""
from llvmlite import ir

from .lanes import Splat
from .node import in_order, number_of
from .operations import OPERATIONS, float_type


def emit(builder, outputs, arguments, storage, narrow=None, order=in_order):
    """LLVM values of the output nodes, in the working type of a Storage.

    `arguments` maps an argument's name to its LLVM value, in the working type.  `narrow` takes the place of
    the storage's, where a target has a shorter way.
    """
    narrow = narrow or storage.narrow
    lanes = getattr(next(iter(arguments.values())).type, "count", None)
    values = {}
    for node in order(outputs):
        if node.op == "argument":
            values[node] = arguments[node.value]
        elif node.op == "constant":
            values[node] = _constant(node, lanes)
        elif node.op == "stored":
            values[node] = storage.widen(builder, narrow(builder, values[node.args[0]]))
        else:
            operation = node.value if node.op == "call" else OPERATIONS[node.op]
            values[node] = operation.emit(builder, *[values[a] for a in node.args])
    return [values[node] for node in outputs]


def _constant(node, lanes):
    width = int(node.dtype.removeprefix("float"))
    if node.kind == "float":
        value = ir.Constant(float_type(width), node.value if width == 128 else float(number_of(node)))
    else:
        value = ir.Constant(ir.IntType(1 if node.kind == "bool" else width), node.value)
    return value if lanes is None else Splat(value, lanes)
