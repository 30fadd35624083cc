"""Numbers as sums of two floats (high, low), for twice the precision where one rounding too many would show.

A low part that is known to be zero is None.  The names are those of the literature: Dekker 1971, Knuth TAOCP 4.2.2,
Ogita, Rump and Oishi 2005.
"""
from ..tree.node import PerType, constant, fma, where

LARGEST = PerType(float32=3.4028234663852886e38, float64=1.7976931348623157e308)
BIG = PerType(float32=2.0**20, float64=2.0**40)


def number(value, like):
    """A constant of `like`'s type that can stand alone in a pair: (number(1, x), None)."""
    return constant(value, "float", like.dtype)


def fast_two_sum(a, b):
    """a + b exactly, where |a| >= |b| or a = 0."""
    s = a + b
    return s, (a - s) + b


def two_sum(a, b):
    """a + b exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a, b):
    """a * b exactly."""
    p = a * b
    return p, fma(a, b, -p)


def argument_product(a, b):
    """a * b as a pair for a function that saturates: beyond BIG, infinity included, the low part is 0; inf * 0 is 0."""
    high, low = two_product(where((b == 0) & (abs(a) == float("inf")), 0, a), b)
    return high, where(-abs(high) > -BIG[a.dtype], low, 0)


def negate(p):
    return tuple(None if part is None else -part for part in p)


def twice(p):
    return tuple(None if part is None else 2 * part for part in p)


def add(p, q):
    """The sum of two pairs, |p| >= |q|."""
    high, low = fast_two_sum(p[0], q[0])
    return high, _plus(low, _plus(p[1], q[1]))


def add_any(p, q):
    """The sum of two pairs of any size."""
    high, low = two_sum(p[0], q[0])
    return high, _plus(low, _plus(p[1], q[1]))


def multiply(p, q):
    """The product of two pairs."""
    high, low = two_product(p[0], q[0])
    return high, _fma(p[1], q[0], _fma(p[0], q[1], low))


def reciprocal_parts(d):
    """q and rest: 1 / d of a pair is q (1 + rest)."""
    q = 1 / d[0]
    return q, _minus_product(fma(-d[0], q, 1), d[1], q)


def reciprocal(d):
    """1 / d of a pair, as a pair."""
    q, rest = reciprocal_parts(d)
    return q, q * rest


def _quotient_parts(n, d):
    """t, q and rest: the quotient of two pairs is t + q rest."""
    q = 1 / d[0]
    t = n[0] * q
    return t, q, _minus_product(_plus(fma(-d[0], t, n[0]), n[1]), d[1], t)


def divide(n, d):
    """The quotient of two pairs, as a pair."""
    t, q, rest = _quotient_parts(n, d)
    return t, q * rest


def rounded_quotient(n, d):
    """The quotient of two pairs as one float."""
    t, q, rest = _quotient_parts(n, d)
    return fma(q, rest, t)


def rounded_product(p, q):
    """The product of two pairs as one float, rounded once but for what is lost beyond both low parts."""
    return fma(p[0], q[0], _fma(p[1], q[0], _fma(p[0], q[1], None)))


def finite(low):
    """The low part of a sum whose high part may be infinite: never NaN."""
    return where(low < LARGEST, low, LARGEST)


def rounded(p):
    """A pair as one float."""
    return p[0] + p[1]


def horner(coefficients, x):
    """A polynomial, highest power first."""
    first, *rest = coefficients
    p = number(first, x)
    for c in rest:
        p = fma(p, x, c)
    return p


def polynomial(coefficients, constants, x):
    """A polynomial of a pair as a pair: Horner's scheme, by floats for the coefficients, then by pairs for the
    constants that follow them."""
    (x, x_low), p, p_low = x, horner(coefficients, x[0]), None
    for c, c_low in constants:
        high = fma(p, x, c)
        p, p_low = high, _plus(_fma(p_low, x, _fma(p, x_low, fma(p, x, c - high))), c_low)
    return p, p_low


def _plus(a, b):
    return b if a is None else a if b is None else a + b


def _fma(a, b, c):
    if a is None or b is None:
        return c
    return a * b if c is None else fma(a, b, c)


def _minus_product(c, a, b):
    return c if a is None else fma(-a, b, c)
