"""Row functions on what holds arrays: the same kind out, along the axis of its library."""
import threading

import numpy as np
import pytest
from test_rows import numbers
from tools import same_bits

import numba_act as act

X, GY = numbers((4, 6, 5), np.float32), numbers((4, 6, 5), np.float32, 1)


def test_torch():
    torch = pytest.importorskip("torch")
    x, out = torch.tensor(X), torch.empty(X.shape)
    same_bits(act.softmax(x, 1).numpy(), act.softmax(X, 1))
    assert act.softmax(x, out=out) is out
    same_bits(out.numpy(), act.softmax(X))
    same_bits(act.softmax.backward(torch.tensor(GY), x).numpy(), act.softmax.backward(GY, X))
    half = act.logsumexp(x.to(torch.bfloat16), where=torch.tensor(X > 0))
    assert half.dtype is torch.bfloat16
    labels = np.array([0, 2, 1, 1])
    for found, expected in zip(act.softmax_cross_entropy.value_and_grad(x[:, 0], torch.tensor(labels)),
                               act.softmax_cross_entropy.value_and_grad(X[:, 0], labels), strict=True):
        same_bits(found.numpy(), expected)
    where = torch.tensor(labels > 0)
    loss = act.softmax_cross_entropy(x[:, 0].bfloat16(), torch.tensor(labels), where=where, reduction="none")
    assert loss.dtype is torch.bfloat16
    same_bits(act.gumbel_softmax(x, hard=True, rng=1, out=out).numpy(), act.gumbel_softmax(X, hard=True, rng=1))
    same_bits(act.gumbel_softmax.backward(torch.tensor(GY), x, rng=1).numpy(),
              act.gumbel_softmax.backward(GY, X, rng=1))
    for name in ("softmax", "gumbel_softmax"):
        with pytest.raises(TypeError, match=rf"^{name}: x requires grad, which numba_act\.torch\.{name} heeds; or"):
            getattr(act, name)(torch.tensor(X, requires_grad=True))


def test_jax():
    jax = pytest.importorskip("jax")
    for function in (act.softmax, act.gumbel_softmax, lambda x: act.softmax_cross_entropy(x, X[..., 0])):
        with pytest.raises(TypeError, match=r"^(\w+): a JAX .*Tracer has no values; numba_act\.jax\.\1 "):
            jax.jit(function)(X)
    y = act.log_softmax(jax.numpy.asarray(X), 0)
    assert isinstance(y, jax.Array)
    same_bits(np.asarray(y), act.log_softmax(X, 0))
    same_bits(np.asarray(act.gumbel_softmax(jax.numpy.asarray(X), rng=1)), act.gumbel_softmax(X, rng=1))
    with pytest.raises(TypeError, match=r"softmax: a JAX .* has no values"):
        jax.jit(act.softmax)(jax.numpy.ones(3))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_dask(axis):
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(2, 2, 2))
    for f, options in ((act.softmax, {}), (act.logsumexp, {}), (act.logsumexp, {"keepdims": True}), (act.entmax15, {})):
        lazy, expected = f(x, axis, **options), f(X, axis, **options)
        assert lazy.shape == expected.shape
        same_bits(lazy.compute(), expected)
    same_bits(act.softmax(x, axis, where=X > 0, sink=1.0).compute(), act.softmax(X, axis, where=X > 0, sink=1.0))
    same_bits(act.softmax.backward(da.from_array(GY, chunks=3), x, axis).compute(), act.softmax.backward(GY, X, axis))
    with pytest.raises(ValueError, match="softmax: axis=3 is none of"):
        act.softmax(x, 3)
    with pytest.raises(TypeError, match=r"^gumbel_softmax: Dask arrays are not supported; arrays and tensors are$"):
        act.gumbel_softmax(x)
    with pytest.raises(TypeError, match="softmax: out= is not accepted for Dask arrays"):
        act.softmax(x, axis, out=np.empty(X.shape, "f4"))


def test_xarray():
    xr = pytest.importorskip("xarray")
    x = xr.DataArray(X, dims=("b", "h", "k"), coords={"h": list("abcdef")}, name="scores", attrs={"unit": 1})
    y = act.softmax(x, axis="h")
    same_bits(y.data, act.softmax(X, 1))
    assert (y.dims, y.name, list(y.h.data), y.attrs) == (x.dims, "scores", list("abcdef"), {"unit": 1})
    mask = xr.DataArray(X[0].T > 0, dims=("k", "h"))
    same_bits(act.softmax(x, "k", where=mask).data, act.softmax(X, where=X[:1] > 0))
    assert act.logsumexp(x, "b").dims == ("h", "k")
    assert act.logsumexp(x, "b", keepdims=True).dims == ("b", "h", "k")
    same_bits(act.softmax.backward(xr.DataArray(GY, dims=x.dims), x, "b").data, act.softmax.backward(GY, X, 0))
    gy = xr.DataArray(GY[0, :, 0], dims="h")                    # the gradient has the labels of x
    gx = act.softmax.backward(gy, x, "h")
    same_bits(gx.data, act.softmax.backward(np.broadcast_to(GY[:1, :, :1], X.shape), X, 1))
    assert (gx.dims, list(gx.h.data)) == (x.dims, list("abcdef"))
    with pytest.raises(ValueError, match="softmax: axis='z' is no dimension; accepted are b, h, k"):
        act.softmax(x, "z")


def test_pandas():
    pd = pytest.importorskip("pandas")
    series = pd.Series([1.0, 2, 3], index=list("abc"), name="scores")
    y = act.softmax(series)
    assert (list(y.index), y.name) == (list("abc"), "scores")
    same_bits(y.to_numpy(), act.softmax(series.to_numpy()))
    assert act.softmax(pd.Series([1, 2], dtype="Float32")).dtype == "Float32"
    assert act.logsumexp(series) == act.logsumexp(series.to_numpy())
    frame = pd.DataFrame(X[0], columns=list("vwxyz"))
    pd.testing.assert_frame_equal(act.softmax(frame), pd.DataFrame(act.softmax(X[0]), columns=list("vwxyz")))
    pd.testing.assert_frame_equal(act.softmax(frame, "index"), act.softmax(frame, 0))
    assert list(act.logsumexp(frame, 0).index) == list("vwxyz")
    gy = pd.DataFrame(GY[0])
    expected = pd.DataFrame(act.softmax.backward(GY[0], X[0]), columns=list("vwxyz"))
    pd.testing.assert_frame_equal(act.softmax.backward(gy, frame), expected)
    assert list(act.softmax.backward(pd.Series([1.0, 2, 3]), series).index) == list("abc")
    with pytest.raises(TypeError, match="cross_entropy: pandas objects are not supported; arrays and tens"):
        act.softmax_cross_entropy(frame, [0])
    with pytest.raises(ValueError, match="softmax: values are missing"):
        act.softmax(pd.Series([1, None], dtype="Float64"))


def test_columns():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    y = act.softmax(polars.Series("p", [1.0, 2]))
    assert y.name == "p"
    same_bits(y.to_numpy(), act.softmax(np.array([1.0, 2])))
    same_bits(act.softmax(pyarrow.array([1.0, 2])).to_numpy(), act.softmax(np.array([1.0, 2])))
    with pytest.raises(TypeError, match="softmax: Polars frames are not supported along an axis"):
        act.softmax(polars.DataFrame({"a": [1.0]}))


def test_masked_arrays_are_told_what_to_give():
    with pytest.raises(TypeError, match=r"softmax: masked arrays .* where=~x\.mask"):
        act.softmax(np.ma.array([1.0, 2], mask=[True, False]))


def test_first_calls_of_many_threads(monkeypatch):
    """One kernel for all of them: jobs hold its address."""
    from numba_act.backends.rows import code
    monkeypatch.setattr(code, "_records", {})
    from numba_act.backends.rows import cpu
    cpu.plan_of.cache_clear()
    x, results, start = numbers((5, 33), np.float64), [], threading.Barrier(8)

    def work():
        start.wait()
        results.append(act.softmax(np.asfortranarray(x)))
    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 8
    assert len({id(record) for record in code._records.values()}) == len(code._records)
    for y in results:
        same_bits(y, act.softmax(x))
