"""Sigmoids by the error function."""
import math

from ..declare import declared
from ..scalar import errors
from ..scalar.ranges import unless_nan
from . import reference


@declared(nonzero=("sigma",), formula=r"\frac{1}{2} \left(1 + \mathrm{erf} \, \frac{x - \mu}{\sigma \sqrt{2}}\right)")
def laplace(x, mu=0.707107, sigma=0.282095):
    """The normal distribution function, exact in the tail; with these parameters it is nearly a squared relu, bounded.

    Source: X. Ma et al., Mega: moving average equipped gated attention, 2022.

    >>> act.laplace(np.float32([-2, 0, 1]))
    array([4.1377524e-22, 6.0944571e-03, 8.5042965e-01], dtype=float32)
    """
    return errors.normal(x, mu, sigma)


@laplace.derivative
def _(x, mu, sigma):
    return errors.normal_slopes(x, mu, sigma)


@laplace.reference
def _(x, mu, sigma):
    z = (x - mu) / sigma
    density = reference.density(z) / sigma
    return reference.normal(z), density, -density, -z * density


@declared(formula=r"\gamma \, \mathrm{erf}(\alpha x + s) + \mathrm{shift}")
def derf(x, alpha=0.5, s=0.0, gamma=1.0, shift=0.0):
    """The error function instead of a normalisation: alpha and s are learned, gamma and shift for each channel.

    Source: M. Chen et al., Stronger normalization-free transformers, 2025.

    >>> act.derf(np.float32([-1, 0, 100]), 0.5, 0, 2, 1)
    array([-0.04099976,  1.        ,  3.        ], dtype=float32)
    """
    return errors.derf(x, alpha, s, gamma, shift)


@derf.derivative
def _(x, alpha, s, gamma, shift):
    return *errors.derf_slopes(x, alpha, s, gamma), unless_nan(x, 1)


@derf.reference
def _(x, alpha, s, gamma, shift):
    z = reference.terms(alpha * x, s)
    y, slope = math.erf(z), reference.TWO_OVER_ROOT_PI * reference.bell(z)
    return (reference.terms(gamma * y, shift), alpha * gamma * slope, gamma * x * slope, gamma * slope, y, 1)
