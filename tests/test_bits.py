"""The same bits whatever the way an element takes: length, offset, stride, alignment, threads, in place."""
import functools
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools import (
    BFLOAT16,
    DTYPES,
    NAMES,
    WITH_PARAMETERS,
    at_odd_address,
    choices,
    each_output,
    every_dtype,
    every_name,
    every_name_and_dtype,
    generator,
    in_turn,
    inputs_of,
    output,
    outputs_of,
    parameters,
    random_patterns,
    rows,
    same_bits,
    specials,
    spread,
)

import numba_act as act
from numba_act.accuracy import points
from numba_act.tree.evaluate import evaluate


def inputs(name, dtype, n=300):
    """Ordinary numbers and special ones, mixed."""
    rng = generator(name, str(dtype), n)
    ordinary = (rng.standard_normal(n) * 5).astype(dtype)
    some = rng.choice(n, n // 4, replace=False)
    ordinary[some] = rng.choice(np.concatenate([specials(dtype), random_patterns(dtype, 50)]), some.size)
    return ordinary


@functools.cache
def cases(name, dtype):
    """(call of x alone, x, expected) of each output, elements taken one by one."""
    found, x = [], inputs(name, dtype)
    row = parameters(name, dtype)[0]
    for call in outputs_of(name).values():
        apply = functools.partial(lambda call, x, **options: call(x, *row, **options), call)
        expected = np.array([apply(v) for v in x], dtype)
        x.flags.writeable = expected.flags.writeable = False
        found.append((apply, x, expected))
    return found


# --- against arithmetic by NumPy --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES[2:]))
@each_output
def test_compiled_is_what_the_tree_says(name, what, dtype):
    a = act.activations[name]
    tree = a.tree(dtype.name) if what == "f" else a.partials(dtype.name)[what]
    for row in rows(name)[:2]:
        x = generator(name).choice(points(output(name, what, row), dtype), 60)
        x = np.concatenate([x, specials(dtype)])
        row = tuple(map(dtype.type, row))
        arguments = dict(zip(a.operands + a.params, (*[x] * len(a.operands), *row), strict=True))
        expected, = evaluate([tree], arguments)
        same_bits(outputs_of(name)[what](x, *row), np.broadcast_to(expected, x.shape))


@pytest.mark.parametrize(("name", "dtype"), spread(DTYPES[:2]))
@each_output
def test_16_bits_are_the_fast_tier_rounded_once(name, what, dtype):
    """Their own tier is a little shorter: where results differ, the fast tier's is almost half-way between the two,
    that is, within 12 ULP of float32, of which float16 has 8 in 0.001."""
    x = inputs(name, dtype, 3000)
    with np.errstate(all="ignore"):
        for row in parameters(name, dtype):
            call = output(name, what, row)
            fast, got = replace(call, activation=call.activation.fast)(x.astype("f4")), call(x)
            rounded = fast.astype(dtype)
            near = (got.view("u2") != rounded.view("u2")) & ~(np.isnan(got) & np.isnan(rounded))
            half_way = (got[near].astype("f4") + rounded[near].astype("f4")) / 2
            assert (abs(fast[near] - half_way) <= 12 * np.spacing(abs(half_way))).all()


# --- where elements lie -----------------------------------------------------------------------------------------------
@every_name_and_dtype
def test_length_and_offset(name, dtype):
    for call, x, expected in cases(name, dtype):
        for n in range(101):
            for start in (0, 1, 7 + n):
                same_bits(call(x[start:start + n]), expected[start:start + n])


def swapped(array):
    return array if array.dtype == BFLOAT16 else array.astype(array.dtype.newbyteorder())


LAYOUTS = {
    "backwards": lambda a: a[::-1], "every second": lambda a: a[::2], "every third": lambda a: a[1::3],
    "backwards by three": lambda a: a[::-3], "odd address": at_odd_address, "byte-swapped": swapped,
    "odd and by two": lambda a: at_odd_address(a)[::2], "Fortran order": lambda a: np.asfortranarray(a.reshape(15, 20)),
    "transposed": lambda a: a.reshape(15, 20).T, "three axes": lambda a: a.reshape(5, 6, 10)[::2, 1:5, ::-3],
    "permuted": lambda a: a.reshape(5, 6, 10).transpose(2, 0, 1), "rows": lambda a: a.reshape(15, 20)[:, 3:17],
    "0-d": lambda a: a[7].reshape(()), "empty": lambda a: a[:0].reshape(0, 3), "one": lambda a: a[5:6],
    "broadcast": lambda a: np.broadcast_to(a[:20], (4, 20)), "repeated": lambda a: np.broadcast_to(a[3], (50,)),
    "new axes": lambda a: a[None, :, None],
}


@every_name_and_dtype
@in_turn("layout", LAYOUTS)
def test_layout(name, dtype, layout):
    for call, x, expected in cases(name, dtype):
        view, expected = LAYOUTS[layout](x), np.array(LAYOUTS[layout](expected), dtype)
        expected = expected if expected.ndim else expected[()]
        same_bits(call(view), expected)
        out = LAYOUTS[layout](np.zeros(x.shape, dtype))
        if out.flags.writeable and layout != "byte-swapped":
            returned = call(view, out=out)
            assert returned is out
            same_bits(out, expected)


@every_name_and_dtype
def test_in_place_and_overlapping(name, dtype):
    for call, x, expected in cases(name, dtype):
        for read, write in ((slice(None), slice(None)), (slice(1, None), slice(-1)), (slice(-1), slice(1, None)),
                            (slice(None), slice(None, None, -1)), (slice(0, 100), slice(0, 200, 2)),
                            (slice(0, 200, 2), slice(50, 150))):
            memory = x.copy()
            call(memory[read], out=memory[write])
            right = x.copy()
            right[write] = expected[read]
            same_bits(memory, right)


@every_name_and_dtype
def test_masks_leave_the_rest_alone(name, dtype):
    for call, x, expected in cases(name, dtype):
        for mask in (np.arange(x.size) % 3 == 0, np.arange(x.size) > 200, np.zeros(x.size, bool), np.True_, False):
            out = np.full(x.shape, 7, dtype)
            assert call(x, where=mask, out=out) is out
            same_bits(out, np.where(mask, expected, dtype.type(7)).astype(dtype))


@every_dtype
@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_parameters_of_any_shape(name, dtype):
    x = inputs(name, dtype, 240).reshape(4, 6, 10)
    for shape in ((), (1,), (10,), (6, 1), (4, 1, 1), (4, 6, 10), (2, 1, 1, 1), (1, 10)):
        p = generator(shape).choice(choices(name, dtype), shape)
        for call in outputs_of(name).values():
            same_bits(call(x, p), np.array([call(*pair) for pair in np.broadcast(x, p)], dtype).reshape(
                np.broadcast_shapes(x.shape, shape)))
        value = outputs_of(name)["f"]
        same_bits(value(x, p[..., None][..., 0]), value(x, p))


# --- threads ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def thread_count(request):
    if request.param > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("one processor")
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


one_and_two_threads = pytest.mark.parametrize("thread_count", [1, 2], indirect=True)
LARGE = {
    "contiguous": lambda a: a, "shifted": lambda a: a[1:], "every second": lambda a: a[::2],
    "backwards": lambda a: a[::-1], "rows": lambda a: a.reshape(700, 600)[:, 3:590],
    "columns": lambda a: a.reshape(600, 700)[:, ::3], "transposed": lambda a: a.reshape(700, 600).T,
    "three axes": lambda a: a.reshape(60, 70, 100)[1:, 2:68, ::-1],
    "permuted": lambda a: a.reshape(60, 70, 100).transpose(1, 0, 2)[:, ::-1, 1:],
}


@pytest.mark.parametrize(("name", "thread_count"), spread([1, 2]), indirect=["thread_count"])
@in_turn("layout", LARGE)
def test_large_layouts(name, layout, thread_count):
    """Large enough for the n-d driver and for several threads, of the value and the last derivative."""
    dtype = DTYPES[2]
    row, part = parameters(name, dtype)[0], inputs(name, dtype, 7001)
    x = np.resize(part, 420_000)
    view = LARGE[layout](x)
    for call in [*outputs_of(name).values()][::len(inputs_of(name))]:
        expected = LARGE[layout](np.resize(call(part, *row), x.size))
        same_bits(call(view, *row), expected)
        out = np.zeros(view.shape, dtype)
        call(view, *row, out=out)
        same_bits(out, expected)
        same_bits(call(out := np.array(view), *row, out=out), expected)
        for source in (None, np.array(view)):                  # in place, and into a view
            place, right = x.copy(), x.copy()
            target = LARGE[layout](place)
            call(target if source is None else source, *row, out=target)
            LARGE[layout](right)[...] = expected
            same_bits(place, right)


@one_and_two_threads
@pytest.mark.parametrize("name", WITH_PARAMETERS)
@in_turn("shape", [(), (100,), (70, 1), (60, 1, 1), (60, 1, 100), (60, 70, 100)])
def test_large_broadcasts(name, shape, thread_count):
    dtype = DTYPES[2]
    x = np.resize(inputs(name, dtype, 7001), (60, 70, 100))
    p = np.resize(choices(name, dtype), shape)
    full = np.array(np.broadcast_to(p, x.shape))
    for call in outputs_of(name).values():
        expected = np.concatenate([call(*pair) for pair in zip(x.reshape(-1, 1000), full.reshape(-1, 1000),
                                                               strict=True)]).reshape(x.shape)
        same_bits(call(x, p), expected)
        same_bits(call(x[:, 1:, ::-1], np.broadcast_to(p, x.shape)[:, 1:, ::-1]), expected[:, 1:, ::-1])


@one_and_two_threads
@every_name
@pytest.mark.parametrize("dtype", [DTYPES[0], DTYPES[1], DTYPES[3]], ids=str)
def test_threads(name, dtype, thread_count):
    part = inputs(name, dtype, 7001)
    x, row = np.resize(part, 420_000), parameters(name, dtype)[0]
    for call in outputs_of(name).values():
        expected = np.resize(call(part, *row), x.size)
        same_bits(call(x, *row), expected)
        same_bits(call(x.reshape(700, 600)[:, 3:590], *row), expected.reshape(700, 600)[:, 3:590])


# --- any views of one piece of memory ---------------------------------------------------------------------------------
shapes = st.lists(st.integers(1, 7), max_size=3)


@st.composite
def views(draw, shape, size=600):
    """A function that makes a view of this shape, of any steps and start, of an array of `size` elements."""
    steps, reach, low = [], 0, 0
    for n in shape:
        most = min(40, (size - 1 - reach) // max(1, n - 1))
        steps.append(draw(st.integers(-most, most)))
        reach += (n - 1) * abs(steps[-1])
        low -= min(0, (n - 1) * steps[-1])
    start = low + draw(st.integers(0, size - 1 - reach))
    return lambda a: np.lib.stride_tricks.as_strided(a[start:], shape, [s * a.itemsize for s in steps])


def distinct(view, memory):
    """Whether no element of the view lies where another does."""
    numbered = view(np.arange(memory.size))
    return np.unique(numbered).size == numbered.size


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from(NAMES), st.sampled_from(DTYPES), shapes, st.booleans())
def test_any_overlap(data, name, dtype, shape, in_x):
    memory = inputs(name, dtype, 600)
    read, write = data.draw(views(shape)), data.draw(views(shape))
    for call in outputs_of(name).values():
        expected = call(np.array(read(memory)))
        same_bits(call(read(memory)), expected)
        if distinct(write, memory):
            changed, right = memory.copy(), memory.copy()
            call(read(changed if in_x else memory), out=write(changed))
            write(right)[...] = expected
            same_bits(changed, right)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from(WITH_PARAMETERS), st.sampled_from(DTYPES))
def test_any_broadcast(data, name, dtype):
    shape = data.draw(st.lists(st.integers(0, 6), max_size=4))
    part = [n if keep else 1 for n, keep in zip(shape, data.draw(st.lists(st.booleans(), min_size=len(shape),
                                                                          max_size=len(shape))), strict=True)]
    part = part[data.draw(st.integers(0, len(part))):]
    rng = generator(name, shape, part)
    x, p = np.resize(inputs(name, dtype), shape), rng.choice(choices(name, dtype), part)
    x = x.transpose(data.draw(st.permutations(range(len(shape)))))
    p = p if np.broadcast_shapes(shape, part) == x.shape or not part else p.flat[0] if p.size else dtype.type(1)
    for call in outputs_of(name).values():
        full = np.array(np.broadcast_to(p, x.shape))
        same_bits(call(x, p), call(np.ascontiguousarray(x).reshape(x.shape), full))
