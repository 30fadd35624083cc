"""How exact activations are, in units in the last place of the true value: what `numba-act accuracy` measures by."""
from .tools.accuracy.definition import Output, outputs, rows
from .tools.accuracy.errors import errors, exact_error, loose, unit
from .tools.accuracy.inputs import near, points, samples
from .tools.accuracy.worst import Worst, measure

__all__ = ["Output", "Worst", "errors", "exact_error", "loose", "measure", "near", "outputs", "points", "rows",
           "samples", "unit"]
