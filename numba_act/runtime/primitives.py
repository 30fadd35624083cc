"""What the driver's language cannot say in words: memory of other widths, calls by address, floats, atomics.

Each primitive takes an IR builder and words, and gives a word or None.  Memory is at an address and an offset in bytes.
"""
import platform

from llvmlite import ir

from .words import WORD, pointer

BYTE, INT, VOID = ir.IntType(8), ir.IntType(32), ir.VoidType()
SIXTEEN = ir.VectorType(ir.DoubleType(), 16)
X86 = platform.machine().lower() in ("x86_64", "amd64")
DEFAULT_MXCSR = 0x1F80                       # every exception masked, subnormals kept, rounding to nearest


def stack(builder, count):
    """The address of `count` words that live as long as the call."""
    with builder.goto_entry_block():
        place = builder.alloca(WORD, size=count)
        place.align = 64
        return builder.ptrtoint(place, WORD)


def call(builder, address, *args):
    function = pointer(builder, address, ir.FunctionType(VOID, [WORD] * len(args)))
    builder.call(function, args)


def call_for_int(builder, address):
    """The result of an `int f(void)`."""
    return builder.sext(builder.call(pointer(builder, address, ir.FunctionType(INT, [])), []), WORD)


def call_for_word(builder, address, *args):
    function = pointer(builder, address, ir.FunctionType(WORD, [WORD] * len(args)))
    return builder.call(function, args)


def copy_bytes(builder, target, source, count):
    places = [pointer(builder, address, BYTE) for address in (target, source)]
    copy = builder.module.declare_intrinsic("llvm.memcpy", [p.type for p in places] + [WORD])
    builder.call(copy, [*places, count, ir.IntType(1)(0)])


def _load(bits):
    def load(builder, address, offset):
        value = builder.load(pointer(builder, address, ir.IntType(bits), offset))
        return value if bits == 64 else builder.zext(value, WORD)
    return load


def _store(bits):
    def store(builder, address, offset, value):
        value = value if bits == 64 else builder.trunc(value, ir.IntType(bits))
        builder.store(value, pointer(builder, address, ir.IntType(bits), offset))
    return store


def exchange(builder, address, expected, new):
    """Whether the word there was as expected; then it is the new one (atomic)."""
    pair = builder.cmpxchg(pointer(builder, address), expected, new, "seq_cst", "seq_cst")
    return builder.zext(builder.extract_value(pair, 1), WORD)


def _status(x86_name, name):
    def access(builder, place):
        place = pointer(builder, place, BYTE)
        kind = ir.FunctionType(VOID if X86 else INT, [place.type])
        chosen = x86_name if X86 else name
        function = builder.module.globals.get(chosen) or ir.Function(builder.module, kind, chosen)
        builder.call(function, [place])
    return access


save_status = _status("llvm.x86.sse.stmxcsr", "fegetenv")
load_status = _status("llvm.x86.sse.ldmxcsr", "fesetenv")


def default_status(builder):
    """The floating-point mode that Python starts with, whatever another library has set (x86)."""
    if X86:
        place = stack(builder, WORD(1))
        builder.store(WORD(DEFAULT_MXCSR), pointer(builder, place))
        load_status(builder, place)


def clear_lanes(builder, lanes):
    builder.store(ir.Constant(SIXTEEN, None), pointer(builder, lanes, SIXTEEN))


def _add(type_, lanes=None):
    """Add floats to as many doubles."""
    wide = ir.DoubleType()
    if lanes:
        type_, wide = ir.VectorType(type_, lanes), ir.VectorType(wide, lanes)

    def add(builder, target, target_offset, source, source_offset):
        place = pointer(builder, target, wide, target_offset)
        value = builder.load(pointer(builder, source, type_, source_offset), align=4)
        value = builder.fpext(value, wide) if type_ != wide else value
        builder.store(builder.fadd(builder.load(place, align=8), value), place, align=8)
    return add


PRIMITIVES = {
    "stack": stack, "call": call, "call_for_int": call_for_int,
    "call_for_word": call_for_word, "copy_bytes": copy_bytes, "exchange": exchange,
    "load2": _load(16), "load4": _load(32), "load8": _load(64),
    "store2": _store(16), "store4": _store(32), "store8": _store(64),
    "save_status": save_status, "load_status": load_status, "default_status": default_status,
    "clear_lanes": clear_lanes, "add_lanes4": _add(ir.FloatType(), 16), "add_lanes8": _add(ir.DoubleType(), 16),
    "add4": _add(ir.FloatType()), "add8": _add(ir.DoubleType()),
}
