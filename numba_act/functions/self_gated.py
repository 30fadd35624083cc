"""Self-gated functions: x times something that goes from 0 to 1."""
import math

from ..declare import declared
from ..scalar import gating, normal
from ..scalar.gating import FLAT
from ..scalar.pairs import (
    argument_product,
)
from ..scalar.ranges import at_most, clipped
from . import reference

END = 10                                                     # there gelu is 10, to less than its last bit


@declared(formula=r"x \, \sigma(\beta x)")
def swish(x, beta=1.0):
    """x times the logistic function of beta x; beta may be learned.

    Source: P. Ramachandran et al., Searching for activation functions, 2017.

    >>> act.swish(np.float32([-2, 0, 2]), 1.5)
    array([-0.09485175,  0.        ,  1.9051483 ], dtype=float32)
    """
    return gating.swish(x, beta)


@swish.derivative
def _(x, beta):
    z, low = argument_product(x, beta)
    return gating.swish_slope(x, beta), gating.swish_slope_in_beta(x, clipped(z, FLAT), low)


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


@declared(aliases=("gelu_erf", "gelu_python"), formula=r"x \, \Phi(x)")
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


@declared(aliases=("gelu_new", "gelu_approx", "gelu_tanh_approx", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh",
                   "gelu_python_tanh"),
          formula=r"\frac{x}{2} \left(1 + \tanh \sqrt{\tfrac{2}{\pi}} (x + 0.044715 x^3)\right)")
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


@declared(aliases=("gelu_sigmoid", "gelu_fast_approx", "qgelu"), formula=r"x \, \sigma(1.702 x)")
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


@declared(formula=r"\min(x \, \Phi(x), 10)")
def gelu_10(x):
    """gelu, at most 10, for numbers of few bits; its derivative at 10 is 1.

    Source: H. Wu et al., Integer quantization for deep learning inference, 2020.

    >>> act.gelu_10(np.float32([-1, 1, 20]))
    array([-0.15865526,  0.8413448 , 10.        ], dtype=float32)
    """
    return normal.gelu(at_most(x, END))


@gelu_10.derivative
def _(x):
    return normal.gelu_slope(x) if x <= END else 0 if x > END else x


@gelu_10.reference
def _(x):
    return reference.gelu(x) if x <= 10 else 10, reference.gelu_slope(x) if x <= 10 else 0


@declared(formula=r"x \, e^{-e^{-x}}")
def golu(x):
    """x times the distribution function of Gumbel.

    Source: I. Das et al., Gompertz linear units: leveraging asymmetry for enhanced learning dynamics, 2025.

    >>> act.golu(np.float32([-2, 0, 2]))
    array([-1.2359580e-03,  0.0000000e+00,  1.7468461e+00], dtype=float32)
    """
    return gating.golu(x)


@golu.derivative
def _(x):
    return gating.golu_slope(x)


@golu.reference
def _(x):
    e = math.exp(-x if x > -10 else 10)          # there it is 0
    return x * math.exp(-e), math.exp(-e) * reference.terms(1, reference.clipped(x) * e) if x > -10 else 0


@declared(formula=r"x \, \mathrm{erf} \log(1 + e^x)")
def serf(x):
    """x times the error function of softplus.

    Source: S. Nag and M. Bhattacharyya, Serf: towards better training of deep neural networks, 2021.

    >>> act.serf(np.float32([-2, 0, 2]))
    array([-0.28491497,  0.        ,  1.9947393 ], dtype=float32)
    """
    return gating.serf(x)


@serf.derivative
def _(x):
    return gating.serf_slope(x)


@serf.reference
def _(x):
    inner, z = reference.clipped(x), reference.softplus(reference.clipped(x))
    slope = reference.TWO_OVER_ROOT_PI * reference.bell(z) * reference.logistic(inner)
    return x * math.erf(reference.softplus(x)), reference.terms(math.erf(z), inner * slope)
