"""What only a GPU can show: the tests on CuPy, the CPU's bits, streams, devices, and speed beside other libraries.

    python ci/gpu.py [--only gelu,tanh] [--exhaustive] [--skip tests,bits,streams,devices,speed] [-o gpu.md]

It needs CuPy (pip install numba_act[cu13]) and says what it leaves out.  The tables go to a file.

Speed is in bytes read and written a second, as a share of a device-to-device copy of as many bytes.  `bound` is the
share that the instructions allow: those of the kernel's PTX, a division counted as DIVISION instructions, at the
device's clock.  Times are the medians of several runs between two events on the device; `launch` is the host's time for
a call on one element, with nothing to wait for.
"""
import argparse
import functools
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cupy
import ml_dtypes
import numpy as np

import numba_act as act
from numba_act.backends import ptx

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME / "tests"))
DTYPES = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
SIZES = 1 << 20, 1 << 26, 1 << 28
CHUNK = 1 << 24
SAMPLE = 1 << 28                             # float32 patterns, of 2^32
DIVISION = 10                                # instructions that a division, reciprocal or root of float32 becomes
FLOAT64_RATE = {80: 2, 90: 2, 100: 2}        # issue slots of a float64 operation beside float32; 64 elsewhere


# --- what is compared -------------------------------------------------------------------------------------------------
def calls(name):
    """(what, call) of the value and the derivatives."""
    a = act.get(name)
    return {"value": a, **{wrt: functools.partial(a.grad, wrt=wrt) for wrt in (*a.operands, *a.params)}}


def differing(on_gpu, on_cpu):
    """How many elements have other bits, NaN apart."""
    word = f"u{on_gpu.itemsize}"
    nans = np.isnan(on_cpu)
    got = on_gpu.get()
    return int(((got.view(word) != on_cpu.view(word)) & ~(nans & np.isnan(got))).sum())


def inputs(dtype, exhaustive):
    """Blocks of bit patterns: all of a 16-bit type, every sixteenth or all of float32, random ones of float64."""
    if dtype.itemsize == 2:
        yield np.arange(1 << 16, dtype=np.uint16).view(dtype)
    elif dtype.itemsize == 4:
        step = 1 if exhaustive else (1 << 32) // SAMPLE
        for start in range(0, 1 << 32, CHUNK * step):
            shift = start // CHUNK % step            # so that the last bits differ from block to block
            yield np.arange(start + shift, start + CHUNK * step, step, dtype=np.int64).astype("u4").view(dtype)
    else:
        for seed in range(4):
            yield np.random.default_rng(seed).integers(0, 1 << 64, CHUNK, np.uint64).view(dtype)


def bits(names, exhaustive, write):
    write("\n## Bits\n\n| activation | dtype | inputs | results that differ from the CPU's |\n|---|---|---|---|")
    for name in names:
        a = act.get(name)
        for dtype in DTYPES:
            count, wrong = 0, 0
            for x in inputs(dtype, exhaustive):
                others = [np.roll(x, 12345 * k) for k in range(1, len(a.operands))]
                on_gpu = [cupy.asarray(v) for v in (x, *others)]
                count += x.size
                wrong += sum(differing(call(*on_gpu), call(x, *others)) for call in calls(name).values())
            write(f"| {name} | {dtype} | {count:,} | {wrong} |")


# --- streams and devices ----------------------------------------------------------------------------------------------
def streams(write):
    """Work of CuPy's before and after on a stream that waits for no other."""
    x = np.random.default_rng(0).standard_normal(1 << 24).astype("f4")
    wrong = 0
    for _ in range(20):
        with cupy.cuda.Stream(non_blocking=True) as stream:
            on_gpu = cupy.asarray(x)
            for _ in range(10):
                on_gpu = on_gpu + 1
            doubled = act.gelu(on_gpu) * 2
            stream.synchronize()
        wrong += differing(doubled, 2 * act.gelu(functools.reduce(lambda v, _: v + np.float32(1), range(10), x)))
    write(f"\n## Streams\n\n20 rounds on a non-blocking stream: {wrong} results differ")


def devices(write):
    count = cupy.cuda.runtime.getDeviceCount()
    write("\n## Devices\n")
    if count < 2:
        write("skipped: one device")
        return
    x, wrong, arrays = np.random.default_rng(0).standard_normal(CHUNK >> 4).astype("f4"), 0, []
    for k in range(count):
        with cupy.cuda.Device(k):
            arrays.append(cupy.asarray(x))
    for _ in range(20):
        results = [act.silu(a) for a in arrays]
        wrong += sum(differing(r, act.silu(x)) for r in results)
        wrong += sum(r.device.id != k for k, r in enumerate(results))
    write(f"{count} devices in turn: {wrong} results differ or lie elsewhere")


# --- speed ------------------------------------------------------------------------------------------------------------
FORMULAS = {                                 # in C, of v
    "relu": "v > 0 ? v : 0", "sigmoid": "1 / (1 + exp(-v))", "tanh": "tanh(v)", "silu": "v / (1 + exp(-v))",
    "gelu": "v * normcdf(v)", "gelu_tanh": "v / (1 + exp(-1.5957691216057308f * (v + 0.044715f * v * v * v)))",
    "softplus": "(v > 0 ? v : 0) + log1p(exp(-abs(v)))", "elu": "v > 0 ? v : expm1(v)", "softsign": "v / (1 + abs(v))",
    "mish": "v * tanh(log1p(exp(v)))",
}


def elementwise_kernel(name, x, gy):
    if name not in FORMULAS or gy is not None or x.dtype.name == "bfloat16":
        return None
    wide = "double" if x.dtype == np.float64 else "float"
    body = f"{wide} v = x; y = (T)({FORMULAS[name]})"
    kernel = cupy.ElementwiseKernel("T x", "T y", body, f"peer_{name}_{x.dtype}")
    return lambda: kernel(x)


def expression(name, x, gy):
    if gy is not None or x.dtype.name == "bfloat16":
        return None
    from cupyx.scipy.special import erf
    return {"relu": lambda: cupy.maximum(x, 0), "sigmoid": lambda: 1 / (1 + cupy.exp(-x)), "tanh": lambda: cupy.tanh(x),
            "silu": lambda: x / (1 + cupy.exp(-x)), "gelu": lambda: 0.5 * x * (1 + erf(x * 0.7071067811865476)),
            "softplus": lambda: cupy.logaddexp(x, 0)}.get(name)


def torch(name, x, gy):
    import torch
    import torch.nn.functional as F
    tensor = torch.from_dlpack(x)
    forward = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "swish": F.silu, "prelu": lambda t: F.leaky_relu(t, 0.25),
               "gelu_tanh": lambda t: F.gelu(t, approximate="tanh")}.get(name) or getattr(F, name, None)
    if forward is None or name.endswith("glu"):
        return None
    if gy is None:
        return lambda: forward(tensor)
    leaf, upstream = tensor.detach().requires_grad_(), torch.from_dlpack(gy)
    result = forward(leaf)
    return lambda: torch.autograd.grad(result, leaf, upstream, retain_graph=True)


def jax(name, x, gy):
    import jax
    jax.config.update("jax_enable_x64", True)
    forward = {"tanh": jax.numpy.tanh, "softsign": jax.nn.soft_sign, "swish": jax.nn.silu,
               "gelu": lambda v: jax.nn.gelu(v, approximate=False), "gelu_tanh": jax.nn.gelu}.get(name)
    forward = forward or getattr(jax.nn, name, None)
    if forward is None or name in ("prelu", "glu") or jax.default_backend() != "gpu":
        return None
    array = jax.dlpack.from_dlpack(x)
    if gy is None:
        run, args = jax.jit(forward), (array,)
    else:
        run, args = jax.jit(lambda g, v: jax.vjp(forward, v)[1](g)[0]), (jax.dlpack.from_dlpack(gy), array)
    return lambda: run(*args).block_until_ready()


def numba(name, x, gy):
    import math

    from numba import vectorize
    formula = {"relu": lambda v: max(v, 0), "tanh": lambda v: math.tanh(v), "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
               "silu": lambda v: v / (1 + math.exp(-v)), "gelu": lambda v: v * math.erfc(-v * 0.7071067811865476) / 2,
               "softplus": lambda v: max(v, 0) + math.log1p(math.exp(-abs(v)))}.get(name)
    if formula is None or gy is not None or x.dtype not in (np.float32, np.float64):
        return None
    function, out = vectorize([f"{x.dtype}({x.dtype})"], target="cuda")(formula), cupy.empty_like(x)
    return lambda: function(x, out=out)


PEERS = {"ElementwiseKernel": (elementwise_kernel, "cupy"), "CuPy expression": (expression, "cupy"),
         "torch": (torch, "torch"), "JAX": (jax, "jax"), "numba.cuda": (numba, "numba_cuda")}


def ours(name, x, gy):
    a = act.get(name)
    others = [x] * (len(a.operands) - 1)
    return (lambda: a(x, *others)) if gy is None else (lambda: a.backward(gy, x, *others, wrt=a.operands[0]))


def on_device(call, rounds=7):
    """Seconds a call takes on the device."""
    begin, end, times = cupy.cuda.Event(), cupy.cuda.Event(), []
    call()
    for _ in range(rounds):
        begin.record()
        for _ in range(5):
            call()
        end.record()
        cupy.cuda.Device().synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 5000)
    return statistics.median(times)


def on_host(call, count=1000, rounds=7):
    """Seconds until a call returns."""
    times = []
    for _ in range(rounds):
        cupy.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(count):
            call()
        times.append((time.perf_counter() - start) / count)
    return min(times)


def instructions(name, dtype, backward, capability):
    """What a thread issues for an element of the wide form, by running one block of it on the CPU."""
    import ptx as simulated
    a = act.get(name)
    kernel = a._kernel("backward", a.operands[:1]) if backward else a._kernel("value", ())
    numbers = len(kernel.parameters)
    form = ptx.Form("wide", "a" * (len(kernel.inputs) - numbers) + "n" * numbers, "a")
    text = ptx.compile_ptx(ptx.module_text(kernel, dtype.name, form)[1], ptx.target_of(capability))
    memory, tile = simulated.Memory(), ptx.tile(kernel, dtype.name)
    arrays = [memory.put(np.linspace(-3, 3, tile).astype(dtype)) for _ in range(form.inputs.count("a") + 1)]
    values = [np.asarray(v, "f8" if dtype == np.float64 else "f4") for v in kernel.parameters.values()]
    counts = simulated.run(text, memory, [*arrays[:-1], *values, arrays[-1], 1, 0, tile], 1, ptx.THREADS)
    rate = FLOAT64_RATE.get(capability, 64)
    issued = sum(n * (rate if "f64" in op else 1) * (DIVISION if op.startswith(("div", "rcp", "sqrt")) else 1)
                 for op, n in counts.items())
    return issued * ptx.THREADS / tile


def peer_call(peer, *arguments):
    try:
        return PEERS[peer][0](*arguments)
    except (ImportError, RuntimeError, TypeError, ValueError, AttributeError):
        return None


def speed(names, write):
    installed = [peer for peer, (_, module) in PEERS.items() if importable(module)]
    write(f"\n## Speed\n\nnot installed: {', '.join(p for p in PEERS if p not in installed) or 'nothing'}\n")
    device = cupy.cuda.Device()
    capability = int(device.compute_capability)
    lanes = device.attributes["MultiProcessorCount"] * (64 if capability in (75, 80) else 128)
    issue = lanes * device.attributes["ClockRate"] * 1000
    write("| activation | | dtype | elements | GB/s | share of copy | bound | " + " | ".join(installed) + " |")
    write("|---|---|---|---|---|---|---|" + "---|" * len(installed))
    for dtype in DTYPES:
        for size in SIZES:
            x = cupy.asarray(np.random.default_rng(0).standard_normal(size).astype(dtype))
            gy, target = x.copy(), cupy.empty_like(x)
            copy = 2 * x.nbytes / on_device(lambda: cupy.copyto(target, x))         # noqa: B023
            for name in names:
                for upstream in (None, gy):
                    operands = 1 + len(act.get(name).operands) + (upstream is not None)
                    rate = operands * x.nbytes / on_device(ours(name, x, upstream))
                    possible = issue / instructions(name, dtype, upstream is not None, capability)
                    bound = min(1, possible * operands * dtype.itemsize / copy)
                    peers = [peer_call(p, name, x, upstream) for p in installed]
                    shown = ["-" if call is None else f"{operands * x.nbytes / on_device(call) / copy:.2f}"
                             for call in peers]
                    write(f"| {name} | {'forward' if upstream is None else 'backward'} | {dtype} | {size:,} | "
                          f"{rate / 1e9:.0f} | {rate / copy:.2f} | {bound:.2f} | {' | '.join(shown)} |")
    write("\nMicroseconds until a call on one element returns:\n\n| | us |\n|---|---|")
    x = cupy.ones(1, "f4")
    own = {"cupy.negative": lambda: cupy.negative(x), "gelu": lambda: act.gelu(x),
           "gelu.backward": lambda: act.gelu.backward(x, x), "leaky_relu(x, 0.05)": lambda: act.leaky_relu(x, 0.05)}
    for what, call in (own | {f"{p} gelu": peer_call(p, "gelu", x, None) for p in installed}).items():
        if call is not None:
            call()
            write(f"| {what} | {on_host(call) * 1e6:.2f} |")


def importable(module):
    from importlib.util import find_spec
    return find_spec(module) is not None


# --- all of it --------------------------------------------------------------------------------------------------------
def tests(write):
    write("\n## Tests\n")
    if not importable("pytest"):
        write("skipped: pytest is not installed")
        return
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_cuda_backend.py", "tests/test_cuda_kernels.py"]
    environment = os.environ | {"NUMBA_ACT_TEST_CUPY": "1"}
    write(subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True).stdout[-2000:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(act.activations), help="names of activations")
    parser.add_argument("--skip", default="", help="tests, bits, streams, devices, speed")
    parser.add_argument("--exhaustive", action="store_true", help="all float32 patterns")
    parser.add_argument("-o", "--output", default="gpu.md")
    options = parser.parse_args()
    names, skipped = options.only.split(","), options.skip.split(",")
    parts = {"tests": tests, "bits": lambda write: bits(names, options.exhaustive, write), "streams": streams,
             "devices": devices, "speed": lambda write: speed(names, write)}
    with open(options.output, "w") as file:
        def write(text):
            print(text, flush=True)
            print(text, file=file, flush=True)

        from numba_act.machine import configuration
        write("# numba_act on a GPU\n\n" + "\n".join(f"- {k}: {v}" for k, v in configuration().items()))
        for name, part in parts.items():
            if name in skipped:
                write(f"\n{name}: skipped, as asked")
            else:
                part(write)


if __name__ == "__main__":
    main()
