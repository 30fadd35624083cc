"""Operands that hold arrays rather than being plain ones: same kind out.

Each library has one class, which says how a function of arrays is computed on what its objects hold.  The table knows
them by the names of their types, and nothing is imported before such an operand arrives.
"""
import functools
import importlib

import numpy as np

KINDS = {                                        # library.Type, itself or a base -> file and class
    "xarray.DataArray": "nested.XArray", "xarray.Dataset": "nested.XArray", "xarray.Variable": "nested.XArray",
    "awkward.Array": "nested.Awkward", "sparse.SparseArray": "nested.Sparse", "scipy._spbase": "nested.ScipySparse",
    "dask.Array": "lazy.DaskArray", "dask.FrameBase": "lazy.DaskFrame",
    "polars.Expr": "lazy.PolarsExpression", "polars.LazyFrame": "lazy.PolarsLazyFrame",
    "pandas.DataFrame": "columns.PandasFrame", "polars.DataFrame": "columns.PolarsFrame",
    "pandas.Series": "columns.Pandas", "pandas.Index": "columns.Pandas", "pandas.ExtensionArray": "columns.Pandas",
    "polars.Series": "columns.Polars", "pyarrow.Array": "columns.Arrow", "pyarrow.ChunkedArray": "columns.Arrow",
    "pyarrow.Table": "columns.ArrowTable", "pyarrow.RecordBatch": "columns.ArrowTable",
    **dict.fromkeys(("pandas.BaseGroupBy", "pandas.BaseWindow", "polars.GroupBy", "dask.GroupBy", "xarray.GroupBy",
                     "xarray.Rolling"), "columns.Groups"),
    "torch.Tensor": "tensors.Torch", "jaxlib.ArrayImpl": "tensors.Jax", "jax.Tracer": "tensors.JaxTracer",
}


def owner(kernel, operands):
    """What computes on these operands if any of them is such a container, else None."""
    for operand in operands:
        if kind_of(operand) is not None:
            return _common(kernel, operands)
    return None


def kind_of(thing):
    """What knows how to compute on a thing; None for plain arrays and numbers."""
    return _kind(type(thing))


@functools.cache
def _kind(type_):
    bases = [f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type_.__mro__]
    known = [KINDS[base] for base in bases if base in KINDS]
    if known:
        return _loaded(known[0])
    if type_ in (np.ndarray, np.memmap) or issubclass(type_, np.generic) or hasattr(type_, "__cuda_array_interface__"):
        return None
    if hasattr(type_, "__array_ufunc__"):
        return _loaded("nested.Ufunc")
    return _loaded("tensors.Exported") if hasattr(type_, "__dlpack__") else None


@functools.cache
def _loaded(place):
    file, name = place.split(".")
    return getattr(importlib.import_module(f"{__name__}.{file}"), name)()


def _common(kernel, operands):
    """The kind of a call: that of its arrays, beside which tensors of no dimension are numbers."""
    arrays = [o for o in operands if _is_array(o)] or operands
    found = {kind_of(o): o for o in arrays}
    plain = found.pop(None, None)
    if not found:
        return _loaded("tensors.Exported")
    for kind in found:
        if kind.holds.issuperset(type(other).__name__ for other in found if other is not kind) and (
                kind.takes_plain or not _is_array(plain)):
            return kind
    given = {**found, None: plain} if _is_array(plain) else found
    names = " and ".join(f"{type(o).__module__.partition('.')[0]}.{type(o).__name__}" for o in given.values())
    ways = dict.fromkeys("numpy.asarray(x)" if kind is None else kind.conversion for kind in given)
    raise TypeError(f"{kernel.owner}: {names} in one call; convert one of them, as by {' or '.join(ways)}")


def _is_array(operand):
    kind = kind_of(operand)
    if kind is None:
        return getattr(operand, "ndim", 0) > 0
    return not kind.has_numbers or getattr(operand, "ndim", 1) > 0


def parts(x, axis, *places):
    """What is at each of these places, which are slices, along an axis; all parts have the labels of the first."""
    kind = kind_of(x) or _loaded("container.Container")
    first, *others = (kind.part(x, axis, place) for place in places)
    return first, *(kind.relabelled(other, first, axis) for other in others)


def same_shape(shape, other):
    """Whether shapes are equal; unknown lengths, which are NaN, count as such."""
    return len(shape) == len(other) and all(m == n or (m != m and n != n) for m, n in zip(shape, other, strict=True))


def shape_of(x):
    """The shape of an array or a container."""
    return np.shape(x) if kind_of(x) is None else kind_of(x).shape(x)
