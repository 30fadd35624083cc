"""Speed beside torch, JAX and ONNX Runtime: every contender in one run, in turn, on as many threads.

    python ci/bench.py [--only gelu,tanh] [--sizes 10,1000] [--dtypes float32] [--rounds 7] [--threads 2]

A cell is a function, forward or backward, a dtype and a size; its time is the least of several rounds in which the
contenders, each in its own process, take turns, so that the machine's drift meets all of them.  Outputs are allocated
by each library; `out` and `in place` are ours into a given array.  The ratio is ours over the best counted peer.
ONNX Runtime counts where it is within 4 ULP on [-5, 5] (marked ! where not).  A cell is bound by the copy where the
best time of all is within 1.5 times that of copying as many bytes; the geometric mean is taken over the others.
"""
import argparse
import functools
import itertools
import math
import multiprocessing
import time

import numpy as np

import numba_act as act

REST = 0.01                                      # seconds, for other libraries' threads to stop spinning
WARM, SECONDS = 0.02, 0.005                      # before and for one timing
SIZES = 10, 1000, 100_000, 1_000_000, 16_000_000


def torch_peer(threads):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    aten = torch.ops.aten
    # what autograd calls, with what autograd saved: the output for sigmoid and tanh
    backward = {
        "sigmoid": lambda gy, x, y: aten.sigmoid_backward(gy, y),
        "tanh": lambda gy, x, y: aten.tanh_backward(gy, y),
        "relu": lambda gy, x, y: aten.threshold_backward(gy, y, 0),
        "softplus": lambda gy, x, y: aten.softplus_backward(gy, x, 1, 20),
        "leaky_relu": lambda gy, x, y: aten.leaky_relu_backward(gy, x, 0.01, False),
        "prelu": lambda gy, x, y: aten.leaky_relu_backward(gy, x, 0.25, False),
        "elu": lambda gy, x, y: aten.elu_backward(gy, 1, 1, 1, False, x),
        "selu": lambda gy, x, y: aten.elu_backward(gy, 1.6732632423543772, 1.0507009873554805, 1, False, x),
        "silu": lambda gy, x, y: aten.silu_backward(gy, x),
        "swish": lambda gy, x, y: aten.silu_backward(gy, x),
        "gelu": lambda gy, x, y: aten.gelu_backward(gy, x),
        "gelu_tanh": lambda gy, x, y: aten.gelu_backward(gy, x, approximate="tanh"),
        "mish": lambda gy, x, y: aten.mish_backward(gy, x),
    }
    forward = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "swish": F.silu,
               "prelu": lambda x: F.leaky_relu(x, 0.25), "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}

    def make(name, kind, gy, x):
        f = forward.get(name) or getattr(F, name)
        x, gy = torch.from_numpy(x), torch.from_numpy(gy)
        if kind == "forward":
            return lambda: f(x)
        if name not in backward:
            return None
        y, g = f(x), backward[name]
        return lambda: g(gy, x, y)
    return make


def jax_peer(threads):
    import jax
    jax.config.update("jax_enable_x64", True)
    functions = {"sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh, "softsign": jax.nn.soft_sign,
                 "swish": jax.nn.silu, "prelu": lambda x: jax.nn.leaky_relu(x, 0.25),
                 "gelu": lambda x: jax.nn.gelu(x, approximate=False),
                 "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True)}

    def make(name, kind, gy, x):
        f = functions.get(name) or getattr(jax.nn, name)
        x, gy = jax.numpy.asarray(x), jax.numpy.asarray(gy)
        if kind == "forward":
            g = jax.jit(f)
            return lambda: g(x).block_until_ready()
        g = jax.jit(lambda gy, x: jax.vjp(f, x)[1](gy)[0])
        return lambda: g(gy, x).block_until_ready()
    return make


def onnx_peer(threads):
    import onnxruntime
    from onnx import TensorProto, helper
    operators = {"sigmoid": ("Sigmoid", {}), "tanh": ("Tanh", {}), "softsign": ("Softsign", {}), "relu": ("Relu", {}),
                 "softplus": ("Softplus", {}), "leaky_relu": ("LeakyRelu", {"alpha": 0.01}), "elu": ("Elu", {}),
                 "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}), "gelu": ("Gelu", {}),
                 "gelu_tanh": ("Gelu", {"approximate": "tanh"}), "mish": ("Mish", {})}

    def make(name, kind, gy, x):
        if kind != "forward" or name not in operators:
            return None
        operator, attributes = operators[name]
        kind = TensorProto.FLOAT if x.dtype == np.float32 else TensorProto.DOUBLE
        graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], **attributes)], "g",
                                  [helper.make_tensor_value_info("x", kind, [None])],
                                  [helper.make_tensor_value_info("y", kind, [None])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options)
            session.run(None, {"x": x[:1]})
        except Exception:
            return None
        return lambda: session.run(None, {"x": x})[0]
    return make


def our_calls(name, kind, gy, x):
    """A fresh output, a given one, in place (with the operand restored, as copying it costs), and that copy."""
    f = act.get(name)
    out, own = np.empty_like(x), x.copy()
    copy = functools.partial(np.copyto, own, x)
    if kind == "forward":
        return {"copy": copy, "ours": lambda: f(x), "out": lambda: f(x, out=out),
                "in place": lambda: (copy(), f(own, out=own))}
    return {"copy": copy, "ours": lambda: f.backward(gy, x), "out": lambda: f.backward(gy, x, out=out),
            "in place": lambda: (copy(), f.backward(own, x, out=own))}


PEERS = {"torch": torch_peer, "JAX": jax_peer, "ORT": onnx_peer}


def work(contender, threads, pipe):
    """A contender in a process of its own, so that no library's threads spin while another is timed."""
    make = None
    if contender != "numba_act":
        try:
            make = PEERS[contender](threads)
        except ImportError:
            pipe.send("missing")
            return
    pipe.send("ready")
    calls, cell = {}, None
    for *asked, seconds in iter(pipe.recv, None):
        if asked != cell:
            cell, calls = asked, {}
            name, kind, dtype, size = asked
            rng = np.random.default_rng(0)
            x, gy = (rng.uniform(-5, 5, size).astype(dtype) for _ in range(2))
            if make is None:
                calls = our_calls(name, kind, gy, x)
            elif (call := make(name, kind, gy, x)) is not None:
                calls = {contender: call}
        pipe.send({who: timed(call, seconds) for who, call in calls.items()})


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


@functools.cache
def ulp_on_five(contender, name, dtype):
    """A peer's largest error on [-5, 5], in units in the last place."""
    x = np.linspace(-5, 5, 100_001).astype(dtype)
    call = PEERS[contender](1)(name, "forward", x, x)
    if call is None:
        return 0
    true = act.get(name)(x.astype(np.float64))
    units = np.spacing(np.maximum(np.abs(true), np.finfo(dtype).tiny).astype(dtype)).astype(np.float64)
    return (np.abs(np.asarray(call(), np.float64) - true) / units).max()


def shown(seconds, size):
    return "-" if seconds is None else f"{seconds / size * 1e9:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(act.activations))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--dtypes", default="float32,float64")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    pipes = {}
    for contender in ("numba_act", *PEERS):
        pipe, other = context.Pipe()
        context.Process(target=work, args=(contender, options.threads, other), daemon=True).start()
        if pipe.recv() == "ready":
            pipes[contender] = pipe
        else:
            print(f"{contender} is not installed")
    peers = [p for p in PEERS if p in pipes]
    columns = ["ours", "out", "in place", *peers]
    print("nanoseconds an element; ratio: ours / best counted peer; c: bound by the copy; !: not exact enough\n")
    print("| function | | dtype | size | copy | " + " | ".join(columns) + " | ratio | out ratio | |")
    print("|---|---|---|---|---|" + "---|" * (len(columns) + 3))
    ratios = []
    cells = itertools.product(options.dtypes.split(","), map(int, options.sizes.split(",")), options.only.split(","),
                              ("forward", "backward"))
    for dtype, size, name, kind in cells:
        t = {}
        for _ in range(options.rounds):
            for pipe in pipes.values():
                time.sleep(REST)
                pipe.send((name, kind, dtype, size, SECONDS))
                for who, seconds in pipe.recv().items():
                    t[who] = min(seconds, t.get(who, math.inf))
        t["in place"] -= t["copy"]
        uncounted = {"ORT"} if "ORT" in t and ulp_on_five("ORT", name, dtype) > 4 else set()
        best = min(t[p] for p in peers if p in t and p not in uncounted)
        traffic = t["copy"] * (1 if kind == "forward" else 1.5)
        copy_bound = size >= 100_000 and min(best, t["ours"], t["out"]) < 1.5 * traffic
        ratios.append((t["ours"] / best, copy_bound, kind))
        row = [shown(t.get(c), size) + ("!" if c in uncounted else "") for c in columns]
        row = [name, kind, dtype, f"{size:.2g}", shown(t["copy"], size), *row, f"{t['ours'] / best:.2f}",
               f"{t['out'] / best:.2f}", "c" if copy_bound else ""]
        print(f"| {' | '.join(row)} |", flush=True)
    for pipe in pipes.values():
        pipe.send(None)
    print()
    for title, kept in (("forward", lambda r: r[2] == "forward"), ("backward", lambda r: r[2] == "backward"),
                        ("all", lambda r: True)):
        free = [r[0] for r in ratios if kept(r) and not r[1]]
        over = sum(r[0] > 1 for r in ratios if kept(r))
        count = sum(map(kept, ratios))
        if free:
            mean = math.exp(sum(map(math.log, free)) / len(free))
            print(f"{title}: geometric mean {mean:.2f} over {len(free)} cells not bound by the copy; "
                  f"{over} of {count} cells above 1")


if __name__ == "__main__":
    main()
