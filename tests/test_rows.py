"""softmax and its relatives, judged in extended precision: values, gradients, every layout, dtype and option."""
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_docs import check
from tools import BFLOAT16, DTYPES, every_dtype, generator, same_bits

import numba_act as act
from numba_act import fast
from numba_act.backends.rows import cpu
from numba_act.runtime import driver, threads

WIDE = np.longdouble
NAMES = ["softmax", "softmin", "log_softmax", "logsumexp"]
FLOAT16, FLOAT32, FLOAT64 = (np.dtype(f"f{size}") for size in (2, 4, 8))
every_name = pytest.mark.parametrize("name", NAMES)


# --- the definition ---------------------------------------------------------------------------------------------------
def wide(x):
    return np.asarray(x).astype(np.float64).astype(WIDE) if np.asarray(x).dtype == BFLOAT16 else np.asarray(x, WIDE)


def parts(name, x, axis, where=None, temperature=1.0, sink=None):
    """x - top over the temperature, log of the sum of its exponentials, its softmax, and that of the sink."""
    with np.errstate(all="ignore"):
        return _parts(name, x, axis, where, temperature, sink)


def _parts(name, x, axis, where, temperature, sink):
    x = -wide(x) if name == "softmin" else wide(x)
    x = x if where is None else np.where(where, x, -np.inf)
    temperature = wide(temperature)
    top = x.max(axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0) / temperature
    top = top if sink is None else np.maximum(top, wide(sink))
    z = x / temperature - top
    total = np.exp(z).sum(axis, keepdims=True) + (0 if sink is None else np.exp(wide(sink) - top))
    return z, top, np.log(total), np.exp(z) / np.where(total == 0, 1, total), (
        None if sink is None else np.exp(wide(sink) - top) / total)


def definition(name, x, axis, where=None, **options):
    z, top, log, y, _ = parts(name, x, axis, where, **options)
    with np.errstate(all="ignore"):
        if name == "logsumexp":
            return (top + log).squeeze(axis)
        return np.where(np.isneginf(z), -np.inf, z - log) if name == "log_softmax" else y


def gradient(name, gy, x, axis, where=None, temperature=1.0, sink=None):
    """The gradient in x, and the sum of the sizes of its terms."""
    _, _, _, y, _ = parts(name, x, axis, where, temperature, sink)
    return gradient_of_shares(name, gy, y, axis, where, temperature)


def gradient_of_result(name, gy, y, axis, where=None, temperature=1.0, sink=None):
    """The same where the result, as it was rounded, is all that is known."""
    y = np.exp(wide(y)) if name == "log_softmax" else wide(y)
    return gradient_of_shares(name, gy, y, axis, where, temperature)


def gradient_of_shares(name, gy, y, axis, where, temperature):
    if name == "logsumexp":
        gy = wide(gy) if np.ndim(gy) == np.ndim(y) else np.expand_dims(wide(gy), axis)
        return y * gy / wide(temperature), np.abs(y * gy / wide(temperature))
    gy = wide(gy) if where is None else np.where(where, wide(gy), 0)
    gradient, size = (of_terms(name, g, y, axis) for g in (gy, np.abs(gy)))
    sign = -1 if name == "softmin" else 1
    return sign * (gradient[0] - gradient[1]) / wide(temperature), sum(size) / wide(temperature)


def of_terms(name, gy, y, axis):
    if name == "log_softmax":
        return gy, y * gy.sum(axis, keepdims=True)
    return y * gy, y * (gy * y).sum(axis, keepdims=True)


def units(actual, true, dtype, least=0):
    """The error in units of the last place of what is true, or of `least` if that is larger."""
    actual, scale = wide(actual), np.maximum(np.abs(true), least)
    info = {FLOAT16: (10, -14), BFLOAT16: (7, -126), FLOAT32: (23, -126), FLOAT64: (52, -1022)}[np.dtype(dtype)]
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(scale)[1] - 1, info[1])
        error = np.abs(actual - true) / np.ldexp(WIDE(1), exponent - info[0])
    same = (actual == true) | (np.isnan(actual) & np.isnan(true))
    return float(np.max(np.where(same, 0, np.where(np.isnan(error), np.inf, error)), initial=0))


def bound(name, dtype):
    return 0.501 if dtype in (FLOAT16, BFLOAT16) else 4 if dtype == FLOAT64 or "log" in name else 3


def least(name):
    return 2.0**-4 if "log" in name else 0


def numbers(shape, dtype, *seed, scale=5):
    with np.errstate(all="ignore"):
        return (scale * generator("rows", *seed).standard_normal(shape)).astype(dtype)


# --- values -----------------------------------------------------------------------------------------------------------
@every_name
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 100, 1000, 16385, 100_003])
def test_rows_of_any_length(name, dtype, n):
    for scale in (1, 30):
        x = numbers((3, n), dtype, n, scale=scale)
        y = getattr(act, name)(x)
        assert y.dtype == dtype
        assert units(y, definition(name, x, 1), dtype, least(name)) <= bound(name, dtype)


@every_name
def test_a_million(name):
    x = numbers((1, 1_000_000), np.float32, scale=1)
    assert units(getattr(act, name)(x), definition(name, x, 1), FLOAT32, least(name)) <= bound(name, FLOAT32)


@pytest.mark.parametrize("n", [65_504, 65_536])
def test_float16_counts_beyond_its_largest_number(n):
    x = np.zeros((2, n), np.float16)
    np.testing.assert_array_equal(act.softmax(x), np.float16(1 / n))
    np.testing.assert_array_equal(act.logsumexp(x), np.float16(np.log(n)))


@every_name
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("size", [1e2, 1e4, 1e8, 1e30, 1e38])
def test_large_logits(name, dtype, size):
    x = (size + numbers((20, 40), np.float64, scale=1) * 30).astype(dtype)
    for sign in (1, -1):
        y, true = getattr(act, name)(sign * x), definition(name, sign * x, 1)
        assert units(y, true, dtype, least(name)) <= bound(name, dtype)


@every_name
@every_dtype
def test_subnormal_results(name, dtype):
    steps = np.linspace(0, {FLOAT16: 20, FLOAT64: 760}.get(dtype, 110), 400)
    x = np.stack([-steps, steps]).astype(dtype)
    assert units(getattr(act, name)(x), definition(name, x, 1), dtype, least(name)) <= bound(name, dtype)


LAYOUTS = {
    "C": lambda x: x, "Fortran": np.asfortranarray, "transposed": lambda x: x.T, "every other": lambda x: x[:, ::2],
    "backwards": lambda x: x[::-1, ::-1], "every third row": lambda x: x[::3], "moved": lambda x: np.moveaxis(x, 0, 1),
    "odd address": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
    "other bytes": lambda x: x.astype(x.dtype.newbyteorder()) if x.dtype != BFLOAT16 else x,
}


@every_name
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_do_not_depend_on_the_layout(name, dtype, layout):
    for shape in ((5, 7), (40, 23), (33, 70)):
        x = numbers(shape, dtype, shape)
        laid = LAYOUTS[layout](x)
        plain = np.ascontiguousarray(laid.astype(dtype))
        for axis in (0, 1):
            by_row = np.stack([getattr(act, name)(row.copy()) for row in np.moveaxis(plain, axis, 1)])
            expected = by_row if name == "logsumexp" else np.moveaxis(by_row, 1, axis)
            same_bits(getattr(act, name)(laid, axis), expected)


@every_dtype
def test_small_arrays_that_come_again(dtype):
    """One after the other goes to a ufunc of their shape, which takes no others and sets no floating-point errors."""
    x, odd = numbers((40, 30), dtype, 1), LAYOUTS["odd address"]
    y = act.softmax(x, 0)
    calls = [lambda of: act.softmax(of(x), 0), lambda of: act.softmax.backward(of(x), y=of(y), axis=0),
             lambda of: act.log_softmax.backward(of(x), of(y), axis=0)]
    for call in calls:
        expected, size = call(np.asfortranarray), np.setbufsize(16)
        try:
            with np.errstate(all="raise"):
                for of in (np.copy, np.copy, odd, odd, np.copy):
                    same_bits(call(of), expected)
        finally:
            np.setbufsize(size)


@every_dtype
@pytest.mark.parametrize("n", [64, 100, 17_000])
def test_bits_of_gradients_do_not_depend_on_how_many_rows_are_read_at_a_time(dtype, n, monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 1)
    cpu.plan_of.cache_clear()
    gy, y, where = numbers((n, 150), dtype), numbers((n, 150), dtype, 1), numbers((n, 150), FLOAT32, 2) < 3
    for name, mask in (("softmax", None), ("softmin", where), ("log_softmax", where)):
        backward = getattr(act, name).backward
        by_row = [backward(gy[:, k].copy(), y=y[:, k].copy(), where=mask if mask is None else mask[:, k].copy())
                  for k in range(150)]
        same_bits(backward(gy, y=y, axis=0, where=mask), np.stack(by_row, 1))
    monkeypatch.undo()
    cpu.plan_of.cache_clear()


@pytest.mark.parametrize("shape", [(3, 50_000), (50_000, 3), (50_000, 20), (7, 2000, 9)])
@every_name
def test_bits_do_not_depend_on_threads(name, shape):
    x, bits = numbers(shape, np.float32), set()
    try:
        for work in (1, 1 << 60):
            threads.control[driver.MIN_WORK] = work
            bits |= {(axis, getattr(act, name)(x, axis).tobytes()) for axis in range(len(shape))}
    finally:
        threads.control[driver.MIN_WORK] = threads.MIN_WORK
    assert len(bits) == len(shape)


@pytest.mark.parametrize("dtype", [FLOAT16, FLOAT32, FLOAT64], ids=str)
def test_threads_share_a_long_row(dtype, monkeypatch):
    """By pieces that are joined as one thread joins them."""
    x, where = numbers(300_003, dtype), numbers(300_003, FLOAT32, 1) < 3
    calls = [lambda x: act.softmax(x, temperature=2), act.softmax, lambda x: act.log_softmax(x, out=x),
             lambda x: act.logsumexp(x, temperature=0.7, sink=1.0, where=where),
             lambda x: act.softmax.backward(x[::-1].copy(), x, temperature=2),
             lambda x: act.softmax_cross_entropy.value_and_grad(x[None], [300_001])[1]]
    found = []
    monkeypatch.setattr(threads, "processors", lambda: 2)
    for _ in range(2):
        cpu.plan_of.cache_clear()
        found.append([call(x.copy()) for call in calls])
        monkeypatch.setattr(cpu, "LONG", 1 << 40)
    for shared, alone in zip(*found, strict=True):
        same_bits(shared, alone)
    monkeypatch.undo()
    cpu.plan_of.cache_clear()


def test_eight_threads_at_once():
    x = numbers((64, 3000), np.float32)
    expected, wrong = act.softmax(x), []

    def work():
        for _ in range(20):
            if not np.array_equal(act.softmax(x), expected):
                wrong.append(1)
    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@st.composite
def cases(draw):
    ndim = draw(st.integers(1, 4))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 16, 17, 40]), min_size=ndim, max_size=ndim)))
    axis, dtype = draw(st.integers(-ndim, ndim - 1)), draw(st.sampled_from(DTYPES))
    seed = draw(st.integers(0, 1 << 30))
    x = numbers(shape, dtype, seed, scale=draw(st.sampled_from([0.1, 3, 30])))
    x = x.transpose(draw(st.permutations(range(ndim))))
    x = x[tuple(slice(None, None, draw(st.sampled_from([1, 1, 2, -1]))) for _ in range(ndim))]
    options, rng = {}, generator("options", seed)
    given = draw(st.sampled_from(["", "where", "temperature sink", "where temperature sink"]))
    if "where" in given:
        mask_shape = tuple(n if draw(st.booleans()) else 1 for n in x.shape)
        options["where"] = rng.random(mask_shape) < draw(st.sampled_from([0.2, 0.7]))
    if "sink" in given:
        options["temperature"] = dtype.type(draw(st.sampled_from([0.1, 2.0, 0.75])))
        of_row = list(x.shape)
        of_row[axis] = 1
        options["sink"] = (3 * rng.standard_normal([n if draw(st.booleans()) else 1 for n in of_row])).astype(dtype)
    return x, axis, options


@every_name
@given(case=cases())
@settings(max_examples=25, deadline=None)
def test_values(name, case):
    x, axis, options = case
    true = definition(name, x, axis, **options)
    y = getattr(act, name)(x, axis, **options)
    assert y.shape == true.shape
    assert units(y, true, x.dtype, least(name)) <= bound(name, x.dtype)
    out = np.full(true.shape, 7, x.dtype)
    assert getattr(act, name)(x, axis, out=out, **options) is out
    same_bits(out, y)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_gradients_of_logsumexp_that_come_again(axis):
    """Of arrays that are as the ones before, of those that only broadcast as they do, and of a number."""
    x = numbers((5, 4, 3), np.float32)
    gy = numbers(np.delete(x.shape, axis), np.float32, 1)
    expected = act.logsumexp.backward(np.expand_dims(gy, axis), x, axis)
    for _ in range(2):
        same_bits(act.logsumexp.backward(gy, x, axis=axis), expected)
        same_bits(act.logsumexp.backward(gy, x, axis), expected)
        same_bits(act.logsumexp.backward(np.expand_dims(gy, axis), x, axis), expected)
        same_bits(act.logsumexp.backward(gy[:1, :1], x, axis), act.logsumexp.backward(gy[0, 0], x, axis))
    same_bits(act.logsumexp.backward(gy[0, 0], x[0, 0]), act.logsumexp.backward(gy[0, :1], x[0, 0]))


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_logsumexp_near_0(dtype):
    """Where the logarithm takes away the largest number: of exponentials that are rounded it would be 5 units wrong."""
    x, sink = numbers((20_000, 2), dtype, scale=0.1), numbers((20_000, 1), dtype, 1)
    options = {"temperature": dtype.type(0.1), "sink": sink}
    true = definition("logsumexp", x, 1, **options)
    assert units(act.logsumexp(x, 1, **options), true, dtype, least("logsumexp")) < 1.5


@every_name
@given(case=cases(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_gradients(name, case, data):
    x, axis, options = case
    of_result = name != "logsumexp" and data.draw(st.booleans())
    f, y = getattr(act, name), getattr(act, name)(x, axis, **options)
    gy = numbers(y.shape, x.dtype, y.shape)
    if of_result:
        gx = f.backward(gy, axis=axis, y=y, **{k: v for k, v in options.items() if k != "sink"})
        true, size = gradient_of_result(name, gy, y, axis, **options)
    else:
        gx = f.backward(gy, x, axis, **options)
        true, size = gradient(name, gy, x, axis, **options)
    assert gx.shape == x.shape
    assert units(gx, true, x.dtype, size) <= (0.53 if x.dtype.itemsize == 2 else 4)
    if "sink" in options and not of_result:
        both = f.backward(gy, x, axis, **options, wrt=("x", "sink"))
        same_bits(both[0], gx)
        assert both[1].shape == options["sink"].shape


@pytest.mark.parametrize("name", ["softmax", "softmin"])
def test_the_gradient_of_a_subnormal_result(name):
    """Half a unit of the smallest numbers, which the result has lost, is 27 of the gradient from it: judged is what
    follows from the result that there is."""
    x, sink = np.array([4.25, -5.0], BFLOAT16) * (1 if name == "softmin" else -1), np.array([2.3125], BFLOAT16)
    options = {"temperature": 0.100098}
    y = getattr(act, name)(x, sink=sink, **options)
    assert 0 < float(y[0]) < 2.0**-126
    gy = np.array([-4.75, 0.25], BFLOAT16)
    true, size = gradient_of_result(name, gy, y, 0, **options)
    assert units(getattr(act, name).backward(gy, y=y, **options), true, BFLOAT16, size) <= 0.53


# --- what is special --------------------------------------------------------------------------------------------------
@every_dtype
def test_infinities_and_nan(dtype):
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, 0, -inf], [inf, 0, 1], [-inf] * 3, [nan, inf, 0], [inf, inf, 0]], dtype)
    with np.errstate(all="raise"):
        same_bits(act.softmax(x), np.array([[0, 1, 0]] + [[nan] * 3] * 4, dtype))
        same_bits(act.log_softmax(x), np.array([[-inf, 0, -inf]] + [[nan] * 3] * 4, dtype))
        same_bits(act.logsumexp(x), np.array([0, inf, -inf, nan, inf], dtype))
        same_bits(act.softmin(-x), np.array([[0, 1, 0]] + [[nan] * 3] * 4, dtype))


@every_dtype
def test_masks(dtype):
    inf, nan = np.inf, np.nan
    x, where = np.array([[nan, 1, 1], [nan, 5, inf]], dtype), np.array([[False, True, True], [False] * 3])
    half, log = dtype.type(0.5), np.array(np.log(2), dtype)
    same_bits(act.softmax(x, where=where), np.array([[0, half, half], [0, 0, 0]], dtype))
    same_bits(act.log_softmax(x, where=where), np.array([[-inf, -log, -log], [-inf] * 3], dtype))
    assert np.isneginf(act.logsumexp(x, where=where)[1])
    gy = np.array([[nan, 1, -1], [nan, inf, 2]], dtype)
    same_bits(act.softmax.backward(gy, x, where=where), np.array([[0, half, -half], [0, 0, 0]], dtype))
    same_bits(act.softmax.backward(gy, y=act.softmax(x, where=where), where=where),
              np.array([[0, half, -half], [0, 0, 0]], dtype))


def test_a_sink_is_one_more_number():
    x, sink = numbers((4, 9), np.float64), numbers((4, 1), np.float64, 1)
    np.testing.assert_allclose(act.softmax(x, sink=sink), act.softmax(np.hstack([x, sink]))[:, :-1], rtol=1e-15)
    np.testing.assert_allclose(act.logsumexp(x, sink=sink), act.logsumexp(np.hstack([x, sink])), rtol=1e-15)
    np.testing.assert_allclose(act.softmax(x, sink=np.inf), 0)
    same_bits(act.softmax(x, sink=-np.inf), act.softmax(x))


def test_the_sinks_gradient_is_summed():
    x, sink, gy = numbers((2, 3, 5), np.float64), numbers((3, 1), np.float64, 1), numbers((2, 3, 5), np.float64, 2)
    for name in ("softmax", "softmin", "log_softmax"):
        f = getattr(act, name)
        own = f.backward(gy, x, sink=sink, wrt="sink")
        step = 1e-6
        numeric = [((f(x, sink=sink + step * e) - f(x, sink=sink - step * e)) * gy).sum() / (2 * step)
                   for e in np.eye(3)[:, :, None]]
        np.testing.assert_allclose(own.ravel(), numeric, rtol=1e-4)
    assert isinstance(act.softmax.backward(gy, x, sink=0.5, wrt="sink"), float)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_nothing(shape):
    x = np.empty(shape, np.float32)
    for name in ("softmax", "softmin", "log_softmax"):
        assert getattr(act, name)(x).shape == shape
        assert getattr(act, name).backward(x, x).shape == shape
    same_bits(act.logsumexp(x), np.full(shape[:-1], -np.inf, np.float32)[()])
    same_bits(act.logsumexp(np.empty((0, 3), np.float32), 0), np.full(3, -np.inf, np.float32))


def test_other_numbers():
    same_bits(act.softmax([1, 2, 3]), act.softmax(np.array([1.0, 2.0, 3.0])))
    same_bits(act.softmax(np.array([True, False])), act.softmax(np.array([1.0, 0.0])))
    same_bits(act.softmax(np.float32([1, 2]), dtype="f8"), act.softmax(np.array([1.0, 2.0])))
    assert isinstance(act.logsumexp(np.float32([1, 2])), np.float32)
    assert act.logsumexp(np.ones((2, 3)), 0, keepdims=True).shape == (1, 3)


@every_name
def test_results_in_place(name):
    if name == "logsumexp":
        return
    for shape in ((5, 7), (3, 40_000)):
        x = numbers(shape, np.float32)
        gy, f = numbers(shape, np.float32, 1), getattr(act, name)
        expected, slope = f(x), f.backward(gy, x)
        same_bits(f(x, out=x.copy()), expected)
        own = x.copy()
        same_bits(f(own, out=own), expected)
        own, other = x.copy(), gy.copy()
        same_bits(f.backward(other, own, out=other), slope)
        same_bits(f.backward(gy, own, out=own), slope)
        large = np.zeros((shape[0] + 1, shape[1]), np.float32)
        large[1:] = x
        same_bits(f(large[1:], out=large[:-1]), expected)


@every_dtype
@pytest.mark.parametrize("axis", [0, 1])
def test_results_beside_other_numbers(dtype, axis):
    for n in (*range(1, 20), 31, 150):
        x, room = numbers((70, n), dtype), np.full((90, n + 40), 7, dtype)
        place = room[10:-10, 5:-35]
        act.softmax(x, axis, out=place)
        same_bits(place, act.softmax(x, axis))
        place[:] = 7
        assert (room == 7).all()


def test_a_wider_output():
    out = np.empty((2, 3))
    assert act.softmax(np.float32([[1, 2, 3]] * 2), out=out) is out
    same_bits(out.astype("f4"), act.softmax(np.float32([[1, 2, 3]] * 2)))


# --- cases of SciPy and torch -----------------------------------------------------------------------------------------
def test_cases_of_scipy():
    np.testing.assert_allclose(act.softmax(np.array([1000.0, 0, 0, 0])), [1, 0, 0, 0], rtol=1e-13)
    np.testing.assert_allclose(act.softmax(np.array([1.0, 1])), [0.5, 0.5], rtol=1e-13)
    np.testing.assert_allclose(act.softmax(np.array([0.0, 1])), np.array([1, np.e]) / (1 + np.e), rtol=1e-13)
    x = np.arange(4.0)
    expected = [0.03205860328008499, 0.08714431874203256, 0.23688281808991013, 0.6439142598879722]
    for moved in (x, x + 100):
        np.testing.assert_allclose(act.softmax(moved), expected, rtol=1e-13)
    np.testing.assert_allclose(act.softmax(np.array([[1000.0, 0], [0, 1000]]), 0), [[1, 0], [0, 1]])
    np.testing.assert_allclose(act.log_softmax(np.array([1000.0, 1])), [0, -999], rtol=1e-13)
    logs = [-3.4401896985611953, -2.4401896985611953, -1.4401896985611953, -0.44018969856119533]
    for moved in (x, x + 100):
        np.testing.assert_allclose(act.log_softmax(moved), logs, rtol=1e-13)
    np.testing.assert_allclose(act.logsumexp(np.arange(200.0)), np.log(np.sum(np.exp(np.arange(200.0)))), rtol=1e-15)
    np.testing.assert_allclose(act.logsumexp(np.array([10000.0, 10000])), 10000 + np.log(2), rtol=1e-15)
    assert act.logsumexp(np.array([-np.inf, np.inf])) == np.inf
    assert act.logsumexp(np.array([1e10, 1e10])) == 1e10 + np.log(2)


def test_gradients_of_torch():
    torch = pytest.importorskip("torch")
    x, gy = numbers((4, 6), np.float64), numbers((4, 6), np.float64, 1)
    for name in NAMES:
        t = torch.tensor(x, requires_grad=True)
        y = torch.softmax(-t, 1) if name == "softmin" else getattr(torch, name)(t, 1)
        own = gy[:, 0] if name == "logsumexp" else gy
        y.backward(torch.tensor(own))
        np.testing.assert_allclose(getattr(act, name)(x), y.detach().numpy(), rtol=1e-13)
        np.testing.assert_allclose(getattr(act, name).backward(own, x), t.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_a_gradient_broadcasts_to_the_operand():
    x, gy = np.float32([[0, 1, 3], [2, 0, 1]]), np.float32([[1, 2, -1]])
    every = np.repeat(gy, 2, 0)
    same_bits(act.softmax.backward(gy, x), act.softmax.backward(every, x))
    same_bits(act.softmax.backward(gy[0], y=x), act.softmax.backward(every, y=x))
    same_bits(act.softmax.backward(2.0, x), act.softmax.backward(np.full_like(x, 2), x))


def test_the_result_beside_the_operand_of_logsumexp():
    x, gy = np.float32([[0, 1, 3], [2, 0, 1]]), np.float32([1, 2])
    same_bits(act.logsumexp.backward(gy, x, y=act.logsumexp(x)), act.logsumexp.backward(gy, x))


def test_an_ellipsis_as_output():
    """As NumPy takes it: the result is an array, also without axes."""
    y = act.logsumexp(X[0], out=...)
    assert type(y) is np.ndarray and y.shape == () and y == act.logsumexp(X[0])
    same_bits(act.softmax(X, out=...), act.softmax(X))


# --- names and errors -------------------------------------------------------------------------------------------------
@every_name
def test_known_by_name(name):
    f = getattr(act, name)
    assert act.get(name) is f
    assert act.get(f) is f
    for made in (f, f.backward):
        assert pickle.loads(pickle.dumps(made)) is made
    assert getattr(fast, name) is f is f.fast is fast.get(name)
    assert name not in act.activations
    assert f.__doc__
    assert not hasattr(f, "grad")
    assert repr(f).startswith(f"<row function {name}(x, axis=-1, *, where=None")


def test_aliases():
    assert act.logsoftmax is act.log_softmax is act.get("logsoftmax")


X = np.ones((2, 3), np.float32)
BAD = {
    "no operand": (lambda f, o: f(out=o), TypeError, "missing 1 required .* argument: 'x'; accepted are x, axis"),
    "unknown option": (lambda f, o: f(X, axes=1, out=o), TypeError, "'axes'; accepted are x, axis, where"),
    "axis beyond": (lambda f, o: f(X, 2, out=o), ValueError, "axis=2 is none of .*; accepted are -2 to 1"),
    "two axes": (lambda f, o: f(X, (0, 1), out=o), TypeError, r"axis=\(0, 1\) is not accepted; one int is"),
    "no axis": (lambda f, o: f(X, None, out=o), TypeError, "axis=None is not accepted; one int is"),
    "a float axis": (lambda f, o: f(X, -1.0, out=o), TypeError, "axis=-1.0 is not accepted; one int is"),
    "a number": (lambda f, o: f(3.0, out=o), ValueError, "x is a number; an array with an axis is accepted"),
    "a number with an axis": (lambda f, o: f(np.float32(3), 0, out=o), ValueError, "x is a number"),
    "complex": (lambda f, o: f(X + 1j, out=o), TypeError, "x: dtype complex64 is not supported"),
    "words": (lambda f, o: f(np.array(["a"]), out=o), TypeError, "x: dtype <U1 is not supported"),
    "mask of another shape": (lambda f, o: f(X, where=np.ones(5, bool), out=o), ValueError, r"where has shape \(5,\)"),
    "mask of numbers": (lambda f, o: f(X, where=X, out=o), TypeError, "where has dtype float32; a mask of bool"),
    "sink along the row": (lambda f, o: f(X, sink=np.ones(3), out=o), ValueError, r"sink has shape \(3,\)"),
    "sink of words": (lambda f, o: f(X, sink="a", out=o), TypeError, "sink: dtype <U1 is not supported"),
    "no temperature": (lambda f, o: f(X, temperature=0, out=o), ValueError, "temperature=0 is not accepted"),
    "temperatures": (lambda f, o: f(X, temperature=[1], out=o), ValueError, r"temperature=\[1\] is not accepted"),
    "longdouble": (lambda f, o: f(X, dtype=np.longdouble, out=o), TypeError, "dtype .* is not supported"),
}


@every_name
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_out_alone(name, case):
    call, error, message = BAD[case]
    f, out = getattr(act, name), np.full((2,) if name == "logsumexp" else (2, 3), 7, np.float32)
    f(X), f(X[0])
    with pytest.raises(error, match=message) as caught:
        call(f, out)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(out, 7)


def test_bad_outputs():
    for out, error, message in ((np.zeros(3, "f4"), ValueError, r"out has shape \(3,\); the result has \(2, 3\)"),
                                (np.zeros((2, 3), int), TypeError, "out has dtype int64"),
                                ([1], TypeError, "out must be a NumPy array like the operands, not list"),
                                (np.broadcast_to(np.float32(7), (2, 3)), ValueError, "out is read-only")):
        before = np.array(out, copy=True)
        with pytest.raises(error, match=f"softmax: {message}"):
            act.softmax(X, out=out)
        np.testing.assert_array_equal(out, before)


def test_bad_gradients():
    b = act.softmax.backward
    for call, error, message in ((lambda: b(X), TypeError, "one of x and y= is accepted"),
                                 (lambda: b(X, X, y=X), TypeError, "one of x and y= is accepted"),
                                 (lambda: b(X, X, wrt="sink"), ValueError, "wrt='sink' is not accepted; x of"),
                                 (lambda: b(X, y=X, sink=1.0, wrt="sink"), TypeError, "the gradient in x alone"),
                                 (lambda: b(np.ones((3, 2), "f4"), X), ValueError, r"gy has shape \(3, 2\); .* of x"),
                                 (lambda: b(X, X[0]), ValueError, r"gy has shape \(2, 3\); .* of x, \(3,\), is"),
                                 (lambda: b(X, y=X[0]), ValueError, r"gy has shape \(2, 3\); .* of y, \(3,\), is"),
                                 (lambda: b(None, X), TypeError, "gy: dtype object is not supported"),
                                 (lambda: b(), TypeError, "'gy'; accepted are gy, x, axis")):
        with pytest.raises(error, match=message) as caught:
            call()
        assert str(caught.value).startswith("softmax")
    with pytest.raises(ValueError, match="gy has shape"):
        act.logsumexp.backward(np.ones(3, "f4"), X)
    with pytest.raises(TypeError, match=r"^logsumexp: gy is None; numbers, one for each row, are accepted"):
        act.logsumexp.backward(None, X)


@every_name
def test_examples(name):
    assert check(getattr(act, name).__doc__, name) >= 1
    assert "References\n----------\n" in getattr(act, name).__doc__
