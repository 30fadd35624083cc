"""Smooth relatives of the rectifiers, and what is made of one exponential or logarithm."""
import math

from ..declare import declared
from ..scalar import logistic as inverse
from ..scalar import roots
from ..scalar.exponential import TINY, celu_in_alpha, exp, exp_pair, expm1_pair
from ..scalar.logarithm import LOGCOSH_END, log1p_unit, log_of_mean, logcosh_near
from ..scalar.logistic import decay_of_size, logistic
from ..scalar.pairs import (
    Pair,
    argument_quotient,
    fast_two_sum,
    multiply,
    reciprocal,
    rounded,
    rounded_product,
    rounded_quotient,
    two_sum,
)
from ..scalar.ranges import finite
from ..scalar.roots import hypotenuse
from ..tree.marks import kept
from ..tree.node import fma, where
from . import reference


@declared(nonzero=("alpha",),
          formula=r"\begin{cases} x & x > 0 \\ \alpha (e^{x / \alpha} - 1) & x \le 0 \end{cases}")
def celu(x, alpha=1.0):
    """The exponential linear unit with a slope of 1 at 0 for every alpha.

    Source: J. T. Barron, Continuously differentiable exponential linear units, 2017.

    >>> act.celu(np.float32([-np.inf, -1, 2]), 0.5)
    array([-0.5       , -0.43233237,  2.        ], dtype=float32)
    """
    z, z_low = argument_quotient(x, alpha)
    y, grow = expm1_pair(z, z_low, fast_two_sum)
    left = rounded_product(Pair(alpha), y) * grow
    return x if x > 0 else x if abs(z) < TINY else left


@celu.derivative
def _(x, alpha):
    z, z_low = argument_quotient(x, alpha)
    e, grow = exp_pair(z, z_low)
    return 1 if x > 0 else rounded(e) * grow, 0 if x > 0 else celu_in_alpha(z, z_low)


@celu.from_result
def _(y, alpha):
    return 1 if y > 0 else rounded_quotient(two_sum(alpha, y), Pair(alpha))


@celu.reference
def _(x, alpha):
    z = x / alpha
    return (x if x > 0 else alpha * math.expm1(z),
            1 if x > 0 else math.exp(z),
            0 if x > 0 else reference.celu_in_alpha(z))


@declared(aliases=("logsigmoid", "log_expit"), formula=r"-\log(1 + e^{-x})")
def log_sigmoid(x):
    """The logarithm of the logistic function, -softplus(-x).

    Source: T. Mikolov et al., Distributed representations of words and phrases and their compositionality, 2013.

    >>> act.log_sigmoid(np.float32([-100, 0, 100]))
    array([-1.000000e+02, -6.931472e-01, -3.783506e-44], dtype=float32)
    """
    e, shrink = decay_of_size(x)
    high, low = log1p_unit(e)
    left = x < 0
    y, rest = two_sum(where(left, -x, 0), high)
    return -(y + finite(rest + low, x)) * where(left, 1, shrink)


@log_sigmoid.derivative
def _(x):
    return logistic(-x)


@log_sigmoid.reference
def _(x):
    return -reference.softplus(-x), reference.logistic(-x)


@declared(formula=r"\frac{x + \sqrt{x^2 + b}}{2}")
def squareplus(x, b=4.0):
    """A smooth rectifier without transcendental functions; b is the size of its bend, 0 for relu.

    Source: J. T. Barron, Squareplus: a softplus-like algebraic rectifier, 2021.

    >>> act.squareplus(np.float32([-1e3, 0, 3]))
    array([9.9999900e-04, 1.0000000e+00, 3.3027756e+00], dtype=float32)
    """
    h = hypotenuse(x, b)
    return rounded_quotient(Pair(0.25 * b * h.up), h.half) * h.down if x < 0 else rounded(h.half) * h.back


@squareplus.derivative
def _(x, b):
    half, root, up, down, _ = hypotenuse(x, b)
    left = x < 0
    in_x = kept(rounded_quotient(where(left, Pair(0.25 * b * up * up), multiply(half, half)), multiply(half, root)))
    in_b, in_b_low = reciprocal(root)
    return (0.5 if root.high == 0 else in_x * down * down if left else in_x,
            fma(0.25, in_b, finite(0.25 * in_b_low, in_b)) * up * down)


@squareplus.reference
def _(x, b):
    root = abs(x) if abs(x) > 1e60 else math.sqrt(x * x + b)
    return (b / (2 * (root - x)) if x < 0 else (x + root) / 2,
            b / (2 * (root - x)) / root if x < 0 else 1 - b / (2 * (root + x)) / root,
            1 / (4 * root))


@declared(aliases=("ssp",), formula=r"\log(1 + e^x) - \log 2")
def shifted_softplus(x):
    """Softplus, shifted through the origin.

    Source: K. T. Schuett et al., SchNet: a continuous-filter convolutional neural network, 2017.

    >>> act.shifted_softplus(np.float32([-100, 0, 1]))
    array([-0.6931472,  0.       ,  0.6201145], dtype=float32)
    """
    e, _ = decay_of_size(x)
    half = 0.5 * x
    bend, bend_low = logcosh_near(half)
    y, rest = two_sum(half, bend)
    near = y + (rest + bend_low)
    return near if abs(half) < LOGCOSH_END else log_of_mean(where(x > 0, x, 0), e)


@shifted_softplus.derivative
def _(x):
    return logistic(x)


@shifted_softplus.reference
def _(x):
    return reference.softplus_shifted(x), reference.logistic(x)


@declared(formula="e^x")
def exponential(x):
    """The exponential function.

    Source: J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, 1972.

    >>> act.exponential(np.float32([-100, 0, 1]))
    array([3.7835059e-44, 1.0000000e+00, 2.7182817e+00], dtype=float32)
    """
    return exp(x)


@exponential.derivative
def _(x):
    return exp(x)


@exponential.from_result
def _(y):
    return y


@exponential.reference
def _(x):
    return math.exp(x), math.exp(x)


@declared(formula=r"\log \frac{x}{1 - x}")
def logit(x):
    """The inverse of the logistic function: -inf at 0, inf at 1, NaN outside.

    Source: J. Berkson, Application of the logistic function to bio-assay, 1944.

    >>> act.logit(np.float32([0, 0.25, 0.5, 1]))
    array([      -inf, -1.0986123,  0.       ,        inf], dtype=float32)
    """
    return inverse.logit(x)


@logit.derivative
def _(x):
    return inverse.logit_slope(x)


@logit.reference
def _(x):
    near = math.log1p((2 * x - 1) / (1 - x))
    return (near if 0.25 < x < 0.75 else math.log(x) - math.log1p(-x),
            1 / math.fabs(x * (1 - x)) if 0 <= x <= 1 else math.nan)


@declared(formula=r"\sqrt{\log(1 + e^x)}")
def sqrtsoftplus(x):
    """The root of softplus, which scores experts.

    Source: DeepSeek-AI, DeepSeek-V4: towards highly efficient million-token context intelligence, 2026.

    >>> act.sqrtsoftplus(np.float32([-100, 0, 100]))
    array([1.9287499e-22, 8.3255464e-01, 1.0000000e+01], dtype=float32)
    """
    return roots.sqrtsoftplus(x)


@sqrtsoftplus.derivative
def _(x):
    return roots.sqrtsoftplus_slope(x)


@sqrtsoftplus.reference
def _(x):
    root = math.exp(x / 2) if x < -50 else math.sqrt(reference.softplus(x))
    return root, math.exp(x / 2) / 2 if x < -50 else reference.logistic(x) / (2 * root)
