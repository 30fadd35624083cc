"""An activation to play with in a notebook: its picture, and a slider for each parameter."""
import contextlib
import io

import numpy as np

from .declare import of_numbers
from .plotting import SLOPE, curve, visualize_activation

SECOND = SLOPE | {"color": "#4c9a5f", "linestyle": ":", "label": "second derivative"}
REACH = 3                                        # of a slider to both sides of the default, in sizes of the default,
LEAST_SIZE = 0.25                                # which for this purpose is no smaller
STEPS = 120
POINTS = 501


def explore(activation, /, lo=-6.0, hi=6.0):
    """Sliders for every parameter of an activation, with its value, slope and second derivative, in a notebook.

    Parameters
    ----------
    activation : str or Activation
        Custom ones too.  What is gated is drawn over the gate, at value = 1.
    lo, hi : float
        The range of x.

    Returns
    -------
    ipywidgets.VBox

    Raises
    ------
    ValueError
        An unknown name, a range without numbers.
    ModuleNotFoundError
        ipywidgets or matplotlib is not installed.

    Examples
    --------
    >>> import numba_act as act
    >>> beta, picture, message = act.explore("swish").children
    >>> beta.description, beta.min, beta.value, beta.max
    ('beta', -2.0, 1.0, 4.0)
    """
    widgets, activation = _ipywidgets(), of_numbers(activation)
    sliders = {name: _slider(widgets, name, default) for name, default in activation.defaults.items()}

    def drawn():
        return picture(activation, {name: slider.value for name, slider in sliders.items()}, lo, hi)

    image, message = widgets.Image(value=drawn(), format="png"), widgets.HTML()

    def redraw(_):
        try:
            image.value, message.value = drawn(), ""
        except ValueError as error:              # a parameter for which there is no function
            message.value = str(error)

    class Explorer(widgets.VBox):
        def _repr_mimebundle_(self, **options):
            """A picture as well, for where there are no widgets."""
            return super()._repr_mimebundle_(**options) | {"image/png": bytes(image.value)}

    for slider in sliders.values():
        slider.observe(redraw, "value")
    return Explorer([*sliders.values(), image, message])


def picture(activation, values, lo, hi):
    """The value, the slope and the second derivative, where they are known, as a PNG."""
    from matplotlib.figure import Figure
    figure, file = Figure(figsize=(6, 4), layout="constrained"), io.BytesIO()
    ax = visualize_activation(activation, **values, **activation.options(ax=figure.subplots(), lo=lo, hi=hi))
    *others, operand = activation.operands
    options = values | activation.options(wrt=operand, n=2)
    with contextlib.suppress(NotImplementedError):
        x = np.linspace(lo, hi, POINTS)
        ax.plot(*curve(lambda x: activation.grad(*[1] * len(others), x, **options), x), **SECOND)
    ax.legend(frameon=False)
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _slider(widgets, name, default):
    reach = REACH * max(abs(default), LEAST_SIZE)
    return widgets.FloatSlider(value=default, min=default - reach, max=default + reach, step=2 * reach / STEPS,
                               description=name, readout_format=".3g")


def _ipywidgets():
    try:
        import ipywidgets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('sliders need ipywidgets: pip install "numba_act[notebook]"',
                                  name=error.name) from None
    return ipywidgets
