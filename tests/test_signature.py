"""Every way to call an activation shows its true signature, and says what does not fit."""
import functools
import inspect
import pickle

import numpy as np
import pytest
from tools import every_name, generator, inputs_of, same_bits

import numba_act as act
import numba_act.nn

UFUNC = "out=None, where=True, dtype=None, casting='same_kind', order='K'"
WRT = {"grad": ", wrt=None, n=1", "value_and_grad": ", wrt=None"}


@act.activation
def crowded(gy, n=2.0, wrt=1.0, y=3.0, self=1.0, method=1.0, _x=0.0):
    """Arguments called like options, and like what a call might use inside."""
    return gy * n + wrt * y * self * method + _x


@every_name
def test_signatures(name):
    a = act.activations[name]
    operands = ", ".join((*a.operands, *(f"{p}={value}" for p, value in a.defaults.items())))
    assert str(inspect.signature(a)) == f"({operands}, *, {UFUNC})"
    for way, more in WRT.items():
        assert str(inspect.signature(getattr(a, way))) == f"({operands}, *, {UFUNC}{more})"
    for scalar in (a.scalar, a.scalar_grad):
        assert str(inspect.signature(scalar)) == f"({operands})"
    expected = f"(gy, /, {operands}, *, out=None, wrt=None)"
    if a.expressions.from_result:                # the result may come in place of x
        expected = expected.replace("/, x", "/, x=None").replace("wrt=None", "wrt=None, y=None")
    assert str(inspect.signature(a.backward)) == expected


@every_name
def test_operands_by_name(name):
    a, x = act.activations[name], generator(name).uniform(0.5, 2, 7).astype("f4")
    given = dict.fromkeys(inputs_of(name), x)
    for call in (a, a.grad, a.value_and_grad, functools.partial(a.backward, x), pickle.loads(pickle.dumps(a.grad))):
        for _ in range(2):                       # the second time the kernel is ready
            same_bits(call(**given), call(*given.values()))


def test_tools_find_the_parameters():
    optimize = pytest.importorskip("scipy.optimize")
    x = np.linspace(-3, 3, 50)
    assert optimize.curve_fit(act.softplus, x, act.softplus(x, 1.5))[0] == pytest.approx([1.5])
    assert optimize.curve_fit(act.swish.grad, x, act.swish.grad(x, 0.7))[0] == pytest.approx([0.7])
    assert inspect.signature(act.Activation).parameters.keys() == {"function", "aliases", "formula", "nonzero"}


def test_arguments_win_their_names():
    x = np.arange(1, 4.0)
    assert list(inspect.signature(crowded.grad).parameters)[-2:] == ["wrt_", "n_"]
    assert list(inspect.signature(crowded.backward).parameters)[:2] == ["gy_", "gy"]
    same_bits(crowded(x, n=1, wrt=0.5), x + 1.5)
    same_bits(crowded.grad(x, n=3, wrt_="y", wrt=4), np.full(3, 4.0))
    same_bits(crowded.grad(x, n_=2), np.zeros(3))
    same_bits(crowded.value_and_grad(x, wrt_="gy")[1], np.full(3, 2.0))
    same_bits(crowded.backward(x, gy=x, wrt_=("gy", "n"))[1], np.float64(14))
    for out in (None, np.empty(3)):
        same_bits(crowded.backward(x, x, 5.0, out=out), 5 * x)
    with pytest.raises(TypeError, match=r"^crowded: n_ is an unknown keyword; accepted are n, wrt, y,"):
        crowded(x, n_=1)


def test_errors_inside_a_call_stay_what_they_are():
    @act.activation
    def loose(x):
        return x * 2

    class Odd(np.ndarray):
        def __array_ufunc__(self, *args, **kwargs):
            return len(5)

    with pytest.raises(TypeError, match=r"^loose: object of type 'int' has no len\(\)"):
        loose(np.ones(3).view(Odd))


def test_options_as_numpy_takes_them():
    x = np.float32([1, 2])
    same_bits(act.gelu.grad(x, n=np.int64(2)), act.gelu.grad(x, n=2))
    for call in (act.gelu, act.gelu.grad):
        assert type(call(np.float32(1), out=...)) is np.ndarray
        same_bits(call(x, out=...), call(x))
        same_bits(call(x, where=np.array([True, False]), out=None)[:1], call(x[:1]))
    assert act.gelu.backward(x, x, out=...).shape == (2,)
    for call in (act.gelu, act.gelu.grad, act.gelu.value_and_grad):
        with pytest.warns(UserWarning, match=r"^gelu: where= without out=") as caught:
            call(x, where=np.array([True, False]))
        assert caught[0].filename == __file__


@pytest.mark.parametrize(("where", "kind"), [([True] * 4, ValueError), ([1, 0], TypeError), ([[True], []], ValueError)])
def test_masks_are_looked_at(where, kind):
    out = np.full(2, 42, "f4")
    with pytest.raises(kind, match=r"^gelu: where"):
        act.gelu(np.float32([1, 2]), where=where, out=out)
    assert (out == 42).all()


@pytest.mark.parametrize("value", [0, 0.0, -0.0, 1, 2.5, -3])
def test_numbers_of_python_as_parameters(value):
    """Beside an array, or alone; the sign of 0 counts."""
    product = act.activation(_product)
    for x in (np.float32([1, -2]), 1.5, 2):
        right = product(x, np.asarray(value, "f4" if isinstance(x, np.ndarray) else "f8"))
        for _ in range(2):
            same_bits(product(x, value), right)
            same_bits(product(x, a=value), right)
            if isinstance(x, np.ndarray):
                same_bits(product(x, np.full(1, value, "f4")), right)
                assert product(x[0, ...], np.ones(1, "f4")).shape == (1,)


def _product(x, a=1.0):
    return x * a


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_numbers_of_numpy_as_parameters(dtype, monkeypatch):
    """They promote as arrays do; those of the dtype of x take the quick way, on which no container is looked for."""
    x = np.array([[1, -2], [-3, 4]], dtype)
    calls = [act.prelu.value_and_grad, act.prelu.grad, functools.partial(act.prelu.backward, x),
             functools.partial(act.prelu.backward, x, wrt=("x", "alpha"))]
    for number in (np.float16(0.1), np.float32(0.1), np.float64(0.1), np.int8(3)):
        for call in calls:
            for got, right in zip(call(x, number), call(x, np.asarray(number)), strict=True):
                same_bits(got, right)
                assert got.dtype == np.result_type(x.dtype, number.dtype)
    with monkeypatch.context() as patch:
        patch.setattr("numba_act.backends.containers.owner", None)
        for call in calls:
            call(x, x.dtype.type(0.1))


def test_such_arguments_in_blocks_pictures_and_compiled_code():
    matplotlib, numba = pytest.importorskip("matplotlib"), pytest.importorskip("numba")
    matplotlib.use("agg")
    x = np.arange(1, 4.0)
    block = act.nn.Activation(crowded)
    same_bits(block(x), crowded(x))
    same_bits(block.backward(x), crowded.backward(x, x))
    act.warmup(crowded, dtypes="float64")
    assert "n=3" in crowded.plot(n=3).get_title("right")
    assert numba.njit(lambda v: (crowded.grad(v, wrt_="n"), crowded.backward(v, v, n=5.0)))(2.0) == (2, 10)


@pytest.mark.parametrize("way", ["scalar", "grad", "value_and_grad", "backward"])
def test_a_parameter_given_twice_is_named(way):
    call = getattr(act.elu, way)
    with pytest.raises(TypeError, match=r"^elu\(\) got multiple values for argument 'alpha'"):
        call(*[1.0, 2.0, 3.0][way != "backward":], alpha=2.0)
