"""Kernels of functions that Numba compiles, as machine code of this CPU: a loop around calls of the function."""
import functools
import linecache
import math
import os
import pkgutil
import re
from importlib.metadata import version

from .. import expressions, scalar, tree
from ..backends import cpu_code
from ..runtime import objects
from .captured import facts

COST = 100                                       # of an element, in nodes: nobody knows how often a loop turns
ONE_BY_ONE = 1
CALLED = re.compile(r">>> (\w+)\(.*")            # as Numba writes them
PLACE = re.compile(r"During: (?:typing|lowering) .* at (.+) \((\d+)\)")
WITHOUT_SLOPE = {CALLED: "{}()", re.compile(r"Function\(<?[\w -]*?(\w+)>?\)"): "{}()",
                 re.compile(r"Unknown attribute '(\w+)'"): ".{}", re.compile(r'lowering "\S+ = \S+ (\w+) '): "`{}`"}
# where a function that calls itself finds its own address, which Numba's linker would write there
RECURSIVE = re.compile(r'(@"\.numba\.unresolved\$(\w+)") = external [a-z_ ]*global ptr')
MOST_SAID = 280                                  # letters of what Numba says


class Call:
    """What one output of a kernel calls.

    captured : the function
    inputs, parameters : the names of its arguments, and of those that have a default
    wrt : the arguments in which it is differentiated, one after another
    part : which of the numbers that it returns counts; None where it returns one
    """

    def __init__(self, captured, inputs, parameters, wrt=(), part=None):
        self.captured, self.inputs, self.parameters, self.wrt, self.part = captured, inputs, parameters, wrt, part

    def facts(self):
        """What its code follows from."""
        return facts((self.captured, self.inputs, self.parameters, self.wrt, self.part))

    def compiled(self, number, on_gpu):
        """The function for numbers of a type, or duals of them."""
        from numba import config, errors

        from .dual import DualType
        if config.DISABLE_JIT:
            raise RefusedError("NUMBA_DISABLE_JIT is set")
        given = tuple([DualType(number, len(self.wrt), name in self.wrt, name in self.parameters)
                       if name in self.wrt or (self.wrt and name not in self.parameters) else number
                       for name in self.inputs])
        try:
            if on_gpu:
                return self.captured.on_gpu.compile_device(given)
            self.captured.dispatcher.compile(given)
        except Exception as error:               # Numba raises every kind
            said = f"{error}" if isinstance(error, errors.NumbaError) else f"{type(error).__name__}: {error}"
            raise (_UnknownSlopeError if self.wrt else RefusedError)(said) from None
        return self.captured.dispatcher.overloads[given]

    def emit(self, made, context, builder, values, number):
        """A call of the compiled function: its status, and the result as a number."""
        signature = made.signature
        given = [self._given(builder, *parts) for parts in zip(self.inputs, values, signature.args, strict=True)]
        caller = getattr(made.fndesc, "call_conv", context)              # numba-cuda's functions have their own
        status, value = caller.call_internal_no_propagate(builder, made.fndesc, signature, given)
        return status, self._number(context, builder, value, signature.return_type, number)

    def _given(self, builder, name, value, type_):
        """A number as the function takes it: a dual has slope 1 in itself."""
        from .dual import DualType, packed
        if not isinstance(type_, DualType):
            return value
        bits = [1 << k for k, differentiated in enumerate(self.wrt) if differentiated == name]
        return packed(builder, [value, *[value.type(float(m in bits)) for m in range(1, type_.parts)]])

    def _number(self, context, builder, value, type_, number):
        """What the function returned, or its last slope, as a number."""
        from numba.core import types

        from .dual import DualType
        parts = tuple(type_) if isinstance(type_, types.BaseTuple) else (type_,)
        if len(parts) != (1 if self.part is None else len(self.inputs)):
            raise RefusedError(f"it returns {type_}, not {len(self.inputs) if self.part is not None else 'a number'}")
        if isinstance(type_, types.BaseTuple):
            value, type_ = builder.extract_value(value, self.part or 0), parts[self.part or 0]
        if isinstance(type_, DualType) and type_.live:
            value, type_ = builder.extract_value(value, type_.parts - 1), type_.number
        elif self.wrt:
            return context.get_constant(number, 0)
        elif not isinstance(type_, types.Integer | types.Float | types.Boolean):
            raise RefusedError(f"it returns {type_}, not a number")
        return context.cast(builder, value, type_, number)


class RefusedError(TypeError):
    """Numba does not compile the function; what it says, in its many lines."""

    def reason(self):
        """The first thing that it says, in one line, with the place."""
        lines = [line.strip() for line in str(self).splitlines()]
        said = next((line for line in lines if line and not line.startswith("Failed in nopython")), "")
        if "Cannot modify readonly array" in str(self):
            said = "it writes into an array that it captures"
        elif said.startswith("No implementation") and CALLED.search(str(self)):
            said = f"there is no {CALLED.search(str(self))[0].removeprefix('>>> ')}"
        place = self.place()
        return f"{said:.{max(0, MOST_SAID - len(place))}}{place}"

    def place(self):
        """The line of the user's that it is about."""
        import numba
        for file, line in PLACE.findall(str(self)):
            if not file.startswith(os.path.dirname(numba.__file__)):
                return f": `{linecache.getline(file, int(line)).strip()}` ({file}:{line})"
        return ""


class _UnknownSlopeError(RefusedError):
    """Numba compiles the function for numbers, but not for duals."""

    def reason(self):
        for pattern, shown in WITHOUT_SLOPE.items():
            if named := pattern.search(str(self)):
                return f"the derivative of {shown.format(named[1])} is not known{self.place()}"
        return super().reason()


class Calls:
    """What a kernel is compiled from: a call for each output.

    Where the kernel has an input more than the functions, its first, the outputs are multiplied by that.
    """

    def __init__(self, calls):
        self.calls = calls

    def loaded(self, kernel, storage, summed):
        """As cpu_code's: the addresses of a kernel's functions, by the object file on disk or a new one."""
        key = *self.key(kernel, storage), sorted(summed), objects.target()
        with objects.lock:
            image = objects.cached(key, lambda: _made(self, kernel, storage, summed))
            symbols, _, image = image.partition(b"\n")
            _provide(symbols.decode().split())
            return objects.link(image, cpu_code.names(kernel)), ONE_BY_ONE, COST

    def only(self, outputs):
        """Those of some outputs, by their numbers."""
        return Calls([self.calls[j] for j in outputs])

    def facts(self):
        """What its code follows from."""
        return [call.facts() for call in self.calls]

    def on_gpu(self, kernel, storage):
        """What a kernel on a GPU calls."""
        from .gpu import Compiled
        return Compiled(self, kernel, storage)

    def key(self, kernel, storage):
        """What a kernel's code follows from, but for what it is made for."""
        return self.facts(), kernel.inputs, kernel.name, storage.name, _versions()

    def compiled(self, kernel, storage, on_gpu=False):
        """The functions for numbers of a storage's working type."""
        from numba.core import types
        try:
            return [call.compiled(getattr(types, storage.working), on_gpu) for call in self.calls]
        except _UnknownSlopeError as error:
            raise NotImplementedError(f"{kernel.owner}: {error.reason()}; declare the derivative with "
                                      f"@{kernel.owner}.derivative") from None

    def emit(self, compiled, context, builder, kernel, storage, arguments, failed=None):
        """The outputs; `failed` is what happens upon the status of a call that raised, which gives NaN if there is
        nothing that could happen."""
        from numba.core import types
        values = []
        for call, made in zip(self.calls, compiled, strict=True):
            given = [arguments[name] for name in call.inputs]
            status, value = call.emit(made, context, builder, given, getattr(types, storage.working))
            if failed is None:
                value = builder.select(status.is_error, value.type(math.nan), value)
            else:
                with builder.if_then(status.is_error, likely=False):
                    failed(status)
            if len(kernel.inputs) > len(call.inputs):
                rounded = storage.widen(builder, storage.narrow(builder, value))
                value = builder.fmul(arguments[kernel.inputs[0]], rounded)
            values.append(value)
        return values


@functools.cache
def _versions():
    """What a kernel's code follows from beside the function: the compilers' versions, and this package's own code."""
    parts = [part.name for folder in (tree, scalar)
             for part in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}.")]
    own = [*parts, expressions.__name__, cpu_code.__name__, __name__, f"{__package__}.dual"]
    return version("numba"), version("numpy"), list(map(objects.code_of, own))


def _made(calls, kernel, storage, summed):
    """The names of the functions that an object file needs from elsewhere, and the file."""
    from numba.core.compiler_lock import global_compiler_lock
    with global_compiler_lock:
        text = _module_text(calls, kernel, storage, summed)
    module = objects.parsed(text, optimise=True)
    needed = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    return " ".join(needed).encode() + b"\n" + objects.compile_text(str(module), optimise=False)


def _provide(symbols):
    """Make sure that these functions are in the process: some are Numba's."""
    import llvmlite.binding as llvm
    if all(map(llvm.address_of_symbol, symbols)):
        return
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys
    rtsys.initialize(cpu_target.target_context)
    missing = [name for name in symbols if not llvm.address_of_symbol(name)]
    if missing:
        raise RuntimeError(f"{', '.join(missing)}: no function of that name is in this process")


def _module_text(calls, kernel, storage, summed):
    """LLVM IR of a kernel with all that it calls."""
    import llvmlite.binding as llvm
    from llvmlite import ir
    from numba.core.registry import cpu_target

    context, word = cpu_target.target_context, ir.IntType(64)
    compiled = calls.compiled(kernel, storage)
    module = context.codegen().create_library(kernel.symbol).create_ir_module(kernel.symbol)

    def results(b, arguments):
        def failed(status):
            place = b.load(b.gep(b.function.args[0], [word(len(kernel.inputs) + kernel.n_outputs)]))
            b.store(b.ptrtoint(status.excinfoptr, word), b.bitcast(place, word.as_pointer()))
            b.ret_void()
        return calls.emit(compiled, context, b, kernel, storage, arguments, failed)

    cpu_code.add_functions(module, kernel, storage, None, summed, results)
    whole = llvm.parse_assembly(str(module))
    for made in compiled:
        part = llvm.parse_assembly(RECURSIVE.sub(r"\1 = internal constant ptr @\2", made.library.get_llvm_str()))
        for function in part.functions:
            if not function.is_declaration and function.name != made.fndesc.llvm_func_name:
                function.linkage = "internal"
        whole.link_in(part)
    return str(whole)
