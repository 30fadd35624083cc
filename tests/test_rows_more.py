"""What is made of softmax, and what takes its place: the loss of a classifier, sparse rows, samples."""
import pickle

import numpy as np
import pytest
from test_docs import check
from test_rows import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, WIDE, numbers, units, wide
from tools import every_dtype, generator, same_bits

import numba_act as act
from numba_act import nn

NAMES = ["softmax_cross_entropy", "sparsemax", "entmax15", "gumbel_softmax"]
sparse = pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
LOSS = act.softmax_cross_entropy


@pytest.mark.parametrize("name", NAMES)
def test_known_by_name(name):
    f = getattr(act, name)
    assert act.get(name) is f is f.fast
    for made in (f, f.backward, getattr(f, "value_and_grad", f)):
        assert pickle.loads(pickle.dumps(made)) is made
    assert check(f.__doc__, name) >= 1
    assert "References" in f.__doc__


# --- the loss ---------------------------------------------------------------------------------------------------------
def loss(x, target, smoothing=0.0):
    """The loss of each row, along the last axis, and its gradient, in extended precision."""
    x = wide(x)
    target = np.eye(x.shape[-1])[target] if target.ndim < x.ndim else wide(target)
    target = (1 - WIDE(smoothing)) * target + WIDE(smoothing) / x.shape[-1]
    z = x - x.max(-1, keepdims=True)
    log = z - np.log(np.exp(z).sum(-1, keepdims=True))
    with np.errstate(invalid="ignore"):
        return -np.where(target == 0, 0, target * log).sum(-1), np.exp(log) * target.sum(-1, keepdims=True) - target


@every_dtype
@pytest.mark.parametrize("classes", [1, 2, 10, 17, 1000])
def test_loss_of_labels(dtype, classes):
    for scale in (1, 40):
        x, labels = numbers((9, classes), dtype, classes, scale=scale), generator(classes).integers(0, classes, 9)
        value, slope = LOSS.value_and_grad(x, labels, reduction="none")
        true, gradient = loss(x, labels)
        limit = 0.501 if dtype.itemsize == 2 else 4
        assert units(value, true, dtype, 1 / 16) <= limit
        # also where p is nearly 1, as far as the definition is exact
        assert units(slope, gradient, dtype, 2.0**-8 if dtype == FLOAT64 else 2.0**-20) <= limit
        same_bits(LOSS(x, labels, reduction="none"), value)
        same_bits(LOSS.backward(1.0, x, labels, reduction="none"), slope)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.125])
@pytest.mark.parametrize("of_labels", [True, False])
def test_loss_along_any_axis(dtype, smoothing, of_labels):
    for axis in (0, 1, -1):
        x = numbers((5, 40, 6), dtype, axis)
        if of_labels:
            shape = np.delete(x.shape, axis)
            target = generator("labels", axis).integers(0, x.shape[axis], shape)
            true, gradient = loss(np.moveaxis(x, axis, -1), target, smoothing)
        else:
            target = act.softmax(numbers(x.shape, dtype, 1), axis)
            true, gradient = loss(np.moveaxis(x, axis, -1), np.moveaxis(target, axis, -1), smoothing)
        value, slope = LOSS.value_and_grad(x, target, axis, label_smoothing=smoothing, reduction="none")
        assert units(value, true, dtype, 1) <= 4
        assert units(slope, np.moveaxis(gradient, -1, axis), dtype, 1) <= 2
        total, mean = (LOSS(x, target, axis, label_smoothing=smoothing, reduction=r) for r in ("sum", "mean"))
        np.testing.assert_allclose([total, mean * true.size], [true.sum()] * 2, rtol=1e-6)
        gy = numbers(true.shape, dtype)
        by_gy = LOSS.backward(gy, x, target, axis, label_smoothing=smoothing, reduction="none")
        np.testing.assert_allclose(by_gy, slope * np.expand_dims(gy, axis), rtol=1e-5, atol=1e-6)
        by_mean = LOSS.backward(3.0, x, target, axis, label_smoothing=smoothing)
        np.testing.assert_allclose(by_mean, slope * 3 / true.size, rtol=1e-5, atol=1e-8)


def test_no_losses():
    """[] is an array of floats."""
    value, slope = LOSS.value_and_grad(np.ones((0, 3), "f4"), [], reduction="sum")
    assert value == 0 and slope.shape == (0, 3)


def test_losses_that_do_not_count():
    x, labels = np.float32([[np.nan, np.inf], [2, 1], [0, 0]]), np.array([-100, 1, 0])
    where = np.array([False, True, True])
    value, slope = LOSS.value_and_grad(x, labels, where=where)
    true = LOSS(x[1:], labels[1:])
    same_bits(value, true)
    same_bits(slope, np.vstack([np.zeros((1, 2), "f4"), LOSS.value_and_grad(x[1:], labels[1:])[1]]))
    assert LOSS(x, labels, where=where, reduction="none")[0] == 0
    assert np.isnan(LOSS(x, labels, where=np.zeros(3, bool)))


def test_large_logits_of_the_loss():
    x = np.float32([[1e38, -1e38], [1e4, 1e4 - 1]])
    value, slope = LOSS.value_and_grad(x, [0, 0], reduction="none")
    np.testing.assert_allclose(value, [0, np.log1p(np.exp(-1.0))], rtol=1e-6)
    np.testing.assert_allclose(slope[1], [-1 / (1 + np.e), 1 / (1 + np.e)], rtol=1e-6)
    assert LOSS(x, [1, 0], reduction="none")[0] > 1.9e38
    assert LOSS(np.float32([[0, -np.inf]]), [1]) == np.inf
    same_bits(LOSS(np.float32([[0, -np.inf]]), np.float32([[1, 0]])), np.float32(0))


def test_cases_of_torch():
    torch = pytest.importorskip("torch")
    x, labels = numbers((6, 5, 4), FLOAT64), generator("torch").integers(0, 5, (6, 4))
    for smoothing in (0.0, 0.1):
        for reduction in ("mean", "sum", "none"):
            t = torch.tensor(x, requires_grad=True)
            true = torch.nn.functional.cross_entropy(t, torch.tensor(labels), label_smoothing=smoothing,
                                                     reduction=reduction)
            true.sum().backward()
            value, slope = LOSS.value_and_grad(x, labels, 1, label_smoothing=smoothing, reduction=reduction)
            np.testing.assert_allclose(value, true.detach().numpy(), rtol=1e-12)
            np.testing.assert_allclose(slope, t.grad.numpy(), rtol=1e-11, atol=1e-15)


X = np.ones((2, 3), np.float32)
BAD_LOSSES = {
    "no target": (lambda: LOSS(X), TypeError, "'target'; accepted are logits, target, axis"),
    "no class": (lambda: LOSS(X, [0, 3]), ValueError, "label 3 is none of 3 classes"),
    "a class below": (lambda: LOSS(X, [-1, 0]), ValueError, "label -1 is none of 3 classes"),
    "too few": (lambda: LOSS(X, [0]), ValueError, r"target has shape \(1,\).*integers of shape \(2,\) are accepted"),
    "floats": (lambda: LOSS(X, [0.0, 1.0]), ValueError, "dtype float64; integers of shape"),
    "reduction": (lambda: LOSS(X, [0, 0], reduction="avg"), ValueError, "'avg' is not accepted; mean, sum, none are"),
    "smoothing": (lambda: LOSS(X, [0, 0], label_smoothing=2), ValueError, "label_smoothing=2 is not accepted"),
    "mask": (lambda: LOSS(X, [0, 0], where=[1, 0]), TypeError, "where has dtype int64; a mask of bool"),
    "mask's shape": (lambda: LOSS(X, [0, 0], where=X > 0), ValueError, r"where has shape \(2, 3\); that of the loss"),
    "axis": (lambda: LOSS(X, [0, 0], 2), ValueError, "axis=2 is none of"),
    "complex": (lambda: LOSS(X + 1j, [0, 0]), TypeError, "complex64 is not supported"),
    "no gy": (lambda: LOSS.backward(None, X, [0, 0]), TypeError, "gy: dtype object is not supported"),
    "words": (lambda: LOSS.backward("a", X, [0, 0]), TypeError, "gy: dtype <U1 is not supported"),
    "gy": (lambda: LOSS.backward(np.ones(3), X, [0, 0], reduction="none"), ValueError, r"gy has shape \(3,\)"),
}


@pytest.mark.parametrize("case", BAD_LOSSES)
def test_bad_losses(case):
    call, error, message = BAD_LOSSES[case]
    with pytest.raises(error, match=message) as caught:
        call()
    assert str(caught.value).startswith("softmax_cross_entropy")
    assert "\n" not in str(caught.value)


# --- sparse rows ------------------------------------------------------------------------------------------------------
def projected(name, x):
    """By sorting, along the last axis, in extended precision; the derivative's shares, too."""
    z = (wide(x) - wide(x).max(-1, keepdims=True)) / (2 if name == "entmax15" else 1)
    falling, k = -np.sort(-z, -1), np.arange(1, x.shape[-1] + 1)
    mean = np.cumsum(falling, -1) / k
    if name == "sparsemax":
        thresholds = mean - WIDE(1) / k
    else:
        spread = k * (np.cumsum(falling**2, -1) / k - mean**2)
        thresholds = mean - np.sqrt(np.maximum((1 - spread) / k, 0))
    count = (thresholds <= falling).sum(-1, keepdims=True)
    above = np.maximum(z - np.take_along_axis(thresholds, count - 1, -1), 0)
    return (above, (above > 0).astype(WIDE)) if name == "sparsemax" else (above**2, above)


@sparse
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 17, 100, 1000, 30_000])
def test_values_by_sorting(name, dtype, n):
    for scale in (0.01, 1, 10):
        x = numbers((3, n), dtype, n, scale=scale)
        true, shares = projected(name, x)
        y, gy = getattr(act, name)(x), numbers((3, n), dtype, 1)
        unit = {FLOAT16: 2.0**-10, BFLOAT16: 2.0**-7, FLOAT32: 2.0**-23, FLOAT64: 2.0**-52}[dtype]
        assert np.abs(wide(y) - true).max() <= (0.501 if dtype.itemsize == 2 else 4) * unit
        same_bits(getattr(act, name)(x.T.copy(), 0), y.T)
        same_bits(getattr(act, name)(np.repeat(x, 2, 1)[:, ::2]), y)
        if dtype == FLOAT64:
            gradient = shares * (wide(gy) - (gy * shares).sum(-1, keepdims=True) / shares.sum(-1, keepdims=True))
            for found in (getattr(act, name).backward(gy, x), getattr(act, name).backward(gy, y=y)):
                np.testing.assert_allclose(found.astype("f8"), gradient.astype("f8"), rtol=1e-6, atol=1e-7)


@sparse
def test_a_support_that_shrinks_one_by_one(name):
    """The slowest case for Newton's method."""
    x = -np.float64(1.5) ** np.arange(-60, 3)[None, ::-1]
    true, _ = projected(name, x)
    np.testing.assert_allclose(getattr(act, name)(x), true.astype("f8"), atol=1e-15)


@sparse
def test_special_rows(name):
    f, inf, nan = getattr(act, name), np.inf, np.nan
    x = np.float32([[-inf, 0, -inf], [inf, 0, 1], [-inf] * 3, [nan, 0, 0]])
    same_bits(f(x), np.float32([[0, 1, 0]] + [[nan] * 3] * 3))
    left = [f(np.float32([0, 1])) @ np.eye(3, dtype="f4")[1:], [0, 0, 0], [0, 0.5, 0.5]]
    np.testing.assert_allclose(f(x, where=np.isfinite(x)), [[0, 1, 0], *left], rtol=2e-7)
    assert np.isnan(f.backward(np.ones((1, 3), "f4"), x[3:])).all()
    with pytest.raises(TypeError, match=f"{name}: got an unexpected .* 'temperature'; accepted are x, axis, where"):
        f(x, temperature=2)


# --- samples ----------------------------------------------------------------------------------------------------------
def test_samples():
    x = np.log(np.float64([[0.1, 0.2, 0.7]] * 50_000))
    hard, soft = act.gumbel_softmax(x, hard=True, rng=1), act.gumbel_softmax(x, 0.5, rng=1)
    np.testing.assert_allclose(hard.mean(0), [0.1, 0.2, 0.7], atol=0.01)
    np.testing.assert_array_equal(hard.argmax(-1), soft.argmax(-1))
    np.testing.assert_array_equal(hard.sum(-1), 1)
    same_bits(act.gumbel_softmax(x, rng=1), act.gumbel_softmax(x, rng=np.int64(1)))
    assert not np.array_equal(act.gumbel_softmax(x), act.gumbel_softmax(x))


def test_samples_keep_their_numbers():
    uniform = (act.rrelu.sample(-np.ones(6), 0.0, 1.0, rng=1234)[1] + 2.0**-33).reshape(2, 3)
    x = np.array([[0.0, 1, 2], [0, 0, 0]])
    same = act.softmax(x - np.log(-np.log(uniform)), temperature=0.7)
    np.testing.assert_allclose(act.gumbel_softmax(x, 0.7, rng=1234), same, rtol=1e-13)


@every_dtype
def test_gradients_of_samples(dtype):
    x, gy = numbers((4, 9), dtype), numbers((4, 9), dtype, 1)
    y = act.gumbel_softmax(x, 2.0, rng=3)
    of_y, of_x = act.gumbel_softmax.backward(gy, y=y, tau=2.0), act.gumbel_softmax.backward(gy, x, 2.0, 3)
    np.testing.assert_allclose(of_y.astype("f8"), of_x.astype("f8"), atol=8 * float(np.finfo("f4").eps if
                               dtype.itemsize > 2 else 2.0**-7))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: act.gumbel_softmax(X, 0), ValueError, "tau=0 is not accepted"),
    (lambda: act.gumbel_softmax(X, rng=-1), ValueError, "rng=-1 is no seed"),
    (lambda: act.gumbel_softmax(X, rng="a"), TypeError, "rng must be an integer"),
    (lambda: act.gumbel_softmax(X, axis=5), ValueError, "axis=5 is none of"),
    (lambda: act.gumbel_softmax(X + 1j), TypeError, "complex64 is not supported"),
    (lambda: act.gumbel_softmax.backward(X, X), TypeError, "needs the seed"),
    (lambda: act.gumbel_softmax.backward(X), TypeError, "one of x and y= is accepted")])
def test_bad_samples(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert str(caught.value).startswith("gumbel_softmax")


# --- blocks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_blocks(name):
    f, x, gy = {"softmax": nn.Softmax, "log_softmax": nn.LogSoftmax}[name](0, 2.0), numbers((4, 3), FLOAT32), X[:1]
    with pytest.raises(RuntimeError, match="backward comes after a call"):
        f.backward(gy)
    y = f(x)
    same_bits(y, getattr(act, name)(x, 0, temperature=2.0))
    gy, kept = numbers((4, 3), FLOAT32, 1), y.copy()
    y[:] = 0
    same_bits(f.backward(gy), getattr(act, name).backward(gy, axis=0, y=kept, temperature=2.0))
    assert repr(pickle.loads(pickle.dumps(f))) == repr(f) == f"{type(f).__name__}(axis=0, temperature=2.0)"
    assert f.train().state_dict() == {}
