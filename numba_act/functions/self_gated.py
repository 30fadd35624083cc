"""Self-gated functions: x times something that goes from 0 to 1."""
import math

from ..declare import declared
from ..scalar import gating, normal
from ..scalar.gating import FLAT
from ..scalar.logistic import logistic_product, product_slope
from ..scalar.pairs import (
    Pair,
    argument_product,
)
from ..scalar.ranges import clipped
from . import reference


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
    return product_slope(Pair(z, z_low), Pair(z, z_low)), gating.swish_slope_in_beta(x, z, z_low)


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
    return gating.silu(x)


@silu.derivative
def _(x):
    return gating.silu_slope(x)


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
    return normal.gelu(x)


@gelu.derivative
def _(x):
    return normal.gelu_slope(x)


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
    return gating.gelu_tanh(x)


@gelu_tanh.derivative
def _(x):
    return gating.gelu_tanh_slope(x)


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
    return gating.quick_gelu(x)


@quick_gelu.derivative
def _(x):
    return gating.quick_gelu_slope(x)


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
    return gating.mish(x)


@mish.derivative
def _(x):
    return gating.mish_slope(x)


@mish.reference
def _(x):
    t = math.tanh(reference.softplus(x))
    return x * t, t + reference.clipped(x) * reference.tanh_softplus_slope(x)
