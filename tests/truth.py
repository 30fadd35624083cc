"""What is true of every activation: the one place where the tests know an activation by name.

Definitions are the mathematics of the catalogue, written for any arithmetic `m`: EXACT (mpmath, 50 digits) or FAST
(NumPy, float64, good to 2^-45).  They are safe for every finite argument.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import mpmath
import numpy as np

DIGITS = 50
INF = math.inf

_mp = mpmath.MPContext()
_mp.dps = DIGITS

EXACT = SimpleNamespace(
    number=_mp.mpf, exp=_mp.exp, expm1=_mp.expm1, log1p=_mp.log1p, tanh=_mp.tanh, erfc=_mp.erfc, sqrt=_mp.sqrt,
    pi=+_mp.pi, where=lambda condition, a, b: _mp.mpf(a if condition else b), frexp=_mp.frexp, ldexp=_mp.ldexp,
    diff=_mp.diff)
FAST = SimpleNamespace(
    number=np.float64, exp=np.exp, expm1=np.expm1, log1p=np.log1p, tanh=np.tanh,
    erfc=np.vectorize(math.erfc, otypes=[np.float64]), sqrt=np.sqrt, pi=np.float64(math.pi), where=np.where)


@dataclass(frozen=True)
class Truth:
    """An activation's definition and what is known of it.

    partials : the derivative in each argument, by name
    grid : parameters to test with; the first are the defaults
    kinks : where the slope jumps -> {argument: derivative there}, with the default parameters
    zeros : simple zeros of the slope in x, for given parameters
    limits : {"value" or an argument: (at -inf, at +inf)}, with the default parameters
    minimum : (x, y), where there is one
    branch : the x for which a parameter matters; elsewhere a NaN in it changes nothing
    """
    value: Callable
    partials: dict
    limits: dict
    grid: tuple = ((),)
    kinks: dict = field(default_factory=dict)
    zeros: Callable = lambda *parameters: ()
    odd: bool = False
    minimum: tuple | None = None
    branch: Callable = lambda x: np.ones(np.shape(x), bool)

    def definitions(self):
        return {"value": self.value, **self.partials}


# --- parts of definitions ---------------------------------------------------------------------------------------------
def clipped(m, x):
    """x, at most 1000 in size: further out every function here that uses it is at its limit to 2^-1100."""
    return m.where(x > 1000, 1000, m.where(x < -1000, -1000, x))


def negative(m, x):
    return m.where(x < 0, x, 0)


def logistic(m, z):
    e = m.exp(-abs(z))
    return m.where(z > 0, 1, e) / (1 + e)


def logistic_slope(m, z):
    e = m.exp(-abs(z))
    return e / (1 + e) ** 2


def normal(m, x):
    return m.erfc(-x / m.sqrt(m.number(2))) / 2


def swish_slope(m, z):
    """The derivative of x s(x)."""
    return logistic(m, z) * (1 + clipped(m, z) * logistic(m, -z))


def gelu(m, x):
    return m.where(x > 1000, x, clipped(m, x) * normal(m, clipped(m, x)))


def gelu_slope(m, x):
    x = clipped(m, x)
    return normal(m, x) + x * m.exp(-x * x / 2) / m.sqrt(2 * m.pi)


def gelu_tanh_argument(m, x):
    """2u and its derivative."""
    x, c = clipped(m, x), m.number("0.044715")
    twice = 2 * m.sqrt(2 / m.pi)
    return twice * (x + c * x * x * x), twice * (1 + 3 * c * x * x)


def gelu_tanh_slope(m, x):
    z, slope = gelu_tanh_argument(m, x)
    return logistic(m, z) * (1 + clipped(m, x) * slope * logistic(m, -z))


def mish_slope(m, x):
    t = m.tanh(softplus(m, x, m.number(1)))
    return t + clipped(m, x) * logistic(m, x) * (1 - t) * (1 + t)


def softplus(m, x, beta):
    z = beta * x
    return m.where(z > 0, x, 0) + m.log1p(m.exp(-abs(z))) / beta


def softplus_in_beta(m, x, beta):
    z = abs(beta * x)
    e = m.exp(-z)
    return -(m.log1p(e) + z * e / (1 + e)) / beta**2


def swish_in_beta(m, x, beta):
    right, left = logistic(m, beta * x), logistic(m, -beta * x)
    return (x * right) * (x * left)


def leaky(m, x, alpha):
    return m.where(x > 0, x, alpha * x)


def scale(m):
    return m.number("1.0507009873554804934193349852946")


def slope(m):
    return scale(m) * m.number("1.6732632423543772848170429916717")


def leak_partials():
    return {"x": lambda m, x, alpha: m.where(x > 0, 1, alpha),
            "alpha": lambda m, x, alpha: m.where(x > 0, 0, x)}


def left(x):
    return np.asarray(x) <= 0


SILU_ZERO = -1.2784645427610738
ALPHAS = (0.0,), (1.0,), (-0.7,), (3.3,), (1e-4,)
BETAS = (-0.7,), (3.3,), (50.0,), (1e-3,)


# --- the table --------------------------------------------------------------------------------------------------------
TRUTH = {
    "sigmoid": Truth(
        logistic, {"x": logistic_slope},
        limits={"value": (0, 1), "x": (0, 0)}),
    "tanh": Truth(
        lambda m, x: m.tanh(x), {"x": lambda m, x: 4 * logistic_slope(m, 2 * x)},
        limits={"value": (-1, 1), "x": (0, 0)}, odd=True),
    "softsign": Truth(
        lambda m, x: x / (1 + abs(x)), {"x": lambda m, x: (1 / (1 + abs(x))) ** 2},
        limits={"value": (-1, 1), "x": (0, 0)}, odd=True),
    "relu": Truth(
        lambda m, x: m.where(x > 0, x, 0), {"x": lambda m, x: m.where(x > 0, 1, 0)},
        limits={"value": (0, INF), "x": (0, 1)}, kinks={0: {"x": 0}}),
    "softplus": Truth(
        softplus, {"x": lambda m, x, beta: logistic(m, beta * x), "beta": softplus_in_beta},
        limits={"value": (0, INF), "x": (0, 1), "beta": (0, 0)}, grid=((1.0,), *BETAS)),
    "leaky_relu": Truth(
        leaky, leak_partials(), grid=((0.01,), *ALPHAS), branch=left,
        limits={"value": (-INF, INF), "x": (0.01, 1), "alpha": (-INF, 0)}, kinks={0: {"x": 0.01, "alpha": 0}}),
    "prelu": Truth(
        leaky, leak_partials(), grid=((0.25,), *ALPHAS), branch=left,
        limits={"value": (-INF, INF), "x": (0.25, 1), "alpha": (-INF, 0)}, kinks={0: {"x": 0.25, "alpha": 0}}),
    "elu": Truth(
        lambda m, x, alpha: m.where(x > 0, x, alpha * m.expm1(negative(m, x))),
        {"x": lambda m, x, alpha: m.where(x > 0, 1, alpha * m.exp(negative(m, x))),
         "alpha": lambda m, x, alpha: m.expm1(negative(m, x))},
        limits={"value": (-1, INF), "x": (0, 1), "alpha": (-1, 0)}, grid=((1.0,), *ALPHAS), branch=left,
        kinks={0: {"x": 1, "alpha": 0}}),
    "selu": Truth(
        lambda m, x: m.where(x > 0, scale(m) * x, slope(m) * m.expm1(negative(m, x))),
        {"x": lambda m, x: m.where(x > 0, scale(m), slope(m) * m.exp(negative(m, x)))},
        limits={"value": (-1.7580993408473768599, INF), "x": (0, 1.0507009873554804934)},
        kinks={0: {"x": 1.7580993408473768599}}),
    "swish": Truth(
        lambda m, x, beta: x * logistic(m, beta * x),
        {"x": lambda m, x, beta: swish_slope(m, beta * x), "beta": swish_in_beta},
        limits={"value": (0, INF), "x": (0, 1), "beta": (0, 0)}, grid=((1.0,), *BETAS, (0.0,)),
        zeros=lambda beta: (SILU_ZERO / beta,) if beta else (), minimum=(SILU_ZERO, -0.2784645427610738)),
    "silu": Truth(
        lambda m, x: x * logistic(m, x), {"x": swish_slope},
        limits={"value": (0, INF), "x": (0, 1)}, zeros=lambda: (SILU_ZERO,), minimum=(SILU_ZERO, -0.2784645427610738)),
    "gelu": Truth(
        gelu, {"x": gelu_slope},
        limits={"value": (0, INF), "x": (0, 1)}, zeros=lambda: (-0.7517915246935645,),
        minimum=(-0.7517915246935645, -0.16997120747990366)),
    "gelu_tanh": Truth(
        lambda m, x: x * logistic(m, gelu_tanh_argument(m, x)[0]), {"x": gelu_tanh_slope},
        limits={"value": (0, INF), "x": (0, 1)}, zeros=lambda: (-0.7524614220710162,),
        minimum=(-0.7524614220710162, -0.17004075057125405)),
    "mish": Truth(
        lambda m, x: x * m.tanh(softplus(m, x, m.number(1))), {"x": mish_slope},
        limits={"value": (0, INF), "x": (0, 1)}, zeros=lambda: (-1.1924312145154952,),
        minimum=(-1.1924312145154952, -0.3088434130172504)),
}
