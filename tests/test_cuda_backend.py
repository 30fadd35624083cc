"""Calls on CuPy's arrays, from the call to the result: layouts, outputs, options, sums, devices, streams, launches."""
import importlib
import math
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numba
import numpy as np
import nvidia
import pytest
from tools import DTYPES, GATED, every_dtype, generator, numba_cuda, same_bits

import numba_act as act
from numba_act import nn
from numba_act.backends import dispatch, ptx
from numba_act.jitted import gpu
from numba_act.tree.storage import STORAGE

FLOAT32 = DTYPES[2]


def numbers(shape, dtype, *seed):
    return (generator(shape, *seed).standard_normal(shape) * 3).astype(dtype)


def same(on_gpu, expected):
    same_bits(on_gpu.get(), expected)


# --- layouts ----------------------------------------------------------------------------------------------------------
@every_dtype
@pytest.mark.parametrize("name", ["gelu", "serf", "snake_beta"])        # whose vectors have up to 16, 8 and 4 bytes
def test_lengths(name, dtype, cupy):
    a, x = act.get(name), numbers(9000, dtype)
    on_gpu, expected, (value, slope) = cupy.asarray(x), a(x), a.value_and_grad(x)
    for n in [*range(0, 101, 1 if name == "gelu" else 7), *(k * 1024 + d for k in (1, 2, 4, 8) for d in (-1, 0, 1))]:
        got = a(on_gpu[:n])
        assert type(got) is cupy.ndarray
        same(got, expected[:n])
        if n % 5 == 0:
            first, second = a.value_and_grad(on_gpu[:n])
            same(first, value[:n])
            same(second, slope[:n])


@every_dtype
def test_alignments(dtype, cupy):
    """Every start of the operand, with an output that starts elsewhere, alike, and in place."""
    x = numbers(9000, dtype)
    expected = act.gelu(x)
    for start in range(17):
        on_gpu = cupy.asarray(x)
        same(act.gelu(on_gpu[start:]), expected[start:])
        for n in (8900, 30, 3):
            out = cupy.zeros(9000, dtype)
            part = out[start:start + n]
            assert act.gelu(on_gpu[start:start + n], out=part) is part
            right = np.zeros(9000, dtype)
            right[start:start + n] = expected[start:start + n]
            same(out, right)
        place = on_gpu[start:start + 8900]
        act.gelu(place, out=place)
        right = x.copy()
        right[start:start + 8900] = expected[start:start + 8900]
        same(on_gpu, right)


LAYOUTS = {
    "every second": lambda a: a[::2], "backwards": lambda a: a[::-1], "rows": lambda a: a.reshape(30, 40)[:, 3:30],
    "columns": lambda a: a.reshape(30, 40)[:, ::3], "transposed": lambda a: a.reshape(30, 40).T,
    "permuted": lambda a: a.reshape(6, 10, 20).transpose(1, 0, 2)[:, ::-1, 1:],
    "fortran": lambda a: a.reshape(5, 12, 20).transpose(2, 1, 0), "one": lambda a: a[7:8], "none": lambda a: a[:0],
    "single": lambda a: a.reshape(1, 1200, 1),
    "nine dimensions": lambda a: a.reshape(2, 2, 2, 2, 3, 5, 5, 1, 1).transpose(8, 6, 4, 2, 0, 7, 5, 3, 1)[..., ::-1],
    "ten gaps": lambda a: a[:1024].reshape((2,) * 10).transpose(1, 0, 3, 2, 5, 4, 7, 6, 9, 8),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@every_dtype
def test_layouts(layout, dtype, cupy):
    x, gy, change = numbers(1200, dtype), numbers(1200, dtype, 1), LAYOUTS[layout]
    on_gpu, gy_on_gpu = change(cupy.asarray(x)), change(cupy.asarray(gy))
    right, right_gx = act.mish(change(x)), act.mish.backward(change(gy), change(x))
    for _ in range(2):                       # the second time from what is remembered
        got = act.mish(on_gpu)
        same(got, right)
        same(act.mish.backward(gy_on_gpu, on_gpu), right_gx)
        assert got.size < 2 or layout == "ten gaps" or got.strides == right.strides
    out = change(cupy.zeros(1200, dtype))
    act.mish(on_gpu, out=out)
    same(out, act.mish(change(x)))
    act.mish(on_gpu, out=on_gpu)
    same(on_gpu, act.mish(change(x)))


@pytest.mark.parametrize("order", list("KCFA"))
def test_order(order, cupy):
    x = numbers((3, 4, 5), "f4")
    for axes in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        got = act.silu(cupy.asarray(x).transpose(axes), order=order)        # asarray gives C order
        right = act.silu(x.transpose(axes), order=order)
        same(got, right)
        assert got.strides == right.strides


# --- broadcasting -----------------------------------------------------------------------------------------------------
@every_dtype
@pytest.mark.parametrize("shape", [(), (1,), (7,), (6, 1), (5, 1, 1), (5, 6, 7), (2, 1, 1, 1), (1, 7), (1, 1, 1)])
def test_parameters(shape, dtype, cupy):
    x = numbers((5, 6, 7), dtype)
    p = abs(numbers(shape, dtype, "p")).astype(dtype)
    for call in (act.swish, act.swish.grad, lambda *a: act.swish.grad(*a, wrt="beta"),
                 lambda *a: act.swish.value_and_grad(*a)[1]):
        for _ in range(2):                   # the second time from what is remembered
            same(call(cupy.asarray(x), cupy.asarray(p)), call(x, p))
        if len(shape) < 4:
            turned = p.reshape((1,) * (3 - p.ndim) + shape).T
            same(call(cupy.asarray(x).T, cupy.asarray(turned)), call(x.T, turned))
        same(call(cupy.asarray(x[:, :1]), cupy.asarray(p)), call(x[:, :1], p))
        if not shape:
            same(call(cupy.asarray(x), float(p)), call(x, float(p)))
            same(call(cupy.asarray(x), p), call(x, p))


def test_dtypes(cupy):
    x = numbers(10, "f4")
    on_gpu = cupy.asarray(x)
    for p in (0.5, 2, True, np.float32(0.5), np.float64(0.5), np.int8(2), np.array(0.5)):
        same(act.swish(on_gpu, p), act.swish(x, p))
    for kind in ("f8", "i4", "?", "f2"):
        same(act.swish(on_gpu, cupy.asarray(np.ones(10, kind))), act.swish(x, np.ones(10, kind)))
        same(act.swish(cupy.asarray(np.ones(10, kind)), 0.5), act.swish(np.ones(10, kind), 0.5))
    for kind in ("f2", "f8", ml_dtypes.bfloat16):
        same(act.swish(on_gpu, dtype=kind), act.swish(x, dtype=kind))
        same(act.swish.backward(on_gpu, cupy.asarray(x.astype(kind))), act.swish.backward(x, x.astype(kind)))
    with pytest.raises(TypeError, match=r"^gelu: x: dtype complex64 is not supported"):
        act.gelu(cupy.asarray(np.ones(3, "c8")))


def test_results_without_dimensions(cupy):
    """CuPy has no scalars: the result is an array."""
    for call in (act.gelu, lambda x: act.gelu.backward(x, x)):
        got = call(cupy.asarray(np.float32(0.5)))
        assert isinstance(got, cupy.ndarray)
        same(got, np.asarray(call(np.float32(0.5))))


SUBNORMAL = np.float32(2.0**-126) * np.float32([0.75, -0.5, 2.0**-23, 1, 3])


@pytest.mark.parametrize("to", DTYPES, ids=str)
@every_dtype
def test_conversions(dtype, to, cupy):
    """Operands, outputs and sums in another dtype keep subnormal numbers, on any device, which need not be the current
    one; CuPy's own kernels make 0 of them."""
    device = cupy.cuda.runtime.getDeviceCount() - 1
    x = np.concatenate([numbers(38, "f8"), SUBNORMAL, [2.0**-1060, 2.0**-15 + 2.0**-25 + 2.0**-40]]).astype(dtype)
    x, weights = x.reshape(5, 9), np.ones(9, to)
    with cupy.cuda.Device(device):
        on_gpu, out, gaps = cupy.asarray(x), cupy.zeros((5, 9), to), cupy.zeros((5, 18), to)
        mask, ones = cupy.asarray(x > 0), cupy.asarray(weights)
    same(act.identity(on_gpu, dtype=to, casting="unsafe"), act.identity(x, dtype=to, casting="unsafe"))
    same(act.identity(on_gpu.T, out=out.T, casting="unsafe"), x.astype(to).T)
    same(act.identity(on_gpu[:0], out=out[:0], casting="unsafe"), x[:0].astype(to))
    same(act.identity(on_gpu, out=gaps[:, ::2], casting="unsafe"), x.astype(to))
    same(act.identity(on_gpu, out=out, where=mask, casting="unsafe"), x.astype(to))
    if {dtype.name, to.name} != {"float16", "bfloat16"}:         # which have no common dtype
        same(act.bilinear(on_gpu, ones), act.bilinear(x, weights))
        total = act.bilinear.backward(on_gpu[4:], ones, ones, wrt="value")
        same(total, act.bilinear.backward(x[4:], weights, weights, wrt="value"))
        assert total.device.id == device


@every_dtype
@pytest.mark.parametrize("name", ["gelu", "mish"])
def test_large_arrays(name, dtype, stand_in, monkeypatch):
    """What takes long to compute is loaded ahead; the ends, and in place."""
    a, tile = act.get(name), ptx.tile(act.get(name).kernel(), STORAGE[dtype.name], "long")
    monkeypatch.setattr(ptx, "LONG", 2 * tile * dtype.itemsize)
    x, gy = numbers(2 * tile + 100, dtype), numbers(2 * tile + 100, dtype, 1)
    expected, slope = a(x), a.backward(gy, x)
    for start, n in ((0, 2 * tile), (0, 2 * tile + 9), (3, 2 * tile + 60)):
        cut = np.s_[start:start + n]
        on_gpu, upstream = stand_in.asarray(x)[cut], stand_in.asarray(gy)[cut]
        for _ in range(2):
            same(a.backward(upstream, on_gpu), slope[cut])
            same(a(on_gpu, out=upstream if start else None), expected[cut])
            assert ("_wide_" if dtype.itemsize == 8 else "_long_") in stand_in.launches[-1].name
            upstream = stand_in.asarray(gy)[cut]
        a(on_gpu, out=on_gpu)
        same(on_gpu, expected[cut])
    forget()


PANELS = {                                   # shape of x, index of it, shape of beta, the form that is expected
    "split halves": ((30, 96), np.s_[:, 48:], (), "panel_an"),
    "halves that start anywhere": ((30, 96), np.s_[:, 1:49], (), "panel_pn"),
    "a beta each channel": ((30, 48), np.s_[...], (48,), "panel_aa"),
    "a beta each row": ((30, 48), np.s_[...], (30, 1), "panel_ar"),
    "a beta each channel of pictures": ((2, 5, 6, 8), np.s_[...], (5, 1, 1), "panel_ar"),
    "rows of every second": ((30, 48), np.s_[::2], (48,), "panel_aa"),
    "a start anywhere": ((1441,), np.s_[1:], (), "panel_pn"),
    "a rest": ((1447,), np.s_[1:], (1,), "panel_pr"),
    "rows of odd lengths": ((30, 47), np.s_[...], (47,), "general_aa"),
    "fewer than a vector": ((90, 2), np.s_[:, 1:], (90, 1), "general_aa"),
}


def ran(cupy, form):
    """Whether a kernel of that form ran last, where anybody knows."""
    return not hasattr(cupy, "launches") or form in cupy.launches[-1].name


@every_dtype
@pytest.mark.parametrize("panel", PANELS)
def test_panels(panel, dtype, cupy):
    """Rows go by vectors, whatever stands beside them."""
    shape, index, beta_shape, form = PANELS[panel]
    x, beta = numbers(shape, dtype), abs(numbers(beta_shape, dtype, "beta")).astype(dtype)
    on_gpu, own = cupy.asarray(x)[index], cupy.asarray(beta) if beta_shape else float(beta)
    for _ in range(2):                       # the second time from what is remembered
        same(act.swish(on_gpu, own), act.swish(x[index], beta))
        assert ran(cupy, f"_{form}_a")
        for got, right in zip(act.swish.value_and_grad(on_gpu, own), act.swish.value_and_grad(x[index], beta),
                              strict=True):
            same(got, right)
        single = ptx.per(act.swish.kernel("value_and_grad", "x"), STORAGE[dtype.name]) == 1
        expected = "panel_aa" if single and panel == "rows of odd lengths" else form         # rows of vectors of one
        assert ran(cupy, f"_{expected}_aa")
    out = cupy.asarray(np.zeros(np.size(x) + 1, dtype))[1:on_gpu.size + 1].reshape(on_gpu.shape)
    same(act.swish(on_gpu, own, out=out), act.swish(x[index], beta))


@every_dtype
@pytest.mark.parametrize("panel", [panel for panel, (*_, form) in PANELS.items() if "panel" in form])
def test_large_panels(panel, dtype, stand_in, monkeypatch):
    """Of several vectors a thread."""
    monkeypatch.setattr(ptx, "LONG", 0)
    forget()
    (rows, *others), index, beta_shape, form = PANELS[panel]
    x, beta = numbers((40 * rows, *others), dtype), abs(numbers(beta_shape, dtype, "beta")).astype(dtype)
    beta = beta if beta.shape != (rows, 1) else np.repeat(beta, 40, 0)
    on_gpu, own = stand_in.asarray(x)[index], stand_in.asarray(beta) if beta_shape else float(beta)
    same(act.swish(on_gpu, own), act.swish(x[index], beta))
    assert f"_{form if dtype.itemsize == 8 else form.replace('panel', 'panels')}_a" in stand_in.launches[-1].name
    forget()


# --- options ----------------------------------------------------------------------------------------------------------
@every_dtype
def test_where_and_casting(dtype, cupy):
    x, mask = numbers((4, 50), dtype), generator("mask").random(50) < 0.5
    on_gpu = cupy.asarray(x)
    for where in (mask, np.True_, False, np.False_):
        out, right = cupy.asarray(np.full((4, 50), 7, dtype)), np.full((4, 50), 7, dtype)
        assert act.gelu(on_gpu, out=out, where=cupy.asarray(where) if np.ndim(where) else where) is out
        same(out, act.gelu(x, out=right, where=where))
    rows, out = generator(1).random((3, 1, 1)) < 0.5, np.zeros((3, 4, 50), dtype)
    same(act.gelu(on_gpu, where=cupy.asarray(rows), out=cupy.asarray(out)), act.gelu(x, where=rows, out=out))
    assert act.gelu(on_gpu, where=cupy.asarray(mask), out=None).shape == (4, 50)
    assert act.gelu(on_gpu, where=cupy.asarray(mask), out=None, order="F").flags.f_contiguous
    for kind in ("f2", "f4", "f8"):
        out, right = cupy.zeros((4, 50), kind), np.zeros((4, 50), kind)
        same(act.gelu(on_gpu, out=out, casting="unsafe"), act.gelu(x, out=right, casting="unsafe"))
    value, slope = cupy.zeros((4, 50), dtype), cupy.zeros((4, 50), dtype)
    got = act.gelu.value_and_grad(on_gpu, out=(value, None))
    assert got[0] is value
    same(got[1], act.gelu.grad(x))
    assert act.gelu.backward(on_gpu, on_gpu, out=slope) is slope
    same(slope, act.gelu.backward(x, x))


def test_overlap(cupy):
    """An output that lies across an input, or across another output."""
    x = numbers(5000, "f4")
    for read, write in ((slice(0, -4), slice(4, None)), (slice(4, None), slice(0, -4)), (slice(0, -1), slice(1, None)),
                        (slice(0, 2000), slice(4000, 2000, -1)), (slice(0, 1000), slice(0, 2000, 2))):
        for _ in range(2):                   # the second call takes the short way where there is one
            on_gpu, right = cupy.asarray(x), x.copy()
            act.gelu(on_gpu[read], out=on_gpu[write])
            right[write] = act.gelu(x[read])
            same(on_gpu, right)
    on_gpu, right = cupy.asarray(x), x.copy()
    act.gelu.backward(on_gpu[:4096], on_gpu[16:4112], out=on_gpu[32:4128])
    right[32:4128] = act.gelu.backward(x[:4096], x[16:4112])
    same(on_gpu, right)
    both = cupy.zeros(1000, "f4")
    act.gelu.value_and_grad(cupy.asarray(x[:900]), out=(both[:900], both[100:]))
    same(both[100:], act.gelu.grad(x[:900]))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x: act.swish(x, np.ones(3)), TypeError, r"^swish: .*GPU .*cupy.asarray\(x\) or x.get\(\)"),
    (lambda x: act.swish(np.ones(3), x), TypeError, r"^swish: .*GPU .*cupy.asarray\(x\) or x.get\(\)"),
    (lambda x: act.swish(x, [1.0, 2.0, 3.0]), TypeError, r"^swish: beta: a list on the CPU .*cupy.asarray"),
    (lambda x: act.gelu(x, out=np.ones(3, "f4")), TypeError, "^gelu: out must be a CuPy array .*ndarray"),
    (lambda x: act.gelu(x, out=x[:2]), ValueError, r"^gelu: out has shape \(2,\); the result has \(3,\)"),
    (lambda x: act.gelu(x, out=x.astype("i4")), TypeError, "^gelu: out has dtype int32"),
    (lambda x: act.gelu(x, where=np.ones(3, bool)), TypeError, "^gelu: where: a ndarray on the CPU"),
    (lambda x: act.swish(x, x[:2]), ValueError, "^swish: the shapes of the operands do not broadcast"),
    (lambda x: act.gelu(x.get(), out=x), TypeError, "^gelu: out must be a NumPy array .*ndarray"),
])
def test_errors(call, error, message, cupy):
    with pytest.raises(error, match=message):
        call(cupy.asarray(np.ones(3, "f4")))


@every_dtype
def test_random_slopes(dtype, cupy):
    """By one kernel, and one for the result; on any device."""
    x, device = numbers((30, 41), dtype), cupy.cuda.runtime.getDeviceCount() - 1
    low, high = abs(numbers((30, 1), dtype)) / 8, abs(numbers(41, dtype)) + dtype.type(1)
    with cupy.cuda.Device(device):
        given = [cupy.asarray(v) for v in (x, low, high)]
    for choose in (lambda x, low, high: (x.T, 0.1, 0.4), lambda x, low, high: (x, low, high),
                   lambda x, low, high: (x[::2, ::3], 0.25, high[::3]), lambda x, low, high: (0.5, low, high)):
        getattr(cupy, "launches", []).clear()
        for got, right in zip(act.rrelu.sample(*choose(*given), rng=2**63 + 5),
                              act.rrelu.sample(*choose(x, low, high), rng=2**63 + 5), strict=True):
            same(got, right)
            assert got.device.id == device
        assert len(getattr(cupy, "launches", "12")) == 2
    gaps = LAYOUTS["ten gaps"]
    same(act.rrelu.sample(x[0, 0], gaps(given[0].reshape(-1)), 9, rng=1)[1],
         act.rrelu.sample(x[0, 0], gaps(x.reshape(-1)), 9, rng=1)[1])
    assert act.rrelu.sample(given[0][:0], rng=1)[1].size == 0
    blocks = nn.RReLU(rng=3), nn.RReLU(rng=3)
    same(blocks[0](given[0]), blocks[1](x))
    same(blocks[0].backward(given[0]), blocks[1].backward(x))
    with pytest.raises(TypeError, match=r"^rrelu.sample: .*one call; move one: cupy.asarray"):
        act.rrelu.sample(given[0], low)


# --- sums -------------------------------------------------------------------------------------------------------------
def close(on_gpu, right, size=None):
    """Equal but for the last place of float64 in the sum of the terms' sizes, and one rounding."""
    got, right = on_gpu.get(), np.asarray(right)
    assert got.dtype == right.dtype
    unit = float(ml_dtypes.finfo(got.dtype).eps)
    slack = 0 if size is None else 2.0**-48 * abs(np.asarray(size).astype("f8"))
    got, right = got.astype("f8"), right.astype("f8")
    assert np.all(abs(got - right) <= 2 * unit * abs(right) + slack)


@every_dtype
@pytest.mark.parametrize("target", [(), (1,), (40,), (30, 1), (20, 1, 1), (1, 40), (20, 1, 40), (1, 30, 1)])
def test_sums(target, dtype, cupy):
    """Added up in float64, in another order than on the CPU."""
    x, gy = numbers((20, 30, 40), dtype), numbers((20, 30, 40), dtype, 1)
    p = abs(numbers(target, dtype, "p")).astype(dtype)
    for change in (lambda a: a, lambda a: a[::-1, :, ::2], lambda a: a.transpose(1, 0, 2)):
        change = change if target == () or target == (1,) else lambda a: a
        operands = change(cupy.asarray(gy)), change(cupy.asarray(x)), cupy.asarray(p)
        gx, gp = act.prelu.backward(*operands, wrt=("x", "alpha"))
        right_x, right_p = act.prelu.backward(change(gy), change(x), p, wrt=("x", "alpha"))
        same(gx, right_x)
        assert (gp.shape, gp.dtype) == (target, dtype)
        close(gp, right_p, act.prelu.backward(abs(change(gy)), -abs(change(x)), p, wrt="alpha"))
        again = act.prelu.backward(*operands, wrt="alpha")
        same(again, gp.get())


SUMS = {                                     # shapes of x and alpha, the forms that are expected
    "all": ((80, 64), (), ["along"]), "a channel each": ((3000, 16), (16,), ["across", "sum"]),
    "a row each": ((6, 64), (6, 1), ["along"]), "pictures": ((5, 3, 8, 16), (3, 1, 1), ["along"]),
    "nowhere a vector": ((60, 7), (7,), ["sum"]), "halves": ((40, 64), (32,), ["across"]),
}


@every_dtype
@pytest.mark.parametrize("case", SUMS)
def test_sums_by_vectors(case, dtype, stand_in):
    """The same on every device; one launch unless there are many elements to a sum."""
    shape, own, forms = SUMS[case]
    x, gy, alpha = numbers(shape, dtype), numbers(shape, dtype, 1), abs(numbers(own, dtype, "p")).astype(dtype)
    cut = np.s_[..., :own[-1]] if case == "halves" else np.s_[...]
    found = []
    for device in (0, 1):
        with stand_in.Device(device):
            operands = stand_in.asarray(gy)[cut], stand_in.asarray(x)[cut], stand_in.asarray(alpha)
            stand_in.launches.clear()
            found.append(act.prelu.backward(*operands, wrt=("x", "alpha")))
            assert [re.search("_(sum|along|across)_", launch.name)[1] for launch in stand_in.launches] == forms
    for one, other in zip(*found, strict=True):
        same(one, other.get())
    right_x, right = act.prelu.backward(gy[cut], x[cut], alpha, wrt=("x", "alpha"))
    same(found[0][0], right_x)
    close(found[0][1], right, act.prelu.backward(abs(gy[cut]), -abs(x[cut]), alpha, wrt="alpha"))


def test_sums_of_several_shapes(cupy):
    """Every operand, the upstream gradient apart, with a shape of its own."""
    gy, x, beta = numbers((50, 60), "f4"), numbers((50, 1), "f4"), abs(numbers(60, "f4"))
    got = act.swish.backward(*map(cupy.asarray, (gy, x, beta)), wrt=("x", "beta"))
    for a, b in zip(got, act.swish.backward(gy, x, beta, wrt=("x", "beta")), strict=True):
        assert a.shape == b.shape
        close(a, b, np.full(b.shape, 1e5))
    gx, = act.swish.backward(cupy.asarray(gy), cupy.asarray(x), 0.5, wrt=("x",))
    close(gx, act.swish.backward(gy, x, 0.5), np.full(gx.shape, 1e5))
    empty = act.swish.backward(cupy.zeros((0, 3), "f4"), cupy.zeros((0, 3), "f4"), cupy.zeros(3, "f4"), wrt="beta")
    same(empty, np.zeros(3, "f4"))


def full(a):
    """The kernel of all gradients."""
    return a.kernel("backward", *a.operands, *a.params)


HEAVY = [(name, dtype) for name, a in act.activations.items() for dtype in DTYPES
         if ptx.needed(full(a), STORAGE[dtype.name]) > ptx.HELD]


@pytest.mark.parametrize(("name", "dtype"), HEAVY, ids=str)
def test_where_registers_are_few(name, dtype, cupy):
    """Outputs may have launches of their own, also on top of operands; sums are kept in shared memory."""
    a, shape = act.get(name), (9, 21)
    wrt = (*a.operands, *a.params)
    arrays = [numbers(shape, dtype, k) for k in range(1 + len(a.operands))]
    params = [(abs(numbers(shape, dtype, p)) + 0.5).astype(dtype) for p in a.params]
    right = a.backward(*arrays, *params, wrt=wrt)
    for change in (lambda v: v, lambda v: v[::-1], lambda v: v[:, ::2]):
        got = a.backward(*[change(cupy.asarray(v)) for v in (*arrays, *params)], wrt=wrt)
        for one, other in zip(got, right, strict=True):
            same(one, change(other))
    on_gpu = [cupy.asarray(v) for v in (*arrays, *params)]
    outputs = tuple(on_gpu[1:])
    got = a.backward(*on_gpu, wrt=wrt, out=outputs)
    assert all(one is out for one, out in zip(got, outputs, strict=True))
    for one, other in zip(got, right, strict=True):
        same(one, other)
    for cuts in ([(1, 1)], [(1, 21)], [(9, 1)], [(1, 1), (1, 21)]):          # what parameters have of their shape
        some = [np.ascontiguousarray(p[:rows, :columns]) for p, (rows, columns) in zip(params, cuts * len(params),
                                                                                      strict=False)]
        got = a.backward(*map(cupy.asarray, (*arrays, *some)), wrt=wrt)
        right = a.backward(*arrays, *some, wrt=wrt)
        for one, other, operand in zip(got, right, (*a.operands, *a.params), strict=True):
            assert one.shape == other.shape
            if operand in a.operands:
                same(one, other)
            else:
                close(one, other, np.full(other.shape, np.nanmax(abs(other.astype("f8"))) * 1e3))


def test_sums_over_many_gaps(cupy):
    shape, axes = (2,) * 11, (1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 10)
    x, alpha = numbers(shape, "f4").transpose(axes), numbers((2,) * 10 + (1,), "f4")
    got = act.prelu.backward(cupy.asarray(x), cupy.asarray(x), cupy.asarray(alpha), wrt="alpha")
    close(got, act.prelu.backward(x, x, alpha, wrt="alpha"))


# --- launches ---------------------------------------------------------------------------------------------------------
def test_launches(stand_in):
    """A cached call makes one launch and compiles nothing; the arguments are what the kernel reads."""
    x = stand_in.asarray(numbers(10_000, "f4"))
    act.elu(x, 0.25)
    compiled = len(stand_in.compiled)
    stand_in.launches.clear()
    y = act.elu(x, 0.25)
    launch, = stand_in.launches
    tiles = 10_000 // ptx.tile(act.elu.kernel(), STORAGE["float32"])
    tile = ptx.tile(act.elu.kernel(), STORAGE["float32"])
    assert launch.name == "numba_act_elu_float32_wide_an_a"
    assert launch.arguments[0] is x
    assert (launch.arguments[1].dtype, launch.arguments[1].shape, launch.arguments[1]) == (FLOAT32, (), 0.25)
    assert launch.arguments[2] is y
    assert launch.arguments[3:] == (tiles, 0, 10_000)
    assert launch.grid == (tiles - (10_000 - tiles * tile) // -ptx.THREADS,)
    assert launch.block == (ptx.THREADS,)
    assert len(stand_in.compiled) == compiled
    act.elu(x[:0], 0.25)
    act.elu(x[::2][:0], 0.25)
    assert len(stand_in.launches) == 1


@pytest.mark.parametrize("name", ["gelu", "prelu", "softplus", "xielu", *GATED])
def test_the_short_way(name, cupy, monkeypatch):
    """Whatever has been called before, with arrays of these layouts, is not sorted out again."""
    a, x = act.activations[name], cupy.asarray(numbers((30, 40), "f4"))
    cases = [[x] * len(a.operands), [x[:, 1::2]] * len(a.operands), [x[1:]] * len(a.operands)]
    cases += [[*operands, *[0.5] * len(a.params)] for operands in cases] * bool(a.params)
    cases += [[x, *[x[0]] * (len(a.operands) + len(a.params) - 1)]]

    def results():
        found = []
        for operands in cases:
            found += [a(*operands), a.value_and_grad(*operands)[1]]
            if len({o.shape for o in operands if not isinstance(o, float)}) == 1:
                found.append(a.backward(operands[0], *operands))
        return found

    before, launches = results(), getattr(cupy, "launches", None)
    if launches:
        launches.clear()
    monkeypatch.setattr(dispatch, "_resolve", None)
    for first, second in zip(before, results(), strict=True):
        for one, two in zip(*[r if isinstance(r, tuple) else (r,) for r in (first, second)], strict=True):
            same(two, one.get())
    assert launches is None or len(launches) == len(before)


def test_16_bit_numbers_are_passed_in_float32(stand_in):
    x = stand_in.asarray(numbers(10, DTYPES[1]))
    for _ in range(2):
        act.elu(x, 0.3)
        number = stand_in.launches[-1].arguments[1]
        assert number.dtype == np.float32
        assert number == np.float32(DTYPES[1].type(0.3))


def test_streams(stand_in):
    x = stand_in.asarray(numbers(10, "f4"))
    for number in (0, 7, 7, 9, 0):
        with stand_in.stream(number):
            act.selu(x)
        assert stand_in.launches[-1].stream == number


def test_nothing_waits(stand_in):
    """Calls whose like has been made before neither wait, nor bring anything from the host, nor load a kernel, so that
    they can be captured; one that has to load is refused in one line, where the driver refuses it."""
    x, mask = stand_in.asarray(numbers((6, 40), "f4")), stand_in.asarray(numbers((6, 40), "f4") > 0)
    out, alpha, block = stand_in.zeros((6, 40), "f4"), stand_in.asarray(abs(numbers(40, "f4"))), nn.PReLU(40)

    def calls():
        act.gelu(x)
        act.gelu(x, out=out)
        act.gelu(x, out=out, where=mask)
        act.gelu(x[:, ::2], dtype="f8")
        act.swish.value_and_grad(x, 0.3)
        act.gelu.fast.backward(x, x)
        act.prelu.backward(x, x, alpha, wrt=("x", "alpha"))
        act.rrelu.sample(x, rng=1)
        block.backward(block(x))

    calls()
    stand_in.waits.clear()
    stand_in.current.captured = True
    calls()
    assert stand_in.waits == []
    with pytest.raises(RuntimeError, match=r"^lisht: its kernel cannot be loaded while a stream is captured in this m"):
        act.lisht.grad(x, n=3)


def test_what_a_graph_writes_to_is_kept(stand_in):
    """Partial sums, converted operands and results that are copied: the graph writes there whenever it is launched."""
    from numba_act.backends import cuda
    x, alpha, row = (stand_in.asarray(abs(numbers(shape, "f4"))) for shape in ((300, 400), 1, (1, 10_000)))
    out = stand_in.zeros((300, 400), "f8")
    calls = {"partial sums": lambda: act.prelu.backward(x, x, alpha, wrt="alpha"), "pieces": lambda: act.softmax(row),
             "an operand": lambda: act.gelu(row, dtype="f8"), "a result": lambda: act.gelu(x, out=out)}
    before = len(cuda._captured)
    for call in calls.values():
        call()
    assert len(cuda._captured) == before
    stand_in.current.captured = True
    for name, call in calls.items():
        before = len(cuda._captured)
        call()
        assert len(cuda._captured) > before, name


def test_many_operands(cupy):
    """As many as on the CPU."""
    pairs, x = act.activation(lambda a, b, c, d, e, f, g, h: a * b + c * d + e * f + g * h), cupy.ones(3, "f4")
    with pytest.raises(ValueError, match=r": at most 16 inputs and outputs fit in a kernel, not 17; ask for fewer"):
        pairs.backward(*[x] * 9)


def test_devices(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("one device")
    x = numbers(5000, "f4")
    arrays = []
    for device in (0, 1):
        with cupy.cuda.Device(device):
            arrays.append(cupy.asarray(x))
    for device in (0, 1, 1, 0):              # whatever the current one
        for call in (act.gelu, lambda a: act.gelu(a[::2]), lambda a: act.gelu.value_and_grad(a)[1],
                     lambda a: act.swish.backward(a, a, 0.5, wrt=("x", "beta"))[0]):
            got = call(arrays[device])
            assert got.device.id == device
            same(got, call(x))
    with pytest.raises(ValueError, match=r"^swish: the operands are on devices 0 and 1; move one"):
        act.swish(*arrays)


def forget():
    """Load every kernel again."""
    backend = importlib.import_module("numba_act.backends.cuda")
    for table in (backend._functions, backend._alike, backend._views):
        table.clear()


def test_the_targets_of_two_devices(stand_in, monkeypatch):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", "0")
    forget()
    for device, target in ((0, 90), (1, 75)):
        with stand_in.Device(device):
            act.softsign.grad(stand_in.asarray(numbers(6, "f4"))[::2])
        assert f".target sm_{target}\n" in stand_in.compiled[-1]
    monkeypatch.setattr(stand_in, "capabilities", ["61", "120"])
    forget()
    with pytest.raises(RuntimeError, match=r"^softsign: device 0 has compute capability 6.1; 7.5 is the least"):
        act.softsign.grad(stand_in.asarray(numbers(6, "f4"))[::2])
    with stand_in.Device(1):
        act.softsign.grad(stand_in.asarray(numbers(6, "f4"))[::2])
    assert ".target sm_100\n" in stand_in.compiled[-1]
    forget()


def test_cubins_are_kept(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", str(tmp_path))
    forget()
    x = stand_in.asarray(numbers(6, "f4"))[::2]
    act.tanh(x)
    assert len(stand_in.compiled) == 1
    forget()
    act.tanh(x)
    assert len(stand_in.compiled) == 1
    file, = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])                       # a damaged file is made again
    forget()
    act.tanh(x)
    assert len(stand_in.compiled) == 2
    forget()                                 # as is one that the driver refuses
    file.unlink()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="INVALID_IMAGE"):
        patch.setattr(stand_in.LinkState, "complete", lambda linker: b"of another assembler")
        act.tanh(x)
    assert file.exists()
    act.tanh(x)
    assert len(stand_in.compiled) == 3


def test_arrays_of_others(cupy):
    """An object with __cuda_array_interface__ is read where it is."""
    class Other:
        def __init__(self, array):
            self.array, self.__cuda_array_interface__ = array, array.__cuda_array_interface__

    x = numbers((30, 40), "f4")
    theirs = Other(cupy.asarray(x).T)
    same(act.gelu(theirs), act.gelu(x.T))
    same(act.swish.backward(theirs, cupy.asarray(x).T, 0.5), act.swish.backward(x.T, x.T, 0.5))
    assert isinstance(act.gelu(theirs), cupy.ndarray)
    for device in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(device):
            theirs = Other(cupy.asarray(x))
        assert act.identity(theirs).device.id == device          # it is no copy on the current device
    bfloats = x.astype(DTYPES[1])
    exported = SimpleNamespace(__cuda_array_interface__={"typestr": "<V2"}, __dlpack__=None)
    with pytest.MonkeyPatch.context() as patch:                  # as PyTorch shows bfloat16
        patch.setattr(cupy, "from_dlpack", lambda given: cupy.asarray(bfloats) if given is exported else None)
        same(act.gelu(exported), act.gelu(bfloats))


def test_custom_activation(cupy):
    @act.activation
    def bump(x, width=1.0):
        return width / (1 + x * x)

    x = numbers(1000, "f4")
    on_gpu = cupy.asarray(x)
    same(bump(on_gpu, 0.5), bump(x, 0.5))
    same(bump.grad(on_gpu, wrt="width"), bump.grad(x, wrt="width"))
    same(bump.grad(on_gpu, n=2), bump.grad(x, n=2))


@pytest.fixture
def for_a_gpu(cupy, monkeypatch):
    """numba-cuda at work, which asks the driver for the current device as it compiles."""
    gpu.complaint.cache_clear()
    dispatcher = importlib.import_module(f"{numba_cuda().__name__}.dispatcher")
    if "numba_cuda" not in dispatcher.__file__:
        pytest.skip("numba.cuda is not numba-cuda's here")
    if hasattr(cupy, "launches"):
        monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))


def halved(x, most=3.0):
    if most < 0:
        raise ValueError("most")
    while most < abs(x) < np.inf:
        x = x / 2
    return doubled(x) * x + most


@numba.njit
def doubled(x):
    return x + x


@every_dtype
def test_what_numba_compiles(dtype, for_a_gpu, cupy):
    """By numba-cuda, in every form of a kernel, with the CPU's bits; an exception gives NaN."""
    a, x, gy = act.activation(halved), numbers((20, 150), dtype), numbers((20, 150), dtype, 1)
    assert a.compiler == "numba"
    most = abs(numbers(150, dtype, 2))
    on_gpu = cupy.asarray(x)
    for call in (a, lambda v: a(v[:, ::3], 2), lambda v: a.grad(v, 1.5, wrt="most"),
                 lambda v: a.value_and_grad(v)[1], lambda v: a.backward(v.T, v.T)):
        same(call(on_gpu), call(x))
    same(a(cupy.asarray(x), cupy.asarray(most)), a(x, most))
    for got, right in zip(a.backward(*map(cupy.asarray, (gy, x, most)), wrt=("x", "most")),
                          a.backward(gy, x, most, wrt=("x", "most")), strict=True):
        close(got, right, np.full(right.shape, 1e4))
    assert np.isnan(a(cupy.asarray(x), -1.0).get().astype("f4")).all()


@pytest.mark.skipif(nvidia.library is None, reason="needs nvidia-nvjitlink")
def test_the_assembler_takes_what_numba_compiles(for_a_gpu):
    a = act.activation(halved)
    for kernel in (a.kernel(), a.kernel("backward", "x", "most")):
        arrays = "a" * len(kernel.inputs)
        for form in (ptx.Form("wide", arrays[1:] + "n", "a" * kernel.n_outputs),
                     ptx.Form("sum", arrays, "a" * (kernel.n_outputs - 1) + "s")):
            text = ptx.compile_ptx(ptx.module_text(kernel, STORAGE["float32"], form)[1], 75)
            cubin = nvidia.link(text, 75)
            assert (cubin.spills, cubin.stack) == (0, 0)
            assert cubin.registers <= 64


def test_without_numba_cuda(cupy, monkeypatch):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", "0")
    monkeypatch.setattr("numba_act.jitted.gpu.find_spec", lambda name: None)
    gpu.complaint.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"^halved: it is no expression tree; on a GPU numba-cuda compiles "
                                                  r"it, and is not installed: pip install numba-cuda$"):
        act.activation(halved)(cupy.asarray(np.ones(3, "f4")))
    gpu.complaint.cache_clear()


def test_where_numba_cuda_fails(for_a_gpu, cupy, monkeypatch):
    """As with a NumPy that is newer than it knows."""
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", "0")
    monkeypatch.setattr(numba.cuda, "jit", None)
    with pytest.raises(ModuleNotFoundError, match=r"^halved: .*, but [\d.]+ fails here, with NumPy .*: TypeError: "):
        act.activation(halved)(cupy.asarray(np.ones(3, "f4")))
    gpu.complaint.cache_clear()


def test_blocks(cupy):
    """Learned parameters and their gradients move to where x is, on whichever device, and keep subnormal numbers."""
    x, blocks = numbers((8, 64), "f4"), [nn.PReLU(num_parameters=64, axis=1) for _ in range(2)]
    for _ in range(2):
        on_gpu = cupy.asarray(x)
        same(blocks[0](on_gpu), blocks[1](x))
        same(blocks[0].backward(on_gpu), blocks[1].backward(x))
    on_gpu, right = (f.grads["alpha"] for f in blocks)
    assert isinstance(on_gpu, cupy.ndarray)
    np.testing.assert_allclose(on_gpu.get(), right, rtol=1e-6)
    state = {"alpha": np.linspace(2.0**-127, 1, 64)}
    for device in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(device):
            on_gpu = cupy.asarray(x)
        blocks[0].load_state_dict(state)
        blocks[1].load_state_dict(state)
        same(blocks[0](on_gpu), blocks[1](x))
        same(blocks[0].backward(on_gpu), blocks[1].backward(x))
        blocks[0].zero_grad()
        assert blocks[0].grads["alpha"].device.id == device
        assert not blocks[0].grads["alpha"].get().any()
        same_bits(blocks[0].state_dict()["alpha"], state["alpha"])


def test_neighbouring_threads_read_neighbouring_elements(stand_in):
    """Sums along the last axis go along it, and sums onto it across."""
    x = stand_in.asarray(numbers((300, 400), "f4"))
    for target, along in (((400,), False), ((300, 1), True)):
        alpha = stand_in.asarray(numbers(target, "f4"))
        stand_in.launches.clear()
        act.prelu.backward(x, x, alpha, wrt="alpha")
        launch = stand_in.launches[0]
        assert ("_along_" if along else "_across_") in launch.name
        across = launch.arguments[-1]["words"][ptx.PLANS["sum"].words.index("across")]
        assert bool(across) != along


def test_show_config(cupy, capsys):
    act.show_config()
    line, = (line for line in capsys.readouterr().out.splitlines() if line.startswith("gpu:"))
    assert f"CuPy {cupy.__version__}" in line
    assert "compute capability" in line
    assert "driver for CUDA" in line


def test_the_script_for_a_gpu(stand_in, monkeypatch, tmp_path):
    """What of ci/gpu needs no GPU: it finds equal bits, and sees one that is wrong."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    script = runpy.run_path(Path(__file__).parent.parent / "ci" / "gpu")
    monkeypatch.setitem(script["inputs"].__globals__, "CHUNK", 1 << 12)
    for name, dtype, count in (("swish", "float32", 1 << 13), ("relu", "bfloat16", 1 << 16),
                               ("gelu.fast", "float64", 1 << 12), ("math.tanh", "float32", 1 << 13)):
        assert script["compared"](name, dtype, 1 << 13, math.inf) == (count, {})
    assert script["compared"]("swish", "float32", 1 << 13, 0) == (0, {})
    assert script["subnormal_numbers"](64) == script["random_slopes"]((3, 11)) == script["devices"](100) == 0
    copy, gelu = (("copy", False), 1e-3), (("gelu", True), 3e-3)
    times = {library: {(*what, "float32", 1 << 20): k * seconds for what, seconds in (copy, gelu)}
             for k, library in enumerate(("numba_act", "torch"), 1)}
    measured = {"results": script["cells"](times, {("gelu", True, "float32"): 1e9}),
                "calls": script["calls_alone"]({"torch": {("torch gelu",): 2e-6}})}
    row, called = (line for line in script["speed_table"](measured) if "gelu" in line)
    assert re.fullmatch(r"\| gelu \| backward \| float32 \| 1,048,576 \| 4 \| 0.50 \| 1.00 \| 0.25 \|", row)
    assert called == "| torch gelu | 2.00 |"
    report = script["Report"](tmp_path / "gpu.md")
    report.write("Bits", "a")
    report.write("Bits", "b")
    assert (tmp_path / "gpu.md").read_text() == "# numba_act on a GPU\n\n## Bits\n\na\nb\n"
    x = numbers(50, "f4")
    assert script["differing"](stand_in.asarray(x + np.float32(1)), x) == 50
    light, heavy = (script["instructions"](name, FLOAT32, False, 90) for name in ("relu", "gelu"))
    assert 3 < light < 12 < heavy < 200
    assert script["instructions"]("swish", DTYPES[3], True, 90) > script["instructions"]("swish", FLOAT32, True, 90)
    assert set(script["FORMULAS"]) <= set(act.activations)


# --- no GPU -----------------------------------------------------------------------------------------------------------
WITHOUT = """
import sys
import numpy as np
class Other:
    shape, dtype, ndim = (3,), np.dtype("f4"), 1
    __cuda_array_interface__ = {"shape": (3,), "typestr": "<f4", "data": (0, False), "version": 3}
import numba_act as act
act.gelu(np.ones(3))
try:
    act.gelu(Other())
except Exception as error:
    print(type(error).__name__, error)
"""


def without(before):
    done = subprocess.run([sys.executable, "-c", before + WITHOUT], capture_output=True, text=True, check=True)
    return done.stdout


def test_no_cupy():
    assert without("import sys; sys.modules['cupy'] = None\n") == (
        "ModuleNotFoundError gelu: arrays on a GPU need CuPy: pip install numba_act[cu13] "
        "(for CUDA 12: numba_act[cu12])\n")


def test_no_driver(tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text("class ndarray: pass\nclass cuda:\n    is_available = lambda: False\n")
    assert without(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n") == (
        "RuntimeError gelu: a Other is on a GPU, but CuPy finds no device or no driver\n")


def test_dask_blocks_stay_on_the_gpu(cupy):
    dask, da = pytest.importorskip("dask"), pytest.importorskip("dask.array")
    x = np.linspace(-5, 5, 600, dtype=np.float32).reshape(20, 30)
    lazy = da.from_array(x, chunks=(7, 30)).map_blocks(cupy.asarray, meta=cupy.asarray(x[:0]))
    for f in (act.gelu, act.gelu.grad):
        blocks = dask.compute(*f(lazy).to_delayed().ravel(), scheduler="sync")
        assert {type(block) for block in blocks} == {cupy.ndarray}
        same_bits(np.concatenate([block.get() for block in blocks]), f(x))


@pytest.mark.parametrize("named", ["größe", "<lambda>", "a b", "x\ny", '"; ret', "größe_"])
def test_names_of_any_kind(cupy, named):
    """User text never reaches a symbol: the assembler's own words, in the end, are ASCII."""
    def function(x, α=2.0):
        return α * x
    function.__name__ = named
    x, a = cupy.asarray(np.float32([1, 1, 1])), act.activation(function)
    same(a(x), np.float32([2, 2, 2]))
    same(a.grad(x, wrt="α"), np.float32([1, 1, 1]))
    assert a.backward(x, x, wrt="α").get() == 3
    same_bits(a(np.float32([1, 2]), α=3), np.float32([3, 6]))
    assert a.ufunc.__name__ == f"numba_act_{named}"


def test_options_of_numpy(cupy):
    x = cupy.asarray(np.float32([1, 2]))
    same(act.gelu(x, out=...), act.gelu(x.get()))
    assert isinstance(act.gelu(x[0,], out=...), cupy.ndarray)
    same(act.gelu.grad(x, n=np.int64(2)), act.gelu.grad(x.get(), n=2))
    with pytest.raises(TypeError, match=r"^gelu: where has dtype int64; a mask of bool is needed"):
        act.gelu(x, where=cupy.asarray(np.array([1, 0])))
    with pytest.raises(TypeError, match=r"^gelu: beta is an unknown keyword; accepted are out, where"):
        act.gelu(x, beta=1)
