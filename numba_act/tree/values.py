"""What the reader computes with: nodes, and constants, which stay what was written.

A whole number is an int, any other a fraction, so that arithmetic between constants is exact; sequences are tuples and
lists.
"""
import math
import operator
from fractions import Fraction

import numpy as np

from .node import Node, build, part_by_part, where

LONG, SHORT = 2048, 256                          # bits: a fraction with more is cut to fewer


def of_constants(operation, left, right):
    """Of numbers exactly; of anything else as Python does."""
    if operation is operator.pow and not (isinstance(left, int) and isinstance(right, int) and 0 <= right <= LONG):
        operation = math.pow
        left, right = plain(left), plain(right)
    elif isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        left, right = plain(left), plain(right)
    elif operation is operator.truediv and isinstance(left, int) and isinstance(right, int):
        left = Fraction(left)
    result = operation(left, right)
    if isinstance(result, Fraction) and result.denominator.bit_length() > LONG:
        unit = result.denominator.bit_length() - result.numerator.bit_length() + SHORT
        return Fraction(round(result * 2**unit), 2**unit)
    return result


def is_condition(value):
    return isinstance(value, bool) or (isinstance(value, Node) and value.kind == "bool")


def truth(value):
    """A node as a condition: a number holds unless it is 0."""
    return value if value.kind == "bool" else build("ne", value, 0)


def both(a, b):
    """`and` of conditions."""
    if isinstance(a, Node) and isinstance(b, Node):
        return a & b
    return (b if a else False) if isinstance(b, Node) else (a if b else False)


def either(a, b):
    """`or` of conditions."""
    if isinstance(a, Node) and isinstance(b, Node):
        return a | b
    return (True if a else b) if isinstance(b, Node) else (True if b else a)


def exact(value):
    """A finite number as the fraction that was written, a whole one as it is; and so is anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return value if value == 0 and math.copysign(1, value) < 0 else Fraction(float.__repr__(value))
    return value


def number(value):
    """A whole number as a fraction, a truth value as 1 or 0, as in Python; sequences part by part."""
    if isinstance(value, tuple | list):
        return part_by_part(number, value)
    if isinstance(value, int):
        return Fraction(value)
    return where(value, 1, 0) if isinstance(value, Node) and value.kind == "bool" else value


def fractions(value):
    """A whole number as a fraction; sequences part by part."""
    if isinstance(value, tuple | list):
        return part_by_part(fractions, value)
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else value


def shape(value):
    """What must agree between branches: 1 for a number, the parts of a tuple; None for what is no number."""
    if isinstance(value, tuple):
        return len(value),
    return 1 if isinstance(value, Node | Fraction | float | int) else None


def plain(value):
    if isinstance(value, tuple | list):
        return part_by_part(plain, value) if isinstance(value, tuple) else list(map(plain, value))
    if isinstance(value, slice):
        return slice(*map(plain, (value.start, value.stop, value.step)))
    return float(value) if isinstance(value, Fraction) else value


def flat(values):
    for value in values:
        if isinstance(value, tuple | list):
            yield from flat(value)
        else:
            yield value
