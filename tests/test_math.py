"""numba_act.math: exact in both tiers, with derivatives, on every kind of array, in compiled code and in trees."""
import functools
import math
import pickle

import numba
import numpy as np
import pytest
from tools import DTYPES, generator, random_patterns, same_bits

import numba_act as act
from numba_act import accuracy
from numba_act import math as nm

NAMES = nm.__all__
UNARY = [name for name in NAMES if len(getattr(nm, name).operands) == 1]
NUMPYS = {"asinh": "arcsinh", "atan": "arctan", "pow": "power"}
DEFINED = {"log": 0, "log2": 0, "log10": 0, "sqrt": 0, "log1p": -1}      # from here on it is a number
every_name = pytest.mark.parametrize("name", NAMES)


def inputs(name, dtype):
    """Every exponent, and the numbers that are met."""
    rng = generator(dtype, name)
    usual = [rng.normal(size=1500) * size for size in (1e-3, 1, 20, 300)]
    with np.errstate(all="ignore"):
        x = np.concatenate([random_patterns(np.dtype(dtype), 3000, name), *usual, 1 + usual[0]]).astype(dtype)
        return x[x > DEFINED[name]] if name in DEFINED else x


def test_no_exemption():
    """The unit is that of the true value, near zeros of slopes as well."""
    for function in nm.sin, nm.cos.fast:
        assert accuracy.loose(accuracy.Output(function, ("x",), ()), np.dtype(np.float32)) == ()


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "fast"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_bounds(name, dtype, fast):
    function = getattr(nm, name).fast if fast else getattr(nm, name)
    x = inputs(name, dtype)
    for wrt in (), ("x",):
        error = accuracy.errors(accuracy.Output(function, wrt, ()), x)
        worst = int(error.argmax())
        assert error[worst] <= (4 if fast else 1 if dtype == "float32" else 2), (wrt, x[worst])


@pytest.mark.parametrize(("function", "ends", "bound"), [(nm.erf, (0.8, 1), 1), (nm.erfc.fast, (5, 7), 4)], ids=str)
def test_every_number_where_errors_are_largest(function, ends, bound):
    """A few dozen of these millions were 1.1 and 4.4 ULP off."""
    x = np.arange(*np.float32(ends).view(np.uint32), dtype=np.uint32).view(np.float32)
    assert accuracy.errors(accuracy.Output(function, (), ()), x).max() <= bound


@pytest.mark.parametrize("name", ["pow", "hypot"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bounds_of_two(name, dtype):
    """Against mpmath, the slopes too."""
    mpmath = pytest.importorskip("mpmath")
    function, rng = getattr(nm, name), generator(name, dtype)
    x, y = np.exp(rng.normal(size=(2, 300)) * [[2], [1]]).astype(dtype)
    y = y * rng.choice([-1, 1], 300).astype(dtype)
    with mpmath.workprec(200):
        pairs = [(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        if name == "pow":
            true = [(a**b, b * a**(b - 1), a**b * mpmath.log(a)) for a, b in pairs]
        else:
            true = [(mpmath.hypot(a, b), a / mpmath.hypot(a, b), b / mpmath.hypot(a, b)) for a, b in pairs]
        results = function(x, y), function.grad(x, y, wrt="x"), function.grad(x, y, wrt="y")
        for k, result in enumerate(results):
            for got, t in zip(result, true, strict=True):
                unit = np.spacing(np.abs(np.dtype(dtype).type(float(t[k]))))
                assert abs(mpmath.mpf(float(got)) - t[k]) <= mpmath.mpf(float(unit)) * (1 if dtype == "float32" else 2)


def test_slopes_of_powers_at_the_ends_of_float64():
    """Where x^y overflows and its slope does not, or both do; and where it has none."""
    least, next_to_1 = 5e-324, 1 + 2.0**-52
    for f in nm.pow, nm.pow.fast:
        in_base, in_exponent = (functools.partial(f.grad, wrt=wrt) for wrt in "xy")
        assert math.isclose(in_base(least, 1e-16), 2.0240225330729555e307, rel_tol=1e-15)
        assert math.isclose(in_exponent(next_to_1, 740 * 2.0**52), 5.300988155952668e305, rel_tol=1e-15)
        assert in_base(1.5, 1e300) == in_base(1.5, math.inf) == math.inf
        assert in_base(0.9, -1e48) == -math.inf
        assert math.isnan(in_exponent(-2.0, 2.0))
        assert math.isclose(nm.exp2.grad(1024.25), 2.0**1023.25 * (2 * math.log(2)), rel_tol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_of_powers_at_infinity(dtype):
    """As NumPy computes y x^(y - 1) and x^y log x: NaN where that is infinity times 0."""
    x, y = np.meshgrid(np.array([0, -0.0, 0.5, -0.5, 1, -1, 2, -2, np.inf, -np.inf], dtype),
                       np.array([1, 2, -2, np.inf, -np.inf], dtype))
    with np.errstate(all="ignore"):
        in_base, in_exponent = y * np.power(x, y - 1), np.power(x, y) * np.log(x)
    in_exponent[(x == 0) & (y > 0)] = 0          # the limit
    for f in nm.pow, nm.pow.fast:
        np.testing.assert_allclose(f.grad(x, y), in_base, rtol=1e-6)
        np.testing.assert_allclose(f.grad(x, y, wrt="y"), in_exponent, rtol=1e-6)


@every_name
def test_limits_and_nan(name):
    """Where NumPy has it, what it gives at the ends of the line."""
    function, numpys = getattr(nm, name), getattr(np, NUMPYS.get(name, name), None)
    ends = np.array([0.0, -0.0, 1, -1, 2, -3, 0.5, -2.5, np.inf, -np.inf, np.nan])
    for dtype in DTYPES[2:]:
        operands = np.meshgrid(*[ends.astype(dtype)] * len(function.operands))
        if numpys:
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(function(*operands), numpys(*operands), rtol=1e-6, atol=1e-15)
        assert np.isnan(function(*[dtype.type(np.nan)] * len(operands)))


@every_name
def test_on_numbers_and_in_compiled_code(name):
    function, x = getattr(nm, name), 0.7
    operands = (x, 1.5)[:len(function.operands)]
    if hasattr(math, name) and name != "pow":
        assert math.isclose(function(*operands), getattr(math, name)(*operands), rel_tol=1e-14)
    one, two = (lambda a: function(a)), (lambda a, b: function(a, b))
    compiled = numba.njit(two if len(operands) == 2 else one)
    same_bits(compiled(*operands), np.float64(function(*operands)))
    arrays = [np.full(5, v, np.float32) for v in operands]
    same_bits(compiled(*arrays), function(*arrays))


def test_sizes_of_circular_functions():
    """Numbers next to multiples of pi / 2, and the largest."""
    assert nm.cos(6381956970095103 * 2.0**797) == -4.68716592425462761112e-19       # J.-M. Muller's, the nearest of all
    hard = np.array([1e22, 2.0**1000, math.pi, 355.0, 1e300])
    np.testing.assert_allclose(nm.sin(hard), [math.sin(v) for v in hard], rtol=1e-15)
    np.testing.assert_allclose(nm.cos(hard), [math.cos(v) for v in hard], rtol=1e-15)
    single = np.float32([16367173 * 2.0**72, 1e38, 355, 2.0**41, 2.0**100])
    np.testing.assert_array_equal(nm.sin(single), [np.float32(math.sin(v)) for v in single.tolist()])


def test_in_a_tree():
    """What a custom activation calls is the same function, vectorised, and differentiated."""
    def wave(x, k=2.0):
        return math.sin(k * x) * math.erf(x) + abs(x) ** 1.5 + math.cbrt(x)
    f, x = act.activation(wave), np.linspace(-3, 3, 50)
    np.testing.assert_allclose(f(x), [wave(v) for v in x], rtol=1e-13)
    h = 1e-6
    np.testing.assert_allclose(f.grad(x), (f(x + h) - f(x - h)) / (2 * h), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(f.grad(x, n=2), (f.grad(x + h) - f.grad(x - h)) / (2 * h), rtol=1e-5, atol=1e-5)


@every_name
def test_outside_the_registry(name):
    function = getattr(nm, name)
    assert name == "tanh" or act.activations.get(name) is None
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.formula


def test_on_a_gpu(cupy):
    for name in NAMES:
        function = getattr(nm, name)
        for dtype in "float32", "float64":
            operands = [random_patterns(np.dtype(dtype), 200, name, k) for k in range(len(function.operands))]
            same_bits(function(*map(cupy.asarray, operands)).get(), function(*operands))
