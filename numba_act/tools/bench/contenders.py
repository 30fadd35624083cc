"""The libraries that are compared, in processes: each in its own, or all in one."""
import contextlib
import multiprocessing
import os
import sys
import time

import numpy as np

from ...declare import get
from .. import peers
from ..accuracy.definition import Output
from ..accuracy.errors import errors
from ..accuracy.inputs import points, samples
from ..machine import dtype_named
from .timing import begin, operands, our_calls, turn

REST = 0.01                                      # seconds, for other libraries' threads to stop spinning
OURS = "numba_act"
TIERS = {"exact": lambda activation: activation, "fast": lambda activation: activation.fast}
PEERS = {"torch": peers.torch_peer, "JAX": peers.jax_peer, "ORT": peers.onnx_peer}


class Contenders:
    """The libraries that can be used.  Alone in its process none is timed while another's threads spin; together they
    are as a program has them that imports them all."""

    def __init__(self, threads, together=False):
        context = multiprocessing.get_context("spawn")
        names = (OURS, *PEERS)
        self._pipes = {}
        for group in [names] if together else [(name,) for name in names]:
            pipe, other = context.Pipe()
            context.Process(target=_work, args=(group, threads, other), daemon=True).start()
            other.close()                        # so that reading ends when the process does
            self._pipes[", ".join(group)] = pipe
        self.usable = [name for group in list(self._pipes) for name in self._answer(group)]
        if OURS not in self.usable:
            raise ChildProcessError(f"{OURS} cannot be used in a process of its own")

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        for pipe in self._pipes.values():
            with contextlib.suppress(OSError):   # it has ended already
                pipe.send(None)

    def _answer(self, group, *question):
        try:
            if question:
                self._pipes[group].send(question)
            return self._pipes[group].recv()
        except (EOFError, OSError):
            if question:
                raise ChildProcessError(f"{group} failed at {', '.join(map(str, question[1:]))}") from None
            del self._pipes[group]               # its process ended before it could be used
            return []

    def _answers(self, *question):
        found = {}
        for group in self._pipes:
            time.sleep(REST)
            found.update(self._answer(group, *question))
        return found

    def seconds(self, *cell):
        """One round: the seconds of a call, by who made it and how, and of a copy; a cell is name, kind, dtype, size,
        data and our tiers."""
        return self._answers("seconds", *cell)

    def errors(self, name, kind, dtype):
        """The largest errors of the others over the whole line, in units in the last place."""
        return self._answers("errors", name, kind, dtype)


def _work(group, threads, pipe):
    """What a process does: say who can be used in it, then answer what comes through the pipe."""
    worker = _Worker(group, threads)
    pipe.send(list(worker.makers))
    for what, *about in iter(pipe.recv, None):
        pipe.send(getattr(worker, what)(*about))


class _Worker:
    def __init__(self, group, threads):
        if hasattr(os, "sched_setaffinity"):     # JAX has no other way to be told
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        self.makers, self._cell, self._calls, self._operands = {}, None, {}, (None, ())
        for name in group:
            try:
                self.makers[name] = use(threads) if name == OURS else PEERS[name](threads)
            except Exception as error:           # not installed, or broken in its own way
                if not isinstance(error, ImportError):
                    print(f"{name} cannot be used: {error!r}", file=sys.stderr)
        if "torch" in self.makers:
            import torch
            torch.set_grad_enabled(False)        # as it is where autograd calls a gradient

    def seconds(self, *cell):
        if cell != self._cell:
            self._cell, self._calls = cell, self._made(*cell)
            begin(self._calls)
        return turn(self._calls)

    def _made(self, name, kind, dtype, size, data, tiers):
        about = dtype, size, data
        if about != self._operands[0]:
            self._operands = about, operands(*about)
        gy, x = self._operands[1]
        own, made = x.copy(), {}
        for who, make in self.makers.items():
            if who == OURS:
                made["copy"] = {"": lambda: np.copyto(own, x)}
                made |= {tier: our_calls(TIERS[tier](get(name)), kind, gy, x) for tier in tiers}
            else:
                made[who] = make(name, kind, gy, x)
        return {f"{who}{form}": call for who, calls in made.items() for form, call in calls.items()}

    def errors(self, name, kind, dtype):
        activation, dtype = get(name), dtype_named(dtype)
        wrt = activation.operands[:1] if kind == "backward" else ()
        output = Output(activation, wrt, tuple(activation.defaults.values()))
        x, found = next(samples(output, dtype)) if dtype.itemsize == 2 else points(output, dtype, 4), {}
        for who, make in self.makers.items():
            calls = make(name, kind, np.ones_like(x), x) if who != OURS else {}
            if calls:
                found[who] = float(errors(output, x, peers.as_array(calls[""](), dtype)).max())
        return found


def use(threads):
    """Our threads, at most those that there are."""
    import numba
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
