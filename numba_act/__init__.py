"""Activation functions for NumPy and CuPy arrays, each written once as a scalar function.

    import numpy as np, numba_act as act
    y = act.gelu(np.float32([-1, 0, 1]))
"""
from . import functions  # noqa: F401, it declares the activations
from .declare import Activation, activation, activations, get, names

__version__ = "0.1.0"
globals().update(names())
__all__ = ["Activation", "activation", "activations", "get", *names()]
