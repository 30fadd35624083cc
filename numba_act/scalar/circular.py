"""Sine, cosine and tangent: x is n quarter turns and a rest of at most half of one, of which polynomials are taken; and
the inverse of the tangent."""
import math
from fractions import Fraction

from ..tree.marks import kept, usually
from ..tree.node import bits, copysign, fma, from_bits, rounded_to_even, where
from .coefficients import ATAN, COSINE, SINE, SINE_SQUARE, SINE_WIDE
from .exponential import MANTISSA
from .pairs import (
    Pair,
    add_any,
    divide,
    exact,
    fast_two_sum,
    horner,
    magnified,
    multiply,
    negate,
    number,
    polynomial,
    rounded,
    rounded_quotient,
    split,
    two_product,
    two_sum,
)
from .ranges import LARGEST
from .wider import through_float64

# 1 / (2 pi) to 1300 bits, of which those count that stand 120 behind the last of 2^1024
TURN = Fraction(int(
    "28be60db9391054a7f09d5f47d4d377036d8a5664f10e4107f9458eaf7aef1586dc91b8e909374b801924bba827464873f877ac72c4a69"
    "cfba208d7d4baed1213a671c09ad17df904e64758e60d4ce7d272117e2ef7e4a0ec7fe25fff7816603fbcbc462d6829b47db4d9fb3c9f2"
    "c26dd3d18fd9a797fa8b5d49eeb1faf97c5ecf41ce7de294a4ba9afed7ec47e357421580cc11bf1edaeafc33ef0826bd0d876a78e", 16),
                2**1300)
QUARTER = 1 / (4 * TURN)                         # pi / 2
ROUND = 1.5 * 2.0**52                            # added to a number below 2^50 it leaves the nearest integer in bits
# of r^k / k!, with the signs of sine and cosine
SERIES = [Fraction((-1) ** (k // 2), math.factorial(k)) for k in range(22)]
EIGHTH_TANGENT = Fraction("0.41421356237309504880")          # tan(pi / 8)
LARGE = 2.0**40                                  # below it n is the nearest integer, to 2^-13, and n pi / 2 is in reach
# The binary orders from which on a large number is taken apart in another way.  Of a number without fraction, whole
# turns in 2^k do not count, so that 2^k mod 2 pi, or the bits of 2^k / (2 pi) that are no whole turns, stand for 2^k.
SINGLE_ORDERS, DOUBLE_ORDERS = range(40, 128, 22), range(128, 972, 128)
PIECES = 6                                       # of 53 bits, which reach 2^-120 behind a number below 2^192


def quarter_turns(x, dtype):
    """n modulo 4 in the last bits of an integer, and the rest in radians, as a pair where the result is float64."""
    if dtype == "float32":
        return _of_single(x)
    near, far, small = _by_subtraction(x), _by_fractions(x), abs(x) < LARGE
    n, high, low = (kept(usually(where(small, p, q), p, abs(x) > LARGE))
                    for p, q in zip((near[0], *near[1]), (far[0], *far[1]), strict=True))
    return n, Pair(high, low)


def quarter_turns_of_pair(a):
    """As `quarter_turns`, of a pair of float64 numbers."""
    n, r = quarter_turns(a.high, "float64")
    m, s = quarter_turns(a.low, "float64")
    both = add_any(r, s)
    more = rounded_to_even(both.high * (4 * TURN))               # the rests may be half a quarter each
    less = add_any(both, negate(multiply(Pair(more), split(QUARTER, a.high))))
    near, far = add_any(r, Pair(a.low)), (n + m + bits(more + ROUND), *less)
    n, high, low = (kept(usually(where(abs(a.high) < LARGE, p, q), p, abs(a.high) > LARGE))
                    for p, q in zip((n, *near), far, strict=True))
    return n, Pair(high, low)


def half_turns(x):
    """What a float64 number leaves of whole half turns, from -pi / 2 to pi / 2."""
    shifted = fma(x, 2 * TURN, ROUND)
    near = x
    for part in pieces(2 * QUARTER, 2):
        near = fma(ROUND - shifted, part, near)
    n, r = quarter_turns(x, "float64")
    rest = rounded(r)
    far = where((n & 1) == 0, rest, rest - copysign(QUARTER, rest))
    return kept(usually(where(abs(x) < LARGE, near, far), near, abs(x) > LARGE))


def _nearest(x):
    """The number of quarter turns that is nearest to x, and that behind which its last bits show."""
    shifted = fma(x, 4 * TURN, ROUND)
    return shifted - ROUND, bits(shifted)


def _less_turns(x):
    """A float32 number without whole turns, if it is large, and what is to be taken from that."""
    size, radians, radians_low, large = abs(x), number(1, x), number(0, x), abs(x) > LARGE
    for order in SINGLE_ORDERS:
        unit = 2 ** (order - MANTISSA["float32"])
        turn = TURN * unit % 1
        near = size < 2.0**order
        high, low = map(kept, split((turn - round(turn)) / TURN / unit, x))
        radians, radians_low = where(near, radians, high), where(near, radians_low, low)
    product = x * radians
    rest = fma(-x, radians_low, fma(-x, radians, product))
    return usually(product, x, large), lambda r: usually(r - rest, r, large)


def _of_single(x):
    """Of a float32 number: less whole turns, if it is large, and then less n pi / 2."""
    r, finished = _less_turns(x)
    n, last_bits = _nearest(r)
    for part in pieces(QUARTER, 2):
        r = fma(n, -part, r)                                     # the first is exact
    return last_bits, Pair(finished(r))


def _wave_of_single(x, ahead=0):
    """The sine of a float32 number that is `ahead` by so many half turns: it is n of them, whose last bit is the sign,
    and a rest."""
    r, finished = _less_turns(x)
    shifted = fma(r, 2 * TURN, ahead) + ROUND if ahead else fma(r, 2 * TURN, ROUND)
    n = shifted - ROUND - ahead if ahead else shifted - ROUND
    for part in pieces(2 * QUARTER, 2):
        r = fma(n, -part, r)                                     # as above; -0 stays
    r = finished(r)
    square = r * r
    y = r * fma(square, horner(SINE_WIDE[r.dtype], square), 1)
    return from_bits(bits(y) + (bits(shifted) << 63))


def _by_subtraction(x):
    """x - n pi / 2 by the parts of pi / 2 (W. J. Cody and W. Waite, 1980)."""
    n, last_bits = _nearest(x)
    first, second, third = pieces(QUARTER, 3)
    product, rest = two_product(n, number(second, x))
    high, error = two_sum(fma(n, -first, x), -product)           # the fma is exact
    return last_bits, Pair(high, fma(n, -third, error - rest))


def _by_fractions(x):
    """By the bits of x / (2 pi) that are no whole turns (M. Payne and R. Hanek, 1983)."""
    size, scale, constants = abs(x), number(1, x), _turns(0, x)
    for order in DOUBLE_ORDERS:
        near = size < 2.0 ** (MANTISSA["float64"] + order)
        scale, constants = where(near, scale, number(2.0**-order, x)), where(near, constants, _turns(order, x))
    parts = [part for c in constants for part in two_product(x * scale, c)]
    high, low, *tiny = _distilled([part - rounded_to_even(part) for part in parts])
    n = rounded_to_even(4 * high)
    # the smallest parts are added first: larger ones would have to be kept until all are there
    turn = add_any(Pair(fma(4.0, high, -n)), Pair(4 * low, 4 * sum(tiny[-2::-1], tiny[-1])))
    return bits(n + ROUND), multiply(turn, split(QUARTER, x))


def _turns(order, like):
    return tuple(number(piece, like) for piece in pieces(TURN * 2**order % 1, PIECES))


def pieces(value, count):
    """A constant as the sum of so many."""
    found = []
    for _ in range(count):
        found.append(Fraction(float(value)))
        value -= found[-1]
    return found


def _distilled(parts):
    """Numbers, larger ones first, of the same sum: the first is the sum, the second what it lacks (S. M. Rump, T. Ogita
    and S. Oishi, 2008)."""
    for _ in range(2):
        total, rests = parts[-1], []
        for part in reversed(parts[:-1]):
            total, rest = two_sum(part, total)
            rests.insert(0, rest)
        parts = [total, *rests]
    return parts


def sine_near(r, dtype):
    """sin r for |r| <= pi / 4, as a pair."""
    square = r.high * r.high
    cube = square * horner(SINE[dtype], square)
    low = None if r.low is None else fma(-0.5 * square, r.low, r.low)
    return fast_two_sum(r.high, r.high * cube if low is None else fma(r.high, cube, low))


def cosine_near(r, dtype):
    """cos r for |r| <= pi / 4, as a pair."""
    square = r.high * r.high
    high, low = fast_two_sum(number(1, square), -0.5 * square)
    low = low if r.low is None else fma(-r.high, r.low, low)
    return fast_two_sum(high, fma(square * square, horner(COSINE[dtype], square), low))


def sine_and_cosine(r):
    """sin r and cos r of a pair |r| <= pi / 4 with float64 numbers, to 2^-64, by their series."""
    square = multiply(r, r)
    sine = polynomial(SERIES[21:5:-2], [split(c, r.high) for c in SERIES[5::-2]], square)
    cosine = polynomial(SERIES[20:4:-2], [split(c, r.high) for c in SERIES[4::-2]], square)
    return multiply(r, sine), cosine


def square_of_sine(r):
    """sin^2 r for |r| <= pi / 2, to 2^-30."""
    square = r * r
    return fma(square * square, horner(SINE_SQUARE[r.dtype], square), square)


def _wave(n, sine, cosine):
    """The sine of n quarter turns and a rest, of which the sine and the cosine are given."""
    y = where((n & 1) == 0, sine, cosine)
    return where((n & 2) == 0, y, -y)


@through_float64
def sin(x, dtype):
    if dtype == "float32":
        return _wave_of_single(x)
    n, r = quarter_turns(x, dtype)
    return where(x == 0, x, _wave(n, rounded(sine_near(r, dtype)), rounded(cosine_near(r, dtype))))


@through_float64
def cos(x, dtype):
    if dtype == "float32":
        return _wave_of_single(x, 0.5)
    n, r = quarter_turns(x, dtype)
    return _wave(n + 1, rounded(sine_near(r, dtype)), rounded(cosine_near(r, dtype)))


@through_float64
def tan(x, dtype):
    n, r = quarter_turns(x, dtype)
    even, sine, cosine = (n & 1) == 0, sine_near(r, dtype), cosine_near(r, dtype)
    y = rounded_quotient(where(even, sine, cosine), where(even, cosine, sine))
    return where(x == 0, x, where(even, y, -y))


@through_float64
def tan_slope(x, dtype):
    """1 / cos^2 x."""
    n, r = quarter_turns(x, dtype)
    cosine = where((n & 1) == 0, cosine_near(r, dtype), sine_near(r, dtype))
    cosine = magnified(cosine) if dtype == "float64" else cosine         # its error counts twice
    return rounded_quotient(exact(1, x), multiply(cosine, cosine))


@through_float64
def atan_slope(x, dtype):
    """1 / (1 + x^2), without overflow."""
    far = abs(x) > 2.0**40
    inverse = 1 / where(far, x, 1)
    return where(far, inverse * inverse, 1 / fma(x, x, 1))


@through_float64
def atan(x, dtype):
    """The angle whose tangent is x: by t = a, (a - 1) / (a + 1) or -1 / a of a = |x|, beside 0, pi / 4 or pi / 2."""
    a = abs(x)
    small, large = a < EIGHTH_TANGENT, a > 1 / EIGHTH_TANGENT
    n = where(small, a, where(large, number(-1, x), a - 1))
    d = where(small, exact(1, x), where(large, Pair(a), two_sum(number(1, x), a)))
    t = divide(Pair(n), d)
    square = t.high * t.high
    rest = fma(t.high, square * horner(ATAN[dtype], square), fma(-square, t.low, t.low))
    base = where(small, exact(0, x), where(large, split(QUARTER, x), split(QUARTER / 2, x)))
    high, low = fast_two_sum(base.high, t.high)
    y = high + (low + (rest + base.low))
    return copysign(where(a > LARGEST, QUARTER, y), x)
