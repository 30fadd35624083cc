"""Arrays inside other things: Dask, xarray, pandas, masked arrays, and arrays on a GPU beside them."""

import numpy as np
import pytest
from tools import GATED, WITH_PARAMETERS, every_plain, generator, same_bits, spread

import numba_act as act


def numbers(shape, dtype=np.float32, seed=0):
    return (generator(shape, seed).standard_normal(shape) * 3).astype(dtype)


@pytest.fixture
def da():
    return pytest.importorskip("dask.array")


@pytest.fixture
def xr():
    return pytest.importorskip("xarray")


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


# --- Dask -------------------------------------------------------------------------------------------------------------
@every_plain
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_dask(da, name, dtype):
    a, x = act.activations[name], numbers((40, 30), dtype)
    lazy = da.from_array(x, chunks=(13, 30))
    pairs = [(a(lazy), a(x)), (a.grad(lazy), a.grad(x)), (a.backward(lazy, lazy), a.backward(x, x)),
             *zip(a.value_and_grad(lazy), a.value_and_grad(x), strict=True)]
    for result, expected in pairs:
        assert isinstance(result, da.Array)
        assert (result.dtype, result.shape, result.chunks) == (dtype, x.shape, lazy.chunks)
        same_bits(result.compute(scheduler="sync"), expected)
    same_bits(a(a(lazy).T).compute(scheduler="threads"), a(a(x).T))
    assert a(lazy, dtype="f8").dtype == np.float64
    same_bits(a(da.from_array(np.arange(9), chunks=4)).compute(scheduler="sync"), a(np.arange(9)))


def test_dask_stays_lazy(da):
    def fail(block):
        raise AssertionError("computed")
    lazy = da.from_array(numbers(20), chunks=5).map_blocks(fail, dtype="f4", meta=np.empty(0, "f4"))
    for result in (act.gelu(lazy), act.gelu.grad(lazy), *act.gelu.value_and_grad(lazy), act.gelu.backward(lazy, lazy),
                   *act.prelu.backward(lazy, lazy, 0.5, wrt=("x", "alpha"))):
        assert isinstance(result, da.Array)
    with pytest.raises(AssertionError, match="computed"):
        result.compute(scheduler="sync")


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, shape in spread(
    [(), (30,), (40, 1), (1, 1), (40, 30)]) if name in WITH_PARAMETERS])
def test_dask_parameters(da, name, shape):
    a, x, gy, p = act.activations[name], numbers((40, 30)), numbers((40, 30), seed=1), abs(numbers(shape, seed=2)) + 1
    p = np.asarray(p, "f4")
    lazy, lazy_gy = (da.from_array(v, chunks=(16, 11)) for v in (x, gy))
    for operand in (p, da.from_array(p, chunks=-1)):
        same_bits(a(lazy, operand).compute(scheduler="sync"), a(x, p))
        names = ("x", *a.params)
        for result, expected in zip(a.backward(lazy_gy, lazy, operand, wrt=names), a.backward(gy, x, p, wrt=names),
                                    strict=True):
            assert isinstance(result, da.Array)
            got = result.compute(scheduler="sync")
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    same_bits(a(lazy, **{a.params[0]: 0.5}).compute(scheduler="sync"), a(x, 0.5))


@every_plain
def test_dask_graphs_pickle(da, name):
    cloudpickle = pytest.importorskip("cloudpickle")
    a, x = act.activations[name], numbers((12, 4))
    lazy = da.from_array(x, chunks=(5, 4))
    for result, expected in ((a(lazy), a(x)), (a.grad(lazy), a.grad(x)), (a.backward(lazy, lazy), a.backward(x, x))):
        same_bits(cloudpickle.loads(cloudpickle.dumps(result)).compute(scheduler="sync"), expected)


@pytest.mark.parametrize("name", GATED)
def test_dask_gates(da, name):
    a, value, gate = act.activations[name], numbers((12, 4)), numbers((12, 4), seed=1)
    lazy = [da.from_array(v, chunks=(5, 4)) for v in (value, gate)]
    same_bits(a(*lazy).compute(scheduler="sync"), a(value, gate))
    for result, expected in zip(a.backward(lazy[0], *lazy), a.backward(value, value, gate), strict=True):
        same_bits(result.compute(scheduler="sync"), expected)


def test_dask_refuses_where(da):
    with pytest.raises(TypeError, match=r"^gelu: where= is not accepted for Dask arrays"):
        act.gelu(da.zeros(5, chunks=2), where=np.ones(5, bool))


def test_dask_refuses_out(da):
    with pytest.raises(TypeError, match=r"^gelu: out= is not accepted for Dask arrays"):
        act.gelu(da.zeros(5, chunks=2), out=np.empty(5))


def test_backward_refuses_out(da, xr, pd):
    x, out = np.ones(3, "f4"), np.full(3, 42, "f4")
    for operand in (da.from_array(x), xr.DataArray(x), pd.Series(x), np.ma.array(x)):
        with pytest.raises(TypeError, match=r"^gelu: out= is not accepted for "):
            act.gelu.backward(operand, operand, out=out)
    assert (out == 42).all()


def test_dask_of_unknown_length(da):
    x = numbers((20, 3))
    lazy = da.from_array(x, chunks=(7, 2))
    lazy, x = lazy[lazy[:, 0] > 0], x[x[:, 0] > 0]
    same_bits(act.gelu.backward(lazy, lazy).compute(scheduler="sync"), act.gelu.backward(x, x))
    p = np.float32([0.1, 0.2, 0.3])
    got = act.prelu.backward(lazy, lazy, p, wrt="alpha").compute(scheduler="sync")
    np.testing.assert_allclose(got, act.prelu.backward(x, x, p, wrt="alpha"), rtol=1e-5)


def test_sums_are_quiet(da, xr, pd):
    gy, x = np.float32([np.inf, -np.inf]), np.float32(1)
    with np.errstate(all="raise"):
        results = [act.identity.backward(a, x) for a in (pd.Series(gy), xr.DataArray(gy), np.ma.array(gy))]
        results.append(act.identity.backward(da.from_array(gy, chunks=1), x).compute(scheduler="sync"))
        results.append(act.identity.backward(xr.DataArray(gy, dims="t").chunk(1), xr.DataArray(x)).compute(
            scheduler="sync"))
    assert np.isnan([float(r) for r in results]).all()


# --- xarray -----------------------------------------------------------------------------------------------------------
@every_plain
@pytest.mark.parametrize("chunks", [None, {"time": 5}])
def test_xarray(xr, da, name, chunks):
    a, x = act.activations[name], numbers((12, 4))
    array = xr.DataArray(x, dims=("time", "channel"), coords={"channel": list("abcd")}, attrs={"unit": "V"}, name="v")
    array = array if chunks is None else array.chunk(chunks)
    for result, expected in ((a(array), a(x)), (a.grad(array), a.grad(x)), (a.backward(array, array), a.backward(x, x)),
                             *zip(a.value_and_grad(array), a.value_and_grad(x), strict=True)):
        assert isinstance(result, xr.DataArray)
        assert result.dims == array.dims
        assert (result.chunks is None) == (chunks is None)
        assert result.coords["channel"].values.tolist() == list("abcd")
        same_bits(result.values, expected)
    assert a(array).attrs == {"unit": "V"}
    dataset = xr.Dataset({"v": array, "w": array[:, 0]})
    assert isinstance(a(dataset), xr.Dataset)
    same_bits(a(dataset)["v"].values, a(x))
    same_bits(a.grad(dataset)["w"].values, a.grad(x[:, 0]))
    same_bits(a(array.variable).values, a(x))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_xarray_parameters_meet_by_name(xr, name):
    a, x = act.activations[name], numbers((12, 4))
    array = xr.DataArray(x, dims=("time", "channel"))
    p = xr.DataArray(np.linspace(0.5, 2, 12, dtype="f4"), dims="time")
    same_bits(a(array, p).values, a(x, p.values[:, None]))
    gx, gp = a.backward(array, array, p, wrt=("x", a.params[0]))
    assert gx.dims == array.dims
    assert gp.dims == ("time",)
    np.testing.assert_allclose(gp.values, a.backward(x, x, p.values[:, None], wrt=a.params[0])[:, 0], rtol=1e-5,
                               atol=1e-5)


@pytest.mark.parametrize("dtype", ["f2", "bfloat16"])
@pytest.mark.parametrize("chunks", [None, {"time": 1000}])
def test_xarray_sums_in_float64(xr, dtype, chunks):
    import ml_dtypes  # noqa: F401
    ones, alpha = np.ones((20000, 2), dtype), np.ones(2, dtype)
    ones[5, 1] = np.nan
    x, p = xr.DataArray(-ones, dims=("time", "channel")), xr.DataArray(alpha, dims="channel")
    x = x if chunks is None else x.chunk(chunks)
    got = act.prelu.backward(-x, x, p, wrt="alpha")
    assert got.dims == ("channel",)
    assert got.dtype == dtype
    expected = act.prelu.backward(ones, -ones, alpha, wrt="alpha")
    np.testing.assert_array_equal(got.values.astype("f4"), expected.astype("f4"))
    assert np.isnan(act.prelu.backward(-x, x, p).values[5, 1])


def test_xarray_gradients_have_their_operands_dims(xr):
    gy, x = xr.DataArray(numbers((3, 4)), dims=("b", "a")), xr.DataArray(numbers((4, 3)), dims=("a", "b"))
    got = act.gelu.backward(gy, x)
    assert got.dims == x.dims
    same_bits(got.values, act.gelu.backward(gy.values.T, x.values))


@pytest.mark.parametrize("parameter", [0.5, np.float32(0.5), np.float32([0.1, 0.2, 0.3])])
def test_xarray_datasets(xr, parameter):
    v, w = numbers((4, 3)), numbers((2, 3), seed=1)
    dataset = xr.Dataset({"v": (("a", "c"), v), "w": (("b", "c"), w)})
    each = [act.prelu.backward(x, x, parameter, wrt="alpha") for x in (v, w)]
    operand = xr.DataArray(parameter, dims="c") if np.ndim(parameter) else parameter
    gx, gp = act.prelu.backward(dataset, dataset, operand, wrt=("x", "alpha"))
    assert isinstance(gx, xr.Dataset)
    same_bits(gx["w"].values, act.prelu.backward(w, w, parameter))
    np.testing.assert_allclose(gp, each[0] + each[1], rtol=1e-5)
    assert gp.dtype == np.float32


@pytest.mark.parametrize("name", GATED)
def test_xarray_gates_meet_by_name(xr, name):
    a, value, gate = act.activations[name], numbers((12, 4)), numbers(4, seed=1)
    array, per_channel = xr.DataArray(value, dims=("time", "channel")), xr.DataArray(gate, dims="channel")
    same_bits(a(array, per_channel).values, a(value, gate))
    _, in_gate = a.backward(array, array, per_channel)
    assert in_gate.dims == ("channel",)


# --- pandas and masked arrays -----------------------------------------------------------------------------------------
@every_plain
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_pandas(pd, name, dtype):
    a, x = act.activations[name], numbers((6, 2)).astype(dtype)
    series = pd.Series(x[:, 0], index=list("abcdef"), name="s")
    for call in (a, a.grad):
        got = call(series)
        assert isinstance(got, pd.Series)
        assert got.name == "s"
        assert got.index.tolist() == list("abcdef")
        same_bits(got.to_numpy(), call(x[:, 0]))
    assert all(isinstance(part, pd.Series) for part in a.value_and_grad(series))
    same_bits(a.backward(series, series).to_numpy(), a.backward(x[:, 0], x[:, 0]))


@every_plain
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_pandas_frame(pd, name, dtype):
    a, x = act.activations[name], numbers((6, 2)).astype(dtype)
    frame = pd.DataFrame(x, columns=["p", "q"])
    for call in (a, a.grad):
        got = call(frame)
        assert isinstance(got, pd.DataFrame)
        assert got.columns.tolist() == ["p", "q"]
        same_bits(np.ascontiguousarray(got.to_numpy()), call(x))


@every_plain
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_masked_arrays(name, dtype):
    a, x = act.activations[name], numbers((5, 6), dtype)
    masked = np.ma.array(x, mask=x > 2, fill_value=9)
    for call in (a, a.grad, lambda v: a.value_and_grad(v)[1], lambda v: a.backward(v, v)):
        got = call(masked)
        assert isinstance(got, np.ma.MaskedArray)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.mask, masked.mask)
        same_bits(got.data[~got.mask], call(x)[~got.mask])


@every_plain
def test_subclasses_keep_their_type(name):
    class Tagged(np.ndarray):
        pass

    x = numbers(7)
    assert type(act.activations[name](x.view(Tagged))) is Tagged
    same_bits(act.activations[name](x.view(Tagged)).view(np.ndarray), act.activations[name](x))


@pytest.mark.parametrize("dtype", ["c16", "longdouble"])
def test_wrong_dtypes_are_named(da, pd, dtype):
    x = np.ones(3, dtype)
    for wrong in (np.ma.array(x), da.from_array(x), pd.Series(x), pd.DataFrame({"a": x, "b": np.ones(3)})):
        with pytest.raises(TypeError, match=r"^gelu: x: dtype .* is not supported; float16"):
            act.gelu(wrong)


def test_wrong_outputs_of_masked_arrays_are_named():
    x, frozen = np.ma.array(np.ones(3)), np.full(3, 42.0)
    frozen.flags.writeable = False
    for out, wanted in ((np.ones(4), r"\(4,\)"), (frozen, "output array is read-only")):
        with pytest.raises(ValueError, match=rf"^gelu: [^\n]*{wanted}[^\n]*$"):
            act.gelu(x, out=out)
    with pytest.raises(TypeError, match=r"^gelu: .*out[^\n]*$"):
        act.gelu(x, out=np.ones(3, "i4"))


# --- arrays on a GPU --------------------------------------------------------------------------------------------------
@every_plain
def test_device_arrays_beside_others(name, cupy):
    a, x = act.activations[name], np.ones(3, "f4")
    device_array, others = cupy.asarray(x), [x] * (len(a.operands) - 1)
    mixed = [lambda: a.backward(x, device_array, *others), lambda: a.backward(device_array, x, *others)]
    if a.params:
        mixed += [lambda: a(*[x] * len(a.operands), device_array), lambda: a(device_array, *others, x),
                  lambda: a.grad(device_array, *others, x)]
    for call in mixed:
        with pytest.raises(TypeError, match=rf"^{name}: .*cupy\.asarray\(x\) or x\.get\(\)[^\n]*$"):
            call()
