"""What a scalar function may call of Python's math: ours, in vector form, or else the platform's library."""
import builtins
import functools
import math
from fractions import Fraction

from ..tree import node
from ..tree.call import Function
from ..tree.node import Node, where
from . import exponential, logarithm, logistic

LN10 = Fraction("2.302585092994045684017991454684364207601101488629")
TWO_OVER_ROOT_PI = Fraction("1.128379167095512573896158903121545171688101258657")


def tanh_slope(y, x):
    e = exp(-2 * abs(x))
    d = 1 + e
    return (4 * e / (d * d),)


def extreme_slopes(y, a, b):
    """Of the larger or smaller of two numbers; at a tie each counts half."""
    share = where(node.build("eq", a, b), 0.5, where(node.build("eq", y, a), 1, 0))
    return share, 1 - share


def power_slopes(y, x, p):
    return p * power(x, p - 1), (where(x == 0, 0, y * log(x)))


def hypotenuse_slopes(y, a, b):
    return a / y, b / y


def angle_slopes(y, a, b):
    square = a * a + b * b
    return b / square, -a / square


# in vector form
exp = Function("exp", exponential.exp, lambda y, x: (y,))
expm1 = Function("expm1", exponential.expm1, lambda y, x: (exp(x),))
log = Function("log", logarithm.log, lambda y, x: (1 / x,))
log1p = Function("log1p", logarithm.log1p, lambda y, x: (1 / (1 + x),))
tanh = Function("tanh", logistic.tanh, tanh_slope)
maximum = Function("maximum", node.maximum, extreme_slopes)
minimum = Function("minimum", node.minimum, extreme_slopes)

# by the platform's library: the bits are those of the machine, and a loop takes ten times as long
sin = Function("sin", partials=lambda y, x: (cos(x),))
cos = Function("cos", partials=lambda y, x: (-sin(x),))
sinh = Function("sinh", partials=lambda y, x: (cosh(x),))
cosh = Function("cosh", partials=lambda y, x: (sinh(x),))
power = Function("pow", partials=power_slopes)
LIBRARY = {
    "sin": sin, "cos": cos, "sinh": sinh, "cosh": cosh, "pow": power, **{f.name: f for f in (
        Function("tan", partials=lambda y, x: (1 + y * y,)),
        Function("asin", partials=lambda y, x: (1 / node.sqrt(1 - x * x),)),
        Function("acos", partials=lambda y, x: (-1 / node.sqrt(1 - x * x),)),
        Function("atan", partials=lambda y, x: (1 / (1 + x * x),)),
        Function("atan2", partials=angle_slopes),
        Function("asinh", partials=lambda y, x: (1 / node.sqrt(1 + x * x),)),
        Function("acosh", partials=lambda y, x: (1 / node.sqrt((x - 1) * (x + 1)),)),
        Function("atanh", partials=lambda y, x: (1 / ((1 - x) * (1 + x)),)),
        Function("log2", partials=lambda y, x: (1 / (x * exponential.LN2),)),
        Function("log10", partials=lambda y, x: (1 / (x * LN10),)),
        Function("exp2", partials=lambda y, x: (y * exponential.LN2,)),
        Function("cbrt", partials=lambda y, x: (1 / (3 * y * y),)),
        Function("erf", partials=lambda y, x: (TWO_OVER_ROOT_PI * exp(-x * x),)),
        Function("erfc", partials=lambda y, x: (-TWO_OVER_ROOT_PI * exp(-x * x),)),
        Function("gamma"), Function("lgamma"),
        Function("hypot", partials=hypotenuse_slopes),
        Function("fmod", partials=lambda y, x, d: (1, -(x - y) / d)),
        Function("floor", partials=lambda y, x: (None,)),
        Function("ceil", partials=lambda y, x: (None,)),
        Function("trunc", partials=lambda y, x: (None,)),
    )}}


def over_all(function, with_constant):
    """Python's max or min.  Between a number and a constant the constant wins a tie, as in relu's slope."""
    def call(*numbers):
        return functools.reduce(lambda a, b: (function if is_variable(a) and is_variable(b) else with_constant)(a, b),
                                numbers)
    return call


def is_variable(value):
    return isinstance(value, Node) and value.op != "constant"


def logarithm_to(x, base=math.e):
    return log(x) if base == math.e else log(x) / (log(base) if is_variable(base) else Fraction(math.log(base)))


VOCABULARY = {
    builtins.abs: builtins.abs, builtins.float: lambda x: x, builtins.pow: power,
    builtins.max: over_all(maximum, node.maximum), builtins.min: over_all(minimum, node.minimum),
    math.sqrt: node.sqrt, math.fabs: builtins.abs, math.copysign: node.copysign,
    math.degrees: lambda x: x * (180 / math.pi), math.radians: lambda x: x * (math.pi / 180),
    math.isnan: lambda x: node.build("ne", x, x),
    math.isinf: lambda x: abs(x) == math.inf,
    math.isfinite: lambda x: abs(x) < math.inf,
    **{getattr(math, f.name): f for f in (exp, expm1, log1p, tanh, *LIBRARY.values())},
    **{f.expand: f for f in (exp, expm1, log, log1p, tanh)},
    math.log: logarithm_to, **({math.fma: node.fma} if hasattr(math, "fma") else {}),
}
