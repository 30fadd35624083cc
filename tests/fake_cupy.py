"""A stand-in for CuPy on a machine without a GPU: device memory is simulated, and a launch runs the kernel's PTX.

It offers what the CUDA backend uses, refuses what CuPy refuses, and records every launch.
"""
import contextlib
import types
from typing import NamedTuple

import numpy
import ptx

__version__ = "stand-in"
memory = ptx.Memory(1 << 26)
launches, compiled = [], []                  # of kernels; of PTX
current = types.SimpleNamespace(device=0, stream=0)
capabilities = ["90", "75"]                  # a device each


class Launch(NamedTuple):
    name: str
    grid: tuple
    block: tuple
    arguments: tuple
    device: int
    stream: int


class ndarray:
    """An array in simulated memory; `host` is a NumPy view of it."""
    __array_priority__ = 100

    def __init__(self, host, device):
        self.host, self.device = host, types.SimpleNamespace(id=device)
        self.shape, self.dtype, self.ndim, self.size = host.shape, host.dtype, host.ndim, host.size
        self.strides, self.itemsize, self.nbytes = host.strides, host.itemsize, host.nbytes
        flags = host.flags
        self.flags = types.SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)
        start = host.__array_interface__["data"][0] - memory.bytes.__array_interface__["data"][0]
        self.data = types.SimpleNamespace(ptr=ptx.BASE + start if host.size else 0, device_id=device)

    @property
    def T(self):
        return ndarray(self.host.T, self.device.id)

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3,
                "strides": self.strides}

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("a ufunc was called on a device array")

    def __getitem__(self, key):
        host = self.host[key]
        return ndarray(host if isinstance(host, numpy.ndarray) else self.host[(*key, ...)], self.device.id)

    def __setitem__(self, key, value):
        self.host[key] = value.host if isinstance(value, ndarray) else value

    def __iadd__(self, other):
        self.host += other.host
        return self

    def get(self):
        return self.host.copy()

    def _on_the_same_device(self, host):
        with cuda.Device(self.device.id):
            return asarray(host)

    def astype(self, dtype, order="K"):
        with numpy.errstate(all="ignore"):
            return self._on_the_same_device(self.host.astype(dtype, order=order))

    def sum(self, axis=None, keepdims=False):
        with numpy.errstate(all="ignore"):
            return self._on_the_same_device(self.host.sum(axis=axis, keepdims=keepdims))

    def transpose(self, *axes):
        return ndarray(self.host.transpose(*axes), self.device.id)

    def reshape(self, *shape):
        return ndarray(self.host.reshape(*shape), self.device.id)

    def view(self, dtype):
        return ndarray(self.host.view(dtype), self.device.id)


def empty(shape, dtype=float, order="C"):
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    dtype = numpy.dtype(dtype)
    nbytes = int(numpy.prod(shape, dtype=int)) * dtype.itemsize
    start = memory.allocate(nbytes) - ptx.BASE
    memory.bytes[start:start + nbytes] = 0xA5            # as good as uninitialised
    return ndarray(numpy.ndarray(shape, dtype, memory.bytes, start, order=order), current.device)


def zeros(shape, dtype=float):
    made = empty(shape, dtype)
    made.host[...] = 0
    return made


def asarray(a):
    if isinstance(a, ndarray):
        return a
    if hasattr(a, "__cuda_array_interface__"):
        shown = a.__cuda_array_interface__
        host = numpy.ndarray(shown["shape"], shown["typestr"], memory.bytes, shown["data"][0] - ptx.BASE,
                             shown.get("strides"))
        return ndarray(host, current.device)
    a = numpy.asarray(a)
    order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    axes = numpy.argsort([-abs(s) for s in a.strides], kind="stable")
    made = empty(tuple(a.shape[k] for k in axes) if order == "C" else a.shape, a.dtype, order)
    made = made.transpose(tuple(numpy.argsort(axes))) if order == "C" and a.ndim else made
    made.host[...] = a
    return made


def ascontiguousarray(a):
    return a if a.flags.c_contiguous else a._on_the_same_device(numpy.ascontiguousarray(a.host))


def broadcast_to(a, shape):
    return ndarray(numpy.broadcast_to(a.host, shape), a.device.id)


def copyto(target, source, casting="same_kind", where=None):
    with numpy.errstate(all="ignore"):
        numpy.copyto(target.host, source.host, casting, True if where is None else where.host)


def clear():
    """Forget all arrays and launches."""
    memory.__init__(memory.bytes.size)
    launches.clear()
    compiled.clear()
    current.device = current.stream = 0


class Device:
    def __init__(self, id):
        self.id, self.compute_capability = id, capabilities[id]

    def __enter__(self):
        self.before, current.device = current.device, self.id

    def __exit__(self, *error):
        current.device = self.before


@contextlib.contextmanager
def stream(number):
    before, current.stream = current.stream, number
    yield
    current.stream = before


class LinkState:
    def add_ptr_data(self, data, name):
        assert type(data) is bytes
        assert data.endswith(b"\0")
        self.ptx = data[:-1]

    def complete(self):
        compiled.append(self.ptx.decode())
        return b"cubin of " + self.ptx


class Module:
    def load(self, cubin):
        assert cubin.startswith(b"cubin of ")
        self.ptx, self.device = cubin.removeprefix(b"cubin of ").decode(), current.device

    def get_function(self, name):
        assert f".entry {name}(" in self.ptx
        target = self.ptx.partition(".target sm_")[2].split()[0]
        assert int(target) <= int(capabilities[self.device]), "PTX for a newer device"
        return Function(self, name)


class Function:
    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self, grid, block, args):
        assert self.module.device == current.device, "a function of another device"
        assert type(grid) is type(block) is tuple
        arguments = [_argument(a) for a in args]
        launches.append(Launch(self.name, grid, block, tuple(args), current.device, current.stream))
        ptx.run(self.module.ptx, memory, arguments, *grid, *block)


def _argument(value):
    """What CuPy's launcher passes: a pointer, a NumPy array of one element by value, an integer as int64."""
    if isinstance(value, ndarray):
        assert value.device.id == current.device, "an array of another device"
        return value.data.ptr
    if type(value) is numpy.ndarray:
        assert value.size == 1
        return value
    assert type(value) is int, f"{value!r} would be passed as something else"
    return value


class _Runtime:
    @staticmethod
    def getDevice():
        return current.device

    @staticmethod
    def getDeviceCount():
        return len(capabilities)

    @staticmethod
    def driverGetVersion():
        return 13000

    @staticmethod
    def getDeviceProperties(k):
        return {"name": f"stand-in {k}".encode()}


cuda = types.SimpleNamespace(
    Device=Device, runtime=_Runtime, is_available=lambda: True,
    function=types.SimpleNamespace(Module=Module, LinkState=LinkState, Function=Function))
