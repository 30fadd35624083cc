"""What a call costs where there is next to nothing to compute, an import, and the first call of all."""
import json
import os
import subprocess
import sys
import tempfile
import timeit

import numpy as np

from ...declare import get

UNIT = "np.negative(x, out=y)"
CALLS = {                                        # on ten numbers of float32, and how many units each may cost
    UNIT: 1, "silu(x)": 3, "silu(x, out=y)": 4, "elu(x, 2.0)": 5, "elu(x, alpha=2.0)": 6, "silu.grad(x)": 6,
    'elu.grad(x, 2.0, wrt="alpha")': 8, "silu.value_and_grad(x)": 7, "silu.backward(gy, x)": 4,
    "silu.backward(gy, x, out=y)": 6, "glu(x, y)": 5, "silu(0.5)": 10,
    'elu.backward(gy, x, 2.0, wrt=("x", "alpha"))': 40,
}
ROUNDS, COUNT = 300, 100                         # many short turns: the least of them is hardly disturbed
IMPORTS = 5
FIRST = """
import time, numpy as np, numba_act as act
start = time.perf_counter()
act.gelu(np.zeros({size}, np.float32))
print(time.perf_counter() - start)
"""
IMPORT = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def calls():
    """What each costs in units, the least of its turns over the least of the unit's."""
    space = {"np": np, **{name: get(name) for name in ("silu", "elu", "glu")},
             **{name: np.linspace(-2, 2, 10, dtype=np.float32) for name in ("x", "y", "gy")}}
    timers = {what: timeit.Timer(what, globals=space) for what in CALLS}
    turns = [{what: timer.timeit(COUNT) for what, timer in timers.items()} for _ in range(ROUNDS)]
    taken = {what: min(turn[what] for turn in turns) for what in CALLS}
    return {what: seconds / taken[UNIT] for what, seconds in taken.items()}


def starts():
    """(what it costs at most, in seconds; what it costs) by what is begun with."""
    numpy, ours = (min(_seconds(IMPORT.format(module=module)) for _ in range(IMPORTS))
                   for module in ("numpy", "numba_act"))
    found = {"import numba_act": (1.5 * numpy, ours)}
    with tempfile.TemporaryDirectory() as folder:
        for size in (10, 1_000_000):
            for state, most in (("cold", 1), ("cached", 0.15)):
                cache = os.path.join(folder, str(size))
                found[f"first call, {state}, {size} numbers"] = most, _seconds(FIRST.format(size=size), cache)
    return found


def _seconds(code, cache=None):
    """What a fresh process prints."""
    environment = os.environ | ({"NUMBA_ACT_CACHE_DIR": cache} if cache else {})
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return float(ran.stdout)


def measure():
    """Rows of what, how much, how much at most, and the unit of both."""
    rows = [{"what": what, "cost": cost, "most": CALLS[what], "unit": UNIT} for what, cost in calls().items()]
    return rows + [{"what": what, "cost": cost, "most": most, "unit": "seconds"}
                   for what, (most, cost) in starts().items()]


def show(as_json=False, file=None):
    """Print them as a table in Markdown or as JSON."""
    rows = measure()
    if as_json:
        print(json.dumps(rows, indent=1), file=file)
        return
    print("| call | cost | at most | of |\n|---|---|---|---|", file=file)
    for row in rows:
        print(f"| `{row['what']}` | {row['cost']:.3g} | {row['most']:.3g} | {row['unit']} |", file=file)
