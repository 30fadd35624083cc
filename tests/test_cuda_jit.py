"""Scalar functions inside kernels that numba-cuda compiles: without a GPU, run by the interpreter of PTX."""
import importlib
import math
from types import SimpleNamespace

import numpy as np
import ptx
import pytest
from numba import types
from numba.core.errors import TypingError
from tools import numba_cuda, random_patterns, same_bits

import numba_act as act
from numba_act import math as math_of_ours
from numba_act.jitted import gpu

cuda = numba_cuda()


def compiled(function, number, n_inputs):
    """PTX of a kernel of pointers to the inputs and the output, and a count."""
    if n_inputs == 1:
        def kernel(x, y, n):
            i = cuda.grid(1)
            if i < n:
                y[i] = function(x[i])
    else:
        def kernel(x, z, y, n):
            i = cuda.grid(1)
            if i < n:
                y[i] = function(x[i], z[i])
    pointers = [types.CPointer(number)] * (n_inputs + 1)
    return cuda.compile(kernel, types.void(*pointers, types.int64), cc=(9, 0), abi="numba", device=False)[0]


@pytest.mark.parametrize("number", [types.float32, types.float64], ids=str)
@pytest.mark.parametrize("name", act.activations)
def test_same_bits_in_cuda_jit(name, number):
    """NVVM contracts multiplications and additions of a user's kernel, and not ours."""
    a, dtype = act.get(name), np.dtype(str(number))
    operands = [random_patterns(dtype, 5000, k) for k in range(len(a.operands))]
    for function, call in ((a, a), (a.scalar_grad, a.grad)):
        memory = ptx.Memory()
        places = [memory.put(v) for v in operands]
        y = memory.allocate(operands[0].nbytes)
        ptx.run(compiled(function, number, len(operands)), memory, [*places, y, 5000], 20, 256)
        same_bits(memory.get(y, dtype, 5000), call(*operands))


def test_parameters_and_methods():
    def kernel(x, y, n):
        i = cuda.grid(1)
        if i < n:
            y[i] = (act.swish(x[i], np.float32(1.5)) + act.swish.grad(x[i], beta=1.5, wrt="beta")
                    + act.gelu.backward(x[i], x[i]) + np.float32(1))

    pointer = types.CPointer(types.float32)
    text, _ = cuda.compile(kernel, types.void(pointer, pointer, types.int64), cc=(9, 0), abi="numba", device=False)
    memory, x = ptx.Memory(), np.linspace(-5, 5, 1000).astype("f4")
    places = memory.put(x), memory.allocate(x.nbytes)
    ptx.run(text, memory, [*places, x.size], 4, 256)
    expected = act.swish(x, 1.5) + act.swish.grad(x, 1.5, wrt="beta") + act.gelu.backward(x, x) + np.float32(1)
    same_bits(memory.get(places[1], np.float32, x.size), expected)


def halved(x, most=3.0):
    while most < abs(x) < np.inf:
        x = x / 2
    return x * x + most


def test_the_fast_tier_and_mathematics():
    for function in (act.gelu.fast, act.mish.fast.scalar_grad, math_of_ours.sin, math_of_ours.erf.fast):
        checked(function)


def test_what_numba_compiles(monkeypatch):
    """A function without a tree, and its derivative by dual numbers."""
    dispatcher = importlib.import_module(f"{cuda.__name__}.dispatcher")
    if "numba_cuda" not in dispatcher.__file__:
        pytest.skip("numba.cuda is not numba-cuda's here")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    gpu.complaint.cache_clear()
    a = act.activation(halved)
    assert a.compiler == "numba"
    checked(a)
    checked(a.scalar_grad)


def checked(function):
    """On a thread each, it gives the CPU's bits."""
    memory, x = ptx.Memory(), np.linspace(-9, 9, 500).astype("f4")
    places = memory.put(x), memory.allocate(x.nbytes)
    ptx.run(compiled(function, types.float32, 1), memory, [*places, x.size], 2, 256)
    same_bits(memory.get(places[1], np.float32, x.size), function(x))


def test_arrays_are_refused():
    def kernel(x):
        act.gelu(x)

    with pytest.raises(TypingError, match="gelu: x must be a number, not array"):
        cuda.compile(kernel, types.void(types.float32[::1]), cc=(9, 0), abi="numba", device=False)


def test_the_platforms_library():
    wave = act.activation(lambda x: math.sin(x) * math.gamma(x)).scalar
    text = compiled(wave, types.float32, 1)
    assert ".extern" not in text                 # all of libdevice that is needed is in it


@pytest.mark.parametrize("number", [types.float32, types.float64], ids=str)
def test_whole_numbers(number):
    """The dialect has its own names for them, and remainders are loops."""
    def whole(x, y):
        return math.floor(x) * 2 + math.ceil(y) - int(x) + round(y) / 4 + x % y - x // y

    a = act.activation(whole)
    dtype = np.dtype(str(number))
    operands = [random_patterns(dtype, 4000, "whole", k) for k in range(2)]
    memory = ptx.Memory()
    places = [memory.put(v) for v in operands]
    y = memory.allocate(operands[0].nbytes)
    ptx.run(compiled(a.scalar, number, 2), memory, [*places, y, 4000], 16, 256)
    same_bits(memory.get(y, dtype, 4000), a(*operands))
