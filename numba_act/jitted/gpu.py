"""Kernels of functions that Numba compiles, for a GPU: numba-cuda makes LLVM IR of the functions, which goes the way of
the trees' from there on, so that nothing contracts a * b + c."""
import functools
from importlib.util import find_spec

from ..backends import ptx


@functools.cache
def complaint():
    """Why numba-cuda compiles nothing here; None where it does."""
    if find_spec("numba_cuda") is None:
        return "and is not installed: pip install numba-cuda"
    try:
        from numba import cuda, float32
        cuda.jit(device=True)(lambda x: x * x).compile_device((float32,))
    except Exception as error:                   # of NumPy's, Numba's, the driver's: it knows no version too new for it
        from importlib.metadata import version
        return (f"but {version('numba-cuda')} fails here, with NumPy {version('numpy')} and Numba {version('numba')}: "
                f"{type(error).__name__}: {f'{error}'.strip().partition(chr(10))[0]}")
    return None


class Compiled:
    """What a kernel on a GPU calls, compiled for numbers of a storage's working type."""

    def __init__(self, calls, kernel, storage):
        if complaint():
            raise ModuleNotFoundError(f"{kernel.owner}: it is no expression tree; on a GPU numba-cuda compiles it, "
                                      f"{complaint()}", name="numba_cuda")
        self.calls, self.kernel, self.storage = calls, kernel, storage
        self.made = calls.compiled(kernel, storage, on_gpu=True)

    def emit(self, builder, arguments):
        """The outputs, for arguments by name."""
        return self.calls.emit(self.made, self.made[0].target_context, builder, self.kernel, self.storage, arguments)

    def linked(self, text):
        """LLVM IR of a kernel with all that it calls."""
        import llvmlite.binding as llvm
        texts = dict.fromkeys(text for made in self.made for text in made.library.llvm_strs)
        functions, *parts = map(llvm.parse_assembly, texts)
        for part in parts:
            functions.link_in(part)
        called = {made.fndesc.llvm_func_name for made in self.made}
        for thing in (*functions.functions, *functions.global_variables):
            if not thing.is_declaration and thing.name not in called:
                thing.linkage = "internal"
        ptx.optimise(functions)
        for function in functions.functions:
            if function.name in called:
                function.add_function_attribute("alwaysinline")
        whole = llvm.parse_assembly(text)
        whole.link_in(functions)
        for function in whole.functions:
            if function.name in called:
                function.linkage = "internal"
        return str(whole)
