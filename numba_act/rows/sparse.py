"""Rows of which most become 0: what is above a threshold, at which all that is above it makes 1."""
from ..backends.rows.dispatch import one_of
from ..scalar.pairs import number
from ..tree import node
from ..tree.node import sqrt
from .function import computed, row_function
from .softmax import INFINITY, largest_left, masked

# --- one row ----------------------------------------------------------------------------------------------------------
# The excess of the sum over 1 is a convex function that falls with the threshold.  Newton's method from a threshold
# that is too small thus only grows, and ends where it cannot grow in the dtype (for sparsemax: C. Michelot, 1986).


def _below_largest(row, x, where):
    """x less the largest, 0 and -inf in a row of which a mask leaves nothing."""
    x = masked(where, x, -INFINITY)
    return x - largest_left(row, x, where)


def _above(z, threshold):
    """What is above the threshold, else 0."""
    return node.where(z <= threshold, 0, z - threshold)


def _support(row, gy, inside, share):
    """share (gy - its mean by these shares), which is the gradient of both."""
    mean = row.total(gy, share).high / row.total(share).high
    return node.where(inside, 0, share * (gy - mean))


def _sparsemax_part(row, x, where):
    z = _below_largest(row, x, where)

    def step(threshold):
        excess = row.total(_above(z, threshold))
        count = row.total(node.where(z <= threshold, number(0, x), 1)).high
        return threshold + ((excess.high - 1) + excess.low) / count
    return _above(z, row.settled(number(-1, x), step))


def _sparsemax(row, x, where=None):
    return _sparsemax_part(row, x, where)


def _sparsemax_slope(row, gy, y, where=None):
    gy, y = masked(where, gy), masked(where, y)
    share = node.where(y <= 0, 0, node.where(y > 0, 1, y))
    return _support(row, gy, y <= 0, share)


def _sparsemax_gradient(row, gy, x, where=None):
    return {"x": _sparsemax_slope(row, gy, _sparsemax_part(row, x, where), where)}


def _entmax15_root(row, x, where):
    """The square root of the result."""
    z = 0.5 * _below_largest(row, x, where)

    def step(threshold):
        above = _above(z, threshold)
        excess = row.total(above, above)
        return threshold + ((excess.high - 1) + excess.low) / (2 * row.total(above).high)
    return _above(z, row.settled(number(-1, x), step))


def _entmax15(row, x, where=None):
    root = _entmax15_root(row, x, where)
    return root * root


def _entmax15_slope(row, gy, y, where=None):
    gy, y = masked(where, gy), masked(where, y)
    return _support(row, gy, y <= 0, sqrt(y))


def _entmax15_gradient(row, gy, x, where=None):
    root = _entmax15_root(row, x, where)
    return {"x": _support(row, masked(where, gy), root <= 0, root)}


# --- what there is to call --------------------------------------------------------------------------------------------
def _gradient(function, of_result, of_x):
    """Give one of them its gradient."""
    owner = function.name

    def backward(gy, x=None, axis=-1, *, y=None, where=None, out=None):
        """gy times the derivative, from x, or from the result y where that is given."""
        one_of(owner, x, y)
        if y is None:
            return computed(of_x, owner, axis, {"gy": gy, "x": x}, where, wanted=("x",), out=out)
        return computed(of_result, owner, axis, {"gy": gy, "y": y}, where, out=out)
    function.gradient(backward, y=of_result, x=of_x)


@row_function(_sparsemax)
def sparsemax(x, axis=-1, *, where=None, out=None, dtype=None):
    r"""The nearest row of numbers from 0 on whose sum is 1: what is far below the largest is 0.

    .. math:: y_i = \max(x_i - \tau, 0), \quad \sum_i y_i = 1

    Operands, options and errors are those of softmax.

    Source: A. F. T. Martins and R. F. Astudillo, From softmax to sparsemax, 2016.

    >>> act.sparsemax(np.float32([1, 2, 2.5]))
    array([0.  , 0.25, 0.75], dtype=float32)
    """
    return computed(_sparsemax, "sparsemax", axis, {"x": x}, where, out=out, dtype=dtype)


@row_function(_entmax15)
def entmax15(x, axis=-1, *, where=None, out=None, dtype=None):
    r"""Between softmax and sparsemax: a square above a threshold, 0 below it.

    .. math:: y_i = \max(x_i / 2 - \tau, 0)^2, \quad \sum_i y_i = 1

    Operands, options and errors are those of softmax.

    Source: B. Peters, V. Niculae and A. F. T. Martins, Sparse sequence-to-sequence models, 2019.

    >>> act.entmax15(np.float32([0, 1, 2]))
    array([0.        , 0.16928107, 0.8307189 ], dtype=float32)
    """
    return computed(_entmax15, "entmax15", axis, {"x": x}, where, out=out, dtype=dtype)


_gradient(sparsemax, _sparsemax_slope, _sparsemax_gradient)
_gradient(entmax15, _entmax15_slope, _entmax15_gradient)
