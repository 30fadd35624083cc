"""Scalar functions inside kernels that numba-cuda compiles: without a GPU, run by the interpreter of PTX."""
import math

import numpy as np
import ptx
import pytest
from numba import types
from numba.core.errors import TypingError
from tools import numba_cuda, random_patterns, same_bits

import numba_act as act

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
