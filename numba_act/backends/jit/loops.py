"""A call on arrays: one loop over contiguous numbers, which vectorises, whatever the layout.

Rows that are contiguous are computed where they are, as one where all arrays lie in the result's order; one array may
have a single number for each row, what follows from that alone is then computed once a row.  What else is strided,
short, or broadcast along the row is copied, block by block, to where the cache holds it.
"""
import functools

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import load_item, make_array, store_item

from ...tree.node import in_order
from ...tree.storage import STORAGE

BLOCK = 512                                      # numbers
ROW = 8                                          # below, blocks of several rows are faster,
CHEAP = 30                                       # but for a kernel of so few nodes, or of one that is no tree


@functools.cache
def loop(kernel, owner, called, single, ndims, layout, number):
    """The compiled function of arrays and numbers.

    called : the call of `owner` on numbers, as text with {} for each operand
    single : whether that gives one number, instead of a tuple of them
    ndims : of the operands; numbers have 0
    layout : C or F where all arrays have it and one ndim, else A
    number : np.float32 or np.float64
    """
    arrays = [k for k, ndim in enumerate(ndims) if ndim]
    results = range(kernel.n_outputs)
    every = ", ".join(f"a{k}" for k in arrays)
    turned = ".T" * (layout == "F")
    *outer, last = [f"n{axis}" for axis in range(max(ndims))]

    def element(operand, index, fixed=None):
        """The statements that compute one element; `fixed` is the array of one number a row, which is read."""
        read = [f"number(item({operand}{k}, ({index},)))" if k in arrays and k != fixed else
                f"a{k}" if k != fixed else "once" for k in range(len(ndims))]
        return [f"value = {called.format(*read)}",
                *[f"put(y{k}, done + i, value{'' if single else f'[{k}]'})" for k in results]]

    def rows(index, body):
        """Loops over all axes but the last around the statements of a row."""
        heads = [f"{'    ' * axis}for i{axis} in range({length}):" for axis, length in enumerate(outer)]
        return heads + _indented(len(outer), body(", ".join([*[f"i{axis}" for axis in range(len(outer))], index])))

    in_place = rows("i", lambda index: [
        f"for i in range({last}):", *_indented(1, element("a", index)),
        f"done += {last}"])

    def with_single(k):
        others = ", ".join(f"a{j}" for j in arrays if j != k)
        return [f"elif a{k}.shape[-1] == 1 and in_rows(shape, {others}) and {last} >= ROW:", *_indented(1, rows(
            "i", lambda index: [f"once = number(item(a{k}, ({index.removesuffix('i')}0,)))", f"for i in range({last}):",
                                *_indented(1, element("a", index, k)), f"done += {last}"]))]
    singles = [line for k in arrays if len(arrays) > 1 for line in with_single(k)]
    by_blocks = [f"b{k} = np.empty(BLOCK, number)" for k in arrays] + ["filled = 0"] + rows("start", lambda index: [
        "start = 0",
        f"while start < {last}:",
        f"    count = min({last} - start, BLOCK - filled)",
        *[f"    copy(b{k}, filled, count, a{k}, ({index},))" for k in arrays],
        "    start += count",
        "    filled += count",
        "    if filled == BLOCK or done + filled == y0.size:",
        "        for i in range(filled):",
        *_indented(3, element("b", "i")),
        "        done += filled",
        "        filled = 0"])
    as_one_row = f"{', '.join([*outer, last])} = {'1, ' * len(outer)}y0.size"
    contiguous = f"in_rows(shape, {every}) and {last} >= ROW"
    if layout == "A":
        body = [f"if {contiguous}:", *_indented(1, in_place), *singles, "else:", *_indented(1, by_blocks)]
    elif len(arrays) == 1:
        body = [as_one_row, *in_place]
    else:
        body = [f"as_one = alike(shape, {every})", "if as_one:", f"    {as_one_row}",
                f"if as_one or {contiguous}:", *_indented(1, in_place), *singles, "else:", *_indented(1, by_blocks)]
    lines = [f"def loop({', '.join(f'a{k}' for k in range(len(ndims)))}):",
             *[f"    a{k} = a{k}.T" for k in arrays if turned],
             f"    shape = {', '.join([*outer, last])}, = broadcast({every})",
             *[f"    y{k} = np.empty(shape, number)" for k in results],
             "    done = 0",
             *_indented(1, body),
             f"    return {', '.join(f'y{k}{turned}' for k in results)}{'' if single else ','}"]
    names = {"np": np, "owner": owner, "number": number, "BLOCK": BLOCK, "ROW": 1 if _is_cheap(kernel, number) else ROW,
             "alike": _alike, "in_rows": _in_rows, "item": _item, "put": _put, "copy": _copy,
             "broadcast": _broadcasting(f"{owner.name}: the shapes of {', '.join(kernel.inputs)} do not broadcast")}
    exec("\n".join(lines), names)
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(names["loop"])


def _is_cheap(kernel, number):
    return bool(kernel.calls) or len(in_order(kernel.trees(STORAGE[number.__name__]))) <= CHEAP


def _indented(depth, lines):
    return ["    " * depth + line for line in lines]


# --- what the loops are made of, without the checks of an index -------------------------------------------------------
def _broadcasting(message):
    @intrinsic
    def broadcast(typing, *arrays):
        """The shape to which arrays broadcast."""
        def codegen(context, builder, signature, values):
            one = context.get_constant(types.intp, 1)
            lengths = [one] * signature.return_type.count
            for array in _parts(context, builder, signature.args[0], values[0]):
                for axis, own in zip(range(-len(array.lengths), 0), array.lengths, strict=True):
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
        for array in _parts(context, builder, signature.args[1], values[1]):
            for length, own in zip(lengths, array.lengths, strict=True):
                same = builder.and_(same, builder.icmp_signed("==", length, own))
        return same
    return types.boolean(shape, types.Tuple(arrays)), codegen


@intrinsic
def _in_rows(typing, shape, *arrays):
    """Whether arrays are contiguous along the last axis, and as long."""
    def codegen(context, builder, signature, values):
        length, same = cgutils.unpack_tuple(builder, values[0])[-1], cgutils.true_bit
        for array in _parts(context, builder, signature.args[1], values[1]):
            same = builder.and_(same, builder.icmp_signed("==", length, array.lengths[-1]))
            same = builder.and_(same, builder.icmp_signed("==", array.itemsize, array.strides[-1]))
        return same
    return types.boolean(shape, types.Tuple(arrays)), codegen


@intrinsic
def _item(typing, array, index):
    """An element, by its index in the shape to which the array broadcasts, of a row that is contiguous."""
    def codegen(context, builder, signature, values):
        own, indices = _Array(context, builder, array, values[0]), cgutils.unpack_tuple(builder, values[1])
        return load_item(context, builder, array, builder.gep(own.row(indices[:-1]), [indices[-1]]))
    return array.dtype(array, types.UniTuple(types.intp, index.count)), codegen


@intrinsic
def _put(typing, array, index, value):
    """Write an element of a contiguous array, by its place in memory."""
    def codegen(context, builder, signature, values):
        own = _Array(context, builder, array, values[0])
        store_item(context, builder, array, values[2], builder.gep(own.data, [values[1]]))
    return types.void(array, types.intp, array.dtype), codegen


@intrinsic
def _copy(typing, block, at, count, array, index):
    """Write numbers of an array's row, from an index on, to block[at:at + count]."""
    def codegen(context, builder, signature, values):
        own, indices = _Array(context, builder, array, values[3]), cgutils.unpack_tuple(builder, values[4])
        step, to = own.step(-1), builder.gep(_Array(context, builder, block, values[0]).data, [values[1]])
        start = own.moved(own.row(indices[:-1]), builder.mul(step, indices[-1]))

        def from_places(place):
            with cgutils.for_range(builder, values[2]) as loop:
                value = load_item(context, builder, array, place(loop.index))
                value = context.cast(builder, value, array.dtype, block.dtype)
                store_item(context, builder, block, value, builder.gep(to, [loop.index]))

        # loops of which the step is known are vectorised
        with builder.if_else(builder.icmp_signed("==", step, own.itemsize)) as (contiguous, otherwise):
            with contiguous:
                from_places(lambda i: builder.gep(start, [i]))
            with otherwise, builder.if_else(builder.icmp_signed("==", step, step.type(0))) as (repeated, strided):
                with repeated:
                    from_places(lambda i: start)
                with strided:
                    from_places(lambda i: own.moved(start, builder.mul(step, i)))
    intp = types.intp
    return types.void(block, intp, intp, array, types.UniTuple(intp, index.count)), codegen


class _Array:
    """An array in LLVM."""

    def __init__(self, context, builder, type_, value):
        own = make_array(type_)(context, builder, value)
        self.builder, self.data, self.itemsize = builder, own.data, own.itemsize
        self.lengths, self.strides = (cgutils.unpack_tuple(builder, t) for t in (own.shape, own.strides))

    def step(self, axis):
        """Bytes from one number to the next; none along what is broadcast."""
        length, stride = self.lengths[axis], self.strides[axis]
        return self.builder.select(self.builder.icmp_signed("==", length, length.type(1)), stride.type(0), stride)

    def row(self, outer):
        """The address of a row, by its index in the shape to which the array broadcasts."""
        axes = range(-len(self.lengths), -1)
        steps = [self.builder.mul(self.step(axis), outer[axis + 1]) for axis in axes]
        return functools.reduce(self.moved, steps, self.data)

    def moved(self, address, bytes_):
        start = self.builder.bitcast(address, ir.IntType(8).as_pointer())
        return self.builder.bitcast(self.builder.gep(start, [bytes_]), self.data.type)


def _parts(context, builder, types_, values):
    """A tuple of arrays, one by one."""
    values = cgutils.unpack_tuple(builder, values)
    return [_Array(context, builder, type_, value) for type_, value in zip(types_, values, strict=True)]
