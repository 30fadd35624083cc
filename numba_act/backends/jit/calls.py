"""The type of an activation in compiled code, and what a call of it becomes.

A call is bound first, as in plain Python.  Then the types of its operands decide: to numbers the tree is applied where
they stand, and arrays go to a compiled loop over it.
"""
import functools
import inspect

import numpy as np
from numba.core import errors, types
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.target_extension import dispatcher_registry, get_local_target, target_registry
from numba.core.typing import Signature
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, box, infer_getattr, models, register_model, unbox
from numba.np.arrayobj import load_item, make_array
from numba.np.numpy_support import as_dtype, from_dtype

from ...tree.storage import STORAGE
from .. import signature
from ..dtypes import common_dtype
from . import loops, witness
from .exact import exactly

OPTIONS = {"value": {}, "grad": {"wrt": None, "n": 1}, "value_and_grad": {"wrt": None}, "backward": {"wrt": None}}
KINDS = {"": "value", "scalar": "value", "scalar_grad": "grad", **{kind: kind for kind in OPTIONS if kind != "value"}}


class ActivationType(types.Callable, types.Dummy):
    """An activation in compiled code, or what it has to call by this name; `kind` is that of the kernel."""

    def __init__(self, owner, method=""):
        self.owner, self.method, self.kind = owner, method, KINDS[method]
        super().__init__(f"{owner!r}{method and f'.{method}'} at {id(owner)}")     # whose owner lives as long as it

    def __reduce__(self):
        return recalled, (type(self), witness.place(self.owner), self.method)

    def get_call_type(self, context, args, kws):
        try:
            given = self._arguments(args, dict(kws))
            other = _other(given)
            if other:
                return Signature(other.of_activation(context, self, given), given, self, self.signature)
            call = Call(self, given, arrays=not (on_gpu(context) or self.method.startswith("scalar")))
            result = call.result(context)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise errors.TypingError(str(error)) from None
        return Signature(result, given, self, self.signature)

    def get_call_signatures(self):
        return (), False

    def get_impl_key(self, signature):
        return type(_other(signature.args)) if _other(signature.args) else ActivationType

    def _arguments(self, args, kws):
        """The types of a call's arguments in the order of the signature; what is omitted holds its default."""
        bound, upstream = self._bind(None, *args, **kws), self.kind == "backward"
        given = *bound[:upstream], *bound[upstream], *bound[upstream + 1:]
        return tuple(a if isinstance(a, types.Type) else types.Omitted(a) for a in given)

    @functools.cached_property
    def _bind(self):
        """Gives the arguments of a call, in order."""
        def given(self, *arguments):
            return arguments
        first, instead = ((), None) if self.kind != "backward" else (("gy",), ("y", None))
        return signature.bound(self.owner, given, first, OPTIONS[self.kind], instead=instead)

    @functools.cached_property
    def signature(self):
        """By which Numba brings the values of a call into the same order."""
        _, *arguments = inspect.signature(self._bind).parameters.values()
        return inspect.Signature([a.replace(kind=a.POSITIONAL_OR_KEYWORD) for a in arguments])


def on_gpu(context):
    """Whether the code that is compiled is for a GPU."""
    return get_local_target(context) is not target_registry["cpu"]


def _compiled(kernel, storage, context):
    """What Numba compiled, for code in the same place."""
    return kernel.calls.on_gpu(kernel, storage).made if on_gpu(context) else kernel.calls.compiled(kernel, storage)


def _other(given):
    """The first type that knows itself what an activation makes of it."""
    return next((type_ for type_ in given if hasattr(type_, "of_activation")), None)


class Call:
    """A call of which all types are known; `arrays` says whether operands may be some."""

    def __init__(self, callee, given, arrays=True):
        owner, kind = callee.owner, callee.kind
        n_operands = len(owner._inputs) + (kind == "backward")
        self.callee, self.places = callee, [*range(n_operands)]
        self.options = {name: constant(owner, name, type_)
                        for name, type_ in zip(OPTIONS[kind], given[n_operands:], strict=False)}
        self.plan, self.single = plan(owner, kind, **self.options)
        if kind == "backward":
            *_, result = given if owner.expressions.from_result else (None,)
            start = owner._start(*map(_given, (given[1], result)), self.plan[1:])
            self.plan = start, *self.plan[1:]
            self.places[1] = 1 if start == kind else len(given) - 1
        self.operands = [given[place] for place in self.places]
        self.kernel = owner.kernel(*self.plan)
        self.dtype = _dtype(self.kernel, self.operands, arrays)
        self.number = from_dtype(self.dtype)
        self.types = [type_ if _ndim(type_) else self.number for type_ in self.operands]
        self.arrays = [type_ for type_ in self.types if _ndim(type_)]

    def result(self, context):
        """The result's type."""
        if self.arrays:
            return types.Dispatcher(self.loop).get_call_type(context, self.types, {}).return_type
        storage = STORAGE[str(self.dtype)]       # a derivative that is not known is an error here
        _ = _compiled(self.kernel, storage, context) if self.kernel.calls else self.kernel.trees(storage)
        return self.number if self.single else types.UniTuple(self.number, self.kernel.n_outputs)

    @property
    def loop(self):
        """The function to which arrays are handed."""
        callee, layouts = self.callee, {(type_.ndim, type_.layout) for type_ in self.arrays}
        layout = layouts.pop()[1] if len(layouts) == 1 else "A"
        method = "" if callee.kind == "value" else f".{callee.kind}"
        called = ["{}" for _ in self.places]
        if self.plan[0] == "from_result":
            called[1:] = [f"{name}={{}}" for name in self.kernel.inputs[1:]]
        called += [f"{name}={value!r}" for name, value in callee.owner.options(**self.options).items()]
        return loops.loop(self.kernel, callee.owner, f"owner{method}({', '.join(called)})", self.single,
                          tuple(map(_ndim, self.types)), layout, self.dtype.type)


def plan(owner, kind, wrt=None, n=1):
    """By what the activation knows the kernel, and whether it gives one result instead of a tuple."""
    if kind == "value":
        return (kind,), True
    if kind == "backward":
        names = owner.operands if wrt is None else owner._names(wrt)
        return (kind, *names), len(names) == 1 and not isinstance(wrt, tuple)
    return (kind, *owner._repeated(wrt, n)), kind == "grad"


def constant(owner, name, type_):
    """An option's value, which must be known when the call is compiled."""
    if isinstance(type_, types.BaseTuple):
        return tuple(constant(owner, name, element) for element in type_)
    if isinstance(type_, types.NoneType):
        return None
    if not isinstance(type_, types.Omitted | types.Literal):
        example = {"wrt": owner._inputs[-1], "n": 2}[name]
        raise TypeError(f"{owner.name}: in compiled code {name} must be a constant, as {name}={example!r}, not {type_}")
    return type_.value if isinstance(type_, types.Omitted) else type_.literal_value


def _given(type_):
    """The type of an argument; None where it is left out."""
    return None if type_ in (None, types.none, types.Omitted(None)) else type_


def _ndim(type_):
    return type_.ndim if isinstance(type_, types.Array) else 0


def _dtype(kernel, operands, arrays):
    """The result's dtype: as NumPy promotes the operands, where numbers as parameters do not widen."""
    samples = []
    for name, type_ in zip(kernel.inputs, operands, strict=True):
        element = type_.dtype if arrays and isinstance(type_, types.Array) else type_
        if not isinstance(element, types.Integer | types.Float | types.Boolean | types.Omitted):
            accepted = "a number or an array of numbers" if arrays else "a number"
            raise TypeError(f"{kernel.owner}: {name} must be {accepted}, not {type_}")
        weak = element is type_ and name in kernel.parameters
        samples.append(1.0 if weak else np.zeros((), as_dtype(element)))
    dtype = common_dtype(kernel, samples)
    if dtype.itemsize > 2:
        return dtype
    if any(map(_ndim, operands)):
        raise TypeError(f"{kernel.owner}: Numba computes in float32 and float64, not in {dtype}; cast the arrays")
    return np.dtype(np.float64)


def recalled(kind, place, method):
    """The type as Numba reads it back from disk; it is nobody's where the activation is not found."""
    owner = witness.found(place)
    return types.Opaque("a lost activation") if owner is None else kind(owner, method)


# --- what Numba is told -----------------------------------------------------------------------------------------------
register_model(ActivationType)(models.OpaqueModel)


@lower_builtin(ActivationType, ActivationType, types.VarArg(types.Any))
def _lower(context, builder, signature, values):
    callee, *given = signature.args
    call = Call(callee, tuple(given))
    taken = [values[1 + place] for place in call.places]
    ready = [_ready(context, builder, *each) for each in zip(call.operands, taken, call.types, strict=True)]
    if hasattr(getattr(context, "environment", None), "consts"):         # which numba-cuda's has not
        context.environment.consts.append(witness.Witness(callee.owner, call.plan, call.kernel, str(call.dtype)))
    if call.arrays:
        function = types.Dispatcher(call.loop)
        inner = function.get_call_type(context.typing_context, call.types, {})
        return context.get_function(function, inner)(builder, ready)
    arguments = dict(zip(call.kernel.inputs, ready, strict=True))
    results = _outputs(context, builder, call.kernel, STORAGE[str(call.dtype)], arguments)
    return results[0] if call.single else context.make_tuple(builder, signature.return_type, results)


def _outputs(context, builder, kernel, storage, arguments):
    """What a kernel makes of numbers: its tree, or calls of what Numba compiles, whose errors are raised here, too."""
    if not kernel.calls:
        return exactly(builder, kernel, arguments, storage)
    compiled = _compiled(kernel, storage, context.typing_context)
    context.add_linking_libs([made.library for made in compiled])
    convention = (context.fndesc if on_gpu(context.typing_context) else context).call_conv
    failed = functools.partial(convention.return_status_propagate, builder)
    return kernel.calls.emit(compiled, context, builder, kernel, storage, arguments, failed)


def _ready(context, builder, type_, value, wanted):
    """An operand as it is computed with: an array, or a number of the working type."""
    if type_ == wanted:
        return value
    if isinstance(type_, types.Omitted):
        return context.get_constant(wanted, type_.value)
    if isinstance(type_, types.Array):           # without axes
        value = load_item(context, builder, type_, make_array(type_)(context, builder, value).data)
        type_ = type_.dtype
    return context.cast(builder, value, types.unliteral(type_), wanted)


@infer_getattr
class _Methods(AttributeTemplate):
    key = ActivationType

    def generic_resolve(self, type_, attribute):
        if type_.method:
            return None
        if attribute in OPTIONS:
            return type(type_)(type_.owner, attribute)
        return getattr(getattr(type_.owner, attribute, None), "_numba_type_", None)


@lower_getattr_generic(ActivationType)
def _method(context, builder, type_, value, attribute):
    return value


@unbox(ActivationType)
def _unboxed(type_, object_, c):
    return NativeValue(c.context.get_dummy_value())


@box(ActivationType)
def _boxed(type_, value, c):
    python = getattr(type_.owner, type_.method) if type_.method else type_.owner
    return c.pyapi.unserialize(c.pyapi.serialize_object(python))


for _dispatcher in dispatcher_registry.values():           # Numba may be compiling by now
    _dispatcher.targetdescr.typing_context.refresh()
    _dispatcher.targetdescr.target_context.refresh()
