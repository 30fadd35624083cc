"""Functions that are no expression tree: Numba compiles them whole, and their derivatives by dual numbers."""
import functools
import linecache
import math
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import numba
import numpy as np
import pytest
from numba import njit
from tools import same_bits

import numba_act as act

TABLE = np.linspace(0, 1, 33)**2
STEPS = [1, 0.5, 0.25, 2]


@njit
def twice(v):
    return v * 2 / 1


def halving(x, tol=1.0):
    """Halves a number until it is small."""
    while tol < abs(x) < math.inf:
        x = x / 2
    return x


def cube_root(x):
    y = x
    for _ in range(60):
        better = y - (y * y * y + y - x) / (3 * y * y + 1)
        if abs(better - y) <= 1e-15 * abs(y):
            break
        y = better
    return y


def series(x, rate=1.0):
    total = term = 1.0
    k = 1
    while abs(term) > 1e-18 * abs(total) and k < 500:
        term *= rate * x / k
        total += term
        k += 1
    return total


def interpolated(x):
    place = min(max(8 * x + 16, 0.0), 31.999)
    k = int(place)
    return TABLE[k] + (place - k) * (TABLE[k + 1] - TABLE[k])


def collatz(x):
    n, steps = int(10 * abs(x)) + 1, 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps * x


def with_helper(x):
    while x > 3:
        x = x - twice(x) / 3
    return twice(x) * math.exp(x)


def closed(factors):
    def walk(x, scale=0.5):
        for k in range(int(abs(x)) + 1):
            x = x * factors[k % 4] + scale
        return x
    return walk


def with_numpy(x):
    y = np.float64(0.0)
    while y < 2:
        y = y + np.tanh(x) ** 2 + np.sqrt(np.abs(x)) + 0.1
    return np.exp(-y) + np.sin(y) * np.log1p(y)


def odd_terms(x):
    total = x
    for k in range(1, int(abs(x)) + 9):
        if k % 2 == 0:
            continue
        total = total + math.cos(k * x) / k
        if total > 4:
            break
    return total


def wrapped(x, period=1.5):
    while x < -2:
        x += period
    return x % period + (x // period) * 0.25 + divmod(x, 0.7)[1]


def mean(a, b):
    while abs(a - b) > 1e-15 * abs(a) + 1e-300:
        a, b = (a + b) / 2, math.sqrt(abs(a * b))
    return a + math.hypot(a, b) + math.atan2(a, b)


def fraction(x, depth=9.5):
    y, k = depth, int(depth)
    while k > 0:
        y = 2 * k - 1 + x * x / y
        k -= 1
    return x / y


def escape(x, c=0.3):
    z, n = x, 0
    while z * z < 16 and n < 30:
        z = z * z + c
        n += 1
    return n + 1 - math.log(abs(z) + 1)


def bisected(x):
    low, high = -40.0 + 0 * x, 40.0 + 0 * x
    while high - low > 1e-3:
        middle = (low + high) / 2
        if middle + math.tanh(middle) < x:
            low = middle
        else:
            high = middle
    return (low + high) / 2 + x


def powers(x):
    if x > 1:
        return powers_of(x)
    return x


def powers_of(x):
    y = 1.0
    while y < 100:
        y = y * x ** 3 + math.pow(x, 1.5) + x ** -2
    return math.log(y)


def clipped(x, lo=-1.0, hi=1.0):
    for _ in range(int(abs(x)) + 1):
        x = min(max(x, lo), hi) * 0.9 + abs(x - lo) * 0.05 - min(x, hi, 0.3)
    return x


def early(x):
    while True:
        if x < -1:
            return -1
        if x > 1:
            return x
        x = 3 * x + 1


def inner(x):
    square = lambda v: v * v  # noqa: E731
    while abs(x) > 2:
        x = x / square(1.25)
    return square(x) + float(x) + round(x) + math.floor(x)


def sorted_three(a, b, c=0.5):
    swapped = True
    while swapped:
        swapped = False
        if a > b:
            a, b, swapped = b, a, True
        if b > c:
            b, c, swapped = c, b, True
    return a + 10 * b + 100 * c


def logic(x):
    n = 0
    while not (x > 4 or x < -4 or n >= 20):
        x = (x and 1.5 * x) + (0.1 if n % 3 else -0.05)
        n += 1
    return math.copysign(math.fabs(x), -x) + math.degrees(x) * 1e-3


class Settings:
    weights = 1, 0.5, -0.25


def with_what_numba_lacks(x):
    total = np.where(x > 0, x, 0.5 * x)
    for weight in Settings.weights:
        if total > 3:
            break
        total += weight * np.clip(x, -1, 2) ** 2 / math.factorial(3) + math.fmod(x, 0.7) + np.float64(x)
    return total + np.clip(x, None, 0.5) + np.clip(x, a_min=-0.5, a_max=None) + np.clip(x, min=-1, max=1)


def with_activations(x, beta=1.0):
    total = 0.0
    while total < 2:
        total = total + act.swish(x, beta=beta) ** 2 + 0.5 + 0.1 * act.gelu.grad(x)
    return total


def descending(x):
    return x + 0.5 * turning(0.6 * x) if 1 < abs(x) < 100 else x


def turning(x):
    return -x * descending(x)


FUNCTIONS = (halving, cube_root, series, interpolated, collatz, with_helper, closed(STEPS), with_numpy, odd_terms,
             wrapped, mean, fraction, escape, bisected, powers, clipped, early, inner, sorted_three, logic,
             with_what_numba_lacks, with_activations, descending)


def test_a_decorated_function_may_call_itself():
    """Which has its name only afterwards, in a function or in a module."""
    global rising

    @act.activation
    def falling(x):
        return x * falling(x - 1) if 1 < x < 50 else x

    @act.activation
    def rising(x):
        return x * rising(x - 1) if 1 < x < 50 else x

    for f in falling, rising:
        assert f.compiler == "numba"
        np.testing.assert_allclose(f(np.array([3.5, 0.2])), [3.5 * 2.5 * 1.5 * 0.5, 0.2])
        np.testing.assert_allclose(f.grad(np.array([1.5])), [2 * 1.5 - 1])


@functools.cache
def made(function):
    return act.activation(function)


def operands(f):
    """Numbers for each operand, and the parameters' defaults."""
    draws = np.random.default_rng(3).uniform(-5, 5, (len(f.operands), 60))
    return [*(np.abs(draws) if f.name == "mean" else draws), *f.defaults.values()]


def differences(f, args, k, h):
    above, below = list(args), list(args)
    above[k], below[k] = args[k] + h, args[k] - h
    return (f(*above) - f(*below)) / (2 * h)


def agree(slopes, expected):
    """But for the few numbers beside a jump."""
    wrong = np.abs(slopes - expected) > 1e-5 * (1 + np.abs(expected))
    assert np.count_nonzero(wrong) <= wrong.size // 20, (slopes[wrong], expected[wrong])


# --- values and slopes ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_against_plain_python_and_differences(function):
    f = made(function)
    assert f.compiler == "numba"
    args = operands(f)
    *numbers, = np.broadcast_arrays(*args)
    plain = [function(*map(float, row)) for row in zip(*numbers, strict=True)]
    np.testing.assert_allclose(f(*args), plain, rtol=1e-13)
    gradients = f.backward(np.ones(60), *args, wrt=f._inputs)
    for k, (name, gradient) in enumerate(zip(f._inputs, gradients, strict=True)):
        slope = f.grad(*args, wrt=name)
        agree(slope, differences(f, args, k, 1e-6))
        np.testing.assert_allclose(gradient, slope if np.ndim(gradient) else slope.sum(), rtol=1e-12)
    agree(f.grad(*args, n=2), differences(f.grad, args, 0, 1e-6))


def test_ties_and_kinks_are_those_of_trees():
    def looped(function):
        @functools.wraps(function)
        def call(x, lo=0.0):
            while x > 100:
                x = x - 1
            return function(x, lo)
        return act.activation(call)

    x = np.array([-1.0, 0, 1, 2])
    for function in (lambda x, lo=0.0: max(x, lo) + abs(x), lambda x, lo=0.0: min(lo, x) * max(x, 1),
                     lambda x, lo=0.0: x / (1 + math.exp(-700 * x)) + lo):
        given, tree = (np.ones(4), x, np.zeros(4)), act.activation(function)
        np.testing.assert_allclose(looped(function).backward(*given, wrt=("x", "lo")),
                                   tree.backward(*given, wrt=("x", "lo")), rtol=1e-15)

    @act.activation
    def larger(a, b):
        while a > 100:
            a = a - 1
        return max(a, b)
    same_bits(larger.backward(np.ones(3), np.array([0.0, 1, 2]), np.ones(3)), np.array([[0, 0.5, 1], [1, 0.5, 0.0]]))


# --- as any other kernel ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "bfloat16"])
def test_dtypes(dtype):
    dtype = np.dtype(__import__("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    f, x = made(interpolated), np.linspace(-2, 2, 101).astype(dtype)
    y, dy = f.value_and_grad(x)
    gx = f.backward(x, x)
    assert y.dtype == dy.dtype == gx.dtype == dtype
    working = np.float64 if dtype == "f8" else np.float32
    exact = f(x.astype(working)), f.grad(x.astype(working))
    same_bits(y, exact[0].astype(dtype))
    same_bits(dy, exact[1].astype(dtype))
    same_bits(gx, (x.astype(working) * dy.astype(working)).astype(dtype))
    assert f(np.arange(3)).dtype == np.float64


def test_layouts_threads_and_outputs():
    f, rng = made(closed(STEPS)), np.random.default_rng(5)
    x, scale = rng.uniform(-5, 5, (300, 401)), rng.uniform(0.5, 1, 401)
    one_by_one = np.reshape([f(v, s) for v, s in zip(x[:4].ravel(), np.tile(scale, 4), strict=True)], (4, 401))
    whole = f(x, scale)                          # large enough for threads
    same_bits(whole[:4], one_by_one)
    same_bits(f(x[::-1, ::3], scale[::3]), whole[::-1, ::3])
    same_bits(f(np.asfortranarray(x), scale), whole)
    out, mask = np.zeros_like(x), x > 0
    assert f(x, scale, out=out, where=mask) is out
    same_bits(out, np.where(mask, whole, 0))
    same_bits(f(x, scale, out=x.copy()), whole)
    gx, gscale = f.backward(np.ones_like(x), x, scale, wrt=("x", "scale"))
    same_bits(gx, f.grad(x, scale))
    np.testing.assert_allclose(gscale, f.grad(x, scale, wrt="scale").sum(axis=0), rtol=1e-12)
    results = [None] * 8

    def work(k):
        results[k] = f(x, scale)
    workers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        same_bits(result, whole)


def test_division_is_ieee_in_helpers_too():
    @njit
    def reciprocal(v):
        return 1 / v

    @act.activation
    def f(x):
        while x > 100:
            x = x / 2
        return reciprocal(x) + 0 * x
    same_bits(f(np.array([0.0, -0.0, 4])), [np.inf, -np.inf, 0.25])


def test_containers():
    dask, pandas = pytest.importorskip("dask.array"), pytest.importorskip("pandas")
    f, x = made(interpolated), np.linspace(-2, 2, 40)
    lazy = f(dask.from_array(x, chunks=7))
    same_bits(lazy.compute(scheduler="threads"), f(x))
    frame = f(pandas.Series(x, index=x))
    assert isinstance(frame, pandas.Series)
    same_bits(frame.to_numpy(), f(x))


def test_there_is_no_tree():
    with pytest.raises(TypeError, match=r"^halving: there is no .*; Numba compiles the function whole$"):
        made(halving).tree()


def test_pickles_without_its_source(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent("""
        import pickle, numpy as np, numba_act as act
        table = [1.0, 2.0, 4.0]
        def helper(v):
            return table[int(v) % 3]
        @act.activation
        def f(x, k=2.0):
            while x > 3:
                x -= k
            return helper(x) * x
        @act.activation
        def g(x):
            while x > 3:
                x -= 1
            return x
        @g.derivative
        def _(x):
            return 7.0
        open("made.pickle", "wb").write(pickle.dumps((f, g)))
    """))
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)
    f, g = pickle.loads((tmp_path / "made.pickle").read_bytes())
    x = np.array([0.5, 1.5, 2.5, 5.5])
    same_bits(f(x), [0.5, 3, 10, 3.0])
    same_bits(f.grad(x), [1, 2, 4, 2.0])
    same_bits(g.grad(x), np.full(4, 7.0))
    assert (f.compiler, f.name, dict(f.defaults)) == ("numba", "f", {"k": 2.0})


# --- beside others ----------------------------------------------------------------------------------------------------
def test_inside_another_activation():
    inner = made(series)

    @act.activation
    def outer(x, rate=0.5):
        return inner(x, rate) * 2 + act.tanh(x)
    x = np.linspace(-2, 2, 9)[::2]
    e, t = np.exp(x / 2), np.tanh(x)
    assert outer.compiler == "numba"
    np.testing.assert_allclose(outer(x), 2 * e + t, rtol=1e-14)
    np.testing.assert_allclose(outer.grad(x), e + 1 - t * t, rtol=1e-14)
    np.testing.assert_allclose(outer.grad(x, wrt="rate"), 2 * x * e, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(outer.grad(x[3:], n=2), (e / 2 - 2 * t * (1 - t * t))[3:], rtol=1e-13)
    plain = act.activation(lambda x: inner(x) + act.swish(x))              # parameters at their defaults
    np.testing.assert_allclose(plain.grad(x), inner.grad(x) + act.swish.grad(x), rtol=1e-14)


def grown(x, rate=0.5):
    steps = 0.0
    while steps < 3 + 0 * x:
        steps += 1
    return steps * math.exp(rate * x)


def test_a_declared_derivative_inside_another_activation():
    """Five times too large on purpose, to tell it from what duals would find."""
    inner = act.activation(grown)

    @inner.derivative
    def _(x, rate):
        steps = 0.0
        while steps < 15 + 0 * x:
            steps += 1
        return steps * rate * math.exp(rate * x), steps * x * math.exp(rate * x)

    @act.activation
    def outer(x, rate=0.25):
        y = inner(x * x, rate)
        while y > 1e300:
            y = y / 2
        return y + x
    x, h = np.array([0.3, -1.0]), 1e-6
    y = 15 * np.exp(x * x / 4)
    np.testing.assert_allclose(outer.grad(x), y * x / 2 + 1, rtol=1e-14)
    np.testing.assert_allclose(outer.grad(x, wrt="rate"), y * x * x, rtol=1e-14)
    np.testing.assert_allclose(outer.grad(x, n=2), (outer.grad(x + h) - outer.grad(x - h)) / (2 * h), rtol=1e-8)
    at_default = act.activation(lambda x: inner(x) + act.swish(x))
    np.testing.assert_allclose(at_default.grad(x), inner.grad(x) + act.swish.grad(x), rtol=1e-14)


def test_without_numbas_compiler(monkeypatch):
    new = np.random.default_rng().random()       # which is in no cache

    def halves(x):
        while x > 1 + new:
            x /= 2
        return x
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(TypeError, match=r"^halves: for Numba: NUMBA_DISABLE_JIT is set; as a tree: how often a loop"):
        act.activation(halves)


# --- what is given ----------------------------------------------------------------------------------------------------
def test_functions_of_numbas():
    square = act.activation(njit(lambda x, a=2.0: a * x * x))
    assert (square.compiler, square(3.0), square.formula) == ("tree", 18.0, r"a \, x^{2}")
    f = act.activation(njit(halving))
    assert (f.compiler, f.name, f(3.0, tol=2.0)) == ("numba", "halving", 1.5)
    assert act.activation(numba.vectorize(halving))(3.0) == 0.75


def test_declared_derivatives():
    @act.activation
    def f(x, rate=1.0):
        return math.exp(rate * x)
    before = f(0.5)

    @f.derivative
    def _(x, rate):
        steps = 0.0
        while steps < 3 + 0 * x:
            steps += 1
        return steps * rate * math.exp(rate * x), steps * x
    assert f.compiler == "numba"
    np.testing.assert_allclose([f(0.5), f.grad(0.5), f.grad(0.5, wrt="rate"), f.grad(0.5, n=2)],
                               [before, 3 * before, 1.5, 3 * before], rtol=1e-15)

    @act.activation
    def g(x):
        while x > 9:
            x = x / 2
        return math.gamma(x)
    with pytest.raises(NotImplementedError, match=r"^g: the derivative of gamma\(\) is not known: `return math"):
        g.grad(2.0)
    g.derivative(lambda x: 2 * x)
    assert (g.grad(3.0), g.grad(3.0, n=2)) == (6, 2)


def test_help_says_what_compiles():
    assert "Numba compiles it whole" in made(halving).__doc__
    assert "Halves a number" in made(halving).__doc__
    assert (act.gelu.compiler, made(halving).formula) == ("tree", None)
    with pytest.raises(TypeError, match=r"^halving: there is no expression tree; Numba compiles the function whole$"):
        made(halving).tree()
    assert made(halving).fast is made(halving)


def test_what_is_captured_is_captured_when_it_is_decorated():
    table, factor = np.array([1.0, 2]), [3.0]

    def f(x):
        while x > 1:
            x -= 1
        return table[int(x)] * factor[0]
    f = act.activation(f)
    table[:], factor[0] = 7, 7
    assert f(np.float32(0.5)) == 3
    assert f.grad(1.0) == 0


# --- what is refused --------------------------------------------------------------------------------------------------
def prints(x):
    while x > 1:
        print(x)
        x /= 2
    return x


def draws(x):
    while x > 1:
        x = x - np.random.normal()  # noqa: NPY002
    return x


def reads(x):
    while x > 1:
        x = x - len(open("numbers").read())  # noqa: SIM115
    return x


def writes(x):
    TABLE[0] = x
    return x


def leaves(x):
    while x > 1:
        with numba.objmode(y="float64"):
            y = x / 2
        x = y
    return x


@pytest.mark.parametrize("function, why", [
    (prints, r"prints: print\(\) has no place in a scalar function, which only computes: `print\(x\)` \("),
    (draws, r"draws: np.random.normal\(\) has no place"), (reads, r"reads: open\(\) has no place"),
    (writes, r"writes: for Numba: it writes into an array that it captures: `TABLE\[0\] = x` \("),
    (leaves, "leaves: numba.objmode.* has no place"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_effects_are_refused_by_name(function, why):
    for given in (function, njit(function)):
        with pytest.raises(TypeError, match=f"^{why}") as raised:
            act.activation(given)
        assert f"{__file__}:" in str(raised.value)
        assert "\n" not in str(raised.value)


def divides(x):
    while x > 1:
        x = x / "two"
    return x


def nothing(x):  # noqa: RET503
    while x > 1:
        return x


def two(x):
    while x > 1:
        x = x / 2
    return x, x


@pytest.mark.parametrize("function, why", [(divides, r"there is no truediv\("), (nothing, "it returns Optional"),
                                           (two, "it returns UniTuple")], ids=("divides", "nothing", "two"))
def test_both_objections_in_one_line(function, why):
    tree = "as a tree: how often a loop runs depends on data: `x > 1`"
    with pytest.raises(TypeError, match=f"^{function.__name__}: for Numba: {why}.*; {tree} ") as raised:
        act.activation(function)
    assert len(str(raised.value)) < 600
    assert "\n" not in str(raised.value)


def test_a_raise_ends_the_call(monkeypatch):
    @act.activation
    def f(x, most=1e9):
        if x < 0:
            raise ValueError("negative")
        if x > most:
            raise OverflowError
        return TABLE[int(x)] * x

    reports = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)           # the first call of the raw ufunc can no more
    assert np.isnan(f.ufunc(np.array([-1.0]), 9.0))
    assert len(reports) == 1
    x = np.linspace(0, 32, 100_000)
    same_bits(f(x), TABLE[x.astype(int)] * x)
    x[77_777] = -1
    for bad, kind, why in ((x, ValueError, "negative"), (x[::-1, None], ValueError, "negative"),
                           (np.float32([-1]), ValueError, "negative"), (33.0, IndexError, "index is out of bounds"),
                           (np.float16([1, -1]), ValueError, "negative"), (1e10, OverflowError, "OverflowError")):
        for call in (f, f.grad, f.value_and_grad, functools.partial(f.backward, bad)):
            with pytest.raises(kind, match=f"^f: {why}$"):
                call(bad)
    with pytest.raises(Exception, match="negative"):
        f.ufunc(np.array([-1.0]), 9.0)
    np.testing.assert_array_equal(f(np.array([0.0, 4.0])), TABLE[[0, 4]] * [0, 4])


# --- on disk ----------------------------------------------------------------------------------------------------------
WRITTEN = """
import numba, numba_act as act
def helper(v):
    return v * {helper}
@numba.njit
def factor(v):
    return {factor} + 0 * v
def make(k):
    def f(x):
        while x > 4:
            x -= k
        return helper(x) * factor(x) * TABLE[int(x) % 2] + inner
    return act.activation(f)
TABLE, inner = [1.0, {entry}], {inner}
f = make({k})
"""


def test_nothing_on_disk_is_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", str(tmp_path))
    given = {"inner": 0.0, "k": 1.0, "entry": 1.0, "helper": 1.0, "factor": 1.0}

    def run(**changed):
        source, name, space = WRITTEN.format(**given | changed), f"<cell {changed}>", {"__name__": "written"}
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        exec(compile(source, name, "exec"), space)
        return space["f"](5.5), space["f"].grad(5.5), len(list(tmp_path.iterdir()))
    assert run() == (3.5, 1, 2)
    assert run(inner=1.0) == (4.5, 1, 4)
    assert run(k=2.0) == (3.5, 1, 6)
    assert run(entry=3.0) == (10.5, 3, 8)
    assert run(helper=2.0) == (7, 2, 10)
    assert run(factor=4.0) == (14, 4, 12)
    assert run() == (3.5, 1, 12)


def test_another_process_compiles_nothing(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent("""
        import math, sys, numba_act as act
        @act.activation
        def f(x):
            while 1 < x < math.inf:
                x /= 2
            return x
        print(f(3.0), f.grad(3.0), "numba" in sys.modules)
    """))
    environment = {**os.environ, "NUMBA_ACT_CACHE_DIR": str(tmp_path / "kept")}
    for compiles in (True, False):
        done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True,
                              text=True, check=True)
        assert done.stdout.split() == ["0.75", "0.25", str(compiles)]


def looked_up(x, k=2):
    return x * TABLE[k]


def turned(x, k=2):
    for _ in range(k):
        x = x / (1 + x * x)
        if x < 0.01:
            break
    return x


def test_parameters_that_are_whole_numbers():
    """As indices and counts, where their defaults are; another number is an error, not the next index."""
    f, x = act.activation(looked_up), np.array([1.0, 2.0])
    same_bits(f(x), x * TABLE[2])
    same_bits(f(x, np.array([1, 0])), x * TABLE[[1, 0]])
    assert f.grad(x, 3).tolist() == [TABLE[3]] * 2
    assert f.grad(x, wrt="k").tolist() == [0, 0]
    for k in (1.5, np.nan):
        with pytest.raises(ValueError, match=r"^looked_up: k must be a whole number$"):
            f(x, k)
    with pytest.raises(IndexError, match=r"^looked_up: index is out of bounds"):
        f(x, len(TABLE))
    counted = act.activation(turned)
    assert counted(2.0, 3) == turned(2.0, 3)
    assert counted.grad(2.0, 3, wrt="k") == 0


def test_partial_functions_for_numba():
    f = act.activation(functools.partial(series, rate=0.5))
    assert (f.name, f.compiler, dict(f.defaults)) == ("series", "numba", {"rate": 0.5})
    same_bits(f(0.7), made(series)(0.7, 0.5))


@pytest.mark.parametrize(("function", "named"), [
    (lambda x: x * np.float32(x * TABLE[int(x)]), r"float32\(\)"), (lambda x: x.imag * TABLE[int(x)], r"\.imag"),
    (lambda x: x if x in {1.0, 2.0} else TABLE[int(x)] * x, "`in`"),
    (lambda x: math.gamma(x) * TABLE[int(x)], r"gamma\(\)"), (lambda x: np.interp(x, TABLE, TABLE), r"interp\(\)"),
])
def test_what_has_no_known_slope_is_named(function, named):
    f = act.activation(function)
    assert f(1.0) == function(1.0)
    with pytest.raises(NotImplementedError, match=rf"^<lambda>: the derivative of {named} is not known: `.*_jitted"):
        f.grad(1.0)


def test_rounding_to_digits_and_parts_of_numbers_have_slopes():
    f = act.activation(lambda x: round(x, 2) * x + x.real * TABLE[int(x)])
    assert f.grad(1.234) == 1.23 + TABLE[1]
