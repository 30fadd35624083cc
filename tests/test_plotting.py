"""The pictures: what is drawn, and that jumps are drawn as jumps."""
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import numba_act as act
from numba_act import plotting

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax, label):
    """The x and y of a curve."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line.get_data()


def test_function_and_gradient(ax):
    assert act.visualize_activation("softrelu", ax=ax) is ax
    x, y = drawn(ax, "function")
    assert (x[0], x[-1], len(x)) == (-10, 10, 501)
    np.testing.assert_array_equal(y, act.softplus(x))
    np.testing.assert_array_equal(drawn(ax, "gradient")[1], act.softplus.grad(x))
    assert ax.get_title(loc="left") == "softplus(x, beta=1)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["function", "gradient"]


def test_parameters_and_range(ax):
    act.visualize_activation(act.leaky_relu, 0.2, lo=-3, hi=2, points=11, ax=ax)
    x, y = drawn(ax, "function")
    np.testing.assert_array_equal(y, act.leaky_relu(x, 0.2))
    assert (x[0], x[-1]) == (-3, 2)
    assert ax.get_title(loc="left") == "leaky_relu(x, alpha=0.2)"


def test_new_axes():
    from matplotlib import pyplot
    ax = act.visualize_activation("gelu")
    ax.figure.canvas.draw()
    pyplot.close(ax.figure)


@pytest.mark.parametrize("points", [10, 11])         # the jump between two samples, and on one
def test_a_jump_is_no_ramp(points):
    x, y = plotting.curve(act.relu.grad, np.linspace(-5, 5, points))
    (gap,) = np.flatnonzero(np.isnan(y))
    np.testing.assert_array_equal(y, np.where(np.arange(len(y)) < gap, 0, np.where(np.isnan(y), np.nan, 1)))
    assert abs(x[gap - 1]) < 1e-9
    assert abs(x[gap + 1]) < 1e-9


def test_smooth_curves_have_no_gap():
    x = np.linspace(-5, 5, 101)
    for function in (act.relu, act.elu.grad, act.softsign.grad, lambda x: np.tanh(1000 * x), np.zeros_like):
        np.testing.assert_array_equal(plotting.curve(function, x), (x, function(x)))


class Block:
    """What the pictures ask of a block."""
    def __call__(self, x):
        self.x = x
        return act.silu(x)

    def backward(self, gy):
        return act.silu.backward(gy, self.x)


def test_any_function(ax):
    act.visualize_activation(np.sin, ax=ax)
    assert len(drawn(ax, "function")[0]) == 501
    assert ax.get_title(loc="left") == "sin"


def test_block(ax):
    act.visualize_activation(Block(), ax=ax)
    np.testing.assert_array_equal(drawn(ax, "gradient")[1], act.silu.grad(np.linspace(-10, 10, 501)))
    assert ax.get_title(loc="left") == "Block"


def test_without_derivative(ax, monkeypatch):
    def unknown(*args, **kwargs):
        raise NotImplementedError
    monkeypatch.setattr(act.gelu, "grad", unknown)
    act.visualize_activation(act.gelu, ax=ax)
    assert [line.get_label() for line in ax.lines if not line.get_label().startswith("_")] == ["function"]


@pytest.mark.parametrize("name", act.activations)
def test_formulas_can_be_drawn(name):
    """In matplotlib's own LaTeX; none is left out."""
    text = plotting.mathtext(act.get(name).formula)
    assert re.fullmatch(r"\$.+\$", text)
    assert "begin" not in text


@pytest.mark.parametrize("formula", ["", r"\begin{matrix} x \end{matrix}", r"\unheard{x}"])
def test_other_formulas_are_left_out(formula):
    assert plotting.mathtext(formula) == ""


def test_three_cases_can_be_drawn():
    text = plotting.mathtext(r"\begin{cases} 0 & x \le -1 \\ x & -1 < x < 1 \\ 1 & x \ge 1 \end{cases}")
    assert text.count("substack") == 2


def test_gallery(tmp_path):
    figure = act.gallery(tmp_path / "gallery.png")
    shown = [ax.get_title(loc="left").partition("(")[0] for ax in figure.axes if ax.axison]
    assert shown == [a.name for a in act.activations.values() if len(a.operands) == 1]
    assert (tmp_path / "gallery.png").read_bytes().startswith(b"\x89PNG")
