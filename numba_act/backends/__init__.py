"""Which backend owns the operands of a call, and what both backends agree on."""
import functools
import importlib
import sys

import numpy as np

STORED = "float16", "bfloat16", "float32", "float64"


class Kernel:
    """A function to compile.

    name : of the function, for symbols and the ufunc
    owner : whose function it is, for messages
    inputs : the operands' names
    parameters : those of the inputs, the last ones, that are usually one number, with that number
    build : from a working dtype to the output nodes, whose arguments are named as the inputs
    n_outputs : how many nodes `build` gives
    quick : dtype -> ufunc, size from which on it wants threads, defaults as arrays; filled when a loop is compiled;
        and the array type of another backend -> its own way of a quick call
    """

    def __init__(self, name, owner, inputs, parameters, build, n_outputs=1):
        self.name, self.owner, self.inputs, self.parameters = name, owner, inputs, parameters
        self.build, self.n_outputs, self.quick = build, n_outputs, {}


def result_dtype(operands, dtype=None):
    """The dtype of the result.  Python numbers take that of the arrays beside them; integers compute in float64."""
    if dtype is not None:
        return _supported(np.dtype(dtype), exact=True)
    dtypes = {d for o in operands if type(o) not in (bool, int, float) for d in _dtypes(o)}
    computed = {_supported(d) for d in dtypes}
    if len(dtypes) < 2:
        return computed.pop() if computed else np.dtype(np.float64)
    for candidates in (dtypes, computed):        # with int64 bfloat16 has no common type
        try:
            return _supported(np.result_type(*candidates))
        except np.exceptions.DTypePromotionError:
            pass
    raise TypeError(f"{' and '.join(sorted(d.name for d in computed))} have no common dtype; cast one of the operands, "
                    "as by x.astype('float32')")


def common_dtype(kernel, operands, dtype=None):
    """As result_dtype; errors name the activation and the operand."""
    try:
        return result_dtype(operands, dtype)
    except (TypeError, ValueError) as error:
        for name, operand in zip(kernel.inputs, operands, strict=True):
            try:
                result_dtype((operand,))
            except (TypeError, ValueError) as reason:
                raise type(reason)(f"{kernel.owner}: {name}: {reason}") from None
        raise type(error)(f"{kernel.owner}: {error}") from None


def _dtypes(operand):
    """An operand's dtype, or those of a frame's columns."""
    dtype = getattr(operand, "dtype", None)
    if dtype is not None:
        return (dtype,)
    columns = getattr(operand, "dtypes", None)
    return (np.asarray(operand).dtype,) if columns is None else columns


@functools.cache
def _supported(dtype, exact=False):
    native = dtype.newbyteorder("=") if isinstance(dtype, np.dtype) else np.dtype(object)
    if native.kind in "biu" and not exact:
        return np.dtype(np.float64)
    if native.name not in STORED:
        raise TypeError(f"dtype {dtype} is not supported; {', '.join(STORED)} are" +
                        ("" if exact else ", and integers and bool, which compute in float64"))
    return native


def backend_of(operands):
    """The module that computes on these operands: cpu or cuda."""
    devices = [o for o in operands if _on_device(o)]
    if not devices:
        from . import cpu
        return cpu
    for operand in operands:
        if isinstance(operand, np.ndarray) and operand.ndim:
            raise TypeError(f"operands on the CPU ({type(operand).__name__}) and on the GPU "
                            f"({type(devices[0]).__name__}) in one call; move one: cupy.asarray(x) or x.get()")
    return importlib.import_module(f"{__name__}.cuda")


def _on_device(operand):
    if type(operand) in (np.ndarray, float, int):
        return False
    cupy = sys.modules.get("cupy")
    return (cupy is not None and isinstance(operand, cupy.ndarray)) or hasattr(operand, "__cuda_array_interface__")
