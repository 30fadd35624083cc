"""The public interface: how activations are called, what they accept, and what they say when they do not."""
import math
import pickle
import tracemalloc
import warnings

import ml_dtypes
import numba
import numpy as np
import pytest
from tools import (
    DTYPES,
    NAMES,
    PLAIN,
    WITH_PARAMETERS,
    at_odd_address,
    every_name,
    every_plain,
    generator,
    in_turn,
    inputs_of,
    names_and_dtypes,
    same_bits,
)

import numba_act as act
from numba_act.runtime import threads

FACTOR = 3


def numbers(shape, dtype=np.float32, seed=0):
    return (generator(shape, seed).standard_normal(shape) * 3).astype(dtype)


def double(x):
    return 2 * x


@act.activation(aliases=("knee",), formula=r"\max(x, -w)", nonzero=("slope",))
def bent(x, slope=0.5, offset=1):
    """Bent twice."""
    y = double(x) / 2 if x > 0 else slope * x
    if x < -offset:
        y = y - FACTOR * (x + offset)
    return y


@bent.derivative
def _(x, slope, offset):
    below = x < -offset
    return (1 if x > 0 else slope - FACTOR if below else slope), (0 if x > 0 else x), (-FACTOR if below else 0)


# --- the registry -----------------------------------------------------------------------------------------------------
def test_registry():
    assert [a.name for a in act.activations.values()] == NAMES == list(act.activations)
    assert NAMES[:10] == ["sigmoid", "tanh", "softsign", "relu", "softplus", "leaky_relu", "prelu", "elu", "selu",
                          "swish"]
    with pytest.raises(TypeError):
        act.activations["mine"] = bent
    assert set(act.__all__) >= {"activation", "activations", "get", *NAMES}
    assert "bent" not in act.activations


@every_name
def test_names_and_attributes(name):
    a = act.activations[name]
    assert isinstance(a, act.Activation)
    assert a is getattr(act, name) is act.get(name) is act.get(a)
    assert all(getattr(act, alias) is act.get(alias) is a for alias in a.aliases)
    assert a.name == a.__name__ == name
    assert a.formula
    assert a.params == tuple(a.defaults)
    assert repr(a).startswith(f"<activation {name}({', '.join(a.operands)}")
    assert all(f"{p}={a.defaults[p]}" in repr(a) for p in a.params)
    assert a.__doc__.strip()
    with pytest.raises(TypeError):
        a.defaults["x"] = 1
    assert a.ufunc is a.ufunc
    assert isinstance(a.ufunc, np.ufunc)
    assert (a.ufunc.__name__, a.ufunc.nin, a.ufunc.nout) == (f"numba_act_{name}", len(inputs_of(name)), 1)


@every_name
def test_pickle(name):
    a = act.activations[name]
    assert pickle.loads(pickle.dumps(a)) is a


def test_the_guides_alias():
    assert act.softrelu is act.softplus
    assert act.get("softrelu") is act.softplus


# --- calls ------------------------------------------------------------------------------------------------------------
@names_and_dtypes(WITH_PARAMETERS)
def test_parameters(name, dtype):
    a, x = act.activations[name], numbers(50, dtype)
    key = a.params[0]
    for p in (0.3, np.float64(0.3).astype(dtype), np.full(50, 0.3, dtype)):
        same_bits(a(x, p), a(x, **{key: p}))
        same_bits(a(x, p), a(x=x, **{key: p}))
        same_bits(a(x, p), a(x, dtype.type(0.3)))
        same_bits(a.grad(x, p, wrt=key), a.grad(x, **{key: p}, wrt=key))
        same_bits(a.value_and_grad(x, **{key: p})[0], a(x, p))
        same_bits(a.backward(x, x, p), a.backward(x, x, **{key: p}))
    same_bits(a(x), a(x, a.defaults[key]))


@names_and_dtypes(PLAIN)
def test_options(name, dtype):
    a, x = act.activations[name], numbers((6, 7), dtype)
    for call in (a, a.grad):
        expected = call(x)
        out = np.empty_like(x)
        assert call(x, out=out) is out
        same_bits(out, expected)
        assert call(x, out=(out,)) is out
        assert call(x, order="F").flags.f_contiguous
        assert call(x.T, order="K").T.flags.c_contiguous
        assert call(x, dtype="f8").dtype == np.float64
        same_bits(call(x, dtype="f8"), call(x.astype("f8")))
        same_bits(call(x, out=np.empty(x.shape), dtype=dtype), expected.astype("f8"))
    value, grad = np.empty_like(x), np.empty_like(x)
    got = a.value_and_grad(x, out=(value, grad))
    assert got[0] is value
    assert got[1] is grad
    same_bits(value, a(x))
    same_bits(grad, a.grad(x))
    got = a.value_and_grad(x, out=(None, grad))
    same_bits(got[0], value)
    assert a.backward(x, x, out=value) is value
    same_bits(value, a.backward(x, x))


@every_plain
def test_casting(name):
    a, x = act.activations[name], numbers(9, "f8")
    with pytest.raises(TypeError, match=f"^{name}: x cannot be cast from float64 to float32 .*casting='safe'"):
        a(x, dtype="f4", casting="safe")
    same_bits(a(x, dtype="f4"), a(x.astype("f4")))
    same_bits(a(x, dtype="f4", casting="unsafe"), a(x.astype("f4")))
    same_bits(a(x.astype("f4"), dtype="f8", casting="safe"), a(x.astype("f4").astype("f8")))
    for integers in (np.arange(3), np.arange(3) > 1):
        assert a(integers, dtype="f4").dtype == a(1, dtype="f4", casting="safe").dtype == np.float32
        assert a(integers, casting="safe").dtype == np.float64
        refuses(TypeError, name, lambda: a(integers, casting="equiv"), "x", "float64", "equiv")  # noqa: B023
    refuses(TypeError, name, lambda: a(np.arange(3), dtype="f4", casting="safe"), "x", "int64", "float32", "safe")


def test_wrong_options():
    x, out = np.ones(3), pattern(np.float64)
    for wrong in ("foo", None, 3):
        refuses(ValueError, "gelu", lambda: act.gelu(x, out=out, casting=wrong), "casting", "same_kind")  # noqa: B023
        refuses(ValueError, "gelu", lambda: act.gelu(x, out=out, order=wrong), "order", "K, A, C, F")  # noqa: B023
    assert act.gelu(np.ones((2, 3)), order="f").flags.f_contiguous
    assert (out == 42).all()


def test_larger_outputs():
    x, out = numbers(3), pattern(shape=(2, 3))
    for dtype in ("f4", "f8"):
        out = pattern(dtype, (2, 3))
        assert act.gelu(x, out=out) is out
        same_bits(out, np.broadcast_to(act.gelu(x), (2, 3)).astype(dtype))
    value, grad = act.gelu.value_and_grad(x, out=(pattern(shape=(2, 3)), pattern(shape=(2, 3))))
    same_bits(value[1], act.gelu(x))
    same_bits(grad[1], act.gelu.grad(x))
    many = numbers(100000)
    same_bits(act.gelu(many, out=np.empty((2, 100000), "f4"))[1], act.gelu(many))
    same_bits(act.gelu(x, out=pattern(shape=(2, 3)), where=[[True], [False]]), np.stack([act.gelu(x), pattern()]))
    both = pattern(shape=(2, 3)), pattern()
    refuses(ValueError, "gelu", lambda: act.gelu.value_and_grad(x, out=both), "out", "(3,)", "(2, 3)")
    refuses(ValueError, "gelu", lambda: act.gelu.backward(x, x, out=out), "out", "(2, 3)", "(3,)")
    refuses(TypeError, "gelu", lambda: act.gelu(x, out=out, casting="no"), "out", "float64")


def test_keywords_that_are_accepted():
    x, options = np.ones(3), "out, where, dtype, casting, order"
    for call, wanted in ((act.elu, options), (act.elu.grad, f"{options}, wrt, n"),
                         (act.elu.value_and_grad, f"{options}, wrt"),
                         (lambda x, /, **k: act.elu.backward(x, x, **k), "out, wrt, y")):
        with pytest.raises(TypeError, match=f"^elu: beta is an unknown keyword; accepted are alpha, {wanted}$"):
            call(x, beta=1)
        refuses(TypeError, "elu", lambda: call(x, x=x), "x is given twice")  # noqa: B023
    refuses(TypeError, "elu", lambda: act.elu.backward(x, x, dtype="f8"), "dtype is an unknown keyword")


def test_raw_errors_are_named():
    x = np.ones(3)
    refuses(OverflowError, "gelu", lambda: act.gelu(10**400), "x", "too large")
    refuses(ValueError, "gelu", lambda: act.gelu([[1], [2, 3]]), "x", "inhomogeneous")
    refuses(TypeError, "gelu", lambda: act.gelu.backward(x, x, wrt=3), "wrt=3", "x")
    refuses(TypeError, "gelu", lambda: act.gelu.backward(), "gy")
    refuses(TypeError, "gelu", lambda: act.gelu.backward(x=x), "gy")
    with pytest.raises(ValueError, match=r"^there is no activation \[\]; known are"):
        act.get([])
    with pytest.raises(ValueError, match=r"^there is no activation <built-in .*>; a function becomes one by numba_act"):
        act.get(math.tanh)
    for name, known in (("GELU", "gelu"), ("HardSwish", "hardswish"), ("LogSoftmax", "logsoftmax")):
        with pytest.raises(ValueError, match=rf"^there is no activation '{name}'; did you mean {known} or"):
            act.get(name)


@every_plain
def test_scalars_and_lists(name):
    a = act.activations[name]
    for x in (0.5, 2, True, np.float32(0.5), np.float16(-3), ml_dtypes.bfloat16(0.5), np.float64(1)):
        for result in (a(x), a.grad(x), *a.value_and_grad(x), a.backward(x, x)):
            assert isinstance(result, np.generic)
            assert result.dtype == (np.asarray(x).dtype if isinstance(x, np.floating | ml_dtypes.bfloat16) else "f8")
    same_bits(a([0.5, -1]), a(np.array([0.5, -1])))
    same_bits(a([[1, 2], [3, -4]]), a(np.array([[1.0, 2], [3, -4]])))
    same_bits(a((1, 2.5)), a(np.array([1, 2.5])))
    assert isinstance(a(np.array(0.5)), np.float64)
    assert a(np.array([0.5])).shape == (1,)
    assert a([]).shape == (0,)
    assert a(np.array(0.5), out=np.empty(())).shape == ()


@every_plain
@in_turn("dtype", ["i1", "u1", "i2", "i4", "i8", "u8", "?"])
def test_integers_compute_in_float64(name, dtype):
    a, x = act.activations[name], np.arange(2 if dtype == "?" else 9).astype(dtype)
    for result, expected in ((a(x), a(x.astype("f8"))), (a.grad(x), a.grad(x.astype("f8"))),
                             (a.backward(x, x), a.backward(x.astype("f8"), x.astype("f8")))):
        same_bits(result, expected)
    assert a(x, dtype="f4").dtype == np.float32


@names_and_dtypes(WITH_PARAMETERS)
def test_promotion(name, dtype):
    """Python numbers are weak, arrays promote as in NumPy."""
    a, x = act.activations[name], numbers(8, dtype)
    for weak in (0.5, 2, True):
        assert a(x, weak).dtype == a.grad(x, weak).dtype == a.backward(x, x, weak).dtype == dtype
    for other in DTYPES:
        if {dtype.name, other.name} == {"float16", "bfloat16"}:
            refuses(TypeError, name, lambda: a(x, np.ones(8, other)), "bfloat16 and float16 have no")  # noqa: B023
            continue
        expected = np.result_type(dtype, other)
        assert a(x, np.ones(8, other)).dtype == expected
        assert a(x, other.type(1)).dtype == expected
        assert a.backward(np.ones(8, other), x).dtype == expected
    for integer in ("i4", "i8", "u8"):
        assert a(x, np.ones(8, integer)).dtype == np.float64
    same_bits(a(x, 0.3), a(x, dtype.type(0.3)))
    assert a(x, np.float64(0.3)).dtype == np.float64


LAYOUTS = {"C": np.array, "F": np.asfortranarray, "strided": lambda a: np.repeat(a, 2, 1)[:, ::2],
           "reversed": lambda a: a[::-1, ::-1], "odd address": at_odd_address,
           "repeated": lambda a: np.broadcast_to(a[:, None], (300, 2, 1000))}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "bfloat16", "f4", ">f4",
                                  ">i4", ">f8", ">f2"])
def test_large_operands_of_another_dtype(kind, layout):
    """They are cast block by block, to the same bits."""
    whole = generator(kind).integers(0, 1 << 63, (300, 1000), np.uint64)
    with np.errstate(all="ignore"):
        a = LAYOUTS[layout]((numbers(whole.shape) if "f" in kind else whole).astype(np.dtype(kind)))
        x = numbers(a.shape, "f8")
        for dtype in ("f2", "bfloat16") if layout in ("C", "odd address") else ():
            same_bits(act.gelu(a, dtype=dtype, casting="unsafe"), act.gelu(a.astype(dtype)))
        for dtype in {"f8", "f4" if kind in ("f2", ">f2", "bfloat16") else "f8"}:
            x_, wide = x.astype(dtype), a.astype(dtype)
            same_bits(act.swish(x_, a), act.swish(x_, wide))
            same_bits(act.gelu(a, dtype=dtype), act.gelu(wide))
            for got, expected in zip(act.swish.value_and_grad(a, x_), act.swish.value_and_grad(wide, x_), strict=True):
                same_bits(got, expected)
            for wrt in ("x", "beta"):
                beta = x_[:1] + 2
                same_bits(act.swish.backward(x_, a, beta, wrt=wrt), act.swish.backward(x_, wide, beta, wrt=wrt))
                same_bits(act.swish.backward(a, x_, beta, wrt=wrt), act.swish.backward(wide, x_, beta, wrt=wrt))


def test_numbers_between_those_of_16_bits_round_once():
    """Beside the middle of two, by less than float32 can tell."""
    halves = np.arange(0x7C00, dtype="u2").view("f2").astype("f8")
    middle = (halves[:-1] + halves[1:]) / 2
    beside = np.concatenate([middle * (1 + sign * 2.0**-40) for sign in (-1, 0, 1)] + [halves])
    rare = np.nan, np.inf, 65519.99, 65520, 1e300, 2.0**-25, 5e-324
    x = np.resize(np.concatenate([beside, -beside, rare]), 1 << 20)
    with np.errstate(all="ignore"):
        same_bits(act.identity(x, dtype="f2"), x.astype("f2"))
        same_bits(act.identity(x, dtype="bfloat16"), x.astype("bfloat16"))


def test_memory_for_operands_of_another_dtype():
    x, out, beta = np.ones(1_500_000, "f4"), np.zeros(1_500_000), np.float64(0.5)
    half, odd, other = out.astype("f2"), at_odd_address(x), x.astype(">f4")
    mask, endless = x > 0, np.broadcast_to(np.float32(1), 1 << 24)
    for call in (lambda: act.swish(x, beta, out=out), lambda: act.swish.grad(x, beta, out=out),
                 lambda: act.swish(x, beta, out=out, where=mask), lambda: act.swish.backward(x, x, beta, out=out),
                 lambda: act.swish.backward(x, x, beta, wrt="beta"),
                 lambda: act.swish.backward(endless, endless, beta, wrt="beta"),
                 lambda: act.swish(out, beta, dtype="f2", out=half), lambda: act.swish(other, out=x),
                 lambda: act.swish(odd, out=x), lambda: act.swish.backward(odd, other, out=x),
                 lambda: act.swish.backward(x, odd, 0.5, wrt="beta"),
                 lambda: act.swish.backward(other, other, 0.5, wrt="beta")):
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4e6


# --- backward ---------------------------------------------------------------------------------------------------------
@names_and_dtypes(WITH_PARAMETERS)
@in_turn("shape", [(), (1,), (5, 1), (4, 1, 1), (1, 1, 1), (3, 4, 5, 6), (6,), (3, 1, 1, 6)])
def test_parameter_gradients_have_the_parameters_shape(name, dtype, shape):
    a, x = act.activations[name], numbers((3, 4, 5, 6), dtype)
    key = a.params[0]
    gy, p = numbers(x.shape, dtype, 1), abs(numbers(shape, dtype, 2)) + dtype.type(0.5)
    gx, gp = a.backward(gy, x, p, wrt=("x", key))
    assert gp.shape == shape
    assert gp.dtype == gx.dtype == dtype
    same_bits(gx, a.backward(gy, x, p))
    same_bits(gp, a.backward(gy, x, p, wrt=key))
    same_bits(a.backward(gy, x, p, wrt=(key, "x"))[0], gp)
    each = gy.astype("f8") * a.grad(x, p, wrt=key).astype("f8")
    lead = 4 - len(shape)
    axes = (*range(lead), *(lead + d for d, n in enumerate(shape) if n == 1))
    info = ml_dtypes.finfo(dtype)
    slack = abs(each).sum(axes).reshape(shape) * float(info.eps) + float(info.smallest_subnormal)
    assert (abs(np.asarray(gp, "f8") - each.sum(axes).reshape(shape)) <= slack).all()
    assert isinstance(a.backward(gy, x, p, wrt=(key,)), tuple)


@every_plain
def test_gradient_is_summed_to_each_operands_shape(name):
    a = act.activations[name]
    x, gy = numbers((5, 1)), numbers((4, 1, 6))
    gradient = a.backward(gy, x)
    assert gradient.shape == (5, 1)
    np.testing.assert_allclose(gradient, (gy * a.grad(x)).astype("f8").sum((0, 2))[:, None], rtol=1e-5)
    assert a.backward(np.float32(2), numbers((3, 4))).shape == (3, 4)
    assert a.backward(1.0, numbers((3, 4))).dtype == np.float32
    assert a.backward(numbers((3, 4)), np.float32(1)).shape == ()
    assert a.backward(np.ones((0, 4), "f4"), np.ones(4, "f4")).tolist() == [0] * 4


def test_gradient_is_summed_to_a_python_number():
    gy = np.ones((3, 4), "f4")
    act.relu.backward(gy, gy)                                  # the kernel is ready: only then is there a quick way
    same_bits(act.relu.backward(gy, 1.0), np.float32(12))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor")
@pytest.mark.parametrize("name", WITH_PARAMETERS)
@pytest.mark.parametrize("shape", [(), (64,), (1, 700, 1)])
def test_sums_are_the_same_for_any_number_of_threads(name, shape):
    a = act.activations[name]
    x, gy = numbers((16, 700, 64)), numbers((16, 700, 64), seed=1)
    p, results = np.full(shape, 0.7, "f4"), set()
    a.backward(gy, x, p)
    before = numba.get_num_threads()
    for count in (1, 2, 1, 2):
        numba.set_num_threads(count)
        results.add(tuple(g.tobytes() for g in a.backward(gy, x, p, wrt=("x", *a.params))))
    numba.set_num_threads(before)
    assert len(results) == 1
    assert threads.describe()["layer"]


# --- custom activations -----------------------------------------------------------------------------------------------
def reference(x, slope, offset):
    y = np.where(x > 0, x, slope * x)
    return np.where(x < -offset, y - FACTOR * (x + offset), y)


@pytest.mark.parametrize("dtype", DTYPES[2:], ids=str)
def test_custom(dtype):
    x = numbers(1000, dtype)
    np.testing.assert_allclose(bent(x), reference(x, 0.5, 1), rtol=4 * np.finfo(dtype).eps, atol=1e-6)
    np.testing.assert_allclose(bent(x, 0.25, offset=2), reference(x, 0.25, 2), rtol=4 * np.finfo(dtype).eps, atol=1e-6)
    assert bent(x).dtype == dtype
    assert bent.name == "bent"
    assert bent.aliases == ("knee",)
    assert bent.defaults == {"slope": 0.5, "offset": 1}
    assert repr(bent) == "<activation bent(x, slope=0.5, offset=1)>"
    assert bent.ufunc.__name__ == "numba_act_bent"
    assert bent.__doc__.startswith("Bent twice.\n")
    same_bits(bent.grad(x), np.where(x > 0, 1, np.where(x < -1, 0.5 - FACTOR, 0.5)).astype(dtype))
    g, gs, go = bent.backward(x, x, wrt=("x", "slope", "offset"))
    same_bits(g, x * bent.grad(x))
    assert gs.shape == go.shape == ()
    with pytest.raises(ValueError, match="bent: slope must not be 0"):
        bent(x, 0)


def test_custom_with_mathematics_and_captured_numbers():
    width, e = 1.5, np.float64(2)

    def tail(x):
        return math.exp(-abs(x) / width) if x < 1 else math.tanh(x) * math.sqrt(x)

    @act.activation
    def wave(x, height=float(e)):
        low, high = min(x, 2), max(x, -3)
        return height * tail(x) + low * high - math.fabs(x) ** 2 + (1 if -1 < x < 1 or x == 5 else 0) + math.pi

    x = numbers(500, "f8")
    python = [2.0 * tail(v) + min(v, 2) * max(v, -3) - abs(v)**2 + (-1 < v < 1 or v == 5) + math.pi for v in x.tolist()]
    np.testing.assert_allclose(wave(x), python, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(wave(x.astype("f4")), python, rtol=1e-4, atol=1e-4)
    assert wave(np.float32(1)).dtype == np.float32
    same_bits(act.activation(lambda x: 3 * x)(x), 3 * x)


@every_name
def test_raw_ufuncs_pickle(name):
    for a in (act.activations[name], act.activations[name].fast):
        assert pickle.loads(pickle.dumps(a.ufunc)) is a.ufunc


def test_custom_pickles():
    x = numbers(9)
    again = pickle.loads(pickle.dumps(bent))
    same_bits(again(x), bent(x))
    same_bits(again.grad(x), bent.grad(x))


def test_custom_pickles_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")

    @act.activation
    def local(x, a=2.0):
        return a * x

    @local.derivative
    def _(x, a):
        return a, x

    x = numbers(9)
    for made in (local, bent):
        copy = cloudpickle.loads(cloudpickle.dumps(made))
        same_bits(copy(x), made(x))
        same_bits(copy.grad(x), made.grad(x))
        assert copy.defaults == made.defaults
        assert repr(copy) == repr(made)


def test_custom_without_a_derivative():
    @act.activation
    def plain(x):
        return x * x

    try:
        slope = plain.grad(np.float32([1, 3]))
    except NotImplementedError as error:
        assert str(error).startswith("plain: ")
        assert "derivative" in str(error)
    else:
        np.testing.assert_allclose(slope, [2, 6], rtol=1e-6)


def test_custom_refuses_what_is_no_function():
    for wrong in (np.exp, 3, "gelu", math.exp):
        with pytest.raises(TypeError, match="plain Python function is needed"):
            act.activation(wrong)


@pytest.mark.parametrize(("statement", "line"), [("x = [x]", 5), ("x = x @ x", 4), ("print(x)", 4),
                                                 ("with open(x): pass", 4)])
def test_custom_names_what_is_not_supported(statement, line, tmp_path, monkeypatch):
    source = f"import numpy as np\n\ndef odd(x):\n    {statement}\n    return x\n"
    (tmp_path / "odd_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "odd_module", raising=False)
    import odd_module
    with pytest.raises(TypeError, match=rf"^odd: .*odd_module\.py:{line}\)$"):
        act.activation(odd_module.odd)(np.ones(3))


# --- errors -----------------------------------------------------------------------------------------------------------
WRONG = {
    "complex": np.ones(3, "c16"), "longdouble": np.ones(3, np.longdouble), "string": np.array(["a", "b", "c"]),
    "object": np.array([1, None, 2], object), "datetime": np.zeros(3, "M8[s]"), "timedelta": np.zeros(3, "m8[s]"),
    "python complex": 1j, "python string": "abc", "none": None, "structured": np.zeros(3, [("a", "f4")]),
}


def refuses(kind, name, call, *wanted):
    """The call raises `kind` with a message of one line that begins with the activation's name; warnings apart."""
    with pytest.raises(kind) as caught, warnings.catch_warnings(action="error"):
        call()
    message = str(caught.value)
    assert message.startswith(f"{name}: "), message
    assert "\n" not in message, message
    for text in wanted:
        assert text in message, message


def pattern(dtype=np.float32, shape=3):
    return np.full(shape, 42, dtype)


@every_plain
@in_turn("wrong", WRONG)
def test_wrong_types(name, wrong):
    a, bad, out = act.activations[name], WRONG[wrong], pattern(np.float64)
    supported = "float16, bfloat16, float32, float64"
    refuses(TypeError, name, lambda: a(bad, out=out), "x", supported)
    refuses(TypeError, name, lambda: a.grad(bad, out=out), "x", supported)
    refuses(TypeError, name, lambda: a.backward(np.ones(3), bad, out=out), "x", supported)
    refuses(TypeError, name, lambda: a.backward(bad, np.ones(3), out=out), "gy", supported)
    for p in a.params:
        refuses(TypeError, name, lambda: a(np.ones(3), **{p: bad}, out=out), p, supported)  # noqa: B023
    assert (out == 42).all()


@every_plain
@in_turn("dtype", ["c8", "i4", "O", "U3", "longdouble"])
def test_wrong_dtype_option(name, dtype):
    refuses(TypeError, name, lambda: act.activations[name](np.ones(3), dtype=dtype), "float32")


@every_plain
def test_wrong_operands(name):
    a, x, out = act.activations[name], np.ones(3, "f4"), pattern()
    n = 1 + len(a.params)
    for call in (a, a.ufunc, a.grad, a.value_and_grad):
        if call is not a.ufunc:
            refuses(TypeError, name, lambda: call(), "x")  # noqa: B023
            refuses(TypeError, name, lambda: call(*[x] * (n + 1)), str(n))  # noqa: B023
            refuses(TypeError, name, lambda: call(x, alhpa=1), "alhpa", *a.params)  # noqa: B023
            refuses(TypeError, name, lambda: call(x, x=x), "x")  # noqa: B023
    refuses(TypeError, name, lambda: a.backward(x), "x")
    refuses(TypeError, name, lambda: a.backward(x, *[x] * (n + 1)), str(n))
    refuses(TypeError, name, lambda: a.backward(x, x, bais=1), "bais", *a.params)
    for call in (a.grad, a.value_and_grad):
        refuses(ValueError, name, lambda: call(x, wrt="y"), "'y'", *a.params)  # noqa: B023
        refuses(ValueError, name, lambda: call(x, wrt="y", out=out), "x")  # noqa: B023
    refuses(ValueError, name, lambda: a.backward(x, x, wrt=("x", "y"), out=out), "'y'", "x")
    refuses(ValueError, name, lambda: a.backward(x, x, wrt="gy"), "'gy'")
    refuses(ValueError, name, lambda: a.backward(np.ones(4), np.ones(3)), "gy (4,)", "x (3,)")
    assert (out == 42).all()


@every_plain
def test_wrong_outputs(name):
    a, x = act.activations[name], np.ones((2, 3), "f4")
    frozen = pattern(shape=(2, 3))
    frozen.flags.writeable = False
    for call in (a, a.grad, lambda *args, **k: a.backward(x, *args, **k)):
        refuses(ValueError, name, lambda: call(x, out=pattern(shape=(3, 2))), "out", "(3, 2)", "(2, 3)")  # noqa: B023
        refuses(ValueError, name, lambda: call(x, out=pattern(shape=3)), "out", "(2, 3)")  # noqa: B023
        refuses(TypeError, name, lambda: call(x, out=pattern(np.int32, (2, 3))), "out", "int32", "float32")  # noqa: B023
        refuses(TypeError, name, lambda: call(x, out=[[1, 2, 3]] * 2), "out", "list")  # noqa: B023
        refuses(ValueError, name, lambda: call(x, out=frozen), "out", "read-only")  # noqa: B023
    refuses(TypeError, name, lambda: a(x, out=(frozen, frozen)), "out", "1")
    refuses(TypeError, name, lambda: a.value_and_grad(x, out=frozen), "out", "2")
    first = pattern(shape=(2, 3))
    refuses(ValueError, name, lambda: a.value_and_grad(x, out=(first, frozen)), "out", "read-only")
    assert (first == 42).all()
    assert (frozen == 42).all()


def test_two_results_need_two_outputs():
    x, out = np.ones(3, "f4"), pattern()
    for _ in range(2):                                     # the second time the kernel is ready
        refuses(TypeError, "mish", lambda: act.mish.value_and_grad(x, out=out), "out", "2")
        refuses(TypeError, "swiglu", lambda: act.swiglu.backward(x, x, x, out=out), "out", "2")
        act.mish.value_and_grad(x)
        act.swiglu.backward(x, x, x)
    assert (out == 42).all()


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_wrong_parameters(name):
    a, x, out = act.activations[name], np.ones((2, 3), "f4"), pattern(shape=(2, 3))
    p = a.params[0]
    refuses(ValueError, name, lambda: a(x, np.ones(4), out=out), f"{p} (4,)", "x (2, 3)")
    for q in a._nonzero:
        a(x), a.grad(x), a.backward(x, x)        # the quick way is ready
        for zero in (0, 0.0, -0.0, np.float32(0), np.int64(0), np.zeros((), "f4"), np.zeros((), "f8")):
            refuses(ValueError, name, lambda: a(x, out=out, **{q: zero}), q, "0")  # noqa: B023
            refuses(ValueError, name, lambda: a.grad(x, **{q: zero}), q)  # noqa: B023
            refuses(ValueError, name, lambda: a.backward(x, x, **{q: zero}), q)  # noqa: B023
            if q == p:
                refuses(ValueError, name, lambda: a(x, zero, out=out), p, "0")  # noqa: B023
                refuses(ValueError, name, lambda: a.backward(x, x, zero), p)  # noqa: B023
        with np.errstate(all="raise"):
            assert a(x, **{q: np.zeros(3, "f4")}).shape == (2, 3)      # inside an array: no exception
    assert (out == 42).all()
    summed = "out" if name else ""
    with pytest.raises(TypeError, match=f"^{name}: .*{summed}"):
        a.backward(x, x, np.float32(0.5), wrt=p, out=np.empty((), "f4"))


def test_softplus_refuses_beta_0():
    with pytest.raises(ValueError, match=r"^softplus: beta must not be 0"):
        act.softplus(np.ones(3), 0)


@pytest.mark.parametrize(("wrong", "right"), [("gleu", "gelu"), ("sigmiod", "sigmoid"), ("soft_rely", "soft_relu")])
def test_unknown_names(wrong, right):
    with pytest.raises(ValueError, match=right) as caught:
        act.get(wrong)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="sigmoid, tanh"):
        act.get("qqqqqqqq")
    with pytest.raises(AttributeError):
        getattr(act, wrong)


def renamed(x):
    return x


renamed.__name__ = "a\nname"


@pytest.mark.parametrize(("call", "said"), [
    (lambda: act.activation(double, aliases=3), r"double: aliases=3 is neither a name nor several; strings .*"),
    (lambda: act.activation(double, nonzero=(3,)), r"double: nonzero=\(3,\) is neither a name nor several; .*"),
    (lambda: act.activation(double, formula=3), r"double: formula=3 is no LaTeX; a string is accepted"),
    (lambda: act.gelu(1.0, dtype="foo"), r"gelu: dtype='foo' is no dtype; accepted are float16, bfloat16, .*"),
    (lambda: act.gelu.value_and_grad(1.0, out=(..., ...)), r"gelu: out must be a NumPy array .*; out=... stands alone"),
    (lambda: act.visualize_activation([]), r"visualize_activation: there is nothing to draw; a name, .* is accepted"),
    (lambda: act.gelu(pytest.importorskip("pandas").DataFrame({"a": [1.0], "b": [2.0]}).groupby("a")),
     r"gelu: a DataFrameGroupBy has no numbers of its own; .*"),
])
def test_what_is_wrong_and_what_would_be_right(call, said):
    with pytest.raises((TypeError, ValueError), match=f"^{said}$"):
        call()


def test_names_in_one_line():
    assert repr(act.activation(renamed)) == r"<activation a\nname(x)>"
