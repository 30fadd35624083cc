"""Dual numbers in Numba's type system: a number with its slopes, for any function that Numba compiles.

The user's function is compiled for duals, and Numba's own inference carries them through loops, branches and helpers.
The value is what Numba computes; what an operation does to slopes is what differentiate.py and the vocabulary say of
it, emitted as everywhere else.

A dual of order n has 2^n parts.  Part 0 is the value; of a part's bits each stands for one differentiation.
"""
import builtins
import functools
import math
import operator
from types import FunctionType

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.core.typeconv import Conversion
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer, infer_global
from numba.extending import intrinsic, lower_builtin, lower_cast, models, overload, overload_attribute, register_model

from ..backends.jit import calls
from ..backends.jit.exact import in_dialect
from ..scalar import VOCABULARY
from ..tree.call import NotDifferentiableError, expand, rewritten, with_operands
from ..tree.differentiate import differential
from ..tree.emit import emit
from ..tree.marks import EXACT, everywhere, resolved
from ..tree.node import argument, constant
from ..tree.storage import STORAGE

OPERATORS = {
    operator.pos: operator.pos, operator.neg: operator.neg, operator.add: operator.add, operator.sub: operator.sub,
    operator.mul: operator.mul, operator.truediv: operator.truediv,
}
IN_PLACE = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul, operator.ipow: operator.pow,
    operator.itruediv: operator.truediv, operator.ifloordiv: operator.floordiv, operator.imod: operator.mod,
}
STEPS = (
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.not_, operator.contains,
    builtins.round, builtins.range,
)
OF_MORE = {np.float64, builtins.sum, math.prod, builtins.divmod, np.divmod}      # of no numbers, or not one number


class DualType(types.Type):
    """A number of a float type with its slopes of an order.

    live : whether there are slopes, or they are 0
    fixed : whether it depends on parameters alone, which win ties of max and min
    """

    def __init__(self, number, order, live, fixed):
        self.number, self.order, self.live, self.fixed = number, order, live, fixed
        self.parts = 2**order if live else 1
        super().__init__(f"Dual({number}, {order}, {live}, {fixed})")

    def unify(self, context, other):
        """What a variable is that is now this and now the other."""
        if isinstance(other, types.Number):
            return self.of(context.unify_pairs(self.number, other))
        if isinstance(other, DualType):
            number = context.unify_pairs(self.number, other.number)
            return DualType(number, self.order, self.live or other.live, self.fixed and other.fixed)
        return None

    def of(self, number):
        """The same of another type of number; None of what is no float."""
        return DualType(number, self.order, self.live, self.fixed) if isinstance(number, types.Float) else None

    def can_convert_from(self, context, other):
        """A number has no slope."""
        fits = isinstance(other, DualType) and other.order == self.order and other.live <= self.live
        return Conversion.safe if fits or isinstance(other, types.Number) else None

    def of_activation(self, context, callee, given):
        """The type of what an activation makes of duals, in compiled code."""
        call = _ActivationCall(context, callee, given)
        if call.whole:
            return call.whole.get_call_type(context, call.operands, {}).return_type
        return _result(call.build, call.of_numbers(context).return_type, call.operands)


@register_model(DualType)
class DualModel(models.PrimitiveModel):
    """An LLVM array of the parts."""

    def __init__(self, manager, type_):
        number = manager.lookup(type_.number).get_value_type()
        super().__init__(manager, type_, ir.ArrayType(number, type_.parts))


def packed(builder, parts):
    """A dual from its parts."""
    dual = ir.Constant(ir.ArrayType(parts[0].type, len(parts)), ir.Undefined)
    for k, part in enumerate(parts):
        dual = builder.insert_value(dual, part, k)
    return dual


@lower_cast(types.Number, DualType)
@lower_cast(DualType, DualType)
def _cast(context, builder, given, wanted, value):
    number, parts = given, [value]
    if isinstance(given, DualType):
        number, parts = given.number, [builder.extract_value(value, k) for k in range(given.parts)]
    parts = [context.cast(builder, part, number, wanted.number) for part in parts]
    return packed(builder, parts + [parts[0].type(0.0)] * (wanted.parts - len(parts)))


def teach(function, build=None):
    """Numba's `function` of duals.  What it does to slopes says the tree that `build` makes of nodes; without one it is
    constant but for its jumps."""
    class OfDuals(AbstractTemplate):
        key = function

        def generic(self, given, keywords):
            """The signature, where one of the arguments is a dual."""
            if keywords or not any(isinstance(a, DualType) for a in given):
                return None
            known = self.context.resolve_value_type(function)
            result = self.context.resolve_function_type(known, _numbers(given), {}).return_type
            try:
                return signature(_result(build, result, given), *map(types.unliteral, given))
            except NotDifferentiableError:       # Numba says where that is
                return None

        def get_impl_key(self, sig):
            return OfDuals

    infer(OfDuals)
    infer_global(function, types.Function(OfDuals))

    @lower_builtin(OfDuals, types.VarArg(types.Any))
    def lowered(context, builder, sig, given):
        known = context.typing_context.resolve_value_type(function)
        inner = context.typing_context.resolve_function_type(known, _numbers(sig.args), {})
        first = _arguments(context, builder, _values(builder, given, sig.args), _numbers(sig.args), inner.args)
        y = context.get_function(known, inner)(builder, first)
        return _with_slopes(context, builder, y, build, given, sig.args, sig.return_type)


def _numbers(given):
    """The types of the numbers themselves."""
    return tuple([a.number if isinstance(a, DualType) else types.unliteral(a) for a in given])


def _values(builder, given, types_):
    return [builder.extract_value(value, 0) if isinstance(type_, DualType) else value
            for value, type_ in zip(given, types_, strict=True)]


def _result(build, number, given):
    """The type of a function's result, which is a number of this type if it has no slopes."""
    if build is None or not isinstance(number, types.Float) or _slopes(build, number, given) is None:
        return number
    duals = [a for a in given if isinstance(a, DualType)]
    fixed = all(getattr(a, "fixed", True) for a in given)
    return DualType(number, duals[0].order, any(a.live for a in duals), fixed)


def _with_slopes(context, builder, y, build, given, types_, result):
    """A function's value as a dual of the result's type."""
    if not isinstance(result, DualType):
        return y
    if not result.live:
        return packed(builder, [y])
    arguments = {"y": y}
    for k, (value, type_) in enumerate(zip(given, types_, strict=True)):
        number, parts = getattr(type_, "number", type_), [value]
        if isinstance(type_, DualType):
            parts = [builder.extract_value(value, part) for part in range(type_.parts)]
        elif isinstance(type_, types.Omitted):
            number, parts = result.number, [context.get_constant(result.number, type_.value)]
        arguments |= {f"{k}.{m}": context.cast(builder, part, number, result.number) for m, part in enumerate(parts)}
    slopes = _slopes(build, result.number, types_)
    return packed(builder, [y, *emit(in_dialect(builder), slopes, arguments, STORAGE[str(result.number)])])


class _ActivationCall:
    """A call of an activation, or of its grad, on duals."""

    def __init__(self, context, callee, given):
        owner, count = callee.owner, len(callee.owner.expressions.inputs)
        self.callee, self.options = callee, dict(zip(calls.OPTIONS[callee.kind], given[count:], strict=True))
        options = {name: calls.constant(owner, name, type_) for name, type_ in self.options.items()}
        (_, *wrt), _ = calls.plan(owner, callee.kind, **options)
        if callee.kind not in ("value", "grad") or (wrt and owner.compiler == "numba"):
            raise NotImplementedError(f"the derivative of {owner.name}.{callee.kind}() is not known")
        self.operands = given[:count]
        self.whole = None
        if owner.compiler == "numba":
            role = "on_gpu" if calls.on_gpu(context) else "dispatcher"
            self.whole = types.Dispatcher(_chained(owner, owner.expressions.derivative, self.operands, role)
                                          if owner.expressions.derivative else getattr(owner.expressions.value, role))
        self.build = functools.partial(owner.on_nodes, wrt=tuple(wrt))

    def of_numbers(self, context):
        """The signature of the same call on numbers."""
        return self.callee.get_call_type(context, _numbers(self.operands), self.options)


@functools.cache
def _chained(owner, derivative, given, role):
    """The chain rule over the derivative that is declared for an activation, as a function for arguments of these
    types.  A dual's last differentiation is taken by that; what is left of it, numbers or duals, is the activation's
    again."""
    live = [k for k, type_ in enumerate(given) if getattr(type_, "live", False)]
    fixed = all(getattr(type_, "fixed", True) for type_ in given)
    order = next(type_.order for type_ in given if isinstance(type_, DualType))
    names = [f"a{k}" for k in range(len(given))]
    low = ", ".join(f"low({name})" for name in names)
    slope = " + ".join(f"slopes[{k}] * high(a{k})" for k in live) or "0.0"
    lines = [f"def chained({', '.join(names)}):",
             f"    slopes = derivative({low}){',' * (len(names) == 1)}",
             f"    return joined(activation({low}), {slope})"]
    space = {"activation": owner, "derivative": getattr(derivative, role), "low": _low, "high": _high,
             "joined": _joining(order, bool(live), fixed)}
    exec("\n".join(lines), space)
    if role == "on_gpu":
        from numba import cuda
        return cuda.jit(device=True)(space["chained"])
    return njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(space["chained"])


def _half(type_):
    """The type of a dual with one differentiation less."""
    return type_.number if type_.order == 1 else DualType(type_.number, type_.order - 1, type_.live, type_.fixed)


@intrinsic
def _low(typing, dual):
    """A dual without its last differentiation; a number as it is."""
    def codegen(context, builder, sig, args):
        if not isinstance(dual, DualType):
            return args[0]
        parts = [builder.extract_value(args[0], k) for k in range(max(1, dual.parts // 2))]
        return parts[0] if dual.order == 1 else packed(builder, parts)
    return (_half(dual) if isinstance(dual, DualType) else types.unliteral(dual))(types.unliteral(dual)), codegen


@intrinsic
def _high(typing, dual):
    """What a dual with slopes has of its last differentiation."""
    def codegen(context, builder, sig, args):
        parts = [builder.extract_value(args[0], k) for k in range(dual.parts // 2, dual.parts)]
        return parts[0] if dual.order == 1 else packed(builder, parts)
    return _half(dual)(dual), codegen


def _joining(order, live, fixed):
    @intrinsic
    def joined(typing, low, high):
        """A dual of what `_low` and `_high` would give of it."""
        number = getattr(low, "number", low)

        def parts(context, builder, type_, value):
            dual = isinstance(type_, DualType)
            given = [builder.extract_value(value, k) for k in range(type_.parts)] if dual else [value]
            given = [context.cast(builder, part, getattr(type_, "number", type_), number) for part in given]
            return given + [given[0].type(0.0)] * (2**(order - 1) - len(given))

        def codegen(context, builder, sig, args):
            halves = [parts(context, builder, *each) for each in zip(sig.args, args, strict=True)]
            return packed(builder, halves[0] + halves[1] if live else halves[0][:1])
        return DualType(number, order, live, fixed)(low, high), codegen
    return joined


@lower_builtin(DualType, types.VarArg(types.Any))
def _activation(context, builder, sig, given):
    callee, *types_ = sig.args
    call = _ActivationCall(context.typing_context, callee, tuple(types_))
    count = len(call.operands)
    if call.whole:
        inner = call.whole.get_call_type(context.typing_context, call.operands, {})
        return context.get_function(call.whole, inner)(builder, _arguments(context, builder, given[1:count + 1],
                                                                           call.operands, inner.args))
    inner = call.of_numbers(context.typing_context)
    y = context.get_function(callee, inner)(builder, [given[0], *_values(builder, given[1:], types_)])
    return _with_slopes(context, builder, y, call.build, given[1:count + 1], call.operands, sig.return_type)


def _arguments(context, builder, given, types_, wanted):
    """Values as a signature wants them, which may gather the last ones in a tuple."""
    if wanted and isinstance(wanted[-1], types.StarArgTuple | types.StarArgUniTuple):
        n = len(wanted) - 1
        rest = _arguments(context, builder, given[n:], types_[n:], tuple(wanted[-1]))
        return [*_arguments(context, builder, given[:n], types_[:n], wanted[:n]),
                context.make_tuple(builder, wanted[-1], rest)]
    omitted = [context.get_constant_generic(builder, type_, type_.value) for type_ in wanted[len(given):]]
    return [context.cast(builder, *parts) for parts in zip(given, types_, wanted, strict=False)] + omitted


def _slopes(build, number, given):
    """The parts above the first, as trees, of what `build` makes of such arguments; None where it has no slopes.

    Part m of argument k is named k.m, the value y.
    """
    dtype, y = str(number), argument("y", str(number))
    value = build(*[argument(f"{k}.0", dtype) for k in range(len(given))])
    if value.kind != "float":
        return None
    fixed = [f"{k}.0" for k, type_ in enumerate(given) if getattr(type_, "fixed", True)]
    live = [k for k, type_ in enumerate(given) if getattr(type_, "live", False)]
    order = next(type_.order for type_ in given if isinstance(type_, DualType))
    parts = [value]
    for m in range(1, 2**order):
        bit = 1 << m.bit_length() - 1
        seeds = {f"{k}.{s}": argument(f"{k}.{s | bit}", dtype) for k in live for s in range(bit)}
        seeds |= {"y": parts[bit]} if m > bit else {}
        slope = None if parts[m ^ bit] is None else differential(parts[m ^ bit], seeds, fixed)
        if m == bit and slope is not None:       # what was computed already is not computed again
            slope, = rewritten((slope,), lambda node, args: y if node is value else with_operands(node, args))
        parts.append(slope)
    if live and all(part is None for part in parts[1:]):
        return None
    whole = expand([constant(0, "float", dtype) if part is None else part for part in parts[1:]])
    return everywhere(resolved(whole, EXACT))


def _teach_all():
    known = {function: build for function, build in (VOCABULARY | OPERATORS).items()
             if function not in OF_MORE and not isinstance(function, FunctionType)}
    known |= {function: known[plain] for function, plain in IN_PLACE.items()} | dict.fromkeys(STEPS)
    for function, build in known.items():
        teach(function, build)


_teach_all()


@overload_attribute(DualType, "real")
def _real(x):
    return lambda x: x


@overload(divmod)
def _divmod(x, y):
    return (lambda x, y: (x // y, x % y)) if isinstance(x, DualType) or isinstance(y, DualType) else None
