"""What it gains to call activations inside another: gelu(x + b) + r as one kernel and as a chain of three."""
import itertools
import json
import math

import numpy as np

from ...declare import activation, get
from .timing import ROUNDS, least, operands


def fusion(dtype="float32", size=16_000_000, rounds=ROUNDS):
    """Nanoseconds an element takes as one kernel and as a chain of three, b one number a channel, and the bytes of
    memory traffic of each.

    Examples
    --------
    >>> from numba_act.tools.bench.fusion import fusion
    >>> fusion(size=100_000, rounds=1)["bytes"]
    {'fused': 12, 'chain': 28}
    """
    gelu, plus = get("gelu"), activation(lambda a, b: a + b)
    fused = activation(lambda x, b, r: gelu(x + b) + r)
    x, r = (a.reshape(-1, math.gcd(size, 1000)) for a in operands(dtype, size))
    b, out, between = x[0].copy(), np.empty_like(x), np.empty_like(x)

    def chain():
        plus(x, b, out=between)
        gelu(between, out=between)
        plus(between, r, out=out)

    times = least({"fused": lambda: fused(x, b, r, out=out), "chain": chain}, rounds)
    return {"ns": {what: seconds / size * 1e9 for what, seconds in times.items()},
            "bytes": {"fused": 3 * x.itemsize, "chain": 7 * x.itemsize}}


def show(sizes, dtypes, rounds=ROUNDS, as_json=False, file=None):
    """Print `fusion` for every dtype and size, as lines or as JSON."""
    cells = [{"dtype": dtype, "size": size, **fusion(dtype, size, rounds)}
             for dtype, size in itertools.product(dtypes, sizes)]
    if as_json:
        print(json.dumps(cells, indent=1), file=file)
        return
    for cell in cells:
        times = ", ".join(f"{what} {time:.3g} ns, {cell['bytes'][what]} bytes" for what, time in cell["ns"].items())
        print(f"{cell['dtype']}, {cell['size']} numbers, an element: {times}", file=file)
