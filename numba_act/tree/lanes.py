"""LLVM's types and constants, for scalars and for vectors alike, as far as llvmlite lacks them."""
from llvmlite import ir


class BFloat(ir.Type):
    """LLVM's name for bfloat16."""

    def __str__(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, BFloat)

    def __hash__(self):
        return hash(BFloat)


SHORT, INT, HALF, SINGLE = ir.IntType(16), ir.IntType(32), ir.HalfType(), ir.FloatType()
TYPES = {"half": HALF, "bfloat": BFloat(), "float": SINGLE, "double": ir.DoubleType()}


def alike(type_, like):
    """`type_` with as many lanes as the value `like`."""
    return ir.VectorType(type_, like.type.count) if hasattr(like.type, "count") else type_


def filled(type_, number):
    """A constant, in every lane of a vector type."""
    if not hasattr(type_, "count"):
        return type_(number)
    return Splat(type_.element(number), type_.count)


class Splat:
    """The same constant in every lane (llvmlite would write it out once a lane)."""

    def __init__(self, value, lanes):
        self.type = ir.VectorType(value.type, lanes)
        self._reference = f"splat ({value.type} {value.get_reference()})"

    def get_reference(self):
        return self._reference

    def __str__(self):
        return f"{self.type} {self._reference}"
