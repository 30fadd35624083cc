"""A two-layer network learns to read handwritten digits, once with each activation, in plain NumPy."""
import time

import numpy as np

from ..declare import activations
from ..plotting import gallery

EPOCHS = 30
HIDDEN = 128
BATCH = 32
RATE, MOMENTUM = 0.05, 0.9
STEEPEST = 1.0                                   # length of the gradient, without which exponential diverges
TEST_IMAGES = 360
LEARNED = "prelu", "swish"                       # the two whose parameter is part of what is learned
ROW = "{:<18}{:>10}{:>10}   {}"


def run(epochs=EPOCHS, path="gallery.png"):
    """Draw every activation of one array, train a network with each of them, print a table of what came of it."""
    from tqdm import tqdm
    data = digits()
    gallery(path)
    print(f"{path} shows the functions and their gradients.\n\nThe same network, with each in turn:")
    print(ROW.format("activation", "accuracy", "seconds", "learned by each hidden unit"))
    chosen = [a for a in activations.values() if len(a.operands) == 1]
    for activation in tqdm(chosen, desc="training", unit="network", leave=False, disable=None):
        start = time.perf_counter()
        weights = train(activation, data, epochs)
        seconds = time.perf_counter() - start
        score = accuracy(activation, weights, *data[2:])
        row = ROW.format(activation.name, f"{score:.3f}", f"{seconds:.2f}", _learned(activation, weights))
        tqdm.write(row.rstrip())


def _learned(activation, weights):
    return ", ".join(f"{name} {activation.defaults[name]:.4g} -> {weights[name].min():.2f} to {weights[name].max():.2f}"
                     for name in learnable(activation))


def digits():
    """Training images and labels, test images and labels: scikit-learn's 1797 scans of 8 by 8 pixels."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('the demo needs scikit-learn: pip install "numba_act[demo]"',
                                  name=error.name) from None
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 8 - 1).astype(np.float32), labels[order]
    return images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES]


def learnable(activation):
    """Names of the activation's parameters that are learned."""
    return activation.params if activation.name in LEARNED else ()


def train(activation, data, epochs=EPOCHS, seed=0):
    """The weights after some epochs of gradient descent with momentum."""
    images, labels = data[:2]
    rng = np.random.default_rng(seed)
    weights = initial(activation, rng, images.shape[1])
    velocity = dict.fromkeys(weights, 0)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            slopes = gradients(activation, weights, images[batch], labels[batch])
            length = np.sqrt(sum(np.sum(slope**2) for slope in slopes.values()))
            rate = RATE / max(1, length / STEEPEST)
            for name, slope in slopes.items():
                velocity[name] = MOMENTUM * velocity[name] - rate * slope
                weights[name] = weights[name] + velocity[name]
    return weights


def initial(activation, rng, inputs, dtype=np.float32):
    """Random weights, and the parameters to be learned at their defaults, one for each hidden unit."""
    def layer(n_in, n_out):
        return (rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)).astype(dtype)
    parameters = {name: np.full(HIDDEN, activation.defaults[name], dtype) for name in learnable(activation)}
    return {"w1": layer(inputs, HIDDEN), "b1": np.zeros(HIDDEN, dtype),
            "w2": layer(HIDDEN, 10), "b2": np.zeros(10, dtype), **parameters}


def forward(activation, weights, images):
    """What the hidden layer gets, what it gives, and the scores of the ten digits."""
    z = images @ weights["w1"] + weights["b1"]
    h = activation(z, **{name: weights[name] for name in learnable(activation)})
    return z, h, h @ weights["w2"] + weights["b2"]


def gradients(activation, weights, images, labels):
    """The gradient of the mean cross-entropy in every weight, by backpropagation."""
    learned = learnable(activation)
    z, h, scores = forward(activation, weights, images)
    g = (probabilities(scores) - np.eye(10, dtype=scores.dtype)[labels]) / len(labels)
    gz, *of_parameters = activation.backward(g @ weights["w2"].T, z, **{name: weights[name] for name in learned},
                                             wrt=(*activation.operands, *learned))
    return {"w1": images.T @ gz, "b1": gz.sum(axis=0), "w2": h.T @ g, "b2": g.sum(axis=0),
            **dict(zip(learned, of_parameters, strict=True))}


def probabilities(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def accuracy(activation, weights, images, labels):
    """The share of the images that are read right."""
    return np.mean(forward(activation, weights, images)[2].argmax(axis=1) == labels)
