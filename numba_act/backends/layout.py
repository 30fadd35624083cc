"""How operands lie in memory: shapes, steps and the order of axes, for NumPy's arrays and CuPy's alike."""
import math

import numpy as np

from ..runtime.driver import MAX_OPERANDS


def counted(kernel):
    """How many inputs and outputs a kernel has; where they are too many it is refused."""
    count = len(kernel.inputs) + kernel.n_outputs
    if count > MAX_OPERANDS:
        raise ValueError(f"{kernel.owner}: at most {MAX_OPERANDS} inputs and outputs fit in a kernel, not {count}; "
                         "ask for fewer gradients at once")
    return count


def common_shape(arrays):
    """The shape that the operands broadcast to, and its size."""
    shape = arrays[0].shape
    for array in arrays:
        if array.ndim and array.shape != shape:
            shape = np.broadcast_shapes(*[a.shape for a in arrays])
            return shape, math.prod(shape)
    return shape, arrays[0].size


def axes(arrays, shape, order):
    """A new output's axes from the slowest to the fastest in memory; None is C order."""
    if order == "C" or len(shape) < 2 or (order != "F" and all(a.flags.c_contiguous for a in arrays)):
        return None
    if order == "F" or (order == "A" and all(a.flags.f_contiguous for a in arrays)):
        return tuple(range(len(shape)))[::-1]
    if order == "A":
        return None
    return walked([(a.shape, a.strides) for a in arrays], shape)


def walked(layouts, shape):
    """The axes of a new output in the order in which operands of these shapes and strides are walked, as above."""
    walks = [steps(*part, shape) for part in layouts]
    inner_first = []                         # by an insertion sort, for "faster" is no total order: as NumPy does it
    for axis in reversed(range(len(shape))):
        place = len(inner_first)
        for k in reversed(range(len(inner_first))):
            pairs = [(abs(s[inner_first[k]]), abs(s[axis])) for s in walks if s[inner_first[k]] and s[axis]]
            if pairs and all(before > after for before, after in pairs):
                place = k
            elif pairs:
                break
        inner_first.insert(place, axis)
    found = tuple(reversed(inner_first))
    return None if found == tuple(range(len(shape))) else found


def steps(own_shape, strides, shape):
    """Byte steps of an operand along the dimensions of the whole, 0 where it is broadcast."""
    lead = len(shape) - len(own_shape)
    return (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(own_shape, strides, strict=True))


def coalesced(shape, steps):
    """Merge neighbouring dimensions that every operand walks as one."""
    kept = [d for d, n in enumerate(shape) if n != 1]
    shape, steps = [shape[d] for d in kept], [[s[d] for d in kept] for s in steps]
    d = len(shape) - 1
    while d > 0:
        if all(s[d - 1] == s[d] * shape[d] for s in steps):
            shape[d - 1:d + 1] = [shape[d - 1] * shape[d]]
            for s in steps:
                del s[d - 1]
        d -= 1
    return shape or [1], [s or [0] for s in steps]


def total(array, axis, keepdims=False, dtype=None):
    """The sum over some axes, taken in float64, in the array's own dtype unless another is named."""
    with np.errstate(all="ignore"):
        return array.astype(np.float64).sum(axis=axis, keepdims=keepdims).astype(dtype or array.dtype)


def summed(array, shape, total=total):
    """An array summed, by `total`, to a shape that broadcasts to its own."""
    if array.shape == shape:
        return array
    lead = array.ndim - len(shape)
    axes = (*range(lead), *(lead + d for d, n in enumerate(shape) if n == 1))
    return total(array, axes, keepdims=True)[(*(0,) * lead, ...)]
