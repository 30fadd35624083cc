"""A scalar function of this package -> its tree, by running it: where only .pyc files are there is no source to read.

Where the function asks whether a condition holds, it runs once for either answer, and `where` chooses between the
results.  What it reaches by name takes nodes meanwhile.
"""
import builtins
import functools
from collections.abc import Hashable
from types import CellType, FunctionType, ModuleType

from .node import Node, PerType, answers, build, where
from .values import exact, flat, fractions, number, plain


def run(function, arguments, vocabulary, traced, dtype):
    """What `function` returns for nodes, as `parse` gives it."""
    return _outcome(_Names(vocabulary, traced, dtype).taking_nodes(function), arguments, ())


def _outcome(function, arguments, given):
    """The result where the first conditions that are asked for hold or not, as given."""
    asked = {}                                   # condition -> whether it holds

    def answer(condition):
        if condition.kind != "bool":
            condition = build("ne", condition, 0)
        return asked.setdefault(condition, given[len(asked)] if len(asked) < len(given) else True)

    token = answers.set(answer)
    try:
        result = function(*arguments)
    finally:
        answers.reset(token)
    for k, condition in reversed(list(enumerate(asked))[len(given):]):
        other = _outcome(function, arguments, (*list(asked.values())[:k], False))
        result = where(condition, number(result), number(other))
    return result


class _Names:
    """What a function finds by name."""

    def __init__(self, vocabulary, traced, dtype):
        self.vocabulary, self.traced, self.dtype = vocabulary, traced, dtype

    def taking_nodes(self, function):
        """The function, with what it finds by name replaced."""
        code, spaces = function.__code__, (function.__globals__, vars(builtins))
        names = {name: self.found(space[name]) for space in reversed(spaces) for name in code.co_names if name in space}
        closure = tuple(CellType(self.found(cell.cell_contents)) for cell in function.__closure__ or ())
        defaults = tuple(map(self.found, function.__defaults__ or ()))
        code = code.replace(co_consts=tuple(exact(c) if isinstance(c, float) else c for c in code.co_consts))
        return FunctionType(code, names, function.__name__, defaults, closure)

    def found(self, value):
        if isinstance(value, PerType):
            return value[self.dtype]
        if isinstance(value, float):
            return exact(value)
        if isinstance(value, ModuleType):
            return _Members(self, value)
        return functools.partial(self.call, value) if callable(value) else value

    def call(self, function, *args, **keywords):
        if not any(isinstance(a, Node) for a in flat([*args, *keywords.values()])):
            return self.found(function(*map(plain, args), **{name: plain(a) for name, a in keywords.items()}))
        ours = self.vocabulary.get(function) if isinstance(function, Hashable) else None
        ours = getattr(function, "on_nodes", ours)
        if ours:
            return ours(*map(number, args), **{name: number(a) for name, a in keywords.items()})
        if self.traced or not isinstance(function, FunctionType):
            return function(*map(fractions, args), **{name: fractions(a) for name, a in keywords.items()})
        return _outcome(functools.partial(self.taking_nodes(function), **keywords), args, ())


class _Members:
    """A module, of which a function takes parts."""

    def __init__(self, names, module):
        self._names, self._module = names, module

    def __getattr__(self, name):
        return self._names.found(getattr(self._module, name))
