"""The worst error of an output, over its inputs and a grid of parameters."""
from dataclasses import dataclass, replace

from ...declare import of_numbers
from ..machine import dtype_named
from .definition import Output, rows, with_one_operand
from .errors import errors
from .inputs import samples


@dataclass(frozen=True)
class Worst:
    """The largest error of an output: in units in the last place, the input, what it gives there, the parameters, and
    among how many inputs."""
    error: float
    x: float
    got: float
    row: tuple
    count: int


def measure(activation, wrt=None, dtype="float32", exhaustive=False, grid=None, compute=None, progress=None):
    """The worst error of an activation, built-in or custom, and where it happens.

    Parameters
    ----------
    activation : a name or an Activation
    wrt : the operand or parameter to differentiate in; None for the value
    dtype : float16, bfloat16, float32 or float64
    exhaustive : whether to try all 2^32 numbers of float32, and ten million of float64
    grid : tuples of parameters; a small grid by default
    compute : what to judge instead, from an array to an array
    progress : called after each part with the number of inputs

    Returns
    -------
    Worst

    Raises
    ------
    ValueError
        An unknown name.

    Examples
    --------
    >>> from numba_act import accuracy
    >>> accuracy.measure("relu", "x").error
    0.0
    """
    activation, dtype = with_one_operand(of_numbers(activation)), dtype_named(dtype)
    wrt = () if wrt is None else (activation._name(wrt),)
    worst, count = None, 0
    grid = rows(activation) if grid is None else grid
    for row in grid:
        output = Output(activation, wrt, tuple(row))
        for x in samples(output, dtype, exhaustive, len(grid)):
            got = (compute or output)(x)
            error = errors(output, x, got)
            k = int(error.argmax())
            if worst is None or error[k] > worst.error:
                worst = Worst(float(error[k]), x[k].item(), got[k].item(), output.row, 0)
            count += x.size
            if progress:
                progress(x.size)
    return replace(worst, count=count)
