"""Scalar functions inside other people's Numba code: @njit, @vectorize, @guvectorize, @cfunc, @cuda.jit."""
import functools


class Scalar:
    """One function of numbers: in plain Python it takes and gives numbers; Numba inlines its tree.

    In compiled code the first argument's type decides: float32 computes in float32, everything else in float64.
    """

    def __init__(self, kernel, owner, wrt):
        self.kernel, self.owner, self.wrt = kernel, owner, wrt
        self.__name__ = kernel.name
        self.type = None                         # Numba's, once it has asked

    def __call__(self, /, *args, **params):
        result = self.owner.grad(*args, **params) if self.wrt else self.owner(*args, **params)
        first = args[0] if args else params[self.kernel.inputs[0]]
        return result.item() if type(first) in (int, float, bool) else result

    def on_nodes(self, /, *args, **params):
        """A call of it in the tree of another function."""
        return self.owner.on_nodes(*args, wrt=self.wrt, **params)

    def __reduce__(self):
        return getattr, (self.owner, "scalar_grad" if self.wrt else "scalar")

    def __repr__(self):
        return f"<scalar function {self.kernel.name}({', '.join(self.kernel.inputs)})>"


@functools.cache
def register(owner):
    """Teach Numba, which is imported here, what a Scalar is, and the class whose objects own them, so that
    act.gelu.scalar(x) can stand in compiled code."""
    from numba.core import types
    from numba.core.imputils import lower_constant
    from numba.core.typing.templates import AttributeTemplate, make_intrinsic_template
    from numba.extending import infer_getattr, intrinsic, lower_getattr, models, register_model, typeof_impl

    @typeof_impl.register(Scalar)
    def typeof_scalar(scalar, context):
        if scalar.type is None:
            definition = _definition(scalar.kernel)
            scalar.type = types.Function(make_intrinsic_template(intrinsic(definition), definition, scalar.__name__))
        return scalar.type

    class OwnerType(types.Dummy):
        def __init__(self, owner):
            self.owner = owner                   # which keeps the id its own
            super().__init__(f"{owner!r} at {id(owner)}")

    @typeof_impl.register(owner)
    def typeof_owner(owner, context):
        return OwnerType(owner)

    @infer_getattr
    class OwnerAttributes(AttributeTemplate):
        key = OwnerType

        def resolve_scalar(self, type_):
            return typeof_scalar(type_.owner.scalar, None)

        def resolve_scalar_grad(self, type_):
            return typeof_scalar(type_.owner.scalar_grad, None)

    def nothing(context, builder, *_):
        return context.get_dummy_value()

    register_model(OwnerType)(models.OpaqueModel)
    lower_constant(OwnerType)(nothing)
    for attribute in ("scalar", "scalar_grad"):
        lower_getattr(OwnerType, attribute)(nothing)


def _definition(kernel):
    """What numba.extending.intrinsic decorates: the signature for argument types, and how to emit the call."""
    from numba.core import errors, types

    from ..tree.emit import emit
    from ..tree.storage import STORAGE

    def typed(given):
        given = [types.Omitted(None) if type_ is None else type_ for type_ in given]
        for name, type_ in zip(kernel.inputs, given, strict=True):
            if not isinstance(type_, types.Number | types.Boolean | types.Omitted) or type_ in types.complex_domain:
                raise errors.TypingError(f"{kernel.name}: {name} must be a number, not {type_}")
        number = types.float32 if given[0] == types.float32 else types.float64

        def codegen(context, builder, signature, values):
            arguments = {}
            for name, value, type_ in zip(kernel.inputs, values, signature.args, strict=True):
                default = isinstance(type_, types.Omitted)
                arguments[name] = (context.get_constant(number, kernel.parameters[name]) if default else
                                   context.cast(builder, value, type_, number))
            if builder.module.triple.startswith("nvptx"):
                builder = _Exact(builder)
            storage = STORAGE[str(number)]
            return emit(builder, kernel.trees(storage), arguments, storage)[0]
        return number(*given), codegen

    first = len(kernel.inputs) - len(kernel.parameters)            # Numba wants them one by one, not as *args
    shown = ", ".join([*kernel.inputs[:first], *(f"{name}=None" for name in kernel.inputs[first:])])
    space = {" typed": typed}
    exec(f"def definition(_context, {shown}): return globals()[' typed'](({', '.join(kernel.inputs)},))", space)
    return space["definition"]


EXACT = {"fabs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "roundeven": "round"}     # no rounding


class _Exact:
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
        name = f"llvm.nvvm.{EXACT.get(operation, f'{operation}.rn')}.{'d' if type_ == ir.DoubleType() else 'f'}"
        signature = ir.FunctionType(type_, [type_] * len(operands))
        return self._builder.call(self._builder.module.declare_intrinsic(name, fnty=signature), operands)

    def _copysign(self, x, y):
        from llvmlite import ir
        b, word = self._builder, ir.IntType(64 if x.type == ir.DoubleType() else 32)
        sign = word(1 << word.width - 1)
        magnitude = b.and_(b.bitcast(x, word), b.not_(sign))
        return b.bitcast(b.or_(magnitude, b.and_(b.bitcast(y, word), sign)), x.type)
