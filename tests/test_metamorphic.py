"""What must hold between results, whatever the true values are."""
import numpy as np
import pytest
from tools import (
    DTYPES,
    NAMES,
    every_dtype,
    finite,
    generator,
    inputs_of,
    output,
    patterns,
    random_patterns,
    rows,
    same_bits,
    specials,
)

import numba_act as act
from numba_act.accuracy import errors, unit
from numba_act.tree.differentiate import derivative

# of straight lines with slopes that are given; rrelu's is the mean of two numbers
LINEAR = [name for name, a in act.activations.items() if len(a.operands) == 1 and name != "rrelu"
          and derivative(a.definition("x"), "x").op == "constant"]
MONOTONE = [name for name in NAMES if (output(name, act.activations[name].operands[-1]).fast(
    np.linspace(-50, 50, 100_001), np.dtype(np.float64)) >= 0).all()]


def line(dtype, n=100_000):
    """Finite numbers of every size in ascending order: all patterns of a 16-bit type, random ones of others."""
    x = patterns(dtype) if dtype.itemsize == 2 else random_patterns(dtype, n, "line")
    dense = generator("dense").uniform(-30, 30, n // 4).astype(dtype)
    return np.sort(np.concatenate([finite(x), finite(specials(dtype)), dense]))


def ulps(y):
    """The unit in the last place of each number."""
    digits, least, _ = unit(y.dtype)
    exponent = np.frexp(np.asarray(y, np.float64))[1] - 1
    return np.ldexp(1.0, np.maximum(np.where(y == 0, least, exponent), least) - digits)


# --- along the line ---------------------------------------------------------------------------------------------------
def test_monotone_functions_are_known():
    assert {"sigmoid", "tanh", "softsign", "relu", "softplus", "elu", "selu", "exponential"} <= set(MONOTONE)
    assert not {"silu", "gelu", "mish", "logcosh", "lisht", "hard_swish"} & set(MONOTONE)


@every_dtype
@pytest.mark.parametrize("name", MONOTONE)
def test_monotone_functions_never_step_back_by_more_than_a_unit(name, dtype):
    x, call = line(dtype), output(name)
    with np.errstate(all="ignore"):
        y = call(x)
        for right in (call(np.nextafter(x, dtype.type(np.inf))), call(np.append(x[1:], x[-1:]))):
            forward = right.astype(np.float64) - y.astype(np.float64)
            assert ((right >= y) | (forward >= -ulps(y))).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", LINEAR)
def test_lines_are_rounded_once(name, dtype):
    """A function of straight lines is off by half a unit at most; in 16 bits by the little that two roundings cost."""
    x, limit = line(dtype, 400 if dtype == np.float64 else 100_000), 0.501 if dtype.itemsize == 2 else 0.5 + 2.0**-18
    for row in rows(name):
        error = errors(output(name, "f", row), x)
        assert error.max() <= limit, (row, x[error.argmax()])


# --- one function by another ------------------------------------------------------------------------------------------
def grid(dtype):
    return np.concatenate([line(dtype), np.array([np.inf, -np.inf, np.nan], dtype)])


def same(a, b):
    """The same bits, but for the sign of zero."""
    same_bits(np.where(a == 0, 0, a).astype(a.dtype), np.where(b == 0, 0, b).astype(b.dtype))


EQUAL = {                                        # the same arithmetic, so the same bits
    "silu, swish": (act.silu, lambda x: act.swish(x, 1.0)),
    "silu', swish'": (act.silu.grad, lambda x: act.swish.grad(x, 1.0)),
    "celu, elu": (lambda x: act.celu(x, 1.0), lambda x: act.elu(x, 1.0)),
    "celu', elu'": (lambda x: act.celu.grad(x, 1.0), lambda x: act.elu.grad(x, 1.0)),
    "prelu, leaky_relu": (lambda x: act.prelu(x, 0.3), lambda x: act.leaky_relu(x, 0.3)),
    "leaky_relu, relu": (lambda x: act.leaky_relu(x, 0.0), act.relu),
    "threshold, relu": (lambda x: act.threshold(x, 0.0, 0.0), act.relu),
    "hard_tanh, relu6": (lambda x: act.hard_tanh(x, 0.0, 6.0), act.relu6),
    "rrelu, leaky_relu": (lambda x: act.rrelu(x, 0.25, 0.25), lambda x: act.leaky_relu(x, 0.25)),
    "log_sigmoid, softplus": (act.log_sigmoid, lambda x: -act.softplus(-x)),
    "sparse_plus', sparse_sigmoid": (act.sparse_plus.grad, act.sparse_sigmoid),
    "softshrink 0, identity": (lambda x: act.softshrink(x, 0.0), act.identity),
    "hard_shrink 0, identity": (lambda x: act.hard_shrink(x, 0.0), act.identity),
    "exponential, its slope": (act.exponential, act.exponential.grad),
    "softplus', sigmoid": (act.softplus.grad, act.sigmoid),
    "log_sigmoid', sigmoid": (act.log_sigmoid.grad, lambda x: act.sigmoid(-x)),
    "shifted_softplus', sigmoid": (act.shifted_softplus.grad, act.sigmoid),
    "logcosh', tanh": (act.logcosh.grad, act.tanh),
}
NEARLY = {                                       # each with an error of its own, below 1 unit
    "stanh, tanh": (lambda x: act.stanh(x, 1.0, 1.0), act.tanh),
    "stanh', tanh'": (lambda x: act.stanh.grad(x, 1.0, 1.0), act.tanh.grad),
}


@every_dtype
@pytest.mark.parametrize("pair", EQUAL)
def test_equal_functions(pair, dtype):
    one, other = EQUAL[pair]
    x = grid(dtype)
    same(one(x), other(x))


@every_dtype
@pytest.mark.parametrize("pair", NEARLY)
def test_nearly_equal_functions(pair, dtype):
    """Equal but for a unit in the last place, of the two at most."""
    one, other = (f(grid(dtype)) for f in NEARLY[pair])
    with np.errstate(all="ignore"):
        apart = abs(one.astype(np.float64) - other.astype(np.float64))
    assert ((one == other) | (apart <= ulps(one)) | (one != one) & (other != other)).all()


# --- scaling by powers of two is exact --------------------------------------------------------------------------------
@every_dtype
def test_powers_of_two_move_through(dtype):
    """swish(x, 2b) = swish(2x, b) / 2, softplus(x, 2b) = softplus(2x, b) / 2, elu(x, 2a) = 2 elu(x, a) for x <= 0."""
    x = (generator("powers").uniform(0.1, 4, 10_000) * generator("signs").choice([-1, 1], 10_000)).astype(dtype)
    same(act.swish(x, 2.0), act.swish(2 * x, 1.0) / 2)
    same(act.softplus(x, 2.0), act.softplus(2 * x, 1.0) / 2)
    left = x[x < 0]
    same(act.elu(left, 2.0), 2 * act.elu(left, 1.0))
    same(act.celu(2 * left, 2.0), 2 * act.celu(left, 1.0))
    same(act.softshrink(2 * x, 1.0), 2 * act.softshrink(x, 0.5))


@pytest.mark.parametrize("dtype", DTYPES[2:], ids=str)
@pytest.mark.parametrize("name", ["sigmoid"])
def test_complements(name, dtype):
    """sigmoid(x) + sigmoid(-x) = 1 but for two roundings."""
    x = grid(dtype)[:-1]
    total = act.sigmoid(x).astype(np.longdouble) + act.sigmoid(-x).astype(np.longdouble)
    assert abs(total - 1).max() <= 2 * np.finfo(dtype).eps


@every_dtype
@pytest.mark.parametrize("name", NAMES)
def test_an_array_is_its_elements_in_any_order(name, dtype):
    x = generator(name).permutation(line(dtype, 2000))
    order = generator(name, "order").permutation(x.size)
    for what in ("f", *inputs_of(name)):
        call = output(name, what)
        same_bits(call(x[order]), call(x)[order])
