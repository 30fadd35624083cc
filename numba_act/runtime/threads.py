"""Numba's thread pool, started by the first large call, and the control words that the driver reads.

Intel's TBB is preferred: OpenMP kills a forked child that uses it, and waits for every thread, though another process
has its processor; Numba's own workqueue cannot serve two threads at once.  TBB's threads help with a job as tasks of
their own (Numba's add_task and synchronize): its parallel_for would build an arena for each call, 2 us, and wait for a
thread that comes late.
"""
import atexit
import contextlib
import ctypes
import importlib
import os
import sys
import threading
from pathlib import Path

import numpy as np

from . import driver, failures

MIN_WORK = 1_500_000                         # elements times cost; a thread that sleeps takes 5 to 10 us to come
POOLS = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}

control = np.zeros(driver.CONTROL_WORDS, dtype=np.intp)
control[driver.MIN_WORK] = MIN_WORK

_lock = threading.RLock()                    # held while the process forks: a child that is born while another thread
#                                              imports Numba would wait for that import for ever
_state = {"layer": None, "reason": "not started"}


def control_address():
    """Address of the control words, the driver's own functions filled in."""
    if not control[driver.RUN]:
        functions = driver.load()
        for word, address in failures.control_words().items():
            control[word] = address
        control[driver.LAUNCH], control[driver.RUN] = functions.launch, functions.run_tasks
    return control.ctypes.data


def start():
    """Start the thread pool, once; where that fails everything runs serially."""
    if _state["reason"] != "not started":
        return
    with _lock:
        if _state["reason"] == "not started":
            try:
                _launch()
                _state["reason"] = None
            except Exception as error:       # whatever it was, the call itself can still be served
                _state["reason"] = f"{type(error).__name__}: {error}"


def _launch():
    _load_tbb()
    from numba.np.ufunc import parallel
    parallel._launch_threads()
    layer = parallel._threading_layer
    pool = importlib.import_module(f"numba.np.ufunc.{POOLS[layer]}")
    control[driver.LIMIT] = processors()
    control[driver.GET_NUM_THREADS] = pool.get_num_threads
    shares = layer == "tbb" and hasattr(pool, "add_task") and hasattr(pool, "synchronize")
    if shares:
        control[driver.HELP], control[driver.SYNCHRONIZE] = driver.load().help_out, pool.synchronize
        control[driver.ADD_TASK] = pool.add_task
        atexit.register(_retire)
    control[driver.EXCLUSIVE] = shares or layer == "workqueue"
    control[driver.PARALLEL_FOR] = pool.parallel_for
    _state["layer"] = layer


def _retire():
    """Numba takes its tasks down as the interpreter exits, beside a thread that Python does not wait for."""
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(driver.load().retire)(control.ctypes.data)


@contextlib.contextmanager
def alone():
    """No helpers for the calling thread: whoever called has shared out the processors already."""
    start()
    if _state["layer"] is None:
        yield
        return
    import numba
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _load_tbb():
    """Load TBB from its wheel: Numba does not look there in a virtual environment."""
    import importlib.metadata  # 20 ms
    try:
        files = importlib.metadata.files("tbb") or ()
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name in ("libtbb.so.12", "tbb12.dll"):
            with contextlib.suppress(OSError):         # Numba then takes another layer
                ctypes.CDLL(str(Path(file.locate()).resolve()), getattr(ctypes, "RTLD_GLOBAL", 0))


def processors():
    """How many processors this process may use: affinity and the cgroup's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _quota())
    except (OSError, ValueError):                # no cgroups, or "max": no quota
        return affinity
    return max(1, min(affinity, -(-quota // period))) if quota > 0 else affinity


def _quota():
    """Processor time, and the time in which it may be used, by version 2 of cgroups, or by version 1."""
    try:
        return Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except FileNotFoundError:
        return [Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]


def _in_child():
    """A forked child has no threads to share work with."""
    _lock.release()
    if _state["reason"] != "not started" or _numba_has_threads():
        control[driver.SERIAL], control[driver.BUSY] = 1, 0
        _state["reason"] = "forked child"


def _numba_has_threads():
    """Whether other code has started Numba's pool."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    return getattr(parallel, "_is_initialized", False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child)


def describe():
    """Threading as it is now: the layer, how many threads a call may use, why not more."""
    active = _state["layer"] is not None and not control[driver.SERIAL]
    return {"layer": _state["layer"], "threads": int(control[driver.LIMIT]) if active else 1,
            "reason": _state["reason"]}
