"""The demo's network learns."""
import numpy as np
import pytest

import numba_act as act
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
        scores = demo.forward(activation, weights, images)[2]
        return -np.log(demo.probabilities(scores)[np.arange(7), labels]).mean()

    slopes = demo.gradients(activation, weights, images, labels)
    assert slopes.keys() == weights.keys()
    for key in weights:
        step = 1e-6 * rng.standard_normal(weights[key].shape)
        difference = loss({**weights, key: weights[key] + step}) - loss({**weights, key: weights[key] - step})
        np.testing.assert_allclose(2 * np.sum(slopes[key] * step), difference, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("name", [a.name for a in act.activations.values() if len(a.operands) == 1])
def test_every_activation_learns(name):
    activation, data = act.get(name), demo.digits()
    weights = demo.train(activation, data, epochs=6)
    assert demo.accuracy(activation, weights, *data[2:]) > 0.9
    assert all(w.dtype == np.float32 for w in weights.values())


def test_the_same_seed_gives_the_same_weights():
    data = [part[:64] for part in demo.digits()]
    first, second = (demo.train(act.prelu, data, epochs=2) for _ in range(2))
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name])
    assert np.ptp(first["alpha"]) > 0
