"""softmax and its relatives: exponentials of a row, and their sum."""
from typing import NamedTuple

import numpy as np

from ..backends import layout
from ..backends.rows.dispatch import one_of
from ..scalar.exponential import SHIFT, exp, lifted_decay, lifted_decay_pair
from ..scalar.logarithm import log_of_lifted
from ..scalar.pairs import (
    Pair,
    add_any,
    divide,
    multiply,
    number,
    reciprocal,
    rounded,
    rounded_product,
    scaled,
    two_product,
    two_sum,
)
from ..scalar.ranges import finite
from ..tree import node
from ..tree.node import Node, fma
from .function import computed, row_function

INFINITY = float("inf")


# --- one row ----------------------------------------------------------------------------------------------------------
class Exponents(NamedTuple):
    """What a row's exponentials are taken of.

    reference : the largest of the numbers and the sink, so that no exponential is above 1
    z : (x - reference) / temperature, as a pair
    sink : the same of the sink, None without
    pace : 1 / temperature as a pair, None for 1
    """
    reference: Node
    z: Pair
    sink: Pair | None
    pace: Pair | None


class Exponentials(NamedTuple):
    """A row's exponentials.

    reference, z : those of the exponents
    e : e^z, and `sink` that of the sink, None without; both lifted
    total : the sum of them all, as a pair
    """
    reference: Node
    z: Pair
    e: Node
    sink: Node | None
    total: Pair


def exponentials(row, x, where=None, temperature=None, sink=None):
    """Those of a row."""
    x = masked(where, x, -INFINITY)
    found = _exponents(x, largest_left(row, x, where), temperature, sink)
    e = row.kept(lifted_decay(*found.z))
    total, own = row.total(e), None
    if sink is not None:
        own = lifted_decay(*found.sink)
        total = add_any(total, Pair(own))
    return Exponentials(found.reference, found.z, e, own, total)


def _exponents(x, reference, temperature, sink):
    """Those of a row, of which the reference is the largest number."""
    pace, own = None if temperature is None else reciprocal(Pair(temperature)), None
    if sink is not None:
        raised = Pair(sink) if temperature is None else two_product(sink, temperature)
        reference = node.where(raised.high > reference, raised.high, reference)
        same, rest = node.build("eq", raised.high, reference), _finite_low(raised)
        high, low = node.where(same, Pair(0, 0), two_sum(raised.high, -reference))
        own = _paced(Pair(high, low if rest is None else low + rest), pace)
    return Exponents(reference, _paced(two_sum(x, -reference), pace), own, pace)


def masked(where, x, instead=0):
    return x if where is None else node.where(where, x, instead)


def largest_left(row, x, where):
    """The largest of what a mask leaves, 0 where that is nothing, so that what hangs on it is 0."""
    largest = row.largest(x)
    if where is None:
        return largest
    left = row.largest(node.where(where, number(0, x), -INFINITY))
    return node.where(left < 0, 0, largest)


def _finite_low(product):
    """The low part of a product, 0 where that is infinite."""
    high, low = product
    return None if low is None else node.where(abs(high) < INFINITY, low, 0)


def _paced(z, pace):
    return z if pace is None else multiply(z, pace)


def _if_any(total, found):
    """What follows from a row of which a mask has left something; 0 for another."""
    return node.where(node.build("eq", total.high, 0), Pair(0, 0) if isinstance(found, Pair) else 0, found)


def _share(e, total):
    """An exponential's part of the total: 2.64 units of the last place where both have the worst error, and 3.64 if
    the reciprocal were rounded."""
    return rounded_product(_if_any(total, reciprocal(total)), Pair(e))


def _over(factor, total):
    """A factor of a gradient over the total: times a lifted exponential it is rounded once where that is subnormal."""
    return factor * _if_any(total, rounded(reciprocal(total)))


def _softmax(row, x, **options):
    found = exponentials(row, x, **options)
    return _share(found.e, found.total)


def _softmin(row, x, **options):
    return _softmax(row, -x, **options)


def _log_softmax(row, x, **options):
    found = exponentials(row, x, **options)
    log = _if_any(found.total, log_of_lifted(found.total))       # of another all are -inf without it
    return (found.z.high - log.high) + finite(found.z.low - log.low, found.z.high)


def _logsumexp(row, x, where=None, temperature=None, sink=None):
    x = masked(where, x, -INFINITY)
    found = _exponents(x, row.largest(x), temperature, sink)
    largest = node.build("eq", x, found.reference)               # has the exponential 1 if it is infinite, too
    total = row.total_of_pairs(lifted_decay_pair(*node.where(largest, Pair(0, 0), found.z)))
    if sink is not None:
        total = add_any(total, lifted_decay_pair(*found.sink))
    top, low = _paced(Pair(found.reference), found.pace)
    log = log_of_lifted(total)                   # may cancel the top, and so the total is that of pairs
    high, rest = two_sum(top, log.high)
    rest = rest + (log.low if low is None else log.low + low)
    return high + finite(rest, high)


# --- gradients --------------------------------------------------------------------------------------------------------
def _less(gy, mean):
    """gy - mean, of a pair."""
    return (gy - mean.high) - mean.low


def _begun(gy, where, temperature):
    """gy, 0 where nothing counts, over the temperature."""
    gy = masked(where, gy)
    return gy if temperature is None else gy / temperature


def _softmax_slope(row, gy, y, where=None, temperature=None):
    gy, y = _begun(gy, where, temperature), masked(where, y)
    return y * _less(gy, row.total(gy, y))


def _softmin_slope(row, gy, y, **options):
    return -_softmax_slope(row, gy, y, **options)


def _log_softmax_slope(row, gy, y, where=None, temperature=None):
    gy, y = _begun(gy, where, temperature), masked(where, y, -INFINITY)
    return _log_slope(gy, exp(y), row.total(gy))


def _log_slope(gy, e, total):
    return fma(-e, total.high, gy) - e * total.low


def _softmax_gradient(row, gy, x, where=None, temperature=None, sink=None):
    gy, found = _begun(gy, where, temperature), exponentials(row, x, where, temperature, sink)
    down = 2.0**-SHIFT[x.dtype]                  # so that products of large gradients do not overflow
    mean = _if_any(found.total, divide(row.total(gy, found.e * down), scaled(found.total, down)))
    slope = found.e * _over(_less(gy, mean), found.total)
    return {"x": slope, "sink": _of_sink(found, -mean.high, temperature)}


def _of_sink(found, factor, temperature):
    """The gradient in the sink, by which no temperature is divided."""
    if found.sink is None:
        return number(0, factor)
    return found.sink * _over(factor if temperature is None else factor * temperature, found.total)


def _softmin_gradient(row, gy, x, **options):
    found = _softmax_gradient(row, gy, -x, **options)
    return {**found, "x": -found["x"]}


def _log_softmax_gradient(row, gy, x, where=None, temperature=None, sink=None):
    gy, found = _begun(gy, where, temperature), exponentials(row, x, where, temperature, sink)
    total = row.total(gy)
    share = Pair(*[_over(part, found.total) for part in total])
    return {"x": _log_slope(gy, found.e, share), "sink": _of_sink(found, -total.high, temperature)}


def _logsumexp_gradient(row, x, gy, temperature=None, **options):
    found = exponentials(row, x, temperature=temperature, **options)
    gy = _begun(gy, None, temperature)
    return {"x": found.e * _over(gy, found.total), "sink": _of_sink(found, gy, temperature)}


# --- what there is to call --------------------------------------------------------------------------------------------
def _temperature(owner, name, temperature):
    """A temperature that is positive, None for 1."""
    if not (isinstance(temperature, int | float | np.generic) and 0 < temperature < INFINITY):
        raise ValueError(f"{owner}: {name}={temperature!r} is not accepted; a positive number is")
    return None if temperature == 1 else temperature


def _once(owner, temperature, sink):
    """The operands with a number for each row."""
    return {"temperature": _temperature(owner, "temperature", temperature), "sink": sink}


def _gradient(function, of_result, of_x):
    """Give one of them its gradient."""
    owner = function.name

    def backward(gy, x=None, axis=-1, *, y=None, where=None, temperature=1.0, sink=None, wrt="x", out=None):
        """gy times the derivative, from x, or from the result y where that is given; `wrt` takes "sink" beside x."""
        once, names = _once(owner, temperature, sink), _names(owner, wrt, sink)
        one_of(owner, x, y)
        if y is None:
            return _in_shape(computed(of_x, owner, axis, {"gy": gy, "x": x}, where, once, names, out=out), wrt, sink)
        if names != ("x",):
            raise TypeError(f"{owner}: from the result the gradient in x alone follows; that in the sink takes x")
        return computed(of_result, owner, axis, {"gy": gy, "y": y}, where, {**once, "sink": None}, out=out)
    function.gradient(backward, y=of_result, x=of_x)


def _names(owner, wrt, sink):
    """`wrt` as a tuple."""
    names, known = (wrt,) if isinstance(wrt, str) else tuple(wrt), ("x",) if sink is None else ("x", "sink")
    for name in names:
        if name not in known:
            raise ValueError(f"{owner}: wrt={name!r} is not accepted; {' and '.join(known)} of what is given can be")
    return names


def _in_shape(results, wrt, sink):
    """The gradients as they were asked for, that in the sink summed to its shape."""
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    results = results if isinstance(results, tuple) else (results,)
    results = tuple([layout.summed(r, np.shape(sink))[()] if name == "sink" else r
                     for name, r in zip(names, results, strict=True)])
    return results[0] if isinstance(wrt, str) else results


@row_function(_softmax)
def softmax(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None):
    r"""e^x of each number over the sum of them all along an axis: positive numbers whose sum is 1.

    .. math:: y_i = \frac{e^{x_i / T}}{e^s + \sum_j e^{x_j / T}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Integers and bool compute in float64.
    axis : int
        The axis of the rows.
    where : array of bool, optional
        A mask that broadcasts to x; what it leaves out counts nothing and gives 0, and so does a row of which it leaves
        nothing.
    temperature : positive number
        T.
    sink : number or array, optional
        s, broadcast to one number a row; without it the sum has no e^s.
    out, dtype : array, dtype, optional
        As for any ufunc.

    Returns
    -------
    array
        Of the shape of x.  NaN spreads over its row, and so do infinity and a row of -inf.

    Raises
    ------
    TypeError
        An operand of another dtype, an axis that is no int.
    ValueError
        An axis that x has not, shapes that do not broadcast, a temperature that is not positive.

    Source: J. S. Bridle, Training stochastic model recognition algorithms as networks, 1989.

    >>> act.softmax(np.float32([[1, 2, 3], [0, 0, 1000]]))
    array([[0.09003057, 0.24472848, 0.66524094],
           [0.        , 0.        , 1.        ]], dtype=float32)
    """
    return computed(_softmax, "softmax", axis, {"x": x}, where, _once("softmax", temperature, sink),
                    out=out, dtype=dtype)


@row_function(_softmin)
def softmin(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None):
    r"""softmax of -x: the smallest number has the largest part of 1.

    .. math:: y_i = \frac{e^{-x_i / T}}{e^s + \sum_j e^{-x_j / T}}

    Operands, options and errors are those of softmax.

    Source: J. S. Bridle, Training stochastic model recognition algorithms as networks, 1989.

    >>> act.softmin(np.float32([1, 2, 3]))
    array([0.66524094, 0.24472848, 0.09003057], dtype=float32)
    """
    return computed(_softmin, "softmin", axis, {"x": x}, where, _once("softmin", temperature, sink),
                    out=out, dtype=dtype)


@row_function(_log_softmax, "logsoftmax")
def log_softmax(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None):
    r"""The logarithm of softmax, exact where softmax is 0 to the dtype; what a mask leaves out is -inf.

    .. math:: y_i = x_i / T - \log\left(e^s + \sum_j e^{x_j / T}\right)

    Operands, options and errors are those of softmax.

    Source: J. S. Bridle, Training stochastic model recognition algorithms as networks, 1989.

    >>> act.log_softmax(np.float32([0, 0, 1000]))
    array([-1000., -1000.,     0.], dtype=float32)
    """
    return computed(_log_softmax, "log_softmax", axis, {"x": x}, where, _once("log_softmax", temperature, sink),
                    out=out, dtype=dtype)


@row_function(_logsumexp)
def logsumexp(x, axis=-1, *, where=None, temperature=1.0, sink=None, keepdims=False, out=None, dtype=None):
    r"""The logarithm of the sum of e^x along an axis, one number for each row.

    .. math:: y = \log\left(e^s + \sum_j e^{x_j / T}\right)

    Operands, options and errors are those of softmax; `keepdims` leaves an axis of one element.  A row of -inf, and one
    of which a mask leaves nothing, is -inf; with an infinity it is infinite.

    Source: P. Blanchard, D. J. Higham and N. J. Higham, Accurately computing log-sum-exp and softmax, 2021.

    >>> act.logsumexp(np.float32([[0, 0], [1000, 1000]]))
    array([6.9314718e-01, 1.0006932e+03], dtype=float32)
    """
    return computed(_logsumexp, "logsumexp", axis, {"x": x}, where, _once("logsumexp", temperature, sink),
                    out=out, dtype=dtype, keepdims=keepdims)


_gradient(softmax, _softmax_slope, _softmax_gradient)
_gradient(softmin, _softmin_slope, _softmin_gradient)
_gradient(log_softmax, _log_softmax_slope, _log_softmax_gradient)


def backward(gy, x, axis=-1, *, y=None, where=None, temperature=1.0, sink=None, wrt="x", out=None):
    """gy, which has the result's shape, with the axis or without, times the derivative in x, or in the sink; the result
    y may be given beside x, and is not needed."""
    if gy is None:
        raise TypeError("logsumexp: gy is None; numbers, one for each row, are accepted")
    once, names = _once("logsumexp", temperature, sink), _names("logsumexp", wrt, sink)
    gy = gy if np.ndim(gy) in (0, np.ndim(x)) else np.expand_dims(gy, axis)
    return _in_shape(computed(_logsumexp_gradient, "logsumexp", axis, {"x": x}, where, {"gy": gy, **once}, names,
                              out=out), wrt, sink)


logsumexp.gradient(backward, of_row=True, x=_logsumexp_gradient)
