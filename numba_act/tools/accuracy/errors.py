"""The errors of an output, in units in the last place of the true value.

The true value is that of an activation's definition, by the platform's library: for float64 in quadruple precision,
and for narrower types in float64.  Where the platform has no quadruple precision mpmath takes its place, a thousand
times slower.  Nothing of what is judged is shared, but that operands are rounded to their dtype first.
"""
import functools
import math
from fractions import Fraction

import numpy as np

from ...backends import cpu
from ...backends.kernel import Kernel
from ...tree import quad
from ...tree.call import retyped, substitute
from ...tree.exact import number
from ...tree.node import argument, bits, constant, from_bits, in_order, is_nan, narrowed, where, widened
from ...tree.storage import STORAGE
from .definition import Output, definition, fine, largest, of_mathematics
from .vectors import vectorised

DOUBT = 0.6                                      # above it an error is judged again where float64 is not fine enough
FLOOR, AROUND = 2.0**-4, 0.5                     # near a zero of a slope the unit is at least that of the first
# the type of truth: the bits of its exponent, and how good the definitions are in it
WIDE = {"float64": (0x7FF << 52, 2.0**-45), "float128": (0x7FFF << 112, 2.0**-100)}


# --- zeros of slopes --------------------------------------------------------------------------------------------------
@functools.cache
def zeros(output, dtype):
    """Where the definition passes through zero, but for 0 itself and for jumps."""
    sizes = np.geomspace(1e-4, 1e5, 4000)
    found = []
    for x in (sizes, -sizes):
        sign = np.sign(output.fast(x, dtype))
        for k in np.flatnonzero(sign[1:] * sign[:-1] < 0):
            a, b = x[k], x[k + 1]
            while (middle := (a + b) / 2) not in (a, b):
                a, b = (middle, b) if np.sign(output.fast(middle, dtype)) == sign[k] else (a, middle)
            if abs(output.fast(a, dtype)) < 1e-9:
                found.append(float(a))
    return tuple(found)


@functools.cache
def loose(output, dtype):
    """Intervals about the zeros of a slope that no float is, where the unit is at least that of FLOOR: of a slope in x,
    or in a parameter where a pair does not hold the phase of a wave; none of mathematics.

    Parameters may stretch the line; the intervals stretch with it.
    """
    if of_mathematics(output.activation):
        return ()
    if output.wrt != (output.operand,) and not (output.wrt and fine(output.activation, output.wrt)):
        return ()
    if largest(output.activation, output.wrt) is not None:
        return ()
    if not any(node.op == "call" for node in in_order([definition(output.activation, output.wrt)])):
        return ()
    usual = zeros(Output(output.activation, output.wrt, tuple(output.activation.defaults.values())), dtype)
    found = zeros(output, dtype)
    stretch = [abs(z / u) for z, u in zip(found, usual, strict=True)] if len(found) == len(usual) else [1] * len(found)
    return tuple((z - AROUND * s, z + AROUND * s) for z, s in zip(found, stretch, strict=True))


# --- errors -----------------------------------------------------------------------------------------------------------
def unit(dtype):
    """(digits after the point, least exponent, exponent of infinity) of a dtype."""
    storage = STORAGE[dtype.name]
    return storage.digits, storage.least, storage.most


def errors(output, x, got=None):
    """Errors, in units in the last place, of what numba_act computes from x, or of what is given instead.

    A NaN where there is none is infinitely wrong.  At infinities, of which definitions know nothing, they are 0.
    """
    got = output(x) if got is None else got
    if x.dtype == np.float64 and not quad.available():
        return _exact_errors(output, x, got)
    found = _errors(output, x, got, STORAGE[x.dtype.name].working)
    again = found > DOUBT if x.dtype != np.float64 and fine(output.activation, output.wrt) else np.zeros(x.shape, bool)
    if again.any():
        found[again] = (_errors(output, x[again], got[again], np.float64) if quad.available() else
                        _exact_errors(output, x[again], got[again]))
    return found


def _exact_errors(output, x, got):
    return np.array([exact_error(output, *pair, x.dtype) for pair in zip(x.tolist(), got.tolist(), strict=True)])


def _errors(output, x, got, working):
    """The errors by the truth in twice the width of `working`."""
    with np.errstate(all="ignore"):
        operands = [np.asarray(a, working) for a in (got, _floor(output, x), x, *output.parameters(x.dtype))]
        return cpu.call(_error_kernel(output.activation, output.wrt, unit(x.dtype)), operands)[0]


def _floor(output, x):
    """The least size whose unit counts: FLOOR in the intervals of `loose`, 0 elsewhere."""
    intervals = loose(output, x.dtype)
    if not intervals:
        return 0
    lows, highs = np.sort(np.array(intervals), axis=0).T
    floor = np.zeros(x.shape, np.float32)
    about = np.flatnonzero((x > lows[0]) & (x < highs[-1]))
    begun, ended = np.searchsorted(lows, x[about], "left"), np.searchsorted(highs, x[about], "right")
    floor[about[begun > ended]] = FLOOR
    return floor


def exact_error(output, x, got, dtype):
    """The error at one number, by mpmath."""
    if not math.isfinite(x):
        return 0.0 if math.isnan(x) <= math.isnan(got) else math.inf
    digits, least, most = unit(dtype)
    true, top = output.exact(x, dtype), number(2) ** most
    floor = FLOOR if any(low < x < high for low, high in loose(output, dtype)) else FLOOR * output.largest(x, dtype)
    size = max(min(abs(true), top / 2), min(floor, top / 2))
    _, _, exponent, length = number(size)._mpf_
    exponent = max(exponent + length - 1, least) if size else least
    error = abs(float((_clipped(number(got), top) - _clipped(true, top)) / number(2) ** (exponent - digits)))
    return error if error == error else 0.0 if math.isnan(true) and math.isnan(got) else math.inf


def _clipped(value, top):
    return where(value > top, top, where(value < -top, -top, value))


@functools.cache
def _error_kernel(activation, wrt, layout):
    """The error of numbers in the working type of a dtype, computed in twice its width."""
    names = activation.operands[-1], *activation.params
    inputs = "got", "floor", *names

    def trees(dtype):
        got, floor, *operands = [widened(argument(name, dtype)) for name in inputs]

        def computed(tree):
            tree = retyped(tree, got.dtype)
            tree = vectorised(tree) if got.dtype == "float64" else tree
            return substitute((tree,), dict(zip(names, operands, strict=True)))[0]

        terms = largest(activation, wrt)
        if terms is not None:
            floor = FLOOR * computed(terms)
        return narrowed(_error(operands[0], got, computed(definition(activation, wrt)), floor, *layout)),
    return Kernel("_".join((activation.name, "error", *wrt)), activation.name, inputs, activation.defaults, trees)


def _error(x, got, true, floor, digits, least, most):
    """Nodes of what exact_error is, and of twice that where the true value may lie just below a power of two."""
    exponent, doubt = WIDE[true.dtype]
    top = Fraction(2) ** most
    size = where(abs(true) < top, abs(true) * (1 - Fraction(doubt)), top / 2)
    floor = where(floor < top, floor, top / 2)
    size = where(size < floor, floor, size)
    power = from_bits(bits(size) & exponent)
    power = where(power < 2.0**least, 2.0**least, power)
    error = abs(_clipped(got, top) - _clipped(true, top)) / power * 2.0**digits
    error = where(is_nan(error), where(is_nan(true) & is_nan(got), constant(0, "float", true.dtype), math.inf), error)
    rest = where(is_nan(x) & ~is_nan(got), math.inf, constant(0, "float", x.dtype))
    return where(abs(x) < math.inf, error, rest)
