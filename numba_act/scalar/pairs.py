"""Numbers as sums of two floats (high, low), for twice the precision where one rounding too many would show.

The names are those of the literature: Dekker 1971, Knuth TAOCP 4.2.2, Ogita, Rump and Oishi 2005.
"""
from fractions import Fraction
from typing import NamedTuple

from ..tree.marks import kept, low, tier, usually
from ..tree.node import Node, PerType, build, constant, fma, round_to, where

BIG = PerType(float32=2.0**20, float64=2.0**40)              # an argument beyond it saturates whatever its low part


class Pair(NamedTuple):
    """high + low; a low part of None is known to be zero."""
    high: Node
    low: Node | None = None


class Scaled(NamedTuple):
    """A pair that must still be multiplied by a power of two; None for 1.

    Far out an exponential is carried so: a subnormal one would lack bits.
    """
    pair: Pair
    power: Node | None = None


def exact(value, like):
    """A constant as a pair."""
    return Pair(number(value, like))


def split(value, like):
    """A constant as a pair, to twice the precision of `like`'s dtype."""
    value = Fraction(value)
    high = Fraction(float(round_to(value, like.dtype)))
    return Pair(number(high, like), low(number(value - high, like)))


def number(value, like):
    """A constant of `like`'s type, where nothing beside it tells the type."""
    return constant(value, "float", like.dtype)


def fast_two_sum(a, b):
    """a + b exactly, where |a| >= |b| or a = 0."""
    s = a + b
    return Pair(s, low((a - s) + b))


def two_sum(a, b):
    """a + b exactly."""
    s = a + b
    t = s - a
    return Pair(s, low((a - (s - t)) + (b - t)))


def two_product(a, b):
    """a * b exactly."""
    p = a * b
    return Pair(p, low(fma(a, b, -p)))


def fused_sum(a, b, c):
    """a * b + c with its rounding error, where |c| >= |a * b| or c = 0 (compare ErrFma, Boldo and Muller 2005)."""
    high = fma(a, b, c)
    return Pair(high, low(fma(a, b, c - high)))


def residual(c, a, b):
    """c - a * b, small: what a quotient a = c / b or a root a = b leaves."""
    return low(fma(-a, b, c))


def argument_product(a, b):
    """a * b as a pair for a function that saturates: beyond BIG, infinity included, the low part is 0; inf * 0 is 0."""
    endless = (b == 0) & (abs(a) == float("inf"))
    return saturating(two_product(usually(where(endless, 0, a), a, abs(a * b) > BIG), b))


def argument_quotient(a, b):
    """a / b likewise, b not 0."""
    return saturating(divide(Pair(a), Pair(b)))


def saturating(p):
    """A pair whose low part is 0 beyond BIG, infinity included."""
    high, rest = magnified(p)
    return Pair(high, usually(where(-abs(high) > -BIG[high.dtype], rest, 0), rest, abs(high) > BIG))


def magnified(p):
    """A pair whose low part both tiers keep: an exponential will make much of it."""
    return Pair(*map(kept, p))


def negate(p):
    return Pair(*[None if part is None else -part for part in p])


def scaled(p, power):
    """A pair times a power of two."""
    return Pair(*[None if part is None else power * part for part in p])


def add(p, q):
    """The sum of two pairs, |p| >= |q|."""
    high, rest = fast_two_sum(p.high, q.high)
    return Pair(high, _plus(rest, _plus(p.low, q.low)))


def add_any(p, q):
    """The sum of two pairs of any size."""
    high, rest = two_sum(p.high, q.high)
    return Pair(high, _plus(rest, _plus(p.low, q.low)))


def multiply(p, q):
    """The product of two pairs."""
    high, rest = two_product(p.high, q.high)
    return Pair(high, _fma(p.low, q.high, _fma(p.high, q.low, rest)))


def inverse(d, *exceptions):
    """1 / d of a number from 2^-126 to 2^126, or NaN, but where an exception holds: a GPU then needs 3 instructions
    instead of 12."""
    quick = build("inverse", d)
    return usually(1 / d, quick, *exceptions) if exceptions else quick


def quotient(n, d, *exceptions):
    """n / d of such a number d; 16-bit results do not show that it is a product."""
    return tier(n / d, n / d, n * inverse(d, *exceptions))


def reciprocal_parts(d, q=None):
    """q and rest: 1 / d of a pair is q (1 + rest); q is 1 / d.high."""
    q = 1 / d.high if q is None else q
    return q, _minus_product(residual(1, d.high, q), d.low, q)


def reciprocal(d, q=None):
    """1 / d of a pair, as a pair; q is 1 / d.high."""
    q, rest = reciprocal_parts(d, q)
    return Pair(q, q * rest)


def _quotient_parts(n, d, q):
    """t, q and rest: the quotient of two pairs is t + q rest."""
    t = tier(n.high * (1 / d.high), n.high / d.high) if q is None else tier(n.high * q, n.high / d.high, n.high * q)
    q = 1 / d.high if q is None else q
    return t, q, _minus_product(_plus(residual(n.high, d.high, t), n.low), d.low, t)


def divide(n, d, q=None):
    """The quotient of two pairs, as a pair; q is 1 / d.high."""
    t, q, rest = _quotient_parts(n, d, q)
    return Pair(t, q * rest)


def rounded_quotient(n, d, q=None):
    """The quotient of two pairs as one float; q is 1 / d.high."""
    t, q, rest = _quotient_parts(n, d, q)
    return fma(q, rest, t)


def rounded_product(p, q):
    """The product of two pairs as one float, rounded once but for what is lost beyond both low parts."""
    return fma(p.high, q.high, _fma(p.low, q.high, _fma(p.high, q.low, None)))


def rounded(p):
    """A pair as one float."""
    return p.high + p.low


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
    p = Pair(horner(coefficients, x.high))
    for c in constants:
        high, rest = fused_sum(p.high, x.high, c.high)
        p = Pair(high, _plus(_fma(p.low, x.high, _fma(p.high, x.low, rest)), c.low))
    return p


def _plus(a, b):
    return b if a is None else a if b is None else a + b


def _fma(a, b, c):
    if a is None or b is None:
        return c
    return a * b if c is None else fma(a, b, c)


def _minus_product(c, a, b):
    return c if a is None else fma(-a, b, c)
