"""Logarithms: log(1 + g) = g + g^2 q(g) on [-0.293, 0.5], q a polynomial."""
from ..tree.node import fma, split, where
from .coefficients import LOG1P
from .exponential import LN2
from .pairs import fast_two_sum, horner


def log1p_near(g, low):
    """log(1 + g + low) as a pair, g in [-0.293, 0.5]."""
    w = g * horner(LOG1P[g.dtype], g)
    high = fma(w, g, g)
    slope = fma(g, fma(g, 0.6, -0.9), 1)                        # 1 / (1 + g) to a few per cent, for the low part
    return high, fma(slope, low, fma(w, g, g - high))


def log1p_unit(e):
    """log(1 + e) of a pair 0 <= e <= 1, as a pair."""
    upper = e[0] > 0.5                                          # then log 2 + log(1 + (e - 1) / 2), e - 1 exact
    g, low = where(upper, (fma(e[0], 0.5, -0.5), e[1] * 0.5), e)
    ln2, ln2_low = split(LN2, g)
    log, log_low = log1p_near(g, low)
    total, rest = fast_two_sum(where(upper, ln2, 0), log)
    return total, rest + (log_low + where(upper, ln2_low, 0))
