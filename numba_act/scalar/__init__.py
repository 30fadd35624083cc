"""Scalar mathematics on trees: branch-free, only operations that IEEE 754 rounds correctly and moves of bits.

The functions take nodes, where trees are built, and numbers:

    >>> from numba_act import scalar
    >>> scalar.expm1(1e-10), scalar.fma(0.1, 10, -1)
    (1.00000000005e-10, 5.551115123125783e-17)
"""
from ..tree import node
from ..tree.evaluate import for_numbers_too
from . import vocabulary
from .exponential import exp, expm1
from .hyperbolic import tanh
from .logarithm import log, log1p

fma, sqrt, copysign = map(for_numbers_too, (node.fma, node.sqrt, node.copysign))
maximum, minimum = map(for_numbers_too, (node.maximum, node.minimum))

VOCABULARY = vocabulary.VOCABULARY | {
    fma: node.fma, sqrt: node.sqrt, copysign: node.copysign, maximum: vocabulary.maximum, minimum: vocabulary.minimum,
}
__all__ = ["VOCABULARY", "copysign", "exp", "expm1", "fma", "log", "log1p", "maximum", "minimum", "sqrt", "tanh"]
