"""Scalar mathematics on trees: branch-free, only operations that IEEE 754 rounds correctly and moves of bits."""
import builtins
import math

from ..tree.node import copysign, fma, maximum, minimum, sqrt
from .exponential import exp
from .logistic import tanh

# What a scalar function may call, and what takes its place.
VOCABULARY = {
    builtins.abs: builtins.abs, builtins.max: maximum, builtins.min: minimum, builtins.float: lambda x: x,
    math.exp: exp, math.tanh: tanh, math.sqrt: sqrt, math.fabs: builtins.abs, math.copysign: copysign,
}
__all__ = ["VOCABULARY", "copysign", "exp", "fma", "maximum", "minimum", "sqrt", "tanh"]
