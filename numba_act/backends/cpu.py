"""The CPU backend: a kernel as a threaded n-d call, and summed over broadcast axes."""
import ctypes
import functools
import math
from typing import NamedTuple

import numpy as np

from ..runtime import driver, failures, outputs, threads
from ..tree.storage import STORAGE
from . import layout
from .cpu_code import cast as cast_function
from .cpu_code import castable, record_of
from .cpu_ufunc import ensure, loop
from .dtypes import storage_of
from .philox import LANES, philox

Array, ARRAY_NAME = np.ndarray, "NumPy"
CAST_BYTES = 1 << 20                         # an operand that takes less is cast whole
DRAWN = 1 << 13                              # blocks of random numbers made at once: 64 KiB an array
LARGE = 2.0 ** 15                            # no dtype is exceeded below
SUM_TASKS = 64                               # the split of a sum depends on the shapes only
SUM_GRAIN = 16 * driver.BLOCK


# --- what dispatch asks of a backend ----------------------------------------------------------------------------------
def wrapped(kernel, operands):
    """The operands, arrays of other libraries as this one's."""
    return operands


def asarray(kernel, name, operand):
    """An operand as an array."""
    return np.asarray(operand)


def cast(array, dtype):
    """An operand in the dtype of the result; a large one is left as it is, for the driver casts it block by block."""
    if array.size * dtype.itemsize <= CAST_BYTES:
        return array.astype(dtype, order="K")
    small = array[tuple([slice(0, 1) if step == 0 else slice(None) for step in array.strides])]
    if small.size * dtype.itemsize > CAST_BYTES and castable(array.dtype):
        return array
    return np.broadcast_to(small.astype(dtype, order="K"), array.shape)


def convert(array, dtype):
    """A copy in another dtype."""
    return array.astype(dtype)


def beside(array, x):
    """An array of NumPy's or CuPy's, or a number, which is a float64, as an array of NumPy's, as x is."""
    if hasattr(array, "__cuda_array_interface__"):
        return array.get()
    return np.asarray(array, None if hasattr(array, "dtype") else np.float64)


def as_scalar(result):
    """The result of a call on numbers only."""
    return result[()]


def masked(kernel, arrays, out, where, casting, order, dtype):
    """The kernel's outputs where a mask holds, or in another dtype: by NumPy's own machinery."""
    out = (None,) * kernel.n_outputs if out is None else out       # said, so that NumPy does not ask for it
    with np.errstate(all="ignore"):              # for NumPy's cast to a narrower output
        results = ensure(kernel, dtype)(*arrays, out=out, where=where, casting=casting, order=order,
                                        dtype=dtype)
    return results if isinstance(results, tuple) else (results,)


# --- n-d calls --------------------------------------------------------------------------------------------------------
def call(kernel, arrays, out=None, order="K", dtype=None):
    """The kernel's outputs, as a tuple, for operands that broadcast.  Scalars for 0-d, as NumPy does.

    The operands have one dtype, or one is named, to which `cast` has brought them or left them to the driver.
    """
    own, dtype = dtype is None or all(a.dtype == dtype for a in arrays), dtype or arrays[0].dtype
    function, cost = loop(kernel, dtype)
    shape, size = layout.common_shape(arrays)
    results = None
    if size * cost >= threads.MIN_WORK or not own:
        threads.start()
        given = (None,) * kernel.n_outputs if out is None else out
        if own and order in "KC" and _flat((*arrays, *[a for a in given if a is not None]), shape):
            out = tuple([outputs.empty(shape, dtype) if a is None else a for a in given])
        else:
            results = _run(kernel, arrays, shape, given, order, dtype)
    if results is None:                      # keywords cost 0.2 us, as much as a small kernel
        options = ({} if order == "K" else {"order": order}) | ({} if own else {"dtype": dtype, "casting": "unsafe"})
        results = function(*arrays, **options) if out is None else function(*arrays, out=out, **options)
    return results if type(results) is tuple else (results,)


def _flat(arrays, shape):
    """Whether NumPy sees one dimension, which it can hand to the driver as well as we can."""
    return all(a.ndim == 0 or (a.shape == shape and a.flags.c_contiguous and a.flags.aligned) for a in arrays)


def _run(kernel, arrays, shape, out, order, dtype):
    """The outputs by the n-d driver, or None where NumPy's own machinery is needed."""
    given = [a for a in out if a is not None]
    if not all(_usable(a, shape, dtype) for a in given) or _overlap(arrays, given):
        return None
    axes = layout.axes(arrays, shape, order)
    results = tuple(outputs.empty(shape, dtype, axes) if a is None else a for a in out)
    return results if _launch(kernel, arrays, results, shape, dtype) else None


def _usable(out, shape, dtype):
    """Whether the driver may write to a given output."""
    return (type(out) is np.ndarray and out.shape == shape and out.dtype == dtype and out.flags.writeable
            and out.flags.aligned and all(step or n == 1 for step, n in zip(out.strides, shape, strict=True)))


def _overlap(arrays, given):
    """Whether an output shares memory with another, or with an input other than element by element."""
    for k, out in enumerate(given):
        if any(np.may_share_memory(out, other) for other in given[:k]):
            return True
        for array in arrays:
            if not same_place(out, array) and np.may_share_memory(out, array):
                return True
    return False


def same_place(a, b):
    """Whether arrays of one dtype share their memory element by element."""
    return (address(a), a.shape, a.strides) == (address(b), b.shape, b.strides)


def address(array):
    """Where an array's elements begin: the first word of NumPy's own after the head of a Python object."""
    return ctypes.c_ssize_t.from_address(id(array) + object.__basicsize__).value


def _launch(kernel, arrays, results, shape, dtype):
    """Run a job; False if it has too many dimensions."""
    layouts, others = _lie((*arrays, *results), dtype)
    plan = _plan(kernel, storage_of(dtype), shape, layouts, others)
    if plan is None:
        return False
    failures.called(kernel.owner, launcher(), driver.of_arrays(plan, (*arrays, *results)))
    return True


def _lie(arrays, dtype):
    """How arrays lie, and where they must be cast to a dtype, or only brought into line, theirs."""
    return (tuple([(a.shape, a.strides) for a in arrays]),
            tuple([None if a.dtype == dtype and a.flags.aligned else a.dtype for a in arrays]))


@functools.lru_cache(maxsize=1024)
def _plan(kernel, storage, shape, layouts, others, sums=(), tasks=0, grain=0):
    """The job for operands of these shapes and strides, without their addresses; None for too many dimensions.

    others : the dtypes of inputs that must be cast, or only brought into line, block by block
    sums : which results are rows of accumulators, one for each of so many tasks
    """
    n_in, item = len(kernel.inputs), storage.size
    record = record_of(kernel, storage, frozenset(sums))
    rows = {n_in + j: 8 * math.prod(layouts[n_in + j][0][1:]) for j in sums}
    layouts = [(s[1:], steps[1:]) if k in rows else (s, steps) for k, (s, steps) in enumerate(layouts)]
    steps = [layout.steps(*part, shape) for part in layouts]
    leader = next((steps[k] for k in range(n_in, len(steps)) if k not in rows), steps[0])
    axes = sorted(range(len(shape)), key=lambda d: -abs(leader[d]))
    flat, steps = layout.coalesced([shape[d] for d in axes], [[s[d] for d in axes] for s in steps])
    if len(flat) > driver.MAX_DIMS:
        return None
    uniform = bool(record[driver.UNIFORM]) and not any(
        any(steps[k]) or others[k] for k, name in enumerate(kernel.inputs) if name in kernel.parameters)
    gapless = [item * math.prod(flat[d + 1:]) for d in range(len(flat))]
    operands = []
    for k, s in enumerate(steps):
        period = _period(flat, s)
        other = others[k] if k < n_in else None
        mode = driver.LINEAR if (s == gapless or flat == [1]) and not other else driver.STAGED
        if k in rows:
            mode = driver.REDUCED
        elif k < n_in and uniform and kernel.inputs[k] in kernel.parameters:
            mode = driver.VALUE
        elif k < n_in and mode == driver.STAGED and period <= driver.BLOCK:
            mode = driver.CYCLE
        operands.append({driver.ITEM: STORAGE[storage.working].size if k in rows else item, driver.MODE: mode,
                         driver.ROW: rows.get(k, 0), driver.PERIOD: period, driver.STEPS: s,
                         driver.CAST: cast_function(other, storage) if other else 0,
                         driver.CAST_ITEM: other.itemsize if other else 0})
    return driver.job({driver.RECORD: record.ctypes.data, driver.SIZE: math.prod(flat), driver.NDIM: len(flat),
                       driver.TASKS: tasks, driver.GRAIN: grain, driver.ALL_UNIFORM: uniform, driver.SHAPE: flat},
                      operands)


def _period(flat, steps):
    """After how many elements of the flattened index space an operand repeats."""
    outer = 0
    while outer < len(flat) and steps[outer] == 0:
        outer += 1
    return math.prod(flat[outer:])


@functools.cache
def launcher():
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(driver.load().launch_arrays)


# --- random numbers ---------------------------------------------------------------------------------------------------
def drawn(kernel, x, operands, shape, key):
    """The kernel's result, in the dtype of x, of operands and, as its last input, random numbers from 0 to 1.

    It computes in float64.  Number i in C order is word i % 4 of what Philox gives for i // 4 and the key, two words.
    """
    count = math.prod(shape)
    words = np.empty((-(-count // LANES), LANES))
    for start in range(0, len(words), DRAWN):
        index = np.arange(start, min(start + DRAWN, len(words)), dtype=np.uint64)
        for lane, word in enumerate(philox(index, key)):
            words[start:start + DRAWN, lane] = word
    uniform = words.ravel()[:count].reshape(shape) * 2.0**-32
    result, = call(kernel, [*[o.astype(np.float64) for o in operands], uniform])
    return result.astype(x.dtype)


# --- sums over broadcast axes -----------------------------------------------------------------------------------------
def reduce(kernel, arrays, targets, dtype=None):
    """The kernel's outputs, each summed to the shape in `targets`, or whole where that is None.

    Sums are taken in float64 and do not depend on the number of threads.  Dtypes are as in `call`.
    """
    dtype = dtype or arrays[0].dtype
    how = _summing(kernel, dtype, *_lie(arrays, dtype), tuple(targets))
    if how.plan is None:
        return _reduced_by_numpy(kernel, arrays, how.targets, dtype)
    if how.work >= threads.MIN_WORK:
        threads.start()
    results = how.room(dtype)
    failures.called(kernel.owner, launcher(), driver.of_arrays(how.plan, (*arrays, *results)))
    return tuple([r if t is None else _rounded(r[0] if how.tasks == 1 else r.sum(axis=0), dtype)
                  for r, t in zip(results, how.targets, strict=True)])


class _Sums(NamedTuple):
    """How a kernel's outputs are summed: to the targets, None where they stay whole; by a job, None where NumPy does
    it; and what it costs."""
    shape: tuple
    axes: tuple
    targets: tuple
    tasks: int
    work: int = 0
    plan: object = None

    def room(self, dtype):
        """Where the results go: accumulators for each task, or an output as it is."""
        return [outputs.empty(self.shape, dtype, self.axes) if t is None else np.zeros((self.tasks, *t))
                for t in self.targets]


@functools.lru_cache(maxsize=1024)
def _summing(kernel, dtype, layouts, others, targets):
    """_Sums for operands that lie so."""
    _, cost = loop(kernel, dtype)
    shape = np.broadcast_shapes(*[s for s, _ in layouts])
    size, targets = math.prod(shape), tuple([None if t == shape else t for t in targets])
    summed = tuple([j for j, t in enumerate(targets) if t is not None])
    if not summed or not size:
        return _Sums(shape, None, targets, 0)
    tasks, grain = _split(size, sum(math.prod(targets[j]) for j in summed))
    how = _Sums(shape, layout.walked(layouts, shape), targets, tasks, size * cost)
    places, _ = _lie(how.room(dtype), dtype)
    return how._replace(plan=_plan(kernel, storage_of(dtype), shape, layouts + places, others, summed, tasks, grain))


def _split(size, sums):
    """In how many tasks of how many elements so many sums are taken."""
    tasks = max(1, min(SUM_TASKS, size // SUM_GRAIN, size // (4 * sums)))
    grain = -(-size // (tasks * driver.BLOCK)) * driver.BLOCK
    return -(-size // grain), grain


def _rounded(total, dtype):
    """A sum in the dtype of the results; infinity comes without a warning, which costs as much as a small sum."""
    if total.ndim == 0 and -LARGE < (number := total.item()) < LARGE:
        return dtype.type(number)
    with np.errstate(all="ignore"):
        return np.asarray(total).astype(dtype)


def _reduced_by_numpy(kernel, arrays, targets, dtype):
    """The same for more dimensions than the driver takes, and where there is nothing to sum."""
    results = call(kernel, arrays, dtype=dtype)
    with np.errstate(all="ignore"):
        return tuple(r if t is None else layout.summed(r, t) for r, t in zip(results, targets, strict=True))
