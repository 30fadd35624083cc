"""A two-layer network learns to read handwritten digits, once with each activation, in plain NumPy."""
import functools
import os
import sys
import time
from pathlib import Path

import numpy as np

from ..declare import activations
from ..plotting import gallery
from ..rows import softmax_cross_entropy

EPOCHS = 30
HIDDEN = 128
BATCH = 32
RATE, MOMENTUM = 0.05, 0.9
STEEPEST = 1.0                                   # length of the gradient, without which exponential diverges
TEST_IMAGES = 360
LEARNED = "prelu", "swish"                       # the two whose parameter is part of what is learned
SHOWN = 3                                        # of the best, and of the worst
OTHERS = {"color": "0.85", "linewidth": 0.8, "zorder": 0}
ROW = "{:<18}{:>10}{:>10}   {}"


def run(epochs=EPOCHS, path="gallery.png"):
    """Draw every activation of one array, train a network with each of them, print a table of what came of it, draw how
    it went, and say what to try next."""
    from tqdm import tqdm
    data, beside = digits(), functools.partial(_beside, Path(path))
    gallery(path)
    print(f"{path} shows the functions and their gradients.\n\nThe same network, with each in turn:")
    print(ROW.format("activation", "accuracy", "seconds", "learned by each hidden unit"))
    losses, scores = {}, {}
    for activation in tqdm(trained(), desc="training", unit="network", leave=False, disable=None):
        name, start = activation.name, time.perf_counter()
        weights, losses[name] = train(activation, data, epochs)
        seconds = time.perf_counter() - start
        scores[name] = accuracy(activation, weights, *data[2:])
        tqdm.write(ROW.format(name, f"{scores[name]:.3f}", f"{seconds:.2f}", _learned(activation, weights)).rstrip())
    draw_learning(losses, beside("learning"))
    best = sorted(scores, key=scores.get, reverse=True)[:SHOWN]
    print(f"\n{beside('learning')} shows how fast each learned.\n\nTry next:")
    for command, what in following(best, beside):
        print(f"  {program()} {command}\n      {what}")
    print("  An activation of your own: one function of numbers, as README.md and notebooks/3_your_own.ipynb show.")


def _beside(path, what):
    """The name of another picture."""
    return path.with_stem(f"{path.stem}-{what}")


def following(best, beside):
    """Commands that lead on from here, and what they do."""
    return ((f"plot {' '.join(best)} -o {beside('best')}", "draws those that read most digits, if by little"),
            (f"plot swish --beta 0.5 1 2 -o {beside('swish')}", "draws a curve for each value of a parameter"),
            (f"bench {best[0]} --size 1e5", "times one of them, beside PyTorch and JAX where they are installed"),
            (f"accuracy {best[0]} --dtype float32", "finds its largest errors, which takes mpmath"))


def program():
    """What runs the command line from here."""
    here = os.path.relpath(sys.executable)
    return f"{'python' if here.startswith(os.pardir) else here} -m numba_act"


def draw_learning(losses, path):
    """The loss on the test images after each epoch, with a colour for the least and the largest at the end."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    ordered = sorted(losses, key=lambda name: losses[name][-1])
    told = [*ordered[:SHOWN], *ordered[SHOWN:][-SHOWN:]]
    ax = Figure(figsize=(8, 5), layout="constrained").subplots()
    for name in ordered:
        ax.plot(range(1, len(losses[name]) + 1), losses[name], **OTHERS)
    for name, colour in zip(told, colormaps["viridis"](np.linspace(0, 0.85, len(told))), strict=True):
        ax.plot(range(1, len(losses[name]) + 1), losses[name], ".-", color=colour, label=name)
    ax.set(xlabel="epoch", ylabel="cross-entropy of the test images", yscale="log",
           title=f"{len(losses)} activations, the {SHOWN} best and worst in colour")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    ax.figure.savefig(path, dpi=150)


def trained():
    """The activations of one array that are defined everywhere."""
    line = np.linspace(-9, 9, 19)
    return [a for a in activations.values() if len(a.operands) == 1 and np.isfinite(a(line)).all()]


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
    """The weights after some epochs of gradient descent with momentum, and the loss on the test images after each."""
    images, labels = data[:2]
    rng = np.random.default_rng(seed)
    weights = initial(activation, rng, images.shape[1])
    velocity, losses = dict.fromkeys(weights, 0), []
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            slopes = gradients(activation, weights, images[batch], labels[batch])
            length = np.sqrt(sum(np.sum(slope**2) for slope in slopes.values()))
            rate = RATE / max(1, length / STEEPEST)
            for name, slope in slopes.items():
                velocity[name] = MOMENTUM * velocity[name] - rate * slope
                weights[name] = weights[name] + velocity[name]
        losses.append(loss(activation, weights, *data[2:]))
    return weights, losses


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
    g = softmax_cross_entropy.value_and_grad(scores, labels)[1]
    gz, *of_parameters = activation.backward(g @ weights["w2"].T, z, **{name: weights[name] for name in learned},
                                             wrt=(*activation.operands, *learned))
    return {"w1": images.T @ gz, "b1": gz.sum(axis=0), "w2": h.T @ g, "b2": g.sum(axis=0),
            **dict(zip(learned, of_parameters, strict=True))}


def loss(activation, weights, images, labels):
    """The mean cross-entropy."""
    return softmax_cross_entropy(forward(activation, weights, images)[2], labels)


def accuracy(activation, weights, images, labels):
    """The share of the images that are read right."""
    return np.mean(forward(activation, weights, images)[2].argmax(axis=1) == labels)
