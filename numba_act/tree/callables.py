"""What is asked of a Python function before it is read: what is inside, whose it is, whether it has effects."""
import functools
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

EFFECTS = {print, input, open, exec, eval, breakpoint}
CLOSED = {"_io", "io", "logging", "numpy.random", "os", "posix", "nt", "pathlib", "random", "secrets", "socket",
          "subprocess", "tempfile", "time", "uuid", "warnings"}


def argument_names(code):
    """The names of a function's arguments, those behind a bare * among them."""
    return code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]


def plain(function):
    """The Python function of one that Numba or functools.lru_cache has wrapped; None of anything else."""
    function = getattr(function, "_dispatcher", function)              # of @vectorize
    function = getattr(function, "py_func", function)
    function = function.__wrapped__ if isinstance(function, functools._lru_cache_wrapper) else function
    return function if isinstance(function, FunctionType) else None


def is_ours(function):
    """Whether a function, or a type, stands in this package."""
    return str(getattr(function, "__module__", "")).partition(".")[0] == __package__.partition(".")[0]


def has_effects(value):
    """Whether a function, or an object or module that has functions, does more than compute, or not the same each time.
    """
    own = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    homes = own, type(value).__module__, type(getattr(value, "__self__", None)).__module__
    closed = any(str(home) == name or str(home).startswith(f"{name}.") for home in homes for name in CLOSED)
    return closed or (isinstance(value, BuiltinFunctionType | FunctionType) and value in EFFECTS)


def within(function):
    """The function that another one is made of, and its first and its named arguments; None for a plain one."""
    match function:
        case functools.partial():
            return function.func, function.args, function.keywords
        case MethodType() if not hasattr(function.__self__, "on_nodes"):       # an activation's are not to be read
            return function.__func__, (function.__self__,), {}
        case staticmethod():
            return function.__func__, (), {}
        case FunctionType() | type():
            return None
    for inner, first in ((plain(function), ()), (type(function).__call__, (function,))):
        if isinstance(inner, FunctionType):
            return inner, first, {}
    return None
