"""NVIDIA's linker, from the wheel nvidia-nvjitlink: PTX to a cubin on a machine without a GPU."""
import ctypes
import re
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

from tools import EVERYTHING

PTX = 2                                      # nvJitLinkInputType
CAPABILITIES = 75, 80, 90, 100, 120          # of Turing, Ampere, Hopper and two Blackwells


def in_turn(k):
    """One of the capabilities, or all with NUMBA_ACT_TEST_ALL set."""
    return CAPABILITIES if EVERYTHING else [CAPABILITIES[k % len(CAPABILITIES)]]


class Cubin(NamedTuple):
    code: bytes
    registers: int
    spills: int                              # bytes stored and loaded
    stack: int


def _library():
    try:
        path = next(f.locate() for f in files("nvidia-nvjitlink") if "nvJitLink" in f.name and f.suffix != ".h")
    except (PackageNotFoundError, StopIteration):
        return None
    return ctypes.CDLL(str(path))


library = _library()


def _call(name, *args):
    code = getattr(library, f"__nvJitLink{name}_13_0")(*args)
    assert code == 0, (name, code)


def _text(handle, name):
    size = ctypes.c_size_t()
    _call(f"Get{name}Size", handle, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value + 1)
    _call(f"Get{name}", handle, text)
    return text.raw[:size.value]


def link(ptx, target):
    """The cubin of a module with one kernel, and what the assembler says of it."""
    handle, options = ctypes.c_void_p(), (ctypes.c_char_p * 2)(f"-arch=sm_{target}".encode(), b"-verbose")
    _call("Create", ctypes.byref(handle), len(options), options)
    try:
        source = ptx.encode()
        added = library.__getattr__("__nvJitLinkAddData_13_0")(handle, PTX, source, ctypes.c_size_t(len(source)), b"k")
        assert added == 0, _text(handle, "ErrorLog").decode()
        _call("Complete", handle)
        log = _text(handle, "InfoLog").decode()
        spills = map(int, re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log).groups())
        stack = re.search(r"(\d+) bytes stack frame", log)
        return Cubin(_text(handle, "LinkedCubin"), int(re.search(r"Used (\d+) registers", log)[1]), sum(spills),
                     int(stack[1]))
    finally:
        _call("Destroy", ctypes.byref(handle))
