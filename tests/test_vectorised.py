"""The machine code of every kernel: packed instructions, fused where the tree says so, no calls, no single floats."""
import re

import llvmlite.binding as llvm
import pytest
from tools import spread

import numba_act as act
from numba_act.backends import cpu_code
from numba_act.runtime import objects, processor
from numba_act.tree.node import in_order
from numba_act.tree.storage import STORAGE

X86 = "+avx2" in processor.target().features.split(",")
KINDS = "value", "grad", "value_and_grad", "backward"


def kernels(name):
    a = act.activations[name]
    inputs = a.operands + a.params
    yield a.kernel()
    for wrt in inputs:
        for kind in KINDS[1:]:
            yield a.kernel(kind, wrt)
    yield a.kernel("backward", *inputs)


@pytest.fixture
def compiled(monkeypatch):
    """A function that compiles as the library does, but gives the LLVM IR after the passes, and the assembly."""
    monkeypatch.setattr(llvm.TargetMachine, "emit_object", lambda self, m: (str(m), self.emit_assembly(m)))
    return lambda *kernel: objects.compile_text(cpu_code.module_text(*kernel), False)


def loops(assembly):
    """The instructions between a label and the jump back to it, one list a function."""
    found = []
    for function in re.split(r"^(?:general|uniform):", assembly, flags=re.M)[1:]:
        lines = [line.strip() for line in function.splitlines()]
        lines = lines[:next((i for i, line in enumerate(lines) if line.startswith(".Lfunc_end")), len(lines))]
        for end, line in enumerate(lines):
            if re.match(r"j\w+\s+\.LBB", line):
                label = line.split()[-1] + ":"
                if label in lines[:end]:
                    found.append([i for i in lines[lines.index(label) + 1:end + 1] if i and i[0] not in "#."])
    return found


SINGLE = re.compile(r"^v?(add|sub|mul|div|sqrt|min|max|cmp\w*|u?comi|fn?m(add|sub)\d+|cvt\w*2|rndscale)s[sdh]\b")
CALL = re.compile(r"^(call|jmp\s+\*)")
PACKED = re.compile(r"^v?\w+p[sdh]\b|^v(p|mov)\w+")
FUSED = re.compile(r"^vfn?m(add|sub)\d+(ps|pd)\b")


@pytest.mark.parametrize(("name", "storage"), spread(["float32", "float64"]))
def test_every_kernel_is_vectors(name, storage, compiled):
    storage = STORAGE[storage]
    lanes, scalar = processor.vector_bytes() // storage.size, storage.llvm
    for kernel in kernels(name):
        text, assembly = compiled(kernel, storage, lanes)
        arithmetic = re.findall(r"= (?:f(?:add|sub|mul|div|neg|cmp)\b.*?|(?:tail )?call) (<\d+ x \w+>|\w+) ", text)
        assert not {t for t in arithmetic if t in ("float", "double", "half")}, kernel.name
        assert f"load <{lanes} x {scalar}>" in text, kernel.name
        outside = re.findall(r"call .*?@([\w.]+)\(", text)
        assert all(called.startswith("llvm.") for called in outside), (kernel.name, outside)
        assert len(re.findall(r"^define", text, re.M)) == 1 + bool(kernel.parameters)
        if not X86:
            continue
        found = loops(assembly)
        functions, ways = 1 + bool(kernel.parameters), 1 if kernel.usual_trees(storage) is None else 2
        assert functions <= len(found) <= functions * ways, kernel.name         # a way may jump back by itself
        tree = {node.op for node in in_order(kernel.trees(storage))}
        for body in found:
            assert not [i for i in body if SINGLE.match(i) or CALL.match(i)], kernel.name
            assert any(PACKED.match(i) for i in body), kernel.name
            assert any(FUSED.match(i) for i in body) == ("fma" in tree), kernel.name


@pytest.mark.skipif(not X86, reason="written for x86-64")
def test_the_patterns_know_what_they_look_for():
    for line in ("vaddss %xmm0, %xmm1, %xmm2", "mulsd %xmm0, %xmm1", "vfmadd213ss %xmm0, %xmm1, %xmm2",
                 "vsqrtsd %xmm0, %xmm1, %xmm2", "vucomiss %xmm0, %xmm1"):
        assert SINGLE.match(line)
    assert CALL.match("callq expf") and CALL.match("callq *%rax")
    assert FUSED.match("vfnmadd231ps %zmm0, %zmm1, %zmm2") and not FUSED.match("vmulps %zmm0, %zmm1, %zmm2")
    assert not SINGLE.match("vbroadcastss (%rax), %zmm1") and not SINGLE.match("vaddps %zmm0, %zmm1, %zmm2")
