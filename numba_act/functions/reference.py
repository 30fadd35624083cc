"""Parts of the references, the plain mathematics by which the activations are judged; nothing of it is in `scalar`.

Constants are fractions where a float would not hold enough digits.  The forms keep their relative error below 2^-45
in float64.
"""
import math
from fractions import Fraction

LN2 = Fraction("0.69314718055994530941723212145817656807550013436025525412068000949")
ROOT_HALF = Fraction("0.70710678118654752440084436210484903928483593768847403658833986900")
ROOT_2_OVER_PI = Fraction("0.79788456080286535587989211986876373695171726232986931533185165934")
SELU_SCALE, SELU_ALPHA = Fraction("1.0507009873554804934193349852946"), Fraction("1.6732632423543772848170429916717")
FAR = 1000                                       # beyond it everything here is at its limit to 2^-1100


def clipped(x):
    return FAR if x > FAR else -FAR if x < -FAR else x


def logistic(z):
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def logistic_slope(z):
    e = math.exp(-abs(z))
    return e / ((1 + e) * (1 + e))


def swish_slope(z):
    """The derivative of z times its logistic function."""
    return logistic(z) * (1 + clipped(z) * logistic(-z))


def softplus(z):
    return (z if z > 0 else 0) + math.log1p(math.exp(-abs(z)))


def softplus_in_beta(z, beta):
    """The derivative of softplus(beta x) / beta in beta, z = beta x."""
    e = math.exp(-abs(z))
    return -(math.log1p(e) + abs(z) * e / (1 + e)) / (beta * beta)


def tanh_softplus_slope(x):
    """The derivative of tanh(log(1 + e^x)) = 1 - 2 / (e^2x + 2 e^x + 2)."""
    e = math.exp(-abs(x))
    if x > 0:
        d = 1 + 2 * e + 2 * e * e
        return 4 * e * e * (1 + e) / (d * d)
    d = 2 + 2 * e + e * e
    return 4 * e * (1 + e) / (d * d)


def normal(x):
    """The distribution function of the normal distribution."""
    return math.erfc(-ROOT_HALF * x) / 2


def gelu(x):
    inner = clipped(x)
    return x if x > FAR else inner * normal(inner)


def gelu_slope(x):
    inner = clipped(x)
    half = math.exp(-inner * inner / 4)          # the density's root, so that a second derivative does not underflow
    return normal(inner) + ROOT_2_OVER_PI / 2 * (inner * half) * half
