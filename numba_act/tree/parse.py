"""The source of a scalar function -> its tree.

The function's statements are run once with nodes for numbers.  Where a condition depends on a number both branches
run and `where` chooses; what depends on constants alone is decided at once, loops among it.  Functions that it calls
are read in their turn.  Numbers among the constants are fractions, exactly what was written, but for whole ones.
"""
import ast
import builtins
import functools
import inspect
import itertools
import math
import operator
from collections import ChainMap
from collections.abc import Hashable, Iterator
from types import CellType, FunctionType, MappingProxyType
from typing import NamedTuple

import numpy as np

from .call import expand
from .callables import has_effects, is_ours, within
from .errors import NoTreeError, UnsupportedError
from .node import Node, PerType, build, in_order, where
from .source import lines_of, local_names, place, syntax_of
from .values import both, either, exact, flat, fractions, is_condition, number, of_constants, plain, shape, truth

MOST_STEPS = 20_000                              # expressions to read: half a second
MOST_NODES = 4_000                               # of a tree: a second of LLVM

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.MatMult: operator.matmul,
}
ARITHMETIC = ast.Add, ast.Sub, ast.Mult, ast.Div         # what nodes do by themselves
COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
OF_NOTHING = {builtins.sum: 0, math.prod: 1, builtins.any: False, builtins.all: True}     # what counts for nothing
ARRANGING = {builtins.len, builtins.list, builtins.tuple, builtins.zip, builtins.enumerate, builtins.reversed,
             builtins.iter, builtins.next, itertools.chain, itertools.pairwise, itertools.repeat, itertools.product,
             itertools.combinations, itertools.islice, itertools.zip_longest}     # they pass numbers on as they are


class _Flow(NamedTuple):
    """Where statements end.

    done : whether they returned: True, False, or a node that tells
    value : what they returned
    jump : the break or continue at which they stopped
    """
    done: object = False
    value: object = None
    jump: object = None


class _Reading:
    """What all functions of a tree share."""

    def __init__(self, vocabulary, traced, dtype):
        self.vocabulary, self.traced, self.dtype = vocabulary, traced, dtype
        self.places, self.steps = {}, 0


def parse(function, arguments, vocabulary, traced=False):
    """What `function` returns for these arguments (nodes and numbers): a node, a number or a tuple of them; and the
    lines on which calls stand, by node.

    `vocabulary` maps functions that may be called to those that take their place (math.exp to ours).  Where `traced`,
    a function of this package that is called with nodes simply runs: it is written with `where`.
    """
    dtype = next((a.dtype for a in arguments if isinstance(a, Node)), "float64")
    ours = is_ours(function)
    if ours and not lines_of(function):
        from .run import run
        return run(function, arguments, vocabulary, traced, dtype), {}
    reading, code = _Reading(vocabulary, traced, dtype), function.__code__
    reader, count = _Reader(reading, function, syntax_of(function)), code.co_argcount
    named = code.co_varnames[count:len(arguments)]       # behind a bare *
    try:
        result = reader.run(*arguments[:count], **dict(zip(named, arguments[count:], strict=True)))
        size = 0 if ours else len(in_order(expand([part for part in flat([result]) if isinstance(part, Node)])))
    except RecursionError:
        raise reader.no_tree(reader.syntax, "it is nested too deeply") from None
    if size > MOST_NODES:
        raise reader.no_tree(reader.syntax, f"the tree has more than {MOST_NODES} nodes")
    return result, reading.places


def inner_scope(names):
    """Names within a comprehension, in front of those around it."""
    return ChainMap({}, *getattr(names, "maps", [names]))


class _Inner:
    """A function that is defined within the one that is read."""

    def __init__(self, syntax, reader, signature):
        self.syntax, self.reader, self.signature = syntax, reader, signature
        self.__name__ = getattr(syntax, "name", "<lambda>")

    def __call__(self, *args, **keywords):
        outer = self.reader
        if self in outer.callers:
            raise outer.no_tree(self.syntax, "a scalar function does not call itself")
        return _Reader(outer.reading, outer.function, self.syntax, (*outer.callers, self), outer,
                       self.signature).run(*args, **keywords)


class _Reader:
    """A call of a function: of one in a file, or of one within that."""

    def __init__(self, reading, function, syntax, callers=(), outer=None, signature=None):
        self.reading, self.function, self.syntax, self.outer = reading, function, syntax, outer
        self.callers = callers or (function,)
        self.signature = signature or inspect.signature(function, follow_wrapped=False)
        self.locals, self.names = local_names(syntax), {}

    def run(self, *args, **keywords):
        bound = self.signature.bind(*args, **keywords)
        bound.apply_defaults()
        self.names = names = {name: self.found(value) for name, value in bound.arguments.items()}
        if isinstance(self.syntax, ast.Lambda):
            return self.returned(self.syntax.body, names)
        done, result, _ = self.block(self.syntax.body, names)
        if done is not True:
            raise self.refused(self.syntax, "a path returns nothing")
        return result

    def refused(self, syntax, why, kind=UnsupportedError):
        return kind(f"{self.function.__name__}: {why}: {place(self.function, syntax)}")

    def no_tree(self, syntax, why):
        return self.refused(syntax, why, NoTreeError)

    # statements ------------------------------------------------------------------------------------------------
    def block(self, statements, names):
        """Run statements, up to one that ends them."""
        return self.joined(((self.statement(statement, names), statement) for statement in statements), names)

    def joined(self, flows, names):
        """One flow of those that follow one another, each with its statement."""
        earlier, jump = [], None                        # returns that depend on a condition
        outside, self.names = self.names, names
        for (done, value, jump), syntax in flows:
            if done is True:
                break
            if done is not False:
                earlier.append((done, value, syntax))
            if jump:
                break
        else:
            done = False
        self.names = outside
        if done is True:
            return _Flow(True, self.first(earlier, value))
        if not earlier:
            return _Flow(jump=jump)
        done = functools.reduce(operator.or_, [condition for condition, _, _ in earlier])
        return _Flow(done, self.first(earlier[:-1], earlier[-1][1]), jump)

    def first(self, earlier, last):
        """The value of the first condition that holds."""
        for condition, value, syntax in reversed(earlier):
            last = self.choose(condition, value, last, syntax)
        return last

    def statement(self, statement, names):
        match statement:
            case ast.Return(value=value):
                return _Flow(True, self.returned(value, names))
            case ast.If():
                return self.branch(statement, names)
            case ast.For() | ast.While():
                return self.joined(self.iterations(statement, names), names)
            case ast.Break() | ast.Continue():
                return _Flow(jump=type(statement))
            case ast.Assign(targets=targets, value=value):
                result = self.value(value, names)
                for target in targets:
                    self.assign(target, result, names)
            case ast.AnnAssign(target=ast.Name(), value=value):
                if value is not None:
                    self.assign(statement.target, self.value(value, names), names)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                if isinstance(names.get(name), list | np.ndarray):
                    raise self.no_tree(statement, "this changes more than a name")
                old = ast.copy_location(ast.Name(name), statement)
                names[name] = self.value(ast.copy_location(ast.BinOp(old, op, value), statement), names)
            case ast.FunctionDef(name=name, decorator_list=[]):
                names[name] = self.defined(statement, names)
            case ast.Assert(test=test):
                holds = self.condition(test, names)
                if not isinstance(holds, Node) and not holds:
                    raise self.refused(statement, "this does not hold")
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise self.no_tree(statement, "a scalar function is made of assignments, if/else, loops over what is "
                                              "known and return")
        return _Flow()

    def assign(self, target, value, names):
        match target:
            case ast.Name() if isinstance(value, Iterator):          # both branches would take from it
                raise self.no_tree(target, "an iterator is used where it is made")
            case ast.Name(id=name):
                names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets) if not isinstance(value, Node):
                values = list(self.items(value, target))
                star = next((k for k, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
                if star is not None:
                    rest = len(values) - len(targets) + 1
                    values[star:star + rest] = [values[star:star + rest]]
                    targets = [t.value if isinstance(t, ast.Starred) else t for t in targets]
                if len(values) != len(targets):
                    raise self.refused(target, f"{len(values)} values for {len(targets)} names")
                for part, v in zip(targets, values, strict=True):
                    self.assign(part, v, names)
            case ast.Tuple() | ast.List():
                raise self.refused(target, "a number is not several")
            case _:
                raise self.no_tree(target, "only names can be assigned to")

    def branch(self, statement, names):
        """As `block`, for an if; the names are then those of the branch taken."""
        condition = self.condition(statement.test, names)
        if not isinstance(condition, Node):
            return self.block(statement.body if condition else statement.orelse, names)
        then, other = dict(names), dict(names)
        (done, value, jump), (other_done, other_value, other_jump) = (
            self.block(statement.body, then), self.block(statement.orelse, other))
        if jump or other_jump:
            self.decided(condition, statement)
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
        return _Flow(either(both(condition, done), both(~condition, other_done)) if done is not other_done else done,
                     value)

    def iterations(self, loop, names):
        """The flow of a loop's body each time, and of what follows it."""
        for _ in self.rounds(loop, names):
            done, value, jump = self.block(loop.body, names)
            yield _Flow(done, value), loop
            if jump is ast.Break:
                return
        yield self.block(loop.orelse, names), loop

    def rounds(self, loop, names):
        """As often as a loop runs: its names are set."""
        if isinstance(loop, ast.While):
            while self.decided(self.condition(loop.test, names), loop.test):
                self.step(loop)
                yield
        else:
            for item in self.items(self.value(loop.iter, names), loop.iter):
                self.assign(loop.target, item, names)
                yield

    def decided(self, condition, syntax):
        """A condition that says how often a loop runs."""
        if isinstance(condition, Node):
            raise self.no_tree(syntax, "how often a loop runs depends on data")
        return condition

    def items(self, value, syntax):
        """What an iterable gives."""
        if isinstance(value, Node):
            raise self.refused(syntax, "a number is not several")
        try:
            iterator = iter(value)
        except TypeError:
            raise self.refused(syntax, "this is not several") from None
        for item in iterator:
            self.step(syntax)
            yield self.found(item)

    def step(self, syntax):
        self.reading.steps += 1
        if self.reading.steps > MOST_STEPS:
            raise self.no_tree(syntax, f"a tree is read in at most {MOST_STEPS} steps")

    def choose(self, condition, a, b, syntax):
        if shape(a) != shape(b) or shape(a) is None:
            raise self.no_tree(syntax, "the branches give different things")
        return where(condition, number(a), number(b))

    def returned(self, syntax, names):
        """What a function returns: a number, several, or what its caller knows to use."""
        if syntax is None:
            raise self.refused(self.syntax, "a path returns nothing")
        result = self.value(syntax, names)
        if shape(result) is None and self.callers == (self.function,):
            raise self.refused(syntax, "a scalar function returns a number")
        return result

    # expressions -----------------------------------------------------------------------------------------------
    def value(self, syntax, names):
        """The value of an expression.  `evaluated` asks for the values of its parts by yielding them, with other names
        where those differ, so that a long sum takes no deep stack."""
        result, stack = None, [(syntax, names, self.evaluated(syntax, names))]
        while stack:
            syntax, names, steps = stack[-1]
            try:
                part = steps.send(result)
            except StopIteration as finished:
                stack.pop()
                result = finished.value
            except (UnsupportedError, RecursionError):
                raise
            except ZeroDivisionError:
                raise self.refused(syntax, "division by zero") from None
            except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError) as error:
                why = str(error).replace("'Node' object", "a number")
                raise self.refused(syntax, f"this has no meaning for a single number ({why})") from None
            else:
                self.step(syntax)
                part, names = part if isinstance(part, tuple) else (part, names)
                stack.append((part, names, self.evaluated(part, names)))
                result = None
        return result

    def condition(self, test, names):
        """The value of a condition; a number holds unless it is 0."""
        value = self.value(test, names)
        return truth(value) if isinstance(value, Node) else value

    def evaluated(self, syntax, names):
        match syntax:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return exact(syntax.value)
            case ast.Name(id=name):
                return self.name(name, syntax, names)
            case ast.Tuple(elts=parts):
                return tuple((yield from self.spread(parts)))
            case ast.List(elts=parts):
                return (yield from self.spread(parts))
            case ast.Attribute(value=of, attr=attr):
                value = yield of
                if isinstance(value, Node):
                    raise self.no_tree(syntax, f"a number has no attribute {attr!r}")
                return self.found(getattr(value, attr))
            case ast.Subscript(value=of, slice=index):
                return self.element((yield of), (yield index), syntax)
            case ast.Slice():
                lower, upper, step = syntax.lower, syntax.upper, syntax.step
                return slice(lower and (yield lower), upper and (yield upper), step and (yield step))
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, (yield left), (yield right), syntax)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(zero))) if zero == 0:
                return -0.0
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = yield operand
                return -(value if isinstance(value, int) else number(value))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                value = yield operand
                return +(value if isinstance(value, int) else number(value))
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                value = yield operand
                if not is_condition(value):
                    raise self.refused(syntax, "~ turns a condition round")
                return ~value if isinstance(value, Node) else not value
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = yield operand
                return ~truth(value) if isinstance(value, Node) else not value
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.comparison((yield from self.spread([left, *others])), ops, syntax)
            case ast.BoolOp(op=op, values=parts):
                return (yield from self.logic(isinstance(op, ast.Or), parts, names))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = yield test
                if not isinstance(condition, Node):
                    return (yield body if condition else orelse)
                scope = MappingProxyType(names)
                return self.choose(truth(condition), (yield body, scope), (yield orelse, scope), syntax)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                scope = names.maps[-1] if isinstance(names, ChainMap) else names
                if isinstance(scope, MappingProxyType):
                    raise self.no_tree(syntax, "a name is given under a condition")
                scope[name] = yield value
                return scope[name]
            case ast.ListComp(elt=part, generators=loops) | ast.GeneratorExp(elt=part, generators=loops):
                found = []
                yield from self.comprehended(part, loops, inner_scope(names), found)
                return found
            case ast.Lambda():
                return self.defined(syntax, names)
            case ast.Call(func=func, args=[ast.GeneratorExp() | ast.ListComp() as several], keywords=[]):
                function, found = (yield func), []
                nothing = OF_NOTHING.get(function) if isinstance(function, Hashable) else None
                yield from self.comprehended(several.elt, several.generators, inner_scope(names), found, nothing)
                return self.call(function, [found], {}, syntax)
            case ast.Call(func=func, args=args, keywords=keywords):
                function, args, given = (yield func), (yield from self.spread(args)), {}
                for keyword in keywords:
                    value = yield keyword.value
                    given.update(value if keyword.arg is None else {keyword.arg: value})
                return self.call(function, args, given, syntax)
        raise self.no_tree(syntax, "this has no meaning for a single number")

    def spread(self, parts):
        values = []
        for part in parts:
            if isinstance(part, ast.Starred):
                values += self.items((yield part.value), part)
            else:
                values.append((yield part))
        return values

    def comprehended(self, part, loops, scope, found, nothing=None, taken=True):
        """Find what a comprehension gives.  Where data decide whether it takes a part, `nothing` stands for what it
        does not take; without that it is no tree."""
        def seen():
            return scope if taken is True else MappingProxyType(scope)
        if not loops:
            value = yield part, seen()
            found.append(value if taken is True else self.choose(taken, value, nothing, part))
            return
        loop, *inner = loops
        outside = taken
        for item in self.items((yield loop.iter, seen()), loop.iter):
            self.assign(loop.target, item, scope)
            taken = outside
            for test in loop.ifs:
                holds = yield test, seen()
                if isinstance(holds, Node) and nothing is None:
                    raise self.no_tree(test, "what a comprehension takes depends on data")
                taken = both(taken, truth(holds) if isinstance(holds, Node) else bool(holds))
                if taken is False:
                    break
            else:
                yield from self.comprehended(part, inner, scope, found, nothing, taken)

    def logic(self, is_or, parts, names):
        """The value of `or` or `and`: that of the first part that decides, or of the last."""
        kept = []                                       # what data decide, and the last
        for part in parts:
            value = yield part, names
            if isinstance(value, Node):
                kept.append(value)
                names = MappingProxyType(names)         # what follows is not always evaluated
            elif bool(value) == is_or or part is parts[-1]:
                kept.append(value)
                break
        *earlier, result = kept
        for value in reversed(earlier):
            if is_condition(value) and is_condition(result):
                result = (either if is_or else both)(value, result)
            else:
                result = self.choose(truth(value), *((value, result) if is_or else (result, value)), parts[0])
        return result

    def defined(self, syntax, names):
        """A function within this one."""
        if isinstance(names, ChainMap):
            raise self.no_tree(syntax, "a function is made within a comprehension")
        given = syntax.args
        plain = [*given.posonlyargs, *given.args]
        values = [inspect.Parameter.empty] * (len(plain) - len(given.defaults)) + given.defaults
        kind = inspect.Parameter
        parameters = [(a.arg, kind.POSITIONAL_OR_KEYWORD, v) for a, v in zip(plain, values, strict=True)]
        parameters += [(given.vararg.arg, kind.VAR_POSITIONAL, kind.empty)] if given.vararg else []
        parameters += [(a.arg, kind.KEYWORD_ONLY, v or kind.empty)
                       for a, v in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        parameters += [(given.kwarg.arg, kind.VAR_KEYWORD, kind.empty)] if given.kwarg else []
        return _Inner(syntax, self, inspect.Signature([
            kind(name, form, default=self.value(default, names) if isinstance(default, ast.expr) else default)
            for name, form, default in parameters]))

    def name(self, name, syntax, names):
        reader = self
        while name not in names:
            if name in reader.locals:
                raise self.refused(syntax, f"{name} has no value on every path")
            if reader.outer is None:
                return self.outside(name, syntax)
            reader = reader.outer
            names = reader.names
        return names[name]

    def outside(self, name, syntax):
        """What a function has captured, or finds in its module."""
        cells = zip(self.function.__code__.co_freevars, self.function.__closure__ or (), strict=True)
        closure = {captured: cell.cell_contents for captured, cell in cells if captured == name and cell != CellType()}
        own = {self.function.__name__: self.function}                # has its name only after it is decorated
        for space in (closure, self.function.__globals__, vars(builtins), own):
            if name in space:
                if isinstance(space[name], Iterator):
                    raise self.refused(syntax, f"{name} can be read only once")
                return self.found(space[name])
        raise self.refused(syntax, f"{name} is not defined")

    def found(self, value):
        return value[self.reading.dtype] if isinstance(value, PerType) else exact(value)

    def element(self, of, index, syntax):
        """A part of a sequence, a table or an array."""
        if any(isinstance(i, Node) for i in flat([index])) and not isinstance(of, Node):
            raise self.no_tree(syntax, "an index depends on data")
        return self.found(of[plain(index)])

    def binary(self, op, left, right, syntax):
        if isinstance(op, ast.BitAnd | ast.BitOr) and (isinstance(left, Node) or isinstance(right, Node)):
            if not (is_condition(left) and is_condition(right)):
                raise self.no_tree(syntax, "& and | join conditions")
            return (both if isinstance(op, ast.BitAnd) else either)(left, right)
        operation = BINARY[type(op)]
        if not (isinstance(left, Node) or isinstance(right, Node)):
            return exact(of_constants(operation, left, right))
        if shape(left) != 1 or shape(right) != 1:
            raise self.no_tree(syntax, "this has no meaning for a single number")
        if isinstance(op, ARITHMETIC):
            return operation(number(left), number(right))
        return self.call(operation, [left, right], {}, syntax)

    def comparison(self, values, ops, syntax):
        results = []
        for left, op, right in zip(values, ops, values[1:], strict=False):
            data = isinstance(left, Node) or isinstance(right, Node)
            if isinstance(op, ast.Is | ast.IsNot):
                results.append((left is right) == isinstance(op, ast.Is))
            elif isinstance(op, ast.In | ast.NotIn) and not data:
                results.append((left in right) == isinstance(op, ast.In))
            elif type(op) not in COMPARE:
                raise self.no_tree(syntax, "only numbers can be compared")
            elif data:
                results.append(build(COMPARE[type(op)], number(left), number(right)))
            else:
                results.append(getattr(operator, COMPARE[type(op)])(left, right))
        return functools.reduce(both, results)

    # calls -----------------------------------------------------------------------------------------------------
    def call(self, function, args, keywords, syntax):
        given = list(flat([*args, *keywords.values()]))
        data = any(isinstance(value, Node | _Inner) for value in given)
        if isinstance(function, _Inner) or (isinstance(function, Hashable) and function in ARRANGING):
            return self.found(function(*args, **keywords))
        if not data:
            return self.found(self.at_once(function, args, keywords, syntax))
        if function is map:
            return [self.call(args[0], list(row), {}, syntax) for row in zip(*args[1:], strict=False)]
        if function is functools.reduce:
            return functools.reduce(lambda a, b: self.call(args[0], [a, b], {}, syntax), *args[1:])
        ours = self.ours(function)
        if ours:
            try:
                result = ours(*map(number, args), **{name: number(a) for name, a in keywords.items()})
            except NoTreeError as error:
                raise self.no_tree(syntax, error) from None
            if isinstance(result, Node):
                self.reading.places.setdefault(result, place(self.function, syntax))
            return result
        inner = within(function)
        if inner:
            function, first, named = inner
            return self.call(function, [*map(self.found, first), *args], named | keywords, syntax)
        if self.reading.traced and is_ours(function):
            return function(*map(fractions, args), **{name: fractions(a) for name, a in keywords.items()})
        if not isinstance(function, FunctionType):
            raise self.no_tree(syntax, f"{_name_of(function)}() has no place in a scalar function")
        if function in self.callers:
            raise self.no_tree(syntax, "a scalar function does not call itself")
        return _Reader(self.reading, function, syntax_of(function), (*self.callers, function)).run(*args, **keywords)

    def ours(self, function):
        """What takes a function's place in a tree."""
        found = self.reading.vocabulary.get(function) if isinstance(function, Hashable) else None
        return getattr(function, "on_nodes", found)

    def at_once(self, function, args, keywords, syntax):
        """A call of constants, by Python."""
        if has_effects(function):
            raise self.refused(syntax, f"{_name_of(function)}() is not the same each time, or does more than compute")
        return function(*map(plain, args), **{name: plain(a) for name, a in keywords.items()})


def _name_of(function):
    return getattr(function, "__name__", str(function))
