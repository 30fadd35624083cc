"""The CPU backend: a kernel as a real `np.ufunc`, as a threaded n-d call, and summed over broadcast axes."""
import ctypes
import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy._core import _multiarray_umath

from ..runtime import driver, objects, outputs, threads
from . import layout

Array, ARRAY_NAME = np.ndarray, "NumPy"
BUILT_IN = "float16", "float32", "float64"
STREAM_COST = 6                              # nodes; a kernel with fewer an operand is bound by memory
SUM_TASKS = 64                               # the split of a sum depends on the shapes only
SUM_GRAIN = 16 * driver.BLOCK


# --- kernels ----------------------------------------------------------------------------------------------------------
def working(storage):
    """The type that is computed in."""
    return "float64" if storage == "float64" else "float32"


def module_text(kernel, storage, lanes, summed=frozenset()):
    """LLVM IR of a kernel: `general` reads every operand lane by lane, `uniform` reads parameters once.  Both are
    void(char **pointers, intp vectors).  Outputs in `summed` are stored in the working type."""
    from llvmlite import ir
    module = ir.Module(name=f"numba_act_{kernel.name}_{storage}")
    _function(module, "general", kernel, storage, lanes, summed, frozenset())
    if kernel.parameters:
        _function(module, "uniform", kernel, storage, lanes, summed, kernel.parameters)
    return str(module)


def _function(module, name, kernel, storage, lanes, summed, fixed):
    from llvmlite import ir

    from ..tree.emit import emit, narrow, widen
    word, single = ir.IntType(64), ir.DoubleType() if storage == "float64" else ir.FloatType()
    stored = ir.IntType(16) if storage in ("float16", "bfloat16") else single
    size = item_size(storage)
    signature = ir.FunctionType(ir.VoidType(), [stored.as_pointer().as_pointer(), word])
    function = ir.Function(module, signature, name)
    function.attributes.add("nounwind")
    pointers, vectors = function.args
    start, loop, end = (function.append_basic_block(label) for label in ("start", "loop", "end"))

    b = ir.IRBuilder(start)
    arguments, bases = {}, []
    for k in range(len(kernel.inputs) + kernel.n_outputs):
        bases.append(b.load(b.gep(pointers, [word(k)])))
    for k, input_ in enumerate(kernel.inputs):
        if input_ in fixed:
            arguments[input_] = widen(b, _splat(b, b.load(bases[k], align=size), lanes), storage)
    b.branch(loop)

    b.position_at_end(loop)
    i = b.phi(word)
    i.add_incoming(word(0), start)
    for k, input_ in enumerate(kernel.inputs):
        if input_ not in fixed:
            arguments[input_] = widen(b, b.load(_lanes_at(b, bases[k], i, stored, lanes), align=size), storage)
    # Every output is computed before the first is stored: an output may lie where an input does.
    results = emit(b, kernel.build(working(storage)), arguments, storage)
    for j, value in enumerate(results):
        kind = single if j in summed else stored
        value = value if j in summed else narrow(b, value, storage)
        align = item_size(working(storage)) if j in summed else size
        b.store(value, _lanes_at(b, bases[len(kernel.inputs) + j], i, kind, lanes), align=align)
    following = b.add(i, word(1))
    i.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, vectors), loop, end)
    b.position_at_end(end)
    b.ret_void()


def _splat(builder, value, lanes):
    from llvmlite import ir
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))


def _lanes_at(builder, base, i, kind, lanes):
    from llvmlite import ir
    return builder.gep(builder.bitcast(base, ir.VectorType(kind, lanes).as_pointer()), [i])


def item_size(storage):
    return {"float64": 8, "float32": 4}.get(storage, 2)


storage_of = functools.cache(str)            # a dtype's name; NumPy takes 2 us to make it


_records = {}


def record_of(kernel, storage, summed=frozenset()):
    """The words by which the driver knows a compiled kernel."""
    key = kernel, storage, summed
    record = _records.get(key)
    if record is None:
        with objects.lock:                   # sixteen threads with the same first call compile it once
            record = _records.get(key)
            if record is None:
                record = _records[key] = _compiled(kernel, storage, summed)
    return record


def _compiled(kernel, storage, summed):
    from ..tree.node import in_order
    if len(kernel.inputs) + kernel.n_outputs > driver.MAX_OPERANDS:
        raise ValueError(f"{kernel.owner}: at most {driver.MAX_OPERANDS} inputs and outputs fit in a kernel, not "
                         f"{len(kernel.inputs) + kernel.n_outputs}; ask for fewer gradients at once")
    lanes = objects.vector_bytes() // item_size(working(storage))
    names = ("general", "uniform") if kernel.parameters else ("general",)
    text = module_text(kernel, storage, lanes, summed)
    addresses = objects.load(text, lambda: text, names)
    record = np.zeros(driver.RECORD_WORDS, dtype=np.intp)
    record[driver.GENERAL] = addresses[0]
    record[driver.UNIFORM] = addresses[1] if kernel.parameters else 0
    record[driver.CONTROL] = threads.control_address()
    record[driver.N_IN] = len(kernel.inputs)
    record[driver.N_ALL] = len(kernel.inputs) + kernel.n_outputs
    record[driver.ITEM_SIZE] = item_size(storage)
    record[driver.LANES] = lanes
    record[driver.PARAMETERS] = sum(1 << k for k, name in enumerate(kernel.inputs) if name in kernel.parameters)
    nodes = len(in_order(kernel.build(working(storage))))
    record[driver.COST] = max(STREAM_COST * record[driver.N_ALL], nodes) * item_size(working(storage)) // 4
    return record


# --- ufuncs, by NumPy's C API -----------------------------------------------------------------------------------------
def _api():
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(get(_multiarray_umath._UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))
    address, number = ctypes.c_void_p, ctypes.c_int
    from_loops = ctypes.PYFUNCTYPE(ctypes.py_object, address, address, address, number, number, number, number,
                                   address, address, number)(table[1])
    register = ctypes.PYFUNCTYPE(number, ctypes.py_object, number, address, address, address)(table[2])
    return from_loops, register


_ufunc_from_loops, _register_user_loop = _api()
_LOOP = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)


@dataclass(eq=False)
class _Ufunc:
    """A ufunc and the tables that NumPy reads at every call; they live as long as the process."""
    ufunc: np.ufunc = None
    loops: object = field(default_factory=lambda: (ctypes.c_void_p * len(BUILT_IN))())
    records: object = field(default_factory=lambda: (ctypes.c_void_p * len(BUILT_IN))())
    kept: list = field(default_factory=list)


_ufuncs = {}


def ufunc(kernel):
    """The kernel as an np.ufunc; its loops are compiled when they are first needed."""
    return _made(kernel).ufunc


def _made(kernel):
    made = _ufuncs.get(kernel)
    if made is None:
        with objects.lock:
            made = _ufuncs.get(kernel)
            if made is None:
                made = _ufuncs[kernel] = _make(kernel)
    return made


def _make(kernel):
    made = _Ufunc()
    n_in, n_all = len(kernel.inputs), len(kernel.inputs) + kernel.n_outputs
    stubs = [_LOOP(functools.partial(_first_call, kernel, storage)) for storage in BUILT_IN]
    for k, stub in enumerate(stubs):
        made.loops[k] = ctypes.cast(stub, ctypes.c_void_p).value
    types = (ctypes.c_char * (len(BUILT_IN) * n_all))(*[np.dtype(s).num for s in BUILT_IN for _ in range(n_all)])
    name = ctypes.create_string_buffer(f"numba_act_{kernel.name}".encode())
    doc = ctypes.create_string_buffer(f"{kernel.name}({', '.join(kernel.inputs)}), elementwise.".encode())
    made.kept = [stubs, types, name, doc]
    no_identity = -1
    made.ufunc = _ufunc_from_loops(*map(ctypes.addressof, (made.loops, made.records, types)), len(BUILT_IN), n_in,
                                   kernel.n_outputs, no_identity, *map(ctypes.addressof, (name, doc)), 0)
    return made


def _first_call(kernel, storage, args, dims, steps, data):
    """The loop that NumPy finds at first.  ctypes reports exceptions by sys.unraisablehook and drops them, so on
    failure the output must not look like a result."""
    n = ctypes.cast(dims, ctypes.POINTER(ctypes.c_ssize_t))[0]
    try:
        ensure(kernel, storage)
        if n * record_of(kernel, storage)[driver.COST] >= threads.MIN_WORK:
            threads.start()
    except BaseException:
        _fill_nan(kernel, storage, args, n, steps)
        raise
    _LOOP(driver.load().entry)(args, dims, steps, record_of(kernel, storage).ctypes.data)


def _fill_nan(kernel, storage, args, n, steps):
    nan = np.array(np.nan, storage).tobytes()
    args, steps = (ctypes.cast(p, ctypes.POINTER(ctypes.c_ssize_t)) for p in (args, steps))
    for k in range(len(kernel.inputs), len(kernel.inputs) + kernel.n_outputs):
        for i in range(n):
            ctypes.memmove(args[k] + i * steps[k], nan, len(nan))


_ready = {}                                  # (kernel, type number) -> ufunc, cost of an element


def ensure(kernel, dtype):
    """Compile the kernel's loop for a dtype unless that is done; from then on NumPy goes straight to it."""
    return _loop(kernel, np.dtype(dtype))[0]


def _loop(kernel, dtype):
    """The ufunc, with its loop for this dtype, and what an element costs."""
    key = kernel, dtype.num
    found = _ready.get(key)
    if found is None:
        with objects.lock:
            found = _ready.get(key)
            if found is None:
                found = _ready[key] = _install(kernel, dtype)
    return found


def _install(kernel, dtype):
    made, storage, entry = _made(kernel), storage_of(dtype.newbyteorder("=")), driver.load().entry
    record = record_of(kernel, storage)
    if storage in BUILT_IN:
        k = BUILT_IN.index(storage)
        made.records[k], made.loops[k] = record.ctypes.data, entry       # in this order: other threads read them
    else:
        types = (ctypes.c_int * made.ufunc.nargs)(*[dtype.num] * made.ufunc.nargs)
        made.kept.append(types)
        _register_user_loop(made.ufunc, dtype.num, entry, ctypes.addressof(types), record.ctypes.data)
    defaults = tuple(np.asarray(value, dtype) for value in kernel.parameters.values())
    kernel.quick[dtype] = made.ufunc, threads.MIN_WORK // record.item(driver.COST), defaults
    return made.ufunc, record.item(driver.COST)


# --- what dispatch asks of a backend ----------------------------------------------------------------------------------
def wrapped(kernel, operands):
    """The operands, arrays of other libraries as this one's."""
    return operands


def asarray(kernel, name, operand):
    """An operand as an array."""
    return np.asarray(operand)


def as_scalar(result):
    """The result of a call on numbers only."""
    return np.asarray(result)[()]


def masked(kernel, arrays, out, where, casting, order, dtype):
    """The kernel's outputs where a mask holds, or in another dtype: by NumPy's own machinery."""
    options = {} if out is None else {"out": out}
    with np.errstate(all="ignore"):              # for NumPy's cast to a narrower output
        results = ensure(kernel, dtype)(*arrays, where=where, casting=casting, order=order, dtype=dtype, **options)
    return results if isinstance(results, tuple) else (results,)


# --- n-d calls --------------------------------------------------------------------------------------------------------
def call(kernel, arrays, out=None, order="K"):
    """The kernel's outputs, as a tuple, for operands of one dtype that broadcast.  Scalars for 0-d, as NumPy does."""
    function, cost = _loop(kernel, arrays[0].dtype)
    shape, size = layout.common_shape(arrays)
    results = None
    if size * cost >= threads.MIN_WORK:
        threads.start()
        given = (None,) * kernel.n_outputs if out is None else out
        if order in "KC" and _flat((*arrays, *[a for a in given if a is not None]), shape):
            out = tuple([outputs.empty(shape, arrays[0].dtype) if a is None else a for a in given])
        else:
            results = _run(kernel, arrays, shape, given, order)
    if results is None:                      # keywords cost 0.2 us, as much as a small kernel
        options = {} if order == "K" else {"order": order}
        results = function(*arrays, **options) if out is None else function(*arrays, out=out, **options)
    return results if type(results) is tuple else (results,)


def _flat(arrays, shape):
    """Whether NumPy sees one dimension, which it can hand to the driver as well as we can."""
    return all(a.ndim == 0 or (a.shape == shape and a.flags.c_contiguous) for a in arrays)


def _run(kernel, arrays, shape, out, order):
    """The outputs by the n-d driver, or None where NumPy's own machinery is needed."""
    dtype = arrays[0].dtype
    if not all(map(_plain, arrays)):
        return None
    given = [a for a in out if a is not None]
    if not all(_usable(a, shape, dtype) for a in given) or _overlap(arrays, given):
        return None
    axes = layout.axes(arrays, shape, order)
    results = tuple(outputs.empty(shape, dtype, axes) if a is None else a for a in out)
    return results if _launch(kernel, arrays, results, shape) else None


def _plain(array):
    return array.flags.aligned and array.dtype.isnative


def _usable(out, shape, dtype):
    """Whether the driver may write to a given output."""
    return (type(out) is np.ndarray and out.shape == shape and out.dtype == dtype and out.flags.writeable
            and _plain(out) and all(step or n == 1 for step, n in zip(out.strides, shape, strict=True)))


def _overlap(arrays, given):
    """Whether an output shares memory with another, or with an input other than element by element."""
    for k, out in enumerate(given):
        if any(np.may_share_memory(out, other) for other in given[:k]):
            return True
        for array in arrays:
            same = (_address(array), array.shape, array.strides) == (_address(out), out.shape, out.strides)
            if not same and np.may_share_memory(out, array):
                return True
    return False


def _address(array):
    return array.__array_interface__["data"][0]


def _launch(kernel, arrays, results, shape, sums=(), tasks=0, grain=0):
    """Run a job; False if it has too many dimensions.  `sums` says which results are rows of accumulators."""
    layouts = tuple([(a.shape, a.strides) for a in (*arrays, *results)])
    plan = _plan(kernel, storage_of(arrays[0].dtype), shape, layouts, sums, tasks, grain)
    if plan is None:
        return False
    job = type(plan).from_buffer_copy(plan)
    for k, array in enumerate((*arrays, *results)):
        job[driver.OPERANDS + k * driver.OPERAND_WORDS] = _address(array)
    _launcher()(job)
    return True


@functools.lru_cache(maxsize=1024)
def _plan(kernel, storage, shape, layouts, sums, tasks, grain):
    """The job for operands of these shapes and strides, without their addresses; None for too many dimensions."""
    n_in, item = len(kernel.inputs), item_size(storage)
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
        any(steps[k]) for k, name in enumerate(kernel.inputs) if name in kernel.parameters)
    gapless = [item * math.prod(flat[d + 1:]) for d in range(len(flat))]
    unused = [0] * (driver.MAX_DIMS - len(flat))
    job = [record.ctypes.data, math.prod(flat), len(flat), tasks, grain, uniform, *flat, *unused]
    for k, s in enumerate(steps):
        period = _period(flat, s)
        mode = driver.LINEAR if s == gapless or flat == [1] else driver.STAGED
        if k in rows:
            mode = driver.REDUCED
        elif k < n_in and uniform and kernel.inputs[k] in kernel.parameters:
            mode = driver.VALUE
        elif k < n_in and mode == driver.STAGED and period <= driver.BLOCK:
            mode = driver.CYCLE
        size = item_size(working(storage)) if k in rows else item
        job += [0, size, mode, rows.get(k, 0), period, *s, *unused]
    return (ctypes.c_ssize_t * len(job))(*job)


def _period(flat, steps):
    """After how many elements of the flattened index space an operand repeats."""
    outer = 0
    while outer < len(flat) and steps[outer] == 0:
        outer += 1
    return math.prod(flat[outer:])


@functools.cache
def _launcher():
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(driver.load().launch)


# --- sums over broadcast axes -----------------------------------------------------------------------------------------
def reduce(kernel, arrays, targets):
    """The kernel's outputs, each summed to the shape in `targets`, or whole where that is None.

    Sums are taken in float64 and do not depend on the number of threads.
    """
    dtype = arrays[0].dtype
    _, cost = _loop(kernel, dtype)
    shape, size = layout.common_shape(arrays)
    targets = [None if t == shape else t for t in targets]
    if all(t is None for t in targets):
        return call(kernel, arrays)
    if size == 0:
        return tuple(np.zeros(shape if t is None else t, dtype) for t in targets)
    arrays = [a if _plain(a) else np.array(a, dtype, order="K") for a in arrays]
    if size * cost >= threads.MIN_WORK:
        threads.start()
    axes = layout.axes(arrays, shape, "K")
    sums = sum(math.prod(t) for t in targets if t is not None)
    tasks = max(1, min(SUM_TASKS, size // SUM_GRAIN, size // (4 * sums)))
    grain = -(-size // (tasks * driver.BLOCK)) * driver.BLOCK
    tasks = -(-size // grain)
    results = tuple(outputs.empty(shape, dtype, axes) if t is None else np.zeros((tasks, *t)) for t in targets)
    summed = tuple(j for j, t in enumerate(targets) if t is not None)
    if not _launch(kernel, arrays, results, shape, summed, tasks, grain):
        return _reduced_by_numpy(kernel, arrays, targets)
    with np.errstate(all="ignore"):
        return tuple(r if t is None else np.asarray(r.sum(axis=0)).astype(dtype)
                     for r, t in zip(results, targets, strict=True))


def _reduced_by_numpy(kernel, arrays, targets):
    """The same for more dimensions than the driver takes."""
    results = call(kernel, arrays)
    with np.errstate(all="ignore"):
        return tuple(r if t is None else layout.summed(r, t) for r, t in zip(results, targets, strict=True))
