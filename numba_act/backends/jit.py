"""Scalar functions inside other people's Numba code: @njit, @vectorize, @guvectorize, @cfunc."""
import functools


class Scalar:
    """One function of numbers: in plain Python it takes and gives numbers; Numba inlines its tree.

    In compiled code the first argument's type decides: float32 computes in float32, everything else in float64.
    """

    def __init__(self, kernel, function, on_nodes):
        self.kernel, self.function, self.on_nodes = kernel, function, on_nodes
        self.__name__ = kernel.name
        self.type = None                         # Numba's, once it has asked

    def __call__(self, *args):
        result = self.function(*args)
        return result.item() if type(args[0]) in (int, float, bool) else result

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
            self.owner = owner
            super().__init__(repr(owner))

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
    from numba.core import types

    from ..tree.emit import emit

    def typed(given):
        given = [types.Omitted(None) if type_ is None else type_ for type_ in given]
        number = types.float32 if given[0] == types.float32 else types.float64

        def codegen(context, builder, signature, values):
            arguments = {}
            for name, value, type_ in zip(kernel.inputs, values, signature.args, strict=True):
                default = isinstance(type_, types.Omitted)
                arguments[name] = (context.get_constant(number, kernel.parameters[name]) if default else
                                   context.cast(builder, value, type_, number))
            return emit(builder, kernel.build(str(number)), arguments)[0]
        return number(*given), codegen

    names = [f"a{k}" for k in range(len(kernel.inputs))]           # Numba wants them one by one, not as *args
    first = len(names) - len(kernel.parameters)
    shown = ", ".join(names[:first] + [f"{name}=None" for name in names[first:]])
    space = {"typed": typed}
    exec(f"def definition(typingctx, {shown}): return typed(({', '.join(names)},))", space)
    return space["definition"]
