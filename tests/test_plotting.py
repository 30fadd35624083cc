"""The pictures: what is drawn, and that jumps are drawn as jumps."""
import io
import math
import re
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import numba_act as act
from numba_act import nn, plotting

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax, label):
    """The x and y of a curve."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line.get_data()


def titles(ax):
    return ax.get_title(loc="left"), ax.get_title(loc="right")


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_function_and_gradient(ax):
    assert act.visualize_activation("softrelu", ax=ax) is ax
    x, y = drawn(ax, "function")
    assert (x[0], x[-1], len(x)) == (-10, 10, 501)
    np.testing.assert_array_equal(y, act.softplus(x))
    np.testing.assert_array_equal(drawn(ax, "gradient")[1], act.softplus.grad(x))
    assert titles(ax) == ("softplus", "beta=1")
    assert legend(ax) == ["function", "gradient"]


def test_parameters_and_range(ax):
    act.visualize_activation(act.leaky_relu, 0.2, lo=-3, hi=2, points=11, ax=ax)
    x, y = drawn(ax, "function")
    np.testing.assert_array_equal(y, act.leaky_relu(x, 0.2))
    assert (x[0], x[-1]) == (-3, 2)
    assert titles(ax) == ("leaky_relu", "alpha=0.2")


def test_parameters_named_like_options(ax):
    """The name is the parameter's; the option's has an underscore more."""
    act.hard_tanh.plot(lo=-2, hi=2, ax=ax)
    x, y = drawn(ax, "function")
    assert (x[0], x[-1], y[0], y[-1]) == (-10, 10, -2, 2)
    assert titles(ax) == ("hard_tanh", "lo=-2, hi=2")
    act.visualize_activation("hard_tanh", -2, 2, lo_=-3, hi_=4, points=11, ax=(other := Figure().subplots()))
    x, y = drawn(other, "function")
    assert (x[0], x[-1], len(x), y[0], y[-1]) == (-3, 4, 11, -2, 2)

    @act.activation
    def odd(x, points=2.0, ax=1.0):
        return points * x + ax

    axes = Figure().subplots()
    assert odd.plot(ax=3, points=4, points_=11, ax_=axes) is axes
    np.testing.assert_array_equal(drawn(axes, "function")[1], odd(np.linspace(-10, 10, 11), 4, 3))


def test_parameters_named_like_options_of_some_functions(ax, tmp_path):
    act.visualize_activation(["relu", "hard_tanh"], lo=[-2, -1], lo_=-3, ax=ax)
    assert legend(ax)[:3] == ["relu", "hard_tanh, lo=-2", "hard_tanh, lo=-1"]
    assert drawn(ax, "relu")[0][0] == -3
    figure = plotting.side_by_side(["relu", "hard_tanh"], None, lo=[-2, -1], lo_=-3, hi_=5)
    assert figure.axes[0].get_xlim() == (-3, 5)
    for names, options in ((["hard_tanh"], {"lo": [-2], "hi_": 3}), (["relu"], {"lo": -2}), (["relu"] * 2, {"hi": 2})):
        plotting.picture(names, tmp_path / "a.png", **options)


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


@pytest.mark.parametrize("function, lo, hi", [("exponential", -1000, 1000), (np.log, -3, 3)])
def test_a_graph_may_leave_what_numbers_can_say(function, lo, hi, ax):
    with np.errstate(all="raise"):
        act.visualize_activation(function, lo=lo, hi=hi, ax=ax)
    assert np.isfinite(drawn(ax, "function")[1]).any()


@pytest.mark.parametrize("constant", [0.0, 1, np.nan])
def test_constants(constant, ax):
    """A number in place of an array, and nothing to be drawn at all."""
    act.visualize_activation(lambda x: constant, ax=ax)
    np.testing.assert_array_equal(drawn(ax, "function")[1], np.full(501, constant))


def test_booleans_jump():
    _, y = plotting.curve(lambda x: x > 0, np.linspace(-5, 5, 10))
    np.testing.assert_array_equal(y, [0] * 6 + [np.nan] + [1] * 6)


@pytest.mark.parametrize("function", [
    lambda x: 1.7e308 * np.sign(x), lambda x: np.where(x > 0, 1e308, -1e308), lambda x: np.exp(71 * x), "exponential"])
def test_values_that_no_axis_holds_are_clipped(function, ax):
    """Matplotlib's own arithmetic overflows near the end of the range."""
    act.visualize_activation(function, lo=-10, hi=709.7 if function == "exponential" else 10, ax=ax)
    _, y = drawn(ax, "function")
    assert abs(y[np.isfinite(y)]).max() == plotting.LARGEST
    ax.figure.savefig(io.BytesIO(), format="svg")


def test_a_cascade_of_logistic_maps_is_drawn(ax):
    def twice(x, r):
        return r * (r * x * (1 - x)) * (1 - r * x * (1 - x))

    @act.activation
    def chaos(x, r=3.9):
        return twice(twice(twice(twice(x, r), r), r), r)

    act.visualize_activation(chaos, ax=ax)
    ax.figure.savefig(io.BytesIO(), format="png")
    chaos._repr_html_()


def test_a_deep_formula_is_left_out(ax):
    def root(x):
        return math.sqrt(math.sqrt(math.sqrt(math.sqrt(math.sqrt(math.sqrt(x))))))

    @act.activation
    def deep(x):
        return root(root(root(root(x))))

    act.visualize_activation(deep, lo=0, ax=ax)
    assert ax.texts[0].get_text() == ""
    ax.figure.savefig(io.BytesIO(), format="png")
    assert plotting.mathtext("+".join(["x"] * 300)) == plotting.mathtext(r"\sqrt{" * 13 + "x" + "}" * 13) == ""
    assert plotting.mathtext(r"\sqrt{" * 12 + "x" + "}" * 12)


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


def test_a_block_stays_as_it_is(ax):
    block = nn.PReLU()
    x = np.float64([-1, 2])
    block(x)
    act.visualize_activation(block, ax=ax)
    assert titles(ax) == ("PReLU(num_parameters=1, axis=1)", "")
    assert "cases" not in ax.texts[0].get_text() > ""
    np.testing.assert_array_equal(block.backward(x), [-0.25, 2])
    assert block.grads["alpha"] == 1


def test_without_derivative(ax, monkeypatch):
    def unknown(*args, **kwargs):
        raise NotImplementedError
    monkeypatch.setattr(act.gelu, "grad", unknown)
    act.visualize_activation(act.gelu, ax=ax)
    assert legend(ax) == ["function"]


def test_a_family(ax):
    """A curve for each number, in shades whose lightness rises, and the gradient in the same colour."""
    act.visualize_activation("swish", beta=[0.5, 1, 2], lo=-3, hi=3, ax=ax)
    assert titles(ax) == ("swish", "")
    assert legend(ax) == ["beta=0.5", "beta=1", "beta=2", "gradient"]
    x, y = drawn(ax, "beta=2")
    np.testing.assert_array_equal(y, act.swish(x, 2))
    curves = ax.lines[2:]
    assert [line.get_linestyle() for line in curves] == ["-", "--"] * 3
    lightness = [np.dot(matplotlib.colors.to_rgb(line.get_color()), [0.2126, 0.7152, 0.0722]) for line in curves]
    assert lightness[::2] == lightness[1::2] == sorted(lightness[::2])
    assert np.diff(lightness[::2]).min() > 0.1


def test_a_family_by_position(ax):
    act.visualize_activation("softplus", [1, 2], ax=ax)
    assert legend(ax)[:-1] == ["beta=1", "beta=2"]


def test_several_in_one_axes(ax):
    act.visualize_activation(["relu", act.elu, np.tanh], alpha=[0.5, 1], ax=ax)
    assert titles(ax) == ("", "")
    assert legend(ax) == ["relu", "elu, alpha=0.5", "elu, alpha=1", "tanh", "gradient"]


def test_two_swept_parameters(ax):
    @act.activation
    def bent(x, left=1.0, right=1.0):
        return left * x if x < 0 else right * x

    act.visualize_activation(bent, left=[0, 1], right=[2, 3], ax=ax)
    assert legend(ax)[:4] == [f"left={k}, right={n}" for k in (0, 1) for n in (2, 3)]


def test_gated(ax):
    """Over the gate, at value = 1."""
    @act.activation
    def gated(value, gate):
        return value * gate * gate

    @gated.derivative
    def _(value, gate):
        return gate * gate, 2 * value * gate

    act.visualize_activation(gated, ax=ax)
    x, y = drawn(ax, "function")
    np.testing.assert_array_equal(y, x * x)
    np.testing.assert_array_equal(drawn(ax, "gradient")[1], 2 * x)
    assert (*titles(ax), ax.get_xlabel()) == ("gated", "value=1", "gate")


def test_gated_block(ax):
    act.visualize_activation(nn.Activation("swiglu"), ax=ax)
    act.visualize_activation("swiglu", ax=(other := Figure().subplots()))
    for label in ("function", "gradient"):
        np.testing.assert_array_equal(drawn(ax, label), drawn(other, label))
    assert (titles(ax)[1], ax.get_xlabel()) == ("value=1", "gate")


@pytest.mark.parametrize("anything, params, parameters, kind, said", [
    ("gleu", (), {}, ValueError, "no activation 'gleu'; did you mean"),
    ("gelu", (1,), {}, TypeError, r"gelu: parameters \(1,\) were given; \(\) are accepted"),
    (["gelu", "relu"], (), {"beta": 1}, TypeError, "^beta is no parameter of gelu, relu$"),
    ("elu", (), {"alpha": []}, TypeError, r"elu: alpha=\[\] was given; a number or a list of numbers is accepted"),
    ("elu", (), {"alpha": "a"}, TypeError, "elu: alpha='a' was given"),
    ("elu", (None,), {}, TypeError, "elu: alpha=None was given"),
    ("elu", (), {"beta": 1}, TypeError, "beta is no parameter of elu; accepted: alpha"),
    ("elu", (), {"lo_": 1}, TypeError, "lo_ is no parameter of elu; accepted: alpha"),
    (nn.PReLU(), (), {"alpha": 1}, TypeError, r"^alpha is no parameter of PReLU\(num_parameters=1, axis=1\)$"),
    *[("gelu", (), options, ValueError, "^a range of .* was given; lo below hi and two points are needed$")
      for options in ({"lo": 2, "hi": 2}, {"lo": np.nan}, {"hi": np.inf}, {"hi": "a"}, {"lo": -1e308}, {"points": 1})],
])
def test_refusals(anything, params, parameters, kind, said, ax):
    with pytest.raises(kind, match=said):
        act.visualize_activation(anything, *params, **parameters, ax=ax)


def test_card():
    """The same text whenever it is made; beside the words, a picture that needs nothing else."""
    shown = plotting.card(act.softplus)
    assert shown == plotting.card(act.softplus)
    assert shown.startswith("<p><code>softplus(x, beta=1)</code> also <code>softrelu</code>, ")
    picture = ElementTree.fromstring(shown.partition("\n")[2])
    assert picture.tag.endswith("svg")
    assert len(shown) < 100_000
    assert "<svg" in act.activation(lambda x, ax=2.0, lo=1.0: x * ax * lo)._repr_html_()


def test_card_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plotting.card(act.relu).endswith(r"$$\max(0, x)$$")


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


def test_long_formulas_fit(ax):
    """Between the axes and the title, and into the column."""
    @act.activation
    def long(x, rather_long_a=1.0, rather_long_b=2.0):
        return rather_long_a * x * x + rather_long_b * x if x > 0 else rather_long_a * rather_long_b * x / (1 + x * x)

    act.visualize_activation(long, ax=ax)
    act.visualize_activation("tanh", ax=(other := Figure().subplots()))
    assert ax.texts[0].get_fontsize() < other.texts[0].get_fontsize() == plotting.FORMULA_SIZE


def test_gallery():
    """Its example writes it."""
    assert [ax.get_title(loc="left") for ax in act.gallery().axes if ax.axison] == list(act.activations)


def test_parameters_leave_room_for_a_long_name(tmp_path):
    figure = plotting.side_by_side(["clamped_swiglu", "swish", "elu", "celu", "glu"], tmp_path / "five.png")
    told = figure.axes[0].get_title("right")
    assert told.splitlines() == ["value=1, alpha=1.702,", "limit=7, offset=1"]
    assert figure.axes[1].get_title("right") == "beta=1"


@pytest.mark.parametrize("function", ["softmax", act.logsumexp])
def test_functions_along_an_axis_are_refused(function):
    with pytest.raises(TypeError, match="is a function along an axis; an activation is accepted"):
        act.visualize_activation(function)
