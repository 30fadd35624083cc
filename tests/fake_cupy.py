"""A stand-in for CuPy on a machine without a GPU: device memory is simulated, and a launch runs the kernel's PTX.

It offers what the CUDA backend uses, refuses what CuPy refuses, flushes what CuPy's own kernels flush, and records each
launch and what makes the host wait.
"""
import contextlib
import types
from typing import NamedTuple

import numpy
import ptx

__version__ = "stand-in"
memory = ptx.Memory(1 << 26)
launches, compiled = [], []                  # of kernels; of PTX
waits = []                                   # what made the host wait, for a device or for the driver
places = {}                                  # where an allocation begins -> its device
current = types.SimpleNamespace(device=0, stream=0, captured=False)
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
        self.host, self.device = host, Device(device)
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
        self._here()[key] = value._here() if isinstance(value, ndarray) else value

    def __iadd__(self, other):
        self._here()[...] += other._here()
        return self

    def get(self):
        waits.append("get")
        return self.host.copy()

    def __deepcopy__(self, memo):
        with self.device:
            return _made(self.host.copy("K"))

    def _here(self):
        """The numbers, for a kernel of CuPy's, which runs on the current device."""
        assert self.device.id == current.device, "Array device must be same as the current device"
        return self.host

    def astype(self, dtype, order="K", copy=True):
        """By a kernel that is compiled with -ftz=true."""
        host = self._here()
        return self if not copy and host.dtype == dtype else _made(_cast(host, dtype).astype(dtype, order=order))

    def sum(self, axis=None, keepdims=False):
        with numpy.errstate(all="ignore"):
            return _made(self._here().sum(axis=axis, keepdims=keepdims))

    def transpose(self, *axes):
        return ndarray(self.host.transpose(*axes), self.device.id)

    def reshape(self, *shape):
        return ndarray(self.host.reshape(*shape), self.device.id)

    def view(self, dtype):
        return ndarray(self.host.view(dtype), self.device.id)


def _cast(host, dtype):
    """Numbers in another dtype; subnormal ones of float32 become 0."""
    with numpy.errstate(all="ignore"):
        cast, dtype = _flushed(host, dtype).astype(dtype), numpy.dtype(dtype)
        return _flushed(cast, host.dtype)


def _flushed(numbers, other):
    """Numbers of float32, or of bfloat16, which is computed in it, as a kernel that converts reads or writes them."""
    if numbers.dtype == other or numbers.dtype.name not in ("float32", "bfloat16"):
        return numbers
    least = numbers.dtype.type(2.0**-126)
    return numpy.where(abs(numbers) < least, numbers * numbers.dtype.type(0), numbers)


def empty(shape, dtype=float, order="C"):
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    dtype = numpy.dtype(dtype)
    nbytes = int(numpy.prod(shape, dtype=int)) * dtype.itemsize
    start = memory.allocate(nbytes) - ptx.BASE
    places[start] = current.device
    memory.bytes[start:start + nbytes] = 0xA5            # as good as uninitialised
    return ndarray(numpy.ndarray(shape, dtype, memory.bytes, start, order=order), current.device)


def zeros(shape, dtype=float):
    made = empty(shape, dtype)
    made.host[...] = 0
    return made


def ones(shape, dtype=float):
    made = empty(shape, dtype)
    made.host[...] = 1
    return made


def _made(host):
    """A new array, laid out alike."""
    axes = numpy.argsort([-abs(s) for s in host.strides], kind="stable")
    made = empty(tuple(host.shape[k] for k in axes), host.dtype).transpose(tuple(numpy.argsort(axes)))
    made.host[...] = host
    return made


def asarray(a):
    """In C order, or F order where that is what a NumPy array has; from another device as a copy."""
    if hasattr(a, "__cuda_array_interface__") and not isinstance(a, ndarray):
        shown = a.__cuda_array_interface__
        address, _ = shown["data"]
        host = numpy.ndarray(shown["shape"], shown["typestr"], memory.bytes, address - ptx.BASE, shown.get("strides"))
        a = ndarray(host, cuda.runtime.pointerGetAttributes(address).device)
    if isinstance(a, ndarray):
        return a if a.device.id == current.device else _made(a.host)
    a = numpy.asarray(a)
    waits.append("asarray")
    made = empty(a.shape, a.dtype, "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C")
    made.host[...] = a
    return made


def from_dlpack(exporter):
    """The exporter's memory, on its device."""
    return exporter.__dlpack__()


def ascontiguousarray(a):
    return a if a.flags.c_contiguous else _made(numpy.ascontiguousarray(a._here()))


def broadcast_to(a, shape):
    return ndarray(numpy.broadcast_to(a.host, shape), a.device.id)


def copyto(target, source, casting="same_kind", where=None):
    assert numpy.can_cast(source.dtype, target.dtype, casting)
    mask = True if where is None else where._here()
    numpy.copyto(target._here(), _cast(source._here(), target.dtype), where=mask)


def clear():
    """Forget all arrays and launches."""
    memory.__init__(memory.bytes.size)
    for record in (launches, compiled, waits, places):
        record.clear()
    current.device, current.stream, current.captured = 0, 0, False


class Device:
    def __init__(self, id=None):
        self.id = current.device if id is None else id
        self.compute_capability = capabilities[self.id]
        self.attributes = {"MultiProcessorCount": 100, "ClockRate": 1_000_000}

    def __enter__(self):
        self.before, current.device = current.device, self.id

    def __exit__(self, *error):
        current.device = self.before

    def synchronize(self):
        waits.append("synchronize")


@contextlib.contextmanager
def stream(number):
    before, current.stream = current.stream, number
    yield
    current.stream = before


class CUDADriverError(RuntimeError):
    pass


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
        if not cubin.startswith(b"cubin of "):
            raise CUDADriverError("CUDA_ERROR_INVALID_IMAGE: device kernel image is invalid")
        if current.captured:
            raise CUDADriverError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED: operation not permitted")
        waits.append("load")
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

    def linear_launch(self, size, args, shared_mem=0, block_max_size=128):
        assert shared_mem == 0
        block = min(block_max_size, size)
        self((-(-size // block_max_size),), (block,), args)


def _argument(value):
    """What CuPy's launcher passes: a pointer, a NumPy number or array of one element by value, an integer as int64."""
    if isinstance(value, ndarray):
        assert value.device.id == current.device, "an array of another device"
        return value.data.ptr
    if isinstance(value, numpy.ndarray | numpy.generic):
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
    def pointerGetAttributes(address):
        start = max(start for start in places if start <= address - ptx.BASE)
        return types.SimpleNamespace(device=places[start])

    @staticmethod
    def driverGetVersion():
        return 13000

    @staticmethod
    def getDeviceProperties(k):
        return {"name": f"stand-in {k}".encode()}


cuda = types.SimpleNamespace(
    get_current_stream=lambda: types.SimpleNamespace(is_capturing=lambda: current.captured),
    driver=types.SimpleNamespace(CUDADriverError=CUDADriverError), Device=Device, runtime=_Runtime,
    is_available=lambda: True, function=types.SimpleNamespace(Module=Module, LinkState=LinkState, Function=Function))
