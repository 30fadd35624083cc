"""Self-gated functions: x times something that goes from 0 to 1."""
import math
from fractions import Fraction

from ..declare import declared
from ..scalar.logistic import decay_of_size, denominator, logistic_product, product_slope
from ..scalar.normal import DENSITY, magnitude, mills, normal_decay, times_mills
from ..scalar.pairs import (
    LARGEST,
    add,
    add_any,
    argument_product,
    divide,
    finite,
    multiply,
    number,
    reciprocal,
    rounded_product,
    twice,
    two_product,
    two_sum,
)
from ..tree.node import PerType, copysign, fma, split, where
from . import reference

TINY = PerType(float32=2.0**-40, float64=2.0**-60)            # below it gelu(x) is x / 2
FLAT = 1000                                                  # past it the gate is 0 or 1
CUBIC = PerType(float32=20.0, float64=40.0)                  # past it gelu_tanh's gate is 0 or 1
GELU_LINEAR = 2 * Fraction("0.797884560802865355879892119868763736951717262329869315331852")       # 2 sqrt(2 / pi)
GELU_CUBIC = GELU_LINEAR * Fraction("0.044715")
QUICK = Fraction("1.702")


def clipped(x, limit):
    return where(abs(x) > limit, copysign(limit, x), x)


def gated(x, right, gate, shrink):
    """x times a pair from 0 to 1 that is exactly 0 or 1 beyond FLAT, 1 on the right."""
    inner = clipped(x, FLAT)
    return fma(where(right, x, inner), gate[0], inner * gate[1]) * shrink


def silu_slope(x):
    z = clipped(x, FLAT)
    return product_slope((z, number(0, x)), (z, None))


def gelu_slope(x):
    a = magnitude(x)
    e, shrink = normal_decay(a)
    density = multiply(split(-DENSITY, x), (a, None))
    left = multiply(add_any(mills(a), density), e)
    y, rest = two_sum(where(x > 0, number(1, x), 0), where(x > 0, -left[0], left[0]))
    return (y + (rest + where(x > 0, -left[1], left[1]))) * where(x > 0, 1, shrink)


def gelu_argument(x):
    """The pairs z = 2 sqrt(2/pi) (x + 0.044715 x^3) and x z'(x)."""
    a = clipped(x, CUBIC)
    cube = multiply(split(GELU_CUBIC, x), two_product(a, a))
    line = add_any(split(GELU_LINEAR, x), cube)
    return multiply(line, (a, None)), multiply(add_any(line, twice(cube)), (a, None))


def quick_argument(x):
    """1.702 x as a pair."""
    return multiply((clipped(x, FLAT), None), split(QUICK, x))


def mish_parts(x):
    """e = e^-|x|, e^2, n and d of tanh(softplus x) = n / d, and what is still to be multiplied for x <= 0."""
    e, shrink = decay_of_size(x)
    square, two = multiply(e, e), (number(2, x), None)
    right = x > 0
    n = where(right, add((number(1, x), None), twice(e)), add(twice(e), square))
    return e, square, n, add_any(n, where(right, twice(square), two)), where(right, 1, shrink)


@declared(formula=r"x \, \sigma(\beta x)")
def swish(x, beta=1.0):
    """x times the logistic function of beta x; beta may be learned.

    Source: P. Ramachandran et al., Searching for activation functions, 2017.

    >>> act.swish(np.float32([-2, 0, 2]), 1.5)
    array([-0.09485175,  0.        ,  1.9051483 ], dtype=float32)
    """
    return logistic_product(x, *argument_product(x, beta))


@swish.derivative
def _(x, beta):
    z, z_low = argument_product(x, beta)
    z = clipped(z, FLAT)
    e, shrink = decay_of_size(z, z_low)
    right = multiply(reciprocal(denominator(e)), (clipped(x, LARGEST), None))
    return product_slope((z, z_low), (z, z_low)), rounded_product(right, multiply(right, e)) * shrink


@swish.reference
def _(x, beta):
    z = beta * x
    right, left = reference.logistic(z), reference.logistic(-z)
    return x * right, reference.swish_slope(z), (x * right) * (x * left)


@declared(formula=r"x \, \sigma(x)")
def silu(x):
    """x times its logistic function: swish with beta = 1.

    Source: S. Elfwing et al., Sigmoid-weighted linear units for neural network function approximation, 2018.

    >>> act.silu(np.float32([-100, 0, 2]))
    array([-3.7204474e-42,  0.0000000e+00,  1.7615942e+00], dtype=float32)
    """
    return logistic_product(x, x, number(0, x))


@silu.derivative
def _(x):
    return silu_slope(x)


@silu.reference
def _(x):
    return x * reference.logistic(x), reference.swish_slope(x)


@declared(aliases=("gelu_erf",), formula=r"x \, \Phi(x)")
def gelu(x):
    r"""x times the normal distribution function, exact in the tail.

    Source: D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016.

    >>> act.gelu(np.float32([-10, 0, 1]))
    array([-7.619853e-23,  0.000000e+00,  8.413448e-01], dtype=float32)
    """
    a = magnitude(x)
    e, shrink = normal_decay(a)
    tail, tail_low = times_mills(a)
    line = where(x > 0, x, 0)
    y = fma(-tail, e[0], line)
    rest = fma(-tail, e[0], line - y) - fma(tail, e[1], tail_low * e[0])
    y = (y + finite(rest)) * where(x > 0, 1, shrink)
    return x * 0.5 if a < TINY else y


@gelu.derivative
def _(x):
    return gelu_slope(x)


@gelu.reference
def _(x):
    return reference.gelu(x), reference.gelu_slope(x)


@declared(aliases=("gelu_new",), formula=r"\frac{x}{2} \left(1 + \tanh \sqrt{\tfrac{2}{\pi}} (x + 0.044715 x^3)\right)")
def gelu_tanh(x):
    r"""The approximation of gelu by a hyperbolic tangent, which some models were trained with.

    Source: D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016.

    >>> act.gelu_tanh(np.float32([-1, 0, 1]))
    array([-0.15880801,  0.        ,  0.841192  ], dtype=float32)
    """
    return logistic_product(x, *gelu_argument(x)[0])


@gelu_tanh.derivative
def _(x):
    return product_slope(*gelu_argument(x))


@gelu_tanh.reference
def _(x):
    inner, twice = reference.clipped(x), 2 * reference.ROOT_2_OVER_PI
    z = inner * (twice + twice * 0.044715 * (inner * inner))
    slope = twice + 3 * twice * 0.044715 * (inner * inner)
    return x * reference.logistic(z), reference.logistic(z) * (1 + inner * slope * reference.logistic(-z))


@declared(aliases=("gelu_sigmoid",), formula=r"x \, \sigma(1.702 x)")
def quick_gelu(x):
    """The approximation of gelu by a logistic function.

    Source: D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016.

    >>> act.quick_gelu(np.float32([-1, 0, 1]))
    array([-0.15420423,  0.        ,  0.84579575], dtype=float32)
    """
    return logistic_product(x, *quick_argument(x))


@quick_gelu.derivative
def _(x):
    z = quick_argument(x)
    return product_slope(z, z)


@quick_gelu.reference
def _(x):
    return x * reference.logistic(1.702 * x), reference.swish_slope(1.702 * x)


@declared(formula=r"x \tanh \log(1 + e^x)")
def mish(x):
    """x times the hyperbolic tangent of softplus.

    Source: D. Misra, Mish: a self regularized non-monotonic activation function, 2019.

    >>> act.mish(np.float32([-1, 0, 1]))
    array([-0.30340147,  0.        ,  0.8650984 ], dtype=float32)
    """
    _, _, n, d, shrink = mish_parts(x)
    return gated(x, x > 0, divide(n, d), shrink)


@mish.derivative
def _(x):
    e, square, n, d, shrink = mish_parts(x)
    right = x > 0
    one = number(1, x), None
    first = multiply(where(right, n, add((number(2, x), None), e)), d)
    second = multiply(where(right, square, one), multiply(denominator(e), (4 * clipped(x, FLAT), None)))
    q = reciprocal(d)
    slope = multiply(add_any(first, second), multiply(q, q))
    return rounded_product(slope, where(right, one, e)) * shrink


@mish.reference
def _(x):
    t = math.tanh(reference.softplus(x))
    return x * t, t + reference.clipped(x) * reference.tanh_softplus_slope(x)
