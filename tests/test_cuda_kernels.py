"""Every kernel as PTX: what is in it, what NVIDIA's assembler makes of it, and the bits that it computes."""
import functools
import math
import re

import numpy as np
import nvidia
import pytest
from tools import (
    DTYPES,
    EVERYTHING,
    NAMES,
    every_dtype,
    every_name_and_dtype,
    generator,
    parameters,
    patterns,
    random_patterns,
    same_bits,
    spread,
)

import numba_act as act
from numba_act.backends import ptx
from numba_act.backends.kernel import Kernel
from numba_act.tools.bench.cells import CORE
from numba_act.tree.node import argument, in_order
from numba_act.tree.storage import STORAGE

STORED = [d.name for d in DTYPES]


def kernels(a):
    """Every kernel that the calls of an activation need."""
    both = (*a.operands, *a.params)
    found = [a.kernel(), a.kernel("value_and_grad", a.operands[0]), a.kernel("backward", *a.operands)]
    found += [a.kernel("grad", name) for name in both]
    return [*found, a.kernel("backward", *both)] if a.params else found


def at_once(kernel, storage):
    """The kernels of the launches that a kernel has."""
    return [kernel.only((j,)) for j in range(kernel.n_outputs)] if ptx.apart(kernel, STORAGE[storage]) else [kernel]


def wide(kernel):
    """The usual form, with parameters as numbers."""
    arrays, numbers = len(kernel.inputs) - len(kernel.parameters), len(kernel.parameters)
    return ptx.Form("wide", "a" * arrays + "n" * numbers, "a" * kernel.n_outputs)


def sums(kernel, storage):
    """(kernel, form) for sums of the last output, and of those of all parameters."""
    last, n = len(kernel.parameters) if kernel.n_outputs > len(kernel.parameters) else 1, kernel.n_outputs
    for summed in sorted({1, max(last, 1)}):
        own = range(n - summed, n) if ptx.sums_only(kernel, STORAGE[storage]) else range(n)
        for part in at_once(kernel.only(tuple(own)), storage):
            yield part, ptx.Form("sum", "a" * len(kernel.inputs), ("a" * n + "s" * summed)[-part.n_outputs:])


def panels(kernel, storage):
    """(kernel, form) for panels, and for the forms that load ahead."""
    arrays = wide(kernel).inputs.count("a")
    panel = ptx.Form("panel", "p" * arrays + "r" * wide(kernel).inputs.count("n"), wide(kernel).outputs)
    if ptx.per(kernel, STORAGE[storage]):
        yield kernel, panel
    for form, shape in ((wide(kernel), "long"), (panel, "panels")):
        if ptx.shape(kernel, STORAGE[storage], ptx.LONG, ptx.walked(form.inputs + form.outputs)) == "long":
            yield kernel, form._replace(shape=shape)


def sums_by_vectors(kernel, storage):
    """(kernel, form) for gradients that are summed by vectors."""
    if "gy" in kernel.inputs and ptx.sums_by_vectors(kernel, STORAGE[storage]):
        for part, form in sums(kernel, storage):
            yield part, form._replace(shape="across")
            yield part, form._replace(shape="along", outputs=form.outputs.replace("s", "t"))


@functools.lru_cache(maxsize=64)
def compiled(kernel, storage, form, target=90):
    return ptx.compile_ptx(text_of(kernel, storage, form), target)


@functools.lru_cache(maxsize=64)
def text_of(kernel, storage, form):
    return ptx.module_text(kernel, STORAGE[storage], form)[1]


VECTORS = {4: r"v4\.b32|v2\.b64", 2: r"v2\.b32"}      # accesses of so many words, of several elements
INVERSE = "rcp.approx.ftz.f32"               # which two fma make right


# --- what is in them, and what NVIDIA's assembler makes of them ------------------------------------------------------
def every_form(name, storage):
    """(kernel, form): every kernel in its usual form, the last, which has all inputs, in each."""
    found = kernels(act.activations[name])
    pairs = [(part, wide(part)) for kernel in found for part in at_once(kernel, storage)]
    for kernel in found if EVERYTHING else found[-1:]:
        pairs += [(part, ptx.Form("general", "a" * len(part.inputs), "a" * part.n_outputs))
                  for part in at_once(kernel, storage)]
        pairs += sums(kernel, storage)
    if storage in ("float16", "float32") and (EVERYTHING or name in CORE):
        for kernel in (found[0], found[-1]):
            pairs += [pair for part in at_once(kernel, storage) for pair in panels(part, storage)]
            pairs += sums_by_vectors(kernel, storage)
    return pairs


@pytest.mark.parametrize(("name", "storage"), spread(STORED))
def test_instructions(name, storage):
    """For one generation in turn; with NUMBA_ACT_TEST_ALL set for each."""
    turn = NAMES.index(name) + STORED.index(storage)
    for k, (kernel, form) in enumerate(every_form(name, storage)):
        for capability in nvidia.in_turn(k + turn):
            text = compiled(kernel, storage, form, ptx.target_of(capability))
            check_text(text, kernel, storage, form)
            if nvidia.library:
                check_cubin(nvidia.link(text, capability), (kernel.name, form, capability))
    if not nvidia.library:
        pytest.skip("all but the machine code, which needs nvidia-nvjitlink")


def check_text(text, kernel, storage, form):
    usual, body = kernel.usual_trees(STORAGE[storage]), text[text.index("\n{"):]
    trees = [in_order(outputs) for outputs in (kernel.trees(STORAGE[storage]), *(usual or ())[1:])]
    fused = max(sum({"fma": 1, "inverse": 2}.get(node.op, 0) for node in tree) for tree in trees)
    assert not re.search(r"\.local|\bcall\b|\.approx|\.ftz|\.full|%SP", text.replace(INVERSE, ""))
    assert INVERSE not in text or any(node.op == "inverse" for tree in trees for node in tree)
    lanes = 2 if form.shape in ("general", "sum") else 19          # of usual numbers, and of others
    words = ptx.vector_of(kernel, STORAGE[storage]).words
    if form.shape in ("wide", "long") and words in VECTORS and ptx.per(kernel, STORAGE[storage]) > 1:
        accesses = re.findall(rf"(ld|st)\.global\.({VECTORS[words]})", body)
        vectors = ptx.accesses(kernel, STORAGE[storage])
        loads, stores = [sum(kind == way for way, _ in accesses) for kind in ("ld", "st")]
        assert loads == {"wide": vectors, "long": 2}[form.shape] * form.inputs.count("a")
        ways = 2 if words == 2 and usual else 1              # without a loop each of the two ways stores
        assert stores in {vectors * form.outputs.count("a") * n for n in (1, ways)}
        if form.shape == "wide":
            lanes = ptx.per(kernel, STORAGE[storage]) * vectors + 3        # at once, in turns, and at the ends
    assert len(re.findall(r"\bfma\.rn\.f", body)) <= fused * lanes
    assert not re.search(r"\b(mad|fma)\.f|(mul|add|sub)\.f(32|64)", body)           # without .rn: contracted
    doubles = set(re.findall(r"\b[a-z.]+\S*f64\S*", body))
    if form.shape in ("sum", "across", "along"):
        doubles -= {"cvt.f64.f32", "add.rn.f64", "sub.rn.f64", "cvt.rn.f32.f64", "cvt.rn.f16.f64"}
    assert storage == "float64" or not doubles or any(node.op == "widened" for node in trees[0])


def check_cubin(cubin, where):
    assert cubin.code.startswith(b"\x7fELF")
    assert (cubin.spills, cubin.stack) == (0, 0), (where, cubin[1:])
    assert cubin.registers <= 64, (where, cubin[1:])


# instructions of PTX an element that usual numbers take, forward and backward: how they stand
COUNTS = {
    "relu": {"float16": (6, 13), "float32": (5, 9)}, "sigmoid": {"float16": (25, 31), "float32": (40, 51)},
    "tanh": {"float16": (33, 34), "float32": (48, 54)}, "silu": {"float16": (27, 37), "float32": (48, 69)},
    "gelu": {"float16": (41, 48), "float32": (82, 103)},
}


@pytest.mark.parametrize("storage", ["float16", "float32"])
@pytest.mark.parametrize("name", COUNTS)
def test_counts(name, storage):
    """That they do not grow."""
    import ptx as simulated
    found = []
    for kernel in (act.get(name).kernel(), act.get(name).kernel("backward", "x")):
        arrays, form = len(kernel.inputs), ptx.Form("wide", "a" * len(kernel.inputs), "a")
        memory, tile = simulated.Memory(), ptx.tile(kernel, STORAGE[storage])
        places = [memory.put(np.linspace(-3, 3, tile).astype(storage)) for _ in range(arrays + 1)]
        counts = simulated.run(compiled(kernel, storage, form), memory, [*places, 1, 0, tile], 1, ptx.THREADS)
        found.append(math.ceil(sum(counts.values()) * ptx.THREADS / tile))
    assert all(count <= most for count, most in zip(found, COUNTS[name][storage], strict=True)), found


# --- what they compute ------------------------------------------------------------------------------------------------
@every_name_and_dtype
def test_all_patterns(name, dtype, cupy):
    """The CPU's bits for every pattern of a 16-bit type, and as many random ones of the others, with two rows of
    parameters; of the functions that networks are made of the second row on an older generation."""
    a = act.activations[name]
    x = patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 1 << 16)
    gy = random_patterns(dtype, x.size, "gy")
    others = [generator(name).permutation(x) for _ in a.operands[1:]]
    older = (EVERYTHING or name in CORE) and dtype.itemsize == 2 and cupy.cuda.runtime.getDeviceCount() > 1
    for device, row in zip((0, int(older)), (parameters(name, dtype) * 2)[:2], strict=True):
        numbers = [float(p) for p in row]
        with cupy.cuda.Device(device):
            on_gpu = [cupy.asarray(v) for v in (gy, x, *others)]
            same_bits(a(*on_gpu[1:], *numbers).get(), a(x, *others, *numbers))
            for got, right in zip(a.value_and_grad(*on_gpu[1:], *numbers),
                                  a.value_and_grad(x, *others, *numbers), strict=True):
                same_bits(got.get(), right)
            for wrt in (*a.operands, *a.params):
                same_bits(a.grad(*on_gpu[1:], *numbers, wrt=wrt).get(), a.grad(x, *others, *numbers, wrt=wrt))
            same_bits(a.backward(*on_gpu, *numbers, wrt=a.operands[0]).get(),
                      a.backward(gy, x, *others, *numbers, wrt=a.operands[0]))
        cupy.clear() if hasattr(cupy, "clear") else None


@every_name_and_dtype
def test_all_patterns_from_anywhere(name, dtype, cupy):
    """The same by the general kernel: backwards, every operand an array, all gradients at once."""
    a = act.activations[name]
    x = patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 1 << 16)
    gy, rng = random_patterns(dtype, x.size, "gy"), generator(name)
    others = [rng.permutation(x) for _ in a.operands[1:]]
    rows = np.array(parameters(name, dtype), dtype)
    others += [np.ascontiguousarray(column) for column in rows[rng.integers(len(rows), size=x.size)].T]
    operands = [gy, x, *others]
    views = [cupy.asarray(v)[::-1] for v in operands]
    both = (*a.operands, *a.params)
    for got, right in zip(a.backward(*views, wrt=both), a.backward(*operands, wrt=both), strict=True):
        same_bits(got.get()[::-1], right)
    same_bits(a(*views[1:]).get()[::-1], a(*operands[1:]))


# --- more elements than there is memory for here ----------------------------------------------------------------------
@pytest.mark.parametrize("shape", ["wide", "general"])
def test_beyond_32_bits(shape):
    """The last blocks of a launch over 2^33 + 5 elements, in a window of memory."""
    import ptx as simulated
    double = Kernel("double", "double", ("x",), {}, lambda dtype: (argument("x", dtype) + argument("x", dtype),))
    form = ptx.Form(shape, "a", "a")
    n, memory = (1 << 33) + 5, simulated.Memory()
    tile = ptx.tile(double, STORAGE["float32"])
    first = n - 5 - tile
    x = np.arange(tile + 5, dtype=np.float32)
    places = [memory.put(x) - 4 * first, memory.allocate(x.nbytes) - 4 * first]
    text = compiled(double, "float32", form)
    if shape == "wide":
        simulated.run(text, memory, [*places, n // tile, 0, n], 2, ptx.THREADS, n // tile - 1)
    else:
        plan = ptx.PLANS["general"].packed(count=n, all=([-(-n // 5), 5], [[20, 4], [20, 4]]))
        blocks = tile // ptx.THREADS + 1
        simulated.run(text, memory, [*places, plan], blocks, ptx.THREADS, first // ptx.THREADS)
    same_bits(memory.get(places[1] + 4 * first, np.float32, x.size), 2 * x)


# --- the interpreter --------------------------------------------------------------------------------------------------
def test_the_interpreter_refuses():
    import ptx as simulated
    relu = act.relu.kernel()
    text = compiled(relu, "float32", ptx.Form("wide", "a", "a"))
    memory = simulated.Memory()
    x, y = memory.put(np.zeros(100, np.float32)), memory.allocate(400)
    simulated.run(text, memory, [x, y, 0, 0, 100], 1, 256)
    for arguments, message in (([x, y, 0, 0, 101], "outside"), ([x + 4, y, 0, 0, 100], "outside"),
                               ([x + 2, y, 0, 0, 9], "misaligned"), ([x, y, 0, 0], "other sizes"),
                               ([x + 4, y, 1, 0, 2048], "misaligned")):
        with pytest.raises(AssertionError, match=message):
            simulated.run(text, memory, arguments, 1, 256)
    with pytest.raises(AssertionError, match="unknown opcode lg2"):
        simulated.run(re.sub(r"setp\.le\.f32", "lg2.approx.f32", text), memory, [x, y, 0, 0, 100], 1, 256)


@act.activation
def wave(x):
    return math.sin(x) * math.gamma(x) + x**2.5


@pytest.mark.parametrize("target", ptx.TARGETS)
@every_dtype
def test_the_platforms_library(dtype, target):
    try:
        text = compiled(wave.kernel(), dtype.name, ptx.Form("general", "a", "a"), target)
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    assert ".extern" not in text                 # all of libdevice that is needed is in it
    if nvidia.library:
        assert not nvidia.link(text, target).spills


def test_without_the_platforms_library(monkeypatch):
    monkeypatch.setattr(ptx, "LIBRARY_FILE", "no such file")
    monkeypatch.setattr(ptx, "_library", ptx._library.__wrapped__)
    with pytest.raises(ModuleNotFoundError, match="pip install nvidia-nvvm, or set CUDA_PATH"):
        compiled.__wrapped__(wave.kernel(), "float32", ptx.Form("general", "a", "a"), 90)
