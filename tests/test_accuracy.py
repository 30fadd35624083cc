"""Errors against the true value, in units in its last place."""
import json
import math
import sys

import mpmath
import numpy as np
import pytest
from tools import (
    DTYPES,
    EVERYTHING,
    OUTPUTS,
    each_output,
    each_row,
    every_dtype,
    every_name_and_dtype,
    every_output,
    finite,
    generator,
    in_turn,
    inputs_of,
    output,
    outputs_of,
    parameters,
    patterns,
    random_patterns,
    rows,
    same_bits,
    specials,
    spread,
)

import numba_act as act
from numba_act import __main__ as command_line
from numba_act import accuracy
from numba_act import math as mathematics
from numba_act.accuracy import errors, exact_error, near, points
from numba_act.backends import cpu
from numba_act.backends.kernel import Kernel
from numba_act.tools.accuracy import inputs as sampling
from numba_act.tools.accuracy import vectors
from numba_act.tools.accuracy.definition import fine
from numba_act.tools.bench.cells import CORE
from numba_act.tree import quad
from numba_act.tree.call import named
from numba_act.tree.differentiate import derivative
from numba_act.tree.exact import exactly, number
from numba_act.tree.node import argument

LIMITS = {np.dtype(np.float16): 0.501, DTYPES[1]: 0.501, np.dtype(np.float32): 1, np.dtype(np.float64): 2}
SLACK = 2.0**-18                                     # how far the reference in float64 is to be trusted, in ULP
SECOND, APART = 8, 0.25                              # ULP of second derivatives, so far from where they change sign


def check(call, x, limit):
    """No error above the limit; what the reference in float64 leaves in doubt is settled exactly."""
    got = call(x)
    assert got.dtype == x.dtype
    error = errors(call, x, got).astype(np.float64)
    for k in np.flatnonzero(error > limit - SLACK):
        error[k] = exact_error(call, float(x[k]), float(got[k]), x.dtype)
    worst = int(error.argmax())
    assert error[worst] <= limit, f"{error[worst]} ULP at x = {x[worst]!r}, where it gives {got[worst]!r}"


# --- the references ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "what"), [(name, what) for name, what in OUTPUTS if what != "f"])
def test_partials_are_derivatives(name, what):
    """Those of the reference, those that the tree derives from its value, and differences of it."""
    a, step = act.activations[name], number(10) ** -15
    value, stated = a.definition(), a.definition(what)
    derived = derivative(value, what)
    for row in rows(name):
        for x in (-13.7, -1.3, -0.1, 0.02, 0.9, 7.1):
            at = dict(zip(inputs_of(name), [number(x)] * len(a.operands) + list(map(number, row)), strict=True))
            slope = exactly(stated, at)
            if mpmath.isnan(slope) or at.get("limit") == 0:      # it is not defined there, or has a kink in the limit
                continue
            changed = [exactly(value, at | {what: at[what] + d}) for d in (step, -step)]
            for other in (exactly(derived, at), (changed[0] - changed[1]) / (2 * step)):
                assert abs(slope - other) <= 1e-20 * (1 + abs(slope)), (x, row)


@every_output
@pytest.mark.parametrize("dtype", DTYPES[1:3], ids=str)
@each_row
def test_the_reference_is_good_in_float64(name, what, row, dtype):
    call = output(name, what, row)
    if fine(call.activation, call.wrt):
        pytest.skip("float64 does not hold it: larger errors are judged again")
    everything = patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 4000)
    x = finite(np.concatenate([everything, generator(name).uniform(-20, 20, 500).astype(dtype)]))
    x = generator(name).choice(x, 15).astype(np.float64)
    top = 2.0**200                                           # far beyond these dtypes
    for v, fast in zip(x, np.clip(call.fast(x, dtype), -top, top), strict=True):
        exact = call.exact(v, dtype)
        if mpmath.isnan(exact) and np.isnan(fast):
            continue
        exact = max(-top, min(exact, top))
        loose = any(low < v < high for low, high in accuracy.loose(call, dtype))
        assert abs(number(fast) - exact) <= 2.0**-45 * (1 if loose else abs(exact)) + 2.0**-194, v


@every_output
@in_turn("row", lambda name: rows(name)[:1 + (EVERYTHING or name in CORE)])
def test_errors_of_float64_are_those_by_mpmath(name, what, row):
    """Of what is computed, of neighbours a few units away, and of NaN and infinity."""
    dtype, call, rng = np.dtype(np.float64), output(name, what, row), generator(name, what, row)
    x = rng.choice(points(call, dtype), 12)
    got = call(x)
    moved = np.clip(got, -1e308, 1e308) * (1 + rng.integers(-9, 9, 12) * 2.0**-52)
    wrong = np.where(rng.random(12) < 0.9, moved, rng.choice([np.nan, np.inf], 12))
    close = 1e-6 if fine(call.activation, call.wrt) else 1e-12          # quadruple precision holds its phase to 2^-88
    for y in (got, wrong):
        for v, w, error in zip(x.tolist(), y.tolist(), errors(call, x, y), strict=True):
            exact, true = exact_error(call, v, w, dtype), abs(call.exact(v, dtype))
            between = true and abs(math.frexp(true)[0] - 0.75) > 0.25 - 2.0**-52
            assert error == pytest.approx(exact, close, close) or (between and error == pytest.approx(2 * exact, close))


@pytest.mark.parametrize("name", ["log", "erf", *vectors.CONSTANT])
def test_many_at_a_time_are_as_good_as_one(name):
    """libmvec's functions beside those of libm, everywhere and where one value begins."""
    x = argument("x", "float64")
    one, many = (Kernel(f"{name}_{way}", "test", ("x",), {}, lambda storage, tree=tree: (tree,))
                 for way, tree in (("one", named(name)(x)), ("many", vectors.vectorised(named(name)(x)))))
    ends = near([v for v in vectors.CONSTANT.get(name, ())[::2] if math.isfinite(v)], DTYPES[3])
    sizes = np.concatenate([np.geomspace(1e-300, 1e300, 3000), np.linspace(0, 800, 3000)])
    x = np.concatenate([specials(DTYPES[3]), ends, sizes, -sizes])
    expected, got = (cpu.call(kernel, [x])[0] for kernel in (one, many))
    far = ~(expected == got) & ~(np.isnan(expected) & np.isnan(got))
    assert (abs(expected[far] - got[far]) <= 4 * np.spacing(abs(expected[far]))).all()


# --- values and first derivatives -------------------------------------------------------------------------------------
@every_output
@each_row
def test_error(name, what, row):
    call, dtype = output(name, what, row), np.dtype(np.float32)
    check(call, points(call, dtype, 2 if row == rows(name)[0] else 1), LIMITS[dtype])


@every_output
def test_error_of_many_float32(name, what):
    dtype = np.dtype(np.float32)
    dense = generator(name).uniform(-110, 110, 100_000).astype(dtype)
    x = np.concatenate([finite(random_patterns(dtype, 100_000)), dense, dense / 16])
    for row in rows(name):
        check(output(name, what, row), x, LIMITS[dtype])


@every_output
@each_row
def test_error_of_many_float64(name, what, row):
    dtype = np.dtype(np.float64)
    call = output(name, what, row)
    for x in accuracy.samples(call, dtype) if row == rows(name)[0] else [points(call, dtype, 16)]:
        check(call, x, LIMITS[dtype])


@pytest.mark.parametrize(("name", "what", "row", "x"), [
    ("elu", "x", (1e-3,), -79.97032),
    ("softplus", "beta", (1940.5319,), 0.039649863),
    ("stanh", "x", (2.7366991, -8.541455e-5), 14.55591),
    ("stanh", "a", (4.7054629, 9.98e-7), -8.151821),
    ("squareplus", "f", (0.0,), 1e-20),
    ("squareplus", "x", (0.0,), -1e-30),
])
def test_error_of_small_factors_in_a_tail(name, what, row, x):
    """Where one factor is so small that the low part of another would be subnormal."""
    dtype = np.dtype(np.float32)
    check(output(name, what, row), near([x], dtype, 1000), LIMITS[dtype])


def test_squareplus_without_a_bend_is_relu():
    x = specials(np.dtype(np.float32))
    np.testing.assert_array_equal(act.squareplus(x, 0.0), act.relu(x))
    np.testing.assert_array_equal(act.squareplus.grad(np.float32([0, -1, 1]), 0.0), [0.5, 0, 1])


@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES[:2]))
@each_output
def test_error_of_all_16_bit_patterns(name, what, dtype):
    for row in rows(name):
        check(output(name, what, row), patterns(dtype), LIMITS[dtype])


# --- second derivatives -----------------------------------------------------------------------------------------------
def second(name):
    return output(name, act.activations[name].operands[-1], n=2)


def settled(call, dtype):
    """Points about which the second derivative keeps its sign."""
    x = np.concatenate([generator(call.activation.name).uniform(-6, 6, 60), points(call, np.dtype(np.float32))[::30]])
    x = x[abs(x) < 200].astype(dtype).astype(np.float64)
    signs = [[np.sign(float(call.exact(v + d, dtype))) for d in (-APART, 0, APART)] for v in x]
    return x[[abs(sum(s)) == 3 or not any(s) for s in signs]].astype(dtype)


@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES[2:]))
def test_error_of_second_derivatives(name, dtype):
    call = second(name)
    x = settled(call, dtype)
    got = call(x)
    assert got.dtype == dtype
    for v, g in zip(x.tolist(), got.tolist(), strict=True):
        assert exact_error(call, v, g, dtype) <= SECOND, (v, g)


@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES[:2]))
def test_error_of_second_derivatives_in_16_bits(name, dtype):
    call = second(name)
    x = settled(call, dtype)
    for v, g in zip(x.astype(float).tolist(), call(x).astype(float).tolist(), strict=True):
        assert exact_error(call, v, g, dtype) <= 1, (v, g)


# --- several at once --------------------------------------------------------------------------------------------------
def inputs(dtype):
    return np.concatenate([patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, 5000), specials(dtype)])


def operands(name, x):
    """x for one operand, and in another order for every other one."""
    count = len(act.activations[name].operands)
    return [*[generator(name, k).permutation(x) for k in range(count - 1)], x]


@every_name_and_dtype
def test_value_and_grad_are_value_and_grad(name, dtype):
    a, x = act.activations[name], operands(name, inputs(dtype))
    for row in parameters(name, dtype):
        for wrt in inputs_of(name):
            value, grad = a.value_and_grad(*x, *row, wrt=wrt)
            same_bits(value, a(*x, *row))
            same_bits(grad, a.grad(*x, *row, wrt=wrt))


@every_name_and_dtype
def test_backward_is_a_product(name, dtype):
    a, x, names = act.activations[name], operands(name, inputs(dtype)), inputs_of(name)
    gy = generator(name, str(dtype)).permutation(x[-1])
    for row in parameters(name, dtype):
        full = [np.full(gy.shape, p) for p in row]
        together = a.backward(gy, *x, *full, wrt=names)
        for wrt, gradient in zip(names, together, strict=True):
            with np.errstate(all="ignore"):
                expected = gy * a.grad(*x, *row, wrt=wrt)
            same_bits(gradient, expected)
            same_bits(a.backward(gy, *x, *full, wrt=wrt), expected)
        usual = a.backward(gy, *x, *row)
        for gradient, expected in zip(usual if len(x) > 1 else (usual,), together, strict=False):
            same_bits(gradient, expected)
    assert outputs_of(name)["f"](gy).dtype == dtype


# --- the command's parts ----------------------------------------------------------------------------------------------
@every_dtype
def test_measure_is_the_worst_error(dtype):
    worst = accuracy.measure("sigmoid", "x", dtype)
    call, x = output("sigmoid", "x"), np.array([worst.x], dtype)
    assert call(x)[0] == worst.got
    assert 0.4 < worst.error <= LIMITS[dtype]
    assert abs(errors(call, x)[0] - worst.error) < 1e-6
    assert worst.count > 1000


def test_measure_sees_a_fault():
    def wrong(x):
        return np.where(x == 0.5, 0, act.gelu(x)).astype(x.dtype)
    worst = accuracy.measure("gelu", dtype="float16", compute=wrong)
    assert worst.x == 0.5
    assert worst.error > 1000
    lost = accuracy.measure("gelu", dtype="float16", compute=lambda x: np.full(x.shape, np.nan, x.dtype))
    assert lost.error == np.inf


def test_measure_without_quadruple_precision(monkeypatch):
    better = accuracy.measure("selu", "x", "float64")
    monkeypatch.setattr(quad, "available", lambda: False)
    worst = accuracy.measure("selu", "x", "float64")
    assert 1000 < worst.count < better.count / 10
    assert 0.4 < worst.error < 1


def test_measure_of_a_custom_activation():
    @act.activation
    def saturating(x, width=1.0):
        return width * math.tanh(x)
    assert 0.4 < accuracy.measure(saturating).error < 10
    assert 0.4 < accuracy.measure(saturating, "width", "float64").error < 10


@pytest.mark.parametrize(("function", "wrt", "dtype"), [
    (lambda x: math.sqrt(abs(x)), None, "float32"),                 # its slope is infinite at 0
    (lambda x: math.gamma(abs(x) + 1.5), None, "float16"),          # its slope is not known
    (lambda x: x * math.cos(x), "x", "float16"),                    # its slope has hundreds of zeros
])
def test_measure_of_a_difficult_one(function, wrt, dtype):
    assert accuracy.measure(act.activation(function), wrt, dtype).count > 60_000


def test_measure_of_two_numbers():
    """The first is a parameter: at 1 pow shows nothing."""
    worst = accuracy.measure(mathematics.pow.fast, "x", "float16")
    assert worst.count == 4 << 16
    assert len(worst.row) == 1
    assert 0.4 < worst.error <= LIMITS[np.dtype(np.float16)]


def test_measure_takes_one_name():
    with pytest.raises(TypeError, match="is not one name; accepted are x, alpha"):
        accuracy.measure("elu", ("alpha", "x"), "float16")


def command(*arguments):
    return command_line.main(["accuracy", *map(str, arguments)])


def test_the_command_shows_a_table(capsys):
    assert command("leaky_relu", "relu", "--dtype", "float16", "bfloat16") == 0
    text = capsys.readouterr().out
    assert "numpy 2" in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + 2 * (3 + 2)
    assert lines[1].startswith("| leaky_relu | value | float16 | 393,216 | 0.5 | ")
    assert any("| relu | d/dx | bfloat16 | 65,536 | 0 | " in line for line in lines)


def test_the_command_writes_for_scripts(tmp_path):
    file = tmp_path / "accuracy.json"
    assert command("threshold", "--dtype", "float16", "--json", "-o", file) == 0
    found = json.loads(file.read_text())
    assert [cell["output"] for cell in found["results"]] == ["value", "d/dx", "d/dtheta", "d/dvalue"]
    assert all(cell["error"] <= 0.501 for cell in found["results"])
    assert "numpy" in found["versions"]


@pytest.mark.parametrize("library", ["torch", "jax", "scipy"])
def test_the_command_shows_others(library, capsys):
    pytest.importorskip(library)
    assert command("sigmoid", "--dtype", "float32", "--against", library, "--json") == 0
    value, slope = json.loads(capsys.readouterr().out)["results"]
    assert value["error"] < 1 < value[library]
    assert slope[library] is None if library == "scipy" else slope[library] > 100


def test_the_command_says_what_is_wrong(capsys, monkeypatch):
    with pytest.raises(SystemExit):
        command("relu", "--against", "numpy")
    assert "'numpy' is none of torch, jax, scipy" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "torch", None)
    assert command("relu", "--against", "torch") == 1
    assert "torch" in capsys.readouterr().err


def test_an_exhaustive_sweep_takes_every_number():
    """In full only where it is asked for: here the first and the last part."""
    dtype, parts = np.dtype(np.float32), accuracy.samples(output("relu"), np.dtype(np.float32), exhaustive=True)
    first = next(parts)
    assert first.size == sampling.CHUNK
    np.testing.assert_array_equal(first.view(np.uint32), np.arange(sampling.CHUNK))
    sampled = np.concatenate([x.view(np.uint32) for x in accuracy.samples(output("relu"), dtype)])
    assert sampled[0] == 0
    assert sampled[-1] >= (1 << 32) - sampling.STRIDE
    assert set(np.diff(sampled)) == {sampling.STRIDE}


@pytest.mark.parametrize("quadruple", [True, False])
def test_an_exhaustive_sweep_takes_many_float64(quadruple, monkeypatch):
    monkeypatch.setattr(sampling, "MANY", 10_000)
    monkeypatch.setattr(sampling, "DENSE", 1)
    monkeypatch.setattr(quad, "available", lambda: quadruple)
    call, dtype = output("gelu"), np.dtype(np.float64)
    few, = accuracy.samples(call, dtype)
    many = list(accuracy.samples(call, dtype, exhaustive=True))
    if quadruple:
        assert 10_000 <= sum(x.size for x in many) < 10_000 + 2 * few.size
        assert np.unique(np.concatenate(many)).size > 9_000
        assert sum(x.size for x in accuracy.samples(call, dtype, exhaustive=True, share=2)) < 5_000 + 2 * few.size
    else:
        assert [x.size for x in many] == [few.size]
