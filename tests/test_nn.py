"""Blocks: what they remember, learn, refuse and carry from one process to another."""
import contextlib
import copy
import pickle
import re

import numpy as np
import pytest
from tools import every_dtype, generator

import numba_act as act
from numba_act import nn

BLOCKS = {
    "Activation('softplus', beta=1.0)": nn.Activation("softrelu"),
    "Activation('leaky_relu', alpha=0.3)": nn.Activation(act.leaky_relu, alpha=0.3),
    "LeakyReLU(alpha=0.05)": nn.LeakyReLU(0.05),
    "PReLU(num_parameters=1, axis=1)": nn.PReLU(),
    "PReLU(num_parameters=3, axis=-1)": nn.PReLU(3, axis=-1),
    "ELU(alpha=0.5)": nn.ELU(0.5),
    "SELU()": nn.SELU(),
    "GELU()": nn.GELU(),
    "Swish(beta=1.5, learnable=False)": nn.Swish(1.5),
    "Swish(beta=0.5, learnable=True)": nn.Swish(0.5, learnable=True),
    "SiLU()": nn.SiLU(),
    "RReLU(lower=0.25, upper=0.5)": nn.RReLU(0.25, 0.5).eval(),
}
KINDS = {"torch": "tensor", "pandas": "Series", "polars": "Series", "numpy.ma": "array", "xarray": "DataArray",
         "jax.numpy": "asarray", "dask.array": "from_array", "awkward": "Array", "pyarrow": "array"}
every_block = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)


def pair(dtype, *shape):
    rng = generator(dtype, shape)
    return rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("shown", BLOCKS)
def test_repr(shown):
    assert repr(BLOCKS[shown]) == shown


@every_block
@every_dtype
def test_value_and_gradients(block, dtype):
    """Those of the activation, bit for bit, in the dtype of x."""
    block, (x, gy) = copy.deepcopy(block), pair(dtype, 4, 3)
    values = {**block.settings, **{name: p.astype(dtype) for name, p in block.params.items()}}
    y, gx = block(x), block.backward(gy)
    assert y.dtype == gx.dtype == dtype
    np.testing.assert_array_equal(y, block.activation(x, **values))
    np.testing.assert_array_equal(gx, block.activation.backward(gy, x, **values))
    for name, p in block.params.items():
        expected = block.activation.backward(gy, x, **values, wrt=name)
        np.testing.assert_array_equal(block.grads[name], expected.astype(np.float64))
        assert block.grads[name].shape == p.shape


@every_block
def test_integers_and_numbers(block):
    block = copy.deepcopy(block)
    assert block([[1, -2, 3]]).dtype == np.float64
    assert block.backward(np.ones((1, 3))).shape == (1, 3)


@pytest.mark.parametrize("x", [-2.0, np.float32(-2), np.array(-2.0), np.full((1, 1, 1), -2.0), np.ones(0)])
def test_one_parameter_keeps_the_shape(x):
    block = nn.PReLU()
    y, gx = block(x), block.backward(np.ones_like(x))
    assert np.shape(y) == np.shape(gx) == np.shape(x)
    assert block.grads["alpha"] == -2 * np.size(x)


def test_a_parameter_too_large_for_the_dtype():
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(nn.PReLU(init=1e5)(np.float16([-1, 1])), [-np.inf, 1])


@pytest.mark.parametrize("name", act.activations)
def test_every_activation_is_a_block(name):
    """Gated ones take two arrays and give two gradients."""
    block, (x, gy) = nn.Activation(name), pair(np.float64, 5)
    operands = [x] * len(block.activation.operands)
    np.testing.assert_array_equal(block(*operands), block.activation(*operands))
    np.testing.assert_array_equal(block.backward(gy), block.activation.backward(gy, *operands))


def test_custom():
    @act.activation
    def line(x, slope=2.0):
        return slope * x

    @line.derivative
    def _(x, slope):
        return slope, x

    block = pickle.loads(pickle.dumps(copy.deepcopy(nn.Activation(act.gelu))))
    assert block.activation is act.gelu
    block = nn.Activation(line, slope=3.0)
    np.testing.assert_array_equal(block(np.float32([1, 2])), np.float32([3, 6]))
    np.testing.assert_array_equal(block.backward(np.float32([1, 1])), np.float32([3, 3]))


@pytest.mark.parametrize("axis, shape", [(1, (2, 3)), (1, (2, 3, 4, 5)), (-1, (2, 5, 3)), (0, (3,))])
def test_channels(axis, shape):
    block, (x, gy) = nn.PReLU(3, init=[0.1, 0.2, 0.3], axis=axis), pair(np.float64, *shape)
    along = [-1 if k == axis % len(shape) else 1 for k in range(len(shape))]
    alpha = np.reshape([0.1, 0.2, 0.3], along)
    np.testing.assert_array_equal(block(x), np.where(x > 0, x, alpha * x))
    np.testing.assert_array_equal(block.backward(gy), np.where(x > 0, gy, alpha * gy))
    others = tuple(k for k in range(len(shape)) if k != axis % len(shape))
    np.testing.assert_allclose(block.grads["alpha"], (gy * np.minimum(x, 0)).sum(axis=others), rtol=1e-13)


@pytest.mark.parametrize("block, name", [(nn.PReLU(3), "alpha"), (nn.Swish(0.7, learnable=True), "beta")])
def test_parameter_gradients_against_differences(block, name):
    x, gy = pair(np.float64, 5, 3)
    block(x), block.backward(gy)
    direction = generator(name).normal(size=block.params[name].shape)
    losses = []
    for step in (1e-6, -1e-6):
        moved = copy.deepcopy(block)
        moved.params[name] += step * direction
        losses.append(np.sum(gy * moved(x)))
    np.testing.assert_allclose(np.sum(block.grads[name] * direction), np.subtract(*losses) / 2e-6, rtol=1e-7)


def test_gradients_accumulate_in_place():
    block = nn.PReLU()
    held = block.grads["alpha"]
    for _ in range(2):
        block(np.float32([-1, -2]))
        block.backward(np.float32([1, 1]))
    assert held is block.grads["alpha"]
    assert held == [-6]
    block.zero_grad()
    assert held == [0]


def test_learned_parameters_change_the_next_call_only():
    block, x = nn.PReLU(), np.float64([-2])
    block(x)
    block.params["alpha"] += 1
    assert block.backward(np.ones(1)) == 0.25
    assert block(x) == -2.5


@every_block
def test_what_backward_needs_cannot_be_changed(block):
    """Neither through x, nor through a view of it, nor through what the settings or the output are."""
    block, (x, gy) = copy.deepcopy(block), pair(np.float32, 4, 3)
    y, kept = block(x), x.copy()
    expected = block.backward(gy)
    for changed in (x, x.T, y):
        block.zero_grad()
        y = block(x)
        changed[:] = -changed
        for parameter in block.params.values():
            parameter += 1
        np.testing.assert_array_equal(block.backward(gy), expected)
        for parameter in block.params.values():
            parameter -= 1
        x[:] = kept


def test_the_operands_of_gates_and_the_settings_are_kept():
    x, gate, alpha = (np.float32([1, -2]) for _ in range(3))
    gated, several = nn.Activation("swiglu"), nn.Activation("prelu", alpha=alpha)
    gated(x, gate), several(x)
    expected = gated.backward(x.copy()), several.backward(x.copy())
    gy = x.copy()
    for array in (x, gate, alpha):
        array[:] = 7
    np.testing.assert_array_equal(gated.backward(gy), expected[0])
    np.testing.assert_array_equal(several.backward(gy), expected[1])


def test_random_slopes_are_of_the_numbers_that_were():
    block, x = nn.RReLU(rng=1), np.full(3, -1, "f4")
    slopes = -block(x)
    x[:] = 1
    np.testing.assert_array_equal(block.backward(np.ones(3, "f4")), slopes)


@pytest.mark.parametrize("block", [nn.PReLU(2), nn.Swish(learnable=True)], ids=repr)
def test_a_step_may_set_numbers(block):
    """The difference of two arrays without axes is a number of NumPy's."""
    (name, before), = block.state_dict().items()
    x = np.float32([[-1, -2], [-3, 4]])
    for _ in range(2):
        block(x), block.backward(x)
        block.params[name] = block.params[name] - 0.1 * block.grads[name]
        block.grads[name] = 0 * block.grads[name]
    block.zero_grad()
    assert np.all(block.params[name] != before)
    block.load_state_dict({name: before})
    np.testing.assert_array_equal(block.params[name], before)


def test_a_gradient_may_begin_from_a_whole_number():
    block = nn.PReLU()
    block.grads["alpha"] = 0
    block(np.float32([-0.5, -0.25])), block.backward(np.float32([1, 1]))
    assert block.grads["alpha"] == -0.75


@every_dtype
def test_initial_values_of_every_dtype(dtype):
    assert nn.PReLU(2, np.ones(2, dtype)).params["alpha"].tolist() == [1, 1]


@pytest.mark.parametrize("library", KINDS)
@pytest.mark.parametrize("block", [nn.GELU(), nn.PReLU(), nn.Swish(learnable=True), nn.RReLU().eval()], ids=repr)
def test_other_kinds_of_arrays(block, library):
    make = getattr(pytest.importorskip(library), KINDS[library])
    block, other, (x, gy) = copy.deepcopy(block), copy.deepcopy(block), pair(np.float32, 3)
    operand = make(x.copy())
    y = block(operand)
    if hasattr(operand, "__setitem__") and not hasattr(operand, "chunks"):
        for k in range(3):
            with contextlib.suppress(TypeError):         # what cannot be changed
                operand[k] = 7
    gx = block.backward(make(gy))
    assert type(gx) is type(y) is type(operand)
    np.testing.assert_array_equal(np.asarray(y), other(x))
    np.testing.assert_array_equal(np.asarray(gx), other.backward(gy))
    for name, gradient in block.grads.items():
        np.testing.assert_allclose(gradient, other.grads[name], rtol=1e-6)


@pytest.mark.parametrize("init", [0.1, np.float32([0.5, 1]), lambda shape: np.full(shape, 0.3), "normal"])
def test_initial_values(init):
    values = nn.PReLU(2, init, rng=1).params["alpha"]
    expected = {float: [0.1, 0.1], np.ndarray: [0.5, 1], str: np.random.default_rng(1).normal(0, 0.05, 2)}
    np.testing.assert_array_equal(values, expected.get(type(init), [0.3, 0.3]))
    assert values.dtype == np.float64


@every_block
def test_copies(block):
    """A copy and a pickle have the same parameters, and neither what the block was called with nor its arrays."""
    block = copy.deepcopy(block)
    x = np.ones((2, 3))
    block(x)
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert repr(other) == repr(block)
        np.testing.assert_array_equal(other(x), block(x))
        assert not any(np.shares_memory(other.params[name], block.params[name]) for name in block.params)
    with pytest.raises(RuntimeError):
        pickle.loads(pickle.dumps(block)).backward(x)


def test_state():
    first, second = nn.PReLU(2, "normal", rng=0), nn.PReLU(2)
    held, state = second.params["alpha"], first.state_dict()
    second.load_state_dict(state)
    np.testing.assert_array_equal(held, first.params["alpha"])
    state["alpha"][:] = 7
    assert first.params["alpha"].max() < 1
    assert nn.GELU().state_dict() == {}


@pytest.mark.parametrize("wrong, kind, said", [
    (lambda: nn.Activation("gleu"), ValueError, "no activation 'gleu'; did you mean"),
    (lambda: nn.Activation("elu", beta=1), TypeError, "elu: unknown parameter 'beta'; accepted: alpha"),
    (lambda: nn.Activation("relu", beta=1), TypeError, "relu: unknown parameter 'beta'; accepted: none"),
    (lambda: nn.Activation("softplus", beta=0)(1.0), ValueError, "softplus: beta must not be 0"),
    (lambda: nn.GELU().backward(1.0), RuntimeError, "GELU(): backward comes after a call"),
    (lambda: called(nn.GELU(), (2, 3)).backward(np.ones((3, 2))), ValueError, "gy has shape (3, 2); that of y, (2, 3)"),
    (lambda: nn.PReLU(3)(np.ones((2, 4))), ValueError, "x of shape (2, 4) has 4 channels along axis 1; 3 are accepted"),
    (lambda: nn.PReLU(3)(np.ones(3)), ValueError, "x of shape (3,) has no channels along axis 1"),
    (lambda: nn.GELU()(), TypeError, "GELU(): 0 operands were given; accepted: x"),
    (lambda: nn.Activation("swiglu")(1.0), TypeError, "1 operands were given; accepted: value, gate"),
    (lambda: nn.PReLU(3, axis="a"), TypeError, "PReLU: axis='a' was given; a whole number is accepted"),
    (lambda: nn.PReLU("3"), TypeError, "PReLU: num_parameters='3' was given; a whole number is accepted"),
    (lambda: nn.PReLU(0), ValueError, "PReLU: num_parameters=0 was given; 1 or more are accepted"),
    (lambda: nn.PReLU(2, "uniform"), ValueError, "init='uniform' is unknown"),
    (lambda: nn.PReLU(2, None), TypeError, "PReLU: init=None was given; \"normal\", a number, array or function is"),
    (lambda: called(nn.Softmax(), (2, 3)).backward(np.ones((4, 2, 3))), ValueError,
     "Softmax(axis=-1, temperature=1.0): gy has shape (4, 2, 3); that of y, (2, 3), is accepted"),
    (lambda: nn.PReLU(2, np.ones(3)), ValueError, "init has shape (3,); a number or shape (2,) is accepted"),
    (lambda: nn.PReLU().load_state_dict({}), ValueError, "the state has nothing; {'alpha': (1,)} is accepted"),
    (lambda: nn.PReLU().load_state_dict({"alpha": 1}), ValueError, "the state has {'alpha': ()}"),
    (lambda: nn.GELU().load_state_dict({"alpha": 1}), ValueError, "nothing is accepted"),
])
def test_refusals(wrong, kind, said):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        wrong()
    assert "\n" not in str(caught.value)


def called(block, shape):
    block(np.ones(shape))
    return block


def test_a_failed_call_changes_nothing():
    block = called(nn.PReLU(3), (2, 3))
    with pytest.raises(ValueError):
        block(np.ones((2, 4)))
    assert block.backward(np.ones((2, 3))).shape == (2, 3)


@every_dtype
def test_random_slopes(dtype):
    """A slope of its own for each negative number in each call, the same one in `backward`; the mean in evaluation."""
    block, other = nn.RReLU(0.25, 0.5, rng=3), nn.RReLU(0.25, 0.5, rng=3)
    x, gy = np.full(1000, -1, dtype), np.full(1000, 2, dtype)
    slopes = -block(x).astype(np.float64)
    assert slopes.min() >= 0.25
    assert slopes.max() <= 0.5
    assert abs(slopes.mean() - 0.375) < 0.01
    np.testing.assert_array_equal(block.backward(gy), 2 * slopes)
    assert block.backward(gy).dtype == dtype
    np.testing.assert_array_equal(block.backward(gy), block.backward(gy))
    np.testing.assert_array_equal(other(x), -slopes)
    assert (block(x) != -slopes).mean() > 0.3
    np.testing.assert_array_equal(block.eval()(x), np.full(1000, -0.375))
    np.testing.assert_array_equal(block.backward(gy), np.full(1000, 0.75))
    np.testing.assert_array_equal(block.train()(-x), -x)
    np.testing.assert_array_equal(block.backward(gy), gy)


@every_block
def test_on_a_gpu(block, cupy):
    """The same numbers, and the learned parameters where x is."""
    block, other, (x, gy) = copy.deepcopy(block), copy.deepcopy(block), pair(np.float32, 2, 3)
    y, gx = block(cupy.asarray(x)), block.backward(cupy.asarray(gy))
    assert type(y) is type(gx) is cupy.ndarray
    np.testing.assert_array_equal(y.get(), other(x))
    np.testing.assert_array_equal(gx.get(), other.backward(gy))
    for name, gradient in block.grads.items():
        assert type(gradient) is type(block.params[name]) is cupy.ndarray
        np.testing.assert_allclose(gradient.get(), other.grads[name], rtol=1e-6)


def test_parameters_go_where_x_is(cupy):
    block, x = nn.PReLU(2), np.ones((1, 2))
    block(cupy.asarray(x))
    block.zero_grad()
    state = block.state_dict()
    assert type(state["alpha"]) is np.ndarray
    state["alpha"][:] = 3
    block.load_state_dict(state)
    assert type(block.params["alpha"]) is cupy.ndarray
    block(x)
    assert type(block.params["alpha"]) is type(block.grads["alpha"]) is np.ndarray
    np.testing.assert_array_equal(block.params["alpha"], [3, 3])
