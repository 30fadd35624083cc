"""How arrays hold numbers: every format, with what passes and back ends must know of it.

float16 and bfloat16 are only ways to store a number: they are widened to float32, computed, and rounded once.
"""
from collections.abc import Callable
from dataclasses import dataclass


def _same(builder, value):
    return value


def _from_half(b, value):
    from .lanes import HALF, SINGLE, alike
    return b.fpext(b.bitcast(value, alike(HALF, value)), alike(SINGLE, value))


def _to_half(b, value):
    from .lanes import HALF, SHORT, alike
    return b.bitcast(b.fptrunc(value, alike(HALF, value)), alike(SHORT, value))


def _from_bfloat(b, value):
    from .lanes import INT, SINGLE, alike, filled
    word = alike(INT, value)
    return b.bitcast(b.shl(b.zext(value, word), filled(word, 16)), alike(SINGLE, value))


def _to_bfloat(b, value):
    from .lanes import INT, SHORT, alike, filled
    word = alike(INT, value)
    bits = b.bitcast(value, word)
    high = b.lshr(bits, filled(word, 16))
    odd = b.and_(high, filled(word, 1))
    rounded = b.lshr(b.add(b.add(bits, odd), filled(word, 0x7FFF)), filled(word, 16))
    quiet = b.or_(high, filled(word, 0x40))
    nan = b.fcmp_unordered("uno", value, value)
    return b.trunc(b.select(nan, quiet, rounded), alike(SHORT, value))


@dataclass(frozen=True, eq=False)
class Storage:
    """A format.

    name, size : of the dtype, and bytes of a number
    working : the dtype that is computed in
    digits, least, most : bits of the mantissa after the point; exponents of the least normal number and of infinity
    llvm : LLVM's name of the type
    widen, narrow : by an IR builder, from numbers as `element` to the working type, and back, rounded, ties to even
    """
    name: str
    size: int
    working: str
    digits: int
    least: int
    most: int
    llvm: str
    widen: Callable = _same
    narrow: Callable = _same

    @property
    def type(self):
        """LLVM's type."""
        from .lanes import TYPES
        return TYPES[self.llvm]

    @property
    def single(self):
        """LLVM's type of what is computed in."""
        return STORAGE[self.working].type

    @property
    def element(self):
        """LLVM's type of what is loaded and stored: numbers that are not computed in, as their bits."""
        from llvmlite import ir
        return self.type if self.name == self.working else ir.IntType(8 * self.size)


STORAGE = {storage.name: storage for storage in (
    Storage("float16", 2, "float32", 10, -14, 16, "half", _from_half, _to_half),
    Storage("bfloat16", 2, "float32", 7, -126, 128, "bfloat", _from_bfloat, _to_bfloat),
    Storage("float32", 4, "float32", 23, -126, 128, "float"),
    Storage("float64", 8, "float64", 52, -1022, 1024, "double"),
)}
WORKING = tuple(dict.fromkeys(storage.working for storage in STORAGE.values()))
