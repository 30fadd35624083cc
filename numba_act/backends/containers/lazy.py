"""Dask's collections and Polars' expressions: a call is put off, and later computed block by block."""
import functools

import numpy as np

from .. import layout
from ..dtypes import common_dtype, storage_of
from ..rows.dispatch import axis_of
from . import kind_of
from .container import Container, Refused, alone


class DaskArray(Container):
    """The activation itself is mapped over the blocks."""

    name = "Dask arrays"
    conversion = "dask.array.asarray(x)"
    holds = frozenset({"Sparse", "Ufunc"})

    def mapped(self, kernel, call, operands):
        from dask.array.core import elemwise
        dtype = common_dtype(kernel, operands, call.keywords.get("dtype"))
        return elemwise(functools.partial(alone, call), *operands, dtype=dtype)

    def rowwise(self, kernel, operands, axis, again):
        """Block by block, a row in one of them."""
        from dask.array import asarray, broadcast_to, map_blocks
        if again.keywords.get("out") is not None:
            raise TypeError(f"{kernel.owner}: out= is not accepted for {self.name}")
        leading = kernel.leading
        first = asarray(operands[leading])
        place = axis_of(kernel.owner, kernel.inputs[leading], axis, first.shape)
        dtype = common_dtype(kernel, operands[:len(kernel.inputs)], again.keywords.get("dtype"))
        (along, *others), keepdims = kernel.program(storage_of(dtype)).along, again.keywords.get("keepdims", True)
        if others:
            raise TypeError(f"{kernel.owner}: of {self.name} one gradient is computed at a time")
        first = first.rechunk({place: -1})
        of_row = first[(slice(None),) * place + (slice(0, 1),)]
        blocks = []
        for name, operand in zip(kernel.operands, operands, strict=True):
            like = of_row if name in (*kernel.once, *kernel.places) else first
            try:
                whole = first if operand is operands[leading] else broadcast_to(asarray(operand), like.shape)
            except ValueError:
                raise ValueError(f"{kernel.owner}: {name} has shape {np.shape(operand)}; one that broadcasts to "
                                 f"{like.shape} is accepted") from None
            blocks.append(whole.rechunk(like.chunks))
        dropped = {} if along or keepdims else {"drop_axis": place}
        chunks = first.chunks if along else of_row.chunks
        chunks = chunks if along or keepdims else chunks[:place] + chunks[place + 1:]
        call = functools.partial(_one_block, again, place)
        meta = np.empty((0,) * len(chunks), dtype)
        return map_blocks(call, *blocks, dtype=dtype, chunks=chunks, meta=meta, **dropped)

    def dense(self, gradient):
        return gradient

    @staticmethod
    def total(array, axis, keepdims=False):
        """As layout.total, block by block."""
        from dask.array import reduction
        wide, own = (functools.partial(layout.total, dtype=dtype) for dtype in (np.float64, array.dtype))
        return reduction(array, wide, own, axis, keepdims, dtype=array.dtype, combine=wide)


def _one_block(call, axis, *operands):
    return alone(call, operands, axis)


class DaskFrame(Container):
    """The activation itself is mapped over the partitions, which are pandas objects."""

    name = "Dask frames"
    conversion = "dask.dataframe.from_pandas(x)"

    def mapped(self, kernel, call, operands):
        from dask.dataframe import map_partitions
        ndim = max(o.ndim for o in operands if kind_of(o) is self)
        if any(np.ndim(o) >= ndim for o in operands if kind_of(o) is not self):
            raise TypeError("beside Dask frames arrays have no rows, which would meet those of each partition; "
                            "one number a column is accepted")
        return map_partitions(functools.partial(alone, call), *operands)

    def summed(self, gradient, operand):
        if kind_of(operand) is self:
            return gradient
        filled = gradient.map_partitions(_filled).to_dask_array()
        total = layout.summed(filled, np.shape(operand), DaskArray.total)
        return total.astype(_filled(gradient._meta).dtypes.iloc[0])

    def shape(self, x):
        return (np.nan, len(x.columns)) if x.ndim == 2 else (np.nan,)

    def part(self, x, axis, place):
        return x.iloc[:, place]

    def relabelled(self, part, first, axis):
        return part.rename(columns=dict(zip(part.columns, first.columns, strict=True)))


def _filled(part):
    """A pandas object as a frame of one dtype without missing values."""
    import pandas as pd
    dense = kind_of(part).dense(part)
    return pd.DataFrame(dense if dense.ndim == 2 else dense[:, None])


class PolarsExpression(Container):
    """The activation is mapped over the columns when the query runs."""

    name = "Polars expressions"
    conversion = "polars.lit(x)"

    def mapped(self, kernel, call, operands):
        from polars import struct
        places = [k for k, o in enumerate(operands) if kind_of(o) is self]
        if any(np.ndim(o) for k, o in enumerate(operands) if k not in places):
            raise TypeError("beside Polars expressions numbers are accepted, not arrays")

        def on_columns(*columns):
            ready = list(operands)
            for k, column in zip(places, columns, strict=True):
                ready[k] = column
            return call(*ready)

        first, *others = (operands[k] for k in places)
        if not others:                           # which may stand for several columns
            return first.map_batches(on_columns, is_elementwise=True)
        packed = struct([first, *(o.alias(f"operand {k}") for k, o in enumerate(others))])   # no name may occur twice
        return packed.map_batches(lambda s: on_columns(*map(s.struct.field, s.struct.fields)), is_elementwise=True)

    def summed(self, gradient, operand):
        if kind_of(operand) is self:
            return gradient
        raise TypeError("gradients of Polars expressions are not summed; wrt takes operands that are expressions")


class PolarsLazyFrame(Refused):
    message = "{owner}: a Polars {type} has no columns yet; give x.collect(), or an expression, polars.all()"
