"""From the operands of a call to the backend that owns them: dtypes, shapes, the axis and outputs are decided here."""
import functools
import importlib
import math
import operator

import numpy as np

from .. import containers
from ..dispatch import backend_of, checked
from ..dtypes import common_dtype, result_dtype, storage_of


def call(kernel, operands, axis, out=None, dtype=None, keepdims=True):
    """The kernel's outputs: one, or a tuple of them.

    The operands with a number for each element broadcast to the shape of the leading one, x or y, those with one for
    each row to that of its rows.  Outputs of a number for each row lose the axis unless `keepdims`.
    """
    as_arrays, out = out is ..., None if out is ... else out
    container = containers.owner(kernel, operands)
    if container is not None:
        again = functools.partial(call, kernel, out=out, dtype=dtype, keepdims=keepdims)
        return container.rowwise(kernel, operands, axis, again)
    backend = _backend(kernel, operands)
    operands = dict(zip(kernel.operands, backend.wrapped(kernel, operands), strict=True))
    dtype = common_dtype(kernel, [operands[name] for name in kernel.inputs], dtype)
    leading = kernel.inputs[kernel.leading]
    first = backend.asarray(kernel, leading, operands[leading])
    shape, axis = first.shape, axis_of(kernel.owner, leading, axis, first.shape)
    of_row = shape[:axis] + (1,) + shape[axis + 1:]
    arrays = []
    for name, operand in operands.items():
        array = first if operand is operands[leading] else backend.asarray(kernel, name, operand)
        own = _number_type(kernel, name, array, dtype)
        if array.dtype != own:
            with np.errstate(all="ignore"):
                array = backend.convert(array, own)
        once = name in kernel.once or name in kernel.places
        arrays.append(_fitting(backend, kernel, name, array, of_row if once else shape))
    each = kernel.program(storage_of(dtype)).along
    shapes = [shape if along else of_row if keepdims else shape[:axis] + shape[axis + 1:] for along in each]
    given = checked(backend, kernel, out, shapes, dtype, "same_kind") or (None,) * len(shapes)
    kept = [None if a is None else a if along or keepdims else backend.expanded(a, axis)
            for a, along in zip(given, each, strict=True)]
    results = backend.rowwise(kernel, arrays, kept, shape, axis, dtype)
    results = tuple([a if a is not None else r if r.shape == s else r.reshape(s)[()]
                     for r, s, a in zip(results, shapes, given, strict=True)])
    if as_arrays:
        results = tuple([r if isinstance(r, backend.Array) else np.asarray(r) for r in results])
    return results[0] if len(results) == 1 else results


def prepared(kernel, shape, axis, dtype):
    """The kernel as a function of C-contiguous, aligned arrays of NumPy, of that shape and dtype; None for others."""
    if storage_of(dtype) is None or not dtype.isnative or not math.prod(shape):
        return None
    return importlib.import_module(".cpu", __package__).prepared(kernel, shape, axis % len(shape), dtype)


def _backend(kernel, operands):
    try:
        module = backend_of(operands).__name__.rpartition(".")[2]
        return importlib.import_module(f".{module}", __package__)
    except (TypeError, ModuleNotFoundError) as error:
        raise type(error)(f"{kernel.owner}: {error}") from None


def axis_of(owner, name, axis, shape):
    """The axis of an operand of that name and shape, counted from the first."""
    if not shape:
        raise ValueError(f"{owner}: {name} is a number; an array with an axis is accepted")
    try:
        place = operator.index(axis)
    except TypeError:
        raise TypeError(f"{owner}: axis={axis!r} is not accepted; one int is") from None
    if not -len(shape) <= place < len(shape):
        raise ValueError(f"{owner}: axis={axis} is none of an array of shape {shape}; accepted are "
                         f"{-len(shape)} to {len(shape) - 1}")
    return place % len(shape)


def _number_type(kernel, name, array, dtype):
    """The dtype in which an operand is read."""
    if name in kernel.masks:
        if array.dtype != bool:
            raise TypeError(f"{kernel.owner}: {name} has dtype {array.dtype}; a mask of bool is accepted")
        return array.dtype
    if name in kernel.places:
        return np.dtype(np.int64)
    if name in kernel.once:
        try:
            result_dtype((array,))
        except TypeError as error:
            raise TypeError(f"{kernel.owner}: {name}: {error}") from None
    return dtype


def _fitting(backend, kernel, name, array, shape):
    """An operand with the shape that is wanted."""
    if array.shape == shape:
        return array
    try:
        return backend.broadcast(array, shape)
    except ValueError:
        what = "each row" if name in (*kernel.once, *kernel.places) else kernel.inputs[kernel.leading]
        raise ValueError(f"{kernel.owner}: {name} has shape {array.shape}; one that broadcasts to that of {what}, "
                         f"{shape}, is accepted") from None


def one_of(owner, x, y):
    """The operand or the result, from which a gradient is to start, and not from both or neither."""
    if (x is None) == (y is None):
        raise TypeError(f"{owner}: one of x and y= is accepted, the operand or the result")
    return y if x is None else x
