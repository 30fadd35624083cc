"""Pictures of activations: the function and its gradient, one alone or all of them side by side."""
import re

import numpy as np

from .declare import Activation, activations, get

# Blue and orange differ for every kind of colour vision; the dashes and the lightness also in grey.
VALUE = {"color": "#0b4f8a", "linewidth": 2.0, "label": "function"}
SLOPE = {"color": "#e07b00", "linewidth": 1.6, "linestyle": (0, (4, 1.6)), "label": "gradient"}
GUIDE = {"color": "0.85", "linewidth": 0.8, "zorder": 0}
WINDOW = {"xlim": (-4, 4), "ylim": (-2, 4)}      # of the small pictures: one scale for all
LEAST_JUMP = 1e-3                                # as a share of what a curve spans
HALVINGS = 40
FORMULA_BAND = 38                                # points between the axes and the title
MATHTEXT = (                                     # from LaTeX to what matplotlib knows and spaces as LaTeX does
    (r"\\frac\b", r"\\dfrac"), (r"\\tfrac\b", r"\\frac"), (r"\\le\b", r"\\leq"), (r"\\ge\b", r"\\geq"),
    (r"(\bx|\}) (?=\\(?:tanh|log)\b)", r"\1 \\, "),
)


def visualize_activation(anything, *params, lo=-10, hi=10, points=501, ax=None):
    """Draw a function and, where it has one, its gradient.

    Parameters
    ----------
    anything : the name of an activation, an Activation, a block, or any function of an array
    params : what follows x in a call, defaults otherwise
    lo, hi, points : the range of x and how often it is sampled
    ax : matplotlib axes; new ones by default

    Returns
    -------
    The axes
    """
    function = get(anything) if isinstance(anything, str) else anything
    if ax is None:
        _, ax = _pyplot().subplots(figsize=(6, 4), layout="constrained")
    _draw(ax, function, params, lo, hi, points)
    ax.set(xlim=(lo, hi), xlabel=_operand(function))
    ax.locator_params(axis="x", steps=[1, 2, 5, 10])
    ax.legend(frameon=False)
    return ax


def gallery(path=None):
    """Draw every activation of one array small, on one scale; into an image file where a path is given.

    Returns
    -------
    The figure
    """
    return side_by_side([a for a in activations.values() if len(a.operands) == 1], path)


def side_by_side(functions, path=None, columns=5):
    """Draw some activations small, on one scale; into an image file where a path is given."""
    columns = min(columns, len(functions))
    rows = -(-len(functions) // columns)
    size = {"figsize": (0.4 + 2.7 * columns, 0.5 + 3 * rows), "layout": "constrained"}
    pyplot = _pyplot()
    figure = pyplot.figure(**size) if path is None else pyplot.Figure(**size)
    cells = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, function in zip(cells, functions, strict=False):
        _draw(ax, function, (), *WINDOW["xlim"], points=401)
    for k in range(len(functions), len(cells)):
        cells[k].set_axis_off()
        cells[k - columns].tick_params(labelbottom=True)
    cells[0].set(**WINDOW, xticks=range(-4, 5, 2), yticks=range(-2, 5, 2))
    figure.get_layout_engine().set(h_pad=0.12)
    figure.legend(*cells[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _pyplot():
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('pictures need matplotlib: pip install "numba_act[plot]"', name=error.name) from None
    return pyplot


def _draw(ax, function, params, lo, hi, points):
    x = np.linspace(lo, hi, points)
    ax.axhline(0, **GUIDE)
    ax.axvline(0, **GUIDE)
    ax.plot(*curve(lambda x: function(x, *params), x), **VALUE)
    slope = _slope(function, params)
    if slope is not None:
        ax.plot(*curve(slope, x), **SLOPE)
    formula = mathtext(getattr(function, "formula", None) or "")
    ax.annotate(formula, (0, 1), (0, FORMULA_BAND / 2), "axes fraction", "offset points", va="center",
                fontsize="large", math_fontfamily="cm")
    ax.set_title(_title(function, params), loc="left", fontsize="medium", fontweight="bold", pad=FORMULA_BAND)
    ax.spines[["top", "right"]].set_visible(False)


def _slope(function, params):
    """The derivative in x of whatever offers one, as a function; None where nothing does."""
    if isinstance(function, Activation):
        try:
            function.grad(0.0, *params)
        except NotImplementedError:
            return None
        return lambda x: function.grad(x, *params)
    if hasattr(function, "backward"):            # a block, which remembers what it was called with
        return lambda x: (function(x), function.backward(np.ones_like(x)))[1]
    return None


def curve(function, x):
    """Points of the function's graph; where it jumps, both ends of the jump with a NaN between them."""
    y = np.asarray(function(x))
    left, right = x[:-1], x[1:]
    below, above = y[:-1], y[1:]
    for _ in range(HALVINGS):                    # into the half of each step in which more happens
        middle = (left + right) / 2
        between = np.asarray(function(middle))
        first = abs(between - below) > abs(above - between)
        left, below = np.where(first, left, middle), np.where(first, below, between)
        right, above = np.where(first, middle, right), np.where(first, between, above)
    jumps = np.flatnonzero(abs(above - below) > LEAST_JUMP * np.ptp(y[np.isfinite(y)]))
    gap = np.full(len(jumps), np.nan)
    inserted = np.repeat(jumps + 1, 3)
    return (np.insert(x, inserted, np.stack([left[jumps], gap, right[jumps]], axis=1).ravel()),
            np.insert(y, inserted, np.stack([below[jumps], gap, above[jumps]], axis=1).ravel()))


def _operand(function):
    return function.operands[0] if isinstance(function, Activation) else "x"


def _title(function, params):
    """The call that is drawn."""
    name = getattr(function, "name", None) or getattr(function, "__name__", None) or type(function).__name__
    if not isinstance(function, Activation):
        return name
    inputs = [*function.operands, *function.params][1:]
    values = {**function.defaults, **dict(zip(inputs, params, strict=False))}
    return f"{name}({', '.join([_operand(function), *(f'{key}={value:.4g}' for key, value in values.items())])})"


def mathtext(formula):
    r"""The formula in the part of LaTeX that matplotlib draws, as text; empty where that part does not suffice.

    >>> from numba_act.plotting import mathtext
    >>> print(mathtext(r"\max(0, \tfrac{x}{2})"))
    $\max(0, \frac{x}{2})$
    """
    from matplotlib.mathtext import MathTextParser
    text = re.sub(r"\\begin\{cases\}(.*?)\\end\{cases\}", _cases, formula, flags=re.DOTALL)
    for pattern, replacement in MATHTEXT:
        text = re.sub(pattern, replacement, text)
    try:
        MathTextParser("path").parse(f"${text}$")
    except ValueError:
        return ""
    return f"${text}$" if text else ""


def _cases(match):
    """A brace and two columns: the values and the conditions."""
    rows = [row.split("&") for row in match[1].split(r"\\")]
    columns = [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]
    return r"\left\{ " + r" \;\; ".join(map(_column, columns)) + r" \right."


def _column(cells):
    if len(cells) == 2:
        return r"\genfrac{}{}{0}{0}" + "".join(f"{{{cell}}}" for cell in cells)
    return r"\substack{" + r" \\ ".join(cells) + "}"
