"""A kernel as a real `np.ufunc`, by NumPy's C API; its loops are compiled when they are first needed."""
import ctypes
import functools
from dataclasses import dataclass, field

import numpy as np
from numpy._core import _multiarray_umath

from ..runtime import driver, failures, objects, threads
from .cpu_code import record_of
from .dtypes import BUILT_IN, added, storage_of
from .kernel import UFUNC_PREFIX, Quick


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
    whole: bool = False                      # whether it has loops for the dtypes that NumPy lacks


FLOAT64 = np.dtype(np.float64)
_ufuncs, _of_one_loop = {}, []


def ufunc(kernel):
    """The kernel as an np.ufunc; its loops are compiled when they are first needed."""
    driver.load()                            # what fails here can raise, inside NumPy's call it could only be reported
    made = _made(kernel)
    if not made.whole:
        with objects.lock:
            _complete(kernel, made)
    return made.ufunc


def _complete(kernel, made):
    """Give a ufunc the loops of dtypes that NumPy lacks before anybody else calls it: it remembers how it promotes."""
    for dtype in added():
        if (kernel, dtype.num) not in _ready:
            stub = _LOOP(functools.partial(_first_call, kernel, dtype))
            made.kept.append(stub)
            _register(made, dtype, ctypes.cast(stub, ctypes.c_void_p), None)
    made.whole = True


def _register(made, dtype, function, data):
    """A loop for a dtype that NumPy lacks, in place of one that there is."""
    types = (ctypes.c_int * made.ufunc.nargs)(*[dtype.num] * made.ufunc.nargs)
    made.kept.append(types)
    _register_user_loop(made.ufunc, dtype.num, function, ctypes.addressof(types), data)


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
    stubs = [_LOOP(functools.partial(_first_call, kernel, np.dtype(name))) for name in BUILT_IN]
    for k, stub in enumerate(stubs):
        made.loops[k] = ctypes.cast(stub, ctypes.c_void_p).value
    made.kept = [stubs]
    doc = f"{kernel.name}({', '.join(kernel.inputs)}), elementwise."
    _assemble(made, [np.dtype(name) for name in BUILT_IN], len(kernel.inputs), kernel.n_outputs, kernel.name, doc)
    return made


def _assemble(made, dtypes, n_in, n_outputs, name, doc):
    """Have NumPy make the ufunc, whose loops are of these dtypes."""
    nums = [dtype.num for dtype in dtypes for _ in range(n_in + n_outputs)]
    types, no_identity = (ctypes.c_char * len(nums))(*nums), -1
    texts = [ctypes.create_string_buffer(text.encode()) for text in (UFUNC_PREFIX + name, doc)]
    made.kept += [types, texts]
    made.ufunc = _ufunc_from_loops(*map(ctypes.addressof, (made.loops, made.records, types)), len(dtypes), n_in,
                                   n_outputs, no_identity, *map(ctypes.addressof, texts), 0)


def of_one_loop(name, n_in, dtype, function, words):
    """A ufunc with one result and one loop, a machine function that is called with the address of some words."""
    built_in, pointer = dtype.name in BUILT_IN, ctypes.c_void_p * 1
    made = _Ufunc(loops=pointer(function), records=pointer(words.ctypes.data), kept=[words])
    _assemble(made, [dtype] * built_in, n_in, 1, name, name)
    if not built_in:
        _register(made, dtype, function, words.ctypes.data)
    _of_one_loop.append(made)
    return made.ufunc


def _first_call(kernel, dtype, args, dims, steps, data):
    """The loop that NumPy finds at first.  ctypes reports exceptions by sys.unraisablehook and drops them, so on
    failure the output must not look like a result."""
    n = ctypes.cast(dims, ctypes.POINTER(ctypes.c_ssize_t))[0]
    try:
        _, cost = loop(kernel, dtype)
        if n * cost >= threads.MIN_WORK:
            threads.start()
        _LOOP(driver.load().entry)(args, dims, steps, record_of(kernel, storage_of(dtype)).ctypes.data)
    except BaseException:
        _fill_nan(kernel, dtype, args, n, steps)
        raise


def _fill_nan(kernel, dtype, args, n, steps):
    nan = np.array(np.nan, dtype).tobytes()
    args, steps = (ctypes.cast(p, ctypes.POINTER(ctypes.c_ssize_t)) for p in (args, steps))
    for k in range(len(kernel.inputs), len(kernel.inputs) + kernel.n_outputs):
        for i in range(n):
            ctypes.memmove(args[k] + i * steps[k], nan, len(nan))


_ready = {}                                  # (kernel, type number) -> ufunc, cost of an element


def ensure(kernel, dtype):
    """Compile the kernel's loop for a dtype unless that is done; from then on NumPy goes straight to it."""
    return loop(kernel, np.dtype(dtype))[0]


def loop(kernel, dtype):
    """The ufunc, with its loop for this dtype, and what an element costs."""
    key = kernel, dtype.num
    found = _ready.get(key)
    if found is None:
        with objects.lock:
            found = _ready.get(key)
            if found is None:
                found = _ready[key] = _install(kernel, dtype)
    return found


def _numbers(kernel, operands, out, arrays):
    """dispatch.quick for Python's numbers alone."""
    if out is not None or not all(type(o) is float or type(o) is int for o in operands):
        return None
    return kernel.quick[FLOAT64][0](*map(float, operands))


def _install(kernel, dtype):
    made, storage, entry = _made(kernel), storage_of(dtype), driver.load().entry
    record = record_of(kernel, storage)
    if storage.name in BUILT_IN:
        k = BUILT_IN.index(storage.name)
        made.records[k], made.loops[k] = record.ctypes.data, entry       # in this order: other threads read them
    else:
        _register(made, dtype, entry, record.ctypes.data)
    with np.errstate(all="ignore"):              # 1e9 in float16
        defaults = tuple([np.asarray(value, dtype) for value in kernel.parameters.values()])
    function = functools.partial(failures.called, kernel.owner, made.ufunc) if kernel.calls else made.ufunc
    if dtype == FLOAT64:
        kernel.quick.update({float: _numbers, int: _numbers})
    quick = Quick(function, threads.MIN_WORK // record.item(driver.COST), defaults)
    kernel.quick[dtype] = tuple(quick)           # Python unpacks a plain tuple 0.05 us faster
    return function, record.item(driver.COST)
