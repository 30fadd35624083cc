"""Memory for results.  A large fresh array costs more in page faults than most kernels do in arithmetic, so the
memory of large results is used again once nothing refers to them.

Such a result is a plain ndarray that does not own its data (`flags.owndata` is False): its base is a loan, which hands
the memory back when the last view of it dies.
"""
import ctypes
import functools
import math
import os
import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

LEAST_BYTES = 1 << 20                        # below that NumPy's own allocator serves memory that is mapped already
PAGE, BEGINNING = 4096, 2048                 # bytes; where in a page results begin.  NumPy's and torch's large arrays
#                                              mostly begin at 16 or 64, and where a result lies 64 to 256 further, but
#                                              for whole pages, loads wait for stores: 12 to 16 % longer


class _Block(NamedTuple):
    """Memory, and where in it so many bytes begin that serve."""
    memory: np.ndarray
    address: int
    size: int


def _allocated(size):
    memory = np.empty(size + PAGE, np.uint8)
    address = memory.ctypes.data
    return _Block(memory, address + (BEGINNING - address) % PAGE, size)


@functools.cache
def _kind_of_loan(size):
    """The type of a block in use: an array of ctypes, of which NumPy makes one 3 us faster than by the interface."""
    return type("_Loan", (ctypes.c_ubyte * size,), {"__del__": _returned})


def _returned(loan):
    pool = _pool
    if pool is not None:                     # None while the interpreter shuts down
        pool.put(loan.block)


class Pool:
    """Free blocks by size, at most `limit` bytes of them, the ones unused for longest given up first."""

    def __init__(self, limit):
        self.limit, self.free_bytes = limit, 0
        self._free = OrderedDict()           # address -> block, in the order they came back
        self._by_size = {}                   # size -> addresses
        self.lock = threading.RLock()       # re-entrant: collecting garbage may return a block in the midst of this

    def take(self, nbytes):
        """The loan of a block of at least nbytes."""
        size = _rounded(nbytes)
        with self.lock:
            addresses = self._by_size.get(size)
            block = self._remove(addresses[-1]) if addresses else None
        block = block or _allocated(size)
        loan = _kind_of_loan(size).from_address(block.address)
        loan.block = block
        return loan

    def put(self, block):
        """Take a block back."""
        if block.size > self.limit:
            return
        with self.lock:
            self._free[block.address] = block
            self._by_size.setdefault(block.size, []).append(block.address)
            self.free_bytes += block.size
            while self.free_bytes > self.limit:
                self._remove(next(iter(self._free)))

    def _remove(self, address):
        block = self._free.pop(address)
        self._by_size[block.size].remove(address)
        self.free_bytes -= block.size
        return block

    def clear(self):
        """Give all free memory back to the system."""
        with self.lock:
            while self._free:
                self._remove(next(iter(self._free)))


def _rounded(nbytes):
    """The size class: sixteen to an octave, so that at most a sixteenth is wasted."""
    step = 1 << max(12, nbytes.bit_length() - 5)
    return -(-nbytes // step) * step


def _limit():
    """Bytes of free memory to keep: none if NUMBA_ACT_RECYCLE is 0, else 1 GiB or an eighth of the machine's."""
    if os.environ.get("NUMBA_ACT_RECYCLE") == "0":
        return 0
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 8 << 30
    return min(1 << 30, memory // 8)


_pool = Pool(_limit())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pool.lock.acquire, after_in_parent=_pool.lock.release,
                        after_in_child=_pool.lock.release)


def empty(shape, dtype, axes=None):
    """An uninitialised array; `axes` lists its axes from the slowest in memory to the fastest (default: C order)."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    layout = shape if axes is None else tuple(shape[d] for d in axes)
    if nbytes < LEAST_BYTES or _pool.limit == 0:
        array = np.empty(layout, dtype)
    else:
        array = np.ndarray(layout, dtype, _pool.take(nbytes))
    return array if axes is None else array.transpose(np.argsort(axes))


def clear():
    """Give the memory of past results back to the system."""
    _pool.clear()
