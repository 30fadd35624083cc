"""The dtypes of a call: which are supported, and what operands are computed in."""
import functools
import math

import numpy as np

from ..tree.storage import STORAGE

STORED = tuple(STORAGE)
BUILT_IN = tuple(name for name in STORED if hasattr(np, name))           # ml_dtypes has the others


@functools.cache
def added():
    """The dtypes that ml_dtypes adds to NumPy's, none where it is not installed."""
    try:
        import ml_dtypes
    except ModuleNotFoundError:
        return ()
    return tuple(np.dtype(getattr(ml_dtypes, name)) for name in STORED if name not in BUILT_IN)


@functools.cache
def storage_of(dtype):
    """How a dtype's numbers are stored, None where it is not supported; NumPy takes 2 us for the name alone."""
    return STORAGE.get(dtype.name)


def kept(convert):
    """Decorator of a conversion of numbers to a dtype: results are kept, those of 0 and -0, which are equal, by their
    signs."""
    known = functools.lru_cache(maxsize=1024)(convert)
    zero = functools.cache(lambda sign, dtype: convert(0 * sign, dtype))
    return functools.wraps(convert)(
        lambda value, dtype: known(value, dtype) if value else zero(math.copysign(1, value), dtype))


@kept
def number(value, dtype):
    """A Python number as an array of a dtype, for which a ufunc takes 0.3 us less than for the number."""
    with np.errstate(all="ignore"):
        return np.asarray(value, dtype)


def result_dtype(operands, dtype=None):
    """The dtype of the result.  Python numbers take that of the arrays beside them; integers compute in float64."""
    if dtype is not None:
        return _supported(_named(dtype), exact=True)
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


def _named(dtype):
    """What the option dtype says; NumPy knows ml_dtypes' names only after that is imported."""
    try:
        return np.dtype(dtype)
    except TypeError:
        for known in added():
            if known.name == dtype:
                return known
        accepted = STORED if added() else BUILT_IN
        raise TypeError(f"dtype={dtype!r} is no dtype; accepted are {', '.join(accepted)}") from None


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
