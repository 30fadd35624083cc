"""Functions with a wave in them."""
import math

from ..declare import declared
from ..scalar import periodic
from . import reference


@declared(nonzero=("alpha",), formula=r"x + \frac{\sin^2(\alpha x)}{\alpha}")
def snake(x, alpha=1.0):
    """x with a wave whose frequency alpha may be learned, one for each channel; where alpha x overflows, x.

    Source: L. Ziyin et al., Neural networks fail to learn periodic functions and how to fix it, 2020.

    >>> act.snake(np.float32([-1, 0.5, 100]))
    array([ -0.2919266 ,   0.72984886, 100.25641   ], dtype=float32)
    """
    return periodic.snake(x, alpha)


@snake.derivative
def _(x, alpha):
    return periodic.snake_slope(x, alpha), periodic.snake_slope_in_alpha(x, alpha)


@snake.reference
def _(x, alpha):
    a = alpha * x if abs(alpha * x) <= reference.LARGEST else 0
    s, double = math.sin(a), math.sin(2 * a)
    rising = 1 + double if double > 0 else math.cos(2 * a) * math.cos(2 * a) / (1 - double)
    return (reference.terms(x, s * s / alpha), rising,
            2 * (s / alpha) * (reference.terms(a * math.cos(a), -s / 2) / alpha))


@declared(formula=r"x + \frac{\sin^2(e^\alpha x)}{e^\beta + 10^{-9}}")
def snake_beta(x, alpha=0.0, beta=0.0):
    """snake with the logarithms of a frequency and of a size, one for each channel; beyond 2^24 of e^alpha x, x.

    Source: S. Lee et al., BigVGAN: a universal neural vocoder with large-scale training, 2023.

    >>> act.snake_beta(np.float32([-1, 0.5, 100]), 0, 1)
    array([ -0.73951435,   0.58455664, 100.09433   ], dtype=float32)
    """
    return periodic.snake_beta(x, alpha, beta)


@snake_beta.derivative
def _(x, alpha, beta):
    return periodic.snake_beta_slopes(x, alpha, beta)


@snake_beta.reference
def _(x, alpha, beta):
    e, d = math.exp(alpha), math.exp(beta) + reference.LITTLE
    a = e * x if abs(e * x) <= 2**24 else 0
    s, double = math.sin(a), math.sin(2 * a)
    return (reference.terms(x, s * s / d), reference.terms(1, e * double / d), a * double / d,
            -(s * s / d * (math.exp(beta) / d)))
