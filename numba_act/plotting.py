"""Pictures of activations: functions and gradients in one axes, side by side, or as a card in a notebook."""
import copy
import html
import io
import itertools
import re
import textwrap
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import numpy as np

from .declare import Activation, activations, is_known, of_numbers

# Blue and orange differ for every kind of colour vision; the dashes and the lightness also in grey.
VALUE = {"color": "#0b4f8a", "linewidth": 2.0, "label": "function"}
SLOPE = {"color": "#e07b00", "linewidth": 1.6, "linestyle": (0, (4, 1.6)), "label": "gradient"}
SHADES = "viridis", 0, 0.8                       # of several curves, dark to light; beyond, yellow is lost on white
NEUTRAL = {"color": "0.35"}                      # of what is said beside the curves
GUIDE = {"color": "0.85", "linewidth": 0.8, "zorder": 0}
WINDOW = {"xlim": (-4, 4), "ylim": (-2, 4)}      # of the small pictures: one scale for all
LEAST_JUMP = 1e-3                                # as a share of what a curve spans
HALVINGS = 40
FORMULA_BAND = 38                                # points between the axes and the title
FORMULA_SIZE = 12                                # points, where that fits
FORMULA_WIDTH, FORMULA_HEIGHT = 0.88, 0.84       # at most, as shares of a column and of the band
BOLD_LETTER, SMALL_LETTER = 6.9, 4.2             # points: of a name, of the parameters beside it
FORMULA_LENGTH, FORMULA_DEPTH = 400, 12          # beyond, nobody reads it; matplotlib takes 1 s, and 40 frames a level
LARGEST = 1e300                                  # that is drawn: beyond 1e307 matplotlib's margins overflow
MATHTEXT = (                                     # from LaTeX to what matplotlib knows and spaces as LaTeX does
    (r"\\frac\b", r"\\dfrac"), (r"\\tfrac\b", r"\\frac"), (r"\\le\b", r"\\leq"), (r"\\ge\b", r"\\geq"),
    (r"(\b[a-z]|[})]) (?=\\(?:tanh|log|min|max)\b)", r"\1 \\, "),
)


class Graph(NamedTuple):
    """What is drawn of a function, with certain parameters."""
    name: str
    formula: str
    operand: str                                 # what runs along the axis
    fixed: str                                   # its parameters
    varied: str                                  # those of them in which it differs from its neighbours
    value: Callable
    slope: Callable | None


def visualize_activation(anything, /, *params, **keywords):
    """Draw a function and, where it has one, its gradient; or several of them.

    Parameters
    ----------
    anything : str, Activation, callable, or list of these
        The name of an activation, an Activation, a block, any function of an array.  What is gated is drawn over the
        gate, at value = 1.
    *params, **keywords : float or list of float
        The activation's parameters, by position or keyword.  A list of numbers gives a curve for each, and a keyword
        counts for those of the functions that have it.
    lo, hi : float, default -10 and 10
        The range of x.
    points : int, default 501
        How often it is sampled.
    ax : matplotlib axes, optional
        Where to draw; new ones otherwise.  Where any of the functions has a parameter called ax, lo, hi or points, the
        name is that of the parameter, and the option has an underscore behind it: lo_.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ValueError
        An unknown name, a range without numbers.
    TypeError
        A parameter that none of the functions has, or that is no number.
    ModuleNotFoundError
        Matplotlib is not installed.

    Examples
    --------
    >>> import numba_act as act
    >>> from matplotlib.figure import Figure
    >>> ax = act.visualize_activation("leaky_relu", alpha=[0.01, 0.05, 0.2], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['alpha=0.01', 'alpha=0.05', 'alpha=0.2', 'gradient']
    >>> act.visualize_activation("hard_tanh", lo=-2, hi=2, lo_=-5, hi_=5, ax=ax).get_title(loc="right")
    'lo=-2, hi=2'
    """
    functions = _functions(anything if isinstance(anything, list | tuple) else [anything])
    if not functions:
        raise ValueError("visualize_activation: there is nothing to draw; a name, an activation, a function, or a list "
                         "of these is accepted")
    options, parameters = _separated(functions, keywords, lo=-10, hi=10, points=501, ax=None)
    graphs = list(itertools.chain(*_families(functions, params, parameters)))
    lo, hi, points, ax = options.values()
    x = _samples(lo, hi, points)
    if ax is None:
        _, ax = _pyplot().subplots(figsize=(6, 4), layout="constrained")
    _draw(ax, graphs, x)
    ax.set(xlim=(lo, hi), xlabel=" or ".join(dict.fromkeys(graph.operand for graph in graphs)))
    ax.locator_params(axis="x", steps=[1, 2, 5, 10])
    gradient = [] if len(graphs) == 1 else [_line(SLOPE | NEUTRAL)]
    ax.legend(handles=[*ax.get_legend_handles_labels()[0], *gradient], frameon=False)
    return ax


def gallery(path=None):
    """Draw every activation small, on one scale; into an image file where a path is given.

    Those that are gated are drawn over the gate, at value = 1.

    Parameters
    ----------
    path : str or Path, optional
        Of the image; its ending tells the format.

    Returns
    -------
    matplotlib figure

    Examples
    --------
    >>> import io
    >>> import numba_act as act
    >>> file = io.BytesIO()
    >>> figure = act.gallery(file)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    return side_by_side(list(activations.values()), path)


def picture(functions, path, /, **keywords):
    """Draw one function large, or several small, into an image file; keywords as in `visualize_activation`."""
    if len(functions) > 1:
        side_by_side(functions, path, **keywords)
        return
    figure = _pyplot().Figure(figsize=(6, 4), layout="constrained")
    ax = "ax_" if "ax" in _own(_functions(functions)) else "ax"
    visualize_activation(*functions, **{ax: figure.subplots()}, **keywords)
    figure.savefig(path, dpi=150)


def side_by_side(functions, path=None, columns=5, /, **keywords):
    """Draw some functions small, on one scale, with keywords as in `visualize_activation`, but for the axes; into an
    image file where a path is given."""
    functions = _functions(functions)
    lo, hi = WINDOW["xlim"]
    options, parameters = _separated(functions, keywords, lo=lo, hi=hi, points=401)
    families = _families(functions, (), parameters)
    x = _samples(**options)
    columns = min(columns, len(families))
    rows = -(-len(families) // columns)
    size = {"figsize": (0.4 + 2.7 * columns, 0.5 + 3 * rows), "layout": "constrained"}
    pyplot = _pyplot()
    figure = pyplot.figure(**size) if path is None else pyplot.Figure(**size)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in cells:                             # axes that share their limits look at all others for each mark
        ax.set(xlim=(options["lo"], options["hi"]), ylim=WINDOW["ylim"], yticks=range(-2, 5, 2))
        ax.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
        ax.label_outer()
    for ax, graphs in zip(cells, families, strict=False):
        _draw(ax, graphs, x)
        if len(graphs) > 1:
            ax.legend(fontsize="small", frameon=False, loc="upper left", handlelength=1.2)
    for k in range(len(families), len(cells)):
        cells[k].set_axis_off()
        cells[k - columns].tick_params(labelbottom=True)
    figure.get_layout_engine().set(h_pad=0.12)
    colour = NEUTRAL if any(len(graphs) > 1 for graphs in families) else {}
    figure.legend(handles=[_line(VALUE | colour), _line(SLOPE | colour)], loc="outside upper right", ncols=2,
                  frameon=False)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def card(activation):
    """What a notebook shows of an activation, in HTML: what it is called and does, and its picture as SVG.

    >>> import numba_act as act
    >>> from numba_act.plotting import card
    >>> card(act.gelu).startswith("<p><code>gelu(x)</code>")
    True
    """
    call = ", ".join([*activation.operands, *(f"{name}={value:.4g}" for name, value in activation.defaults.items())])
    codes = ", ".join(f"<code>{html.escape(alias)}</code>" for alias in activation.aliases)
    aliases = f" also {codes}" * bool(codes)
    summary = html.escape((activation.__doc__ or "").strip().partition("\n")[0])
    return f"<p><code>{html.escape(activation.name)}({call})</code>{aliases}<br>{summary}</p>\n{_svg(activation)}"


def _svg(activation):
    """The picture, and without matplotlib the formula."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return f"$${html.escape(activation.formula)}$$" if activation.formula else ""
    figure, file = Figure(figsize=(6, 4), layout="constrained"), io.StringIO()
    visualize_activation(activation, **activation.options(ax=figure.subplots()))
    with rc_context({"svg.hashsalt": activation.name}):       # the same names inside, whenever it is drawn
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg"):]


def _pyplot():
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('pictures need matplotlib: pip install "numba_act[plot]"', name=error.name) from None
    return pyplot


def _line(style):
    from matplotlib.lines import Line2D
    return Line2D([], [], **style)


# what is drawn -----------------------------------------------------------------------------------------------------
def _functions(given):
    return [of_numbers(function) if isinstance(function, str) or is_known(function) else function for function in given]


def _own(functions):
    """The names of their parameters."""
    return {name for function in functions if isinstance(function, Activation) for name in function.params}


def _separated(functions, keywords, **options):
    """The options, with their defaults, and the parameters among the keywords: a name that a function has is its
    parameter's, and the option's has an underscore more."""
    own, rest = _own(functions), dict(keywords)
    for name, default in options.items():
        key = name
        while key in own:
            key += "_"
        options[name] = rest.pop(key, default)
    return options, rest


def _samples(lo, hi, points):
    """Where the functions are drawn."""
    if not (all(isinstance(v, Real) for v in (lo, hi, points)) and -LARGEST <= lo < hi <= LARGEST and points >= 2):
        raise ValueError(f"a range of lo={lo!r}, hi={hi!r} and points={points!r} was given; lo below hi and two points "
                         "are needed")
    return np.linspace(lo, hi, int(points))


def _families(functions, params, parameters):
    """For each function its graphs, one for every choice of parameters."""
    known = _own(functions)
    for name in parameters.keys() - known:
        raise TypeError(f"{name} is no parameter of {', '.join(map(_name, functions))}"
                        + (f"; accepted: {', '.join(sorted(known))}" if known else ""))
    return [_family(function, params, parameters) if isinstance(function, Activation) else [_other(function, params)]
            for function in functions]


def _family(activation, params, parameters):
    if len(params) > len(activation.params):
        raise TypeError(f"{activation.name}: parameters {params} were given; {activation.params} are accepted")
    given = {name: value for name, value in parameters.items() if name in activation.params}
    values = {**activation.defaults, **dict(zip(activation.params, params, strict=False)), **given}
    for name, value in values.items():
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "biuf" or numbers.ndim > 1 or not numbers.size:
            raise TypeError(f"{activation.name}: {name}={value!r} was given; a number or a list of numbers is accepted")
    varied = [name for name, value in values.items() if np.ndim(value)]
    return [_graph(activation, dict(zip(values, choice, strict=True)), varied)
            for choice in itertools.product(*map(np.atleast_1d, values.values()))]


def _graph(activation, values, varied):
    """The function over its last operand, where the others are 1."""
    *others, operand = activation.operands
    ones = [1] * len(others)

    def value(x):
        return activation(*ones, x, **values)

    def slope(x):
        return activation.grad(*ones, x, **values, **activation.options(wrt=operand))

    fixed = {**dict.fromkeys(others, 1), **{name: value for name, value in values.items() if name not in varied}}
    return Graph(activation.name, activation.formula or "", operand, _written(fixed),
                 _written({name: values[name] for name in varied}), value, slope if _works(slope) else None)


def _other(function, params):
    """A block, which is copied because it remembers what it is called with, or any function."""
    activation, slope = getattr(function, "activation", None), None
    *others, operand = getattr(activation, "operands", ["x"])
    ones = [1] * len(others)
    if hasattr(function, "backward"):
        function = copy.deepcopy(function)

        def slope(x):
            function(*ones, x)
            gradient = function.backward(np.ones_like(x))
            return gradient[-1] if others else gradient

    return Graph(_name(function), getattr(activation, "formula", None) or "", operand,
                 _written(dict.fromkeys(others, 1)), "", lambda x: function(*ones, x, *params), slope)


def _works(slope):
    """Whether a derivative is known."""
    try:
        slope(0.0)
    except NotImplementedError:
        return False
    return True


def _name(function):
    shown = repr(function)
    return (getattr(function, "name", None) or getattr(function, "__name__", None)
            or (type(function).__name__ if shown.startswith("<") else shown))


def _written(values):
    return ", ".join(f"{name}={value:.4g}" for name, value in values.items())


def _draw(ax, graphs, x):
    ax.axhline(0, **GUIDE)
    ax.axvline(0, **GUIDE)
    alone = len({graph.name for graph in graphs}) == 1
    for graph, style in zip(graphs, _styles(graphs, alone), strict=True):
        ax.plot(*curve(graph.value, x), **VALUE | style)
        if graph.slope is not None:
            ax.plot(*curve(graph.slope, x), **SLOPE | style | ({"label": "_"} if style else {}))
    ax.spines[["top", "right"]].set_visible(False)
    if alone:
        _entitle(ax, graphs[0])


def _styles(graphs, alone):
    """What tells the graphs apart; nothing for one."""
    if len(graphs) == 1:
        return [{}]
    from matplotlib import colormaps
    name, first, last = SHADES
    labels = (", ".join(filter(None, ["" if alone else graph.name, graph.varied])) for graph in graphs)
    return [{"color": colour, "label": label}
            for colour, label in zip(colormaps[name](np.linspace(first, last, len(graphs))), labels, strict=True)]


def _entitle(ax, graph):
    """Name, parameters and formula above the axes."""
    ax.set_title(graph.name, loc="left", fontsize="medium", fontweight="bold", pad=FORMULA_BAND, parse_math=False)
    room = _width(ax) / SMALL_LETTER - len(graph.name) * BOLD_LETTER / SMALL_LETTER
    fixed = textwrap.fill(graph.fixed, max(int(room), 1), break_long_words=False)
    ax.set_title(fixed, loc="right", fontsize="x-small", pad=FORMULA_BAND, **NEUTRAL)
    formula = mathtext(graph.formula)
    ax.annotate(formula, (0, 1), (0, FORMULA_BAND / 2), "axes fraction", "offset points", va="center",
                fontsize=_fitting(formula, ax), math_fontfamily="cm")


def _width(ax):
    """Of a column of the figure, in points."""
    grid = ax.get_gridspec()
    return ax.figure.get_figwidth() * 72 / (grid.ncols if grid else 1)


def _fitting(formula, ax):
    """The size at which the formula fits between the axes and the title."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    if not formula:
        return FORMULA_SIZE
    font = FontProperties(size=FORMULA_SIZE, math_fontfamily="cm")
    width, height, *_ = MathTextParser("path").parse(formula, dpi=72, prop=font)
    return FORMULA_SIZE * min(1, FORMULA_WIDTH * _width(ax) / width, FORMULA_HEIGHT * FORMULA_BAND / height)


@np.errstate(all="ignore")                       # a graph may leave what the dtype holds, and the domain
def curve(function, x):
    """Points of the function's graph; where it jumps, both ends of the jump with a NaN between them."""
    y = np.broadcast_to(_clipped(function(x)), x.shape)
    left, right = x[:-1], x[1:]
    below, above = y[:-1], y[1:]
    for _ in range(HALVINGS):                    # into the half of each step in which more happens
        middle = (left + right) / 2
        between = _clipped(function(middle))
        first = abs(between - below) > abs(above - between)
        left, below = np.where(first, left, middle), np.where(first, below, between)
        right, above = np.where(first, middle, right), np.where(first, between, above)
    finite = y[np.isfinite(y)]
    jumps = np.flatnonzero(abs(above - below) > LEAST_JUMP * (np.ptp(finite) if finite.size else 0))
    gap = np.full(len(jumps), np.nan)
    inserted = np.repeat(jumps + 1, 3)
    return (np.insert(x, inserted, np.stack([left[jumps], gap, right[jumps]], axis=1).ravel()),
            np.insert(y, inserted, np.stack([below[jumps], gap, above[jumps]], axis=1).ravel()))


def _clipped(values):
    """Values that can be drawn; infinite ones are not."""
    values = np.asarray(values, float)
    return np.where(np.isinf(values), values, np.clip(values, -LARGEST, LARGEST))


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
    if not text or len(text) > FORMULA_LENGTH or _depth(text) > FORMULA_DEPTH:
        return ""
    try:
        MathTextParser("path").parse(f"${text}$")
    except (ValueError, RecursionError):         # the last where the caller is deep in its own stack
        return ""
    return f"${text}$"


def _depth(text):
    """How deep braces are nested."""
    return max(itertools.accumulate({"{": 1, "}": -1}.get(character, 0) for character in text))


def _cases(match):
    """A brace and two columns: the values and the conditions."""
    text = re.sub(r"\\frac\b", r"\\tfrac", match[1])           # tall cells would meet those above and below
    rows = [row.split("&") for row in text.split(r"\\")]
    columns = [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]
    return r"\left\{ " + r" \;\; ".join(map(_column, columns)) + r" \right."


def _column(cells):
    if len(cells) == 2:
        return r"\genfrac{}{}{0}{0}" + "".join(f"{{{cell}}}" for cell in cells)
    return r"\substack{" + r" \\ ".join(cells) + "}"
