"""A row kernel on NumPy's arrays."""
import ctypes
import functools
import math

import numpy as np

from ...runtime import driver, failures, outputs, threads
from .. import cpu_ufunc, layout
from ..cpu import ARRAY_NAME, Array, asarray, convert, launcher, same_place, wrapped  # noqa: F401, dispatch asks for it
from ..dtypes import storage_of
from .code import ABREAST, FEW, SHORT, lanes_of, piece_of, record_of
from .passes import partial_words

BESIDE = 1 << 10                             # elements of rows abreast that are kept, a vector each: 64 KB
TALL = 64                                    # elements of rows of which several vectors are read at a time
OUTSIDE = 4                                  # what fills more than such a part of a row's room is better kept where the
#                                              output will be: 50,257 float32 numbers in two thirds of the time
LONG = 8                                     # pieces; threads share such a row, where there are more of them than rows


def broadcast(array, shape):
    """An array that repeats another one."""
    return np.broadcast_to(array, shape)


def expanded(array, axis):
    """An array with one more axis, of one element."""
    return np.expand_dims(array, axis)


def rowwise(kernel, arrays, out, shape, axis, dtype):
    """The kernel's outputs, as a tuple, for operands that broadcast to the shape, to that with one element along the
    axis if they are given once a row.  `out` has None for what is made."""
    storage = storage_of(dtype)
    program = kernel.program(storage)
    arrays = [a if a.flags.aligned and a.dtype.isnative else a.astype(a.dtype.newbyteorder("=")) for a in arrays]
    of_row = shape[:axis] + (1,) + shape[axis + 1:]
    shapes = [shape if program.along[k] else of_row for k in range(len(program.outputs))]
    axes = layout.axes(arrays[:len(kernel.inputs)], shape, "K")
    results = [given if given is not None and _usable(given, dtype, arrays, along) else outputs.empty(s, dtype, axes)
               for s, given, along in zip(shapes, out, program.along, strict=True)]
    if math.prod(of_row):
        layouts = tuple([(a.shape, a.strides) for a in (*arrays, *results)])
        plan, cost, partial = plan_of(kernel, storage, shape, axis, layouts, _in_place(arrays, results))
        if cost >= threads.MIN_WORK:
            threads.start()
        failures.called(kernel.owner, _run, plan, partial, (*arrays, *results))
    for given, result in zip(out, results, strict=True):
        if given is not None and given is not result:
            np.copyto(given, result, casting="unsafe")
    return tuple([r if given is None else given for given, r in zip(out, results, strict=True)])


def prepared(kernel, shape, axis, dtype):
    """The kernel as a function of its one or two operands, C-contiguous arrays of a dtype, of that shape or with a
    number for each row."""
    storage, item = storage_of(dtype), dtype.itemsize
    along, = kernel.program(storage).along
    of_row = shape[:axis] + (1,) + shape[axis + 1:]
    result = shape if along else shape[:axis] + shape[axis + 1:]
    shapes = *[shape] * len(kernel.inputs), *[of_row] * len(kernel.once), shape if along else of_row
    layouts = tuple([(s, tuple([item * math.prod(s[d + 1:]) for d in range(len(s))])) for s in shapes])
    plan, cost, partial = plan_of(kernel, storage, shape, axis, layouts, False)
    if cost >= threads.MIN_WORK:
        threads.start()
    job, launch, small = np.array(plan, np.intp), _copying_launcher(), math.prod(result) * item < outputs.LEAST_BYTES
    if small and along and not (kernel.once or partial):     # a call takes 0.5 us, by ctypes 0.8
        return cpu_ufunc.of_one_loop(kernel.name, len(kernel.inputs), dtype, driver.load().entry_of_rows, job)
    empty = np.empty if small else outputs.empty

    def of_one(x):
        y = empty(result, dtype)
        launch((job, x, y))
        return y if result else y[()]

    def of_two(first, second):
        gx = empty(result, dtype)
        launch((job, first, second, gx))
        return gx

    def shared(*arrays):
        y = empty(result, dtype)
        _run(plan, partial, (*arrays, y))
        return y if result else y[()]
    return shared if partial else of_one if len(kernel.operands) == 1 else of_two


def _run(plan, partial, arrays):
    """Run a copy of a plan on arrays, with so many words for what is gathered over pieces."""
    job, gathered = driver.of_arrays(plan, arrays), np.empty(partial)
    job[driver.PARTIAL] = gathered.ctypes.data
    launcher()(job)


@functools.cache
def _copying_launcher():
    return ctypes.CFUNCTYPE(None, ctypes.py_object)(driver.load().launch_copy)


def _usable(out, dtype, arrays, along):
    """Whether results may be written where they are wanted; who shares a row may read what it has one number of after
    another has written the row's result."""
    return out.flags.aligned and out.dtype == dtype and out.dtype.isnative and all(
        step or n == 1 for step, n in zip(out.strides, out.shape, strict=True)) and not any(
        np.may_share_memory(out, a) and not (along and same_place(out, a)) for a in arrays)


def _in_place(arrays, results):
    """Whether a result lies where an operand does."""
    return any(np.may_share_memory(r, a) for r in results for a in arrays)


@functools.lru_cache(maxsize=1024)
def plan_of(kernel, storage, shape, axis, layouts, in_place):
    """The job for operands of these shapes and strides, without their addresses, what it costs, and how many words it
    takes for what is gathered over pieces."""
    program, n, lanes = kernel.program(storage), shape[axis], lanes_of(storage)
    names = [*kernel.operands, *range(len(program.outputs))]
    steps = [layout.steps(*part, shape) for part in layouts]
    items = [kernel.item(name, storage) for name in names]
    of_elements = [k for k, name in enumerate(names) if name in (*kernel.inputs, *kernel.masks)
                   or (isinstance(name, int) and program.along[name])]
    along, leader = [s[axis] for s in steps], steps[of_elements[-1]]
    axes = sorted([d for d in range(len(shape)) if d != axis], key=lambda d: -abs(leader[d]))
    flat, outer = layout.coalesced([shape[d] for d in axes], [[s[d] for d in axes] for s in steps])
    across = [s[-1] for s in outer]
    abreast, together = (all(s[k] == items[k] for k in of_elements) for s in (across, along))
    form = _form(kernel, storage, n, flat, abreast, together)
    columns, room = 1 << 62, driver.KEPT_BYTES // (64 // lanes)
    if form in ABREAST:
        columns, room, lanes = flat[-1], BESIDE, lanes_of(storage, form)
        flat, outer = [*flat[:-1], -(-columns // lanes)], [[*s[:-1], s[-1] * lanes] for s in outer]
    kept_in = 0
    if n > room // OUTSIDE and form in ("rows", "parts") and storage.name == storage.working and not in_place:
        kept_in = next((k for k in of_elements if isinstance(names[k], int)), 0)
    record = record_of(kernel, storage, form, bool(program.kept) and (n <= room or kept_in > 0))
    operands = [{driver.ALONG: a, driver.ACROSS: b, driver.STEPS: s}
                for a, b, s in zip(along, across, outer, strict=True)]
    job = driver.job({driver.RECORD: record.ctypes.data, driver.SIZE: math.prod(flat), driver.NDIM: len(flat),
                      driver.LENGTH: n, driver.COLUMNS: columns,
                      driver.KEPT_IN: kept_in, driver.SHAPE: flat}, operands)
    partial = -(-n // piece_of(storage)) * partial_words(program) if form == "parts" else 0
    return job, math.prod(flat) * n * record.item(driver.COST), partial


def _form(kernel, storage, n, flat, abreast, together):
    """The form for rows of n elements, whose walk has these lengths: `abreast` says that rows lie side by side, and
    `together` that the elements of each follow each other."""
    program = kernel.program(storage)
    if flat[-1] >= FEW and abreast:
        groups = math.prod(flat[:-1]) * (flat[-1] // lanes_of(storage, "wide"))
        tall = n >= TALL and groups >= threads.processors() and len(kernel.inputs) > 1
        return "wide" if tall and not (program.kept or program.settling) else "columns"
    if flat[-1] >= FEW and n < SHORT and n % lanes_of(storage):
        return "short"
    if not together:
        return "strided"
    shared = n > (LONG - 1) * piece_of(storage) and math.prod(flat) < threads.processors()
    return "parts" if shared and not program.settling else "rows"
