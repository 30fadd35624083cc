"""Speed beside torch, JAX and ONNX Runtime: every contender in one run, in turn, on as many threads.

    python ci/bench.py [--only gelu,tanh] [--sizes 10,1000] [--dtypes float32] [--rounds 7] [--threads 2]

A cell is a function, forward or backward, a dtype and a size; its time is the least of several rounds in which the
contenders take turns, so that the machine's drift meets all of them.  Outputs are allocated by each library; `out`
and `in place` are ours into a given array.  The ratio is ours over the best counted peer.  ONNX Runtime counts where
it is within 4 ULP on [-5, 5] (marked ! where not).  A cell is bound by the copy where the best time of all is
within 1.5 times that of copying as many bytes; the geometric mean is taken over the others.
"""
import argparse
import gc
import math
import time

import numpy as np

import numba_act as act

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


def exact_enough(make, name, dtype):
    """Whether a peer is within 4 ULP of ours on [-5, 5]."""
    x = np.linspace(-5, 5, 100_001).astype(dtype)
    call = make(name, "forward", x, x)
    if call is None:
        return True
    ours = act.get(name)(x)
    units = np.abs(np.asarray(call()) - ours) / np.spacing(np.maximum(np.abs(ours), np.finfo(dtype).tiny))
    return units.max() <= 5                                     # ours may be off by one itself


def ours(name, kind, gy, x):
    """Our calls: fresh output, given output, in place."""
    f = act.get(name)
    out, own = np.empty_like(x), x.copy()
    if kind == "forward":
        return {"ours": lambda: f(x), "out": lambda: f(x, out=out), "in place": lambda: f(own, out=own)}
    return {"ours": lambda: f.backward(gy, x), "out": lambda: f.backward(gy, x, out=out),
            "in place": lambda: f.backward(own, x, out=own)}


def times(calls, size, rounds):
    """Seconds a call, the least of several rounds, each contender in turn."""
    best = dict.fromkeys(calls, math.inf)
    for call in calls.values():
        call()
    number = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        number[name] = max(1, int(0.004 / (time.perf_counter() - start + 1e-7)))
    for _ in range(rounds):
        for name, call in calls.items():
            n = number[name]
            start = time.perf_counter()
            for _ in range(n):
                call()
            best[name] = min(best[name], (time.perf_counter() - start) / n)
    return best


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

    peers = {}
    for name, load in ("torch", torch_peer), ("JAX", jax_peer), ("ORT", onnx_peer):
        try:
            peers[name] = load(options.threads)
        except ImportError:
            print(f"{name} is not installed")
    columns = ["ours", "out", "in place", *peers]
    print("nanoseconds an element; ratio: ours / best counted peer; c: bound by the copy; !: not exact enough\n")
    print("| function | | dtype | size | copy | " + " | ".join(columns) + " | ratio | out ratio | |")
    print("|---|---|---|---|---|" + "---|" * (len(columns) + 3))
    ratios = []
    rng = np.random.default_rng(0)
    for dtype in options.dtypes.split(","):
        for size in map(int, options.sizes.split(",")):
            x, gy = (rng.uniform(-5, 5, size).astype(dtype) for _ in range(2))
            target = np.empty_like(x)
            for name in options.only.split(","):
                for kind in "forward", "backward":
                    calls = {"copy": lambda t=target, s=x: np.copyto(t, s), **ours(name, kind, gy, x)}
                    for peer, make in peers.items():
                        call = make(name, kind, gy, x)
                        if call is not None:
                            calls[peer] = call
                    t = times(calls, size, options.rounds if size < 10_000_000 else max(3, options.rounds // 2))
                    uncounted = {p for p in peers if p == "ORT" and p in t and not exact_enough(peers[p], name, dtype)}
                    rivals = [t[p] for p in peers if p in t and p not in uncounted]
                    bound = t["copy"] * (1 if kind == "forward" else 1.5)
                    copy_bound = min(*rivals, t["ours"], t["out"]) < 1.5 * bound and size >= 10_000
                    ratio, ratio_out = t["ours"] / min(rivals), t["out"] / min(rivals)
                    ratios.append((ratio, copy_bound, kind))
                    cells = [shown(t.get(c), size) + ("!" if c in uncounted else "") for c in columns]
                    cells = [name, kind, dtype, f"{size:.0e}", shown(t["copy"], size), *cells,
                             f"{ratio:.2f}", f"{ratio_out:.2f}", "c" if copy_bound else ""]
                    print(f"| {' | '.join(cells)} |", flush=True)
                    del calls
                    gc.collect()
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
