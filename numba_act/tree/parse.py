"""The source of a scalar function -> its tree.

The function's statements are run once with nodes for numbers.  Where a condition depends on a number both branches
run and `where` chooses; what depends on constants alone is decided at once.  A function of this package that is
called with nodes simply runs: it is written with `where`.  Any other Python function is parsed in its turn.
"""
import ast
import builtins
import inspect
import math
import operator
import textwrap
from fractions import Fraction
from types import FunctionType

from .node import Node, PerType, build, where

PACKAGE = __name__.partition(".")[0]

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
}
COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


class UnsupportedError(TypeError):
    """A scalar function uses something that has no place in a tree."""


def parse(function, arguments, vocabulary=None):
    """What `function` returns for these arguments (nodes and numbers): a node, a number or a tuple of them.

    `vocabulary` maps functions that may be called to those that take their place (math.exp to ours).
    """
    return _Reader(function, vocabulary or {}).run(arguments)


def source_of(function):
    """The syntax tree of a function, its file and first line."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise UnsupportedError(f"the source of {function.__name__}() cannot be read: define it in a file or a notebook "
                               "cell, not by exec or at a bare prompt") from None
    module = ast.parse(textwrap.dedent("".join(lines)))
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            return node, inspect.getsourcefile(function), first
    raise UnsupportedError(f"{function.__name__}() is not written as a function")


class _Reader:
    def __init__(self, function, vocabulary):
        if not isinstance(function, FunctionType):
            raise UnsupportedError(f"{function!r} is not a plain Python function")
        self.function, self.vocabulary = function, vocabulary
        self.syntax, self.file, self.first = source_of(function)
        self.dtype = "float64"

    def run(self, arguments):
        bound = inspect.signature(self.function).bind(*arguments)
        bound.apply_defaults()
        self.dtype = next((a.dtype for a in _flat(arguments) if isinstance(a, Node)), "float64")
        names = dict(bound.arguments)
        if isinstance(self.syntax, ast.Lambda):
            return self.value(self.syntax.body, names)
        result = self.block(self.syntax.body, names)
        if result is None:
            raise self.refused(self.syntax, "a path returns nothing")
        return result

    def refused(self, syntax, why):
        line = self.first + getattr(syntax, "lineno", 1) - 1
        text = ast.unparse(syntax).partition("\n")[0]
        return UnsupportedError(f"{self.function.__name__}: {why}: `{text}` ({self.file}:{line})")

    # statements ------------------------------------------------------------------------------------------------
    def block(self, statements, names):
        """Run statements; the returned value, or None where the end is reached."""
        for k, statement in enumerate(statements):
            if isinstance(statement, ast.Return):
                return self.value(statement.value, names)
            if isinstance(statement, ast.If):
                done, result = self.branch(statement, statements[k + 1:], names)
                if done:
                    return result
            else:
                self.statement(statement, names)
        return None

    def statement(self, statement, names):
        match statement:
            case ast.Assign(targets=targets, value=value):
                result = self.value(value, names)
                for target in targets:
                    self.assign(target, result, names)
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                names[name] = self.value(value, names)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value) if type(op) in BINARY:
                names[name] = BINARY[type(op)](self.name(name, statement, names), self.value(value, names))
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise self.refused(statement, "a scalar function is made of assignments, if/else and return")

    def assign(self, target, value, names):
        if isinstance(target, ast.Name):
            names[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, tuple) and len(value) == len(target.elts):
            for part, v in zip(target.elts, value, strict=True):
                self.assign(part, v, names)
        else:
            raise self.refused(target, "only names can be assigned to")

    def branch(self, statement, rest, names):
        """(True, value) where the rest of the block has been run as well, (False, None) where names were merged."""
        condition = self.value(statement.test, names)
        if not isinstance(condition, Node):
            chosen = statement.body if condition else statement.orelse
            return True, self.block(chosen + rest, names)
        if any(isinstance(s, ast.Return) for b in (statement.body, statement.orelse) for t in b for s in ast.walk(t)):
            results = [self.block(b + rest, dict(names)) for b in (statement.body, statement.orelse)]
            if None in results:
                raise self.refused(statement, "a path returns nothing")
            return True, self.choose(condition, *results, statement)
        then, other = dict(names), dict(names)
        self.block(statement.body, then)
        self.block(statement.orelse, other)
        for name in then.keys() & other.keys():
            same = then[name] is other[name]
            names[name] = then[name] if same else self.choose(condition, then[name], other[name], statement)
        return False, None

    def choose(self, condition, a, b, syntax):
        if isinstance(a, tuple) != isinstance(b, tuple) or (isinstance(a, tuple) and len(a) != len(b)):
            raise self.refused(syntax, "the branches return different things")
        return where(condition, a, b)

    # expressions -----------------------------------------------------------------------------------------------
    def value(self, syntax, names):
        match syntax:
            case ast.Constant(value=bool() | None):
                return syntax.value
            case ast.Constant(value=int() | float()):
                return _exact(syntax.value)
            case ast.Name(id=name):
                return self.name(name, syntax, names)
            case ast.Tuple(elts=parts):
                return tuple(self.value(p, names) for p in parts)
            case ast.Attribute(value=of, attr=attr):
                return self.found(getattr(self.value(of, names), attr))
            case ast.Subscript(value=of, slice=ast.Constant(value=int(index))):
                return self.value(of, names)[index]
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, self.value(left, names), self.value(right, names), syntax)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand, names)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand, names)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.value(operand, names)
                return ~inner if isinstance(inner, Node) else not inner
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.comparison([self.value(s, names) for s in (left, *others)], ops, syntax)
            case ast.BoolOp(op=op, values=parts):
                return self.logic(op, [self.value(p, names) for p in parts])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = self.value(test, names)
                if not isinstance(condition, Node):
                    return self.value(body if condition else orelse, names)
                return self.choose(condition, self.value(body, names), self.value(orelse, names), syntax)
            case ast.Call(func=func, args=args, keywords=keywords):
                given = {k.arg: self.value(k.value, names) for k in keywords}
                return self.call(self.value(func, names), list(self.spread(args, names)), given, syntax)
        raise self.refused(syntax, "this has no meaning for a single number")

    def spread(self, parts, names):
        for part in parts:
            if isinstance(part, ast.Starred):
                yield from self.value(part.value, names)
            else:
                yield self.value(part, names)

    def name(self, name, syntax, names):
        if name in names:
            return names[name]
        closure = dict(zip(self.function.__code__.co_freevars, self.function.__closure__ or (), strict=True))
        if name in closure:
            return self.found(closure[name].cell_contents)
        for space in (self.function.__globals__, vars(builtins)):
            if name in space:
                return self.found(space[name])
        raise self.refused(syntax, f"{name} is not defined")

    def found(self, value):
        if isinstance(value, PerType):
            return value[self.dtype]
        return _exact(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    def binary(self, op, left, right, syntax):
        if isinstance(op, ast.Pow):
            return self.power(left, right, syntax)
        if type(op) not in BINARY:
            raise self.refused(syntax, "this operator has no place in a scalar function")
        return _exact(BINARY[type(op)](left, right))

    def power(self, base, exponent, syntax):
        if not isinstance(base, Node) and not isinstance(exponent, Node):
            return _exact(base**exponent)
        if isinstance(exponent, Fraction) and exponent.denominator == 1 and 0 < exponent <= 64:
            return _by_squaring(base, int(exponent))
        return self.call(math.pow, [base, exponent], {}, syntax)

    def comparison(self, values, ops, syntax):
        results = []
        for left, op, right in zip(values, ops, values[1:], strict=False):
            if isinstance(op, ast.Is | ast.IsNot):
                results.append((left is right) == isinstance(op, ast.Is))
            elif type(op) not in COMPARE:
                raise self.refused(syntax, "only numbers can be compared")
            elif isinstance(left, Node) or isinstance(right, Node):
                results.append(build(COMPARE[type(op)], left, right))
            else:
                results.append(getattr(operator, COMPARE[type(op)])(left, right))
        return self.logic(ast.And(), results)

    def logic(self, op, values):
        decides = isinstance(op, ast.Or)
        result = None
        for value in values:
            if not isinstance(value, Node):
                if bool(value) == decides:
                    return decides
                continue
            result = value if result is None else (result | value if decides else result & value)
        return (not decides) if result is None else result

    def call(self, function, args, keywords, syntax):
        if not any(isinstance(a, Node) for a in _flat([*args, *keywords.values()])):
            return self.found(function(*[_plain(a) for a in args], **{k: _plain(a) for k, a in keywords.items()}))
        if function in self.vocabulary:
            return self.vocabulary[function](*args, **keywords)
        inner = getattr(function, "function", function)
        if not isinstance(inner, FunctionType):
            name = getattr(function, "__name__", function)
            raise self.refused(syntax, f"{name}() has no place in a scalar function")
        if inner is function and inner.__module__.partition(".")[0] == PACKAGE:
            return function(*args, **keywords)
        args = inspect.signature(inner).bind(*args, **keywords)
        args.apply_defaults()
        return _Reader(inner, self.vocabulary).run(list(args.arguments.values()))


def _exact(value):
    """A finite number as the fraction that was written; anything else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value if value == 0 and math.copysign(1, value) < 0 else Fraction(repr(value))
    return value


def _plain(value):
    return float(value) if isinstance(value, Fraction) else value


def _flat(values):
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value


def _by_squaring(base, n):
    if n == 1:
        return base
    half = _by_squaring(base, n // 2)
    return half * half * base if n % 2 else half * half
