"""Operands that hold arrays rather than being plain ones: Dask stays lazy, xarray, pandas and masked arrays keep
their type.  None of these packages is imported here: whoever passes such an operand has imported it."""
import functools

import numpy as np

from ..runtime import threads
from . import layout
from .dtypes import common_dtype, result_dtype

USUAL = {"out": None, "where": True, "dtype": None, "casting": "same_kind", "order": "K"}


def owner(operands):
    """What computes on these operands if any of them is such a container, else None."""
    handlers = {_handler(type(o)) for o in operands} - {None}
    for handler in (through_xarray, through_dask, through_ufunc):    # each may hold those that follow
        if handler in handlers:
            return handler
    return None


@functools.cache
def _handler(kind):
    names = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in kind.__mro__}
    if names & {"xarray.DataArray", "xarray.Dataset", "xarray.Variable"}:
        return through_xarray
    if "dask.Array" in names:
        return through_dask
    if kind is np.ndarray or issubclass(kind, np.generic) or hasattr(kind, "__cuda_array_interface__"):
        return None
    return through_ufunc if hasattr(kind, "__array_ufunc__") else None


def _only_dtype(kernel, options, handler):
    given = [name for name in USUAL if name != "dtype" and _given(name, options)]
    if given:
        raise TypeError(f"{kernel.owner}: {given[0]}= is not accepted for {NAMES[handler]}")
    return {} if options["dtype"] is None else {"dtype": options["dtype"]}


def _given(name, options):
    value = options[name]
    return value != USUAL[name] if isinstance(value, str) else value is not USUAL[name]


def alone(call, *operands, **options):
    """A block's result in the thread that asks for it: Dask has as many threads as it may use."""
    with threads.alone():
        return call(*operands, **options)


def through_dask(kernel, operands, calls, options):
    """A lazy Dask array or arrays: the activation itself is mapped over the blocks."""
    from dask.array.core import elemwise
    again = _only_dtype(kernel, options, through_dask)
    dtype = common_dtype(kernel, operands, again.get("dtype"))
    return _each(calls, again, lambda call: elemwise(functools.partial(alone, call), *operands, dtype=dtype))


def through_xarray(kernel, operands, calls, options):
    """xarray's own apply_ufunc, whatever the data inside."""
    from xarray import apply_ufunc
    again = _only_dtype(kernel, options, through_xarray)
    return _each(calls, again, lambda call: apply_ufunc(call, *operands, dask="allowed", keep_attrs=True))


def _each(calls, again, mapped):
    results = tuple(mapped(functools.partial(call, **again)) for call in calls)
    return results[0] if len(calls) == 1 else results


def through_ufunc(kernel, operands, calls, options):
    """NumPy's ufunc protocol: pandas, masked arrays, other subclasses."""
    from . import cpu_ufunc
    operands = [o.astype(np.float64) if getattr(getattr(o, "dtype", None), "kind", "f") in "biu" and
                hasattr(o, "astype") else o for o in operands]
    given = {name: value for name, value in options.items() if _given(name, options)}
    dtype = common_dtype(kernel, operands)
    operands = [dtype.type(o) if isinstance(o, int | float) else o for o in operands]      # a frame would widen it
    try:
        with np.errstate(all="ignore"):
            return cpu_ufunc.ensure(kernel, dtype)(*operands, **given)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError      # NumPy's own take no message
        raise kind(f"{kernel.owner}: {str(error).strip()}") from error


NAMES = {through_dask: "Dask arrays", through_xarray: "xarray objects",
         through_ufunc: "the gradients of pandas objects, masked arrays and other subclasses"}


def backward(handler, kernel, operands, names, wrt, calls, out=None):
    """Gradients for containers: each product elementwise, then summed to its operand's shape."""
    if out is not None:
        raise TypeError(f"{kernel.owner}: out= is not accepted for {NAMES[handler]}")
    whole = handler(kernel, operands, calls, USUAL)
    whole = whole if isinstance(whole, tuple) else (whole,)
    return tuple(_summed(handler, gradient, operands[1 + names.index(name)])
                 for gradient, name in zip(whole, wrt, strict=True))


def _summed(handler, gradient, operand):
    if handler is through_xarray and (hasattr(operand, "dims") or hasattr(gradient, "data_vars")):
        return _summed_by_name(gradient, operand)
    shape, gradient = np.shape(operand), getattr(gradient, "data", gradient) if handler is through_xarray else gradient
    if _same(shape, gradient.shape):
        return gradient
    if handler is through_ufunc:
        gradient = np.ma.filled(gradient, 0) if isinstance(gradient, np.ma.MaskedArray) else np.asarray(gradient)
    return layout.summed(gradient, shape, _total)


def _same(shape, other):
    """Whether shapes are equal; Dask's unknown lengths, which are NaN, count as such."""
    return len(shape) == len(other) and all(m == n or (m != m and n != n) for m, n in zip(shape, other, strict=True))


def _summed_by_name(gradient, operand):
    """What xarray's own sum is not: in float64, with NaN, for bfloat16, and quiet."""
    if hasattr(operand, "data_vars"):
        return gradient.map(lambda part: _summed_by_name(part, operand[part.name]), keep_attrs=True)
    if hasattr(gradient, "data_vars"):                   # every variable had a part in the same parameter
        parts = [_summed(through_xarray, part.astype(np.float64), operand) for part in gradient.data_vars.values()]
        with np.errstate(all="ignore"):
            return sum(parts).astype(result_dtype(gradient.data_vars.values()))
    away = [d for d in gradient.dims if d not in operand.dims]
    return (gradient.reduce(_total, away) if away else gradient).transpose(*operand.dims)


def _total(array, axis, keepdims=False):
    """As layout.total; of a Dask array block by block."""
    if _handler(type(array)) is not through_dask:
        return layout.total(array, axis, keepdims)
    from dask.array import reduction
    wide, own = (functools.partial(layout.total, dtype=dtype) for dtype in (np.float64, array.dtype))
    return reduction(array, wide, own, axis, keepdims, dtype=array.dtype, combine=wide)
