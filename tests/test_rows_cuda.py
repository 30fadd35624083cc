"""Row functions on CuPy's arrays: the CPU's values, by each form of a kernel; cubins without spills."""
import importlib
import inspect

import numpy as np
import nvidia
import pytest
from test_rows import numbers
from tools import DTYPES, EVERYTHING, every_dtype, generator, same_bits, spread

import numba_act as act
from numba_act.backends import ptx as compiler
from numba_act.backends.rows import ptx
from numba_act.rows.function import kernel_of
from numba_act.tree.storage import STORAGE

NAMES = ["softmax", "log_softmax", "logsumexp", "entmax15"]
ALL = [*NAMES, "softmin", "sparsemax", "softmax_cross_entropy"]
LONG = [((2, 12_345), 1, 2 * 3), ((500, 37), 0, 2 * 3)]          # shape, axis, blocks
CASES = {"warp": ((5, 70), 1), "warp, short": ((40, 3), 1), "one": ((7, 45), 0), "block": ((2, 3000), 1),
         "one, short": ((1 << 14, 2), 1), "block in parts": ((2, 10_000), 1), "columns": ((40, 2, 45), 0),
         "columns, few": ((3000, 4), 0), "columns in parts": ((2, 700, 33), 1)}

FORMS = [*[(form, False) for form in ptx.SHARING], ("block", True), ("columns", True)]      # and whether in parts


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


@pytest.mark.parametrize(("case", "dtype"), spread(DTYPES, LONG, LONG))
def test_parts(cupy, dtype, case):
    """A launch for each pass, of as many blocks as a row has pieces."""
    shape, axis, blocks = case
    x, gy = numbers(shape, dtype), numbers(shape, dtype, 1)
    where, sink = generator("mask").random(shape) < 0.5, np.max(numbers(shape, dtype, 2), axis, keepdims=True)
    moved, there = cupy.asarray(x), {"where": cupy.asarray(where), "sink": cupy.asarray(sink)}
    near(act.softmax(moved, axis, **there).get(), act.softmax(x, axis, where=where, sink=sink))
    near(act.logsumexp(moved, axis, **there).get(), act.logsumexp(x, axis, where=where, sink=sink))
    cupy.launches.clear()
    near(act.log_softmax.backward(cupy.asarray(gy), moved, axis).get(), act.log_softmax.backward(gy, x, axis))
    assert [launch.grid for launch in cupy.launches] == [(blocks,)] * 3
    labels = generator("labels").integers(0, shape[axis], sink.size)
    loss, losses = act.softmax_cross_entropy, {"axis": axis, "reduction": "none"}
    for found, expected in zip(loss.value_and_grad(moved, cupy.asarray(labels), **losses),
                               loss.value_and_grad(x, labels, **losses), strict=True):
        near(found.get(), expected)
    act.softmax(moved, axis, out=moved)
    near(moved.get(), act.softmax(x, axis))


@pytest.mark.parametrize("shape", [(3, 20), (2, 12_345)])
def test_the_gradient_in_the_sink_where_the_sink_is(cupy, shape):
    """It is written by one of those who share a row, while others may still read the sink."""
    x, gy, sink = numbers(shape, np.float32), numbers(shape, np.float32, 1), np.zeros((shape[0], 1), np.float32)
    expected = act.softmax.backward(gy, x, sink=sink, wrt=("x", "sink"))
    there, gx = cupy.asarray(sink), cupy.empty(shape, np.float32)
    cupy.launches.clear()
    found = act.softmax.backward(cupy.asarray(gy), cupy.asarray(x), sink=there, wrt=("x", "sink"), out=(gx, there))
    assert not any(there is a for a in cupy.launches[-1].arguments[3:])
    for f, e in zip(found, expected, strict=True):
        near(f.get(), e)


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


def kernels(name):
    """What is compiled of a function, without options and with all of them."""
    f = act.get(name)
    if name == "softmax_cross_entropy":
        loss = importlib.import_module("numba_act.rows.loss")
        return [kernel_of(build, name, inputs, (), ("factor", *smoothing), places, ("loss", "x"))
                for build, inputs, places in ((loss._of_label, ("x",), ("label",)),
                                              (loss._of_probabilities, ("x", "target"), ()))
                for smoothing in ((), ("smoothing",))]
    options = ("temperature", "sink") if "sink" in inspect.signature(f).parameters else ()
    pairs = [("value", options), ("x", options), ("y", options[:1])]
    found = [f.kernel(kind, *given) for kind, once in pairs for given in ((), (("where",), once))]
    return [kernel for kernel in found if kernel]


@pytest.mark.skipif(nvidia.library is None, reason="nvidia-nvjitlink is not there")
@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES, ALL, ALL))
def test_cubins(name, dtype):
    """Each in one form, for one generation in turn; with NUMBA_ACT_TEST_ALL set all."""
    storage = STORAGE[dtype.name]
    turn = len(name) + dtype.itemsize
    for k, kernel in enumerate(kernels(name), turn):
        settling = kernel.program(storage, keeps=False).settling
        forms = FORMS[:3] if settling else FORMS
        for form in forms if EVERYTHING else [forms[k % len(forms)]]:
            for capability in nvidia.in_turn(k):
                text = ptx.module_text(kernel, storage, *form)[1]
                cubin = nvidia.link(compiler.compile_ptx(text, compiler.target_of(capability)), capability)
                assert (cubin.spills, cubin.stack) == (0, 0), (kernel.name, form, capability)
                assert cubin.registers <= ptx.registers(kernel, storage, form[1]), (kernel.name, form, capability)
