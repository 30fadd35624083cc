"""Columns of one dtype, in which values may be missing, and frames of them: pandas, Polars, Arrow."""
import functools

import numpy as np

from ..dtypes import common_dtype
from . import kind_of
from .container import Container, Refused, each, named


class Column(Container):
    """Values, 0 in place of the missing ones, are computed on; where any operand has none the result has none."""

    def mapped(self, kernel, call, operands):
        own = [o for o in operands if kind_of(o) is self]
        values = call(*[self.dense(o) if kind_of(o) is self else o for o in operands])
        missing = [m for m in map(self.missing, own) if m is not None]
        return self.made(values, functools.reduce(np.logical_or, missing) if missing else None, own[0])

    def missing(self, column):
        """Where values are missing; None for nowhere."""
        raise NotImplementedError

    def made(self, values, missing, like):
        """A column of these values, named as another one."""
        raise NotImplementedError

    def summed(self, gradient, operand):
        own = kind_of(operand) is self
        if own and len(operand) == len(gradient):
            return gradient
        total = super().summed(gradient, operand)
        return self.made(total, None, operand) if own else total

    def rowwise(self, kernel, operands, axis, again):
        """A column is a row; none of its values may be missing."""
        own = [o for o in (operands[kernel.leading], *operands) if kind_of(o) is self]
        with named(kernel):
            if any(self.missing(getattr(o, "array", o)) is not None for o in own):
                raise ValueError("values are missing; where= and x.fillna(0), or x.dropna(), say what is meant")
        results = again([self.dense(o) if kind_of(o) is self else o for o in operands], axis)
        return each(results, lambda r: self.as_column(r, own[0]) if np.ndim(r) else r)

    def as_column(self, values, like):
        return self.made(values, None, like)


class Polars(Column):
    name = "Polars columns"
    conversion = "polars.Series(x)"

    def dense(self, column):
        return (column.fill_null(strategy="zero") if column.null_count() else column).to_numpy()

    def missing(self, column):
        return column.is_null().to_numpy() if column.null_count() else None

    def made(self, values, missing, like):
        from polars import Series
        if values.dtype.name == "bfloat16":
            raise TypeError("Polars has no bfloat16")
        column = Series(like.name, values)
        return column if missing is None else column.set(Series(missing), None)


class Arrow(Column):
    name = "Arrow arrays"
    conversion = "pyarrow.array(x)"

    def dense(self, column):
        import pyarrow
        if column.null_count:
            column = column.fill_null(pyarrow.scalar(0).cast(column.type))
        return column.to_numpy(zero_copy_only=False)

    def missing(self, column):
        return column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None

    def made(self, values, missing, like):
        import pyarrow
        column = pyarrow.array(values, mask=missing)
        return pyarrow.chunked_array([column]) if isinstance(like, pyarrow.ChunkedArray) else column

    def shape(self, x):
        return (len(x),)


class IntoPandas(Container):
    """Outputs that are given: pandas objects or arrays, written to by their places."""

    def elementwise(self, kernel, operands, calls, options):
        out, where = options["out"], options["where"]
        if out is None:
            return super().elementwise(kernel, operands, calls, options)
        given = out if isinstance(out, tuple) else (out,)
        if len(given) != len(calls):
            raise TypeError(f"{kernel.owner}: out needs {len(calls)} objects, not {len(given)}")
        results = super().elementwise(kernel, operands, calls, options | {"out": None, "where": True})
        with named(kernel):
            for target, result in zip(given, results if isinstance(results, tuple) else (results,), strict=True):
                if np.shape(target) != result.shape:
                    raise ValueError(f"out has shape {np.shape(target)}; the result has {result.shape}")
                _write(getattr(target, "iloc", target), result, np.broadcast_to(where, result.shape))
        return out


def _write(target, result, where):
    if result.ndim == 1:
        target[where] = getattr(result, "array", result)[where]
        return
    for k in range(result.shape[1]):
        target[where[:, k], k] = result.iloc[:, k].array[where[:, k]]


class Pandas(IntoPandas, Column):
    """Series, which meet by their labels, Index objects, and the arrays inside."""

    name = "pandas objects"
    conversion = "pandas.Series(x)"

    def mapped(self, kernel, call, operands):
        operands = _joined(operands, "Series")
        own = [o for o in operands if kind_of(o) is self]
        arrays = [getattr(o, "array", o) if kind_of(o) is self else o for o in operands]
        return self.labelled(self._computed(kernel, call, arrays, operands), own)

    def _computed(self, kernel, call, arrays, operands):
        from pandas import arrays as kinds
        own = [a for a in arrays if kind_of(a) is self]
        if not all(isinstance(a, kinds.NumpyExtensionArray | kinds.SparseArray) or _is_nullable(a) for a in own):
            common_dtype(kernel, operands)           # which names the dtype
        if any(isinstance(a, kinds.SparseArray) for a in own):
            return _sparse(call, arrays)
        return super().mapped(kernel, call, arrays)

    def as_column(self, values, like):
        return self.labelled(self.made(values, None, getattr(like, "array", like)), [like])

    def summed(self, gradient, operand):
        return gradient if kind_of(operand) is self else super().summed(gradient, operand)

    def dense(self, column):
        array = column.array if hasattr(column, "array") else column
        if not _is_nullable(array):
            return np.asarray(array)
        dtype = np.dtype(array.dtype.numpy_dtype)
        return array.to_numpy(dtype=dtype, na_value=dtype.type().item())

    def missing(self, array):
        return np.asarray(array.isna()) if _is_nullable(array) and array.isna().any() else None

    def made(self, values, missing, like):
        import pandas as pd
        if isinstance(like, pd.arrays.ArrowExtensionArray):
            import pyarrow
            return pd.arrays.ArrowExtensionArray(pyarrow.array(values, mask=missing))
        if not _is_nullable(like):
            return pd.arrays.NumpyExtensionArray(values)
        made = pd.array(values, dtype=values.dtype.name.capitalize())        # Float32 or Float64
        if missing is not None:
            made[missing] = pd.NA
        return made

    def labelled(self, array, own):
        """The array as what the first operand with labels was."""
        import pandas as pd
        labelled = [o for o in own if isinstance(o, pd.Series | pd.Index)]
        if not labelled:
            return array
        like, names = labelled[0], {o.name for o in labelled}
        name = like.name if len(names) == 1 else None
        if isinstance(like, pd.Index):
            return pd.Index(array, name=name)
        series = like._constructor(array, index=like.index, copy=False).__finalize__(like)
        series.name = name
        return series

    def part(self, x, axis, place):
        return x.iloc[place] if hasattr(x, "iloc") else x[place]

    def relabelled(self, part, first, axis):
        return part.set_axis(first.index) if hasattr(part, "set_axis") else part


def _is_nullable(array):
    """Whether that is one of pandas' arrays of numbers of which some may be missing."""
    from pandas import arrays
    kinds = arrays.IntegerArray | arrays.FloatingArray | arrays.BooleanArray | arrays.ArrowExtensionArray
    return isinstance(array, kinds) and hasattr(array.dtype, "numpy_dtype")


def _joined(operands, name):
    """The operands; labels that differ are joined, as in pandas' arithmetic."""
    import pandas as pd
    own = [o for o in operands if isinstance(o, getattr(pd, name))]
    axes = [functools.reduce(lambda a, b: a if a.equals(b) else a.union(b), labels)
            for labels in zip(*(o.axes for o in own), strict=True)]

    def joined(operand):
        if all(a.equals(b) for a, b in zip(operand.axes, axes, strict=True)):
            return operand
        return operand.reindex(**dict(zip(("index", "columns"), axes, strict=False)))

    return [joined(o) if isinstance(o, getattr(pd, name)) else o for o in operands]


def _sparse(call, arrays):
    """Sparse in what comes of the fill values, if there is nothing else but numbers."""
    from pandas.arrays import SparseArray
    values = call(*[np.asarray(a) if kind_of(a) is not None else a for a in arrays])
    if not all(isinstance(a, SparseArray) or np.ndim(a) == 0 for a in arrays):
        return SparseArray(values)
    fill = [np.asarray(a.fill_value, a.dtype.subtype) if isinstance(a, SparseArray) else a for a in arrays]
    return SparseArray(values, fill_value=call(*fill))


class Frame(Container):
    """Column by column, each in a dtype of its own."""

    def columns(self, frame):
        raise NotImplementedError

    def made(self, columns, like):
        raise NotImplementedError

    def mapped(self, kernel, call, operands):
        own = [o for o in operands if kind_of(o) is self]
        shape = own[0].shape
        if any(o.shape != shape for o in own):
            raise ValueError(f"the shapes of the frames differ: {', '.join(str(o.shape) for o in own)}")
        each = [self.columns(o) if kind_of(o) is self else _by_column(o, shape) for o in operands]
        return self.made([call(*column) for column in zip(*each, strict=True)], own[0])

    def summed(self, gradient, operand):
        return gradient if kind_of(operand) is self else super().summed(gradient, operand)

    def dense(self, gradient):
        columns = [kind_of(c).dense(c) for c in self.columns(gradient)]
        return np.stack(columns, axis=1) if columns else np.empty(gradient.shape)


def _by_column(operand, shape):
    """What each column of a frame meets: a number, or the column of an array."""
    if not np.ndim(operand):
        return [operand] * shape[1]
    return list(np.broadcast_to(operand, shape).T)


class PandasFrame(IntoPandas, Frame):
    name = "pandas objects"
    conversion = "pandas.DataFrame(x)"

    def mapped(self, kernel, call, operands):
        return super().mapped(kernel, call, _joined(operands, "DataFrame"))

    def rowwise(self, kernel, operands, axis, again):
        """A frame is one array, of one dtype."""
        own = next(o for o in (operands[kernel.leading], *operands) if kind_of(o) is self)
        place = {"index": 0, "columns": 1}.get(axis, axis) if isinstance(axis, str) else axis
        results = again([self.dense(o) if kind_of(o) is self else o for o in operands], place)
        return each(results, lambda r: self.framed(r, own, place))

    @staticmethod
    def framed(result, own, axis):
        """A result with the labels of a frame, or of what is left of it."""
        if result.shape == own.shape:
            return own._constructor(result, index=own.index, columns=own.columns)
        return own._constructor_sliced(result, index=own.axes[1 - axis % 2]) if result.ndim == 1 else result

    def columns(self, frame):
        return [frame.iloc[:, k] for k in range(frame.shape[1])]

    def made(self, columns, like):
        frame = like.copy(deep=False)
        for k, column in enumerate(columns):
            frame.isetitem(k, column)
        return frame

    def part(self, x, axis, place):
        return x.iloc[(slice(None),) * axis + (place,)]

    def relabelled(self, part, first, axis):
        return part.set_axis(first.axes[axis], axis=axis)


class PolarsFrame(Frame):
    name = "Polars frames"
    conversion = "polars.DataFrame(x)"

    def columns(self, frame):
        return frame.get_columns()

    def made(self, columns, like):
        from polars import DataFrame
        return DataFrame(columns)

    def part(self, x, axis, place):
        return x[:, place] if axis else x[place]

    def relabelled(self, part, first, axis):
        return part.rename(dict(zip(part.columns, first.columns, strict=True))) if axis else part


class ArrowTable(Frame):
    name = "Arrow tables"
    conversion = "pyarrow.table(x)"

    def columns(self, frame):
        return frame.columns

    def made(self, columns, like):
        return like.from_arrays(columns, names=like.column_names)

    def part(self, x, axis, place):
        return x.select(x.column_names[place]) if axis else x.take(list(range(*place.indices(len(x)))))

    def relabelled(self, part, first, axis):
        return part.rename_columns(first.column_names) if axis else part


class Groups(Refused):
    message = "{owner}: a {type} has no numbers of its own; {owner} looks at one at a time: call it before grouping"
