"""A row kernel on CuPy's arrays."""
import functools
import math

import numpy as np

from ...runtime import objects
from .. import cuda, layout
from ..cuda import ARRAY_NAME, Array, asarray, convert, cupy, wrapped  # noqa: F401, dispatch asks for it
from ..dtypes import storage_of
from ..ptx import MAX_DIMS, THREADS
from . import ptx
from .passes import partial_words

LONG = 2048                                  # elements; longer rows have a block
PIECE, BLOCKS = 4096, 1024                   # elements; a very long row has some blocks, each a piece of so many at
#                                              least; so many blocks fill an H100, more are not made
MANY = 1 << 14                               # rows, of which each may have a thread, side by side or short: with a warp
#                                              each, a million rows of ten take eight times as long as torch's


def broadcast(array, shape):
    """An array that repeats another one, or a number, which is moved to the device."""
    return cupy.broadcast_to(array if isinstance(array, Array) else cupy.asarray(array), shape)


def expanded(array, axis):
    """An array with one more axis, of one element."""
    return array.reshape(array.shape[:axis] + (1,) + array.shape[axis:])


def rowwise(kernel, arrays, out, shape, axis, dtype):
    """As on the CPU."""
    storage, device = storage_of(dtype), cuda.device_of(kernel, arrays)
    program = kernel.program(storage, keeps=False)
    of_row = shape[:axis] + (1,) + shape[axis + 1:]
    with cuda.on(device):
        axes = layout.axes(arrays[:len(kernel.inputs)], shape, "K")
        usable = [a is not None and a.dtype == dtype and not cuda.overlaps(a, arrays) for a in out]
        results = [given if use else cuda.empty(shape if along else of_row, dtype, axes)
                   for given, along, use in zip(out, program.along, usable, strict=True)]
        if math.prod(of_row):
            layouts = tuple([(a.shape, a.strides) for a in (*arrays, *results)])
            form, pieces, words = _plan(kernel, storage, shape, axis, layouts)
            function, blocks = _loaded(kernel, storage, form, device), -(-pieces * ptx.SHARING[form] // THREADS)
            for more in _launches(program, form, pieces):
                function((blocks,), (THREADS,), (*arrays, *results, *more, words))
        for given, result in zip(out, results, strict=True):
            if given is not None and given is not result:
                cuda.put(given, result)
        return tuple([r if given is None else given for given, r in zip(out, results, strict=True)])


def _launches(program, form, pieces):
    """What a kernel takes between the arrays and the plan, launch by launch."""
    if form != "parts":
        return [()]
    partial = cupy.empty(pieces * partial_words(program), np.float64)
    return [(partial, stage) for stage in range(program.passes + 1)]


@functools.cache
def _loaded(kernel, storage, form, device):
    name, text = ptx.module_text(kernel, storage, form)
    with objects.lock:
        return cuda.load(kernel.owner, (text,), name, lambda: text, device)


@functools.lru_cache(maxsize=1024)
def _plan(kernel, storage, shape, axis, layouts):
    """The form, how many pieces there are of all rows, and the plan's words."""
    steps = [layout.steps(*part, shape) for part in layouts]
    item, leader = storage.size, steps[-1]
    axes = sorted([d for d in range(len(shape)) if d != axis], key=lambda d: -abs(leader[d]))
    flat, outer = layout.coalesced([shape[d] for d in axes], [[s[d] for d in axes] for s in steps])
    if len(flat) > MAX_DIMS:
        raise ValueError(f"{kernel.owner}: arrays of so many dimensions that do not follow each other in memory are "
                         "not supported on a GPU; x.copy() has them in line")
    rows, n = math.prod(flat), shape[axis]
    abreast = steps[0][axis] != item and outer[0][-1] == item
    many, short = rows >= MANY, n <= ptx.WARP
    form = "one" if abreast + many + short > 1 else "warp" if n <= LONG else "block"
    pieces = 1
    if form == "block" and not kernel.program(storage, keeps=False).settling:
        pieces = max(1, min(n // PIECE, BLOCKS // rows, THREADS))
    form = "parts" if pieces > 1 else form
    words = ptx.PLAN.packed(rows=rows, length=n, pieces=pieces, share=-(-n // pieces), to_row=(flat, outer),
                            along=([n], [[s[axis]] for s in steps]))
    return form, rows * pieces, words
