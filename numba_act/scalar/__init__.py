"""Scalar mathematics on trees: branch-free, only operations that IEEE 754 rounds correctly and moves of bits.

The functions take nodes, where trees are built, and numbers:

    >>> from numba_act import scalar
    >>> scalar.expm1(1e-10), scalar.fma(0.1, 10, -1)
    (1.00000000005e-10, 5.551115123125783e-17)
"""
import builtins
import math

from ..tree import node
from ..tree.evaluate import for_numbers_too
from .exponential import exp, expm1
from .logarithm import log1p
from .logistic import tanh

fma, sqrt, copysign = map(for_numbers_too, (node.fma, node.sqrt, node.copysign))
maximum, minimum = map(for_numbers_too, (node.maximum, node.minimum))

# What a scalar function may call, and what takes its place.
VOCABULARY = {
    builtins.abs: builtins.abs, builtins.max: node.maximum, builtins.min: node.minimum, builtins.float: lambda x: x,
    math.exp: exp, math.expm1: expm1, math.log1p: log1p, math.tanh: tanh,
    math.sqrt: node.sqrt, math.fabs: builtins.abs, math.copysign: node.copysign,
}
__all__ = ["VOCABULARY", "copysign", "exp", "expm1", "fma", "log1p", "maximum", "minimum", "sqrt", "tanh"]
