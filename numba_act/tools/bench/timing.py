"""How long a call takes."""
import contextlib
import functools
import time

import numpy as np

from ...declare import get
from ..machine import dtype_named

WAKE = 0.01                                      # seconds of calls, until processors that slept are awake
WARM, SECONDS = 0.002, 0.004                     # before and for one timing
PARTS = 4                                        # of a timing
ROUNDS = 3
KINDS = "forward", "backward"
SATURATED = 30                                   # times normal: nearly all of it in the tails


def timed(call, seconds=SECONDS, warm=WARM):
    """Seconds a call takes, in the least disturbed part of the time, after some that warm up."""
    first, count, parts = time.perf_counter(), 0, []
    while (now := time.perf_counter()) < first + warm or not count:
        call()
        count += 1
    each = max(1, int(seconds / PARTS * count / (now - first)))
    while not parts or time.perf_counter() < now + seconds:
        parts.append(_several(call, each))
    return min(parts)


def _several(call, count):
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def least(calls, rounds=ROUNDS):
    """The seconds of each call by name, the least of some rounds in which they take turns."""
    begin(calls)
    times = [turn(calls) for _ in range(rounds)]
    return {what: min(taken[what] for taken in times) for what in calls}


def begin(calls):
    """Each call once, which may compile something."""
    for call in calls.values():
        call()


def turn(calls):
    """The seconds of each call by name, timed one after another."""
    for call in list(calls.values())[:1]:
        timed(call, warm=WAKE)
    return {what: timed(call) for what, call in calls.items()}


def operands(dtype, size, data="normal"):
    """gy, which is normal, and x."""
    rng = np.random.default_rng(0)
    gy, x = (rng.standard_normal(size, np.float32) for _ in range(2))
    return gy.astype(dtype_named(dtype)), (x * SATURATED if data == "saturated" else x).astype(dtype_named(dtype))


def our_calls(activation, kind, gy, x):
    """Functions without arguments: with a fresh output, and, where there is one operand, into a given one.  A gradient
    starts from the saved result where it can, as PyTorch's do."""
    function, arrays, saved, out = activation, [x] * len(activation.operands), {}, np.empty_like(x)
    if kind == "backward":
        function, arrays = activation.backward, [gy, *arrays]
        with contextlib.suppress(TypeError):     # there is none from the result
            saved = {"y": activation(x)}
            function(gy, **saved)
            arrays = [gy]
        saved = saved if len(arrays) == 1 else {}
    calls = {"": functools.partial(function, *arrays, **saved)}
    return calls if len(activation.operands) > 1 else {**calls, " out": functools.partial(calls[""], out=out)}


def measure(activation, dtype="float32", size=1_000_000, rounds=ROUNDS):
    """Nanoseconds an element takes, forward and backward, and those of copying it.

    Parameters
    ----------
    activation : a name or an Activation, custom ones too
    dtype, size : of the operands, normally distributed numbers
    rounds : how often each is timed; the least time is given

    Returns
    -------
    dict with the keys "copy", "forward" and "backward"

    Raises
    ------
    ValueError
        An unknown name.

    Examples
    --------
    >>> from numba_act.tools.bench.timing import measure
    >>> sorted(measure("gelu", size=1000, rounds=1))
    ['backward', 'copy', 'forward']
    """
    gy, x = operands(dtype, size)
    own = x.copy()
    calls = {"copy": lambda: np.copyto(own, x), **{kind: our_calls(get(activation), kind, gy, x)[""] for kind in KINDS}}
    return {what: seconds / size * 1e9 for what, seconds in least(calls, rounds).items()}
