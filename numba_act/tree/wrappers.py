"""Plain functions around others, with source of their own, which both the reader of trees and Numba take."""
import functools
import inspect
import itertools
import linecache

from .callables import plain, within

_count = itertools.count()


def as_function(given):
    """A partial function, a method, or an object with a method that is called, as a plain function around what it is
    made of; anything else as it is."""
    inside = within(given)
    if plain(given) is not None or inside is None or hasattr(given, "on_nodes"):
        return given
    called, first = as_function(inside[0]), inside[1]
    if plain(called) is None:
        return given
    named = given.func if isinstance(given, functools.partial) else given
    made = _written(getattr(named, "__name__", type(named).__name__), given, (called, *first))
    made.__module__, made.__doc__ = getattr(named, "__module__", made.__module__), named.__doc__
    return made


def of_whole_numbers(function, names):
    """A function that gets its arguments of these names as whole numbers, as indices must be."""
    return _written(function.__name__, function, (function,), names)


def _written(name, like, inner, whole=()):
    """A function with the arguments of another that calls the first of `inner`, with the others before its own."""
    parameters, file = inspect.signature(like).parameters.values(), f"<around {name} {next(_count)}>"
    longest = max([parameter.name for parameter in parameters], key=len, default="")     # no argument begins with that
    space = {f"{longest}_{k}": value for k, value in enumerate(inner)}
    called, *first = space
    bare = [p.replace(annotation=p.empty, default=p.default if p.default is p.empty else None) for p in parameters]
    given = [f"{p.name}=" * (p.kind is p.KEYWORD_ONLY) + (f"int({p.name})" if p.name in whole else p.name)
             for p in parameters]
    checks = [f"    if {own} != int({own}): raise ValueError('{own} must be a whole number')" for own in whole]
    lines = [f"def {name if name.isidentifier() else 'function'}{inspect.Signature(bare)}:", *checks,
             f"    return {called}({', '.join(first + given)})"]
    linecache.cache[file] = 0, None, [f"{line}\n" for line in lines], file
    exec(compile("\n".join(lines), file, "exec"), space)
    made = space.popitem()[1]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    made.__kwdefaults__ = {p.name: defaults.pop(p.name) for p in parameters
                           if p.kind is p.KEYWORD_ONLY and p.name in defaults} or None
    made.__defaults__ = tuple(defaults.values()) or None
    made.__name__ = name
    return made
