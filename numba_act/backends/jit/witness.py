"""What Numba keeps on disk of a function, by cache=True, must not outlive the activations that are in it.

Numba looks at the function's own file only.  But it pickles the constants of a compiled function with it, and takes an
OSError, as it reads them back, for a file that is gone, and compiles anew.
"""
import hashlib
import importlib
import operator

from llvmlite import ir

from ...tree.storage import STORAGE
from ..rows.code import module_text
from ..rows.program import RowKernel
from .exact import exactly


class Witness:
    """A constant that is an error to read back where the kernel is another by then, or is not found."""

    def __init__(self, owner, plan, kernel, dtype):
        self.owner, self.plan, self.kernel, self.dtype = owner, plan, kernel, dtype

    def __reduce__(self):
        return _examine, (place(self.owner), self.plan, self.dtype, digest(self.kernel, self.dtype))


def _examine(where, plan, dtype, expected):
    owner = found(where)
    if owner is None or digest(owner.kernel(*plan), dtype) != expected:
        raise OSError(f"{where} has changed since")


def place(owner):
    """Where another process finds an activation; None where it has no name, as one in a function."""
    where = owner.__module__, owner.__qualname__
    return where if found(where) is owner else None


def found(where):
    try:
        return where and operator.attrgetter(where[1])(importlib.import_module(where[0]))
    except (AttributeError, ImportError):
        return None


def digest(kernel, dtype):
    """A hash of what the kernel computes, as the compiler reads it."""
    if isinstance(kernel, RowKernel):
        return hashlib.sha256(repr(module_text(kernel, STORAGE[dtype], "rows", False)).encode()).hexdigest()
    if kernel.calls:
        return hashlib.sha256(repr(kernel.calls.facts()).encode()).hexdigest()
    module, storage = ir.Module(), STORAGE[dtype]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [storage.type] * len(kernel.inputs)), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    outputs = exactly(builder, kernel, dict(zip(kernel.inputs, function.args, strict=True)), storage)
    return hashlib.sha256(f"{module}{[str(value) for value in outputs]}".encode()).hexdigest()
