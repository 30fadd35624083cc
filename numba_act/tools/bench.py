"""Speed beside PyTorch, JAX and ONNX Runtime: every contender in one run, in turn, on as many threads.

A cell is a function, forward or backward, a dtype and a size; its time is the least of several rounds in which the
contenders, each in its own process, take turns, so that the machine's drift meets all of them.  Outputs are allocated
by each library; `out` and `in place` are ours into a given array.  The ratio is ours over the best counted peer.
ONNX Runtime counts where it is within 4 ULP on [-5, 5] (marked ! where not).  A cell is bound by the copy where the
best time of all is within 1.5 times that of copying as many bytes; the geometric mean is taken over the others.
"""
import contextlib
import functools
import itertools
import json
import math
import multiprocessing
import sys
import time

import numpy as np

from ..declare import activation, activations, get
from ..runtime import threads as pool
from . import peers

REST = 0.01                                      # seconds, for other libraries' threads to stop spinning
WARM, SECONDS = 0.02, 0.005                      # before and for one timing
ROUNDS = 9
SIZES = 10, 1000, 100_000, 1_000_000, 16_000_000
DTYPES = "float32", "float64"
KINDS = "forward", "backward"
MOST_ULP = 4                                     # of a peer that counts
COPY_BOUND, COPIED = 1.5, 100_000                # times the copy, from so many elements up
TRAFFIC = {"forward": 1, "backward": 1.5}        # arrays moved, beside those that a copy moves
MARKS = "c: bound by the copy; !: not exact enough to count"


def measure(activation, dtype="float32", size=1_000_000, rounds=ROUNDS):
    """Nanoseconds an element takes, forward and backward, and those of copying it.

    Parameters
    ----------
    activation : a name or an Activation, custom ones too
    dtype, size : of the operands, numbers from -5 to 5
    rounds : how often each is timed; the least time is given

    Returns
    -------
    dict with the keys "copy", "forward" and "backward"

    Raises
    ------
    ValueError : an unknown name

    Examples
    --------
    >>> from numba_act.tools import bench
    >>> sorted(bench.measure("gelu", size=1000, rounds=1))
    ['backward', 'copy', 'forward']
    """
    operands = _operands(dtype, size)
    forward, backward = (our_calls(get(activation), kind, *operands) for kind in KINDS)
    calls = {"copy": forward["copy"], "forward": forward["ours"], "backward": backward["ours"]}
    return _least(calls, size, rounds)


def fusion(dtype="float32", size=16_000_000, rounds=ROUNDS):
    """Nanoseconds an element of gelu(x + b) + r takes as one kernel and as a chain of three, b one number a channel,
    and the bytes of memory traffic of each.

    Examples
    --------
    >>> from numba_act.tools import bench
    >>> bench.fusion(size=100_000, rounds=1)["bytes"]
    {'fused': 12, 'chain': 28}
    """
    gelu, plus = get("gelu"), activation(lambda a, b: a + b)
    fused = activation(lambda x, b, r: gelu(x + b) + r)
    x, r = (a.reshape(-1, math.gcd(size, 1000)) for a in _operands(dtype, size))
    b, out, between = x[0].copy(), np.empty_like(x), np.empty_like(x)

    def chain():
        plus(x, b, out=between)
        gelu(between, out=between)
        plus(between, r, out=out)

    times = _least({"fused": lambda: fused(x, b, r, out=out), "chain": chain}, size, rounds)
    return {"ns": times, "bytes": {"fused": 3 * x.itemsize, "chain": 7 * x.itemsize}}


def show_fusion(sizes=SIZES, dtypes=DTYPES, rounds=ROUNDS, threads=None, as_json=False):
    """Print `fusion` for every dtype and size, as lines or as JSON."""
    if threads:
        _use(threads)
    cells = [{"dtype": dtype, "size": size, **fusion(dtype, size, rounds)}
             for dtype, size in itertools.product(dtypes, sizes)]
    if as_json:
        print(json.dumps(cells, indent=1))
        return
    for cell in cells:
        times = ", ".join(f"{what} {_shown(time)} ns, {cell['bytes'][what]} bytes" for what, time in cell["ns"].items())
        print(f"{cell['dtype']}, {cell['size']} numbers, an element: {times}")


def _least(calls, size, rounds):
    """Nanoseconds an element by call, the least of some rounds in which they take turns."""
    times = [{what: timed(call, SECONDS) / size * 1e9 for what, call in calls.items()} for _ in range(rounds)]
    return {what: min(taken[what] for taken in times) for what in calls}


def run(names=None, sizes=SIZES, dtypes=DTYPES, rounds=ROUNDS, threads=None):
    """Yield a dict for every cell: what it is, nanoseconds by contender, and the ratios.

    Parameters
    ----------
    names : of built-in activations; all by default
    sizes, dtypes, rounds : which cells, and how often each is timed
    threads : of numba_act, PyTorch and ONNX Runtime; as many as there are processors by default
    """
    from tqdm import tqdm
    cells = list(itertools.product(dtypes, sizes, names or activations, KINDS))
    with _Contenders(threads or pool.processors()) as contenders:
        for dtype, size, name, kind in tqdm(cells, unit="cell", leave=False, disable=None):
            yield _cell(contenders, name, kind, dtype, size, rounds)


def main(names=None, sizes=SIZES, dtypes=DTYPES, rounds=ROUNDS, threads=None, as_json=False):
    """Print `run` as a table in Markdown with its summary, or as JSON."""
    cells = run(names, sizes, dtypes, rounds, threads)
    if as_json:
        print(json.dumps(list(cells), indent=1))
        return
    from tqdm import tqdm
    columns = ["copy", "ours", "out", "in place", *PEERS]
    tqdm.write(f"nanoseconds an element; ratio: ours / best counted peer; {MARKS}\n")
    tqdm.write(f"| function | | dtype | size | {' | '.join(columns)} | ratio | out ratio | |")
    tqdm.write("|" + "---|" * (len(columns) + 7))
    done = []
    for cell in cells:
        done.append(cell)
        times = [_shown(cell["times"].get(who)) + "!" * (who in cell["uncounted"]) for who in columns]
        row = [cell["name"], cell["kind"], cell["dtype"], cell["size"], *times, _shown(cell["ratio"], ".2f"),
               _shown(cell["out_ratio"], ".2f"), "c" * cell["copy_bound"]]
        tqdm.write(f"| {' | '.join(map(str, row))} |")
    print("", *summary(done), sep="\n")


def summary(cells):
    """Lines with the geometric mean of the ratios, forward, backward and over all, and who is missing."""
    for title, kinds in (*((kind, (kind,)) for kind in KINDS), ("all", KINDS)):
        kept = [cell for cell in cells if cell["kind"] in kinds and cell["ratio"] is not None]
        free = [cell["ratio"] for cell in kept if not cell["copy_bound"]]
        if free:
            mean = math.exp(sum(map(math.log, free)) / len(free))
            yield (f"{title}: geometric mean {mean:.2f} over {len(free)} cells not bound by the copy; "
                   f"{sum(cell['ratio'] > 1 for cell in kept)} of {len(kept)} cells above 1")
    missing = [peer for peer in PEERS if not any(peer in cell["times"] for cell in cells)]
    if missing:
        yield f"not usable here, or without these functions: {', '.join(missing)}"


def _shown(number, form=".3g"):
    return "-" if number is None else f"{number:{form}}"


# contenders --------------------------------------------------------------------------------------------------------
PEERS = {"torch": peers.torch_peer, "JAX": peers.jax_peer, "ORT": peers.onnx_peer}
OURS = "numba_act"


def our_calls(activation, kind, gy, x):
    """A fresh output and that copy; where there is one operand, a given output, and in place, with the operand
    restored, which costs as much as copying it."""
    operands, out, own = [x] * len(activation.operands), np.empty_like(x), x.copy()
    copy = functools.partial(np.copyto, own, x)
    if kind == "forward":
        calls = {"copy": copy, "ours": functools.partial(activation, *operands)}
        single = {"out": functools.partial(activation, x, out=out),
                  "in place": lambda: (copy(), activation(own, out=own))}
    else:
        calls = {"copy": copy, "ours": functools.partial(activation.backward, gy, *operands)}
        single = {"out": functools.partial(activation.backward, gy, x, out=out),
                  "in place": lambda: (copy(), activation.backward(own, x, out=own))}
    return {**calls, **single} if len(operands) == 1 else calls


def _operands(dtype, size):
    """gy and x."""
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(-5, 5, size).astype(dtype) for _ in range(2))


class _Contenders:
    """The libraries that can be used, each in a process of its own, so that no library's threads spin while another
    is timed."""

    def __init__(self, threads):
        context = multiprocessing.get_context("spawn")
        self._pipes = {}
        for contender in (OURS, *PEERS):
            pipe, other = context.Pipe()
            context.Process(target=_work, args=(contender, threads, other), daemon=True).start()
            other.close()                        # so that reading ends when the process does
            try:
                pipe.recv()
                self._pipes[contender] = pipe
            except EOFError:
                if contender == OURS:
                    raise ChildProcessError(f"{OURS} cannot be used in a process of its own") from None

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        for pipe in self._pipes.values():
            with contextlib.suppress(OSError):   # it has ended already
                pipe.send(None)

    def seconds(self, *cell):
        """One round: the seconds of a call, by who made it."""
        found = {}
        for contender, pipe in self._pipes.items():
            time.sleep(REST)
            try:
                pipe.send(cell)
                found.update(pipe.recv())
            except (EOFError, OSError):
                raise ChildProcessError(f"{contender} failed at {', '.join(map(str, cell))}") from None
        return found


def _work(contender, threads, pipe):
    """What a contender's process does: say that it can be used, then time the cells that come through the pipe."""
    try:
        make = _ours(threads) if contender == OURS else PEERS[contender](threads)
    except Exception as error:                   # not installed, or broken in its own way
        if not isinstance(error, ImportError):
            print(f"{contender} cannot be used: {error!r}", file=sys.stderr)
        return
    pipe.send(True)
    calls, current = {}, None
    for cell in iter(pipe.recv, None):
        if cell != current:
            current, (name, kind, dtype, size) = cell, cell
            made = make(name, kind, *_operands(dtype, size))
            calls = made if contender == OURS else {contender: made[""]} if made else {}
        pipe.send({who: timed(call, SECONDS) for who, call in calls.items()})


def _use(threads):
    import numba
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def _ours(threads):
    _use(threads)
    return lambda name, *rest: our_calls(get(name), *rest)


def timed(call, seconds):
    """Seconds a call takes, over as many as fit, once the processors that slept are awake again."""
    count, begin = 0, time.perf_counter()
    while (now := time.perf_counter()) < begin + WARM:
        call()
        count += 1
    count = max(1, int(seconds * count / (now - begin)))
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _cell(contenders, name, kind, dtype, size, rounds):
    """The least times of some rounds, and what follows from them."""
    taken = [contenders.seconds(name, kind, dtype, size) for _ in range(rounds)]
    times = {who: min(t[who] for t in taken) / size * 1e9 for who in taken[0]}
    if "in place" in times:
        times["in place"] -= times["copy"]
    uncounted = ["ORT"] if "ORT" in times and _onnx_ulp(name, dtype) > MOST_ULP else []
    best = min((times[who] for who in PEERS if who in times and who not in uncounted), default=None)
    fastest = min(times[who] for who in times if who in ("ours", "out", *PEERS) and who not in uncounted)
    copy_bound = size >= COPIED and fastest < COPY_BOUND * times["copy"] * TRAFFIC[kind]
    ratio, out_ratio = (times[who] / best if best and who in times else None for who in ("ours", "out"))
    return {"name": name, "kind": kind, "dtype": dtype, "size": size, "times": times, "uncounted": uncounted,
            "copy_bound": copy_bound, "ratio": ratio, "out_ratio": out_ratio}


@functools.cache
def _onnx_ulp(name, dtype):
    """ONNX Runtime's largest error on [-5, 5], in units in the last place."""
    x = np.linspace(-5, 5, 100_001).astype(dtype)
    call = peers.onnx_peer(1)(name, "forward", x, x)[""]
    true = get(name)(x.astype(np.float64))
    units = np.spacing(np.maximum(np.abs(true), np.finfo(dtype).tiny).astype(dtype)).astype(np.float64)
    return (np.abs(np.asarray(call(), np.float64) - true) / units).max()
