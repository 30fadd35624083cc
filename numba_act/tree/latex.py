"""A tree as a LaTeX formula, from the operands up: every part is written once."""
import re
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

from .call import Function
from .node import constant, in_order

SYMBOL = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne", "and": r"\land", "or": r"\lor"}
GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "rho", "sigma",
         "tau", "phi", "psi", "omega"}
EXTREMES = {"ge": "max", "gt": "max", "le": "min", "lt": "min", "maximum": "max", "minimum": "min"}
UPRIGHT = {"log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}
LONGEST = 1000                                   # characters; a longer formula explains nothing
DEEPEST = 12                                     # groups within groups; matplotlib's parser ends at 20 or so
CASES, SUM, SIGNED, PRODUCT, POWER, ATOM = range(6)      # how tightly a text binds; SIGNED: it begins with a minus


class Text(NamedTuple):
    """How a node is written.

    rows : the cases of a choice
    factors, negative : what a product is of, and how often; whether a minus stands before them
    """
    text: str
    binds: int = ATOM
    rows: tuple = ()
    factors: Counter | None = None
    negative: bool = False

    def within(self, place):
        """In parentheses where it binds less tightly than its place asks for."""
        return self.text if self.binds >= place else rf"\left({self.text}\right)"


def latex(node):
    """The formula of a tree; None where it would be too long or too deep to read, or has no sign for a part."""
    texts = {}
    for part in in_order([node]):
        rule = _call if part.op == "call" else _leaf if not part.args else RULES.get(part.op)
        if rule is None:
            return None
        texts[part] = rule(part, texts)
        if len(texts[part].text) > LONGEST:
            return None
    text = texts[node].text
    return text if _depth(text) <= DEEPEST else None


def _depth(text):
    deepest = depth = 0
    for sign in re.findall(r"\\left\b|\\right\b|[{}]", text):
        depth += 1 if sign in (r"\left", "{") else -1
        deepest = max(deepest, depth)
    return deepest


def _leaf(node, texts):
    if node.op == "argument":
        return Text(_name(node.value))
    if isinstance(node.value, Fraction) and node.value < 0:
        positive = constant(-node.value, "float", node.dtype)
        texts[positive] = _leaf(positive, texts)
        return _product(Counter([positive]), True, texts)
    return Text(*_constant(node.value))


def _call(node, texts):
    function, args = node.value, [texts[a] for a in node.args]
    library = isinstance(function, Function)
    if library and function.name == "exp":
        return Text(f"e^{{{args[0].text}}}", POWER)
    if library and function.name == "pow":
        return Text(f"{args[0].within(ATOM)}^{{{args[1].text}}}", POWER)
    if library and function.name == "floor_divide":
        return Text(rf"\left\lfloor {_quotient(*args).text} \right\rfloor")
    if library and function.name == "remainder":
        return Text(rf"{args[0].within(POWER)} \; \mathrm{{mod}} \; {args[1].within(POWER)}", PRODUCT)
    return _function(EXTREMES.get(function.name, function.name), args, library)


def _function(name, args, library=True):
    shown = rf"\{name}" if library and name in UPRIGHT else rf"\operatorname{{{_escaped(name)}}}"
    return Text(rf"{shown}\left({', '.join(a.text for a in args)}\right)")


def _sum(a, b):
    a, b = a.within(SUM), b.within(SUM)
    return Text(f"{a} - {b[1:]}" if b.startswith("-") else f"{a} + {b}", SUM)


def _difference(a, b):
    rest = f"+ {b.text[1:]}" if b.binds == SIGNED else f"- {b.within(PRODUCT)}"
    return Text(f"{a.within(SUM)} {rest}", SUM)


def _multiplied(nodes, negative, texts):
    """Of nodes that may be products themselves."""
    factors = Counter()
    for node in nodes:
        factors.update(texts[node].factors or (node,))
        negative ^= texts[node].negative
    return _product(factors, negative, texts)


def _product(factors, negative, texts):
    """Signs and numbers first, equal factors as powers."""
    parts = [texts[f].within(PRODUCT) if n == 1 else f"{texts[f].within(ATOM)}^{{{n}}}"
             for f, n in sorted(factors.items(), key=lambda item: item[0].op != "constant")]
    text = parts[0] + "".join((r" \cdot " if p[0].isdigit() else r" \, ") + p for p in parts[1:])
    binds = SIGNED if negative else PRODUCT if len(parts) > 1 else POWER
    return Text("-" * negative + text, binds, factors=factors, negative=negative)


def _quotient(a, b):
    if a.binds == SIGNED:
        return Text(rf"-\frac{{{a.text[1:]}}}{{{b.text}}}", SIGNED)
    return Text(rf"\frac{{{a.text}}}{{{b.text}}}", POWER)


def _choice(node, texts):
    condition, a, b = node.args
    if condition.args == (a, b) and condition.op in EXTREMES:
        return _function(EXTREMES[condition.op], (texts[a], texts[b]))
    rows = (rf"{texts[a].text} & {texts[condition].text} \\",
            *(texts[b].rows or [rf"{texts[b].text} & \text{{otherwise}}"]))
    return Text(rf"\begin{{cases}} {' '.join(rows)} \end{{cases}}", CASES, rows)


def _of_texts(write):
    return lambda node, texts: write(*[texts[a] for a in node.args])


def _between(sign):
    return _of_texts(lambda a, b: Text(f"{a.within(SUM)} {sign} {b.within(SUM)}", CASES))


def _named(op):
    return _of_texts(lambda *args: _function(op, args))


RULES = {                                        # node, its operands' texts -> its own
    "add": _of_texts(_sum),
    "sub": _of_texts(_difference),
    "mul": lambda node, texts: _multiplied(node.args, False, texts),
    "neg": lambda node, texts: _multiplied(node.args, True, texts),
    "div": _of_texts(_quotient),
    "fma": lambda node, texts: _sum(_multiplied(node.args[:2], False, texts), texts[node.args[2]]),
    "abs": _of_texts(lambda a: Text(rf"\left|{a.text}\right|")),
    "sqrt": _of_texts(lambda a: Text(rf"\sqrt{{{a.text}}}")),
    **{op: _named(op) for op in ("copysign", "trunc", "round", "fmod")},
    "floor": _of_texts(lambda a: Text(rf"\left\lfloor {a.text} \right\rfloor")),
    "ceil": _of_texts(lambda a: Text(rf"\left\lceil {a.text} \right\rceil")),
    "where": _choice,
    "not": _of_texts(lambda a: Text(rf"\lnot {a.within(ATOM)}", ATOM)),
    **{op: _between(sign) for op, sign in SYMBOL.items()},
}


def _name(name):
    if name in GREEK:
        return "\\" + name
    return name if len(name) == 1 and name.isalpha() else rf"\mathrm{{{_escaped(name)}}}"


def _escaped(name):
    return re.sub(r"[<>]", "", name).replace("_", r"\_")


def _constant(value):
    if isinstance(value, str):
        return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(value, "0"), ATOM
    if not isinstance(value, Fraction) or (value.denominator == 1 and value < 10**9):
        return str(value), ATOM
    rounded = re.sub(r"e([+-])0*(\d+)$", lambda m: rf" \cdot 10^{{{m[1].strip('+')}{m[2]}}}", f"{_float(value):.6g}")
    return rounded, PRODUCT if "cdot" in rounded else ATOM


def _float(value):
    try:
        return float(value)
    except OverflowError:
        return float("inf")
