"""Row functions on CuPy's arrays: the CPU's values, by each form of a kernel; cubins without spills."""
import importlib

import numpy as np
import nvidia
import pytest
from test_rows import numbers
from tools import every_dtype, generator, same_bits

import numba_act as act
from numba_act.backends import ptx as compiler
from numba_act.backends.rows import ptx
from numba_act.tree.storage import STORAGE

NAMES = ["softmax", "log_softmax", "logsumexp", "entmax15"]
CASES = {"warp": ((5, 70), 1), "warp, short": ((40, 3), 1), "one": ((7, 45), 0), "block": ((2, 3000), 1),
         "one, short": ((1 << 14, 2), 1), "parts": ((2, 10_000), 1)}


def near(actual, expected):
    """Sums are taken in another order: at most the last bit, and the stand-in's sums are mostly the same."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    size = 2.0**-7 if actual.dtype.itemsize == 2 else 4 * float(np.finfo(actual.dtype).eps)
    np.testing.assert_allclose(actual.astype("f8"), expected.astype("f8"), rtol=size, atol=size / 16)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_values(cupy, name, case):
    shape, axis = CASES[case]
    x, f = numbers(shape, np.float32, case), getattr(act, name)
    near(f(cupy.asarray(x), axis).get(), f(x, axis))


@every_dtype
def test_parts(cupy, dtype):
    """A launch for each pass, of as many blocks as a row has pieces."""
    x, gy = numbers((2, 12_345), dtype), numbers((2, 12_345), dtype, 1)
    where, sink = generator("mask").random(x.shape) < 0.5, np.array([[9], [0]], dtype)
    moved, there = cupy.asarray(x), {"where": cupy.asarray(where), "sink": cupy.asarray(sink)}
    near(act.softmax(moved, **there).get(), act.softmax(x, where=where, sink=sink))
    near(act.logsumexp(moved, **there).get(), act.logsumexp(x, where=where, sink=sink))
    cupy.launches.clear()
    near(act.log_softmax.backward(cupy.asarray(gy), moved).get(), act.log_softmax.backward(gy, x))
    assert [launch.grid for launch in cupy.launches] == [(2 * 3,)] * 3
    labels = np.int64([12_344, 7])
    loss, losses = act.softmax_cross_entropy, {"reduction": "none"}
    for found, expected in zip(loss.value_and_grad(moved, cupy.asarray(labels), **losses),
                               loss.value_and_grad(x, labels, **losses), strict=True):
        near(found.get(), expected)
    act.softmax(moved, out=moved)
    near(moved.get(), act.softmax(x))


@every_dtype
def test_every_dtype(cupy, dtype):
    x, gy = numbers((3, 40), dtype), numbers((3, 40), dtype, 1)
    near(act.softmax(cupy.asarray(x)).get(), act.softmax(x))
    near(act.softmax.backward(cupy.asarray(gy), cupy.asarray(x)).get(), act.softmax.backward(gy, x))


def test_options(cupy):
    x, where = numbers((2, 4, 9), np.float32), generator("mask").random((4, 9)) < 0.5
    sink, moved = np.float32([[1], [2], [-1], [0]]), cupy.asarray(x)
    options = {"temperature": 0.5, "where": where, "sink": sink}
    there = {"temperature": 0.5, "where": cupy.asarray(where), "sink": cupy.asarray(sink)}
    near(act.softmax(moved, **there).get(), act.softmax(x, **options))
    near(act.logsumexp(moved, 1, keepdims=True).get(), act.logsumexp(x, 1, keepdims=True))
    out = cupy.empty((2, 4, 9), np.float32)
    assert act.softmax(moved, out=out) is out
    near(out.get(), act.softmax(x))
    near(act.softmax(moved, dtype="f8").get(), act.softmax(x, dtype="f8"))
    act.softmax(moved, out=moved)
    near(moved.get(), act.softmax(x))


def test_losses_and_samples(cupy):
    x, labels = numbers((4, 9), np.float32), np.arange(4)
    near(act.softmax_cross_entropy(cupy.asarray(x), cupy.asarray(labels), reduction="none").get(),
         act.softmax_cross_entropy(x, labels, reduction="none"))
    near(act.gumbel_softmax(cupy.asarray(x), 2.0, rng=3).get(), act.gumbel_softmax(x, 2.0, rng=3))
    same_bits(act.gumbel_softmax(cupy.asarray(x), hard=True, rng=3).get(), act.gumbel_softmax(x, hard=True, rng=3))


def test_nan_spreads(cupy):
    x = np.float32([[np.nan, 1, 2], [np.inf, 1, 2], [-np.inf] * 3, [0, -np.inf, -np.inf]])
    for name in ("softmax", "logsumexp", "sparsemax"):
        same_bits(getattr(act, name)(cupy.asarray(x)).get(), getattr(act, name)(x))


def test_errors(cupy):
    x = np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="softmax: operands on the CPU"):
        act.softmax(cupy.asarray(x), where=x > 0)
    with pytest.raises(TypeError, match="softmax: out must be a CuPy array"):
        act.softmax(cupy.asarray(x), out=x)
    with pytest.raises(ValueError, match="softmax: axis=2 is none of"):
        act.softmax(cupy.asarray(x), 2)


@pytest.mark.skipif(nvidia.library is None, reason="nvidia-nvjitlink is not there")
@pytest.mark.parametrize("form", ptx.SHARING)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_cubins(form, dtype):
    softmax, sparse = (importlib.import_module(f"numba_act.rows.{name}") for name in ("softmax", "sparse"))
    kernel = importlib.import_module("numba_act.rows.function").kernel_of
    for build, inputs, wanted in ((softmax._softmax, ("x",), ()), (softmax._softmax_gradient, ("gy", "x"), ("x",)),
                                  (sparse._entmax15, ("x",), ())):
        made = kernel(build, "rows", inputs, (), (), (), wanted)
        if form == "parts" and made.program(STORAGE[dtype]).settling:
            continue                             # has as many passes as it takes
        cubin = nvidia.link(compiler.compile_ptx(ptx.module_text(made, STORAGE[dtype], form)[1], 90), 90)
        assert (cubin.spills, cubin.stack) == (0, 0)
        assert cubin.registers <= compiler.REGISTERS
