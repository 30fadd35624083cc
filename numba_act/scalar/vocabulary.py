"""What a scalar function may call of Python's math: ours, in vector form, or else the platform's library."""
import builtins
import functools
import math
from fractions import Fraction

from ..tree import node
from ..tree.call import Function
from ..tree.node import Node, where
from . import exponential, hyperbolic, logarithm

MOST_PRODUCTS = 64                               # of a power by multiplication
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
    return where(p == 0, 0, p * power(x, p - 1)), where(x == 0, 0, y * log(x))


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
tanh = Function("tanh", hyperbolic.tanh, tanh_slope)
maximum = Function("maximum", node.maximum, extreme_slopes, arity=2, extreme=True)
minimum = Function("minimum", node.minimum, extreme_slopes, arity=2, extreme=True)

# by the platform's library: the bits are those of the machine, and a loop takes ten times as long
sin = Function("sin", partials=lambda y, x: (cos(x),))
cos = Function("cos", partials=lambda y, x: (-sin(x),))
sinh = Function("sinh", partials=lambda y, x: (cosh(x),))
cosh = Function("cosh", partials=lambda y, x: (sinh(x),))
power = Function("pow", partials=power_slopes, arity=2)
hypotenuse = Function("hypot", partials=hypotenuse_slopes, arity=2)
LIBRARY = {
    "sin": sin, "cos": cos, "sinh": sinh, "cosh": cosh, **{f.name: f for f in (
        Function("tan", partials=lambda y, x: (1 + y * y,)),
        Function("asin", partials=lambda y, x: (1 / node.sqrt(1 - x * x),)),
        Function("acos", partials=lambda y, x: (-1 / node.sqrt(1 - x * x),)),
        Function("atan", partials=lambda y, x: (1 / (1 + x * x),)),
        Function("atan2", partials=angle_slopes, arity=2),
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
        Function("fmod", partials=lambda y, x, d: (1, -(x - y) / d), arity=2),
        Function("floor", partials=lambda y, x: (None,)),
        Function("ceil", partials=lambda y, x: (None,)),
        Function("trunc", partials=lambda y, x: (None,)),
    )}}


def over_all(function, with_constant, plain):
    """Python's max or min.  Between a number and a constant the constant wins a tie, as in relu's slope."""
    def larger(a, b):
        variable = is_variable(a) + is_variable(b)
        return (plain, with_constant, function)[variable](a, b)

    def call(*numbers):
        numbers = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], tuple) else numbers
        if len(numbers) < 2:
            raise TypeError(f"{plain.__name__}() needs two numbers")
        return functools.reduce(larger, numbers)
    return call


def is_variable(value):
    return isinstance(value, Node) and value.op != "constant"


def logarithm_to(x, *base):
    return natural(x) / natural(*base) if base else natural(x)


def natural(x):
    return log(x) if isinstance(x, Node) else Fraction(math.log(x))


def raised(x, p):
    """x to the power p: by multiplication for a whole number."""
    if not isinstance(p, Fraction):
        return power(x, p)
    if p.denominator == 1 and abs(p) <= MOST_PRODUCTS:
        product = by_squaring(x, abs(int(p))) if p else Fraction(1)
        return product if p >= 0 else 1 / product
    return node.sqrt(x) if p == Fraction(1, 2) else power(x, p)


def by_squaring(x, n):
    if n == 1:
        return x
    half = by_squaring(x, n // 2)
    return half * half * x if n % 2 else half * half


def length(*numbers):
    return functools.reduce(hypotenuse, numbers) if len(numbers) > 1 else abs(*numbers)


VOCABULARY = {
    builtins.abs: builtins.abs, builtins.float: lambda x: x, builtins.pow: raised, math.pow: raised, math.hypot: length,
    builtins.max: over_all(maximum, node.maximum, max), builtins.min: over_all(minimum, node.minimum, min),
    math.sqrt: node.sqrt, math.fabs: builtins.abs, math.copysign: node.copysign,
    math.degrees: lambda x: x * (180 / math.pi), math.radians: lambda x: x * (math.pi / 180),
    math.isnan: node.is_nan,
    math.isinf: lambda x: abs(x) == math.inf,
    math.isfinite: lambda x: abs(x) < math.inf,
    **{getattr(math, f.name): f for f in (exp, expm1, log1p, tanh, *LIBRARY.values())},
    **{f.expand: f for f in (exp, expm1, log, log1p, tanh)},
    math.log: logarithm_to, **({math.fma: node.fma} if hasattr(math, "fma") else {}),
}
