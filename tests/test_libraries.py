"""Columns, frames, ragged and sparse arrays, tensors: same kind out, with the numbers of the plain array."""
import functools
import sys
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tools import GATED, PLAIN, WITH_PARAMETERS, same_bits

import numba_act as act

NUMBERS = {"f2": [1.5, -2, 0.25, 7], "f4": [1.5, -2, 0.25, 7], "f8": [1.5, -2, 0.25, 7], "i1": [1, -2, 0, 7],
           "?": [True, False, True, True]}
SAMPLE = ["gelu", "leaky_relu", "softplus", "threshold", "hard_tanh", "rrelu"]
SAMPLE_GATED = ["swiglu", "reglu"]


def library(name):
    return pytest.importorskip(name, exc_type=ImportError)     # Dask frames lack parts of Dask


def nullable(values, dtype):
    pd = library("pandas")
    names = {"f4": "Float32", "f8": "Float64", "i1": "Int8", "?": "boolean"}
    return pd.Series(values, index=list("abcd"), name="n", dtype=names[dtype])


def in_arrow(values, dtype):
    pd, _ = library("pandas"), library("pyarrow")
    names = {"f2": "halffloat", "f4": "float", "f8": "double", "i1": "int8", "?": "bool"}
    return pd.Series(values, index=list("abcd"), name="n", dtype=f"{names[dtype]}[pyarrow]")


def arrow(values, dtype):
    pa = library("pyarrow")
    return pa.array([None if v is None else np.dtype(dtype).type(v) for v in values], pa.from_numpy_dtype(dtype))


def chunked(values, dtype):
    return library("pyarrow").chunked_array([arrow(values[:1], dtype), arrow(values[1:], dtype)])


def polars(values, dtype):
    pl = library("polars")
    names = {"f4": pl.Float32, "f8": pl.Float64, "i1": pl.Int8, "?": pl.Boolean}
    return pl.Series("n", values, dtype=names[dtype])


def ragged(values, dtype):
    ak = library("awkward")
    return ak.values_astype(ak.Array([values[:1], [], values[1:]]), np.dtype(dtype))


def masked(values, dtype):
    missing = [v is None for v in values]
    return np.ma.array([0 if v is None else v for v in values], dtype=dtype, mask=missing)


def flat(result):
    """The numbers in Python, None where one is missing."""
    if type(result).__module__.startswith("pandas"):
        return [None if missing else v for v, missing in zip(result, result.isna(), strict=True)]
    rows = result.to_pylist() if hasattr(result, "to_pylist") else result.to_list() if hasattr(
        result, "to_list") else result.tolist()
    return [v for row in rows for v in (row if isinstance(row, list) else [row])]


def dtype_name(column):
    """The dtype of a column of any library, in NumPy's word."""
    name = str(getattr(column, "dtype", None) or column.type).lower().partition("[")[0]
    return {"double": "float64", "float": "float32", "halffloat": "float16"}.get(name, name)


MAKERS = {nullable: "f4 f8 i1 ?", in_arrow: "f2 f4 f8 i1 ?", arrow: "f2 f4 f8 i1 ?", chunked: "f4 i1",
          polars: "f4 f8 i1 ?", ragged: "f4 f8 i1 ?", masked: "f2 f4 f8 i1 ?"}
COLUMNS = [pytest.param(make, dtype, id=f"{make.__name__}-{dtype}")
           for make, dtypes in MAKERS.items() for dtype in dtypes.split()]


def calls_of(name):
    """(call, gradient of ...) of everything that keeps the shape."""
    a = act.activations[name]
    slopes = [functools.partial(a.grad, wrt=wrt) for wrt in (*a.operands, *a.params)]
    return [a, *slopes, lambda *x: a.value_and_grad(*x)[1], lambda *x: a.backward(x[0], *x, wrt=a.operands)[-1]]


@pytest.mark.parametrize(("make", "dtype"), COLUMNS)
@pytest.mark.parametrize("missing", [False, True])
def test_columns(make, dtype, missing):
    """The value and every gradient, of the type and with the missing values of the operand."""
    values = NUMBERS[dtype]
    given = [values[0], None, *values[2:]] if missing else values
    x, plain = make(given, dtype), np.array(values, dtype)
    for name in (*SAMPLE, *SAMPLE_GATED):
        for call in calls_of(name):
            operands = len(act.activations[name].operands)
            got, expected = call(*[x] * operands), call(*[plain] * operands)
            assert type(got) is type(x) or make is arrow       # whose classes are its dtypes
            wanted = [None if v is None else e for v, e in zip(given, expected.tolist(), strict=True)]
            np.testing.assert_array_equal(np.array(flat(got), object), np.array(wanted, object), err_msg=name)
            assert make is ragged or dtype_name(got) == expected.dtype
    assert getattr(got, "name", None) == getattr(x, "name", None)


@pytest.mark.parametrize(("make", "dtype"), COLUMNS)
def test_gradients_in_parameters_skip_what_is_missing(make, dtype):
    values = NUMBERS[dtype]
    x, plain = make([None, *values[1:]], dtype), np.array(values[1:], dtype)
    for name in set(SAMPLE) & set(WITH_PARAMETERS):
        a = act.activations[name]
        got, expected = (a.backward(v, v, wrt=a.params) for v in (x, plain))
        np.testing.assert_allclose(got, expected, rtol=1e-3 if dtype == "f2" else 1e-6, err_msg=name)
        assert {g.dtype for g in got} == {expected[0].dtype}


@pytest.mark.parametrize(("make", "dtype"), COLUMNS)
def test_an_array_beside_a_column(make, dtype):
    values = NUMBERS[dtype]
    gate, plain = np.array([0.5, 1, 2, 4], "f4"), np.array(values, dtype)
    if make is ragged:                           # its rows are not those of the array
        gate = gate[:1]
    got = act.swiglu(make([values[0], None, *values[2:]], dtype), gate)
    expected = act.swiglu(plain, gate).tolist()
    np.testing.assert_array_equal(np.array(flat(got), object), np.array([expected[0], None, *expected[2:]], object))


# --- frames -----------------------------------------------------------------------------------------------------------
def pandas_frame():
    pd = library("pandas")
    stored = pd.arrays.SparseArray([0.0, 2], fill_value=0.0)
    frame = pd.DataFrame({"n": np.int8([1, 12]), "w": [0.5, 1.0], "f": np.float32([1, -2]), "b": [True, False],
                          "m": pd.array([1, None], dtype="Int64"), "s": stored}, index=[7, 8])
    return frame.set_axis(["n", "n", "f", "b", "m", "s"], axis=1)          # names may occur twice


def polars_frame():
    pl = library("polars")
    return pl.DataFrame({"n": pl.Series([1, 12], dtype=pl.Int8), "w": [0.5, 1.0], "f": np.float32([1, -2]),
                         "b": [True, False], "m": [1, None]})


def arrow_table():
    pa = library("pyarrow")
    return pa.table({"n": np.int8([1, 12]), "w": [0.5, 1.0], "f": np.float32([1, -2]), "b": [True, False],
                     "m": [1, None]})


PLAIN_COLUMNS = [np.int8([1, 12]), np.float64([0.5, 1]), np.float32([1, -2]), np.array([True, False]), np.array([1]),
                 np.array([0.0, 2])]


def names_of(frame):
    return list(getattr(frame, "column_names", frame.columns))


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table])
def test_each_column_computes_in_its_own_dtype(make):
    frame = make()
    kind = act.backends.containers.kind_of(frame)
    for name in SAMPLE:
        for call in calls_of(name):
            got = call(frame)
            assert type(got) is type(frame)
            assert names_of(got) == names_of(frame)
            for column, x in zip(kind.columns(got), PLAIN_COLUMNS, strict=False):
                expected = call(x)
                np.testing.assert_array_equal([v for v in flat(column) if v is not None], expected)
                assert "sparse" in dtype_name(column) or dtype_name(column) == expected.dtype


def test_the_columns_of_the_report():
    pd = library("pandas")
    got = act.exponential(pd.DataFrame({"n": np.int8([1, 12]), "w": [0.5, 1.0]}))
    assert got.dtypes.tolist() == [np.float64, np.float64]
    np.testing.assert_allclose(got["n"], [2.71828183, 162754.79141900], rtol=1e-9)
    dummies = pd.get_dummies(pd.Series(["a", "b"]))
    assert act.gelu(dummies).dtypes.tolist() == act.gelu.grad(dummies).dtypes.tolist() == [np.float64, np.float64]


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table])
@pytest.mark.parametrize("parameter", [0.5, "column"])
def test_gradients_in_the_parameters_of_a_frame(make, parameter):
    frame = make()
    kind = act.backends.containers.kind_of(frame)
    n = len(kind.columns(frame))
    alpha = np.linspace(0.1, 0.9, n) if parameter == "column" else parameter
    gx, got = act.prelu.backward(frame, frame, alpha, wrt=("x", "alpha"))
    each = [act.prelu.backward(x, x, np.float64(0.3), wrt="alpha") for x in PLAIN_COLUMNS[:n]]
    assert type(gx) is type(frame)
    np.testing.assert_array_equal(got, each if parameter == "column" else sum(each))


def test_frames_and_columns_meet_by_their_labels():
    pd = library("pandas")
    a, b = (pd.Series([1.0, 2, 3], index=index, name=name) for index, name in (([0, 1, 2], "a"), ([1, 2, 3], "b")))
    for x, y in ((a, b), (a.astype("Float64"), b.astype("Float64")), (a.to_frame("c"), b.to_frame("c"))):
        whole = x + y
        for result in (act.swiglu(x, y), *act.swiglu.backward(x + y, x, y), *act.swiglu.value_and_grad(x, y)):
            assert result.index.equals(whole.index)
            assert result.isna().equals(whole.isna())
    assert act.swiglu(a, b).name is None


def test_outputs_of_pandas():
    """By their places, whatever the labels."""
    pd = library("pandas")
    series, mask = pd.Series([1.0, -2, 3], index=list("abc")), np.array([True, False, True])
    frame = pd.DataFrame({"p": series, "q": -series})
    expected = act.gelu(series).to_numpy()
    for out in (np.zeros(3), pd.Series(np.zeros(3)), pd.Series(np.zeros(3), dtype="Float64")):
        assert act.gelu(series, out=out) is out
        np.testing.assert_array_equal(out, expected)
        act.gelu(-series, out=out, where=~mask)
        np.testing.assert_array_equal(out, np.where(mask, expected, act.gelu(-series)))
    for out in (np.zeros((3, 2)), pd.DataFrame(np.zeros((3, 2)))):
        assert act.gelu(frame, out=out) is out
        np.testing.assert_array_equal(out, act.gelu(frame))
    value, slope = outs = pd.Series(np.zeros(3)), np.zeros(3)
    assert act.gelu.value_and_grad(series, out=outs) is outs
    np.testing.assert_array_equal([value, slope], act.gelu.value_and_grad(series))
    for out, said in ((np.zeros(4), r"has shape \(4,\); the result has \(3,\)"), (outs, "needs 1 objects, not 2")):
        with pytest.raises((TypeError, ValueError), match=f"^gelu: out {said}$"):
            act.gelu(series, out=out)
    with pytest.raises(TypeError, match=r"^gelu: where= is not accepted for pandas objects$"):
        act.gelu(series, where=mask)


# --- Dask frames and Polars expressions -------------------------------------------------------------------------------
def test_dask_frames_stay_lazy():
    dd, _ = library("dask.dataframe"), library("pandas")
    frame = pandas_frame().iloc[:, [0, 2, 4]].set_axis(list("nfm"), axis=1)
    lazy = dd.from_pandas(frame, npartitions=2)
    for x, y in ((lazy, frame), (lazy.n, frame.n), (lazy.m, frame.m), (lazy.index, frame.index)):
        for name in ("gelu", "leaky_relu"):
            for call in calls_of(name):
                got = call(x)
                assert type(got) is type(x)
                assert got.compute(scheduler="sync").equals(call(y))
    for alpha in (0.25, np.float64([0.25, 0.5, 1])):
        gx, got = act.prelu.backward(lazy, lazy, alpha, wrt=("x", "alpha"))
        wanted_x, wanted = act.prelu.backward(frame, frame, alpha, wrt=("x", "alpha"))
        assert gx.compute(scheduler="sync").equals(wanted_x)
        np.testing.assert_array_equal(got.compute(scheduler="sync"), wanted)
    with pytest.raises(TypeError, match=r"^swiglu: beside Dask frames arrays have no rows"):
        act.swiglu(lazy.n, np.ones(2))


def test_polars_expressions():
    pl, frame = library("polars"), polars_frame()
    for query in (frame, frame.lazy()):
        for call, arguments in ((act.gelu, ("n",)), (act.gelu.grad, ("m",)), (act.swiglu, ("f", "w")),
                                (act.gelu.backward, ("f", "f")), (functools.partial(act.prelu, alpha=0.5), ("b",))):
            got = query.select(call(*map(pl.col, arguments)))
            got = got.collect() if isinstance(got, pl.LazyFrame) else got
            assert got.to_series().equals(call(*(frame[name] for name in arguments)), check_names=True)
    assert frame.select(act.relu(pl.all())).equals(act.relu(frame))


# --- whatever holds the numbers ---------------------------------------------------------------------------------------
def in_series(x, _, pd):
    series = pd.Series(x, index=[f"row {k % 3}" for k in range(len(x))], name="s")
    return series, lambda got: (got.index.equals(series.index) and got.name == "s", got.to_numpy(), None)


def in_mixed_frame(x, _, pd):
    """A column of the dtype between others, by names that occur twice."""
    n = len(x)
    frame = pd.DataFrame({"a": np.arange(n, dtype="i1"), "b": x, "c": np.ones(n, bool)}, index=7 + np.arange(n))
    frame.columns = list("aba")
    return frame, lambda got: (
        got.columns.equals(frame.columns) and got.index.equals(frame.index)
        and got.dtypes.iloc[0] == got.dtypes.iloc[2] == np.float64, got.iloc[:, 1].to_numpy(), None)


def in_nullable(x, mask, pd):
    assume(x.dtype != np.float16)                # which pandas has not
    name = "boolean" if x.dtype == bool else x.dtype.name.capitalize().replace("Ui", "UI")
    series = pd.Series(pd.array(x, dtype=name))
    series[mask] = pd.NA
    missing = series.isna().to_numpy()
    return series, lambda got: (got.isna().to_numpy()[missing].all(), got.to_numpy(float, na_value=np.nan), missing)


def in_masked(x, mask, _):
    array = np.ma.array(x, mask=mask)
    return array, lambda got: (np.array_equal(np.ma.getmaskarray(got), mask), np.asarray(got.data), mask)


def in_xarray(x, _, xr):
    array = xr.DataArray(x, dims="t", coords={"t": 2 * np.arange(len(x)), "u": ("t", np.arange(len(x)))}, name="v")
    return array, lambda got: (got.coords.equals(array.coords) and got.name == "v", got.values, None)


def in_dask(x, _, da):
    array = da.from_array(x, chunks=2)
    return array, lambda got: (got.chunks == array.chunks, got.compute(scheduler="sync"), None)


def in_dask_frame(x, _, dd):
    import pandas as pd
    series = pd.Series(x, name="s", index=range(7, 7 + len(x)))
    return dd.from_pandas(series, npartitions=2), lambda got: (
        got.name == "s" and got.compute(scheduler="sync").index.equals(series.index),
        got.compute(scheduler="sync").to_numpy(), None)


def in_memmap(x, _, tempfile):
    if not len(x):                               # which no file holds
        return x, lambda got: (True, got, None)
    with tempfile.TemporaryFile() as file:
        array = np.memmap(file, x.dtype, "w+", shape=x.shape)
    array[:] = x
    return array, lambda got: (isinstance(got, np.ndarray), np.asarray(got), None)


def in_record(x, _, np):
    records = np.zeros(len(x), [("before", "i1"), ("x", x.dtype)])
    records["x"] = x
    return records["x"], lambda got: (type(got) is np.ndarray, got, None)


def in_other_endianness(x, _, np):
    return x.astype(x.dtype.newbyteorder()), lambda got: (got.dtype.isnative, got, None)


def in_no_dimension(x, _, np):
    return np.array(x[0] if len(x) else 1, x.dtype), lambda got: (np.ndim(got) == 0, np.asarray(got), None)


HOLDERS = {in_series: "pandas", in_mixed_frame: "pandas", in_nullable: "pandas", in_masked: "numpy",
           in_xarray: "xarray", in_dask: "dask.array", in_dask_frame: "dask.dataframe", in_memmap: "tempfile",
           in_record: "numpy", in_other_endianness: "numpy", in_no_dimension: "numpy"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["f2", "f4", "f8", "i1", "u2", "i8", "?"]), st.integers(0, 5))
@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
def test_what_holds_the_numbers(holder, data, dtype, n):
    """The values, dtypes, labels and masks of the plain array's."""
    module, drawn = library(HOLDERS[holder]), data.draw(hnp.arrays(dtype, n))
    mask = data.draw(hnp.arrays(bool, n))
    name = data.draw(st.sampled_from([*SAMPLE, *SAMPLE_GATED]))
    call = data.draw(st.sampled_from(calls_of(name)))
    options = data.draw(st.sampled_from([{}, {"dtype": "f8"}])) if not isinstance(call, types.FunctionType) else {}
    operand, read = holder(drawn, mask, module)
    plain = operand if holder is in_no_dimension else drawn
    operands = len(act.activations[name].operands)
    kept, values, missing = read(call(*[operand] * operands, **options))
    expected = call(*[plain] * operands, **options)
    assert kept
    if missing is None:
        same_bits(values, expected)
    else:
        np.testing.assert_array_equal(values[~missing], expected[~missing])


# --- sparse arrays ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["COO", "GCXS", "DOK"])
def test_sparse_arrays(form):
    sparse = library("sparse")
    x = np.zeros((3, 4), "f4")
    x[0, 0], x[1, 2] = 1, -2
    stored = getattr(sparse, form).from_numpy(x)
    for name in SAMPLE:
        for call in calls_of(name):
            got = call(stored)
            assert type(got) is type(stored)
            assert got.nnz <= stored.nnz
            same_bits(got.todense(), call(x))
    for alpha in (np.float32(0.5), np.float32([0.5, 1, 2, 4])):
        got, expected = (act.prelu.backward(v, v, alpha, wrt="alpha") for v in (stored, x))
        same_bits(got, expected)
    same_bits(act.gelu(stored.astype("i1")).todense(), act.gelu(x.astype("i1")))


def test_sparse_columns():
    pd = library("pandas")
    for x in (np.float32([0, 0, -2]), np.array([0, 0, 1], "i1"), np.array([False, False, True])):
        column = pd.Series(pd.arrays.SparseArray(x, fill_value=x.dtype.type(0)))
        for name in SAMPLE:
            for call in calls_of(name):
                got, expected = call(column), call(x)
                np.testing.assert_array_equal(got, expected)           # a -0 that is not stored is 0
                assert got.sparse.density <= column.sparse.density


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "coo_array", "dok_matrix"])
def test_scipy_sparse_says_what_to_do(form):
    x = getattr(library("scipy.sparse"), form)(np.eye(2))
    for call in (act.gelu, act.gelu.grad, act.gelu.value_and_grad, lambda x: act.gelu.backward(np.eye(2), x)):
        with pytest.raises(TypeError, match=rf"^gelu: a scipy.sparse {form} .*x\.toarray\(\).* x\.data [^\n]*$"):
            call(x)


# --- xarray's options -------------------------------------------------------------------------------------------------
def labelled(values, t):
    return library("xarray").DataArray(values, dims="t", coords={"t": t}, attrs={"unit": "V"})


@pytest.mark.parametrize("kept", [True, False, "default"])
def test_xarray_keeps_attributes_as_it_is_told(kept):
    xr, x = library("xarray"), labelled([1.0, -2], [0, 1])
    dataset = xr.Dataset({"v": x}, attrs={"a": 1})
    with xr.set_options(keep_attrs=kept):
        for call in (*calls_of("gelu"), *calls_of("swish")):
            assert call(x).attrs == np.negative(x).attrs
            assert call(dataset).attrs == np.negative(dataset).attrs
            assert call(dataset)["v"].attrs == np.negative(dataset)["v"].attrs
        alpha = xr.DataArray(0.5, attrs={"b": 2})
        assert bool(act.prelu.backward(x, x, alpha, wrt="alpha").attrs) == bool(np.negative(x).attrs)


@pytest.mark.parametrize("join", ["inner", "outer", "left", "exact"])
def test_xarray_joins_as_in_its_arithmetic(join):
    xr, a, b = library("xarray"), labelled([1.0, 2, 3], [0, 1, 2]), labelled([1.0, 2, 3], [1, 2, 3])
    calls = [act.swiglu, lambda a, b: act.swiglu.value_and_grad(a, b)[1], lambda a, b: act.gelu.backward(a, b),
             lambda a, b: act.swiglu.backward(a + b, a, b)[1]]
    with xr.set_options(arithmetic_join=join):
        for call in calls:
            if join == "exact":
                with pytest.raises(ValueError, match=r"^(gelu|swiglu): cannot align"):
                    call(a, labelled([1.0, 2, 3], [0, 1, 3])) if call is not calls[-1] else act.swiglu(a, b)
                continue
            for x, y in ((a, b), (xr.Dataset({"v": a}), xr.Dataset({"v": b}))):
                got, wanted = call(x, y), np.add(x, y)
                np.testing.assert_array_equal(got.t, wanted.t)
                np.testing.assert_array_equal(np.isnan(got.to_array()) if x is not a else np.isnan(got),
                                              np.isnan(wanted.to_array()) if x is not a else np.isnan(wanted))


# --- what only wraps memory -------------------------------------------------------------------------------------------
def test_memmaps_are_arrays(tmp_path):
    x, gy, out = (np.memmap(tmp_path / name, "f4", "w+", shape=(5,)) for name in ("x", "gy", "out"))
    x[:], gy[:] = [1, -2, 3, -4, 0], 2
    for result in (act.gelu(x), act.gelu(x, out=out), act.gelu.grad(x), *act.gelu.value_and_grad(x)):
        assert isinstance(result, np.ndarray)
    same_bits(act.gelu(x), act.gelu(np.array(x)))
    assert act.relu.backward(gy, x, out=out) is out
    same_bits(np.array(out), act.relu.backward(np.array(gy), np.array(x)))


def test_a_subclass_without_behaviour_is_an_array():
    class Tagged(np.ndarray):
        pass

    x, out = np.float32([1, -2]).view(Tagged), np.empty(2, "f4")
    assert act.gelu.backward(x, x, out=out) is out
    same_bits(out, act.gelu.backward(np.asarray(x), np.asarray(x)))
    field = np.rec.array([(1.0, 2), (-2.0, 3)], dtype=[("a", ">f8"), ("b", "i4")])
    same_bits(act.gelu(field.a), act.gelu(np.float64([1, -2])))


class Measured(np.lib.mixins.NDArrayOperatorsMixin):
    """What has NumPy's protocol and nothing else: numbers with a unit."""
    def __init__(self, numbers, unit):
        self.numbers, self.unit = numbers, unit

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        numbers = getattr(ufunc, method)(*[getattr(x, "numbers", x) for x in inputs], **options)
        return tuple(Measured(n, self.unit) for n in numbers) if isinstance(numbers, tuple) else Measured(
            numbers, self.unit)

    def astype(self, dtype):
        raise AssertionError("cast without need")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_a_protocol_that_nobody_knew_of(dtype):
    plain = np.array(NUMBERS[dtype], dtype)
    for name in (*SAMPLE, *SAMPLE_GATED):
        for call in calls_of(name):
            got = call(*[Measured(plain, "V")] * len(act.activations[name].operands))
            assert got.unit == "V"
            assert got.numbers.dtype == call(*[plain] * len(act.activations[name].operands)).dtype


# --- split_gate -------------------------------------------------------------------------------------------------------
HALVES = np.array([1.0, 2, 3, -4])
ROWS = np.arange(12.0).reshape(3, 4) - 4


LABELS = list("abcd")
HALVED = {                                       # what is split, and the library that it needs
    "series": ("pandas", lambda pd: pd.Series(HALVES, index=LABELS)),
    "nullable": ("pandas", lambda pd: pd.Series(HALVES, dtype="Float64")),
    "index": ("pandas", lambda pd: pd.Index(HALVES)),
    "pandas array": ("pandas", lambda pd: pd.array(HALVES)),
    "frame": ("pandas", lambda pd: pd.DataFrame(ROWS, columns=LABELS)),
    "polars": ("polars", lambda pl: pl.Series(HALVES)),
    "polars frame": ("polars", lambda pl: pl.DataFrame(ROWS, schema=LABELS)),
    "arrow": ("pyarrow", lambda pa: pa.array(HALVES)),
    "chunked": ("pyarrow", lambda pa: pa.chunked_array([HALVES])),
    "table": ("pyarrow", lambda pa: pa.table(dict(zip(LABELS, ROWS.T, strict=True)))),
    "awkward": ("awkward", lambda ak: ak.Array(HALVES)),
    "awkward rows": ("awkward", lambda ak: ak.Array(ROWS.tolist())),
    "dask": ("dask.array", lambda da: da.from_array(ROWS, chunks=2)),
    "dask frame": ("dask.dataframe", lambda dd: dd.from_pandas(
        library("pandas").DataFrame(ROWS, columns=LABELS), npartitions=2)),
    "torch": ("torch", lambda torch: torch.tensor(ROWS)),
    "sparse": ("sparse", lambda sparse: sparse.COO.from_numpy(HALVES)),
    "masked": ("numpy", lambda np: np.ma.array(HALVES)),
    "xarray": ("xarray", lambda xr: xr.DataArray(
        ROWS, dims=("t", "c"), coords={"t": range(3), "c": LABELS, "u": ("c", range(4))})),
    "stacked": ("xarray", lambda xr: xr.DataArray(
        ROWS, dims=("t", "c"), coords={"t": range(3), "c": LABELS}).stack(z=("t", "c"))),
    "variable": ("xarray", lambda xr: xr.Variable("c", HALVES)),
}


def dense(result):
    for method in ("compute", "todense", "to_pandas"):
        if hasattr(result, method) and not hasattr(result, "iloc"):
            return np.asarray(getattr(result, method)())
    return np.asarray(result.compute() if hasattr(result, "compute") else result)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("held", HALVED)
def test_halves_meet_by_their_place(held, interleaved):
    needed, make = HALVED[held]
    x = make(library(needed))
    plain = ROWS if len(np.shape(x)) == 2 else ROWS.ravel() if held == "stacked" else HALVES
    for gate in ("second", "first"):
        halves, expected = (act.split_gate(v, gate=gate, interleaved=interleaved) for v in (x, plain))
        got = act.swiglu(*halves)
        assert type(got) is type(x)
        same_bits(dense(got), act.swiglu(*expected))
        wanted = act.swiglu.backward(dense(got), *expected)
        for part, numbers in zip(act.swiglu.backward(got, *halves), wanted, strict=True):
            same_bits(dense(part), numbers)
        labels = got.columns if held.endswith("frame") else got.c.values if held == "xarray" else []
        assert list(labels) in ([], ["a", "c"] if interleaved else ["a", "b"])


def test_the_halves_of_the_report():
    value, gate = act.split_gate(library("pandas").Series([1.0, 2, 3, -4]))
    np.testing.assert_allclose(act.swiglu(value, gate), [2.8577, -0.1439], atol=5e-5)
    np.testing.assert_array_equal(act.split_gate(HALVES, interleaved=True), [[1, 3], [2, -4]])


def test_halves_of_rows():
    frame = library("pandas").DataFrame(ROWS.T, index=list("abcd"))
    got = act.swiglu(*act.split_gate(frame, axis=0))
    assert list(got.index) == ["a", "b"]
    same_bits(got.to_numpy(), act.swiglu(*act.split_gate(ROWS.T, 0)))
    table = library("polars").DataFrame(ROWS.T)
    same_bits(act.swiglu(*act.split_gate(table, 0)).to_numpy(), act.swiglu(*act.split_gate(ROWS.T, 0)))


def test_halves_of_what_has_no_length():
    pd, dd, da, ak, pl = (library(n) for n in ("pandas", "dask.dataframe", "dask.array", "awkward", "polars"))
    lazy = da.from_array(HALVES)
    for x in (dd.from_pandas(pd.Series(HALVES), npartitions=1), lazy[lazy > 0], ak.Array([[1.0, 2], []])):
        with pytest.raises(ValueError, match=r"^split_gate: the length of x is not known along axis -1"):
            act.split_gate(x)
    for x in (library("xarray").Dataset({"v": ("t", HALVES)}), pl.col("a"), 1.0):
        with pytest.raises(ValueError, match=r"^split_gate: axis=-1 is no axis of an array of 0 dimensions$"):
            act.split_gate(x)


# --- tensors ----------------------------------------------------------------------------------------------------------
def torch_tensor(x):
    torch = library("torch")
    return torch.from_numpy(x.view("u2")).view(torch.bfloat16) if x.dtype.name == "bfloat16" else torch.from_numpy(x)


def jax_array(x):
    return library("jax.numpy").asarray(x)


class Exported:
    """What has DLPack's protocol and no other."""
    def __init__(self, held, old=False):
        self.held, self.old = held, old

    def __dlpack__(self, **options):
        if self.old and options:
            raise TypeError("no options")
        return self.held.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.held.__dlpack_device__()


def as_array(result):
    import torch
    if isinstance(result, torch.Tensor):
        return result.view(torch.uint16).numpy().view("bfloat16") if result.dtype is torch.bfloat16 else result.numpy()
    return np.asarray(result)


@pytest.mark.parametrize("dtype", ["f2", "bfloat16", "f4", "f8", "i1", "?"])
@pytest.mark.parametrize("make", [torch_tensor, jax_array, lambda x: Exported(torch_tensor(x)),
                                  lambda x: Exported(torch_tensor(x), old=True)], ids=["torch", "jax", "new", "old"])
def test_tensors(make, dtype):
    """Bit for bit the array's, in every output."""
    library("torch")
    import ml_dtypes  # noqa: F401
    if make is jax_array and dtype in ("f8", "i1", "?"):
        pytest.skip("without 64 bits, which are off unless the process asks for them")
    plain = np.array(NUMBERS.get(dtype, NUMBERS["f4"]), dtype)
    x = make(plain)
    kind = np.ndarray if isinstance(x, Exported) else type(x)
    for name in (*PLAIN, *GATED) if dtype == "f4" else (*SAMPLE, *SAMPLE_GATED):
        a = act.activations[name]
        operands = len(a.operands)
        for call in calls_of(name):
            got = call(*[x] * operands)
            assert type(got) is kind
            same_bits(as_array(got), call(*[plain] * operands))
        if a.params:
            both = [a.backward(v, *[v] * operands, wrt=a.params) for v in (x, plain)]
            for got, expected in zip(*both, strict=True):
                same_bits(as_array(got), expected)


def test_tensors_share_memory():
    torch = library("torch")
    x = torch.randn(6, 8)
    out = torch.empty(6, 8)
    assert act.gelu(x, out=out) is out
    same_bits(out.numpy(), act.gelu(x.numpy()))
    assert act.gelu.backward(x, x, out=out) is out
    same_bits(out.numpy(), act.gelu.backward(x.numpy(), x.numpy()))
    assert act.gelu(x.T[::2]).stride() == (1, 4)
    where = act.gelu(x, where=x > 0, out=torch.zeros(6, 8))
    same_bits(where.numpy(), act.gelu(x.numpy(), where=(x > 0).numpy(), out=np.zeros((6, 8), "f4")))


def test_exports_share_memory():
    from numba_act.backends.containers import dlpack
    frozen = np.arange(12, dtype="f4").reshape(3, 4)
    frozen.flags.writeable = False
    for x in (frozen, frozen.T[1:, ::-1], frozen[:0], np.float32([1]).reshape(()), np.ones((2, 2), "f4")):
        got = dlpack.imported(Exported(x))
        same_bits(got, x)
        assert not x.size or (np.shares_memory(got, x) and got.flags.writeable == x.flags.writeable)
    with pytest.raises(TypeError, match=r"^gelu: [^\n]*readonly[^\n]*$"):
        act.gelu(Exported(frozen, old=True))
    with pytest.raises(TypeError, match=r"^gelu: DLPack's type 5 of 128 bits is not supported$"):
        act.gelu(Exported(np.ones(2, complex)))


def test_exports_from_a_gpu(stand_in, monkeypatch):
    class OnDevice(Exported):
        device = 2, 0

        def __dlpack_device__(self):
            return self.device

    monkeypatch.setattr(stand_in, "from_dlpack", lambda exporter: stand_in.asarray(exporter.held), raising=False)
    x = OnDevice(np.float32([1, -2]))
    for got in (act.gelu(x), act.gelu.grad(x), *act.gelu.value_and_grad(x), act.gelu.backward(x, x)):
        assert type(got) is stand_in.ndarray
    same_bits(act.gelu(x).get(), act.gelu(x.held))
    monkeypatch.setattr(OnDevice, "device", (8, 0))
    with pytest.raises(TypeError, match=r"^gelu: x is on DLPack's device 8; the CPU and CUDA are supported$"):
        act.gelu(x)


def test_bfloat16_needs_its_package(monkeypatch):
    x = torch_tensor(np.float32([1, -2])).bfloat16()
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    for operand in (x, Exported(x)):
        with pytest.raises(ModuleNotFoundError, match=r"^gelu: bfloat16 needs ml_dtypes: pip install ml_dtypes$"):
            act.gelu(operand)


def test_tensors_that_require_grad():
    torch = library("torch")
    x, alpha = torch.ones(2, requires_grad=True), torch.tensor(0.5, requires_grad=True)
    for call in (lambda: act.prelu(x), lambda: act.prelu.backward(x.detach(), x), lambda: act.prelu(x.detach(), alpha),
                 lambda: act.prelu(x.detach(), out=x)):
        with pytest.raises(TypeError, match=r"^prelu: \w+ requires grad, which numba_act\.torch\.prelu .*detach\(\)$"):
            call()
        with torch.no_grad():
            call()


def test_jax_tracers():
    jax = library("jax")
    for call in (lambda x: jax.jit(act.gelu)(x), lambda x: jax.grad(act.gelu)(x[0]), lambda x: jax.vmap(act.gelu)(x),
                 lambda x: jax.jit(act.gelu.backward)(x, x)):
        with pytest.raises(TypeError, match=r"^gelu: a JAX \w+ has no values; numba_act\.jax\.gelu "):
            call(jax.numpy.ones(2))


def test_kinds_do_not_mix():
    torch, jnp, pd, pl = (library(name) for name in ("torch", "jax.numpy", "pandas", "polars"))
    x = np.float32([1, -2])
    each = [torch.tensor(x), jnp.asarray(x), pd.Series(x), pl.Series(x)]
    pairs = [(a, b) for a in each for b in each if a is not b] + [(a, x) for a in each[:2]]
    for a, b in pairs:
        for call in (act.swiglu, act.gelu.backward):
            with pytest.raises(TypeError, match=r"^\w+: \S+ and \S+ in one call; convert one of them, as by .*asarray|"
                                                r"^\w+: .*Series\(x\) or .*Series\(x\)$"):
                call(a, b)


def test_numbers_mix_with_any_kind():
    torch, jnp, pd = (library(name) for name in ("torch", "jax.numpy", "pandas"))
    x = np.float32([1, -2])
    for number in (0.5, np.float32(0.5), np.array(0.5, "f4"), torch.tensor(0.5), jnp.float32(0.5)):
        for operand in (x, torch.tensor(x), jnp.asarray(x), pd.Series(x)):
            got = act.prelu(operand, number)
            assert type(got) is type(operand)
            same_bits(as_array(got), act.prelu(x, 0.5))
    assert isinstance(act.prelu(1.0, torch.tensor(0.5)), torch.Tensor)
