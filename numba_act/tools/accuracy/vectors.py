"""The platform's mathematics in double precision, several numbers at a time where the GNU C library has that (libmvec).

Its functions are within 4 ULP of float64, which is as good as exact for the narrower types, and five times faster.
"""
import contextlib
import functools
import math

from ...runtime import processor
from ...tree.call import Callee, rewritten, with_operands
from ...tree.node import where

LIBRARY = "libmvec.so.1"
REGISTERS = {"+avx512f": ("e", 8), "+avx2": ("d", 4)}    # their letter in the x86-64 vector function ABI, and numbers
LEAST = 2.0**-1074
# (lowest, its value from there down, highest, its value from there up): beyond, where all values are one in float64,
# libmvec takes ten times as long, for every number by itself; half of all float32 numbers are there
CONSTANT = {
    "exp": (-746, 0.0, 710, math.inf), "exp2": (-1076, 0.0, 1024, math.inf), "expm1": (-40, -1.0, 710, math.inf),
    "sinh": (-711, -math.inf, 711, math.inf), "cosh": (-711, math.inf, 711, math.inf),
    "tanh": (-20, -1.0, 20, 1.0), "erfc": (-6, 2.0, 28, 0.0), "log1p": (-1 - 2.0**-52, math.nan, math.inf, math.inf),
    **dict.fromkeys(("log", "log2", "log10"), (-LEAST, math.nan, math.inf, math.inf)),
}


def vectorised(tree):
    """A float64 tree whose functions are computed so, where they can be."""
    def change(node, args):
        if node.op != "call":
            return with_operands(node, args)
        function, limits = _several(node.value), CONSTANT.get(node.value.name)
        if function is node.value or limits is None:
            return function(*args)
        (lowest, below, highest, above), (x,) = limits, args
        inside = where(x <= lowest, 1.0, where(x >= highest, 1.0, x))
        return where(x <= lowest, below, where(x >= highest, above, function(inside)))
    return rewritten((tree,), change)[0]


@functools.cache
def _several(function):
    """The function on vectors, or as it is."""
    from llvmlite import binding as llvm
    with contextlib.suppress(RuntimeError):      # no such library
        llvm.load_library_permanently(LIBRARY)
    features = processor.target().features.split(",")
    for feature, (letter, width) in REGISTERS.items():
        symbol = f"_ZGV{letter}N{width}{'v' * function.arity}_{function.symbol}"
        if feature in features and llvm.address_of_symbol(symbol):
            return Several(function, symbol, width)
    return function


class Several(Callee):
    """A function by way of a symbol that takes vectors."""

    def __init__(self, function, symbol, width):
        self.name, self.arity, self.symbol, self.width = function.name, function.arity, symbol, width

    def emit(self, builder, *values):
        """A call for as many lanes as fit in a register, after another."""
        from llvmlite import ir
        count, width = values[0].type.count, self.width
        vector = ir.VectorType(ir.DoubleType(), width)
        signature = ir.FunctionType(vector, [vector] * self.arity)
        function = builder.module.globals.get(self.symbol) or ir.Function(builder.module, signature, self.symbol)

        def lanes(value, start, stop, rest=None):
            mask = ir.Constant(ir.VectorType(ir.IntType(32), stop - start), list(range(start, stop)))
            return builder.shuffle_vector(value, rest or ir.Constant(value.type, ir.Undefined), mask)
        parts = [builder.call(function, [lanes(value, k, k + width) for value in values])
                 for k in range(0, count, width)]
        while len(parts) > 1:
            parts = [lanes(a, 0, 2 * a.type.count, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]
