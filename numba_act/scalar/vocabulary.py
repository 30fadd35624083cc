"""What a scalar function may call of Python's math: ours, in vector form, or else the platform's library."""
import builtins
import functools
import math
import operator
from fractions import Fraction

import numpy as np

from ..tree import node
from ..tree.call import Function
from ..tree.errors import NoTreeError
from ..tree.node import Node, where
from . import circular, errors, exponential, hyperbolic, logarithm, powers
from .ranges import unless_nan

MOST_PRODUCTS = 64                               # of a power by multiplication


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
sin = Function("sin", circular.sin, lambda y, x: (cos(x),))
cos = Function("cos", circular.cos, lambda y, x: (-sin(x),))
sinh = Function("sinh", hyperbolic.sinh, lambda y, x: (cosh(x),))
cosh = Function("cosh", hyperbolic.cosh, lambda y, x: (sinh(x),))
power = Function("pow", powers.power, power_slopes, arity=2)
hypotenuse = Function("hypot", powers.hypot, hypotenuse_slopes, arity=2)
OURS = (
    exp, expm1, log1p, tanh, sin, cos, sinh, cosh,
    Function("tan", circular.tan, lambda y, x: (1 + y * y,)),
    Function("atan", circular.atan, lambda y, x: (1 / (1 + x * x),)),
    Function("asinh", hyperbolic.asinh, lambda y, x: (1 / node.sqrt(1 + x * x),)),
    Function("log2", powers.log2, lambda y, x: (1 / (x * exponential.LN2),)),
    Function("log10", powers.log10, lambda y, x: (powers.LOG10E / x,)),
    Function("exp2", powers.exp2, lambda y, x: (y * exponential.LN2,)),
    Function("cbrt", powers.cbrt, lambda y, x: (1 / (3 * y * y),)),
    Function("erf", errors.erf, lambda y, x: (errors.TWO_OVER_ROOT_PI * exp(-x * x),)),
    Function("erfc", errors.erfc, lambda y, x: (-errors.TWO_OVER_ROOT_PI * exp(-x * x),)),
)
maximum = Function("maximum", node.maximum, extreme_slopes, arity=2, extreme=True)
minimum = Function("minimum", node.minimum, extreme_slopes, arity=2, extreme=True)



def signs_differ(rest, y):
    return ((rest < 0) & (y > 0)) | ((rest > 0) & (y < 0))


def remainder_of(x, y):
    """x % y, as Python computes it: with the sign of y."""
    rest = node.fmod(x, y)
    return where(rest == 0, node.copysign(0, y), where(signs_differ(rest, y), rest + y, rest))


def floor_quotient(x, y):
    """x // y, as Python computes it; for y = 0 as NumPy does."""
    rest = node.fmod(x, y)
    whole = (x - rest) / y
    whole = where(signs_differ(rest, y), whole - 1, whole)
    below = node.floor(whole)
    below = where(whole - below > 0.5, below + 1, below)
    below = where(whole == 0, node.copysign(0, x / y), below)
    return where(y == 0, x / y, below)


def remainder_slopes(y, x, d):
    return unless_nan(y, 1), unless_nan(y, -floor_divide(x, d))


def quotient_slopes(y, x, d):
    return unless_nan(y, 0), unless_nan(y, 0)


remainder = Function("remainder", remainder_of, remainder_slopes, arity=2, define=remainder_of)
floor_divide = Function("floor_divide", floor_quotient, quotient_slopes, arity=2, define=floor_quotient)

# by the platform's library: the bits are those of the machine, and a loop takes ten times as long
LIBRARY = (
    Function("asin", partials=lambda y, x: (1 / node.sqrt(1 - x * x),)),
    Function("acos", partials=lambda y, x: (-1 / node.sqrt(1 - x * x),)),
    Function("atan2", partials=angle_slopes, arity=2),
    Function("acosh", partials=lambda y, x: (1 / node.sqrt((x - 1) * (x + 1)),)),
    Function("atanh", partials=lambda y, x: (1 / ((1 - x) * (1 + x)),)),
    Function("gamma"), Function("lgamma"),
)


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


def in_decimals(x, decimals=Fraction(0)):
    """As NumPy rounds: by a power of ten."""
    power = Fraction(10) ** abs(decimals)
    if not decimals:
        return node.rounded_to_even(x)
    return node.rounded_to_even(x * power) / power if decimals > 0 else node.rounded_to_even(x / power) * power


def whole(x, digits=None):
    """As Python rounds."""
    if digits:
        raise NoTreeError("decimal digits are not those of binary numbers; np.round(x, 2) multiplies and divides")
    return node.rounded_to_even(x)


def sign(x):
    return where(x > 0, 1, where(x < 0, -1, where(x == 0, 0, x)))


def truth(number):
    """Whether a number is not 0, as a condition."""
    if not isinstance(number, Node):
        return bool(number)
    if number.op == "where" and all(map(node.is_constant, number.args[1:], (1, 0))):
        return number.args[0]                    # a condition, as Python counts with it
    return node.build("ne", number, 0)


def one_of(numbers):
    return functools.reduce(lambda found, v: where(truth(v), 1, found), numbers, Fraction(0))


def all_of(numbers):
    return functools.reduce(lambda found, v: where(truth(v), found, 0), numbers, Fraction(1))


def chosen(condition, a, b):
    return where(truth(condition), a, b)


def clipped(a, a_min=None, a_max=None, *, min=None, max=None):
    """Between bounds by either of NumPy's names, of which None is none."""
    lowest, highest = min if a_min is None else a_min, max if a_max is None else a_max
    a = a if lowest is None else larger(a, lowest)
    return a if highest is None else smaller(a, highest)


def total(numbers, start=Fraction(0)):
    return functools.reduce(operator.add, numbers, start)


def product(numbers, *, start=Fraction(1)):
    return functools.reduce(operator.mul, numbers, start)


def length(*numbers):
    return functools.reduce(hypotenuse, numbers) if len(numbers) > 1 else abs(*numbers)


larger, smaller = over_all(maximum, node.maximum, max), over_all(minimum, node.minimum, min)
LIKE_MATH = {                                    # Python's math and NumPy's names for it
    "sqrt": node.sqrt, "fabs": builtins.abs, "copysign": node.copysign, "hypot": length, "fmod": node.fmod,
    "degrees": lambda x: x * (180 / math.pi), "radians": lambda x: x * (math.pi / 180),
    "floor": node.floor, "ceil": node.ceil, "trunc": node.trunc, "pow": raised,
    "isnan": node.is_nan, "isinf": lambda x: abs(x) == math.inf,
    "isfinite": lambda x: abs(x) < math.inf,
    **{f.name: f for f in (*OURS, *LIBRARY)},
}
NUMPYS = {                                       # names of NumPy's own
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "pow": "power",
}
VOCABULARY = {
    **{getattr(math, name): ours for name, ours in LIKE_MATH.items() if hasattr(math, name)},
    **{getattr(np, NUMPYS.get(name, name)): ours for name, ours in LIKE_MATH.items()
       if hasattr(np, NUMPYS.get(name, name))},
    **{f.expand: f for f in (log, power, hypotenuse, *OURS)},
    builtins.abs: builtins.abs, np.absolute: builtins.abs, builtins.float: lambda x: x, np.float64: lambda x: x,
    builtins.bool: truth, builtins.any: one_of, builtins.all: all_of, builtins.pow: raised, operator.pow: raised,
    builtins.max: larger, builtins.min: smaller, np.maximum: larger, np.minimum: smaller, np.clip: clipped,
    builtins.int: node.trunc, np.fix: node.trunc, builtins.round: whole, np.rint: node.rounded_to_even,
    np.round: in_decimals, operator.mod: remainder, np.remainder: remainder,
    operator.floordiv: floor_divide, np.floor_divide: floor_divide,
    builtins.divmod: lambda x, y: (floor_divide(x, y), remainder(x, y)),
    np.divmod: lambda x, y: (floor_divide(x, y), remainder(x, y)),
    builtins.sum: total, math.prod: product, np.square: lambda x: x * x, np.sign: sign, np.negative: operator.neg,
    np.reciprocal: lambda x: 1 / x, np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.divide: operator.truediv, np.where: chosen, math.log: logarithm_to, np.log: natural,
    **({math.fma: node.fma} if hasattr(math, "fma") else {}),
}
