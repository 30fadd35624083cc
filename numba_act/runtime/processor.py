"""What code is compiled for: this machine's processor, or the one that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name, as
Numba reads them."""
import functools
import os
from pathlib import Path
from typing import NamedTuple

LAST_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
PROBE = "define <16 x float> @f(<16 x float> %x) { %y = fadd <16 x float> %x, %x\n ret <16 x float> %y }"


class Target(NamedTuple):
    """A triple, a processor's name and a string of features, as LLVM writes them."""
    triple: str
    cpu: str
    features: str


@functools.cache
def target():
    """What code is compiled for."""
    import llvmlite.binding as llvm
    triple = llvm.get_default_triple()
    cpu, features = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:                     # a processor that is named has what LLVM says that it has
        features = "" if cpu else llvm.get_host_cpu_features().flatten()
    if is_x86(triple):                       # float16 is a way to store numbers, never one to compute with;
        #                                      without 64bit LLVM ends the process for a name that it does not know
        features = ",".join([*filter(None, [features]), "+64bit", "-avx512fp16", "-prefer-256-bit"])
    return Target(triple, cpu or llvm.get_host_cpu_name(), features)


def is_x86(triple):
    return triple.startswith(("x86_64", "amd64"))


def is_arm(triple):
    return triple.startswith(("aarch64", "arm64"))


@functools.cache
def machine():
    """LLVM's target machine."""
    import llvmlite.binding as llvm
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple, cpu, features = target()
    return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@functools.cache
def vector_bytes():
    """On how much of an operand a kernel works at a time: two registers, of AVX four, by which it takes a tenth less
    time than by two."""
    if "NUMBA_CPU_NAME" in os.environ or "NUMBA_CPU_FEATURES" in os.environ:       # ask the compiler, for 8 ms
        import llvmlite.binding as llvm
        assembly = machine().emit_assembly(llvm.parse_assembly(PROBE))
        return 128 if "ymm" in assembly or "zmm" in assembly else 32
    return 128 if "+avx" in target().features.split(",") else 32


@functools.cache
def cache_bytes():
    """What the last cache holds, 32 MiB where the system does not say it."""
    try:
        return int(LAST_CACHE.read_text().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 32 << 20
