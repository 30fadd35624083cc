"""Derive the polynomials of numba_act/scalar from their definitions, and print how exact each one is.

    python ci/coefficients.py            rewrites numba_act/scalar/coefficients.py
    python ci/coefficients.py --offsets  searches the offset k of MILLS again

Chebyshev fits at 60 digits (mpmath.chebyfit), coefficients rounded to the working type.  The bound printed is the
relative error that the rounded polynomial leaves in the function it serves, in units of the working type's rounding
error (2^-24, 2^-53), before any rounding in evaluation.
"""
import sys
from pathlib import Path

import mpmath as mp
import numpy as np

TARGET = Path(__file__).parent.parent / "numba_act" / "scalar" / "coefficients.py"
BITS = {"float32": 24, "float64": 53}
EIGHTH = "0.61702"                                # (pi / 4)^2, and what n nearest to 2^-13 adds
LAST = {"float32": 14.4, "float64": 39}          # beyond, Q underflows
# MILLS: of the offsets near the best convergence, those whose leading coefficients happen to round least
OFFSET = {"float32": 2.34375, "float64": 3.96875}
OFFSET_FAST = {"float32": 3.375, "float64": 4.75}                # likewise of MILLS_FAST and MILLS_SLOPE_FAST
LOG2_SLOPE = mp.mpf(47) / 32                                     # of LOG2: the rest is then least where its errors show


def exp_rest(r):
    """(e^r - 1 - r) / r^2"""
    return (mp.exp(r) - 1 - r) / r**2 if abs(r) > 1e-20 else mp.mpf(1) / 2


def log1p_rest(g):
    """(log(1+g) - g) / g^2"""
    return (mp.log1p(g) - g) / g**2 if abs(g) > 1e-20 else -mp.mpf(1) / 2


def tanhshrink_rest(w):
    """((x - tanh x) / x^3 - 1/3) / x^2, w = x^2"""
    x = mp.sqrt(w)
    return ((x - mp.tanh(x)) / x**3 - mp.mpf(1) / 3) / w if w > 1e-12 else -mp.mpf(2) / 15 + 17 * w / 315


def logcosh_rest(w):
    """(log(cosh x) / x^2 - 1/2) / x^2, w = x^2"""
    return (mp.log(mp.cosh(mp.sqrt(w))) / w - 0.5) / w if w > 1e-12 else -mp.mpf(1) / 12 + w / 45


def celu_rest(z):
    """((1 - e^z (1 - z)) / z^2 - 1/2 - z/3) / z^2"""
    return ((1 - mp.exp(z) * (1 - z)) / z**2 - 0.5 - z / 3) / z**2 if abs(z) > 1e-9 else mp.mpf(1) / 8 + z / 30


def sine_rest(w):
    """(sin r / r - 1) / r^2, w = r^2"""
    r = mp.sqrt(w)
    return (mp.sin(r) / r - 1) / w if w > 1e-20 else -mp.mpf(1) / 6 + w / 120


def cosine_rest(w):
    """(cos r - 1 + r^2 / 2) / r^4, w = r^2"""
    return (mp.cos(mp.sqrt(w)) - 1 + w / 2) / w**2 if w > 1e-15 else mp.mpf(1) / 24 - w / 720


def sine_square_rest(w):
    """(sin^2 r / r^2 - 1) / r^2, w = r^2"""
    r = mp.sqrt(w)
    return ((mp.sin(r) / r) ** 2 - 1) / w if w > 1e-20 else -mp.mpf(1) / 3 + 2 * w / 45


def exp2_rest(r):
    """(2^r - 1 - r log 2) / r^2"""
    return (2**r - 1 - r * mp.log(2)) / r**2 if abs(r) > 1e-15 else mp.log(2)**2 / 2 + r * mp.log(2)**3 / 6


def atan_rest(w):
    """(atan t / t - 1) / t^2, w = t^2"""
    t = mp.sqrt(w)
    return (mp.atan(t) / t - 1) / w if w > 1e-15 else -mp.mpf(1) / 3 + w / 5


def atanh_rest(w):
    """((atanh s / s - 1) / s^2 - 1/3) / s^2, w = s^2"""
    s = mp.sqrt(w)
    return ((mp.atanh(s) / s - 1) / w - mp.mpf(1) / 3) / w if w > 1e-15 else mp.mpf(1) / 5 + w / 7


def erf_rest(w):
    """(erf x / x - 2 / sqrt(pi)) / x^2, w = x^2"""
    x = mp.sqrt(w)
    return (mp.erf(x) / x - 2 / mp.sqrt(mp.pi)) / w if w > 1e-15 else (w / 5 - mp.mpf(2) / 3) / mp.sqrt(mp.pi)


def log_erfc(a):
    """log(1 - erf a)"""
    return mp.log(mp.erfc(a))


def mills_scaled(k):
    """Q(a) e^(a^2/2) (a+k), Q the upper tail of the normal distribution, as a function of w = a/(a+k) - 1/2"""
    def scaled(w):
        a = k * (w + 0.5) / (0.5 - w)
        return mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2 * (a + k)
    return scaled


def fit(dtype, function, interval, degree, relative_error):
    """Coefficients, highest power first, and the worst of relative_error(w, polynomial(w)) over the interval."""
    coefficients = [rounded(c, dtype) for c in mp.chebyfit(function, interval, degree + 1)]
    points = mp.linspace(*interval, 200)
    worst = max(abs(relative_error(w, mp.polyval(coefficients, w))) for w in points)
    return coefficients, float(worst * 2 ** BITS[dtype])


def rounded(value, dtype):
    return mp.mpf(float(np.dtype(dtype).type(float(value))))


def fit_exp(dtype, degree):
    h = mp.log(2) / 2 * mp.mpf("1.0005")
    return fit(dtype, exp_rest, [-h, h], degree, lambda r, q: (1 + r + r * r * q) / mp.exp(r) - 1)


def fit_log1p(dtype, degree):
    return fit(dtype, log1p_rest, [mp.mpf("-0.2929"), mp.mpf("0.5001")], degree,
               lambda g, q: (g + g * g * q) / mp.log1p(g) - 1 if g else 0)


def fit_mills(dtype, degree, k=None):
    k = mp.mpf(k or OFFSET[dtype])
    f = mills_scaled(k)
    interval = [mp.mpf(-0.5), mp.mpf(LAST[dtype]) / (LAST[dtype] + k) - 0.5]
    return fit(dtype, f, interval, degree, lambda w, p: p / f(w) - 1)


def fit_after(constants, rest, interval):
    """A fit of p in 1/c0 + w (1/c1 + w (... + w p(w)))."""
    def whole(w, p):
        for c in reversed(constants):
            p = mp.mpf(1) / c + w * p
        return p

    def fitter(dtype, degree):
        return fit(dtype, rest, [mp.mpf(end) for end in interval], degree,
                   lambda w, p: whole(w, p) / whole(w, rest(w)) - 1)
    return fitter


def fit_mills_slope(dtype, degree):
    """(Q(a) e^(a^2/2) - a / sqrt(2 pi)) / (A - a), A the zero of the numerator, in MILLS_FAST's variable"""
    def slope(a):
        return mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2 - a / mp.sqrt(2 * mp.pi)

    def ratio(w):
        a = k * (w + 0.5) / (0.5 - w)
        return slope(a) / (zero - a) if abs(a - zero) > 1e-25 else -mp.diff(slope, zero)

    zero, k = mp.findroot(slope, 0.75), mp.mpf(OFFSET_FAST[dtype])
    interval = [mp.mpf(-0.5), mp.mpf(LAST[dtype]) / (LAST[dtype] + k) - 0.5]
    return fit(dtype, ratio, interval, degree, lambda w, p: p / ratio(w) - 1)


def fit_mills_fast(dtype, degree):
    return fit_mills(dtype, degree, OFFSET_FAST[dtype])


def fit_cosine(dtype, degree):
    return fit(dtype, cosine_rest, [0, mp.mpf(EIGHTH)], degree,
               lambda w, p: (1 - w / 2 + w * w * p) / mp.cos(mp.sqrt(w)) - 1)


def fit_sine_square(dtype, degree):
    return fit(dtype, sine_square_rest, [0, mp.mpf("2.4675")], degree,
               lambda w, p: (w + w * w * p) / mp.sin(mp.sqrt(w))**2 - 1 if w else 0)


def fit_exp2(dtype, degree):
    return fit(dtype, exp2_rest, [mp.mpf("-0.5001"), mp.mpf("0.5001")], degree,
               lambda r, q: (1 + r * mp.log(2) + r * r * q) / 2**r - 1)


def fit_odd(function, rest, factors, end):
    """A fit of p in x (c0 + w (c1 + w (... + w p(w)))), w = x^2, up to x^2 = end."""
    def fitter(dtype, degree):
        def error(w, p):
            for c in reversed(factors):
                p = c + w * p
            return p * mp.sqrt(w) / function(mp.sqrt(w)) - 1 if w else 0
        return fit(dtype, rest, [0, mp.mpf(end)], degree, error)
    return fitter


def fit_log_erfc(dtype, degree):
    """The error that counts is that of 1 - e^p."""
    return fit(dtype, log_erfc, [mp.mpf("0.9"), mp.mpf("3.93")], degree,
               lambda a, p: (mp.exp(p) - mp.erfc(a)) / mp.erf(a))


def fit_log2(dtype, degree):
    def rest(g):
        return mp.log1p(g) / mp.log(2) / g - LOG2_SLOPE if g else 1 / mp.log(2) - LOG2_SLOPE
    return fit(dtype, rest, [mp.mpf("-0.33004"), mp.mpf("0.34004")], degree,
               lambda g, q: g * (LOG2_SLOPE + q) * mp.log(2) / mp.log1p(g) - 1 if g else 0)


def fit_cbrt(dtype, degree):
    return fit(dtype, lambda m: 1 / mp.cbrt(m), [mp.mpf("0.707"), mp.mpf("1.4143")], degree,
               lambda m, p: p * mp.cbrt(m) - 1)


FITS = {
    "SINE": (fit_odd(mp.sin, sine_rest, [1], EIGHTH), "(sin r / r - 1)/r^2 in w = r^2 up to pi/4",
             {"float32": 3, "float64": 6}),
    "COSINE": (fit_cosine, "(cos r - 1 + r^2/2)/r^4 in w = r^2 up to pi/4", {"float32": 2, "float64": 5}),
    "SINE_SQUARE": (fit_sine_square, "(sin^2 r / r^2 - 1)/r^2 in w = r^2 up to pi/2, for float32 results",
                    {"float64": 5}),
    "SINE_WIDE": (fit_odd(mp.sin, sine_rest, [1], "2.6"),
                  "(sin r / r - 1)/r^2 in w = r^2 up to pi/2, for float32 results", {"float64": 4}),
    "EXP2": (fit_exp2, "(2^r - 1 - r log 2)/r^2 on |r| <= 1/2", {"float32": 4, "float64": 9}),
    "ATAN": (fit_odd(mp.atan, atan_rest, [1], "0.1717"), "(atan t / t - 1)/t^2 in w = t^2 up to tan^2(pi/8)",
             {"float32": 4, "float64": 11}),
    "ATANH": (fit_odd(mp.atanh, atanh_rest, [1, mp.mpf(1) / 3], "0.02945"),
              "(atanh s / s - 1 - s^2/3)/s^4 in w = s^2 up to 0.0294", {"float32": 2, "float64": 6}),
    "ERF": (fit_odd(mp.erf, erf_rest, [2 / mp.sqrt(mp.pi)], "0.81"),
            "(erf x / x - 2/sqrt(pi))/x^2 in w = x^2 up to 0.81", {"float32": 5, "float64": 11}),
    "LOG_ERFC": (fit_log_erfc, "log(1 - erf a) on [0.9, 3.93]", {"float32": 9}),
    "LOG2": (fit_log2, "log2(1+g)/g - 47/32 on [-0.33, 0.34]", {"float32": 9}),
    "CBRT": (fit_cbrt, "m^(-1/3) on [0.707, 1.414]", {"float32": 4, "float64": 5}),
    "EXP": (fit_exp, "(e^r - 1 - r)/r^2 on |r| <= ln2/2", {"float32": 5, "float64": 10}),
    "EXP_FAST": (fit_exp, "the same", {"float32": 4, "float64": 9}),
    "LOG1P": (fit_log1p, "(log(1+g) - g)/g^2 on [-0.293, 0.5]", {"float32": 10, "float64": 21}),
    "LOG1P_SHORT": (fit_log1p, "the same, for float32 results that magnify it 150 times", {"float64": 12}),
    "LOG1P_FAST": (fit_log1p, "the same", {"float32": 8, "float64": 19}),
    "MILLS": (fit_mills, "Q(a) e^(a^2/2) (a+k) in w = a/(a+k) - 1/2", {"float32": 10, "float64": 23}),
    "MILLS_FAST": (fit_mills_fast, "the same with another k", {"float32": 9, "float64": 21}),
    "MILLS_SLOPE_FAST": (fit_mills_slope, "(Q(a) e^(a^2/2) - a / sqrt(2 pi)) / (0.75... - a), likewise",
                         {"float32": 8, "float64": 19}),
    "TANHSHRINK": (fit_after([3], tanhshrink_rest, (0, "0.391")),
                   "((x - tanh x)/x^3 - 1/3)/x^2 in w = x^2 up to 0.391", {"float32": 5, "float64": 13}),
    "LOGCOSH": (fit_after([2], logcosh_rest, (0, "0.391")),
                "(log(cosh x)/x^2 - 1/2)/x^2 in w = x^2 up to 0.391", {"float32": 4, "float64": 11}),
    "CELU": (fit_after([2, 3], celu_rest, ("-0.7", "0.7")),
             "((1 - e^z (1 - z))/z^2 - 1/2 - z/3)/z^2 on |z| <= 0.7", {"float32": 5, "float64": 12}),
}


def write():
    blocks = []
    for name, (fitter, comment, degrees) in FITS.items():
        rows = []
        for dtype, degree in degrees.items():
            coefficients, error = fitter(dtype, degree)
            note = f"{comment}, degree {degree}, error {error:.2f} * 2^-{BITS[dtype]}"
            print(f"{name} {dtype}: {note}")
            rows.append(f"    # {note}\n    {dtype}=({', '.join(repr(float(c)) for c in coefficients)}),\n")
        blocks.append(f"{name} = PerType(\n{''.join(rows)})\n")
    for name, of, k in ("OFFSET", "MILLS", OFFSET), ("OFFSET_FAST", "MILLS_FAST and MILLS_SLOPE_FAST", OFFSET_FAST):
        blocks.append(f"# k of {of}\n{name} = PerType(float32={k['float32']}, float64={k['float64']})\n")
    TARGET.write_text('"""Polynomials, highest power first.  Written by ci/coefficients.py; do not edit."""\n'
                      "# ruff: noqa: E501\nfrom ..tree.node import PerType\n\n" + "\n".join(blocks))


def search_offsets():
    for dtype, centre, step in ("float32", 2.25, 128), ("float64", 4, 32):
        degree = FITS["MILLS"][2][dtype]
        found = min((fit_mills(dtype, degree, centre + j / step)[1], centre + j / step) for j in range(-40, 41))
        print(f"{dtype}: error {found[0]:.2f} * 2^-{BITS[dtype]} at k = {found[1]}")


if __name__ == "__main__":
    mp.mp.dps = 60
    search_offsets() if "--offsets" in sys.argv else write()
