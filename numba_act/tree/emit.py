"""A tree as LLVM instructions, on scalars or on vectors."""
from llvmlite import ir

from .lanes import Splat
from .node import in_order, number_of
from .operations import OPERATIONS, float_type


def emit(builder, outputs, arguments, storage, narrow=None, order=in_order, values=None, ways=None):
    """LLVM values of the output nodes, in the working type of a Storage.

    `arguments` maps an argument's name to its LLVM value, in the working type.  `narrow` takes the place of
    the storage's, where a target has a shorter way.  `values` are those of nodes that are known, to which it adds.
    `ways` are those of operations, by name, that a target computes in another way.
    """
    narrow = narrow or storage.narrow
    lanes = getattr(next(iter(arguments.values())).type, "count", None)
    values, ways = {} if values is None else values, ways or {}
    for node in order(outputs):
        if node in values:
            continue
        if node.op == "argument":
            values[node] = arguments[node.value]
        elif node.op == "constant":
            values[node] = _constant(node, lanes)
        elif node.op == "stored":
            values[node] = storage.widen(builder, narrow(builder, values[node.args[0]]))
        else:
            operation = node.value if node.op == "call" else OPERATIONS[node.op]
            values[node] = ways.get(node.op, operation.emit)(builder, *[values[a] for a in node.args])
    return [values[node] for node in outputs]


def emit_either(builder, condition, usual, others, arguments, storage):
    """As `emit`, by a branch: one tree where the condition holds for every lane, else the other."""
    values = {}
    holds, = emit(builder, (condition,), arguments, storage, values=values)
    if hasattr(holds.type, "count"):
        signature = ir.FunctionType(ir.IntType(1), [holds.type])
        name = f"llvm.vector.reduce.and.v{holds.type.count}i1"
        holds = builder.call(builder.module.declare_intrinsic(name, fnty=signature), [holds])
    ways = []
    with builder.if_else(holds, likely=True) as blocks:
        for block, outputs in zip(blocks, (usual, others), strict=True):
            with block:
                ways.append((emit(builder, outputs, arguments, storage, values=dict(values)), builder.block))
    results = []
    for j in range(len(others)):
        results.append(builder.phi(ways[0][0][j].type))
        for way, block in ways:
            results[-1].add_incoming(way[j], block)
    return results


def _constant(node, lanes):
    width = int(node.dtype.removeprefix("float"))
    if node.kind == "float":
        value = ir.Constant(float_type(width), node.value if width == 128 else float(number_of(node)))
    else:
        value = ir.Constant(ir.IntType(1 if node.kind == "bool" else width), node.value)
    return value if lanes is None else Splat(value, lanes)
