"""Row functions by name in compiled code: the same bits, whatever the layout; errors that name the function."""
import numba
import numpy as np
import pytest
from numba import njit
from test_rows import numbers
from tools import same_bits

import numba_act as act

LAYOUTS = {
    "C": lambda x: x, "F": np.asfortranarray, "in rows": lambda x: x[:, :, :19], "anyhow": lambda x: x[::2, ::-1, ::3],
    "short": lambda x: x[:, :, :10].copy(), "no rows": lambda x: x[:0], "empty rows": lambda x: x[:, :0, :0]}


@njit(fastmath=True)
def along(x):
    return act.softmax(x), act.logsumexp(x, 1), act.softmax.backward(x, x, axis=-3)


@njit
def of_one_row(f, x):
    y = f(x)
    return y, act.softmax.backward(x, y=y), act.log_softmax(x), act.logsumexp(x), act.entmax15(x), f(np.arange(5))


@njit
def with_options(x, where, temperature, sink):
    return (act.softmax(x, where=where, temperature=temperature, sink=sink),
            act.softmax.backward(x, y=x, axis=1, where=where))


@njit
def in_columns(x):
    y = act.logsumexp(x, 0, keepdims=True, temperature=2, sink=0.5)
    return y, act.logsumexp.backward(y[0], x, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits(layout):
    x = LAYOUTS[layout](numbers((5, 7, 40), np.float32))
    for found, expected in zip(along(x), along.py_func(x), strict=True):
        same_bits(found, expected)
    assert along(x)[0].flags.c_contiguous or layout == "F"


@pytest.mark.parametrize("n", [3, 40_000])
def test_one_row(n):
    x = numbers(n, np.float64, n)
    for found, expected in zip(of_one_row(act.softmin, x), of_one_row.py_func(act.softmin, x), strict=True):
        same_bits(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("shape", [(5, 7, 40), (7, 1), (40,)])
@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_options(shape, temperature):
    x = numbers((5, 7, 40), np.float32)
    x[0, :3, 0] = np.inf, -np.inf, np.nan
    where, sink = np.ones((1, 1, 1), bool) & (numbers(shape, np.float32, 1) > 0), np.zeros((1, 1, 1))
    for found, expected in zip(with_options(x, where, temperature, sink),
                               with_options.py_func(x, where, temperature, sink), strict=True):
        same_bits(found, expected)


def test_options_of_columns():
    x = np.asfortranarray(numbers((5, 6, 20), np.float64))
    for found, expected in zip(in_columns(x), in_columns.py_func(x), strict=True):
        same_bits(found, expected)


@pytest.mark.parametrize(("change", "message"), [
    ({"temperature": -1.0}, "softmax: temperature must be a positive number"),
    ({"temperature": np.nan}, "softmax: temperature must be a positive number"),
    ({"where": np.ones((1, 7, 2), bool)}, "softmax: where does not broadcast to the shape of x"),
    ({"sink": np.ones((1, 1, 40))}, "softmax: sink does not broadcast to one number a row"),
])
def test_options_that_do_not_fit(change, message):
    given = {"where": np.ones((5, 7, 40), bool), "temperature": 1.0, "sink": np.zeros((5, 7, 1)), **change}
    with pytest.raises(ValueError, match=f"^{message}$"):
        with_options(numbers((5, 7, 40), np.float32), **given)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: act.softmax(x[0]), "softmax: x must be an array of numbers with an axis, not float64"),
    (lambda x: act.softmax(x, axis=1), r"softmax: axis=1 is none of an array of shape .*; accepted are -1 to 0"),
    (lambda x: act.softmax(x, axis=x.size), "softmax: in compiled code axis must be a constant, as axis=0, not int64"),
    (lambda x: act.softmax(x, out=x), "softmax: got an .*'out'; accepted in compiled code are x, axis, where, temp"),
    (lambda x: act.softmax(x, where=x), r"softmax: where must be an array of bool of up to 1 axes, not arr"),
    (lambda x: act.softmax(x, sink="1"), "softmax: sink must be a number or an array of numbers of up to"),
    (lambda x: act.softmax(x, temperature=x), r"softmax: temperature must be a number, not array\(float64"),
    (lambda x: act.logsumexp(x, keepdims=x.size > 1), "logsumexp: in compiled code keepdims must be a constant, as"),
    (lambda x: act.softmax(1j * x), r"softmax: x must be an array of numbers with an axis, not array\(complex"),
    (lambda x: act.softmax(x.astype(np.float16)), "softmax: Numba computes in float32 and float64, not in float16"),
    (lambda x: act.softmin.backward(x), "softmin: one of x and y= is accepted"),
    (lambda x: act.softmin.backward(x, x.reshape(1, -1)), "softmin: gy and x must have one shape"),
    (lambda x: act.gumbel_softmax(x), "gumbel_softmax is not known in compiled code"),
    (lambda x: act.logsumexp.backward("1", x), "logsumexp: gy must be a number or an array of numbers of up to 1 axes"),
])
def test_errors_name_the_function(call, message):
    with pytest.raises(numba.TypingError, match=f"\\n{message}") as error:
        njit(call)(np.ones(3))
    assert len(str(error.value).splitlines()) < 20


def test_shapes_that_differ():
    with pytest.raises(ValueError, match=r"^softmax: gy and x differ in shape$"):
        njit(lambda gy, x: act.softmax.backward(gy, x))(np.ones(3), np.ones(4))
