"""A function and all that it reaches, as both were when it was captured: helpers, tables, numbers, parts of modules.

What Numba compiles later follows from that alone, and so does the name under which it is kept on disk.  Nothing here
imports Numba.
"""
import builtins
import dis
import functools
import linecache
import marshal
import math
import os
from collections import ChainMap
from collections.abc import Hashable
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType

import numpy as np

from ..tree.callables import argument_names, has_effects, plain

OPTIONS = "fastmath", "inline"                   # of @njit, that a helper keeps
ROLES = "dispatcher", "on_gpu"                   # what Numba makes of a function
larger, smaller = max, min                       # which NumPy's names of bounds hide


def chosen(condition, a, b):
    return a if condition else b


def clipped(a, a_min=None, a_max=None, min=None, max=None):
    if a_min is not None:
        a = larger(a, a_min)
    if min is not None:
        a = larger(a, min)
    if a_max is not None:
        a = smaller(a, a_max)
    if max is not None:
        a = smaller(a, max)
    return a


def factorial(n):
    product = 1.0
    for k in range(2, n + 1):
        product *= k
    return product


# what takes the place of functions that Numba does not know, or not of numbers
INSTEAD = {np.where: chosen, np.clip: clipped, math.factorial: factorial, math.fmod: np.fmod, np.float64: float,
           np.fix: np.trunc, **{getattr(math, name): getattr(np, name) for name in ("cbrt", "exp2")}}


class EffectError(TypeError):
    """A function does more than compute."""


class Captured:
    """A function, its defaults, and the values of the names in it; functions among them are Captured in their turn."""

    def __init__(self, function, known):
        options, known[function] = getattr(function, "targetoptions", {}), self
        function = plain(function)
        known[function] = self
        self.name, self.code, self.defaults = function.__name__, *_by_position(function)
        if options.get("forceobj"):
            raise EffectError(f"{self.name}: object mode has no place in a scalar function")
        self.options = {name: options[name] for name in OPTIONS if name in options}
        cells = zip(self.code.co_freevars, function.__closure__ or (), strict=True)
        # a function that is being decorated has its name only afterwards
        own = {} if hasattr(builtins, self.name) else {self.name: function}
        outer = own | {name: cell.cell_contents for name, cell in cells if cell != CellType()}
        found = ChainMap(function.__globals__, own)
        self.closure, self.names = {}, {}
        for chain, line, is_free in _chains(self.code):
            space, kept = (outer, self.closure) if is_free else (found, self.names)
            self._take(chain, line, space, kept, known)

    def _take(self, chain, line, space, kept, known):
        """Keep what a dotted name stands for."""
        name, *attributes = chain
        key, value = name, space.get(name, getattr(builtins, name, None))
        while (isinstance(value, ModuleType) or type(value) is type) and attributes and hasattr(value, attributes[0]):
            kept = vars(kept.setdefault(key, Part(value.__name__)))
            key = attributes.pop(0)
            value = getattr(value, key)
        self._check(value, ".".join(chain), line)
        if key not in kept and name in space:
            kept[key] = _kept(value, known)

    def _check(self, value, name, line):
        """Refuse what has effects."""
        if has_effects(value) or type(value).__name__ == "_ObjModeContextType":
            text = linecache.getline(self.code.co_filename, line).strip()
            name += "()" * callable(value)
            raise EffectError(f"{self.name}: {name} has no place in a scalar function, which only computes: "
                              f"{f'`{text}` ' if text else ''}({self.code.co_filename}:{line})")

    @functools.cached_property
    def dispatcher(self):
        """The function as Numba's @njit makes it: division as IEEE's, indices checked."""
        import numba
        return self._made("dispatcher", numba.njit(error_model="numpy", boundscheck=True, no_cpython_wrapper=True,
                                                   no_cfunc_wrapper=True, **self.options))

    @functools.cached_property
    def on_gpu(self):
        """The function as numba-cuda makes it, which divides as IEEE 754 says, and checks no index."""
        from numba import cuda
        return self._made("on_gpu", cuda.jit(device=True))

    def _made(self, role, jit):
        """The function by one of Numba's decorators, with its helpers in the same role."""
        cells = {name: CellType() for name in self.code.co_freevars}
        space = {"__builtins__": builtins, "__name__": __name__}
        made = jit(FunctionType(self.code, space, self.name, self.defaults, tuple(cells.values())))
        self.__dict__[role] = made               # before its helpers are made, one of which may be itself
        space |= {name: _usable(value, role) for name, value in self.names.items()}
        for name, value in self.closure.items():
            cells[name].cell_contents = _usable(value, role)
        return made

    def facts(self, seen):
        if self in seen:                         # a function that calls itself
            return "function", seen.index(self)
        seen.append(self)
        parts = self.code, self.defaults, self.options, self.names, self.closure
        return "function", self.name, *[_facts(part, seen) for part in parts]

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ROLES} | {"code": marshal.dumps(self.code)}

    def __setstate__(self, state):
        self.__dict__ |= state | {"code": marshal.loads(state["code"])}


class Part(ModuleType):
    """What is used of a module."""

    @property
    def used(self):
        return {name: value for name, value in vars(self).items() if not name.startswith("__")}

    def __reduce__(self):
        return Part, (self.__name__,), self.used


def capture(function):
    """A plain function, or one of Numba's, with what it reaches.

    Raises
    ------
    EffectError
        Where it prints, uses files, or draws random numbers.
    """
    return Captured(function, {})


def facts(value):
    """All that compiled code follows from, as tuples whose repr tells a value from every other, and is the same in each
    process."""
    return _facts(value, [])


def _by_position(function):
    """A function's code and defaults, those behind a bare * among the others: Numba knows no such arguments."""
    code, named = function.__code__, function.__kwdefaults__ or {}
    count = len(argument_names(code))
    defaults = (*(function.__defaults__ or ()), *named.values())
    return code.replace(co_argcount=count, co_kwonlyargcount=0), defaults


def _chains(code, free=None):
    """The dotted names of code and of the functions inside it, their lines, whether they are the outer function's."""
    free = code.co_freevars if free is None else free
    chain, line, is_free = [], code.co_firstlineno, False
    for instruction in dis.get_instructions(code):
        if chain and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain.append(instruction.argval)
            continue
        if chain:
            yield chain, line, is_free
        is_free = instruction.opname == "LOAD_DEREF" and instruction.argval in free
        chain = [instruction.argval] if is_free or instruction.opname == "LOAD_GLOBAL" else []
        line = instruction.positions.lineno or line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _chains(constant, free)


def _kept(value, known):
    """A value as it is now."""
    value = INSTEAD.get(value, value) if callable(value) and isinstance(value, Hashable) else value
    if plain(value) is not None:
        return known.get(value) or Captured(value, known)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple) and {type(part) for part in value} == {int, float}:
        return tuple(map(float, value))          # of one type, so that it can be walked through
    return np.array(value) if isinstance(value, list) and _is_table(value) else value


def _is_table(value):
    """Whether it is a list of numbers, or of such lists of one length: of constants, Numba indexes arrays only."""
    if all(type(part) in (int, float) for part in value):
        return bool(value)
    return all(isinstance(part, list) and _is_table(part) for part in value) and len(set(map(len, value))) == 1


def _usable(value, role):
    """A captured value as Numba takes it."""
    if isinstance(value, Part):
        module = Part(value.__name__)
        vars(module).update({name: _usable(part, role) for name, part in value.used.items()})
        return module
    return getattr(value, role) if isinstance(value, Captured) else value


def _facts(value, seen):
    match value:
        case Captured():
            return value.facts(seen)
        case CodeType():
            own = (value.co_code, value.co_names, value.co_varnames, value.co_freevars, value.co_argcount,
                   value.co_kwonlyargcount, value.co_flags, value.co_exceptiontable)
            return "code", own, _facts(value.co_consts, seen)
        case dict():
            return "dict", [(name, _facts(value[name], seen)) for name in sorted(value)]
        case Part():
            return "module", value.__name__, _facts(value.used, seen)
        case tuple() | list():
            return type(value).__name__, [_facts(part, seen) for part in value]
        case frozenset():
            return "frozenset", sorted(repr(_facts(part, seen)) for part in value)
        case np.ndarray() if not value.dtype.hasobject:
            return "array", value.dtype.descr, value.shape, value.tobytes()
        case None | bool() | int() | float() | complex() | str() | bytes() | np.generic():
            return type(value).__name__, repr(value)
        case type() | BuiltinFunctionType() | np.ufunc():
            return "name", getattr(value, "__module__", None), getattr(value, "__qualname__", value.__name__)
    known = getattr(value, "facts", None)        # an activation knows its own
    return known() if known else ("unknown", os.urandom(16))            # never found on disk, so never stale
