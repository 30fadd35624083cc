"""Functions made of the hyperbolic tangent."""
import math

from ..declare import declared
from ..scalar import hyperbolic
from ..scalar.exponential import decay
from ..scalar.gating import FLAT, gated
from ..scalar.hyperbolic import LINEAR, slope_of_product, tanh_less_tangent, tanh_parts, tanhshrink_near
from ..scalar.hyperbolic import tanh as hyperbolic_tangent
from ..scalar.logarithm import LOGCOSH_END, log_of_mean, logcosh_near
from ..scalar.logistic import decay_of_size, logistic_slope
from ..scalar.pairs import (
    Pair,
    Scaled,
    argument_product,
    argument_quotient,
    divide,
    fast_two_sum,
    multiply,
    number,
    rounded,
    rounded_product,
    two_product,
    two_sum,
)
from ..scalar.ranges import LARGEST, at_most, clipped, finite, unless_nan
from ..tree.marks import kept
from ..tree.node import copysign, where
from . import reference

SERIES = 0.625                                               # up to it tanhshrink is a polynomial
DEEP = -20                                                   # below it tanh(e^x) is e^x
STEEP = 4                                                    # past it tanh(e^x) is 1


@declared(aliases=("tanh_shrink",), formula=r"x - \tanh x")
def tanhshrink(x):
    """What the hyperbolic tangent leaves of x; the sign of zero is kept.

    Source: R. Collobert et al., Torch7: a Matlab-like environment for machine learning, 2011.

    >>> act.tanhshrink(np.float32([-1, 0.01, 20]))
    array([-2.3840584e-01,  3.3331997e-07,  1.9000000e+01], dtype=float32)
    """
    a = abs(x)
    t, t_low = divide(*tanh_parts(a))
    y, rest = fast_two_sum(a, -t)
    return kept(copysign(tanhshrink_near(a) if a < SERIES else y + finite(rest - t_low, x), x))


@tanhshrink.derivative
def _(x):
    t = divide(*tanh_parts(abs(x)))
    return kept(rounded_product(t, t))


@tanhshrink.reference
def _(x):
    return reference.tanhshrink(x), math.tanh(x) * math.tanh(x)


@declared(formula=r"\log \cosh x")
def logcosh(x):
    """The logarithm of the hyperbolic cosine, a smooth |x|.

    Source: A. Hyvarinen, Fast and robust fixed-point algorithms for independent component analysis, 1999.

    >>> act.logcosh(np.float32([-0.01, 1, 100]))
    array([4.9999166e-05, 4.3378082e-01, 9.9306854e+01], dtype=float32)
    """
    a = abs(x)
    e, _ = decay_of_size(2 * a)
    return rounded(logcosh_near(a)) if a < LOGCOSH_END else log_of_mean(a, e)


@logcosh.derivative
def _(x):
    return hyperbolic_tangent(x)


@logcosh.reference
def _(x):
    return reference.logcosh(x), math.tanh(x)


@declared(formula=r"x \tanh x")
def lisht(x):
    """x times its hyperbolic tangent, never negative.

    Source: S. K. Roy et al., LiSHT: non-parametric linearly scaled hyperbolic tangent, 2019.

    >>> act.lisht(np.float32([-1, 0, 20]))
    array([ 0.7615942,  0.       , 20.       ], dtype=float32)
    """
    a = abs(x)
    return gated(a, True, Scaled(divide(*tanh_parts(a))))


@lisht.derivative
def _(x):
    a = clipped(abs(x), FLAT)
    return copysign(slope_of_product(*tanh_parts(a), Pair(a)), x)


@lisht.reference
def _(x):
    return x * math.tanh(x), math.tanh(x) + reference.clipped(x) * reference.sech2(x)


@declared(formula=r"x \tanh e^x")
def telu(x):
    """x times the hyperbolic tangent of its exponential.

    Source: A. Fernandez and A. Mali, TeLU activation function for fast and stable deep learning, 2024.

    >>> act.telu(np.float32([-1, 0, 2]))
    array([-0.35213548,  0.        ,  1.9999985 ], dtype=float32)
    """
    e, shrink = decay(at_most(x, STEEP))
    return gated(x, x > 0, Scaled(where(x < DEEP, e, divide(*tanh_parts(*e))), shrink))


@telu.derivative
def _(x):
    a = clipped(x, FLAT)
    e, shrink = decay(at_most(a, STEEP))
    deep = multiply(e, two_sum(number(1, x), a))
    return where(x < DEEP, rounded(deep) * shrink, slope_of_product(*tanh_parts(*e), multiply(e, Pair(a))))


@telu.reference
def _(x):
    e = math.exp(x if x < 10 else 10)
    return x * math.tanh(e), math.tanh(e) + reference.clipped(x) * e * reference.sech2(e)


@declared(formula=r"b \tanh(a x)")
def stanh(x, a=0.67, b=1.7159):
    """The hyperbolic tangent, scaled so that it is nearly 1 at 1.

    Source: Y. LeCun et al., Efficient BackProp, 1998.

    >>> act.stanh(np.float32([-1, 0, 100]))
    array([-1.003767,  0.      ,  1.7159  ], dtype=float32)
    """
    z, z_low = argument_product(x, a)
    size, sign = abs(z), copysign(number(1, x), z)
    y = rounded_product(Pair(sign * b), divide(*tanh_parts(size, sign * z_low)))
    return rounded_product(two_product(a, b), Pair(clipped(x, LARGEST))) if size < LINEAR else y


@stanh.derivative
def _(x, a, b):
    return hyperbolic.scaled_tanh_slopes(x, a, b)


@stanh.reference
def _(x, a, b):
    z = a * x
    slope = reference.sech2(z)
    return b * math.tanh(z), a * b * slope, b * x * slope, math.tanh(z)


@declared(nonzero=("c",), formula=r"c \tanh \frac{x}{c}")
def softcap(x, c=30.0):
    """The hyperbolic tangent from -c to c with a slope of 1 at 0, by which models keep their logits small.

    Source: Gemma Team, Gemma 2: improving open language models at a practical size, 2024.

    >>> act.softcap(np.float32([-100, 1, 30]))
    array([-29.923738 ,   0.9996298,  22.847824 ], dtype=float32)
    """
    z, z_low = argument_quotient(x, c)
    size, sign = abs(z), copysign(number(1, x), z)
    y = rounded_product(Pair(sign * c), divide(*tanh_parts(size, sign * z_low)))
    return x if size < LINEAR else y


@softcap.derivative
def _(x, c):
    z, z_low = argument_quotient(x, c)
    return logistic_slope(2 * z, 4, 2 * z_low), tanh_less_tangent(x, c)


@softcap.reference
def _(x, c):
    return c * math.tanh(x / c), reference.sech2(x / c), reference.tanh_less_tangent(x / c)


@declared(aliases=("dynamic_tanh",), formula=r"\gamma \tanh(\alpha x) + \mathrm{shift}")
def dyt(x, alpha=0.5, gamma=1.0, shift=0.0):
    """The hyperbolic tangent in place of a normalisation: alpha is learned for all, gamma and shift for each channel.

    Source: J. Zhu et al., Transformers without normalization, 2025.

    >>> act.dyt(np.float32([-1, 0, 100]), 0.5, 2, 1)
    array([0.07576568, 1.        , 3.        ], dtype=float32)
    """
    return hyperbolic.dyt(x, alpha, gamma, shift)


@dyt.derivative
def _(x, alpha, gamma, shift):
    return *hyperbolic.scaled_tanh_slopes(x, alpha, gamma), unless_nan(x, 1)


@dyt.reference
def _(x, alpha, gamma, shift):
    t, slope = math.tanh(alpha * x), reference.sech2(alpha * x)
    return reference.terms(gamma * t, shift), alpha * gamma * slope, gamma * x * slope, t, 1
