"""The command `numba-act accuracy`: the worst error of every output, beside those of other libraries."""
import argparse
import contextlib
import functools
import json

import numpy as np

from ...backends.dtypes import STORED
from ...declare import activations, of_numbers
from ...runtime import threads
from .. import machine, peers
from ..machine import dtype_named
from .definition import rows, with_one_operand
from .inputs import MANY, STRIDE
from .worst import measure

PEERS = {"torch": peers.torch_peer, "jax": peers.jax_peer, "scipy": peers.scipy_peer}
COLUMNS = "activation", "output", "dtype", "inputs", "error", "x", "parameters"


def run(names=None, dtypes=STORED, exhaustive=False, against=(), fast=False):
    """Yield a dict for every output and dtype: the worst error, where it happens, and the worst of others.

    Parameters
    ----------
    names : list of str or Activation, optional
        All built-in ones by default.
    dtypes : list of str
        Of float16, bfloat16, float32 and float64.
    exhaustive : bool
        Whether to try all 2^32 numbers of float32, and ten million of float64.
    against : list of str
        Of torch, jax and scipy, which are judged with the default parameters.
    fast : bool
        Whether to judge the fast tier.
    """
    from tqdm import tqdm
    others = {name: PEERS[name](threads.processors()) for name in against}
    chosen = [with_one_operand(of_numbers(name)) for name in (activations if names is None else names)]
    jobs = [(a, wrt, dtype) for a in chosen for dtype in dtypes for wrt in (None, *a.operands, *a.params)]
    sizes = {"float32": 1 << 32 if exhaustive else (1 << 32) // STRIDE}
    total = sum(MANY if exhaustive and dtype == "float64" else len(rows(a)) * sizes.get(dtype, 1 << 16)
                for a, _, dtype in jobs)
    with tqdm(total=total, unit="", unit_scale=True, leave=False, disable=None) as bar:
        for activation, wrt, dtype in jobs:
            title, judged = "value" if wrt is None else f"d/d{wrt}", activation.fast if fast else activation
            bar.set_description(f"{judged.name} {title} {dtype}")
            worst = measure(judged, wrt, dtype, exhaustive, progress=bar.update)
            parameters = dict(zip(activation.params, worst.row, strict=True))
            yield {"activation": judged.name, "output": title, "dtype": dtype, "inputs": worst.count,
                   "error": worst.error, "x": worst.x, "parameters": parameters,
                   **{name: _error_of_peer(make, activation, wrt, dtype) for name, make in others.items()}}


def _error_of_peer(make, activation, wrt, dtype):
    """The worst error of another library; None where it has no such thing."""
    kind = {None: "forward", activation.operands[0]: "backward"}.get(wrt)
    one = np.ones(1, dtype_named(dtype))
    if kind is None or len(activation.operands) > 1 or _called(make, activation, kind, one) is None:
        return None
    return measure(activation, wrt, dtype, grid=[tuple(activation.defaults.values())],
                   compute=functools.partial(_called, make, activation, kind)).error


def _called(make, activation, kind, x):
    """What a peer computes; None where it has no such thing."""
    try:
        with np.errstate(all="ignore"):
            calls = make(activation.name, kind, np.ones_like(x), x)     # an upstream gradient of 1
            return peers.as_array(calls[""](), x.dtype) if calls else None
    except (TypeError, RuntimeError, ValueError):            # a dtype that it lacks, or all of mathematics
        return None


def add_arguments(parser):
    """The command's options."""
    parser.add_argument("--exhaustive", action="store_true",
                        help="try all 2^32 numbers of float32, and ten million of float64")
    parser.add_argument("--fast", action="store_true", help="judge the fast tier")
    parser.add_argument("--against", type=_peers, default=(), metavar="NAME,...",
                        help=f"show the errors of others beside ours: {', '.join(PEERS)}")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the table to a file")


def _peers(text):
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    return names


def main(given):
    """Print `run` as a table in Markdown or as JSON, or write it to a file; both name versions and processor."""
    with contextlib.nullcontext() if given.output is None else open(given.output, "w", encoding="utf-8") as file:
        found = list(run(given.names or None, given.dtype, given.exhaustive, given.against, given.fast))
        about = machine.configuration()
        about = {subject: about[subject] for subject in ("versions", "cpu")}
        lines = table(found, about, given.against)
        print(json.dumps({**about, "results": found}, indent=1) if given.json else "\n".join(lines), file=file)


def table(found, about, against=()):
    """Lines of Markdown."""
    yield "The worst error in units in the last place of the true value, and the input where it happens."
    yield from (f"{subject}: {words}  " for subject, words in about.items())
    yield ""
    yield f"| {' | '.join((*COLUMNS, *against))} |"
    yield "|" + "---|" * (len(COLUMNS) + len(against))
    for cell in found:
        shown = {**cell, "inputs": f"{cell['inputs']:,}", "x": f"{cell['x']:.9g}",
                 "parameters": ", ".join(f"{name}={value:.4g}" for name, value in cell["parameters"].items())}
        for name in ("error", *against):
            shown[name] = "-" if cell[name] is None else f"{cell[name]:.4g}"
        yield f"| {' | '.join(shown[column] for column in (*COLUMNS, *against))} |"
