"""A tree as a LaTeX formula."""
import re
from collections import Counter
from fractions import Fraction

from .node import constant

SYMBOL = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne", "and": r"\land", "or": r"\lor"}
GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "rho", "sigma",
         "tau", "phi", "psi", "omega"}
EXTREMES = {"ge": "max", "gt": "max", "le": "min", "lt": "min", "maximum": "max", "minimum": "min"}
UPRIGHT = {"log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}
LONGEST = 1000                                   # characters; a longer formula explains nothing
CASES, SUM, SIGNED, PRODUCT, POWER, ATOM = range(6)      # how tightly a text binds; SIGNED: it begins with a minus


def latex(node):
    """The formula of a tree; None where it would be too long to read."""
    try:
        return _text(node)
    except (_TooLongError, RecursionError):
        return None


class _TooLongError(Exception):
    pass


def _text(node, at_least=CASES):
    """A node's text, in parentheses where it binds less tightly than its place asks for."""
    text, binds = _of(node)
    if len(text) > LONGEST:
        raise _TooLongError
    return text if binds >= at_least else rf"\left({text}\right)"


def _of(node):
    match node.op, node.args:
        case "argument", ():
            return _name(node.value), ATOM
        case "constant", ():
            return _constant(node.value)
        case "add", (a, b):
            return _sum(_text(a, SUM), _text(b, SUM)), SUM
        case "sub", (a, b):
            text, binds = _of(b)
            rest = f"+ {text[1:]}" if binds == SIGNED else f"- {_text(b, PRODUCT)}"
            return f"{_text(a, SUM)} {rest}", SUM
        case ("neg" | "mul"), _:
            return _product(node)
        case "div", (a, b):
            text, binds = _of(a)
            if binds == SIGNED:
                return rf"-\frac{{{text[1:]}}}{{{_text(b)}}}", SIGNED
            return rf"\frac{{{text}}}{{{_text(b)}}}", POWER
        case "fma", (a, b, c):
            return _sum(_text(a * b, SUM), _text(c, SUM)), SUM
        case "abs", (a,):
            return rf"\left|{_text(a)}\right|", ATOM
        case "sqrt", (a,):
            return rf"\sqrt{{{_text(a)}}}", ATOM
        case "where", (c, a, b) if c.args == (a, b) and c.op in EXTREMES:
            return _function(EXTREMES[c.op], (a, b)), ATOM
        case "where", _:
            return rf"\begin{{cases}} {' '.join(_rows(node))} \end{{cases}}", CASES
        case "not", (a,):
            return rf"\lnot {_text(a, ATOM)}", ATOM
        case op, (a, b) if op in SYMBOL:
            return f"{_text(a, SUM)} {SYMBOL[op]} {_text(b, SUM)}", CASES
        case "call", args:
            return _call(node.value, args)
        case op, args:
            return _function(op, args), ATOM


def _rows(node):
    condition, a, b = node.args
    rows = [rf"{_text(a)} & {_text(condition)} \\"]
    return rows + (_rows(b) if b.op == "where" else [rf"{_text(b)} & \text{{otherwise}}"])


def _call(function, args):
    name, library = function.name, function.define is None
    if library and name == "exp":
        return f"e^{{{_text(args[0])}}}", POWER
    if library and name == "pow":
        return f"{_text(args[0], ATOM)}^{{{_text(args[1])}}}", POWER
    return _function(EXTREMES.get(name, name), args, library), ATOM


def _function(name, args, library=True):
    shown = rf"\{name}" if library and name in UPRIGHT else rf"\operatorname{{{_escaped(name)}}}"
    return rf"{shown}\left({', '.join(map(_text, args))}\right)"


def _sum(a, b):
    return f"{a} - {b[1:]}" if b.startswith("-") else f"{a} + {b}"


def _product(node):
    """Signs and numbers first, equal factors as powers."""
    factors, stack = Counter(), [node]
    negative = False
    while stack:
        part = stack.pop()
        if len(stack) > LONGEST:
            raise _TooLongError
        if part.op == "mul":
            stack += reversed(part.args)
        elif part.op == "neg" or (part.op == "constant" and isinstance(part.value, Fraction) and part.value < 0):
            stack.append(part.args[0] if part.args else constant(-part.value, "float", part.dtype))
            negative = not negative
        else:
            factors[part] += 1
    texts = [_text(f, PRODUCT) if n == 1 else f"{_text(f, ATOM)}^{{{n}}}"
             for f, n in sorted(factors.items(), key=lambda item: item[0].op != "constant")]
    text = texts[0] + "".join((r" \cdot " if t[0].isdigit() else r" \, ") + t for t in texts[1:])
    return ("-" + text, SIGNED) if negative else (text, PRODUCT if len(texts) > 1 else POWER)


def _name(name):
    if name in GREEK:
        return "\\" + name
    return name if len(name) == 1 and name.isalpha() else rf"\mathrm{{{_escaped(name)}}}"


def _escaped(name):
    return re.sub(r"[<>]", "", name).replace("_", r"\_")


def _constant(value):
    if isinstance(value, str):
        return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(value, "0"), ATOM
    if not isinstance(value, Fraction):
        return str(value), ATOM
    if value < 0:
        return "-" + _constant(-value)[0], SIGNED
    if value.denominator == 1 and value < 10**9:
        return str(value), ATOM
    rounded = re.sub(r"e([+-])0*(\d+)$", lambda m: rf" \cdot 10^{{{m[1].strip('+')}{m[2]}}}", f"{_float(value):.6g}")
    return rounded, PRODUCT if "cdot" in rounded else ATOM


def _float(value):
    try:
        return float(value)
    except OverflowError:
        return float("inf")
