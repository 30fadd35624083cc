"""What the tests share: dtypes, bits, every output of every activation."""
import functools
import inspect
import os
import warnings
import zlib

import ml_dtypes
import numpy as np
import pytest

import numba_act as act
from numba_act import accuracy
from numba_act.tools.bench.cells import CORE
from numba_act.tree.exact import number

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = [np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
NAMES = list(act.activations)
WITH_PARAMETERS = [name for name, a in act.activations.items() if a.params and len(a.operands) == 1]
PLAIN = [name for name, a in act.activations.items() if len(a.operands) == 1]
GATED = [name for name in NAMES if name not in PLAIN]
EVERYTHING = bool(os.environ.get("NUMBA_ACT_TEST_ALL"))
BEYOND = number(2) ** 3000          # a finite number beyond every dtype, which stands for infinity


def spread(values, names=NAMES, often=CORE):
    """Pairs of names and values: the functions that networks are made of, or others that are named, beside two values
    or the half of them, the others beside one in turn; with NUMBA_ACT_TEST_ALL set all pairs, which takes twice as
    long."""
    return [(name, value) for k, name in enumerate(names) for j, value in enumerate(values)
            if EVERYTHING or (j - k) % (max(1, len(values) // 2) if name in often else len(values)) == 0]


def names_and_dtypes(names):
    """The pairs of these names and dtypes, spread."""
    pairs = [(name, dtype) for name, dtype in spread(DTYPES) if name in names]
    return pytest.mark.parametrize(("name", "dtype"), pairs, ids=[f"{name}-{dtype}" for name, dtype in pairs])


every_name = pytest.mark.parametrize("name", NAMES)
every_plain = pytest.mark.parametrize("name", PLAIN)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
every_name_and_dtype = names_and_dtypes(NAMES)


def in_turn(argument, values):
    """As pytest's parametrize, within one test, because a test of its own takes 15 ms; `values` may be a function of
    the activation's name.  A failure notes the value."""
    def decorated(test):
        @functools.wraps(test)
        def turns(**given):
            for value in values(given["name"]) if callable(values) else values:
                try:
                    test(**given, **{argument: value})
                except BaseException as error:
                    error.add_note(f"{argument} = {value!r}")
                    raise
        whole = inspect.signature(test)
        turns.__signature__ = whole.replace(parameters=[p for p in whole.parameters.values() if p.name != argument])
        return turns
    return decorated


def generator(*seed):
    return np.random.default_rng(zlib.crc32(repr(seed).encode()))


def word(dtype):
    return np.dtype(f"u{np.dtype(dtype).itemsize}")


def patterns(dtype):
    """All bit patterns of a 16-bit type."""
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def random_patterns(dtype, n, *seed):
    """Random bit patterns: every exponent alike, infinities, NaN and subnormals among them."""
    return generator(dtype, *seed).integers(0, np.iinfo(word(dtype)).max, n, word(dtype), endpoint=True).view(dtype)


def finite(x):
    """The finite ones among numbers, signalling NaN being no reason to warn."""
    with np.errstate(invalid="ignore"):
        return x[np.isfinite(x)]


def specials(dtype):
    """Zeros, infinities, NaN, subnormals, the ends of the range, and ordinary numbers."""
    info = ml_dtypes.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 1, 1.5, 3, 20, 100, info.max, np.inf]
    positive = np.array([dtype.type(v) for v in positive], dtype)
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


def same_bits(actual, expected):
    """Equal dtypes, shapes and bits, but for the payload of NaN."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    both = np.isnan(actual) & np.isnan(expected)
    different = (np.ascontiguousarray(actual).view(word(actual.dtype)).reshape(actual.shape)
                 != np.ascontiguousarray(expected).view(word(expected.dtype)).reshape(actual.shape)) & ~both
    assert not different.any(), (np.argwhere(different)[:3], actual[different][:3], expected[different][:3])


def numba_cuda():
    """numba-cuda's compiler; where it is not installed, or compiles nothing, what asks for it is skipped."""
    pytest.importorskip("numba_cuda")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The 'generic' unit for NumPy", DeprecationWarning)            # of NumPy 2.5
        from numba import cuda, float32
        try:
            cuda.compile(lambda x: x * x, (float32,), device=True, cc=(9, 0))
        except Exception as error:
            pytest.skip(f"numba-cuda compiles nothing here: {type(error).__name__}: {error}", allow_module_level=True)
    return cuda


def inputs_of(name):
    """The names of all operands and parameters."""
    a = act.activations[name]
    return a.operands + a.params


def outputs_of(name):
    """(what, call) of the value, which is called f, and of each derivative, by what it is taken in:
    call(x, *parameters, **options), where x is every operand."""
    a = act.activations[name]

    def call(function, x, *row, **options):
        return function(*[x] * len(a.operands), *row, **options)
    grads = {wrt: functools.partial(call, functools.partial(a.grad, wrt=wrt)) for wrt in inputs_of(name)}
    return {"f": functools.partial(call, a), **grads}


def output(name, what="f", row=None, n=1):
    """An output as a function of its last operand, with its definition; the n-th derivative."""
    a = act.activations[name]
    return accuracy.Output(a, () if what == "f" else (what,) * n, rows(name)[0] if row is None else row)


def rows(name):
    """The parameter grid; of functions with two parameters every second row of it, with three every third."""
    found = accuracy.rows(act.activations[name])
    return found if EVERYTHING else [*found[:1], *found[1::len(act.activations[name].params) or 1]]


def parameters(name, dtype):
    """The parameter grid, rounded to the dtype."""
    with np.errstate(all="ignore"):
        return [tuple(dtype.type(p) for p in row) for row in rows(name)]


def choices(name, dtype):
    """Values of the first parameter."""
    return np.array(list(dict.fromkeys(row[0] for row in parameters(name, dtype))), dtype)


OUTPUTS = [(name, what) for name in NAMES for what in ("f", *inputs_of(name))]
every_output = pytest.mark.parametrize(("name", "what"), OUTPUTS)
each_output = in_turn("what", lambda name: ("f", *inputs_of(name)))
each_row = in_turn("row", rows)


def at_odd_address(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    shifted = memory[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    return shifted
