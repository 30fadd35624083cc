"""The loss of a classifier: softmax and its logarithm in one, exact where either alone is not."""
import functools
import math
from types import SimpleNamespace

import numpy as np

from ..backends import containers, layout
from ..backends.dtypes import result_dtype
from ..backends.rows.dispatch import axis_of
from ..scalar.logarithm import log_of_lifted
from ..scalar.pairs import Pair, add_any, multiply, negate, reciprocal, rounded, two_sum
from ..scalar.ranges import finite
from ..tree import node
from ..tree.node import fma
from .function import computed, row_function
from .softmax import INFINITY, exponentials

NAME = "softmax_cross_entropy"
REDUCTIONS = "mean", "sum", "none"
CALL = SimpleNamespace(owner=NAME, operands=("gy", "logits", "target", "where"))


# --- one row ----------------------------------------------------------------------------------------------------------
def _of_label(row, x, label, factor, smoothing=None):
    """The loss -log p of one place, and the gradient p - 1 there, p elsewhere; smoothed, a share of every place."""
    found, hit = exponentials(row, x), node.build("eq", row.position, label)
    log, chosen = log_of_lifted(found.total), row.largest(node.where(hit, x, -INFINITY))
    behind = two_sum(found.reference, -chosen)
    scale = factor * rounded(reciprocal(found.total))
    slope = node.where(hit, (found.e - found.total.high) - found.total.low, found.e) * scale
    if smoothing is not None:
        share = smoothing / row.length
        mean = row.total(found.z.high).high * -share             # of the others, over which the smoothing spreads
        behind = Pair(fma(1 - smoothing, behind.high, mean), None)
        slope = slope + factor * node.where(hit, smoothing - share, -share)
    return _results(add_any(behind, log), slope, factor)


def _of_probabilities(row, x, target, factor, smoothing=None):
    """The loss -sum p log softmax, and the gradient softmax sum p - p."""
    found = exponentials(row, x)
    log = log_of_lifted(found.total)
    if smoothing is not None:
        target = fma(target, 1 - smoothing, smoothing / row.length)
    whole = row.total(target)
    behind = row.total(target, node.where(target <= 0, 0, found.z.high))
    share = whole.high * rounded(reciprocal(found.total))
    slope = factor * fma(found.e, share, -target)
    return _results(add_any(multiply(whole, log), negate(behind)), slope, factor)


def _results(loss, slope, factor):
    left_out = node.build("eq", factor, 0)       # such a row may hold anything
    loss = loss.high + finite(loss.low, loss.high)
    return {"loss": node.where(left_out, 0, loss), "x": node.where(left_out, 0, slope)}


# --- what there is to call --------------------------------------------------------------------------------------------
def _computed(wanted, gy, logits, target, axis, where, smoothing, reduction):
    """The loss, and gy times its gradient, as far as they are wanted."""
    given = gy, logits, target, where
    container = containers.owner(CALL, [operand for operand in given if operand is not None])
    if container is not None:
        compute = functools.partial(_of_arrays, wanted, axis=axis, smoothing=smoothing, reduction=reduction)
        return container.whole(CALL, given, compute)
    return _of_arrays(wanted, *given, axis, smoothing, reduction)


def _of_arrays(wanted, gy, logits, target, where, axis, smoothing, reduction):
    logits, target, axis, shape, dtype, labels = _checked(logits, target, axis, smoothing, reduction)
    try:
        result_dtype((gy,))
    except TypeError as error:
        raise TypeError(f"{NAME}: gy: {error}") from None
    of_row, where = shape[:axis] + (1,) + shape[axis:], _mask(where, shape)
    if labels and isinstance(target, np.ndarray):
        _check_labels(target if where is None else target[where], logits.shape[axis])
    counted = math.prod(shape) if where is None else int(where.sum())
    factor = gy / max(counted, 1) if reduction == "mean" else gy
    factor = factor if where is None else where * factor
    if np.shape(factor) not in ((), shape):
        raise ValueError(f"{NAME}: gy has shape {np.shape(factor)}; that of the loss is {shape}")
    once = {"factor": factor.reshape(of_row) if np.shape(factor) else factor, "smoothing": smoothing or None}
    inputs, places = {"x": logits}, {}
    if labels:
        places = {"label": target.reshape(of_row)}
    else:
        inputs["target"] = target
    results = computed(_of_label if labels else _of_probabilities, NAME, axis, inputs, None, once, wanted, places,
                       keepdims=False)
    results = results if isinstance(results, tuple) else (results,)
    results = tuple([_reduced(r, counted, reduction, dtype) if name == "loss" else r
                     for name, r in zip(wanted, results, strict=True)])
    return results if len(results) > 1 else results[0]


def _checked(logits, target, axis, smoothing, reduction):
    """The operands, the axis, the shape and dtype of the loss, and whether the target is labels."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{NAME}: reduction={reduction!r} is not accepted; {', '.join(REDUCTIONS)} are")
    if not (isinstance(smoothing, int | float | np.generic) and 0 <= smoothing <= 1):
        raise ValueError(f"{NAME}: label_smoothing={smoothing!r} is not accepted; a number from 0 to 1 is")
    logits, target = (o if hasattr(o, "dtype") else np.asarray(o) for o in (logits, target))
    axis = axis_of(NAME, "logits", axis, logits.shape)
    shape = logits.shape[:axis] + logits.shape[axis + 1:]
    labels = target.shape == shape and (target.dtype.kind in "iu" or not target.size)          # [] is an array of float
    if not labels and target.shape != logits.shape:
        raise ValueError(f"{NAME}: the target has shape {target.shape} and dtype {target.dtype}; integers of shape "
                         f"{shape} are accepted, or probabilities of shape {logits.shape}")
    try:
        dtype = result_dtype((logits,) if labels else (logits, target))
    except TypeError as error:
        raise TypeError(f"{NAME}: {error}") from None
    return logits, target, axis, shape, dtype, labels


def _check_labels(labels, classes):
    """On a GPU nobody waits for that: the loss of a label that is no class is infinite."""
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"{NAME}: label {wrong} is none of {classes} classes; where= says what is left out")


def _mask(where, shape):
    """The mask, in the shape of the loss."""
    if where is None:
        return None
    mask = where if hasattr(where, "dtype") else np.asarray(where)
    if mask.dtype != bool:
        raise TypeError(f"{NAME}: where has dtype {mask.dtype}; a mask of bool is accepted")
    if mask.shape != shape:
        raise ValueError(f"{NAME}: where has shape {mask.shape}; that of the loss, {shape}, is accepted")
    return mask


def _reduced(losses, counted, reduction, dtype):
    if reduction == "none":
        return losses
    total = layout.total(losses, None, dtype=np.float64)
    with np.errstate(all="ignore"):
        return (total / counted if reduction == "mean" else total).astype(dtype)


@row_function(None)
def softmax_cross_entropy(logits, target, axis=-1, *, where=None, label_smoothing=0.0, reduction="mean"):
    r"""The cross-entropy of softmax(logits) and labels or probabilities, exact for logits of any size.

    .. math:: L = -\sum_i p_i \log \mathrm{softmax}(x)_i, \quad \frac{\partial L}{\partial x_i} = y_i \sum_j p_j - p_i

    `softmax_cross_entropy.value_and_grad` takes the same and gives the loss and its gradient in one pass;
    `softmax_cross_entropy.backward(gy, ...)` gives gy times the gradient.

    Parameters
    ----------
    logits : array or tensor of float16, bfloat16, float32 or float64
        x; integers compute in float64.
    target : array or tensor
        Integers, the place of the right class along the axis, or probabilities of the shape of the logits.
    axis : int
        That of the classes.
    where : array of bool, optional
        Which losses count, in the shape of the loss.
    label_smoothing : number from 0 to 1
        The share of the target that is spread over all classes.
    reduction : {"mean", "sum", "none"}
        What is made of the losses of all rows.

    Returns
    -------
    number or array
        One number, or one for each row.

    Raises
    ------
    TypeError
        An operand of another dtype or kind.
    ValueError
        Shapes that do not fit, a label that is no class, an axis that there is not.

    Source: I. J. Good, Rational decisions, 1952.

    >>> act.softmax_cross_entropy(np.float32([[0, 0], [1000, 0]]), [0, 0])
    np.float32(0.3465736)
    >>> act.softmax_cross_entropy.value_and_grad(np.float32([[0, 0], [1000, 0]]), [0, 0])
    (np.float32(0.3465736), array([[-0.25,  0.25],
           [ 0.  ,  0.  ]], dtype=float32))
    """
    return _computed(("loss",), 1.0, logits, target, axis, where, label_smoothing, reduction)


@softmax_cross_entropy.gradient
def backward(gy, logits, target, axis=-1, *, where=None, label_smoothing=0.0, reduction="mean"):
    """gy, a number, or without a reduction an array of losses, times the gradient in the logits."""
    gy = gy if hasattr(gy, "dtype") else np.asarray(gy)
    return _computed(("x",), gy, logits, target, axis, where, label_smoothing, reduction)


@softmax_cross_entropy.value_and_gradient
def value_and_grad(logits, target, axis=-1, *, where=None, label_smoothing=0.0, reduction="mean"):
    """The loss and its gradient in the logits, of the sum of the losses where they are not reduced."""
    return _computed(("loss", "x"), 1.0, logits, target, axis, where, label_smoothing, reduction)
