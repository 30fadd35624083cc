"""Sigmoids: functions that saturate on both sides."""
import math

from ..declare import declared
from ..scalar.hyperbolic import tanh as hyperbolic_tangent
from ..scalar.logistic import logistic, logistic_slope
from ..scalar.pairs import Pair, fast_two_sum, number, reciprocal, rounded_product, rounded_quotient, two_sum
from ..scalar.ranges import at_most
from ..tree.node import PerType, copysign, fma
from . import reference

WIDE = PerType(float32=2.0**100, float64=2.0**600)          # 1 / WIDE^2 is 0


@declared(aliases=("logistic", "expit"), formula=r"\frac{1}{1 + e^{-x}}")
def sigmoid(x):
    """The logistic function, from 0 to 1.

    Source: D. R. Cox, The regression analysis of binary sequences, 1958.

    >>> act.sigmoid(np.float32([-100, 0, 2]))
    array([3.783506e-44, 5.000000e-01, 8.807971e-01], dtype=float32)
    """
    return logistic(x)


@sigmoid.derivative
def _(x):
    return logistic_slope(x, 1)


@sigmoid.from_result
def _(y):
    return fma(-y, y, y)


@sigmoid.reference
def _(x):
    return reference.logistic(x), reference.logistic_slope(x)


@declared(formula=r"\tanh x")
def tanh(x):
    """The hyperbolic tangent, from -1 to 1; the sign of zero is kept.

    Source: Y. LeCun et al., Efficient BackProp, 1998.

    >>> act.tanh(np.float32([-0.5, 0, 20]))
    array([-0.46211717,  0.        ,  1.        ], dtype=float32)
    """
    return hyperbolic_tangent(x)


@tanh.derivative
def _(x):
    return logistic_slope(2 * x, 4)


@tanh.from_result
def _(y):
    return fma(-y, y, 1)


@tanh.reference
def _(x):
    return math.tanh(x), 4 * reference.logistic_slope(2 * x)


@declared(aliases=("soft_sign",), formula=r"\frac{x}{1 + |x|}")
def softsign(x):
    """A sigmoid from -1 to 1 that approaches its limits like 1/x; the sign of zero is kept.

    Source: J. Bergstra et al., Quadratic polynomials learn better image features, 2009.

    >>> act.softsign(np.float32([-3, 0, np.inf]))
    array([-0.75,  0.  ,  1.  ], dtype=float32)
    """
    a = at_most(abs(x), WIDE)
    return copysign(rounded_quotient(Pair(a), two_sum(number(1, x), a)), x)


@softsign.derivative
def _(x):
    a = at_most(abs(x), WIDE)
    q, q_low = reciprocal(two_sum(number(1, x), a))
    return fma(q, q, 2 * q * q_low)


@softsign.from_result
def _(y):
    q = fast_two_sum(number(1, y), -abs(y))
    return rounded_product(q, q)


@softsign.reference
def _(x):
    q = 1 / (1 + abs(x))
    return x / (1 + abs(x)), q * q
