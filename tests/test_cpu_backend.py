"""The CPU backend with kernels of its own: every path must give the bits of the contiguous loop."""
import concurrent.futures
import ctypes
import platform
import re
import sys

import ml_dtypes
import numpy as np
import pytest

from numba_act.backends import cpu, cpu_code, cpu_ufunc, dispatch, dtypes
from numba_act.backends.kernel import Kernel, symbol
from numba_act.runtime import driver, processor, threads
from numba_act.scalar.exponential import exp
from numba_act.tree.evaluate import evaluate
from numba_act.tree.node import argument, where
from numba_act.tree.storage import STORAGE

bfloat16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = [np.dtype(np.float16), bfloat16, np.dtype(np.float32), np.dtype(np.float64)]


def build_two(dtype):
    x, alpha = argument("x", dtype), argument("alpha", dtype)
    return where(x > 0, x, x * alpha) / (abs(x) + 1), x * alpha - 0.1


def kernel(name, inputs, parameters, build, n_outputs=1):
    return Kernel(name=name, owner=name, inputs=inputs, parameters=dict.fromkeys(parameters, 1.0), build=build,
                  n_outputs=n_outputs)


plain = kernel("plain", ("x",), (), lambda dtype: (argument("x", dtype) / (abs(argument("x", dtype)) + 1),))
two = kernel("two", ("x", "alpha"), ("alpha",), build_two, 2)
binary = kernel("binary", ("x", "y"), (), lambda dtype: (argument("x", dtype) * 0.5 + argument("y", dtype),))


def reference(kernel, *arrays):
    """The kernel's outputs in the working type, by NumPy."""
    wide = "float64" if arrays[0].dtype == np.float64 else "float32"
    arguments = {name: a.astype(wide) for name, a in zip(kernel.inputs, arrays, strict=True)}
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return [np.broadcast_to(r, shape) for r in evaluate(list(kernel.build(wide)), arguments)]


def numbers(shape, dtype, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 4).astype(dtype)


def assert_same(actual, expected):
    """Equal shapes and bits."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    word = f"u{actual.itemsize}"
    np.testing.assert_array_equal(np.ascontiguousarray(actual).view(word), np.ascontiguousarray(expected).view(word))


@pytest.fixture(params=["one thread", "threads"])
def threading(request, monkeypatch):
    """Every call threaded, however small, or none."""
    least = 1 if request.param == "threads" else 1 << 60
    monkeypatch.setattr(threads, "MIN_WORK", 1)          # the n-d driver in both
    before = threads.control[driver.MIN_WORK]
    threads.control[driver.MIN_WORK] = least
    yield request.param
    threads.control[driver.MIN_WORK] = before


# --- values -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 100, 20_000])
def test_ufunc_matches_numpy(n, dtype):
    cpu_ufunc.ensure(two, dtype)
    x, alpha = numbers(n, dtype), numbers((), dtype, 1)
    for operands in ((x, alpha), (x, numbers(n, dtype, 2)), (alpha, x)):
        for result, expected in zip(cpu_ufunc.ufunc(two)(*operands), reference(two, *operands), strict=True):
            assert_same(result, expected.astype(dtype))


def test_ufunc_is_one():
    ufunc = cpu_ufunc.ufunc(plain)
    assert isinstance(ufunc, np.ufunc)
    assert ufunc is cpu_ufunc.ufunc(plain)
    assert (ufunc.__name__, ufunc.nin, ufunc.nout, ufunc.types) == ("numba_act_plain", 1, 1, ["e->e", "f->f", "d->d"])
    x = numbers(50, "f4")
    out = np.zeros_like(x)
    ufunc(x, out=out, where=x > 0)
    assert_same(out, np.where(x > 0, ufunc(x), np.float32(0)))
    assert ufunc(np.arange(5)).dtype == np.float64
    assert ufunc(x, dtype="f8").dtype == np.float64
    assert_same(ufunc(x.view(np.recarray)).view(np.ndarray), ufunc(x))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_same_bits_everywhere(threading, dtype):
    ufunc = cpu_ufunc.ensure(plain, dtype)
    whole = numbers(5000, dtype)
    expected = ufunc(whole)
    for start in (0, 1, 3, 17):
        for length in (1, 7, 33, 255, 256, 4000):
            part = slice(start, start + length)
            assert_same(ufunc(whole[part]), expected[part])
            assert_same(cpu.call(plain, [whole[part]])[0], expected[part])
    for step in (2, 3, -1, -2):
        assert_same(ufunc(whole[::step]), expected[::step])
        assert_same(cpu.call(plain, [whole[::step]])[0], expected[::step])
        spaced = np.zeros(5000, dtype)
        cpu.call(plain, [whole], out=(spaced[::-1],))
        assert_same(spaced[::-1], expected)
    place = whole.copy()
    ufunc(place, out=place)
    assert_same(place, expected)
    bytes_ = np.zeros(5000 * dtype.itemsize + 1, np.uint8)
    misaligned = bytes_[1:].view(dtype)
    misaligned[:] = whole
    assert_same(cpu.call(plain, [misaligned])[0], expected)
    whole.flags.writeable = False
    assert_same(cpu.call(plain, [whole])[0], expected)


def random_operand(rng, shape, dtype):
    """An operand that broadcasts to the shape: any axis order, steps and directions."""
    shape = [n if rng.random() < 0.7 else 1 for n in shape] if rng.random() < 0.75 else list(shape)
    shape = shape[rng.integers(len(shape)):] if shape and rng.random() < 0.2 else shape
    steps = [int(rng.choice([1, 1, 2, -1, -2])) for _ in shape]
    axes = rng.permutation(len(shape))
    whole = numbers([shape[a] * abs(steps[a]) for a in axes], dtype, rng.integers(1000)).transpose(np.argsort(axes))
    return whole[(*[slice(None, None, s) for s in steps], ...)]


@pytest.mark.parametrize("seed", range(60))
def test_any_layout(threading, seed):
    rng = np.random.default_rng(seed)
    dtype = DTYPES[seed % 4]
    most = [1, 50_000, 200, 40, 15, 8][seed % 6]
    shape = tuple(int(n) for n in rng.integers(0 if seed % 10 == 9 else 1, most + 1, seed % 6))
    x, alpha = random_operand(rng, shape, dtype), random_operand(rng, shape, dtype)
    results = cpu.call(two, [x, alpha], order=str(rng.choice(list("KKCFA"))))
    expected = reference(two, x, alpha)
    for result, values in zip(results, expected, strict=True):
        assert_same(result, values.astype(dtype))
    shapes = [tuple(1 if rng.random() < 0.5 else n for n in expected[0].shape) for _ in range(2)]
    shapes = [shapes[0], None if rng.random() < 0.5 else shapes[1][rng.integers(len(shapes[1]) + 1):]]
    for result, values, target in zip(cpu.reduce(two, [x, alpha], shapes), expected, shapes, strict=True):
        check_sum(result, values.astype(dtype) if target is None else values, target, dtype)


def check_sum(result, values, target, dtype):
    assert result.dtype == dtype
    if target is None or target == values.shape:
        assert_same(result, values.astype(dtype))
        return
    lead = values.ndim - len(target)
    axes = (*range(lead), *(lead + d for d, n in enumerate(target) if n == 1))
    values = values.astype(np.float64)
    assert result.shape == target
    unit = 2 * float(ml_dtypes.finfo(dtype).eps)
    slack = unit * abs(values).sum(axes, keepdims=True).reshape(target) + 1e-300
    error = abs(result.astype(np.float64) - values.sum(axes, keepdims=True).reshape(target))
    assert np.all((error <= slack) | ~np.isfinite(result.astype(np.float64)))


@pytest.mark.parametrize("order", list("KCFA"))
def test_layout_of_new_outputs(monkeypatch, order):
    monkeypatch.setattr(threads, "MIN_WORK", 1)
    a = numbers((6, 7, 8), "f4")
    for x in (a, a.T, a.transpose(1, 0, 2), a[::2], a[:, ::-1], a[:, :1], np.broadcast_to(a[:1], a.shape)):
        for y in (np.ones(x.shape, "f4"), np.ones((1, 1, 1), "f4")):
            expected = np.add(x, y, order=order)
            assert cpu.call(binary, [x, y], order=order)[0].strides == expected.strides


def test_outputs_that_overlap(threading):
    base = numbers(9000, "f4")
    cases = [(lambda a: a[:-1], lambda a: a[1:]), (lambda a: a[1:], lambda a: a[:-1]),
             (lambda a: a, lambda a: a[::-1]), (lambda a: a, lambda a: a),
             (lambda a: a.reshape(90, 100)[:90, :90], lambda a: a.reshape(90, 100)[:90, :90].T)]
    for read, write in cases:
        memory = base.copy()
        cpu.call(plain, [read(memory)], out=(write(memory),))
        expected = base.copy()
        write(expected)[...] = cpu_ufunc.ufunc(plain)(read(base).copy())
        assert_same(memory, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_outputs_stored_past_the_caches(threading, dtype, monkeypatch):
    """The same bits, and nothing beside them, wherever an output begins and ends; in place; beside a sum."""
    streamed = kernel("streamed", two.inputs, two.parameters, build_two, 2)
    for n in (1, 63, 300, 5000, 20_001):
        x, alpha = numbers(n, dtype), np.array(0.3, dtype)
        right, total = [r.astype(dtype) for r in reference(two, x, alpha)], cpu.reduce(two, [x, alpha], [None, ()])[1]
        with monkeypatch.context() as patch:
            patch.setattr(cpu_code, "_least_streamed", lambda *_: 0)
            for begin in ((0, 0), (1, 7), (31, 2)):
                memory = np.zeros((2, n + 80), dtype)
                out = tuple(row[k:k + n] for row, k in zip(memory, begin, strict=True))
                for result, expected in zip(cpu.call(streamed, [x, alpha], out=out), right, strict=True):
                    assert_same(result, expected)
                assert np.count_nonzero(memory) == np.count_nonzero(right)
            for result, expected in zip(cpu.reduce(streamed, [x, alpha], [None, ()]), (right[0], total), strict=True):
                assert_same(result, expected)
            assert_same(cpu.call(streamed, [x, alpha], out=(x, None))[0], right[0])


def test_what_is_stored_past_the_caches():
    """Arrays that exceed the last one, of kernels that are bound by memory; others would be slower."""
    single = STORAGE["float32"]
    heavy = kernel("heavy", ("x",), (), lambda dtype: (exp(argument("x", dtype)),))
    assert cpu_code.record_of(plain, single)[driver.LEAST_STREAMED] == processor.cache_bytes() // (2 * 4)
    assert cpu_code.record_of(two, single)[driver.LEAST_STREAMED] == processor.cache_bytes() // (3 * 4)
    for record in cpu_code.record_of(plain, STORAGE["float16"]), cpu_code.record_of(heavy, single):
        assert record[driver.LEAST_STREAMED] == driver.NEVER


def test_given_outputs(threading):
    x = numbers((300, 40), "f4")
    out = np.empty((40, 300), "f4").T
    first, second = cpu.call(two, [x, np.float32(0.5) * np.ones(40, "f4")], out=(out, None))
    assert first is out
    for result, expected in zip((first, second), reference(two, x, np.full(40, 0.5, "f4")), strict=True):
        assert_same(result, expected)
    wide = np.empty(x.shape, "f8")
    assert cpu.call(plain, [x], out=(wide,))[0] is wide
    assert_same(wide, cpu_ufunc.ufunc(plain)(x).astype("f8"))
    with pytest.raises(ValueError, match="read-only"):
        cpu.call(plain, [x], out=(np.broadcast_to(np.float32(0), x.shape),))
    with pytest.raises(ValueError, match="shape"):
        cpu.call(plain, [x], out=(np.empty(3, "f4"),))


def test_many_dimensions(threading):
    x = numbers((3,) * 10, "f4")[:, ::2, :, ::2, :, ::2, :, ::2, :, ::2]
    y = x.swapaxes(0, 8)
    assert_same(cpu.call(binary, [x, y])[0], reference(binary, x, y)[0])
    total, = cpu.reduce(binary, [x, y], [()])
    assert total == pytest.approx(float(reference(binary, x, y)[0].sum(dtype="f8")), rel=1e-6)


def test_reduce_and_accumulate_in_sequence():
    x = numbers(100, "f8")
    expected = [x[0]]
    for value in x[1:]:
        expected.append(expected[-1] * 0.5 + value)
    assert_same(cpu_ufunc.ufunc(binary).accumulate(x), np.array(expected))
    assert_same(cpu_ufunc.ufunc(binary).reduce(x), expected[-1])
    table = x.reshape(10, 10)
    assert_same(cpu_ufunc.ufunc(binary).accumulate(table, axis=0)[1], table[0] * 0.5 + table[1])


# --- sums -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("target", [(), (1, 1), (500,), (600, 1), (1, 500)])
def test_sums_do_not_depend_on_threads(target):
    x, alpha = numbers((600, 500), "f4"), numbers(500, "f4", 1)
    before, bits = threads.control[driver.MIN_WORK], set()
    for least in (1, 1 << 60):
        threads.control[driver.MIN_WORK] = least
        for _ in range(3):
            total = cpu.reduce(two, [np.array(x, copy=True), alpha], [None, target])[1]
            bits.add(total.tobytes())
    threads.control[driver.MIN_WORK] = before
    assert len(bits) == 1
    check_sum(total, reference(two, x, alpha)[1], target, np.dtype("f4"))


def test_sum_of_nothing():
    assert_same(cpu.reduce(two, [np.empty((0, 3), "f4"), np.ones(3, "f4")], [(1, 3), (3,)])[1], np.zeros(3, "f4"))


def test_sum_is_exact_in_float64():
    ones = kernel("ones", ("x",), (), lambda dtype: (argument("x", dtype) * 1 + 0,))
    assert cpu.reduce(ones, [np.full(3_000_000, 1 + 2**-20, "f4")], [()])[0] == np.float32(3_000_000 * (1 + 2**-20))
    assert cpu.reduce(ones, [np.full(4096, 3, "f2")], [()])[0] == 12288


# --- status, errors, threads ------------------------------------------------------------------------------------------
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the flags' numbers are Linux's")
@pytest.mark.parametrize("raised", [0, 4, 1 | 16])          # none; division by zero; invalid and underflow
def test_the_processors_flags_are_as_they_were(monkeypatch, raised):
    """Read around the driver itself, for NumPy clears the flags around every ufunc."""
    maths, launch, seen = ctypes.CDLL("libm.so.6"), cpu.launcher(), []

    def watched(job):
        maths.feclearexcept(1 | 4 | 8 | 16)
        maths.feraiseexcept(raised)
        launch(job)
        seen.append(maths.fetestexcept(1 | 4 | 8 | 16))
    monkeypatch.setattr(cpu, "launcher", lambda: watched)
    values = np.tile(np.float32([np.inf, -np.inf, np.nan, 1e-45, 3e38, -95]), 4000)
    square = kernel("square_over", ("x", "alpha"), ("alpha",), lambda dtype: (
        argument("x", dtype) * argument("x", dtype) / argument("alpha", dtype),))
    cpu.reduce(square, [values, np.zeros((), "f4")], [()])
    assert seen == [raised]
    maths.feclearexcept(1 | 4 | 8 | 16)


@pytest.mark.parametrize("n", [3, 3_000_000])
def test_floating_point_status_is_left_alone(n):
    square = kernel("square", ("x",), (), lambda dtype: (argument("x", dtype) * argument("x", dtype) / 0.0,))
    x = np.full(n, 1e30, "f4")
    with np.errstate(all="raise"):
        assert np.isinf(cpu.call(square, [x])[0]).all()
        assert np.isinf(cpu_ufunc.ufunc(square)(x)).all()


def test_failed_compilation_reaches_the_caller(monkeypatch):
    def build(dtype):
        raise KeyboardInterrupt
    broken = kernel("broken", ("x",), (), build)
    with pytest.raises(KeyboardInterrupt):
        cpu.call(broken, [np.ones(3)])
    reports, out = [], np.ones(6, "f4")
    monkeypatch.setattr(sys, "unraisablehook", reports.append)
    cpu_ufunc.ufunc(broken)(np.ones(3, "f4"), out=out[::2])
    np.testing.assert_array_equal(out, [np.nan, 1] * 3)
    assert isinstance(reports[0].exc_value, KeyboardInterrupt)


def test_one_compilation_for_many_threads():
    built = []

    def build(dtype):
        built.append(dtype)
        return (argument("x", dtype) * 3 + 7,)
    fresh = kernel("fresh", ("x",), (), build)
    x = np.arange(8.0)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        calls = [cpu_ufunc.ufunc(fresh) if i % 2 else lambda x: cpu.call(fresh, [x])[0] for i in range(16)]
        for result in pool.map(lambda call: call(x), calls):
            assert_same(result, x * 3 + 7)
    assert built.count("float64") == 1


# --- what the backends agree on ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("operands", "expected"), [
    ((np.float16(1), 2.0), "float16"), ((np.ones(2, bfloat16), 1, True), bfloat16),
    ((np.ones(2, "f4"), 0.5), "float32"),
    ((np.ones(2, "f4"), np.ones(2)), "float64"), ((np.arange(3),), "float64"), ((np.array(True), 1.0), "float64"),
    ((1.5, 2), "float64"), (([1, 2],), "float64"), ((np.ones(2, ">f4"),), "float32"),
    ((np.ones(2, "f4"), np.int8(1)), "float32"), ((np.ones(2, bfloat16), np.ones(1, "f4")), "float32"),
])
def test_result_dtype(operands, expected):
    assert dtypes.result_dtype(operands) == np.dtype(expected)
    assert dtypes.result_dtype(operands).isnative
    assert dtypes.result_dtype(operands, "f2") == np.float16


@pytest.mark.parametrize("operand", [np.ones(2, "c8"), 1j, np.array(["a"]), np.array([None]),
                                     np.array(["2020"], "M8[D]"), np.ones(2, np.longdouble)])
def test_unsupported_dtypes(operand):
    with pytest.raises(TypeError, match="not supported; float16, bfloat16, float32, float64"):
        dtypes.result_dtype((np.ones(2, "f4"), operand))
    with pytest.raises(TypeError, match="not supported"):
        dtypes.result_dtype((operand,))


def test_backend_of():
    class OnDevice:
        __cuda_array_interface__ = None

    assert dispatch.backend_of((np.ones(3), 2.0)) is cpu
    with pytest.raises(TypeError, match=r"cupy.asarray\(x\) or x.get\(\)"):
        dispatch.backend_of((np.ones(3), OnDevice()))


def test_too_many_operands():
    names = tuple("abcdefghijklmnop")
    wide = kernel("wide", names, (), lambda dtype: (sum(argument(n, dtype) for n in names[1:]) + argument("a", dtype),))
    with pytest.raises(ValueError, match="wide: at most 16 inputs and outputs fit in a kernel, not 17"):
        cpu_ufunc.ensure(wide, "float32")


@pytest.mark.parametrize("period", [1, 3, 64, 512, 513])
def test_patterns_that_repeat(threading, period):
    x, alpha = numbers((777, period), "f4"), numbers(period, "f4", 1)
    for operands in ([x, alpha], [x[:, None], np.repeat(alpha, 5).reshape(period, 5).T]):
        for result, expected in zip(cpu.call(two, operands), reference(two, *operands), strict=True):
            assert_same(result, expected)


def test_subnormals_whatever_the_callers_mode():
    """Other libraries set the processor to flush subnormals; numba_act's answers do not change."""
    torch = pytest.importorskip("torch")
    halve = kernel("halve", ("x",), (), lambda dtype: (argument("x", dtype) * 0.5,))
    x = np.full(100, np.finfo("f4").smallest_normal)
    if not torch.set_flush_denormal(True):
        pytest.skip("no such mode on this processor")
    try:
        bits = cpu_ufunc.ufunc(halve)(x).view("u4")
        assert (np.multiply(x, np.float32(0.5)).view("u4") == 0).all()            # the mode is as it was
    finally:
        torch.set_flush_denormal(False)
    assert (bits == 1 << 22).all()


def test_symbols():
    names = "gelu", "größe", "grö", "gr_f6_", "<lambda>", "_3c_lambda_3e_", "a b", "a_20_b", "\udc80", ""
    symbols = [symbol(name) for name in names]
    assert all(re.fullmatch("[A-Za-z0-9_]*", s) for s in symbols)
    assert len(set(symbols)) == len(names)
    assert symbols[0] == "gelu"


@pytest.mark.parametrize("raw_first", [True, False])
def test_bfloat16_whoever_calls_first(raw_first):
    fresh, x = kernel("first", ("x",), (), lambda dtype: (argument("x", dtype) * 3,)), numbers(9, bfloat16)
    ways = [lambda: cpu_ufunc.ufunc(fresh)(x), lambda: cpu.call(fresh, [x])[0], lambda: cpu_ufunc.ufunc(fresh)(x)]
    for way in ways[not raw_first:]:
        assert_same(way(), reference(fresh, x)[0].astype(bfloat16))
