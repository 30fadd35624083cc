"""The source of a scalar function -> its tree.

The function's statements are run once with nodes for numbers.  Where a condition depends on a number both branches
run and `where` chooses; what depends on constants alone is decided at once.  Functions that it calls are read in their
turn.
"""
import __future__

import ast
import builtins
import functools
import inspect
import linecache
import math
import operator
from collections.abc import Hashable
from fractions import Fraction
from types import CodeType, FunctionType

import numpy as np

from .node import Node, PerType, build, part_by_part, where

PACKAGE = __name__.partition(".")[0]

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
}
HINTS = {"maximum": "max()", "minimum": "min()", "absolute": "abs()", "where": "`a if condition else b`"}
COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


class UnsupportedError(TypeError):
    """A scalar function uses something that has no place in a tree."""


def parse(function, arguments, vocabulary, traced=False):
    """What `function` returns for these arguments (nodes and numbers): a node, a number or a tuple of them; and the
    lines on which calls stand, by node.

    `vocabulary` maps functions that may be called to those that take their place (math.exp to ours).  Where `traced`,
    a function of this package that is called with nodes simply runs: it is written with `where`.
    """
    places = {}
    return _Reader(function, vocabulary, traced, places).run(*arguments), places


def syntax_of(function):
    """A function's syntax tree, by the lines from which it was compiled (a file's, a notebook cell's)."""
    code = function.__code__
    try:
        lines = "".join(linecache.getlines(code.co_filename, function.__globals__))
        nodes, codes = _read(lines, code.co_flags & __future__.annotations.compiler_flag)
        found = (_lambda if code.co_name == "<lambda>" else _definition)(nodes, code) if _bare(code) in codes else None
    except SyntaxError:
        found = None
    if found is None:
        raise UnsupportedError(
            f"the source of {function.__name__}() cannot be read: define it in a file that does not change, or in a "
            "notebook cell, not by exec, at a bare prompt or under a cell magic such as %%time")
    return found


@functools.lru_cache(maxsize=8)                  # 4 ms for 200 lines
def _read(lines, flags):
    """The nodes of a file's or a cell's syntax tree, and all code in it: a function whose code is not among that was
    made from other lines."""
    module = ast.parse(lines)
    codes = [compile(module, "", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return list(ast.walk(module)), {_bare(code) for code in codes}


def _bare(code):
    """Code without its columns, which an interpreter may leave out."""
    return code.replace(co_linetable=b"")


def _definition(nodes, code):
    """The definition that begins, with its decorators, on the code's first line."""
    for node in nodes:
        if (isinstance(node, ast.FunctionDef) and node.name == code.co_name and
                min([node.lineno, *[d.lineno for d in node.decorator_list]]) == code.co_firstlineno):
            return node
    return None


def _lambda(nodes, code):
    """The innermost lambda that spans every instruction."""
    places = [((line, start), (end_line, end)) for line, end_line, start, end in code.co_positions() if end]
    spans = [node for node in nodes if isinstance(node, ast.Lambda) and places and
             (node.body.lineno, node.body.col_offset) <= min(places)[0] and
             max(end for _, end in places) <= (node.body.end_lineno, node.body.end_col_offset)]
    return max(spans, key=lambda node: (node.lineno, node.col_offset), default=None)


class _Reader:
    def __init__(self, function, vocabulary, traced, places, callers=()):
        self.function, self.vocabulary, self.traced, self.places = function, vocabulary, traced, places
        self.callers = (*callers, function)
        self.syntax, self.file = syntax_of(function), function.__code__.co_filename
        self.dtype = "float64"

    def run(self, *args, **keywords):
        bound = inspect.signature(self.function, follow_wrapped=False).bind(*args, **keywords)
        bound.apply_defaults()
        self.dtype = next((a.dtype for a in _flat([*args, *keywords.values()]) if isinstance(a, Node)), "float64")
        names = {name: self.found(value) for name, value in bound.arguments.items()}
        if isinstance(self.syntax, ast.Lambda):
            return self.returned(self.syntax.body, names)
        done, result = self.block(self.syntax.body, names)
        if done is not True:
            raise self.refused(self.syntax, "a path returns nothing")
        return result

    def refused(self, syntax, why):
        return UnsupportedError(f"{self.function.__name__}: {why}: {self.place(syntax)}")

    def place(self, syntax):
        return f"`{ast.unparse(syntax).partition(chr(10))[0]}` ({self.file}:{syntax.lineno})"

    # statements ------------------------------------------------------------------------------------------------
    def block(self, statements, names):
        """Run statements: whether they returned (True, False, or a node that tells), and what."""
        earlier = []                                    # returns that depend on a condition
        for statement in statements:
            if isinstance(statement, ast.Return):
                done, value = True, self.returned(statement.value, names)
            elif isinstance(statement, ast.If):
                done, value = self.branch(statement, names)
            else:
                done, value = False, self.statement(statement, names)
            if done is True:
                return True, self.first(earlier, value)
            if done is not False:
                earlier.append((done, value, statement))
        if not earlier:
            return False, None
        done = functools.reduce(operator.or_, [condition for condition, _, _ in earlier])
        return done, self.first(earlier[:-1], earlier[-1][1])

    def first(self, earlier, last):
        """The value of the first condition that holds."""
        for condition, value, syntax in reversed(earlier):
            last = self.choose(condition, value, last, syntax)
        return last

    def statement(self, statement, names):
        match statement:
            case ast.Assign(targets=targets, value=value):
                result = self.value(value, names)
                for target in targets:
                    self.assign(target, result, names)
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                if value is not None:
                    names[name] = self.value(value, names)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                old = ast.copy_location(ast.Name(name), statement)
                names[name] = self.value(ast.copy_location(ast.BinOp(old, op, value), statement), names)
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

    def branch(self, statement, names):
        """As `block`, for an if; the names are then those of the branch taken."""
        condition = self.condition(statement.test, names)
        if not isinstance(condition, Node):
            return self.block(statement.body if condition else statement.orelse, names)
        then, other = dict(names), dict(names)
        (done, value), (other_done, other_value) = self.block(statement.body, then), self.block(statement.orelse, other)
        names.clear()
        if done is True or other_done is True:
            names.update(other if done is True else then)
        else:
            for name in then.keys() & other.keys():
                same = then[name] is other[name]
                names[name] = then[name] if same else self.choose(condition, then[name], other[name], statement)
        if value is None or other_value is None:
            value = other_value if value is None else value
        else:
            value = self.choose(condition, value, other_value, statement)
        return _either(_both(condition, done), _both(~condition, other_done)) if done is not other_done else done, value

    def choose(self, condition, a, b, syntax):
        if _shape(a) != _shape(b) or _shape(a) is None:
            raise self.refused(syntax, "the branches give different things")
        return where(condition, number(a), number(b))

    def returned(self, syntax, names):
        """What a function returns: a number or a tuple."""
        if syntax is None:
            raise self.refused(self.syntax, "a path returns nothing")
        result = self.value(syntax, names)
        if _shape(result) is None:
            raise self.refused(syntax, "a scalar function returns a number")
        return result

    # expressions -----------------------------------------------------------------------------------------------
    def value(self, syntax, names):
        try:
            return self.evaluated(syntax, names)
        except UnsupportedError:
            raise
        except ZeroDivisionError:
            raise self.refused(syntax, "division by zero") from None
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            why = str(error).replace("'Node' object", "a number")
            raise self.refused(syntax, f"this has no meaning for a single number ({why})") from None

    def condition(self, syntax, names):
        """The value of a condition; a number holds unless it is 0."""
        value = self.value(syntax, names)
        return build("ne", value, 0) if isinstance(value, Node) and value.kind != "bool" else value

    def evaluated(self, syntax, names):
        match syntax:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return _exact(syntax.value)
            case ast.Name(id=name):
                return self.name(name, syntax, names)
            case ast.Tuple(elts=parts):
                return tuple(self.value(p, names) for p in parts)
            case ast.Attribute(value=of, attr=attr):
                return self.found(getattr(self.value(of, names), attr))
            case ast.Subscript(value=of, slice=index):
                index = self.value(index, names)
                return self.found(self.value(of, names)[int(index) if isinstance(index, Fraction) else index])
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, self.value(left, names), self.value(right, names), syntax)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(zero))) if zero == 0:
                return -0.0
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -number(self.value(operand, names))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return number(self.value(operand, names))
            case ast.UnaryOp(op=ast.Not() | ast.Invert() as op, operand=operand):
                if isinstance(op, ast.Invert) and not _is_condition(self.value(operand, names)):
                    raise self.refused(syntax, "~ turns a condition round")
                inner = self.condition(operand, names)
                return ~inner if isinstance(inner, Node) else not inner
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.comparison([self.value(s, names) for s in (left, *others)], ops, syntax)
            case ast.BoolOp(op=op, values=parts):
                return self.logic(isinstance(op, ast.Or), parts, names)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = self.condition(test, names)
                if not isinstance(condition, Node):
                    return self.value(body if condition else orelse, names)
                return self.choose(condition, self.value(body, names), self.value(orelse, names), syntax)
            case ast.Call(func=func, args=args, keywords=keywords):
                given = {}
                for keyword in keywords:
                    value = self.value(keyword.value, names)
                    given.update(value if keyword.arg is None else {keyword.arg: value})
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
        code = self.function.__code__
        if name in code.co_varnames or name in code.co_cellvars:
            raise self.refused(syntax, f"{name} has no value on every path")
        closure = dict(zip(code.co_freevars, self.function.__closure__ or (), strict=True))
        if name in closure:
            return self.found(closure[name].cell_contents)
        for space in (self.function.__globals__, vars(builtins)):
            if name in space:
                return self.found(space[name])
        raise self.refused(syntax, f"{name} is not defined")

    def found(self, value):
        return value[self.dtype] if isinstance(value, PerType) else _exact(value)

    def binary(self, op, left, right, syntax):
        if isinstance(op, ast.Pow):
            return self.call(math.pow, [number(left), number(right)], {}, syntax)
        if type(op) not in BINARY:
            raise self.refused(syntax, "this operator has no place in a scalar function")
        if isinstance(op, ast.BitAnd | ast.BitOr):
            if not (_is_condition(left) and _is_condition(right)):
                raise self.refused(syntax, "& and | join conditions")
            return (_both if isinstance(op, ast.BitAnd) else _either)(left, right)
        return _exact(BINARY[type(op)](number(left), number(right)))

    def comparison(self, values, ops, syntax):
        results = []
        for left, op, right in zip(values, ops, values[1:], strict=False):
            if isinstance(op, ast.Is | ast.IsNot):
                results.append((left is right) == isinstance(op, ast.Is))
            elif type(op) not in COMPARE:
                raise self.refused(syntax, "only numbers can be compared")
            elif isinstance(left, Node) or isinstance(right, Node):
                results.append(build(COMPARE[type(op)], number(left), number(right)))
            else:
                results.append(getattr(operator, COMPARE[type(op)])(left, right))
        return functools.reduce(_both, results)

    def logic(self, is_or, parts, names):
        """The value of `or` or `and`: that of the first part that decides, or of the last."""
        value = self.value(parts[0], names)
        if len(parts) == 1:
            return value
        if not isinstance(value, Node):
            return value if bool(value) == is_or else self.logic(is_or, parts[1:], names)
        rest = self.logic(is_or, parts[1:], names)
        if _is_condition(value) and _is_condition(rest):
            return (_either if is_or else _both)(value, rest)
        holds = value if value.kind == "bool" else build("ne", value, 0)
        return self.choose(holds, *((value, rest) if is_or else (rest, value)), parts[0])

    def call(self, function, args, keywords, syntax):
        if not any(isinstance(a, Node) for a in _flat([*args, *keywords.values()])):
            return self.found(function(*[_plain(a) for a in args], **{k: _plain(a) for k, a in keywords.items()}))
        ours = self.vocabulary.get(function) if isinstance(function, Hashable) else None
        ours = getattr(function, "on_nodes", ours)
        if ours:
            result = ours(*map(number, args), **{name: number(a) for name, a in keywords.items()})
            if isinstance(result, Node):
                self.places.setdefault(result, self.place(syntax))
            return result
        if self.traced and str(getattr(function, "__module__", "")).partition(".")[0] == PACKAGE:
            return function(*args, **keywords)
        if not isinstance(function, FunctionType):
            name = getattr(function, "__name__", str(function))
            known = HINTS.get(name) or (getattr(math, name, None) in self.vocabulary and f"math.{name}()")
            raise self.refused(syntax, f"{name}() has no place in a scalar function{f'; {known} has' if known else ''}")
        if function in self.callers:
            raise self.refused(syntax, "a scalar function does not call itself")
        return _Reader(function, self.vocabulary, self.traced, self.places, self.callers).run(*args, **keywords)


def _is_condition(value):
    return isinstance(value, bool) or (isinstance(value, Node) and value.kind == "bool")


def _both(a, b):
    """`and` of conditions."""
    if isinstance(a, Node) and isinstance(b, Node):
        return a & b
    return (b if a else False) if isinstance(b, Node) else (a if b else False)


def _either(a, b):
    """`or` of conditions."""
    if isinstance(a, Node) and isinstance(b, Node):
        return a | b
    return (True if a else b) if isinstance(b, Node) else (True if b else a)


def _exact(value):
    """A finite number as the fraction that was written; anything else as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        if isinstance(value, int):
            return Fraction(value)
        return value if value == 0 and math.copysign(1, value) < 0 else Fraction(float.__repr__(value))
    return value


def number(value):
    """A truth value as 1 or 0, as in Python; tuples part by part."""
    if isinstance(value, tuple):
        return part_by_part(number, value)
    if isinstance(value, bool):
        return Fraction(int(value))
    return where(value, 1, 0) if isinstance(value, Node) and value.kind == "bool" else value


def _shape(value):
    """What must agree between branches: 1 for a number, the parts of a tuple; None for what is no number."""
    if isinstance(value, tuple):
        return len(value),
    return 1 if isinstance(value, Node | Fraction | float | int) else None


def _plain(value):
    return float(value) if isinstance(value, Fraction) else value


def _flat(values):
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value
