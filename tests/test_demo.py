"""The demo's network learns."""
import numpy as np
import pytest

import numba_act as act
from numba_act import __main__ as command_line
from numba_act.tools import demo


@pytest.fixture
def tiny():
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((7, 5)), rng.integers(0, 10, 7)
    return rng, images, labels


@pytest.mark.parametrize("name", ["sigmoid", "prelu", "swish", "gelu"])
def test_gradients(name, tiny):
    """Against differences of the loss, along a random direction in every weight."""
    rng, images, labels = tiny
    activation = act.get(name)
    weights = demo.initial(activation, rng, 5, np.float64)

    def loss(weights):
        return demo.loss(activation, weights, images, labels)

    slopes = demo.gradients(activation, weights, images, labels)
    assert slopes.keys() == weights.keys()
    for key in weights:
        step = 1e-6 * rng.standard_normal(weights[key].shape)
        difference = loss({**weights, key: weights[key] + step}) - loss({**weights, key: weights[key] - step})
        np.testing.assert_allclose(2 * np.sum(slopes[key] * step), difference, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("name", [a.name for a in demo.trained()])
def test_every_activation_learns(name):
    activation, data = act.get(name), demo.digits()
    weights, losses = demo.train(activation, data, epochs=6)
    assert len(losses) == 6 and losses[-1] < losses[0]
    assert losses[-1] == demo.loss(activation, weights, *data[2:])
    assert demo.accuracy(activation, weights, *data[2:]) > 0.9
    assert all(w.dtype == np.float32 for w in weights.values())


def test_the_same_seed_gives_the_same_weights():
    data = [part[:64] for part in demo.digits()]
    first, second = (demo.train(act.prelu, data, epochs=2)[0] for _ in range(2))
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name])
    assert np.ptp(first["alpha"]) > 0


def test_the_loss_is_the_mean_of_the_logarithms(tiny):
    rng, images, labels = tiny
    weights = demo.initial(act.gelu, rng, 5, np.float64)
    scores = demo.forward(act.gelu, weights, images)[2]
    right = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(7), labels]
    assert demo.loss(act.gelu, weights, images, labels) == pytest.approx(right.mean(), rel=1e-12)


def test_learning_is_drawn(tmp_path):
    losses = {str(k): [1 / (1 + k), 0.5 / (1 + k)] for k in range(9)}
    demo.draw_learning(losses, tmp_path / "learning.png")
    demo.draw_learning({"one": [1.0]}, tmp_path / "one.png")
    assert (tmp_path / "learning.png").stat().st_size > (tmp_path / "one.png").stat().st_size


def test_what_to_try_next_can_be_typed():
    for command, what in demo.following(["gelu", "swish", "elu"], lambda what: f"{what}.png"):
        given = command_line._parser().parse_args(command.split())
        assert what and given.run
