"""Exponentials and logarithms to other bases, powers, cube roots and the length of a hypotenuse."""
from fractions import Fraction

from ..tree.evaluate import for_numbers_too
from ..tree.node import PerType, build, copysign, fma, rounded_to_even, sqrt, to_float, where
from .coefficients import ATANH, CBRT, EXP2, LOG1P_SHORT, LOG2
from .exponential import LN2, LOG2E, ROUND, SHIFT, exp_pair, power_of_two
from .logarithm import exponent_and_mantissa, log1p_near, log_or_limit, taken_apart
from .pairs import (
    Pair,
    Scaled,
    add,
    add_any,
    divide,
    exact,
    fast_two_sum,
    fused_sum,
    horner,
    magnified,
    multiply,
    number,
    polynomial,
    rounded,
    rounded_product,
    rounded_quotient,
    scaled,
    split,
    two_product,
    two_sum,
)
from .ranges import LARGEST, bounded, unless_nan
from .wider import through_float64

LOG10E = Fraction("0.434294481903251827651128918916605082294397005803666566114454")
LOG10_2 = LN2 * LOG10E
LOG10_2_SHORT = PerType(float32=float.fromhex("0x1.344p-2"), float64=float.fromhex("0x1.34413509f7p-2"))
LEAST_MANTISSA, LOG2_SLOPE = PerType(float32=0x3F2B851F), 47 / 32             # 0.67, and what LOG2 is fitted beside
EXP2_ENDS = PerType(float32=(-191.0, 140.0), float64=(-1151.0, 1040.0))      # 2^x is 0, and infinite, n still in range


@for_numbers_too
def exp2(x):
    """2^x."""
    left, rounder = x < 0, ROUND[x.dtype]
    x = bounded(x, *EXP2_ENDS[x.dtype])
    up, down = SHIFT[x.dtype], 20
    rounder = where(left, number(rounder + up, x), rounder - down)
    shifted = x + rounder
    r = x - (shifted - rounder)
    ln2, ln2_low = split(LN2, x)
    q = fma(horner(EXP2[x.dtype], r), r, ln2_low)
    s = power_of_two(shifted)
    return fma(s, fma(r, ln2, r * q), s) * where(left, number(2.0**-up, x), 2.0**down)


def _log(x, scale, of_two, of_two_short):
    """The logarithm whose value at e is `scale`, and at 2 `of_two`: -inf at 0, NaN below."""
    n, m = taken_apart(x)
    log = multiply(log1p_near(m - 1), split(scale, x))
    high, low = fast_two_sum(n * number(of_two_short, x), log.high)
    low = log.low + low
    rest = of_two - Fraction(of_two_short[x.dtype]) if isinstance(of_two_short, PerType) else 0
    return log_or_limit(x, high + (fma(n, rest, low) if rest else low))


@for_numbers_too
def log2(x):
    """The logarithm to the base 2."""
    return _log2_single(x) if x.dtype == "float32" else _log(x, LOG2E, 1, 1)


def _log2_single(x):
    """n + log2(1 + g): the slope rounds n + slope g once, with a known error, because that is no less than a half."""
    n, m = taken_apart(x, LEAST_MANTISSA)
    g = m - 1
    high, low = fused_sum(g, number(LOG2_SLOPE, g), n)
    return log_or_limit(x, high + fma(g, horner(LOG2[x.dtype], g), low))


@for_numbers_too
def log10(x):
    """The logarithm to the base 10."""
    return _log(x, LOG10E, LOG10_2, LOG10_2_SHORT)


ROOT_HALF = PerType(float32=0x3F3504F4)                      # the least float32 number above sqrt(1/2)
HALF_ROOT = Fraction("0.7937005259840997373758528196361541301957466639499")     # 2^(-1/3)
SINGLE_ENDS = -200.0, 200.0                                  # e^z is 0, and infinite, in float32
FAR_EXPONENT = 1e6                                           # e^z is 0 or infinite, and a low part's product, too
GREATEST_EXPONENT = 750.0                                    # e^z is infinite even times the least log x, 2^-53


def _cbrt_of_size(a, dtype):
    """The cube root of a > 0 as a scaled pair: r of about m^(-1/3), whose error a step cubes, then m r^2, with what it
    lacks."""
    n, m = taken_apart(a)
    shifted = fma(n, Fraction(1, 3), ROUND[a.dtype])
    third = n - 3 * (shifted - ROUND[a.dtype])
    up, down = third > 0.5, third < -0.5
    r = horner(CBRT[dtype], m) * where(up, number(HALF_ROOT, a), where(down, number(1 / HALF_ROOT, a), 1))
    m = m * where(up, number(2, a), where(down, number(0.5, a), 1))
    h = fma(-m * r, r * r, 1)
    r = fma(r * h, fma(h, Fraction(2, 9), Fraction(1, 3)), r)
    square = r * r
    y = m * square
    y2, y2_low = two_product(y, y)
    rest = fma(-y2_low, y, fma(-y2, y, m)) * (square * Fraction(1, 3))
    return Scaled(fast_two_sum(y, rest), power_of_two(shifted))


@through_float64
def cbrt(x, dtype):
    """The cube root."""
    a = abs(x)
    y, power = _cbrt_of_size(a, dtype)
    return copysign(where((a > 0) & (a <= LARGEST), rounded(y) * power, a), x)


@through_float64
def cbrt_slope(x, dtype):
    """1 / (3 y^2) of y = cbrt x."""
    a = abs(x)
    y, power = _cbrt_of_size(a, dtype)
    y = magnified(y) if dtype == "float64" else y               # its error counts twice
    slope = rounded_quotient(exact(1, x), multiply(multiply(y, y), exact(3, x))) / power / power
    return where((a > 0) & (a <= LARGEST), slope, 1 / a)


@through_float64
def hypot(x, y, dtype):
    """sqrt(x^2 + y^2)."""
    x, y = abs(x), abs(y)
    larger = where(x > y, x, y)
    up, down = where(larger < 2.0**-400, number(2.0**600, x), 1), where(larger > 2.0**400, number(2.0**-600, x), 1)
    if dtype == "float64":
        x, y = x * up * down, y * up * down
    length = sqrt(fma(x, x, y * y))
    if dtype == "float64":
        length = length / up / down
    infinite = (x > LARGEST) | (y > LARGEST)
    return where(infinite, number(float("inf"), x), length)


def _log_fine(x):
    """log x for x > 0 as a pair, to 2^-64: n ln 2 + 2 atanh(s) of s = g / (2 + g), 1 + g the mantissa."""
    n, m = taken_apart(x)
    ln2 = multiply(Pair(n), split(LN2, x))
    return add_any(ln2, _twice_atanh(divide(Pair(m - 1), two_sum(number(1, x), m))))


def _twice_atanh(s):
    """log((1 + s) / (1 - s)) of a pair |s| <= 0.1716."""
    square = multiply(s, s)
    series = multiply(multiply(s, square), polynomial(ATANH[s.high.dtype], [split(Fraction(1, 3), s.high)], square))
    return scaled(add(s, series), 2)


def log1p_fine(e):
    """log(1 + e) of a pair 0 <= e <= 1, to 2^-64 where it holds float64 numbers."""
    upper = e.high > 0.414                                       # then log 2 + log(1 + (e - 1) / 2)
    n = where(upper, add_any(exact(-1, e.high), e), e)
    d = add_any(where(upper, exact(3, e.high), exact(2, e.high)), e)
    nothing = number(0, e.high)
    return add_any(where(upper, split(LN2, e.high), Pair(nothing, nothing)), _twice_atanh(divide(n, d)))


def log_single(x, rest=None):
    """log(x + rest) for a normal x, to 2^-36."""
    n, m, unit = exponent_and_mantissa(x)
    return _log_single_of(to_float(n), m - 1 if rest is None else fma(rest, unit, m - 1))


def _log_single_of(n, g):
    """log of 2^n (1 + g)."""
    return fma(n, LN2, fma(g * g, horner(LOG1P_SHORT[g.dtype], g), g))


def _exp_single(z):
    """e^z, to 2^-25 where it is no less than the least float32 number."""
    z = bounded(z, *SINGLE_ENDS)
    shifted = fma(z, LOG2E, ROUND[z.dtype])
    r = fma(z, LOG2E, ROUND[z.dtype] - shifted)
    q = fma(horner(EXP2["float32"], r), r, LN2)
    return fma(r, q, 1) * power_of_two(shifted)


def _exponential_of_product(log, y, factor, dtype):
    """factor(log) e^(log y) of pairs."""
    if dtype == "float32":
        return factor(log).high * _exp_single(log.high * y.high)
    high, low = magnified(multiply(log, y))
    near = abs(high) < FAR_EXPONENT
    e, grow = exp_pair(high, where(near, low, 0), GREATEST_EXPONENT)
    multiplier = factor(log)
    return where(near, rounded_product(e, multiplier), e.high * multiplier.high) * grow


def _raised_size(a, exponent, factor, dtype):
    """A factor of log a, both pairs, times a >= 0 to the power of the pair `exponent`."""
    log = Pair(log_single(a)) if dtype == "float32" else magnified(_log_fine(a))
    log = log._replace(high=where(a == 0, float("-inf"), where(a > LARGEST, float("inf"), log.high)))
    return _exponential_of_product(log, exponent, factor, dtype)


def _signed(size, x, y):
    """A size with the sign of x to the whole number y, and NaN where x is negative and y no whole number."""
    half = 0.5 * y
    whole = build("eq", rounded_to_even(y), y)
    odd = whole & ~build("eq", rounded_to_even(half), half)
    undefined = (x < 0) & ~whole & (abs(x) <= LARGEST)
    return unless_nan(x, where((copysign(1, x) < 0) & odd, -size, where(undefined, float("nan"), size)))


def _raised(x, y, exponent, factor, dtype):
    return _signed(_raised_size(abs(x), exponent, factor, dtype), x, y)


def _power_of_size(a, y):
    """a^y; float32 numbers are taken apart before they are float64, for which AVX2 lacks the instructions."""
    if a.dtype == "float64":
        return _raised_size(a, Pair(y), lambda log: exact(1, a), a.dtype)
    n, m = taken_apart(a, ROOT_HALF)
    n = where(a == 0, float("-inf"), where(a > LARGEST, float("inf"), n))
    return _power_of_parts(n, m, y)


@through_float64
def _power_of_parts(n, m, y, dtype):
    return _exp_single(_log_single_of(n, m - 1) * y)


@for_numbers_too
def power(x, y):
    """x to the power y, with C's rules for zeros, infinities and NaN."""
    one = (y == 0) | (x == 1) | ((abs(x) == 1) & (abs(y) > LARGEST))
    return where(one, number(1, x), _signed(_power_of_size(abs(x), y), x, y))


@through_float64
def power_in_base(x, y, dtype):
    """y x^(y - 1): 0 for y = 0, and NaN where it is infinity times 0."""
    a = abs(x)
    slope = _raised(x, y - 1, two_sum(y, number(-1, y)), lambda log: Pair(y), dtype)
    grows = (a == 1) | ((a - 1) * y > 0)
    slope = where(abs(y) > LARGEST, where(grows, y, float("nan")), slope)
    return where(y == 0, number(0, x), where((y == 1) & (a >= 0), number(1, x), slope))


@through_float64
def power_in_exponent(x, y, dtype):
    """x^y log x: 0 for x = 0 and y > 0, NaN for x < 0, and where it is 0 times infinity."""
    undefined = (x < 0) | ((x > LARGEST) & (y < 0))
    slope = where(undefined, number(float("nan"), x), _raised(x, y, Pair(y), lambda log: log, dtype))
    return where(((x == 0) & (y > 0)) | (x == 1), number(0, x), slope)


@through_float64
def exp2_slope(x, dtype):
    """2^x log 2."""
    if dtype == "float32":
        return exp2(x) * LN2
    far = x > 1000                                               # where 2^x overflows before its slope
    slope = rounded_product(Pair(exp2(where(far, x - 1, x))), split(LN2, x))
    return slope * where(far, number(2, x), 1)


@through_float64
def log2_slope(x, dtype):
    """log_2 e / x, NaN below 0."""
    return where(x >= 0, LOG2E / abs(x), float("nan"))


@through_float64
def log10_slope(x, dtype):
    """log_10 e / x, NaN below 0."""
    return where(x >= 0, LOG10E / abs(x), float("nan"))


@through_float64
def log1p_slope(x, dtype):
    """1 / (1 + x), NaN below -1."""
    return where(x >= -1, 1 / abs(1 + x), float("nan"))


@through_float64
def sqrt_slope(x, dtype):
    """1 / (2 sqrt(x))."""
    return 0.5 / sqrt(x)


@through_float64
def hypot_slope(x, y, dtype):
    """x / hypot(x, y), where the larger square is not rounded."""
    if dtype == "float64":
        larger = abs(x) > abs(y)
        return x / hypot(where(larger, x, y), where(larger, y, x))
    return x / hypot(x, y)
