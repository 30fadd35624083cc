"""A tree emitted into somebody else's function, whose options must not change what it computes."""
import functools

from ...tree.emit import emit


def exactly(builder, kernel, arguments, storage):
    """LLVM values of a kernel's outputs, for `arguments` by name."""
    block, blocks = builder.block, builder.function.blocks
    n, n_blocks = len(block.instructions), len(blocks)
    results = emit(in_dialect(builder), kernel.trees(storage), arguments, storage)
    for emitted in (block.instructions[n:], *[new.instructions for new in blocks[n_blocks:]]):
        for instruction in emitted:
            instruction.flags = instruction.fastmath = _NoFlags()
    return results


def in_dialect(builder):
    """The builder, or one that writes what NVVM understands."""
    return _Nvvm(builder) if builder.module.triple.startswith("nvptx") else builder


UNROUNDED = {"fabs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "roundeven": "round"}


class _NoFlags(list):
    """The flags of an operation, which fastmath=True would otherwise write to every one: NaN and infinities, with it,
    are anything at all."""

    def append(self, flag):
        pass

    add = append


class _Nvvm:
    """A builder for NVVM, whose dialect has fewer words than LLVM's, and which contracts a * b + c throughout a user's
    kernel unless every operation says .rn."""

    def __init__(self, builder):
        self._builder = builder

    library = "__nv_"                            # before the names of the platform's mathematics, which is libdevice

    def __getattr__(self, name):
        return getattr(self._builder, name) if hasattr(self._builder, name) else getattr(self._builder.module, name)

    @property
    def module(self):
        return self

    def declare_intrinsic(self, name, fnty):
        """What computes llvm.fabs.f32 and its like, for `call`."""
        operation = name.split(".")[1]
        return self._copysign if operation == "copysign" else functools.partial(self._nvvm, operation)

    def call(self, function, operands):
        return self._builder.call(function, operands) if hasattr(function, "blocks") else function(*operands)

    def fadd(self, x, y):
        return self._nvvm("add", x, y)

    def fsub(self, x, y):
        return self._nvvm("add", x, self.fneg(y))

    def fmul(self, x, y):
        return self._nvvm("mul", x, y)

    def fdiv(self, x, y):
        return self._nvvm("div", x, y)

    def fneg(self, x):
        return self._builder.fsub(x.type(-0.0), x)

    def _nvvm(self, operation, *operands):
        from llvmlite import ir
        type_ = operands[0].type
        name = f"llvm.nvvm.{UNROUNDED.get(operation, f'{operation}.rn')}.{'d' if type_ == ir.DoubleType() else 'f'}"
        signature = ir.FunctionType(type_, [type_] * len(operands))
        return self._builder.call(self._builder.module.declare_intrinsic(name, fnty=signature), operands)

    def _copysign(self, x, y):
        from llvmlite import ir
        b, word = self._builder, ir.IntType(64 if x.type == ir.DoubleType() else 32)
        sign = word(1 << word.width - 1)
        magnitude = b.and_(b.bitcast(x, word), b.not_(sign))
        return b.bitcast(b.or_(magnitude, b.and_(b.bitcast(y, word), sign)), x.type)
