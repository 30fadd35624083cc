"""Smooth relatives of the rectifiers, and what is made of one exponential or logarithm."""
import math
from fractions import Fraction

from ..declare import declared
from ..scalar.coefficients import CELU
from ..scalar.exponential import GREATEST, SATURATED, bounded, exp, exp_pair, expm1_pair
from ..scalar.logarithm import LOGCOSH_END, log1p_unit, log_of_mean, logcosh_near
from ..scalar.logistic import decay_of_size, logistic
from ..scalar.pairs import (
    BIG,
    LARGEST,
    add_any,
    divide,
    fast_two_sum,
    finite,
    multiply,
    negate,
    number,
    polynomial,
    reciprocal,
    rounded,
    rounded_product,
    rounded_quotient,
    two_product,
    two_sum,
)
from ..tree.node import PerType, fma, split, sqrt, where
from . import reference

TINY = PerType(float32=2.0**-27, float64=2.0**-56)           # below it e^z - 1 is z
SERIES = 0.7                                                 # up to it celu's slope in alpha is a polynomial
LONG, SHORTER = PerType(float32=2.0**50, float64=2.0**400), PerType(float32=2.0**-66, float64=2.0**-524)
SHORT, LONGER = PerType(float32=2.0**-70, float64=2.0**-300), PerType(float32=2.0**90, float64=2.0**600)
LIFT = PerType(float32=2.0**32, float64=2.0**64)             # times it z^2 keeps its low part
THIRD = Fraction(1, 3)


def ratio(x, alpha):
    """x / alpha as a pair for a function that saturates: beyond BIG the low part is 0."""
    high, low = divide((x, None), (alpha, None))
    return high, where(-abs(high) > -BIG[x.dtype], low, 0)


def celu_in_alpha(z, z_low):
    """e^z - 1 - z e^z; near 0 it is -z^2 (1/2 + z/3 + ...)."""
    series = polynomial(CELU[z.dtype], [split(THIRD, z), (0.5, None)], (z, z_low))
    lift = LIFT[z.dtype]
    lifted = z * lift, z_low * lift
    near = rounded_product(multiply(lifted, lifted), series) * lift**-2
    y, grow = expm1_pair(z, z_low)
    e = add_any(y, (where(grow > 1, number(0, z), 1), None))
    far = add_any(y, negate(multiply(e, (bounded(z, SATURATED, GREATEST), z_low))))
    return where(abs(z) < SERIES, -near, rounded(far) * grow)


def squareplus_parts(x, b):
    """The pairs of (|x| + R) / 2 and R = sqrt(x^2 + b), times `up` and `down`, which keep x^2 in range; these two, the
    latter 0 for infinity; and what takes both back."""
    a = abs(x)
    long, endless, short = a > LONG, a > LARGEST, fma(a, a, b) < SHORT[x.dtype]
    up, down = where(short, number(LONGER, x), 1), where(long, number(SHORTER, x), 1)
    scale = up * down
    a, b = where(endless, number(LARGEST, x), a) * scale, b * scale * scale
    square, square_low = two_product(a, a)
    total, rest = two_sum(square, b)
    root, half_a = sqrt(total), 0.5 * a
    half = fma(0.5, root, half_a)
    error = (fma(-root, root, total) + (rest + square_low)) * (0.5 * half * (1 / (half * root)))
    root = root, where(total > 0, error, 0)
    half = add_any((half_a, None), (0.5 * root[0], 0.5 * root[1]))
    back = where(long, where(endless, float("inf"), 1 / SHORTER[x.dtype]), where(short, 1 / LONGER[x.dtype], 1))
    return half, root, up, where(endless, 0, down), back


@declared(nonzero=("alpha",),
          formula=r"\begin{cases} x & x > 0 \\ \alpha (e^{x / \alpha} - 1) & x \le 0 \end{cases}")
def celu(x, alpha=1.0):
    """The exponential linear unit with a slope of 1 at 0 for every alpha.

    Source: J. T. Barron, Continuously differentiable exponential linear units, 2017.

    >>> act.celu(np.float32([-np.inf, -1, 2]), 0.5)
    array([-0.5       , -0.43233237,  2.        ], dtype=float32)
    """
    z, z_low = ratio(x, alpha)
    y, grow = expm1_pair(z, z_low, fast_two_sum)
    left = rounded_product((alpha, None), y) * grow
    return x if x > 0 else x if abs(z) < TINY else left


@celu.derivative
def _(x, alpha):
    z, z_low = ratio(x, alpha)
    e, grow = exp_pair(z, z_low)
    return 1 if x > 0 else rounded(e) * grow, 0 if x > 0 else celu_in_alpha(z, z_low)


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
    return -(y + finite(rest + low)) * where(left, 1, shrink)


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
    half, _, up, down, back = squareplus_parts(x, b)
    return rounded_quotient((0.25 * b * up, None), half) * down if x < 0 else rounded(half) * back


@squareplus.derivative
def _(x, b):
    half, root, up, down, _ = squareplus_parts(x, b)
    left = x < 0
    in_x = rounded_quotient(where(left, (0.25 * b * up * up, None), multiply(half, half)), multiply(half, root))
    in_b, in_b_low = reciprocal(root)
    return (0.5 if root[0] == 0 else in_x * down * down if left else in_x,
            fma(0.25, in_b, finite(0.25 * in_b_low)) * up * down)


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


@exponential.reference
def _(x):
    return math.exp(x), math.exp(x)
