"""Errors against the true value, in units in its last place."""
import numpy as np
import pytest
from tools import (
    DTYPES,
    NAMES,
    OUTPUTS,
    every_dtype,
    every_output,
    exact_errors,
    exact_truth,
    fast_errors,
    fast_truth,
    generator,
    outputs_of,
    parameters,
    patterns,
    points,
    random_patterns,
    same_bits,
    specials,
)
from truth import EXACT, TRUTH

import numba_act as act

LIMITS = {np.dtype(np.float32): 1, np.dtype(np.float64): 2}
HALF = 0.501
ROWS = [(name, what, row) for name, what in OUTPUTS for row in TRUTH[name].grid]
by_name = pytest.mark.parametrize(("name", "dtype"), [(n, d) for n in NAMES for d in DTYPES])


def check(errors, x, got, limit):
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    assert errors[worst] <= limit, f"{errors[worst]} ULP at x = {x[worst]!r}, where it gives {got[worst]!r}"


def test_the_table_is_complete():
    assert list(TRUTH) == NAMES
    for name, truth in TRUTH.items():
        a = act.activations[name]
        assert tuple(truth.partials) == a.operands + a.params
        assert truth.grid[0] == tuple(a.defaults.values())
        assert all(len(row) == len(a.params) for row in truth.grid)
        assert set(truth.limits) == {"value", *truth.partials}


@every_output
def test_the_tables_partials_are_derivatives(name, what):
    truth = TRUTH[name]
    if what == "value":
        return
    k = list(truth.partials).index(what)
    for row in truth.grid:
        for x in (-13.7, -1.3, -0.1, 0.02, 0.9, 7.1):
            at = [EXACT.number(v) for v in (x, *row)]
            slope = EXACT.diff(lambda v: truth.value(EXACT, *at[:k], v, *at[k + 1:]), at[k])  # noqa: B023
            assert abs(slope - truth.partials[what](EXACT, *at)) <= 1e-20 * (1 + abs(slope)), (x, row)


@every_output
@every_dtype
def test_the_tables_float64_is_good(name, what, dtype):
    if dtype == np.float64:
        return
    with np.errstate(all="ignore"):
        everything = patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 4000)
        everything = everything[np.isfinite(everything)]
    x = generator(name).choice(everything, 150)
    for row in parameters(name, dtype):
        fast, exact = fast_truth(name, what, x, row), exact_truth(name, what, x, row)
        for v, f, e in zip(x, fast, exact, strict=True):
            near = any(abs(float(v) - z) < 0.6 for z in TRUTH[name].zeros(*map(float, row)))
            assert abs(EXACT.number(float(f)) - e) <= 2.0**-45 * (1 if near else abs(e)) + 2.0**-194, v


@pytest.mark.parametrize(("name", "what", "row", "dtype"), [(*row, d) for row in ROWS for d in LIMITS])
def test_error(name, what, row, dtype):
    scale = 3 if row == TRUTH[name].grid[0] else 1
    row = tuple(map(dtype.type, row))
    x = points(name, what, row, dtype, scale)
    got = outputs_of(name)[what](x, *row)
    assert got.dtype == dtype
    check(exact_errors(name, what, got, x, row), x, got, LIMITS[dtype])


@every_output
def test_error_of_many_float32(name, what):
    dtype = np.dtype(np.float32)
    with np.errstate(all="ignore"):
        x = random_patterns(dtype, 100_000)
        dense = generator(name).uniform(-110, 110, 100_000).astype(dtype)
        x = np.concatenate([x[np.isfinite(x)], dense, dense / 16])
    for row in parameters(name, dtype):
        got = outputs_of(name)[what](x, *row)
        check(fast_errors(name, what, got, x, row), x, got, 1 + 2.0**-20)


@every_output
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
def test_error_of_all_16_bit_patterns(name, what, dtype):
    x = patterns(dtype)
    x = x[np.isfinite(x.astype(np.float32))]
    for row in parameters(name, dtype):
        got = outputs_of(name)[what](x, *row)
        assert got.dtype == dtype
        check(fast_errors(name, what, got, x, row), x, got, HALF)


def inputs(dtype):
    return np.concatenate([patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 5000), specials(dtype)])


@by_name
def test_value_and_grad_are_value_and_grad(name, dtype):
    x, a = inputs(dtype), act.activations[name]
    for row in parameters(name, dtype):
        for wrt in TRUTH[name].partials:
            value, grad = a.value_and_grad(x, *row, wrt=wrt)
            same_bits(value, a(x, *row))
            same_bits(grad, a.grad(x, *row, wrt=wrt))


@by_name
def test_backward_is_a_product(name, dtype):
    x, a = inputs(dtype), act.activations[name]
    gy = generator(name, str(dtype)).permutation(x)
    for row in parameters(name, dtype):
        full = [np.full(x.shape, p) for p in row]
        names = tuple(TRUTH[name].partials)
        together = a.backward(gy, x, *full, wrt=names)
        for wrt, gradient in zip(names, together, strict=True):
            with np.errstate(all="ignore"):
                expected = gy * a.grad(x, *row, wrt=wrt)
            same_bits(gradient, expected)
            same_bits(a.backward(gy, x, *full, wrt=wrt), expected)
        same_bits(a.backward(gy, x, *row), together[0])
    assert a.backward(gy, x).dtype == dtype
