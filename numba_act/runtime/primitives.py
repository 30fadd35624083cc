"""What the driver's language cannot say in words: memory of other widths, calls by address, floats, atomics.

Each primitive takes an IR builder and words, and gives a word or None.  Memory is at an address and an offset in bytes.
"""
from llvmlite import ir

from .processor import is_arm, is_x86
from .words import WORD, pointer

BYTE, INT, VOID = ir.IntType(8), ir.IntType(32), ir.VoidType()
SIXTEEN = ir.VectorType(ir.DoubleType(), 16)
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


def stream_line(builder, target, source, offset):
    """Copy a cache line to one, past the caches."""
    line = ir.VectorType(INT, 16)
    value = builder.load(pointer(builder, source, line, offset), align=4)
    store = builder.store(value, pointer(builder, target, line), align=64)
    store.set_metadata("nontemporal", builder.module.add_metadata([INT(1)]))


def fence(builder):
    """Let what was streamed be seen by others before what is stored after it.  On x86 LLVM writes an instruction with a
    lock, which empties the buffers of such stores as well."""
    builder.fence("seq_cst")


def _load(bits):
    def load(builder, address, offset):
        value = builder.load(pointer(builder, address, ir.IntType(bits), offset), align=1)
        return value if bits == 64 else builder.zext(value, WORD)
    return load


def _store(bits):
    def store(builder, address, offset, value):
        value = value if bits == 64 else builder.trunc(value, ir.IntType(bits))
        builder.store(value, pointer(builder, address, ir.IntType(bits), offset), align=1)
    return store


def load_atomic(builder, address):
    return builder.load_atomic(pointer(builder, address), "seq_cst", 8)


def exchange(builder, address, expected, new):
    """Whether the word there was as expected; then it is the new one (atomic)."""
    pair = builder.cmpxchg(pointer(builder, address), expected, new, "seq_cst", "seq_cst")
    return builder.zext(builder.extract_value(pair, 1), WORD)


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


def _external(builder, name, result, *args):
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), args)


# The floating-point mode is the one that Python starts with, whatever another library has set, and is given back:
# save_status and load_status take an address, default_status sets it.
def _arm_status():
    registers = "fpcr", "fpsr"

    def save(builder, place):
        for k, name in enumerate(registers):
            word = _external(builder, f"llvm.aarch64.get.{name}", WORD)
            builder.store(word, pointer(builder, place, offset=WORD(8 * k)))

    def load(builder, place):
        for k, name in enumerate(registers):
            word = builder.load(pointer(builder, place, offset=WORD(8 * k)))
            _external(builder, f"llvm.aarch64.set.{name}", VOID, word)

    def default(builder):
        _external(builder, "llvm.aarch64.set.fpcr", VOID, WORD(0))
    return save, load, default


def _x86_status():
    def save(builder, place):
        _external(builder, "llvm.x86.sse.stmxcsr", VOID, pointer(builder, place, BYTE))

    def load(builder, place):
        _external(builder, "llvm.x86.sse.ldmxcsr", VOID, pointer(builder, place, BYTE))

    def default(builder):
        place = stack(builder, WORD(1))
        builder.store(WORD(DEFAULT_MXCSR), pointer(builder, place))
        load(builder, place)
    return save, load, default


def _other_status():
    """By C's functions; what another library has set stays."""
    def save(builder, place):
        _external(builder, "fegetenv", INT, pointer(builder, place, BYTE))

    def load(builder, place):
        _external(builder, "fesetenv", INT, pointer(builder, place, BYTE))
    return save, load, lambda builder: None


PRIMITIVES = {
    "stack": stack, "call": call, "call_for_int": call_for_int,
    "call_for_word": call_for_word, "copy_bytes": copy_bytes, "stream_line": stream_line, "fence": fence,
    "exchange": exchange, "load_atomic": load_atomic,
    "load1": _load(8), "load2": _load(16), "load4": _load(32), "load8": _load(64),
    "store1": _store(8), "store2": _store(16), "store4": _store(32), "store8": _store(64),
    "clear_lanes": clear_lanes, "add_lanes4": _add(ir.FloatType(), 16), "add_lanes8": _add(ir.DoubleType(), 16),
    "add4": _add(ir.FloatType()), "add8": _add(ir.DoubleType()),
}


def primitives_for(triple):
    """The primitives for a kind of processor."""
    status = _x86_status() if is_x86(triple) else _arm_status() if is_arm(triple) else _other_status()
    return PRIMITIVES | dict(zip(("save_status", "load_status", "default_status"), status, strict=True))
