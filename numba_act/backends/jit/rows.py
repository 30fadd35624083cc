"""A row function in compiled code: loops around the kernel of rows, which Numba links.

Its bits are those of the same call in plain Python.  Rows that lie abreast, and short ones, are computed as many at a
time as a vector has lanes; arrays of any layout are read where they lie.
"""
import functools
import inspect

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, errors, types
from numba.core.imputils import lower_builtin
from numba.core.typing import Signature
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array
from numba.np.numpy_support import as_dtype

from ...tree.storage import STORAGE
from ..dtypes import common_dtype
from ..rows import code
from ..rows.dispatch import axis_of, one_of
from ..signature import by_name
from . import witness
from .calls import ActivationType, on_gpu

LAST = inspect.Parameter.POSITIONAL_OR_KEYWORD
LEFT_OUT = "out", "dtype", "wrt"                 # options that compiled code has not
NUMBERS = types.Integer | types.Float | types.Boolean


class RowsType(ActivationType):
    """A row function in compiled code, or its `backward`."""

    def get_call_type(self, context, args, kws):
        try:
            given = self._arguments(args, dict(kws))
            if on_gpu(context):
                raise TypeError(f"{self.owner.name}: row functions are not compiled into kernels of @cuda.jit")
            call = RowCall(self, given)
        except (TypeError, ValueError) as error:
            raise errors.TypingError(str(error)) from None
        return Signature(call.result(context), given, self, self.signature)

    def get_impl_key(self, signature):
        return RowsType

    def _arguments(self, args, kws):
        given = by_name(self.owner.name, self._accepted, args, kws, " in compiled code").arguments.values()
        return tuple(a if isinstance(a, types.Type) else types.Omitted(a) for a in given)

    @functools.cached_property
    def _accepted(self):
        function = self.owner if self.kind == "value" else self.owner.backward
        known = inspect.signature(function).parameters.values()
        return inspect.Signature([p for p in known if p.name not in LEFT_OUT])

    @functools.cached_property
    def signature(self):
        """The same for Numba, which does not know what is accepted by keyword alone."""
        return inspect.Signature([p.replace(kind=LAST) for p in self._accepted.parameters.values()])


class RowCall:
    """A call of which all types are known."""

    def __init__(self, callee, given):
        self.owner, names = callee.owner, list(callee.signature.parameters)
        self.given = dict(zip(names, given, strict=True))
        if callee.kind == "value":
            kind = "value"
        else:
            kind = one_of(self.owner.name, *(name if self._has(name) else None for name in ("x", "y")))
        masks, once = (tuple(filter(self._has, options)) for options in (("where",), ("temperature", "sink")))
        self.plan = kind, masks, once
        self.kernel = self.owner.kernel(*self.plan)
        if self.kernel is None:
            called = f"{self.owner.name}{'.backward' * (callee.kind == 'backward')}"
            raise TypeError(f"{called} is not known in compiled code")
        self.places = [names.index(name) for name in self.kernel.operands]
        self.types = [types.unliteral(self.given[name]) for name in self.kernel.operands]
        self.inputs = self.types[:len(self.kernel.inputs)]
        self.dtype, ndim = self._dtype(), self.inputs[0].ndim
        self._check_options(ndim)
        axis = self._constant("axis", "axis=0")
        self.axis = axis_of(self.owner.name, self.kernel.inputs[0], axis, (0,) * ndim)
        self.keepdims = "keepdims" in self.given and self._constant("keepdims", "keepdims=True")

    def result(self, context):
        """The result's type."""
        return types.Dispatcher(self.loop).get_call_type(context, self.types, {}).return_type

    @property
    def loop(self):
        """The function to which the operands are handed."""
        layouts = {type_.layout for type_ in self.inputs}
        layout = layouts.pop() if len(layouts) == 1 and not self.kernel.masks else "A"
        ranks = tuple([type_.ndim if isinstance(type_, types.Array) else 0 for type_ in self.types])
        casts = tuple([as_dtype(type_.dtype) != self.dtype for type_ in self.inputs])
        return loop(self.kernel, ranks, self.axis, self.keepdims, layout, casts, self.dtype.type)

    def _has(self, name):
        """Whether an operand or an option is given, and not as what it is without."""
        type_ = self.given.get(name)
        return not (type_ in (None, types.none) or (isinstance(type_, types.Omitted) and type_.value in (None, 1)))

    def _dtype(self):
        names = self.kernel.inputs
        for name, type_ in zip(names, self.inputs, strict=True):
            if not (isinstance(type_, types.Array) and type_.ndim and isinstance(type_.dtype, NUMBERS)):
                raise TypeError(f"{self.owner.name}: {name} must be an array of numbers with an axis, not {type_}")
            if type_.ndim != self.inputs[0].ndim:
                raise TypeError(f"{self.owner.name}: {' and '.join(names)} must have one shape")
        dtype = common_dtype(self.kernel, [np.zeros((), as_dtype(type_.dtype)) for type_ in self.inputs])
        if dtype.itemsize == 2:
            raise TypeError(f"{self.owner.name}: Numba computes in float32 and float64, not in {dtype}; "
                            "cast the arrays")
        return dtype

    def _check_options(self, ndim):
        numbers = NUMBERS, "a number or an array of numbers"
        arrays = {"where": (types.Boolean, "an array of bool"), "gy": numbers, "sink": numbers}
        for name, type_ in [*zip(self.kernel.operands, self.types, strict=True)][len(self.inputs):]:
            numbers, accepted = arrays.get(name, (None, "a number"))
            if isinstance(type_, types.Array):
                fits = numbers and isinstance(type_.dtype, numbers) and type_.ndim <= ndim
            else:
                fits = name != "where" and isinstance(type_, NUMBERS)
            if not fits:
                most = f" of up to {ndim} axes" if name in arrays else ""
                raise TypeError(f"{self.owner.name}: {name} must be {accepted}{most}, not {type_}")

    def _constant(self, name, example):
        type_ = self.given[name]
        if isinstance(type_, types.Omitted):
            return type_.value
        if isinstance(type_, types.Literal):
            return type_.literal_value
        raise TypeError(f"{self.owner.name}: in compiled code {name} must be a constant, as {example}, not {type_}")


register_model(RowsType)(models.OpaqueModel)


@lower_builtin(RowsType, RowsType, types.VarArg(types.Any))
def _lower(context, builder, signature, values):
    callee, *given = signature.args
    call = RowCall(callee, tuple(given))
    context.environment.consts.append(witness.Witness(call.owner, call.plan, call.kernel, str(call.dtype)))
    inner = types.Dispatcher(call.loop).get_call_type(context.typing_context, call.types, {})
    ready = [values[1 + place] for place in call.places]
    return context.get_function(types.Dispatcher(call.loop), inner)(builder, ready)


# --- loops around the kernel ------------------------------------------------------------------------------------------
@functools.cache
def loop(kernel, ranks, axis, keepdims, layout, casts, number):
    """The compiled function of a kernel's operands.

    ranks : how many axes each has, 0 for a number
    casts : which of the inputs are cast before
    layout : C or F where all inputs have it and there is no mask, else A
    number : np.float32 or np.float64
    """
    ndim, options = ranks[0], _options(kernel, ranks, axis)
    if layout == "F":
        axis = ndim - 1 - axis
    storage = STORAGE[number.__name__]
    along, = kernel.program(storage).along
    names = [f"a{k}" for k in range(len(ranks))]
    arrays, elements = names[:len(kernel.inputs)], names[:len(kernel.inputs) + len(kernel.masks)]
    operands = [*names, "y"]
    turned = ".T" * (layout == "F")
    lengths = [f"n{d}" for d in range(ndim)]
    outer = [d for d in range(ndim) if d != axis]

    def rows(form, beside=None):
        """Loops over the rows, or over vectors of those that lie along the axis `beside`."""
        lines, depth = [], 0
        for d in outer:
            step = f"0, n{d}, LANES" if d == beside else f"n{d}"
            lines.append(f"{'    ' * depth}for i{d} in range({step}):")
            depth += 1
        index = ", ".join(":" if d == axis else f"i{d}:" if d == beside else f"i{d}" for d in range(ndim))
        turn = ".T" if beside is not None and beside < axis else ""
        columns = "1" if beside is None else f"min(LANES, n{beside} - i{beside})"
        views = ", ".join(f"{a}[{index}]{turn}" for a in operands)
        return [*lines, f"{'    ' * depth}{form}(n{axis}, {columns}, {views})"]
    body = rows("rows")
    if axis < ndim - 1:
        body = rows("columns", ndim - 1)
    elif outer:
        body = [f"if n{axis} < SHORT and n{axis} % LANES and n{outer[-1]} >= FEW:",
                *_indented(rows("short", outer[-1])), "else:", *_indented(body)]
    if layout == "A":
        unit = " and ".join(f"{a}.strides[-1] == {a}.itemsize" for a in elements)
        body = [f"if {unit}:", *_indented(body), "else:", *_indented(rows("strided"))]
    shape = ", ".join("1" if d == axis and not along else f"n{d}" for d in range(ndim))
    result = f"y.reshape(({''.join(f'n{d}, ' for d in outer)})){turned}" if outer else "y[0]"
    result = f"y{turned}" if along or keepdims else result
    same = [f"if a0.shape != {a}.shape:\n        raise ValueError(different)" for a in arrays[1:]]
    lines = [f"def loop({', '.join(names)}):",
             *[f"    {line}" for line in same],
             *[f"    {a} = {a}.astype(number)" for a, cast in zip(arrays, casts, strict=True) if cast],
             *[f"    {line}" for line in options],
             *[f"    {a} = {a}.T" for a in names if turned],
             f"    {', '.join(lengths)}, = a0.shape",
             f"    y = np.empty(({shape},), number)",
             *_indented(body),
             f"    return {result}"]
    known = {"np": np, "number": number, "LANES": code.lanes_of(storage), "SHORT": code.SHORT, "FEW": code.FEW,
             "different": f"{kernel.owner}: {' and '.join(kernel.inputs)} differ in shape",
             **{form: _kernel(kernel, storage, form) for form in ("rows", "strided", "columns", "short")}}
    exec("\n".join(lines), known)
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(known["loop"])


def _options(kernel, ranks, axis):
    """Lines that check a mask and the numbers of rows, and give them the shape of the first operand."""
    lines, ndim = [], ranks[0]
    for k, name in [*enumerate(kernel.operands)][len(kernel.inputs):]:
        array, of_row = f"a{k}", name in kernel.once
        if name == "gy" and ranks[k] == ndim - 1 > 0:            # the result without the axis
            lines.append(f"{array} = np.expand_dims({array}, {axis})")
            ranks = *ranks[:k], ndim, *ranks[k + 1:]
        if name == "temperature":
            lines += [f"if not 0 < {array} < np.inf:",
                      f"    raise ValueError({f'{kernel.owner}: temperature must be a positive number'!r})"]
        wrong = []
        for place, d in enumerate(range(ndim - ranks[k], ndim)):
            other = "" if of_row and d == axis else f" and {array}.shape[{place}] != a0.shape[{d}]"
            wrong.append(f"{array}.shape[{place}] != 1{other}")
        if wrong:
            shape = "one number a row" if of_row else f"the shape of {kernel.inputs[-1]}"
            lines += [f"if {' or '.join(wrong)}:",
                      f"    raise ValueError({f'{kernel.owner}: {name} does not broadcast to {shape}'!r})"]
        if of_row:
            lines.append(f"{array} = {array}.astype(number)" if ranks[k] else f"{array} = np.full(1, number({array}))")
        lines.append(f"{array} = np.broadcast_to({array}, a0.shape)")
    return lines


def _indented(lines):
    return ["    " + line for line in lines]


def _kernel(kernel, storage, form):
    """The call of a form of a kernel on views of a row, or of rows, along the first axis."""
    keeps = form == "rows" and all(kernel.program(storage).along)      # in the output

    @intrinsic
    def call(typing, length, columns, *views):
        def codegen(context, builder, signature, values):
            name, text = code.module_text(kernel, storage, form, keeps)
            context.active_code_library.add_llvm_module(llvm.parse_assembly(text))
            word, given = ir.IntType(64), cgutils.unpack_tuple(builder, values[2])
            pointers = cgutils.alloca_once(builder, word, len(given))
            steps = cgutils.alloca_once(builder, word, 2 * len(given))
            for k, (type_, value) in enumerate(zip(signature.args[2], given, strict=True)):
                view = make_array(type_)(context, builder, value)
                address = builder.ptrtoint(view.data, word)
                builder.store(address, builder.gep(pointers, [word(k)]))
                strides = cgutils.unpack_tuple(builder, view.strides)
                for which in range(2):
                    step = strides[which] if which < len(strides) else word(0)
                    builder.store(step, builder.gep(steps, [word(2 * k + which)]))
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [word] * 5), name)
            places = [builder.ptrtoint(array, word) for array in (pointers, steps)]
            builder.call(function, [*places, values[0], values[1], address])
            return context.get_dummy_value()
        return types.void(types.intp, types.intp, types.Tuple(views)), codegen
    return call
