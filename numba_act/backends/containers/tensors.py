"""Tensors of other libraries: the same memory as an array of NumPy or CuPy, and the result as a tensor."""
import ctypes

import numpy as np

from .. import dispatch
from . import kind_of
from .container import Container, Refused, named, numbers_unpacked

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13             # DLPack's numbers of devices


class Tensors(Container):
    """The whole call is made on arrays that share the tensors' memory."""

    takes_plain = False
    has_numbers = True

    def array(self, kernel, name, tensor):
        """A tensor as an array, in the same memory."""
        raise NotImplementedError

    def made(self, array, like):
        """An array as a tensor, where another one is."""
        raise NotImplementedError

    def elementwise(self, kernel, operands, calls, options):
        def compute(arrays, out):
            where = options["where"]
            where = self.array(kernel, "where", where) if kind_of(where) is self else where
            return dispatch.elementwise(kernel, arrays, calls, **{**options, "out": out, "where": where})

        return self._computed(kernel, operands, options["out"], compute)

    def backward(self, kernel, operands, names, wrt, calls, out):
        return self._computed(kernel, operands, out,
                              lambda arrays, out: dispatch.backward(kernel, arrays, names, wrt, calls, out))

    def _computed(self, kernel, operands, out, compute):
        given = out if isinstance(out, tuple) else (out,)
        with named(kernel):
            unpacked = tuple(self.array(kernel, "out", o) if kind_of(o) is self else o for o in given)
            arrays = numbers_unpacked(kernel, operands)
        results = compute(arrays, None if out is None else unpacked)
        like = next((o for o in operands if kind_of(o) is self), None)
        each = results if isinstance(results, tuple) else (results,)
        given = given if out is not None else (None,) * len(each)
        with named(kernel):
            made = tuple(self.made(y, like) if o is None else o for y, o in zip(each, given, strict=True))
        return made if isinstance(results, tuple) else made[0]


class Torch(Tensors):
    name = "PyTorch tensors"
    conversion = "torch.asarray(x)"

    def array(self, kernel, name, tensor):
        import torch
        if tensor.requires_grad and torch.is_grad_enabled():
            raise TypeError(f"{kernel.owner}: {name} requires grad, which numba_act.torch.{kernel.owner} heeds; "
                            f"or give {name}.detach()")
        tensor = tensor.detach()
        if tensor.is_cuda:
            import cupy
            return cupy.from_dlpack(tensor)
        if tensor.dtype is torch.bfloat16:
            return tensor.view(torch.uint16).numpy().view(bfloat16())
        return tensor.numpy()

    def made(self, array, like):
        import torch
        if hasattr(array, "__cuda_array_interface__"):
            return torch.from_dlpack(array)
        array = np.asarray(array)
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
        return torch.from_numpy(array)


class Jax(Tensors):
    name = "JAX arrays"
    conversion = "jax.numpy.asarray(x)"

    def array(self, kernel, name, tensor):
        if next(iter(tensor.devices())).platform != "gpu":
            return np.asarray(tensor)
        import cupy
        return cupy.from_dlpack(tensor)

    def made(self, array, like):
        import jax
        if hasattr(array, "__cuda_array_interface__"):
            return jax.dlpack.from_dlpack(array)
        array = np.asarray(array)
        return jax.device_put(array, like.sharding if array.shape == like.shape else None)


class JaxTracer(Refused):
    message = "{owner}: a JAX {type} has no values; numba_act.jax.{owner} is for jit, grad and vmap"


class Exported(Tensors):
    """Anything with __dlpack__: NumPy's or CuPy's arrays come out."""

    name = "arrays by DLPack"
    takes_plain = True

    def array(self, kernel, name, tensor):
        device, _ = tensor.__dlpack_device__()
        if device in (CUDA, CUDA_MANAGED):
            import cupy
            return cupy.from_dlpack(tensor)
        if device in (CPU, CUDA_HOST):
            return from_dlpack(tensor)
        raise TypeError(f"{kernel.owner}: {name} is on DLPack's device {int(device)}; the CPU and CUDA are supported")

    def made(self, array, like):
        return array


def bfloat16():
    try:
        from ml_dtypes import bfloat16
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("bfloat16 needs ml_dtypes: pip install ml_dtypes", name=error.name) from None
    return bfloat16


# --- DLPack -----------------------------------------------------------------------------------------------------------
class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32 * 2), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


READ_ONLY = 1
CODES = {0: "i", 1: "u", 2: "f", 6: "b"}
BFLOAT = 4


class _Memory:
    """What a capsule holds, which frees it unless it is used."""

    def __init__(self, capsule):
        self.capsule = capsule


def from_dlpack(exporter):
    """An array in the exporter's memory, also where that is read-only or of bfloat16, which NumPy's own refuses."""
    try:
        capsule = exporter.__dlpack__(max_version=(1, 0))
    except TypeError:                            # of before version 1
        capsule = exporter.__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name = b"dltensor_versioned" if b"versioned" in _name(capsule) else b"dltensor"
    pointer = get(capsule, name)
    if name == b"dltensor":
        tensor, read_only = _Tensor.from_address(pointer), False
    else:
        versioned = _Versioned.from_address(pointer)
        tensor, read_only = versioned.tensor, bool(versioned.flags & READ_ONLY)
    size = tensor.bits // 8
    kind = "u" if tensor.code == BFLOAT else CODES.get(tensor.code)
    if kind is None or tensor.lanes != 1 or tensor.bits % 8:
        raise TypeError(f"DLPack's type {tensor.code} of {tensor.bits} bits is not supported")
    shape = tuple(tensor.shape[:tensor.ndim]) if tensor.ndim else ()
    memory = _Memory(capsule)
    memory.__array_interface__ = {
        "version": 3, "typestr": f"={kind}{size}", "shape": shape,
        "strides": tuple(s * size for s in tensor.strides[:tensor.ndim]) if tensor.ndim and tensor.strides else None,
        "data": ((tensor.data or 0) + tensor.offset, read_only)}
    array = np.asarray(memory) if 0 not in shape else np.empty(shape, f"{kind}{size}")
    return array.view(bfloat16()) if tensor.code == BFLOAT else array


def _name(capsule):
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(capsule)
