"""What a function was compiled from: its syntax tree, and the lines to name in messages."""
import __future__

import ast
import functools
import linecache
from types import CodeType

from .errors import UnsupportedError

SHOWN = 80                                       # characters of a line in a message


def syntax_of(function):
    """A function's syntax tree, by the lines of its file or its notebook cell."""
    code = function.__code__
    try:
        lines, flags = "".join(lines_of(function)), code.co_flags & __future__.annotations.compiler_flag
        read = (_read(lines, flags, apart) for apart in (False, True))
        nodes = next((nodes for nodes, codes in read if _bare(code) in codes), ())
        found = (_lambda if code.co_name == "<lambda>" else _definition)(nodes, code)
    except (SyntaxError, RecursionError):        # of Python's own compiler: beyond some 3000 terms
        found = None
    if found is None:
        raise UnsupportedError(
            f"the source of {function.__name__}() cannot be read: define it in a file that does not change, or in a "
            "notebook cell, not by exec, at a bare prompt or under a cell magic such as %%time")
    return found


def place(function, syntax):
    """What is written there, and in which line of which file."""
    line = "".join(lines_of(function)[syntax.lineno - 1:syntax.lineno]).encode()
    last = syntax.end_col_offset if syntax.end_lineno == syntax.lineno else None
    text = line[syntax.col_offset:last].decode().strip()
    text = text if len(text) <= SHOWN else text[:SHOWN - 3] + "..."
    return f"`{text}` ({function.__code__.co_filename}:{syntax.lineno})"


def local_names(syntax):
    """The names that a function's statements assign, but for those of functions in it, and that are its alone."""
    found, stack = set(), list(syntax.body) if isinstance(syntax.body, list) else [syntax.body]
    while stack:
        match stack.pop():
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.ListComp() | ast.GeneratorExp() as node:
                found.update(inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
            case node if not isinstance(node, ast.Lambda):
                stack += ast.iter_child_nodes(node)
    return found


def lines_of(function):
    """The lines of a function's file or notebook cell; none where they are not there, as beside a .pyc alone."""
    return linecache.getlines(function.__code__.co_filename, function.__globals__)


@functools.lru_cache(maxsize=8)                  # 4 ms for 200 lines
def _read(lines, flags, apart):
    """The nodes of a file's or a cell's syntax tree, and all code in it: a function whose code is not among that was
    made from other lines.

    A notebook compiles each statement of a cell `apart`: a module's function is called in another way by code that
    stands beside the import."""
    module = ast.parse(lines)
    parts = [ast.Module([statement], []) for statement in module.body] if apart else [module]
    codes = [compile(part, "", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True) for part in parts]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    nodes = list(ast.walk(module))
    for node in reversed(nodes):                 # an inner class before the outer
        if isinstance(node, ast.ClassDef):
            _spell_private(node)
    return nodes, {_bare(code) for code in codes}


def _spell_private(syntax):
    """Write the private names in a class as Python does in its code, which leaves the keywords of calls."""
    fields = {ast.Attribute: "attr", ast.Name: "id", ast.arg: "arg"}
    for node in ast.walk(syntax):
        field = fields.get(type(node))
        name = getattr(node, field) if field else ""
        if name.startswith("__") and not name.endswith("__"):
            setattr(node, field, f"_{syntax.name.lstrip('_')}{name}")


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
