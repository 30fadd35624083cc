"""A row kernel on CuPy's arrays."""
import functools
import math
from typing import NamedTuple

import numpy as np

from ...runtime import objects
from .. import cuda, layout
from ..cuda import ARRAY_NAME, Array, asarray, convert, cupy, wrapped  # noqa: F401, dispatch asks for it
from ..dtypes import storage_of
from ..ptx import MAX_DIMS, THREADS
from . import ptx
from .passes import partial_words

LONG = 2048                                  # elements; longer rows have a block
MANY = 1 << 14                               # rows, of which each may have a thread, side by side or short: with a warp
#                                              each, a million rows of ten take eight times as long as torch's
SECTOR = 32                                  # bytes, the least that is read; columns that fill it are read together
PIECE, BLOCKS = 4096, 1024                   # elements; a block with twice as many shares them with others, in pieces
#                                              of at least so many; so many blocks fill an H100, more are not made


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
        usable = [a is not None and a.dtype == dtype and not cuda.overlaps(a, arrays, along)
                  for a, along in zip(out, program.along, strict=True)]
        results = [given if use else cuda.empty(shape if along else of_row, dtype, axes)
                   for given, along, use in zip(out, program.along, usable, strict=True)]
        if math.prod(of_row):
            layouts = tuple([(a.shape, a.strides) for a in (*arrays, *results)])
            launch = _plan(kernel, storage, shape, axis, layouts)
            function = _loaded(kernel, storage, launch.form, launch.pieces > 1, device)
            for more in _stages(program, launch):
                function((launch.groups * launch.pieces,), (THREADS,), (*arrays, *results, *more, launch.words))
        for given, result in zip(out, results, strict=True):
            if given is not None and given is not result:
                cuda.put(given, result)
        return tuple([r if given is None else given for given, r in zip(out, results, strict=True)])


@functools.cache
def _loaded(kernel, storage, form, parts, device):
    name, text = ptx.module_text(kernel, storage, form, parts)
    with objects.lock:
        return cuda.load(kernel.owner, (text,), name, lambda: text, device)


def _stages(program, launch):
    """What a kernel takes between the arrays and the plan, launch by launch."""
    if launch.pieces == 1:
        return [()]
    partial = cuda.temporary(cupy.empty(launch.rows * launch.pieces * partial_words(program), np.float64))
    return [(partial, stage) for stage in range(program.passes + 1)]


class Launch(NamedTuple):
    """The form, how many rows, into how many groups and pieces they are shared out, and the plan's words."""
    form: str
    rows: int
    groups: int
    pieces: int
    words: np.ndarray


@functools.lru_cache(maxsize=1024)
def _plan(kernel, storage, shape, axis, layouts):
    """The launch for operands of these shapes and strides."""
    steps = [layout.steps(*part, shape) for part in layouts]
    item, leader = storage.size, steps[-1]
    axes = sorted([d for d in range(len(shape)) if d != axis], key=lambda d: -abs(leader[d]))
    flat, outer = layout.coalesced([shape[d] for d in axes], [[s[d] for d in axes] for s in steps])
    if len(flat) > MAX_DIMS:
        raise ValueError(f"{kernel.owner}: arrays of so many dimensions that do not follow each other in memory are "
                         "not supported on a GPU; x.copy() has them in line")
    rows, n = math.prod(flat), shape[axis]
    settling = kernel.program(storage, keeps=False).settling     # then each row has as many passes as it takes
    abreast = steps[0][axis] != item and outer[0][-1] == item
    many, short = rows >= MANY, n <= ptx.WARP
    if abreast + many + short > 1:
        form = "one"
    elif abreast and flat[-1] * item >= SECTOR and not settling:
        form = "columns"
    else:
        form = "warp" if n <= LONG else "block"
    together, pieces = THREADS // ptx.SHARING[form], 1
    groups = -(-rows // together)
    if form in ("block", "columns") and not settling:
        pieces = max(1, min(n * together // PIECE, BLOCKS // groups))
    words = ptx.PLAN.packed(rows=rows, length=n, pieces=pieces, share=-(-n // pieces), to_row=(flat, outer),
                            along=([n], [[s[axis]] for s in steps]))
    return Launch(form, rows, groups, pieces, words)
