"""From the operands of a call to the backend that owns them: dtypes, shapes and outputs are decided here, once."""
import functools
import importlib
import sys

import numpy as np
from numpy import generic, ndarray

from ..runtime import outputs, threads
from . import containers
from .dtypes import common_dtype, number
from .kernel import Quick

CASTINGS = "no", "equiv", "safe", "same_kind", "unsafe"
ORDERS = "K", "A", "C", "F"
NOT_YET = Quick(None, 0, ())


def quick(kernel, operands, out, arrays=1):
    """The result for plain arrays of one shape and dtype beside Python's numbers and NumPy's of that dtype, or for
    Python's alone, once the kernel is compiled; None for anything else, which takes 5 us more to sort out.  The first
    so many operands must be arrays of one shape."""
    first = operands[0]
    if type(first) is not ndarray:
        other = kernel.quick.get(type(first))
        try:
            return None if other is None else other(kernel, operands, out, arrays)
        except OverflowError:
            return None
    dtype, shape = first.dtype, first.shape
    function, limit, _ = kernel.quick.get(dtype, NOT_YET)
    if function is None:
        return None
    small, ready = first.size < limit, [first]
    try:
        for other in operands[1:]:
            free, kind = len(ready) >= arrays, type(other)
            if kind is ndarray:
                if other.dtype != dtype or not (
                        other.shape == shape or (free and small and _fits(other.shape, shape))):
                    return None
                ready.append(other)
            elif free and (kind is float or kind is int):
                ready.append(number(other, dtype))
            elif free and kind is dtype.type:
                ready.append(other)
            else:
                return None
        if out is not None:
            if type(out) is not ndarray or kernel.n_outputs > 1 or out.dtype != dtype or out.shape != shape:
                return None
            ready.append(out)
        if not small:
            if not in_one_piece(*ready):
                return None
            if out is None:
                ready += [outputs.empty(shape, dtype) for _ in range(kernel.n_outputs)]
        return function(*ready)
    except (ValueError, OverflowError):          # a read-only output, a large number: to be said in our own words
        return None


def in_one_piece(*arrays):
    """Whether NumPy hands large arrays to the driver as they are, for which threads are started."""
    for array in arrays:
        if type(array) is ndarray and not array.flags.c_contiguous:
            return False
    threads.start()
    return True


def _fits(own, shape):
    """Whether this is one number, or one a channel along the last axes; where a shape is small NumPy is good enough at
    it."""
    return not own or (own == (1,) and shape != ()) or (len(own) < len(shape) and own == shape[len(shape) - len(own):])


def elementwise(kernel, operands, calls, *, out=None, where=True, dtype=None, casting="same_kind", order="K"):
    """The kernel's output or outputs.  `calls` gives functions of the same operands, one an output, for operands
    that arrive block by block."""
    order, as_arrays = _order(kernel, casting, order), out is ...
    out = None if as_arrays else out
    found = _plain(kernel, operands) if dtype is None else None
    if found is None:
        container = containers.owner(kernel, operands)
        if container is not None:
            options = {"out": out, "where": where, "dtype": dtype, "casting": casting, "order": order}
            return container.elementwise(kernel, operands, calls(), options)
        found = _resolve(kernel, operands, dtype, casting)
    backend, arrays, dtype = found
    shape = _shape(kernel, arrays)
    where = _mask(backend, kernel, where, shape)
    out = _outputs(backend, kernel, out, _largest(shape, out, where), dtype, casting)
    if where is True and (out is None or all(o is None or (o.dtype == dtype and o.shape == shape) for o in out)):
        results = backend.call(kernel, arrays, out, order, dtype)
    else:
        results = backend.masked(kernel, arrays, out, where, casting, order, dtype)
    if as_arrays:
        results = [r if isinstance(r, backend.Array) else np.asarray(r) for r in results]
    elif not shape and out is None:
        results = map(backend.as_scalar, results)
    results = tuple(results)
    return results[0] if kernel.n_outputs == 1 else results


def backward(kernel, operands, names, wrt, calls, out=None):
    """The gradients in the operands named `wrt`, each summed to its operand's shape, as a tuple."""
    out = None if out is ... else out
    found = _plain(kernel, operands)
    if found is None:
        container = containers.owner(kernel, operands)
        if container is not None:
            return container.backward(kernel, operands, names, wrt, calls(), out)
        found = _resolve(kernel, operands)
    backend, arrays, dtype = found
    shape = _shape(kernel, arrays)
    targets = [arrays[1 + names.index(name)].shape for name in wrt]
    if targets.count(shape) == len(targets):
        results = backend.call(kernel, arrays, _outputs(backend, kernel, out, shape, dtype, "same_kind"),
                               dtype=dtype)
    elif out is not None:
        raise TypeError(f"{kernel.owner}: backward takes out= only where no gradient is summed; here wrt "
                        f"{', '.join(wrt)} have shapes {', '.join(map(str, targets))} beside {shape}")
    else:
        results = backend.reduce(kernel, arrays, targets, dtype)
    return tuple([r if t else backend.as_scalar(r) for r, t in zip(results, targets, strict=True)])


def _order(kernel, casting, order):
    """The order in a capital, as NumPy takes either; both options are checked."""
    if casting not in CASTINGS:
        raise ValueError(f"{kernel.owner}: casting={casting!r} is no rule; accepted are {', '.join(CASTINGS)}")
    letter = order.upper() if isinstance(order, str) else order
    if letter not in ORDERS:
        raise ValueError(f"{kernel.owner}: order={order!r} is no order; accepted are {', '.join(ORDERS)}")
    return letter


def _plain(kernel, operands):
    """What _resolve gives, for NumPy's arrays and numbers of one dtype that there is a loop for, beside Python's
    numbers; None for anything else, which takes 8 us more to sort out."""
    dtype = None
    for operand in operands:
        kind = type(operand)
        if kind is float or kind is int:
            continue
        if kind is not ndarray and not issubclass(kind, generic):
            return None
        if dtype is None:
            dtype = operand.dtype
        elif operand.dtype != dtype:
            return None
    if dtype not in kernel.quick:
        return None
    try:
        return _cpu(), [o if type(o) is ndarray else number(o, dtype) for o in operands], dtype
    except OverflowError:
        return None


def _resolve(kernel, operands, dtype=None, casting="same_kind"):
    """The backend of the operands, these as arrays, and the dtype of the result; errors name the operand."""
    try:
        backend = backend_of(operands)
        operands = backend.wrapped(kernel, operands)
    except (TypeError, ModuleNotFoundError) as error:
        common_dtype(kernel, operands)
        raise type(error)(f"{kernel.owner}: {error}") from None
    dtype = common_dtype(kernel, operands, dtype)
    return backend, [_array(backend, kernel, name, operand, dtype, casting)
                     for name, operand in zip(kernel.inputs, operands, strict=True)], dtype


def backend_of(operands):
    """The module that computes on these operands: cpu or cuda."""
    devices = [o for o in operands if _on_device(o)]
    if not devices:
        return _cpu()
    for operand in operands:
        if isinstance(operand, np.ndarray) and operand.ndim:
            raise TypeError(f"operands on the CPU ({type(operand).__name__}) and on the GPU "
                            f"({type(devices[0]).__name__}) in one call; move one: cupy.asarray(x) or x.get()")
    return importlib.import_module(f"{__package__}.cuda")


@functools.cache
def _cpu():
    from . import cpu
    return cpu


def _on_device(operand):
    if type(operand) in (np.ndarray, float, int):
        return False
    cupy = sys.modules.get("cupy")
    return (cupy is not None and isinstance(operand, cupy.ndarray)) or hasattr(operand, "__cuda_array_interface__")


def _array(backend, kernel, name, operand, dtype, casting):
    if type(operand) is np.ndarray and operand.dtype is dtype:
        return operand
    if isinstance(operand, bool | int | float):
        try:
            return number(operand, dtype)
        except OverflowError as error:
            raise OverflowError(f"{kernel.owner}: {name}: {error}") from None
    array = backend.asarray(kernel, name, operand)
    if array.dtype == dtype:
        return array
    if not np.can_cast(array.dtype, dtype, casting):
        raise TypeError(f"{kernel.owner}: {name} cannot be cast from {array.dtype} to {dtype} by the rule "
                        f"casting={casting!r}")
    with np.errstate(all="ignore"):
        return backend.cast(array, dtype)


def _shape(kernel, arrays):
    """The shape of the result."""
    first = arrays[0].shape
    for array in arrays:
        if array.ndim and array.shape != first:
            break
    else:
        return first
    try:
        return np.broadcast_shapes(*[a.shape for a in arrays])
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(kernel.inputs, arrays, strict=True))
        raise ValueError(f"{kernel.owner}: the shapes of the operands do not broadcast: {shapes}") from None


def _mask(backend, kernel, where, shape):
    """`where` as an array, or True."""
    if where is True:
        return True
    try:
        mask = backend.asarray(kernel, "where", *backend.wrapped(kernel, (where,)))
        np.broadcast_shapes(shape, mask.shape)
    except ValueError:
        raise ValueError(f"{kernel.owner}: where must be a mask that broadcasts with the operands, of shape {shape}"
                         ) from None
    if mask.dtype != bool:
        raise TypeError(f"{kernel.owner}: where has dtype {mask.dtype}; a mask of bool is needed")
    return mask


def _largest(shape, out, where):
    """The shape of outputs: larger ones take the result over and over, as those of any ufunc."""
    if out is None:
        return shape
    try:
        return np.broadcast_shapes(shape, np.shape(where), *[np.shape(o) for o in _tuple(out) if o is not None])
    except ValueError:                           # what does not fit is named by its own check
        return shape


def _tuple(out):
    return out if isinstance(out, tuple) else (out,)


def _outputs(backend, kernel, out, shape, dtype, casting):
    """`out` as a tuple of arrays or None, all of one shape."""
    return checked(backend, kernel, out, [shape] * kernel.n_outputs, dtype, casting)


def checked(backend, kernel, out, shapes, dtype, casting):
    """`out` as a tuple of arrays or None, of these shapes, checked before anything is written."""
    if out is None:
        return None
    out = _tuple(out)
    if len(out) != len(shapes):
        raise TypeError(f"{kernel.owner}: out needs {len(shapes)} arrays, not {len(out)}")
    for array, shape in zip(out, shapes, strict=True):
        if array is None:
            continue
        if not isinstance(array, backend.Array):
            raise TypeError(f"{kernel.owner}: out must be a {backend.ARRAY_NAME} array like the operands, "
                            f"not {type(array).__name__}{'; out=... stands alone' * (array is ...)}")
        if array.shape != shape:
            raise ValueError(f"{kernel.owner}: out has shape {array.shape}; the result has {shape}")
        if not np.can_cast(dtype, array.dtype, casting):
            raise TypeError(f"{kernel.owner}: out has dtype {array.dtype}, to which the result's {dtype} cannot be "
                            f"cast by the rule casting={casting!r}")
        if not getattr(array.flags, "writeable", True):
            raise ValueError(f"{kernel.owner}: out is read-only")
    return out
