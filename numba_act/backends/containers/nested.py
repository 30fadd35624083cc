"""Arrays with names, ragged or sparse arrays, and whatever has NumPy's ufunc protocol."""
import numpy as np

from .. import layout
from ..dtypes import common_dtype, result_dtype
from ..rows.dispatch import axis_of
from . import kind_of
from .container import Container, Refused, each, is_given, named, numbers_unpacked
from .lazy import DaskArray

WHOLE = "b", "i", "u"                            # kinds of dtypes that compute in another one


class XArray(Container):
    """xarray's own apply_ufunc, whatever the data inside, with the options that are set for its arithmetic."""

    name = "xarray objects"
    conversion = "xarray.DataArray(x)"
    holds = frozenset({"DaskArray", "Sparse", "Ufunc"})

    def mapped(self, kernel, call, operands):
        from xarray import apply_ufunc, get_options
        join = get_options()["arithmetic_join"]
        return apply_ufunc(call, *operands, dask="allowed", join=join, dataset_join=join, dataset_fill_value=np.nan,
                           keep_attrs=self.keep_attrs())

    def rowwise(self, kernel, operands, axis, again):
        """Along a dimension by its name or place; the others' dimensions find those of the leading operand."""
        own = kernel.leading if hasattr(operands[kernel.leading], "dims") else 0
        first, leading = operands[own], kernel.inputs[own]
        if not hasattr(first, "dims") or hasattr(first, "data_vars"):
            raise TypeError(f"{kernel.owner}: {leading} must be a DataArray or Variable, as another is")
        if isinstance(axis, str) and axis not in first.dims:
            raise ValueError(f"{kernel.owner}: axis={axis!r} is no dimension; accepted are {', '.join(first.dims)}")
        place = first.dims.index(axis) if isinstance(axis, str) else axis_of(
            kernel.owner, leading, axis, first.shape)
        of_row = first.isel({first.dims[place]: slice(0, 1)})
        with named(kernel):
            arrays = [self.data_like(o, of_row if name in (*kernel.once, *kernel.places) else first)
                      for name, o in zip(kernel.operands, operands, strict=True)]
        return each(again(arrays, place), lambda r: self.along(r, first, of_row, place))

    @staticmethod
    def data_like(operand, like):
        """An operand's data, along the dimensions of another."""
        if not hasattr(operand, "dims"):
            return operand
        missing = {d: n for d, n in like.sizes.items() if d not in operand.dims}
        return operand.expand_dims(missing).transpose(*like.dims).data

    def along(self, result, first, of_row, place):
        """A result with the names of the first operand, or of its rows."""
        like = first if result.shape == first.shape else of_row
        if result.ndim < first.ndim:
            like = of_row.isel({first.dims[place]: 0}, drop=True) if hasattr(of_row, "coords") else of_row.isel(
                {first.dims[place]: 0})
        made = like.copy(data=result)
        if not self.keep_attrs():
            made.attrs = {}
        return made

    @staticmethod
    def keep_attrs():
        from xarray import get_options
        kept = get_options()["keep_attrs"]
        return True if kept == "default" else kept

    def summed(self, gradient, operand):
        """What xarray's own sum is not: in float64, with NaN, for bfloat16, and quiet."""
        if hasattr(operand, "data_vars"):
            return gradient.map(lambda part: self.summed(part, operand[part.name]), keep_attrs=self.keep_attrs())
        if hasattr(gradient, "data_vars"):           # every variable had a part in the same parameter
            parts = [self.summed(part.astype(np.float64), operand) for part in gradient.data_vars.values()]
            with np.errstate(all="ignore"):
                return sum(parts).astype(result_dtype(gradient.data_vars.values()))
        if not hasattr(operand, "dims"):
            return super().summed(gradient.data, operand)
        away = [d for d in gradient.dims if d not in operand.dims]
        summed = gradient.reduce(self.total, away, keep_attrs=self.keep_attrs()) if away else gradient
        return summed.transpose(*operand.dims)

    def dense(self, gradient):
        return gradient

    @staticmethod
    def total(array, axis, keepdims=False):
        return (DaskArray if isinstance(kind_of(array), DaskArray) else layout).total(array, axis, keepdims)

    def part(self, x, axis, place):
        return x.isel({x.dims[axis]: place})

    def relabelled(self, part, first, axis):
        if not hasattr(part, "coords"):
            return part
        along = [name for name, values in part.coords.items() if part.dims[axis] in values.dims]
        return part.drop_vars(along).assign_coords(first.coords)


class Awkward(Container):
    """The activation is mapped over the numbers, which lie in one piece whatever the lists around them."""

    name = "Awkward Arrays"
    conversion = "awkward.Array(x)"

    def mapped(self, kernel, call, operands):
        import awkward
        call, arrays = numbers_bound(call, operands)

        def on_leaves(layouts, **_):
            layouts = layouts if isinstance(layouts, tuple | list) else (layouts,)
            if any(leaf.parameter("__array__") in ("string", "bytestring") for leaf in layouts):
                raise TypeError("strings are not supported, numbers are")
            if not all(leaf.is_numpy for leaf in layouts):
                return None
            leaf = awkward.contents.NumpyArray(call(*(leaf.data for leaf in layouts)))
            return leaf if len(layouts) == 1 else (leaf,)

        return awkward.transform(on_leaves, *arrays)

    def summed(self, gradient, operand):
        import awkward
        if kind_of(operand) is self and operand.ndim == gradient.ndim:
            return gradient
        if np.ndim(operand):
            raise TypeError(f"beside Awkward Arrays of {gradient.ndim} dimensions gradients are summed for numbers, "
                            f"not for an operand of {np.ndim(operand)} dimensions")
        return layout.total(awkward.to_numpy(awkward.drop_none(awkward.flatten(gradient, axis=None))), None)

    def shape(self, x):
        """The lengths, NaN where they differ."""
        import awkward
        lengths = [np.unique(awkward.flatten(awkward.num(x, axis), axis=None)) for axis in range(1, x.ndim)]
        return len(x), *(int(n[0]) if len(n) == 1 else np.nan for n in lengths)


class Sparse(Container):
    """sparse's own elemwise: what is stored and the fill value."""

    name = "sparse arrays"
    conversion = "sparse.asarray(x)"

    def mapped(self, kernel, call, operands):
        from sparse import elemwise
        call, arrays = numbers_bound(call, operands)
        return elemwise(call, *arrays)

    def dense(self, gradient):
        return gradient.asformat("coo")

    def summed(self, gradient, operand):
        summed = super().summed(gradient, operand)
        return summed.todense() if kind_of(operand) is not self and hasattr(summed, "todense") else summed


class ScipySparse(Refused):
    message = ("{owner}: a scipy.sparse {type} is not supported; x.toarray() is an array, and where {owner}(0) is 0 "
               "x.data holds all that changes")


def numbers_bound(call, operands):
    """The call as a function of the arrays among its operands, and these."""
    places = [k for k, o in enumerate(operands) if kind_of(o) is not None or np.ndim(o)]

    def bound(*arrays):
        ready = list(operands)
        for k, array in zip(places, arrays, strict=True):
            ready[k] = array
        return call(*ready)

    return bound, [operands[k] for k in places]


class Ufunc(Container):
    """NumPy's ufunc protocol: masked arrays, other subclasses, and libraries that nobody knew of."""

    name = "the gradients of masked arrays and other subclasses"

    def rowwise(self, kernel, *_):
        raise TypeError(f"{kernel.owner}: masked arrays and other subclasses are not supported along an axis; "
                        "numpy.asarray(x) is, and for a mask x.data with where=~x.mask")

    def elementwise(self, kernel, operands, calls, options):
        from .. import cpu_ufunc
        operands = numbers_unpacked(kernel, operands)
        given = {name: value for name, value in options.items() if is_given(name, options)}
        known = [np.empty(0) if kind_of(o) is self and not _dtype_kind(o) else o for o in operands]
        dtype = common_dtype(kernel, known)
        operands = [o.astype(dtype) if _dtype_kind(o) in WHOLE and hasattr(o, "astype") else o for o in operands]
        with named(kernel), np.errstate(all="ignore"):
            return cpu_ufunc.ensure(kernel, dtype)(*operands, **given)

    def backward(self, kernel, operands, names, wrt, calls, out):
        if out is not None and all(_only_wraps_memory(o) for o in operands):
            from .. import dispatch
            return dispatch.backward(kernel, [np.asarray(o) for o in operands], names, wrt, lambda: calls, out)
        return super().backward(kernel, operands, names, wrt, calls, out)

    def dense(self, gradient):
        return np.ma.filled(gradient, 0) if isinstance(gradient, np.ma.MaskedArray) else np.asarray(gradient)


def _dtype_kind(operand):
    """The letter of a NumPy dtype; empty where there is none."""
    dtype = getattr(operand, "dtype", None)
    return dtype.kind if isinstance(dtype, np.dtype) else ""


def _only_wraps_memory(operand):
    """Whether that is an array, if of a class of its own, or a number."""
    kind = type(operand)
    return not isinstance(operand, np.ndarray) or (
        kind.__array_ufunc__ is np.ndarray.__array_ufunc__ and kind.__array_wrap__ is np.ndarray.__array_wrap__)
