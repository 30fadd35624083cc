"""A tree's true value, by mpmath: for judging what is computed."""
import functools
import operator
from fractions import Fraction

DIGITS, CORRECT, MOST = 60, 30, 1300             # to begin with, of the result, and enough for 2^1024 + 2^-2148
EVERYTHING = 10 * MOST // 3                      # the most that is lost, in bits
AMPLIFY = "log", "log2", "log10", "sin", "cos", "tan", "acos", "acosh", "lgamma", "fmod"   # near a zero not at 0


def exactly(tree, arguments):
    """The value at these arguments, by name, to thirty digits.

    As many more digits are worked with as all sums together cancel.  Of a choice only the branch taken is evaluated; a
    comparison with NaN chooses neither, and the choice is NaN.
    """
    digits = DIGITS
    while True:
        value, lost = _evaluator(digits).run(tree, arguments)
        needed = min(CORRECT + lost, MOST)
        if needed <= digits:
            return number(value)
        digits = -(-needed // DIGITS) * DIGITS


def number(value):
    """An mpmath number; sums of such numbers are right to sixty digits."""
    return _evaluator(DIGITS).number(value)


@functools.cache
def _evaluator(digits):
    return _Evaluator(digits)


class _Evaluator:
    """Trees at a fixed number of digits."""

    def __init__(self, digits):
        try:
            import mpmath
        except ModuleNotFoundError:
            raise ModuleNotFoundError('the true values need mpmath: pip install "numba_act[accuracy]"',
                                      name="mpmath") from None
        m = self.context = mpmath.MPContext()
        m.dps = digits
        self.number, self.nan = m.mpf, m.nan
        self.operations = {
            "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": self.quotient, "neg": operator.neg,
            "abs": abs, "fma": lambda a, b, c: a * b + c, "copysign": lambda a, b: -abs(a) if b < 0 else abs(a),
            **{name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne", "and_", "or_", "not_")},
        }
        self.operations |= {name: self.operations.pop(name + "_") for name in ("and", "or", "not")}
        self.functions = {
            "pow": m.power, "lgamma": m.loggamma, "exp2": lambda x: m.power(2, x), "log2": lambda x: m.log(x, 2),
            "trunc": lambda x: m.floor(x) if x > 0 else m.ceil(x), "maximum": max,
            "minimum": min,
        }
        self.constants = {}

    def run(self, tree, arguments):
        """The value, and about how many digits its sums lost."""
        self.arguments = {name: self.number(value) for name, value in arguments.items()}
        self.values, self.lost = {}, 0
        value = self.value(tree)
        return value, self.lost * 3 // 10

    def value(self, node):
        if node.op == "argument":
            return self.arguments[node.value]
        if node.op == "constant":
            return self.constant(node)
        value = self.values.get(node)
        if value is None:
            value = self.values[node] = self.computed(node)
        return value

    def computed(self, node):
        if node.op == "where":
            condition, a, b = node.args
            condition = self.value(condition)
            return self.nan if condition != condition else self.value(a if condition else b)
        operands = [self.value(a) for a in node.args]
        if any(o != o for o in operands):
            return self.nan
        if node.op in ("call", "sqrt"):
            return self.called(node.value.name if node.op == "call" else "sqrt", operands)
        value = self.operations[node.op](*operands)
        if node.op in ("add", "sub"):
            self.cancelled(operands, value)
        elif node.op == "fma":
            self.cancelled((operands[0] * operands[1], operands[2]), value)
        return value

    def called(self, name, operands):
        value = (self.functions.get(name) or getattr(self.context, name))(*operands)
        if not hasattr(value, "_mpf_"):          # a complex number
            return self.nan
        if name in AMPLIFY:
            self.cancelled((1, operands[0]), value)
        return value

    def constant(self, node):
        value = self.constants.get(node)
        if value is None:
            exact = node.value
            value = (self.number(exact.numerator) / exact.denominator if isinstance(exact, Fraction) else
                     self.number(exact) if node.kind == "float" else exact)
            self.constants[node] = value
        return value

    def cancelled(self, terms, value):
        """Note what a sum of these terms loses."""
        if all(terms):
            lost = max(map(self.magnitude, terms)) - self.magnitude(value) if value else EVERYTHING
            self.lost = min(self.lost + max(0, lost), EVERYTHING)

    def magnitude(self, value):
        """The least k for which |value| < 2^k."""
        _, _, exponent, bits = self.number(value)._mpf_
        return exponent + bits

    def quotient(self, a, b):
        return a / b if b else a * self.context.inf
