"""A tree's true value, by mpmath: for judging what is computed."""
import functools
import operator
from fractions import Fraction

from .operations import MATHEMATICS, TRUTHS

DIGITS, MOST = 60, 1300                          # to begin with, and at most
CORRECT = 100                                    # bits of the result
BITS = 10 / 3                                    # a digit
NEVER, DUST = -(1 << 40), -2200                  # exponents of no error at all, and of what every dtype takes for 0
# the size of the derivative, as an exponent, from those of the value and of the operand; see `steepness` for others
STEEPNESS = {
    "sqrt": lambda value, x: -value, "exp": lambda value, x: value, "expm1": lambda value, x: max(value, 0) + 1,
    "log": lambda value, x: 1 - x, "log1p": lambda value, x: 1,
    **dict.fromkeys(("tanh", "sin", "cos", "atan", "asinh"), lambda value, x: 0),
}


def exactly(tree, arguments):
    """The value at these arguments, by name, right to a hundred bits.

    Beside every number goes a bound of its error; where that of the result is too large, more digits are taken.  Of a
    choice only the branch taken is evaluated; a comparison with NaN chooses neither, and the choice is NaN.
    """
    digits = DIGITS
    while True:
        value, error = _evaluator(digits).run(tree, arguments)
        excess = error - max(_exponent(value) - CORRECT, DUST)
        if excess <= 0 or digits >= MOST:
            return number(value)
        digits = min(DIGITS * (1 + int(excess / BITS + digits) // DIGITS), MOST)


def number(value):
    """An mpmath number; sums of such numbers are right to sixty digits."""
    return _evaluator(DIGITS).number(value)


def _exponent(value):
    """The least k for which |value| < 2^k."""
    _, _, exponent, bits = value._mpf_
    return exponent + bits if value else NEVER


@functools.cache
def _evaluator(digits):
    return _Evaluator(digits)


class _Evaluator:
    """Trees at a fixed number of digits; every value is a number with the exponent of its error."""

    def __init__(self, digits):
        try:
            import mpmath
        except ModuleNotFoundError:
            raise ModuleNotFoundError('the true values need mpmath: pip install "numba_act[accuracy]"',
                                      name="mpmath") from None
        m = self.context = mpmath.MPContext()
        m.dps = digits
        self.number, self.nan, self.bits = m.mpf, m.nan, m.prec - 2
        self.functions = {
            "pow": m.power, "lgamma": m.loggamma, "exp2": lambda x: m.power(2, x), "log2": lambda x: m.log(x, 2),
            "maximum": max, "minimum": min,
        }
        self.constants = {}

    def run(self, tree, arguments):
        values, stack = {}, [tree]
        while stack:
            node = stack[-1]
            needed = self.needed(node, values)
            missing = [a for a in needed if a not in values]
            stack += missing
            if not missing:
                values[stack.pop()] = self.value(node, arguments, [values[a] for a in needed])
        return values[tree]

    @staticmethod
    def needed(node, values):
        """The operands on which the value depends: of a choice the condition, and then the branch taken."""
        if node.op != "where" or node.args[0] not in values:
            return node.args[:1] if node.op == "where" else node.args
        condition, a, b = node.args
        truth, _ = values[condition]
        return (condition,) if truth != truth else (condition, a if truth else b)

    def value(self, node, arguments, operands):
        if node.op == "argument":
            return self.number(arguments[node.value]), NEVER
        if node.op == "constant":
            return self.constant(node)
        if any(v != v for v, _ in operands):
            return self.nan, NEVER
        return self.call(node.value.name, *operands) if node.op == "call" else RULES[node.op](self, *operands)

    def constant(self, node):
        if node not in self.constants:
            exact = node.value
            value = (self.number(exact.numerator) / exact.denominator if isinstance(exact, Fraction) else
                     self.number(exact) if node.kind == "float" else exact)
            whole = not isinstance(exact, Fraction) or exact.denominator & (exact.denominator - 1) == 0
            self.constants[node] = value, NEVER if whole else _exponent(value) - self.bits
        return self.constants[node]

    # operations on numbers with errors
    def rounded(self, value, *errors):
        """A value, with the largest of the errors and its rounding."""
        if not hasattr(value, "_mpf_"):          # a complex number
            return self.nan, NEVER
        return value, max(*errors, _exponent(value) - self.bits, NEVER) + 1

    def add(self, a, b):
        return self.rounded(a[0] + b[0], a[1], b[1])

    def sub(self, a, b):
        return self.rounded(a[0] - b[0], a[1], b[1])

    def mul(self, a, b):
        return self.rounded(a[0] * b[0], a[1] + _exponent(b[0]), b[1] + _exponent(a[0]))

    def fma(self, a, b, c):
        return self.add(self.mul(a, b), c)

    def div(self, a, b):
        value = a[0] / b[0] if b[0] else a[0] * self.context.inf
        size = 1 - _exponent(b[0])
        return self.rounded(value, a[1] + size, b[1] + size + _exponent(value))

    def neg(self, a):
        return -a[0], a[1]

    def abs(self, a):
        return abs(a[0]), a[1]

    def copysign(self, a, b):
        return -abs(a[0]) if b[0] < 0 else abs(a[0]), a[1]

    def sqrt(self, a):
        return self.call("sqrt", a)

    def whole(self, a, rounding):
        """A whole number; where the error hides which one, the error is 1."""
        value, error = a
        sure = error <= NEVER or rounding(value - self.context.ldexp(1, error)) == rounding(
            value + self.context.ldexp(1, error))
        return rounding(value), NEVER if sure else 1

    def floor(self, a):
        return self.whole(a, self.context.floor)

    def ceil(self, a):
        return self.whole(a, self.context.ceil)

    def trunc(self, a):
        return self.whole(a, self.context.floor if a[0] > 0 else self.context.ceil)

    def round(self, a):
        return self.whole(a, self.context.nint)

    def fmod(self, a, b):
        return self.sub(a, self.mul(self.trunc(self.div(a, b)), b))

    def where(self, condition, taken):
        return taken

    def call(self, name, *operands):
        value = (self.functions.get(name) or getattr(self.context, name))(*[v for v, _ in operands])
        if not hasattr(value, "_mpf_"):
            return self.nan, NEVER
        errors = []
        for x, error in operands:
            steep = STEEPNESS.get(name, self.steepness)(_exponent(value), _exponent(x))
            errors.append(error + steep if error > NEVER // 2 else NEVER)
        return self.rounded(value, *errors)

    @staticmethod
    def steepness(value, x):
        """That of functions that fall or grow no faster than e^(x^2), or as a power."""
        return value - x + 2 * max(0, x) + 2


def _truth(holds):
    return lambda evaluator, *operands: (holds(*[v for v, _ in operands]), NEVER)


RULES = {                                        # the evaluator, its numbers with errors -> a number with its error
    **{op: getattr(_Evaluator, op) for op in MATHEMATICS},
    **{op: _truth(getattr(operator, op, None) or getattr(operator, f"{op}_")) for op in TRUTHS},
}
