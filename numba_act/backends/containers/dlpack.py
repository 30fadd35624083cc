"""Arrays of other libraries by DLPack's protocol, https://dmlc.github.io/dlpack, in the memory where they are.

NumPy's own from_dlpack refuses bfloat16, of which it knows nothing.
"""
import ctypes

import numpy as np

CPU, CUDA = (1, 3), (2, 13)                      # the numbers of devices: also CUDA's memory that both see
VERSION = 1, 0
READ_ONLY = 1                                    # a flag
LETTERS = {0: "i", 1: "u", 2: "f", 4: "u", 6: "b"}           # of NumPy, by the code of the type
BFLOAT = 4


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32 * 2), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi))


class _Memory:
    """What NumPy reads.  The capsule is not used up, so that it frees the memory when it goes."""

    def __init__(self, capsule, interface):
        self.capsule, self.__array_interface__ = capsule, interface


def imported(exporter):
    """An array in the exporter's memory on the CPU, read-only where that is."""
    try:
        capsule = exporter.__dlpack__(max_version=VERSION)
    except TypeError:                            # of a time before versions
        capsule = exporter.__dlpack__()
    if _is_valid(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        tensor, read_only = versioned.tensor, bool(versioned.flags & READ_ONLY)
    else:
        tensor, read_only = _Tensor.from_address(_pointer(capsule, b"dltensor")), False
    if tensor.code not in LETTERS or tensor.bits not in (8, 16, 32, 64) or tensor.lanes != 1:
        raise TypeError(f"DLPack's type {tensor.code} of {tensor.bits} bits is not supported")
    size, ndim = tensor.bits // 8, tensor.ndim
    dtype, shape = np.dtype(f"{LETTERS[tensor.code]}{size}"), tuple(tensor.shape[:ndim]) if ndim else ()
    if 0 in shape:                               # whose address may be any
        array = np.empty(shape, dtype)
    else:
        strides = tuple(step * size for step in tensor.strides[:ndim]) if ndim and tensor.strides else None
        array = np.asarray(_Memory(capsule, {
            "version": 3, "typestr": dtype.str, "shape": shape, "strides": strides,
            "data": (tensor.data + tensor.offset, read_only)}))
    return array.view(bfloat16()) if tensor.code == BFLOAT else array


def bfloat16():
    """ml_dtypes' type, whose package is needed only where there are such numbers."""
    try:
        from ml_dtypes import bfloat16
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("bfloat16 needs ml_dtypes: pip install ml_dtypes", name=error.name) from None
    return bfloat16
