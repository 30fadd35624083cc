"""Quadruple precision, the type of truth for float64: LLVM's arithmetic by libgcc, functions by the GNU C library."""
import functools
from fractions import Fraction

from llvmlite import binding as llvm
from llvmlite import ir

MANTISSA, BIAS = 112, 16383
SPECIAL = {"inf": 0x7FFF << MANTISSA, "-inf": 0xFFFF << MANTISSA, "nan": 0x7FFF8 << MANTISSA - 4,
           "-0.0": 1 << MANTISSA + 15}
SYMBOLS = "__addtf3", "expf128"                  # one of each library


class Quad(ir.types._BaseFloatType):
    """LLVM's fp128."""
    null, intrinsic_name = "0xL" + 32 * "0", "f128"

    def __str__(self):
        return "fp128"

    def format_constant(self, value):
        pattern = SPECIAL[value] if isinstance(value, str) else _pattern(value)
        return f"0xL{pattern & (1 << 64) - 1:016X}{pattern >> 64:016X}"


Quad._create_instance()


def _pattern(value):
    """The bits of the number nearest to a fraction; none that occurs is subnormal."""
    size = abs(value)
    if not size:
        return 0
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    mantissa = round(size / Fraction(2) ** (exponent - MANTISSA))
    return ((value < 0) << 127) + (exponent + BIAS - 1 << MANTISSA) + mantissa


@functools.cache
def available():
    """Whether this machine's libraries have it."""
    for library in ("libgcc_s.so.1", "libm.so.6"):
        try:
            llvm.load_library_permanently(library)
        except RuntimeError:
            return False
    return all(map(llvm.address_of_symbol, SYMBOLS))
