"""A tree as LLVM instructions, on scalars or on vectors.

float16 and bfloat16 are only ways to store a number: they are widened to float32, computed, and rounded once.
"""
import functools

from llvmlite import ir

from .node import in_order, number_of
from .operations import OPERATIONS, float_type


def emit(builder, outputs, arguments, storage="float32", rounded=None, order=in_order):
    """LLVM values of the output nodes; `arguments` maps an argument's name to its LLVM value, in the working type.
    `rounded` is what `narrow` does, where a target has a shorter way."""
    rounded = rounded or functools.partial(narrow, builder, storage=storage)
    lanes = getattr(next(iter(arguments.values())).type, "count", None)
    values = {}
    for node in order(outputs):
        if node.op == "argument":
            values[node] = arguments[node.value]
        elif node.op == "constant":
            values[node] = _constant(node, lanes)
        elif node.op == "stored":
            values[node] = widen(builder, rounded(values[node.args[0]]), storage)
        else:
            operation = node.value if node.op == "call" else OPERATIONS[node.op]
            values[node] = operation.emit(builder, *[values[a] for a in node.args])
    return [values[node] for node in outputs]


def widen(builder, value, storage):
    """Stored numbers (16-bit types as their bits) as numbers of the working type."""
    if storage == "float16":
        return builder.fpext(builder.bitcast(value, _as(ir.HalfType(), value)), _as(ir.FloatType(), value))
    if storage == "bfloat16":
        word = _as(ir.IntType(32), value)
        shifted = builder.shl(builder.zext(value, word), _filled(word, 16))
        return builder.bitcast(shifted, _as(ir.FloatType(), value))
    return value


def narrow(builder, value, storage):
    """Numbers of the working type rounded, ties to even, to how they are stored."""
    if storage == "float16":
        return builder.bitcast(builder.fptrunc(value, _as(ir.HalfType(), value)), _as(ir.IntType(16), value))
    if storage == "bfloat16":
        word = _as(ir.IntType(32), value)
        bits = builder.bitcast(value, word)
        high = builder.lshr(bits, _filled(word, 16))
        odd = builder.and_(high, _filled(word, 1))
        rounded = builder.lshr(builder.add(builder.add(bits, odd), _filled(word, 0x7FFF)), _filled(word, 16))
        quiet = builder.or_(high, _filled(word, 0x40))
        nan = builder.fcmp_unordered("uno", value, value)
        return builder.trunc(builder.select(nan, quiet, rounded), _as(ir.IntType(16), value))
    return value


def _as(type_, like):
    """`type_` with as many lanes as the value `like`."""
    return ir.VectorType(type_, like.type.count) if hasattr(like.type, "count") else type_


def _filled(type_, number):
    if not hasattr(type_, "count"):
        return type_(number)
    return _Splat(type_.element(number), type_.count)


class _Splat:
    """The same constant in every lane (llvmlite would write it out once a lane)."""

    def __init__(self, value, lanes):
        self.type = ir.VectorType(value.type, lanes)
        self._reference = f"splat ({value.type} {value.get_reference()})"

    def get_reference(self):
        return self._reference

    def __str__(self):
        return f"{self.type} {self._reference}"


def _constant(node, lanes):
    width = int(node.dtype.removeprefix("float"))
    if node.kind == "float":
        value = ir.Constant(float_type(width), node.value if width == 128 else float(number_of(node)))
    else:
        value = ir.Constant(ir.IntType(1 if node.kind == "bool" else width), node.value)
    return value if lanes is None else _Splat(value, lanes)
