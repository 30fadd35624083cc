"""Mathematics by objects of the same kind as activations: on arrays, with derivatives, vectorised in compiled code.

    from numba_act import math as nm
    y = nm.sin(x); slope = nm.erf.grad(x)

What a custom activation calls of Python's math is computed likewise.
"""
import functools
import math

from .declare import Activation
from .functions import reference
from .functions.sigmoids import tanh
from .scalar import circular, errors, exponential, hyperbolic, logarithm, powers

__all__ = [
    "abs", "asinh", "atan", "cbrt", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "hypot", "log", "log1p",
    "log2", "log10", "pow", "sin", "sinh", "sqrt", "tan", "tanh",
]


def function(formula):
    return functools.partial(Activation, formula=formula)


@function("e^x")
def exp(x):
    """The exponential function.

    >>> nm.exp(np.float32([-100, 0, 1]))
    array([3.7835059e-44, 1.0000000e+00, 2.7182817e+00], dtype=float32)
    """
    return exponential.exp(x)


@exp.derivative
def _(x):
    return exponential.exp(x)


@exp.reference
def _(x):
    return math.exp(x), math.exp(x)


@function("2^x")
def exp2(x):
    """2 to the power x.

    >>> nm.exp2(np.float32([-1, 0, 10]))
    array([5.000e-01, 1.000e+00, 1.024e+03], dtype=float32)
    """
    return powers.exp2(x)


@exp2.derivative
def _(x):
    return powers.exp2_slope(x)


@exp2.reference
def _(x):
    return math.exp2(x), math.exp2(x) * reference.LN2


@function("e^x - 1")
def expm1(x):
    """The exponential function less 1, exact near 0.

    >>> nm.expm1(np.float32([1e-10, 1]))
    array([1.0000000e-10, 1.7182819e+00], dtype=float32)
    """
    return exponential.expm1(x)


@expm1.derivative
def _(x):
    return exponential.exp(x)


@expm1.reference
def _(x):
    return math.expm1(x), math.exp(x)


@function(r"\log x")
def log(x):
    """The natural logarithm: -inf at 0, NaN below.

    >>> nm.log(np.float32([0, 1, 10]))
    array([     -inf, 0.       , 2.3025851], dtype=float32)
    """
    return logarithm.log(x)


@log.derivative
def _(x):
    return 1 / math.fabs(x) if x >= 0 else math.nan


@log.reference
def _(x):
    return math.log(x), 1 / math.fabs(x) if x >= 0 else math.nan


@function(r"\log_2 x")
def log2(x):
    """The logarithm to the base 2: -inf at 0, NaN below.

    >>> nm.log2(np.float32([0.125, 1, 1024]))
    array([-3.,  0., 10.], dtype=float32)
    """
    return powers.log2(x)


@log2.derivative
def _(x):
    return powers.log2_slope(x)


@log2.reference
def _(x):
    return math.log2(x), 1 / (math.fabs(x) * reference.LN2) if x >= 0 else math.nan


@function(r"\log_{10} x")
def log10(x):
    """The logarithm to the base 10: -inf at 0, NaN below.

    >>> nm.log10(np.float32([0.001, 1, 1000]))
    array([-3.,  0.,  3.], dtype=float32)
    """
    return powers.log10(x)


@log10.derivative
def _(x):
    return powers.log10_slope(x)


@log10.reference
def _(x):
    return math.log10(x), 1 / (math.fabs(x) * reference.LN10) if x >= 0 else math.nan


@function(r"\log(1 + x)")
def log1p(x):
    """The natural logarithm of 1 + x, exact near 0: -inf at -1, NaN below.

    >>> nm.log1p(np.float32([-1, 1e-10, 1]))
    array([        -inf, 1.000000e-10, 6.931472e-01], dtype=float32)
    """
    return logarithm.log1p(x)


@log1p.derivative
def _(x):
    return powers.log1p_slope(x)


@log1p.reference
def _(x):
    return math.log1p(x), 1 / math.fabs(1 + x) if x >= -1 else math.nan


@function(r"\sin x")
def sin(x):
    """The sine, exact for arguments of any size.

    >>> nm.sin(np.float32([0, 1, 1e38]))
    array([0.        , 0.84147096, 0.9891645 ], dtype=float32)
    """
    return circular.sin(x)


@sin.derivative
def _(x):
    return circular.cos(x)


@sin.reference
def _(x):
    return math.sin(x), math.cos(x)


@function(r"\cos x")
def cos(x):
    """The cosine, exact for arguments of any size.

    >>> nm.cos(np.float32([0, 1, 1e38]))
    array([1.        , 0.5403023 , 0.14681168], dtype=float32)
    """
    return circular.cos(x)


@cos.derivative
def _(x):
    return -circular.sin(x)


@cos.reference
def _(x):
    return math.cos(x), -math.sin(x)


@function(r"\tan x")
def tan(x):
    """The tangent, exact for arguments of any size.

    >>> nm.tan(np.float32([0, 1, 1e38]))
    array([0.       , 1.5574077, 6.7376413], dtype=float32)
    """
    return circular.tan(x)


@tan.derivative
def _(x):
    return circular.tan_slope(x)


@tan.reference
def _(x):
    return math.tan(x), 1 / (math.cos(x) * math.cos(x))


@function(r"\arctan x")
def atan(x):
    """The angle from -pi/2 to pi/2 whose tangent is x.

    >>> nm.atan(np.float32([0, 1, np.inf]))
    array([0.       , 0.7853982, 1.5707964], dtype=float32)
    """
    return circular.atan(x)


@atan.derivative
def _(x):
    return circular.atan_slope(x)


@atan.reference
def _(x):
    return math.atan(x), 1 / (1 + x * x) if math.fabs(x) < 1e100 else (1 / x) * (1 / x)


@function(r"\sinh x")
def sinh(x):
    """The hyperbolic sine.

    >>> nm.sinh(np.float32([-100, 0, 1]))
    array([     -inf, 0.       , 1.1752012], dtype=float32)
    """
    return hyperbolic.sinh(x)


@sinh.derivative
def _(x):
    return hyperbolic.cosh(x)


@sinh.reference
def _(x):
    return math.sinh(x), math.cosh(x)


@function(r"\cosh x")
def cosh(x):
    """The hyperbolic cosine.

    >>> nm.cosh(np.float32([-100, 0, 1]))
    array([      inf, 1.       , 1.5430807], dtype=float32)
    """
    return hyperbolic.cosh(x)


@cosh.derivative
def _(x):
    return hyperbolic.sinh(x)


@cosh.reference
def _(x):
    return math.cosh(x), math.sinh(x)


@function(r"\mathrm{arsinh} \, x")
def asinh(x):
    """The inverse of the hyperbolic sine.

    >>> nm.asinh(np.float32([-1, 0, 1e30]))
    array([-0.8813736,  0.       , 69.7707   ], dtype=float32)
    """
    return hyperbolic.asinh(x)


@asinh.derivative
def _(x):
    return hyperbolic.asinh_slope(x)


@asinh.reference
def _(x):
    return math.asinh(x), 1 / math.hypot(x, 1)


@function(r"\mathrm{erf} \, x")
def erf(x):
    """The error function.

    >>> nm.erf(np.float32([-1, 0, 10]))
    array([-0.8427008,  0.       ,  1.       ], dtype=float32)
    """
    return errors.erf(x)


@erf.derivative
def _(x):
    return errors.erf_slope(x)


@erf.reference
def _(x):
    return math.erf(x), reference.TWO_OVER_ROOT_PI * reference.bell(x)


@function(r"\mathrm{erfc} \, x")
def erfc(x):
    """1 less the error function, exact in the tail.

    >>> nm.erfc(np.float32([-1, 0, 10]))
    array([1.8427008e+00, 1.0000000e+00, 1.4012985e-45], dtype=float32)
    """
    return errors.erfc(x)


@erfc.derivative
def _(x):
    return -errors.erf_slope(x)


@erfc.reference
def _(x):
    return math.erfc(x), -reference.TWO_OVER_ROOT_PI * reference.bell(x)


@function(r"\sqrt[3]{x}")
def cbrt(x):
    """The cube root.

    >>> nm.cbrt(np.float32([-8, 0, 27]))
    array([-2.,  0.,  3.], dtype=float32)
    """
    return powers.cbrt(x)


@cbrt.derivative
def _(x):
    return powers.cbrt_slope(x)


@cbrt.reference
def _(x):
    return math.cbrt(x), 1 / (3 * math.cbrt(x) * math.cbrt(x))


@function(r"\sqrt{x}")
def sqrt(x):
    """The square root: NaN below 0.

    >>> nm.sqrt(np.float32([0, 2, np.inf]))
    array([0.       , 1.4142135,       inf], dtype=float32)
    """
    return math.sqrt(x)


@sqrt.derivative
def _(x):
    return powers.sqrt_slope(x)


@sqrt.reference
def _(x):
    return math.sqrt(x), 0.5 / math.sqrt(x)


@function(r"\vert x \vert")
def abs(x):
    """The size; its derivative at 0 is 0.

    >>> nm.abs(np.float32([-3, 0, 2]))
    array([3., 0., 2.], dtype=float32)
    """
    return math.fabs(x)


@abs.derivative
def _(x):
    return 0 if x == 0 else math.copysign(1, x) if x > 0 or x < 0 else x


@abs.reference
def _(x):
    return math.fabs(x), 0 if x == 0 else math.copysign(1, x)


@function("x^y")
def pow(x, y):
    """x to the power y, with the rules of C for zeros, infinities and NaN.

    >>> nm.pow(np.float32([2, -2, 2]), np.float32([0.5, 3, -1]))
    array([ 1.4142135, -8.       ,  0.5      ], dtype=float32)
    """
    return powers.power(x, y)


@pow.derivative
def _(x, y):
    return powers.power_in_base(x, y), powers.power_in_exponent(x, y)


@pow.reference
def _(x, y):
    return math.pow(x, y), y * math.pow(x, y - 1), math.pow(x, y) * math.log(x)


@function(r"\sqrt{x^2 + y^2}")
def hypot(x, y):
    """The length of a hypotenuse, without overflow on the way.

    >>> nm.hypot(np.float32([3, 1e30]), np.float32([4, 1e30]))
    array([5.0000000e+00, 1.4142135e+30], dtype=float32)
    """
    return powers.hypot(x, y)


@hypot.derivative
def _(x, y):
    return powers.hypot_slope(x, y), powers.hypot_slope(y, x)


@hypot.reference
def _(x, y):
    length = math.hypot(x, y)
    return length, x / length, y / length
