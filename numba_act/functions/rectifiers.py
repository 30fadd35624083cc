"""Rectifiers: the identity for positive numbers, something small for negative ones."""
import math
from fractions import Fraction

from ..declare import declared
from ..scalar.exponential import LEAST, expm1_decay, expm1_decay_whole, lift, times_exp
from ..scalar.lines import leak, leak_slopes, negative_part
from ..scalar.logarithm import log1p_unit
from ..scalar.logistic import decay_of_size, denominator, logistic
from ..scalar.pairs import (
    Pair,
    add_any,
    argument_product,
    divide,
    magnified,
    multiply,
    negate,
    reciprocal,
    rounded,
    rounded_product,
    split,
    two_sum,
)
from ..scalar.ranges import LARGEST
from ..tree.marks import kept, usually
from ..tree.node import fma, where
from . import reference

SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_SLOPE = SELU_SCALE * Fraction("1.6732632423543772848170429916717")     # the scale times alpha


@declared(formula=r"\max(0, x)")
def relu(x):
    """The rectifier; its derivative at 0 is 0.

    Source: V. Nair and G. E. Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.

    >>> act.relu(np.float32([-1, 0, 2]))
    array([0., 0., 2.], dtype=float32)
    """
    return 0 if x <= 0 else x


@relu.derivative
def _(x):
    return 0 if x <= 0 else 1 if x > 0 else x


@relu.from_result
def _(y):
    return 0 if y <= 0 else 1 if y > 0 else y


@relu.reference
def _(x):
    return x if x > 0 else 0, 1 if x > 0 else 0


@declared(aliases=("softrelu", "soft_relu", "smooth_relu"), nonzero=("beta",),
          formula=r"\frac{1}{\beta} \log(1 + e^{\beta x})")
def softplus(x, beta=1.0):
    """A smooth rectifier, the integral of the logistic function; the guide's SoftReLU.

    Source: C. Dugas et al., Incorporating second-order functional knowledge for better option pricing, 2001.

    >>> act.softplus(np.float32([-100, 0, 100]))
    array([3.783506e-44, 6.931472e-01, 1.000000e+02], dtype=float32)
    """
    z, z_low = argument_product(x, beta)
    e, shrink = decay_of_size(z, z_low)
    high, low = divide(log1p_unit(e), Pair(beta))
    line = where(z > 0, x, 0)
    endless = usually(abs(line) > LARGEST, False, abs(x) > LARGEST)
    sum_, rest = two_sum(where(endless, 0, line), high)
    y = (sum_ + (rest + low)) * where(z > 0, 1, shrink)
    return where(endless, line, y)


@softplus.derivative
def _(x, beta):
    z, z_low = argument_product(x, beta)
    size, size_low = where(abs(z) > -LEAST, Pair(-LEAST, 0), Pair(abs(z), where(z < 0, -z_low, z_low)))
    e, e_shrink = decay_of_size(size, size_low)
    share = multiply(multiply(e, reciprocal(denominator(e))), Pair(size, size_low))
    high, low = add_any(log1p_unit(e), share)
    per_beta = reciprocal(Pair(beta))
    up, down = lift(size)
    in_beta = kept(rounded_product(Pair(high * up, low * up), multiply(per_beta, per_beta)))
    return logistic(z, z_low), -in_beta * (e_shrink * down)


@softplus.from_result
def _(y, beta):
    return -rounded(expm1_decay_whole(*negate(argument_product(y, beta))))


@softplus.reference
def _(x, beta):
    z = beta * x
    return reference.softplus(z) / beta, reference.logistic(z), reference.softplus_in_beta(z, beta)


@declared(aliases=("leakyrelu",), formula=r"\begin{cases} x & x > 0 \\ \alpha x & x \le 0 \end{cases}")
def leaky_relu(x, alpha=0.01):
    """A rectifier that leaks; its derivative at 0 is alpha.

    Source: A. L. Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013.

    >>> act.leaky_relu(np.float32([-2, 0, 2]), 0.05)
    array([-0.1,  0. ,  2. ], dtype=float32)
    """
    return x if x > 0 else leak(x, alpha)


@leaky_relu.derivative
def _(x, alpha):
    return leak_slopes(x, alpha)


@leaky_relu.from_result
def _(y, alpha):
    return where(alpha < 0, math.nan, leak_slopes(y, alpha)[0])


@leaky_relu.reference
def _(x, alpha):
    return x if x > 0 else alpha * x, 1 if x > 0 else alpha, 0 if x > 0 else x


@declared(formula=r"\begin{cases} x & x > 0 \\ \alpha x & x \le 0 \end{cases}")
def prelu(x, alpha=0.25):
    """A leaky rectifier whose alpha is learned, one for all or one for each channel.

    Source: K. He et al., Delving deep into rectifiers, 2015.

    >>> act.prelu(np.float32([[-1, 1], [-2, 2]]), np.float32([0.5, 0.25]))
    array([[-0.5,  1. ],
           [-1. ,  2. ]], dtype=float32)
    """
    return x if x > 0 else leak(x, alpha)


@prelu.derivative
def _(x, alpha):
    return leak_slopes(x, alpha)


@prelu.from_result
def _(y, alpha):
    return where(alpha < 0, math.nan, leak_slopes(y, alpha)[0])


@prelu.reference
def _(x, alpha):
    return x if x > 0 else alpha * x, 1 if x > 0 else alpha, 0 if x > 0 else x


@declared(formula=r"\begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}")
def elu(x, alpha=1.0):
    """The exponential linear unit; its derivative at 0 is alpha.

    Source: D.-A. Clevert et al., Fast and accurate deep network learning by exponential linear units, 2016.

    >>> act.elu(np.float32([-np.inf, -1, 2]))
    array([-1.        , -0.63212055,  2.        ], dtype=float32)
    """
    return x if x > 0 else rounded_product(Pair(alpha), expm1_decay(negative_part(x)))


@elu.derivative
def _(x, alpha):
    in_x = 1 if x > 0 else times_exp(Pair(alpha), negative_part(x))
    in_alpha = 0 if x > 0 else rounded(expm1_decay(negative_part(x)))
    return in_x, in_alpha


@elu.from_result
def _(y, alpha):
    return where(alpha < 0, math.nan, 1 if y > 0 else y + alpha)


@elu.reference
def _(x, alpha):
    return (x if x > 0 else alpha * math.expm1(x),
            1 if x > 0 else alpha * math.exp(x),
            0 if x > 0 else math.expm1(x))


@declared(formula=r"\lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}")
def selu(x):
    r"""The scaled exponential linear unit, whose scale and slope keep mean 0 and variance 1 through the layers.

    lambda = 1.0507009873554804934, alpha = 1.6732632423543772848.

    Source: G. Klambauer et al., Self-normalizing neural networks, 2017.

    >>> act.selu(np.float32([-np.inf, 0, 1]))
    array([-1.7580993,  0.       ,  1.050701 ], dtype=float32)
    """
    scale, scale_low = split(SELU_SCALE, x)
    line = fma(scale, x, scale_low * (x if x < LARGEST else LARGEST))
    return line if x > 0 else rounded_product(split(SELU_SLOPE, x), expm1_decay(negative_part(x)))


@selu.derivative
def _(x):
    return SELU_SCALE if x > 0 else times_exp(split(SELU_SLOPE, x), negative_part(x))


@selu.from_result
def _(y):
    slope, low = magnified(split(SELU_SLOPE, y))
    left = (slope + y) + low
    return SELU_SCALE if y > 0 else 0 if left < 0 else left


@selu.reference
def _(x):
    scale, slope = reference.SELU_SCALE, reference.SELU_SCALE * reference.SELU_ALPHA
    return scale * x if x > 0 else slope * math.expm1(x), scale if x > 0 else slope * math.exp(x)
