"""The CUDA backend: CuPy's arrays, memory, streams and launcher; kernels as PTX from `ptx`.

A call that has been made before costs one dictionary lookup and one launch, unless a kernel is cut into some.  Nothing
waits for the device.
"""
import contextlib
import functools
import math
from typing import NamedTuple

import numpy as np

from ..runtime import objects
from ..tree.node import argument
from . import layout, ptx
from .dtypes import kept, number, storage_of
from .kernel import Kernel

try:
    import cupy
except ModuleNotFoundError as reason:
    raise ModuleNotFoundError("arrays on a GPU need CuPy: pip install numba_act[cu13] (for CUDA 12: numba_act[cu12])",
                              name=reason.name) from None

Array, ARRAY_NAME = cupy.ndarray, "CuPy"
SUM_THREADS = 1 << 18                        # fills any device; the split of a sum depends on the shapes only
SUM_GRAIN = 16                               # vectors or elements a thread, at least
THREAD_BITS, COLUMN_BITS = ptx.THREADS.bit_length() - 1, 5   # 2 to it: threads, neighbouring places of a block


# --- operands ---------------------------------------------------------------------------------------------------------
def wrapped(kernel, operands):
    """The operands, arrays of other libraries as CuPy's, without a copy."""
    return tuple([_wrapped(kernel, o) if not isinstance(o, Array) and hasattr(o, "__cuda_array_interface__") else o
                  for o in operands])


def _wrapped(kernel, operand):
    if not cupy.cuda.is_available():
        raise RuntimeError(f"{kernel.owner}: a {type(operand).__name__} is on a GPU, but CuPy finds no device or no "
                           f"driver")
    if hasattr(operand, "__dlpack__"):           # which knows bfloat16, and orders streams without waiting
        return cupy.from_dlpack(operand)
    with cupy.cuda.Device(_place(operand)):      # on any other one CuPy would copy
        return cupy.asarray(operand)


def _place(thing):
    """The number of the device where an array, CuPy's or not, lies."""
    if isinstance(thing, Array):
        return thing.device.id
    address, _ = thing.__cuda_array_interface__["data"]
    return cupy.cuda.runtime.pointerGetAttributes(address).device if address else cupy.cuda.runtime.getDevice()


def beside(array, x):
    """The array, or a number, which is a float64, on the device where x is."""
    device = _place(x)
    if isinstance(array, Array) and array.device.id == device:
        return array
    with on(device):
        return cupy.asarray(array if hasattr(array, "dtype") else np.float64(array))


def asarray(kernel, name, operand):
    """An operand as an array; a number stays on the CPU, as one without dimensions, and is passed by value."""
    if isinstance(operand, Array):
        return operand
    array = np.asarray(operand)
    if array.ndim:
        raise TypeError(f"{kernel.owner}: {name}: a {type(operand).__name__} on the CPU beside arrays on the GPU; "
                        f"move it: cupy.asarray(x)")
    return array


def cast(array, dtype):
    """An array in another dtype, on its own device."""
    if not isinstance(array, Array):
        return array.astype(dtype)
    with on(array.device.id):
        if array.dtype == dtype:
            return array
        if storage_of(array.dtype) is None or storage_of(dtype) is None:
            return temporary(array.astype(dtype, order="K"))
        converted = temporary(empty(array.shape, dtype, layout.axes((array,), array.shape, "K")))
        _convert(array, converted)
        return converted


convert = cast


def as_scalar(result):
    """The result of a call on numbers only: an array without dimensions, as CuPy gives it."""
    return result


def device_of(kernel, arrays):
    devices = {a.device.id for a in arrays if isinstance(a, Array)}
    if len(devices) > 1:
        raise ValueError(f"{kernel.owner}: the operands are on devices {' and '.join(map(str, sorted(devices)))}; "
                         f"move one: with cupy.cuda.Device(0): cupy.asarray(x)")
    return devices.pop()


def on(device):
    """A context in which that device, and its current stream, is CuPy's."""
    return contextlib.nullcontext() if device == cupy.cuda.runtime.getDevice() else cupy.cuda.Device(device)


def empty(shape, dtype, axes=None):
    if axes is None:
        return cupy.empty(shape, dtype)
    return cupy.empty(tuple(shape[d] for d in axes), dtype).transpose(tuple(np.argsort(axes).tolist()))


_captured = []


def temporary(array):
    """An array that the caller will not hold.  A graph that is being captured writes there whenever it is launched, and
    so it is kept for good."""
    if cupy.cuda.get_current_stream().is_capturing():
        _captured.append(array)
    return array


# --- functions on a device --------------------------------------------------------------------------------------------
_functions = {}


def _function(kernel, storage, form, device):
    """The compiled kernel, loaded on a device, which must be the current one."""
    key = kernel, storage, form, device
    found = _functions.get(key)
    if found is None:
        with objects.lock:
            found = _functions.get(key)
            if found is None:
                found = _functions[key] = _loaded(kernel, storage, form, device)
    return found


def _loaded(kernel, storage, form, device):
    layout.counted(kernel)                   # the parameters of a kernel have room for 4 KB
    name = ptx.symbol_of(kernel, storage, form)

    def text():
        return ptx.module_text(kernel, storage, form)[1]
    follows = (*kernel.calls.key(kernel, storage), form) if kernel.calls else (text(),)
    return load(kernel.owner, follows, name, text, device)


def load(owner, follows, name, text, device):
    """The function of a module on a device; its text comes of what it `follows` from."""
    capability = int(cupy.cuda.Device(device).compute_capability)
    target = ptx.target_of(capability)
    if target is None:
        raise RuntimeError(f"{owner}: device {device} has compute capability {capability / 10}; "
                           f"{ptx.TARGETS[0] / 10} is the least that is supported")

    def link():
        linker = cupy.cuda.function.LinkState()
        linker.add_ptr_data(ptx.compile_ptx(text(), target).encode() + b"\0", name)
        return linker.complete()
    key = *follows, capability, cupy.cuda.runtime.driverGetVersion(), cupy.__version__
    return _module(owner, key, link).get_function(name)


def _module(owner, key, make):
    """What the driver loads: it was kept, or is made, also where the driver refuses what was kept."""
    module = cupy.cuda.function.Module()
    try:
        module.load(objects.cached(key, make))
    except cupy.cuda.driver.CUDADriverError as error:
        if "STREAM_CAPTURE" in str(error):
            raise RuntimeError(f"{owner}: its kernel cannot be loaded while a stream is captured in this mode; "
                               f"make the same call once before, or capture in CuPy's mode, relaxed") from None
        if "IMAGE" not in str(error):
            raise
        module.load(objects.renewed(key, make))
    return module


class Launch(NamedTuple):
    """A loaded kernel, how many threads it takes, and what it takes after the arrays and numbers."""
    function: object
    threads: int
    words: tuple

    def __call__(self, arguments):
        """Start it on the device's current stream."""
        self.function.linear_launch(self.threads, (*arguments, *self.words), 0, ptx.THREADS)


def _launch(kernel, dtype, form, device, threads, arguments, *words):
    """Start a kernel, and what starts it again.  NumPy's arrays are numbers, which are passed by value."""
    storage = storage_of(dtype)
    launch = Launch(_function(kernel, storage, form, device), threads, words)
    launch([a.astype(storage.working)[()] if type(a) is np.ndarray else a for a in arguments])
    return launch


# --- calls whose like has been made before ----------------------------------------------------------------------------
_alike = {}                                  # (kernel, dtype, letters of the inputs, device, large) -> function, tile
_views = {}                                  # what `_seen` gives -> launch, shape and axes of the result
MOST = 4096                                  # layouts to remember


def quick(kernel, operands, out, arrays):
    """The result for CuPy arrays of one dtype beside numbers, on the current device, once the kernel is loaded; None
    for anything else.  The first so many operands must be arrays of one shape."""
    first, device = operands[0], cupy.cuda.runtime.getDevice()
    dtype, shape, n = first.dtype, first.shape, first.size
    if n == 0 or storage_of(dtype) is None:
        return None
    letters, arguments, starts, addresses, alike = "", [], [], 0, True
    for operand in operands:
        if type(operand) is Array:
            data = operand.data
            if operand.dtype != dtype or data.device_id != device:
                return None
            if operand.shape != shape:
                if len(letters) < arrays:
                    return None
                alike = False
            alike = alike and operand.flags.c_contiguous
            letters += "a"
            starts.append(data.ptr)
            addresses |= data.ptr
            arguments.append(operand)
        elif (type(operand) is float or type(operand) is int) and len(letters) >= arrays:
            letters += "n"
            arguments.append(_number(operand, dtype))
        else:
            return None
    if out is not None and not (alike and kernel.n_outputs == 1 and _takes(out, dtype, shape, device, starts)):
        return None
    found = _alike.get((kernel, dtype, letters, device, first.nbytes >= ptx.LONG)) if alike else None
    if found is None or addresses % ptx.ACCESS:
        expected = shape if arrays > 1 else None
        return _quick_views(kernel, arguments, dtype, device, expected) if out is None else None
    function, tile = found
    results = [out] if out is not None else [cupy.empty(shape, dtype) for _ in range(kernel.n_outputs)]
    tiles = n // tile
    function.linear_launch(n - tiles * (tile - ptx.THREADS), (*arguments, *results, tiles, 0, n), 0, ptx.THREADS)
    return results[0] if kernel.n_outputs == 1 else tuple(results)


def _takes(out, dtype, shape, device, starts):
    """Whether an output takes the result of contiguous operands that start at these addresses."""
    if type(out) is not Array or out.dtype != dtype or out.shape != shape or not out.flags.c_contiguous:
        return False
    here, nbytes = out.data.ptr, out.nbytes
    return here % ptx.ACCESS == 0 and out.data.device_id == device and not any(
        start != here and -nbytes < start - here < nbytes for start in starts)


def _quick_views(kernel, arguments, dtype, device, expected):
    """The same for other layouts; `expected` is the shape that the result must have, if any."""
    launch, shape, axes = _views.get(_seen(kernel, arguments, dtype, device), (None, None, None))
    if shape is None or (expected is not None and shape != expected):
        return None
    results = tuple([empty(shape, dtype, axes) for _ in range(kernel.n_outputs)])
    launch((*arguments, *results))
    return results[0] if kernel.n_outputs == 1 else results


def _seen(kernel, arguments, dtype, device):
    """What decides how a kernel is launched that makes new results."""
    return kernel, dtype, device, tuple([(a.shape, a.strides, a.data.ptr % ptx.ACCESS) if isinstance(a, Array) else None
                                         for a in arguments])


def _layouts(arrays):
    return tuple([(a.shape, a.strides) if isinstance(a, Array) else None for a in arrays])


@kept
def _number(value, dtype):
    return number(value, dtype).astype(storage_of(dtype).working)[()]


# --- elementwise ------------------------------------------------------------------------------------------------------
def call(kernel, arrays, out=None, order="K", dtype=None):
    """The kernel's outputs, as a tuple, for operands of one dtype that broadcast."""
    shape, size = layout.common_shape(arrays)
    dtype, given = arrays[0].dtype, (None,) * kernel.n_outputs if out is None else out
    device = device_of(kernel, (*arrays, *given))
    with on(device):
        axes = layout.axes(arrays, shape, order)
        at_once = not ptx.apart(kernel, storage_of(dtype))
        safe = [a if a is None or not overlaps(a, (*arrays, *given[:k]), at_once) else None
                for k, a in enumerate(given)]
        results = tuple([empty(shape, dtype, axes) if a is None else a for a in safe])
        if size:
            launch = _run(kernel, arrays, results, shape, dtype, device)
            kernel.quick[Array] = quick
            if order == "K" and out is None and launch:
                if len(_views) == MOST:
                    _views.clear()
                _views[_seen(kernel, arrays, dtype, device)] = launch, shape, axes
        return tuple([_copied(target, r) for target, r in zip(given, results, strict=True)])


def masked(kernel, arrays, out, where, casting, order, dtype):
    """The same where a mask holds, or into outputs of another dtype."""
    given = (None,) * kernel.n_outputs if out is None else out
    with on(device_of(kernel, (*arrays, *given, where))):
        where = where if where is True else cupy.asarray(where)
        results = call(kernel, arrays, None, order)
        shape = np.broadcast_shapes(results[0].shape, () if where is True else where.shape)
        axes = layout.axes(arrays, shape, order)
        targets = tuple([empty(shape, dtype, axes) if a is None else a for a in given])
        for target, result in zip(targets, results, strict=True):
            put(target, result, where)
        return targets


def _copied(target, result):
    """The result in a target, if there is one and it is another array."""
    if target is not None and target is not result:
        put(target, result)
    return result if target is None else target


def put(target, result, where=True):
    """Write the result into an array, where a mask holds."""
    temporary(result)
    if where is True and target.dtype != result.dtype and storage_of(target.dtype):
        _convert(result, target)
    else:
        cupy.copyto(target, cast(result, target.dtype), where=None if where is True else where)


def overlaps(out, others, same=True):
    """Whether an output shares memory with an array, other than element by element if that may be."""
    return any(isinstance(a, Array) and not (same and _same_place(a, out)) and _ends(a)[0] < _ends(out)[1]
               and _ends(out)[0] < _ends(a)[1] for a in others)


def _same_place(a, b):
    return a.data.ptr == b.data.ptr and a.shape == b.shape and a.strides == b.strides


def _ends(array):
    """The first address, and that after the last."""
    reach = [(n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)]
    start = array.data.ptr
    return start + sum(min(0, r) for r in reach), start + sum(max(0, r) for r in reach) + array.itemsize


def _turns(kernel, storage, outputs=None):
    """The kernel of some outputs, all if they are not given, as (numbers, kernel): one, or one for each output where a
    thread has no registers for all."""
    outputs = tuple(range(kernel.n_outputs)) if outputs is None else outputs
    whole = kernel.only(outputs)
    return [((j,), kernel.only((j,))) for j in outputs] if ptx.apart(whole, storage) else [(outputs, whole)]


def _run(kernel, arrays, results, shape, dtype, device):
    """Fill the results; the launch that did it, if it was a single one."""
    turns = _turns(kernel, storage_of(dtype))
    launches = [_run_at_once(part, arrays, [results[j] for j in numbers], shape, dtype, device)
                for numbers, part in turns]
    return launches[0] if len(turns) == 1 else None


def _run_at_once(kernel, arrays, results, shape, dtype, device):
    layouts = _layouts((*arrays, *results))
    plan = _plan(shape, layouts, len(arrays), dtype.itemsize, ptx.per(kernel, storage_of(dtype)))
    if plan is None:
        return _run_copies(kernel, arrays, results, shape, dtype, device)
    count, letters, storage = plan.count, plan.letters, storage_of(dtype)
    nbytes = count * storage.size
    head = _head((*arrays, *results), letters, dtype.itemsize) if letters else None
    if head is None:
        letters, words = _letters_here((*arrays, *results), plan.panel.letters), plan.panel.plan
        if letters[len(arrays):] == "a" * len(results):
            long = ptx.shape(kernel, storage, nbytes, ptx.walked(letters)) == "long"
            shape, threads = "panels" if long else "panel", plan.panel.threads(ptx.TURNS if long else 1)
        else:
            letters, shape, threads = "".join("n" if p is None else "a" for p in layouts), "general", count
            words = plan.general
        form = ptx.Form(shape, letters[:len(arrays)], letters[len(arrays):])
        return _launch(kernel, dtype, form, device, threads, (*arrays, *results), words)
    shape = ptx.shape(kernel, storage, nbytes, ptx.walked(letters))
    form = ptx.Form(shape, letters[:len(arrays)], letters[len(arrays):])
    tile = ptx.tile(kernel, storage, form.shape)
    tiles, head = max(0, count - head) // tile, min(head, count)
    threads = tiles * ptx.THREADS + count - tiles * tile
    launch = _launch(kernel, dtype, form, device, threads, (*arrays, *results), tiles, head, count)
    _alike[kernel, dtype, form.inputs, device, nbytes >= ptx.LONG] = launch.function, tile
    return launch


class Walks(NamedTuple):
    """How many elements there are, the letters of the operands if all are contiguous alike, the general kernel's plan,
    and a Panel."""
    count: int
    letters: str | None
    general: np.ndarray
    panel: tuple


class Panel(NamedTuple):
    """The letters of the operands as far as their steps decide, how many vectors there are, how many elements are left,
    and the plan."""
    letters: str
    vectors: int
    rest: int
    plan: np.ndarray | None

    def threads(self, turns):
        """How many there are, if each takes so many vectors."""
        return (-(-self.vectors // (turns * ptx.THREADS)) + (self.rest > 0)) * ptx.THREADS


@functools.lru_cache(maxsize=1024)
def _plan(shape, layouts, n_inputs, item, per):
    """How operands are walked over; None for too many dimensions."""
    kept = [part for part in layouts if part is not None]
    steps = [layout.steps(*part, shape) for part in kept]
    flat, steps = _walk(shape, steps, range(len(shape)), steps[-1])
    if len(flat) > ptx.MAX_DIMS:
        return None
    count, letters = math.prod(flat), None
    if len(flat) == 1 and all(s == [item] or (s == [0] and k < len(steps) - 1) or count == 1
                              for k, s in enumerate(steps)):
        each = iter(steps)
        letters = "".join("n" if part is None else "o" if next(each) == [0] and count > 1 else "a" for part in layouts)
    if letters and "a" not in letters[:n_inputs]:
        letters = None
    return Walks(count, letters, ptx.PLANS["general"].packed(count=count, all=(flat, steps)),
                 _panel(flat, steps, [part is None for part in layouts], item, per))


def _panel(flat, steps, by_value, item, per):
    """A Panel, without letters where the rows are no whole number of vectors, or their elements lie apart."""
    letters, walk, rest = _in_vectors(flat, steps, [()] * len(steps), by_value, item, per)
    if not letters:
        return Panel("", 0, 0, None)
    count = math.prod(walk[0])
    return Panel(letters, count, rest, ptx.PLANS["panel"].packed(count=count, rest=rest, all=walk))


def _letters_here(arrays, letters):
    """The letters of operands that may start anywhere; none of none."""
    return letters and "".join("p" if letter == "a" and a.data.ptr % ptx.ACCESS else letter
                               for a, letter in zip(arrays, letters, strict=True))


def _walk(shape, steps, dims, leader):
    """Some dimensions, in the order of the leader's memory, and the operands' steps along them, with neighbours merged
    where every operand allows it."""
    dims = sorted(dims, key=lambda d: -abs(leader[d]))
    return layout.coalesced([shape[d] for d in dims], [[s[d] for d in dims] for s in steps])


def _head(arrays, letters, item):
    """How many elements precede the first 16-byte boundary, None where the arrays differ in that."""
    starts = {a.data.ptr % ptx.ACCESS for a, letter in zip(arrays, letters, strict=True) if letter == "a"}
    return -starts.pop() % ptx.ACCESS // item if len(starts) == 1 else None


def _run_copies(kernel, arrays, results, shape, dtype, device):
    """The same for more dimensions than a plan holds: on copies without gaps."""
    arrays = [a if type(a) is np.ndarray else _compact(a, shape) for a in arrays]
    compact = [temporary(cupy.empty(shape, dtype)) for _ in results]
    _run(kernel, arrays, compact, shape, dtype, device)
    for target, result in zip(results, compact, strict=True):
        cupy.copyto(target, result)


def _compact(array, shape):
    """An array that is broadcast, without gaps."""
    return temporary(cupy.ascontiguousarray(cupy.broadcast_to(array, shape)))


# --- conversions ------------------------------------------------------------------------------------------------------
CONVERSION = Kernel("conversion", "conversion", ("x",), {}, lambda dtype: (argument("x", dtype),))


def _convert(array, target):
    """Write an array into one of another float dtype.  CuPy's own kernels would take subnormal numbers for 0."""
    shape, device = target.shape, target.device.id
    if target.size == 0:
        return
    plan = _plan(shape, _layouts((array, target)), 1, target.itemsize, 0)
    if plan is None:                         # more dimensions than a plan holds: on copies without gaps
        compact = temporary(cupy.empty(shape, target.dtype))
        _convert(_compact(array, shape), compact)
        cupy.copyto(target, compact)
    else:
        count, words = plan.count, plan.general
        working = np.dtype(np.float64 if 8 in (array.itemsize, target.itemsize) else np.float32)
        form = ptx.Form("general", "a", "a", (array.dtype.name, target.dtype.name))
        _launch(CONVERSION, working, form, device, count, (array, target), words)


# --- random numbers ---------------------------------------------------------------------------------------------------
def drawn(kernel, x, operands, shape, key):
    """As on the CPU, with the same bits, by one launch."""
    device = device_of(kernel, (x, *operands))
    with on(device):
        result = cupy.empty(shape, x.dtype)
        if result.size == 0:
            return result
        arrays = [o.astype(np.float64) if isinstance(o, np.ndarray) else o for o in operands]
        steps = [layout.steps(*part, shape) for part in _layouts((*arrays, result)) if part is not None]
        flat, steps = _walk(shape, steps, range(len(shape)), steps[-1])
        if len(flat) > ptx.MAX_DIMS:
            operands = [o if isinstance(o, np.ndarray) else _compact(o, shape) for o in operands]
            return drawn(kernel, x, operands, shape, key)
        form = ptx.Form("random", "".join("n" if isinstance(a, np.ndarray) else "a" for a in arrays) + "u", "a",
                        tuple(a.dtype.name for a in (*arrays, result) if isinstance(a, Array)))
        words = ptx.PLANS["random"].packed(count=result.size, low=key[0], high=key[1], all=(flat, steps))
        _launch(kernel, np.dtype(np.float64), form, device, result.size, (*arrays, result), words)
        return result


# --- sums over broadcast axes -----------------------------------------------------------------------------------------
def reduce(kernel, arrays, targets, dtype=None):
    """The kernel's outputs, each summed to the shape in `targets`.

    Sums are taken in float64, in an order that depends on the shapes and strides only.
    """
    shape, size = layout.common_shape(arrays)
    dtype, device = arrays[0].dtype, device_of(kernel, arrays)
    targets = [None if t == shape else t for t in targets]
    summed = list(dict.fromkeys(t for t in targets if t is not None))
    if not summed:
        return call(kernel, arrays)
    with on(device):
        if size == 0:
            return tuple([cupy.zeros(shape if t is None else t, dtype) for t in targets])
        results = [empty(shape, dtype, layout.axes(arrays, shape, "K")) if t is None else t for t in targets]
        kept, storage = [j for j, t in enumerate(targets) if t is None], storage_of(dtype)
        sums_only = ptx.sums_only(kernel, storage)
        groups = [[j for j, t in enumerate(targets) if t == target] for target in summed]
        groups[0] += [] if sums_only else kept
        for target, group in zip(summed, groups, strict=True):
            for numbers, part in _turns(kernel, storage, tuple(sorted(group))):
                sums = _sum(part, arrays, [results[j] for j in numbers], target, shape, dtype, device)
                if sums is None:
                    return tuple([r if t is None else layout.summed(r, t, _total)
                                  for r, t in zip(call(kernel, arrays), targets, strict=True)])
                for k, values in sums.items():
                    results[numbers[k]] = values
        if kept and sums_only:
            _run(kernel.only(tuple(kept)), arrays, [results[j] for j in kept], shape, dtype, device)
        return tuple(results)


def _sum(kernel, arrays, outputs, target, shape, dtype, device):
    """Sums to one target shape, by output; `outputs` holds arrays to fill, the target where to sum.  None for too many
    dimensions."""
    filled = [o for o in outputs if isinstance(o, Array)]
    plan = _sum_plan(kernel, shape, target, _layouts((*arrays, *filled)), len(filled), storage_of(dtype))
    if plan is None:
        return None
    letters, way = _letters_here((*arrays, *filled), plan.letters), plan.vectors
    if not letters or letters[len(arrays):] != "a" * len(filled) or not ptx.sums_by_vectors(kernel, storage_of(dtype)):
        letters, way = "".join("a" if isinstance(a, Array) else "n" for a in arrays), plan.singly
    whole = way.slices == 1
    sums = {j: cupy.empty(target if whole else (way.slices, *target), dtype if whole else np.float64)
            for j, o in enumerate(outputs) if not isinstance(o, Array)}
    written = "".join("a" if isinstance(o, Array) else "t" if whole else "s" for o in outputs)
    arguments = (*arrays, *[sums.get(j, o) for j, o in enumerate(outputs)])
    form = ptx.Form(way.shape, letters[:len(arrays)], written)
    _launch(kernel, dtype, form, device, way.threads, arguments, way.plan)
    return sums if whole else {j: _of_slices(temporary(partial), dtype, device) for j, partial in sums.items()}


def _of_slices(partial, dtype, device):
    """Partial sums added up, in a dtype."""
    result = cupy.empty(partial.shape[1:], dtype)
    last = _slices_plan(partial.shape[0], result.size)
    form = ptx.Form("sum", "a", "t", ("float64", dtype.name))
    _launch(CONVERSION, partial.dtype, form, device, last.threads, (partial, result), last.plan)
    return result


@functools.lru_cache(maxsize=1024)
def _slices_plan(slices, places):
    """A Sum of so many numbers a place."""
    item = np.dtype(np.float64).itemsize
    return _shared_out("sum", True, ([places], [[item]]), ([slices], [[places * item]]), 0)


def _total(array, axis, keepdims=False):
    """As layout.total."""
    return cast(cast(array, np.float64).sum(axis=axis, keepdims=keepdims), array.dtype)


class Sum(NamedTuple):
    """A form of sums, how many slices there are of the elements behind a place, how many threads, and the plan."""
    shape: str
    slices: int
    threads: int
    plan: np.ndarray


class Sums(NamedTuple):
    """The letters of the operands where units are vectors, as far as their steps decide, such a form, and that where
    they are single elements; no letters where they cannot be vectors."""
    letters: str
    vectors: Sum | None
    singly: Sum


@functools.lru_cache(maxsize=1024)
def _sum_plan(kernel, shape, target, layouts, filled, storage):
    """Sums to a target; None for too many dimensions.  The last so many layouts are of outputs."""
    steps = [layout.steps(*part, shape) for part in layouts if part is not None]
    own = (1,) * (len(shape) - len(target)) + target
    places = [d for d, n in enumerate(own) if n == shape[d]]
    behind = [d for d in range(len(shape)) if d not in places]
    leader = max(steps, key=lambda s: sum(map(bool, s)))
    as_laid_out = range(len(shape), 0, -1)                    # the partial sums: as the target, the last axis fastest
    to_place, to_element = _walk(shape, steps, places, as_laid_out), _walk(shape, steps, behind, leader)
    if max(len(to_place[0]), len(to_element[0])) > ptx.MAX_DIMS:
        return None
    nearest = min((d for d in range(len(shape)) if leader[d] and shape[d] > 1), key=lambda d: abs(leader[d]), default=0)
    across = nearest in places
    singly, by_value = _shared_out("sum", across, to_place, to_element), [part is None for part in layouts]
    slow, fast = (to_element, to_place) if across else (to_place, to_element)
    form = "across" if across else "along"
    letters, fast, rest = _in_vectors(*fast, slow[1], by_value, storage.size, ptx.per(kernel, storage, form))
    if not letters or rest or "p" in letters[len(layouts) - filled:]:
        return Sums("", None, singly)
    return Sums(letters, _shared_out(form, across, *((fast, slow) if across else (slow, fast))), singly)


def _in_vectors(flat, steps, others, by_value, item, per):
    """The letters of operands whose fastest dimension goes by vectors of so many elements, as far as their steps and
    those in `others` decide, the walk so, and how many elements of a single row are left; no letters where none does.
    """
    vectors, rest = divmod(flat[-1], per) if per else (0, 0)
    if not vectors or (rest and len(flat) > 1) or any(s[-1] not in (0, item) for s in steps):
        return "", None, rest
    letters = iter(["r" if s[-1] == 0 else "p" if any(step % (per * item) for step in (*s[:-1], *o)) else "a"
                    for s, o in zip(steps, others, strict=True)])
    walk = [*flat[:-1], vectors], [[*s[:-1], s[-1] * per] for s in steps]
    return "".join("n" if value else next(letters) for value in by_value), walk, rest


def _shared_out(shape, across, to_place, to_element, most=SUM_THREADS):
    """A Sum: which threads add up what depends on the shapes only, so that the result does not depend on the device."""
    places, elements = math.prod(to_place[0]), math.prod(to_element[0])
    if across:
        row_bits = THREAD_BITS - min(COLUMN_BITS, (places - 1).bit_length())
    else:
        row_bits = min(THREAD_BITS, (-(-elements // SUM_GRAIN) - 1).bit_length())
    rows, width = 1 << row_bits, ptx.THREADS >> row_bits
    groups = -(-places // width)
    slices = max(1, min(elements // (rows * SUM_GRAIN), most // (groups * ptx.THREADS)))
    plan = ptx.PLANS[shape].packed(places=places, elements=elements, step=slices * rows, across=across, groups=groups,
                                   groups_divisor=ptx.divisor(groups), row_bits=row_bits, to_place=to_place,
                                   to_element=to_element)
    return Sum(shape, slices, groups * slices * ptx.THREADS, plan)


# --- the machine ------------------------------------------------------------------------------------------------------
def describe():
    """Device, driver and capability, in words."""
    runtime = cupy.cuda.runtime
    if not cupy.cuda.is_available():
        return "no device or no driver is found"
    driver = runtime.driverGetVersion()
    names = [f"{runtime.getDeviceProperties(k)['name'].decode()} (compute capability "
             f"{int(cupy.cuda.Device(k).compute_capability) / 10})" for k in range(runtime.getDeviceCount())]
    return f"{', '.join(names)}; driver for CUDA {driver // 1000}.{driver % 1000 // 10}, CuPy {cupy.__version__}"
