"""What is special about single activations: halves that are gates, random slopes, parameters that are NaN."""
import pickle
import tracemalloc

import numpy as np
import pytest
from tools import BFLOAT16, DTYPES, every_dtype, generator, patterns, random_patterns, same_bits, specials

import numba_act as act
from numba_act.backends.philox import philox

GATED = {"glu": "sigmoid", "reglu": "relu", "geglu": "gelu", "swiglu": "silu", "bilinear": "identity",
         "geglu_tanh": "gelu_tanh", "sreglu": "relu2", "qgeglu": "quick_gelu"}
every_gated = pytest.mark.parametrize(("name", "factor"), GATED.items())


def operands(dtype, *seed):
    """A value, a gate and an upstream gradient: every pattern of each against random ones of the others."""
    ends = specials(dtype)
    parts = [[random_patterns(dtype, 20_000, k, *seed), np.repeat(ends, ends.size) if k else np.tile(ends, ends.size)]
             for k in range(3)]
    return [np.concatenate(part) for part in parts]


def where_known(x, y):
    """y, or NaN where x is NaN."""
    return np.where(x == x, y, x).astype(y.dtype)


# --- gated functions --------------------------------------------------------------------------------------------------
@every_gated
@every_dtype
def test_gated_functions_multiply_rounded_factors_once(name, factor, dtype):
    gated, inner = act.get(name), act.get(factor)
    value, gate, gy = operands(dtype, name)
    with np.errstate(all="ignore"):
        y, in_value, in_gate = value * inner(gate), inner(gate), value * inner.grad(gate)
        in_value, in_gate = where_known(value, in_value), where_known(gate, in_gate)
        products = gy * in_value, gy * in_gate
        same_bits(gated(value, gate), y)
        same_bits(gated.grad(value, gate), in_value)
        same_bits(gated.grad(value, gate, wrt="gate"), in_gate)
        for got, expected in zip(gated.backward(gy, value, gate), products, strict=True):
            same_bits(got, expected)


@every_gated
def test_gated_functions_have_two_operands(name, factor):
    gated = act.get(name)
    assert (gated.operands, gated.params) == (("value", "gate"), ("alpha",) if name == "swiglu" else ())
    with pytest.raises(TypeError, match=f"^{name}: the operand gate is missing$"):
        gated(np.ones(3))


@every_gated
def test_gradients_are_summed_to_each_operands_shape(name, factor):
    value, gate = np.ones((4, 3), np.float32), np.linspace(-2, 2, 3, dtype=np.float32)
    in_value, in_gate = act.get(name).backward(np.ones((4, 3), np.float32), value, gate)
    assert in_value.shape == (4, 3)
    assert in_gate.shape == (3,)
    np.testing.assert_allclose(in_gate, 4 * act.get(name).grad(value[0], gate, wrt="gate"), rtol=1e-6)


@pytest.mark.parametrize(("shape", "axis"), [((6,), -1), ((2, 4), 0), ((2, 4, 3), 1), ((2, 3, 8), -1)])
def test_split_gate_gives_views_of_the_halves(shape, axis):
    x = np.arange(np.prod(shape)).reshape(shape)
    first, second = np.split(x, 2, axis)
    for gate, expected in (("second", (first, second)), ("first", (second, first))):
        halves = act.split_gate(x, axis, gate)
        for half, wanted in zip(halves, expected, strict=True):
            np.testing.assert_array_equal(half, wanted)
            assert half.base is not None
            assert np.shares_memory(half, x)
    same_bits(act.split_gate([1.0, 2.0])[1], np.array([2.0]))


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.ones((2, 3)),), "x has the odd length 3 along axis -1; it must be even"),
    ((np.ones((2, 4)), 2), "axis=2 is no axis of an array of 2 dimensions"),
    ((np.ones((2, 4)), -1, "left"), "gate='left' is neither 'first' nor 'second'"),
])
def test_split_gate_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=f"^split_gate: {message}$"):
        act.split_gate(*arguments)


def test_even_and_odd_places():
    x = np.arange(24.0).reshape(2, 12)
    value, gate = act.split_gate(x, interleaved=True)
    assert (value.tolist(), gate.tolist()) == (x[:, ::2].tolist(), x[:, 1::2].tolist())
    assert np.shares_memory(act.split_gate(x, 0, "first", interleaved=True)[1], x[0])


@pytest.mark.parametrize("interleaved", [False, True])
def test_backward_fills_the_halves_of_one_array(interleaved):
    """Without an array beside it: the driver writes every block where it belongs."""
    packed = generator("packed").standard_normal((1 << 10, 1 << 11)).astype(np.float32)
    gradient, gy = np.empty_like(packed), np.ones((1 << 10, 1 << 10), np.float32)
    value, gate = act.split_gate(packed, interleaved=interleaved)
    halves = act.split_gate(gradient, interleaved=interleaved)
    act.swiglu.backward(gy[:8], value[:8], gate[:8], out=tuple(half[:8] for half in halves))
    tracemalloc.start()
    results = act.swiglu.backward(gy, value, gate, out=halves)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < gy.nbytes // 16
    assert all(result is half for result, half in zip(results, halves, strict=True))
    for half, expected in zip(halves, act.swiglu.backward(gy, value.copy(), gate.copy()), strict=True):
        same_bits(np.ascontiguousarray(half), expected)


def test_swiglu_with_another_slope():
    """ONNX's SwiGLU: value gate s(alpha gate)."""
    value, gate, _ = operands(np.dtype(np.float32), "alpha")
    with np.errstate(all="ignore"):
        same_bits(act.swiglu(value, gate, 1.5), value * act.swish(gate, 1.5))
        same_bits(act.swiglu(value, gate, np.full_like(gate, 1)), act.swiglu(value, gate))
        same_bits(act.swiglu.grad(value, gate, 1.5, wrt="gate"), where_known(gate, value * act.swish.grad(gate, 1.5)))


# --- units of any activation ------------------------------------------------------------------------------------------
@act.activation
def cubic(x, k=2.0):
    return k * x * x * x


def test_a_unit_of_any_activation():
    value, gate = np.float32([1, 2, -3]), np.float32([-1, 0.5, 3])
    for of, unit in GATED.items():
        assert act.gated(unit) is act.gated(act.get(unit)) is act.get(of)
        assert act.gated(act.get(unit).fast) is act.get(of).fast
    unit = act.gated("mish")
    assert act.gated(act.mish) is unit is pickle.loads(pickle.dumps(unit))
    assert pickle.loads(pickle.dumps(unit.fast)) is unit.fast
    assert unit.operands == ("value", "gate")
    same_bits(unit(value, gate), value * act.mish(gate))
    same_bits(unit.grad(value, gate, wrt="gate"), value * act.mish.grad(gate))
    for own in (cubic, act.swish):
        unit, name = act.gated(own), own.params[0]
        same_bits(unit(value, gate, 1.5), value * own(gate, 1.5))
        gv, gg, gp = unit.backward(value, value, gate, 1.5, wrt=("value", "gate", name))
        same_bits(gv, value * own(gate, 1.5))
        same_bits(gg, value * (value * own.grad(gate, 1.5)))
        assert gp == pytest.approx(float((value * value * own.grad(gate, 1.5, wrt=name)).sum()))


@pytest.mark.parametrize(("error", "name", "message"), [
    (ValueError, "threshold", "the parameter value of threshold has the name of an operand"),
    (TypeError, "glu", "glu takes value, gate; a function of one array is needed"),
    (ValueError, "gelo", "there is no activation 'gelo'"),
    (TypeError, "softmax", "softmax is a function along an axis; an activation is accepted"),
])
def test_gated_says_what_is_wrong(error, name, message):
    with pytest.raises(error, match=message):
        act.gated(name)


# --- clamped units: the definitions of those who use them, in float64 -------------------------------------------------
def test_clamped_units():
    value, gate = generator("clamped").normal(0, 8, (2, 1000))
    h, line, silu = np.minimum(gate, 7), np.clip(value, -7, 7), gate / (1 + np.exp(-gate))
    np.testing.assert_allclose(act.clamped_swiglu(value, gate), (line + 1) * h / (1 + np.exp(-1.702 * h)), rtol=1e-13)
    np.testing.assert_allclose(act.swiglustep(value, gate), line * np.minimum(silu, 7), rtol=1e-13)
    same_bits(act.fatrelu_glu(value, gate, 2.0), np.where(gate > 2, value * gate, value * 0.0))
    bounded = 4 * np.tanh(gate / 4) / (1 + np.exp(-gate)) * 25 * np.tanh(value / 25)
    np.testing.assert_allclose(act.situ_glu(value, gate), bounded, rtol=1e-13)


# --- snake with logarithms --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_snake_beta_is_x_beyond_its_angles(dtype):
    end = dtype(2**24)
    near, far = np.nextafter(end, dtype(0)), np.nextafter(end, dtype(np.inf))
    size = 1 / (1 + 1e-9)
    assert act.snake_beta(np.array([end]))[0] == dtype(float(end) + np.sin(2.0**24) ** 2 * size)
    assert act.snake_beta.grad(near) != 1
    for x in (far, -far, np.finfo(dtype).max, dtype(np.inf)):
        assert act.snake_beta(x) == x
        assert act.snake_beta.grad(x) == 1
        assert act.snake_beta.grad(x, wrt="alpha") == act.snake_beta.grad(x, wrt="beta") == 0


@every_dtype
def test_the_slope_at_a_clip_is_that_inside(dtype):
    one, seven = dtype.type(1), dtype.type(7)
    assert act.clamped_swiglu.grad(seven, one) == act.clamped_swiglu.grad(one, one)
    assert act.clamped_swiglu.grad(dtype.type(7.5), one) == 0
    assert act.clamped_swiglu.grad(one, dtype.type(7.5), wrt="gate") == 0
    assert act.clamped_swiglu.grad(one, seven, wrt="gate") > 1
    assert act.swiglustep.grad(-seven, one) == act.silu(one)
    assert act.gelu_10.grad(dtype.type(10)) == 1
    assert act.gelu_10.grad(dtype.type(10.5)) == 0


# --- random slopes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("counter", "key", "expected"), [
    (0, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),                # the vector of its authors
    ((1 << 64) - 1, (0xFFFFFFFF, 0xFFFFFFFF), None),
])
def test_philox(counter, key, expected):
    words = [int(w[0]) for w in philox(np.array([counter], np.uint64), key)]
    assert words == [int(w, 16) for w in expected.split()] if expected else words == plain_philox(counter, key)


def plain_philox(counter, key):
    """Philox4x32-10 in Python's integers, as the paper writes it."""
    x, (k0, k1) = [counter & 0xFFFFFFFF, counter >> 32, 0, 0], key
    for _ in range(10):
        (high, low), (high2, low2) = divmod(0xD2511F53 * x[0], 1 << 32), divmod(0xCD9E8D57 * x[2], 1 << 32)
        x = [high2 ^ x[1] ^ k0, low2, high ^ x[3] ^ k1, low]
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return x


@every_dtype
def test_sampled_slopes(dtype):
    x = np.concatenate([patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 50_000), specials(dtype)])
    y, slope = act.rrelu.sample(x, 0.25, 0.5, rng=1234)
    assert y.dtype == slope.dtype == dtype
    with np.errstate(invalid="ignore"):
        drawn = slope[x.astype(np.float64) <= 0].astype(np.float64)
    assert drawn.min() >= 0.25
    assert drawn.max() <= 0.5
    assert abs(drawn.mean() - 0.375) < 0.002
    same_bits(y, act.leaky_relu(x, slope))
    same_bits(slope, act.leaky_relu.grad(x, slope))


def test_a_slope_depends_on_seed_and_index_alone():
    x = np.full((3, 5, 7), -1.0)
    slope = act.rrelu.sample(x, rng=7)[1]
    same_bits(act.rrelu.sample(np.asfortranarray(x), rng=7)[1], slope)
    same_bits(act.rrelu.sample(x.ravel()[:50], rng=7)[1], slope.ravel()[:50])
    same_bits(act.rrelu.sample(x.astype("f4"), rng=7)[1][0, 0, :3],
              np.float32(np.float32(1 / 8) + (np.float64(np.float32(1 / 3)) - 0.125) * uniform(7, 3)))
    assert (act.rrelu.sample(x, rng=8)[1] != slope).all()
    assert (act.rrelu.sample(x)[1] != act.rrelu.sample(x)[1]).any()
    drawn = act.rrelu.sample(x, rng=np.random.default_rng(3))[1]
    same_bits(act.rrelu.sample(x, rng=np.random.default_rng(3))[1], drawn)


def uniform(seed, count):
    words = [w for k in range(-(-count // 4)) for w in plain_philox(k, (seed & 0xFFFFFFFF, seed >> 32))]
    return np.array(words[:count]) * 2.0**-32


def test_many_slopes_are_made_in_blocks():
    slope = act.rrelu.sample(np.full(70_001, -1.0), 0, 1, rng=1 << 40)[1]
    for index in (0, 1, 32_767, 32_768, 70_000):
        assert slope[index] == plain_philox(index // 4, (0, 1 << 8))[index % 4] * 2.0**-32


def test_slopes_for_other_operands():
    assert act.rrelu.sample(-1.0, rng=1)[0].shape == ()
    assert act.rrelu.sample([-1, 2], rng=1)[0].dtype == np.float64
    assert act.rrelu.sample(np.zeros((0, 3), BFLOAT16), rng=1)[1].dtype == BFLOAT16
    y, slope = act.rrelu.sample(np.float32([-1, -1]), np.float32([[0.1], [0.2], [0.3]]), 0.5, rng=1)
    assert y.shape == slope.shape == (3, 2)
    assert (slope >= np.float32([[0.1], [0.2], [0.3]])).all()


@pytest.mark.parametrize(("error", "options", "message"), [
    (TypeError, {"rng": 1.5}, "rng must be an integer, a numpy.random.Generator or None, not 1.5"),
    (TypeError, {"rng": True}, "rng must be an integer"),
    (ValueError, {"rng": -1}, "rng=-1 is no seed"),
    (ValueError, {"rng": 1 << 64}, "rng=18446744073709551616 is no seed"),
    (ValueError, {"lower": 0.5, "upper": 0.25}, "lower=0.5 must not be above upper=0.25"),
    (TypeError, {"lower": 1j}, "dtype complex128 is not supported"),
])
def test_sample_says_what_is_wrong(error, options, message):
    with pytest.raises(error, match=f"^rrelu.sample: {message}"):
        act.rrelu.sample(np.float32([-1, 1]), **options)


# --- parameters -------------------------------------------------------------------------------------------------------
COMPARED = {                                     # and where the result does not depend on the parameter
    ("threshold", "theta"): lambda x: x != x,
    ("threshold", "value"): lambda x: x > 1,
    ("hard_tanh", "lo"): lambda x: x >= 1,
    ("hard_tanh", "hi"): lambda x: x <= -1,
    ("softshrink", "lambd"): lambda x: x != x,
    ("hard_shrink", "lambd"): lambda x: x != x,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "parameter"), COMPARED)
def test_a_nan_to_compare_with_shows(name, parameter, dtype):
    x = specials(dtype)
    x = x[x == x]
    a, free = act.get(name), COMPARED[name, parameter](x.astype(np.float64))
    got, usual = a(x, **{parameter: dtype.type(np.nan)}), a(x)
    same_bits(got[free], usual[free])
    assert np.isnan(got[~free].astype(np.float64)).all()


@pytest.mark.parametrize(("alpha", "beta"), [(1 / 6, 0.5), (0.2, 0.5), (0.3, 0.999), (-0.7, 0.3), (0.5, 1.0)])
def test_hard_sigmoid_knows_its_ends_before_rounding(alpha, beta):
    """Near them alpha x + beta rounds to 0 or 1 although it lies between."""
    alpha, beta = np.float32(alpha), np.float32(beta)
    ends = np.array([-beta / alpha, (1 - beta) / alpha], np.float32)
    x = (ends.view(np.int32)[:, None] + np.arange(-100, 100, dtype=np.int32)).view(np.float32)
    x = x[np.isfinite(x)]
    z = x.astype(np.longdouble) * alpha + np.longdouble(beta)
    same_bits(act.hard_sigmoid.grad(x, alpha, beta), np.where((z > 0) & (z < 1), alpha, np.float32(0)))
