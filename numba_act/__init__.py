"""Activation functions for NumPy and CuPy arrays, each written once as a scalar function.

    import numpy as np, numba_act as act
    y = act.gelu(np.float32([-1, 0, 1]))
"""
import importlib

from . import functions, rows  # noqa: F401, they declare what there is
from .declare import Activation, activation, activations, get, names, row_functions
from .functions.gated import split_gate
from .functions.units import gated

__version__ = "0.1.0"
globals().update({**names(), **row_functions})
_elsewhere = {"visualize_activation": "plotting", "gallery": "plotting", "explore": "sliders",
              "warmup": "tools.machine", "show_config": "tools.machine"}
__all__ = ["Activation", "activation", "activations", "gated", "get", "split_gate",
           *_elsewhere, *names(), *row_functions]


def __getattr__(name):
    """Names whose modules are imported when they are first used."""
    if name in ("fast", "math", "torch", "jax"):
        return importlib.import_module(f".{name}", __name__)
    if name not in _elsewhere:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_elsewhere[name]}", __name__), name)
