"""Parts of the references, the plain mathematics by which the activations are judged; nothing of it is in `scalar`.

Constants are fractions where a float would not hold enough digits.  The forms keep their relative error below 2^-45
in float64.
"""
import math
from fractions import Fraction

from ..tree.call import Callee
from ..tree.node import Node

LN2 = Fraction("0.69314718055994530941723212145817656807550013436025525412068000949")
LN10 = Fraction("2.302585092994045684017991454684364207601101488628772976033327901")
TWO_OVER_ROOT_PI = Fraction("1.1283791670955125738961589031215451716881012586579977136881714434213")
ROOT_HALF = Fraction("0.70710678118654752440084436210484903928483593768847403658833986900")
ROOT_HALF_SHORT = Fraction(round(ROOT_HALF * 2**28), 2**28)      # times a float32 it is exact in float64
ROOT_2_OVER_PI = Fraction("0.79788456080286535587989211986876373695171726232986931533185165934")
SELU_SCALE, SELU_ALPHA = Fraction("1.0507009873554804934193349852946"), Fraction("1.6732632423543772848170429916717")
LITTLE = Fraction(1, 10**9)                      # of snake_beta
LARGEST = Fraction(2**1024 - 2**971)             # of float64
FAR = 1000                                       # beyond it everything here is at its limit to 2^-1100


class _Terms(Callee):
    """a + b of terms that may cancel: errors count in units of 1/16 of the larger then, if the sum is less."""
    name, arity = "terms", 2
    expand = define = staticmethod(lambda a, b: a + b)

    def __call__(self, a, b):
        return super().__call__(a, b) if isinstance(a, Node) or isinstance(b, Node) else a + b

    @property
    def on_nodes(self):
        return self

    def __reduce__(self):
        return "terms"


terms = _Terms()


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


def swish_slope_of_terms(z):
    """The same; its errors count by its terms."""
    return logistic(z) * terms(1, clipped(z) * logistic(-z))


def softplus(z):
    return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))


def softplus_in_beta(z, beta):
    """The derivative of softplus(beta x) / beta in beta, z = beta x."""
    e = math.exp(-abs(z))
    return -(math.log1p(e) + abs(z) * e / (1 + e)) / (beta * beta)


def logcosh(x):
    half = math.sinh(x / 2)
    return math.log1p(2 * half * half) if abs(x) < 1 else abs(x) + math.log1p(math.exp(-2 * abs(x))) - LN2


def softplus_shifted(x):
    """softplus(x) - log 2, which near 0 is x / 2 + log cosh(x / 2)."""
    return x / 2 + logcosh(x / 2) if abs(x) < 1 else softplus(x) - LN2


def celu_in_alpha(z):
    """e^z - 1 - z e^z = -z^2 (1/2 + z/3 + ...)."""
    series = 1 + z * 6 / 35 * (1 + z * 7 / 48 * (1 + z * 8 / 63 * (1 + z * 9 / 80 * (1 + z * 10 / 99))))
    series = 1 + z * 2 / 3 * (1 + z * 3 / 8 * (1 + z * 4 / 15 * (1 + z * 5 / 24 * series)))
    if z > 1:
        return math.exp(z) * (1 - z) - 1
    return -z * z / 2 * series if abs(z) < 0.05 else math.expm1(z) - z * math.exp(z)


def exp_less_tangent(z):
    """e^z - 1 - z = z^2 (1/2 + z/6 + ...)."""
    return math.exp(z) - 1 - z if z < -1 else -math.exp(z) * celu_in_alpha(-z)


def tanhshrink(x):
    """x - tanh x = (x cosh x - sinh x) / cosh x, of which the numerator is x^3 (1/3 + x^2/30 + ...)."""
    w = x * x
    series = 1 + w / 88 * (1 + w / 130 * (1 + w / 180 * (1 + w / 238 * (1 + w / 304))))
    series = 1 + w / 10 * (1 + w / 28 * (1 + w / 54 * series))
    return w * x / 3 * series / math.cosh(x) if abs(x) < 0.25 else x - math.tanh(x)


def tanh_less_tangent(z):
    """tanh z - z / cosh^2 z, which near 0 is z tanh^2 z - (z - tanh z)."""
    t = math.tanh(z)
    return t - clipped(z) * sech2(z) if abs(z) > 1 else z * t * t - tanhshrink(z)


def sech2(x):
    return 4 * logistic_slope(2 * x)


def tanh_softplus_slope(x):
    """The derivative of tanh(log(1 + e^x)) = 1 - 2 / (e^2x + 2 e^x + 2)."""
    e = math.exp(-abs(x))
    if x > 0:
        square = math.exp(-2 * x)                # not e e, which loses bits before the result does
        d = 1 + 2 * e + 2 * square
        return 4 * square * (1 + e) / (d * d)
    d = 2 + 2 * e + e * e
    return 4 * e * (1 + e) / (d * d)


def normal(x):
    """The distribution function of the normal distribution."""
    return math.erfc(-ROOT_HALF * x) / 2


def density(z):
    """That of the normal distribution; its root does not underflow."""
    inner = FAR if z > FAR else -FAR if z < -FAR else z
    half = math.exp(-inner * inner / 4)
    return ROOT_2_OVER_PI / 2 * half * half


def gelu(x):
    """x times the distribution function; what float64 rounds away of erfc's argument z is put back."""
    inner = clipped(x)
    z = -ROOT_HALF * inner
    rest = (-ROOT_HALF_SHORT * inner - z) - (ROOT_HALF - ROOT_HALF_SHORT) * inner
    factor = math.erfc(z) / 2 - rest * ROOT_2_OVER_PI * ROOT_HALF * math.exp(-z * z)
    return x if x > FAR else inner * factor


def gelu_slope(x):
    inner = clipped(x)
    half = math.exp(-inner * inner / 4)          # the density's root, so that a second derivative does not underflow
    return normal(inner) + ROOT_2_OVER_PI / 2 * (inner * half) * half


def bell(x):
    """e^(-x^2), the root of which does not underflow."""
    inner = clipped(x)
    root = math.exp(-inner * inner / 2)
    return root * root
