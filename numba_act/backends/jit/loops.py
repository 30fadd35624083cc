"""A call on arrays: one loop over contiguous numbers, which vectorises, whatever the layout.

Arrays of the result's shape that lie in its order are computed where they are.  Others, strided or broadcast, are
copied block by block to where the cache holds them.
"""
import functools

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import load_item, make_array, store_item

BLOCK = 512                                      # numbers


@functools.cache
def loop(kernel, owner, called, single, ndims, layout, number):
    """The compiled function of arrays and numbers.

    called : the call of `owner` on numbers, as text with {} for the operands
    single : whether that gives one number, instead of a tuple of them
    ndims : of the operands; numbers have 0
    layout : C or F where all arrays have it and one ndim, else A
    number : np.float32 or np.float64
    """
    arrays = [k for k, ndim in enumerate(ndims) if ndim]
    results = range(kernel.n_outputs)
    every = ", ".join(f"a{k}" for k in arrays) + ","
    turned = ".T" * (layout == "F")

    def element(operand, place, result):
        """The statements that compute one element."""
        read = [f"number(item({operand}{k}, {place}))" if k in arrays else f"a{k}" for k in range(len(ndims))]
        return [f"value = {called.format(', '.join(read))}",
                *[f"put(y{k}, {result}, value{'' if single else f'[{k}]'})" for k in results]]

    in_place = ["for i in range(y0.size):", *_indented(1, element("a", "i", "i"))]
    axes = max(ndims) - 1                        # but the last, along which is copied
    index = ", ".join([*[f"i{axis}" for axis in range(axes)], "start + i"])
    by_blocks = [
        *[f"b{k} = np.empty(BLOCK, number)" for k in arrays],
        "filled = done = 0",
        *[f"{'    ' * axis}for i{axis} in range(shape[{axis}]):" for axis in range(axes)],
        *_indented(axes, [
            "start = 0",
            "while start < shape[-1]:",
            "    count = min(shape[-1] - start, BLOCK - filled)",
            *[f"    for i in range(count): put(b{k}, filled + i, number(item(a{k}, ({index},))))" for k in arrays],
            "    start += count",
            "    filled += count",
            "    if filled == BLOCK or done + filled == y0.size:",
            "        for i in range(filled):",
            *_indented(3, element("b", "i", "done + i")),
            "        done += filled",
            "        filled = 0"])]
    if layout == "A":
        body = by_blocks
    elif len(arrays) == 1:
        body = in_place
    else:
        body = [f"if alike(shape, {every}):", *_indented(1, in_place), "else:", *_indented(1, by_blocks)]
    lines = [f"def loop({', '.join(f'a{k}' for k in range(len(ndims)))}):",
             *[f"    a{k} = a{k}.T" for k in arrays if turned],
             f"    shape = broadcast({every})",
             *[f"    y{k} = np.empty(shape, number)" for k in results],
             *_indented(1, body),
             f"    return {', '.join(f'y{k}{turned}' for k in results)}{'' if single else ','}"]
    names = {"np": np, "owner": owner, "number": number, "BLOCK": BLOCK, "alike": _alike, "item": _item, "put": _put,
             "broadcast": _broadcasting(f"{owner.name}: the shapes of {', '.join(kernel.inputs)} do not broadcast")}
    exec("\n".join(lines), names)
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(names["loop"])


def _indented(depth, lines):
    return ["    " * depth + line for line in lines]


# --- what the loops are made of, without the checks of an index -------------------------------------------------------
def _broadcasting(message):
    @intrinsic
    def broadcast(typing, *arrays):
        """The shape to which arrays broadcast."""
        def codegen(context, builder, signature, values):
            arrays, = values
            one = context.get_constant(types.intp, 1)
            lengths = [one] * signature.return_type.count
            for type_, value in zip(signature.args[0], cgutils.unpack_tuple(builder, arrays), strict=True):
                shape = cgutils.unpack_tuple(builder, make_array(type_)(context, builder, value).shape)
                for axis, own in zip(range(-len(shape), 0), shape, strict=True):
                    length = lengths[axis]
                    free = builder.icmp_signed("==", length, one)
                    fits = builder.or_(free, builder.or_(builder.icmp_signed("==", own, one),
                                                         builder.icmp_signed("==", own, length)))
                    with builder.if_then(builder.not_(fits), likely=False):
                        context.call_conv.return_user_exc(builder, ValueError, (message,))
                    lengths[axis] = builder.select(free, own, length)
            return context.make_tuple(builder, signature.return_type, lengths)
        return types.UniTuple(types.intp, max(array.ndim for array in arrays))(types.Tuple(arrays)), codegen
    return broadcast


@intrinsic
def _alike(typing, shape, *arrays):
    """Whether arrays have this shape."""
    def codegen(context, builder, signature, values):
        lengths, same = cgutils.unpack_tuple(builder, values[0]), cgutils.true_bit
        for type_, value in zip(signature.args[1], cgutils.unpack_tuple(builder, values[1]), strict=True):
            own = cgutils.unpack_tuple(builder, make_array(type_)(context, builder, value).shape)
            for length, other in zip(lengths, own, strict=True):
                same = builder.and_(same, builder.icmp_signed("==", length, other))
        return same
    return types.boolean(shape, types.Tuple(arrays)), codegen


@intrinsic
def _item(typing, array, index):
    """An element by its index, a tuple, in the shape to which the array broadcasts; by a number, in memory."""
    def codegen(context, builder, signature, values):
        return load_item(context, builder, array, _place(context, builder, array, index, values))
    return array.dtype(array, index), codegen


@intrinsic
def _put(typing, array, index, value):
    """Write an element of a contiguous array by its place in memory."""
    def codegen(context, builder, signature, values):
        place = _place(context, builder, array, index, values)
        store_item(context, builder, array, context.cast(builder, values[2], value, array.dtype), place)
    return types.void(array, index, value), codegen


def _place(context, builder, array, index, values):
    own, size = make_array(array)(context, builder, values[0]), context.get_constant
    if not isinstance(index, types.BaseTuple):
        return builder.gep(own.data, [context.cast(builder, values[1], index, types.intp)])
    offset = zero = size(types.intp, 0)
    lengths, strides = (cgutils.unpack_tuple(builder, t) for t in (own.shape, own.strides))
    indices = cgutils.unpack_tuple(builder, values[1])[-array.ndim:]
    for length, stride, i, type_ in zip(lengths, strides, indices, index.types[-array.ndim:], strict=True):
        step = builder.select(builder.icmp_signed("==", length, size(types.intp, 1)), zero, stride)
        offset = builder.add(offset, builder.mul(step, context.cast(builder, i, type_, types.intp)))
    bytes_ = builder.gep(builder.bitcast(own.data, ir.IntType(8).as_pointer()), [offset])
    return builder.bitcast(bytes_, own.data.type)
