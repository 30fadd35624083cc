"""Functions as their users write them: loops, tables, helpers of every kind, NumPy's names, whole numbers.

PYTEST_DONT_REWRITE: an assert is part of a function here.
"""
import builtins
import functools
import itertools
import math
import operator
import pickle
from math import exp, floor

import numpy as np
import numpy as xp
import pytest
from numba import njit
from test_custom import cell
from tools import DTYPES, same_bits

import numba_act as act
from numba_act.scalar import VOCABULARY
from numba_act.tree.errors import NoTreeError, UnsupportedError
from numba_act.tree.exact import exactly
from numba_act.tree.program import Program

X = np.arange(-41, 41) * 0.173 + 0.0113          # no kink or jump is near
TABLE, WEIGHTS = np.array([0.5, -1.25, 0.75, 2.0]), (1.0, 0.5, 0.25)
KNOTS = [(-2.0, 0.5), (0.0, 1.5), (2.0, -1.0)]
FACTORIALS = [math.factorial(k) for k in range(12)]
GRID = np.array([[1, 2], [3, 4]])


# --- loops ------------------------------------------------------------------------------------------------------------
def horner(x):
    y = 0.0
    for c in TABLE:
        y = y * x + c
    return y


def by_index(x):
    y = TABLE[0]
    for k in range(1, len(TABLE)):
        y += TABLE[k] * x ** k
    return y


def hinges(x):
    return sum(height * max(x - knot, 0.0) for knot, height in KNOTS)


def pairwise(x):
    y = 0.0
    for k, (c, d) in enumerate(zip(WEIGHTS, reversed(WEIGHTS))):  # noqa: B905
        y += (c - d) * x * (k + 1)
    return y


def newton(x, steps=5):
    root = 1.0 + abs(x)
    for _ in range(5):
        root = 0.5 * (root + (1 + x * x) / root)
    return root * steps


def halving(x):
    power = 64
    while power > 1:
        power //= 2
        x = x - x / (power + 1)
    return x


def leaving(x):
    y = 0.0
    for k in range(100):
        if k == 2:
            continue
        if k > 4:
            break
        y += x / (k + 1)
    else:
        y = 1e9
    return y


def first_above(x):
    for bound in (-2.0, 0.0, 2.0):
        if x < bound:
            return bound - x
    return x


def returns_and_breaks(x):
    for k in range(5):
        y = x - k
        if y > 2:
            return y * 2
        if k == 2:
            break
        if y < -3:
            return -y
    else:
        return 100.0
    return y


def nested_loops(x):
    y = 0.0
    for i in range(2):
        for j in range(2):
            y += GRID[i, j] * x ** (i + j)
    return y


def rows_of_an_array(x):
    y = 0.0
    for a, b in GRID:
        y += a * x + b
    return y


def slices(x):
    y = 0.0
    for c in TABLE[::-1][:3]:
        y = y + c * x
    return y + sum(WEIGHTS[1:])


def starred(x):
    first, *rest = WEIGHTS
    return first * x + sum(rest)


def comprehension(x):
    powers = [x ** k for k in range(4) if k != 2]
    return sum(powers) + powers[-1] * max([c for c in WEIGHTS if c < 1])


def until_found(x):
    k = 0
    while WEIGHTS[k] > 0.3:
        k += 1
    return x * k


def products(x):
    return math.prod(x - c for c in WEIGHTS)


def of_iterators(x):
    return sum(a * b * x for a, b in itertools.pairwise(WEIGHTS)) + functools.reduce(lambda p, q: p * x + q, WEIGHTS)


def mapped(x):
    return sum(map(scale, [x, *WEIGHTS])) + sum(map(cube, [x, 1.0]))


def membership(x):
    return x * len(WEIGHTS) + (3 if 2 in WEIGHTS else 5)


# --- helpers ----------------------------------------------------------------------------------------------------------
def cube(v):
    return v * v * v


@njit
def jitted(v, k=2.0):
    if v > 0:
        return v * k
    return v / k


@functools.lru_cache(maxsize=4)
def coefficient(k):
    return 1 / FACTORIALS[k]


class Scale:
    def __init__(self, k):
        self.k = k

    def __call__(self, v):
        return v * self.k if v > 1 else v

    def times(self, v):
        return v * self.k

    @staticmethod
    def half(v):
        return v / 2

    @classmethod
    def made(cls, v):
        return v + cls.shift

    shift = 0.25


scale, twice = Scale(3.0), functools.partial(lambda k, v: k * v, 2.0)
power = functools.lru_cache(lambda v, n: v ** n)


def of_objects(x):
    return scale(x) + scale.times(x) + scale.half(x) + Scale.made(x) + Scale.half(x)


def of_functools(x):
    return twice(x) + power(x, 2) + functools.partial(jitted, k=4.0)(x)


def of_numba(x):
    return jitted(x) - jitted(x, 3.0)


def taylor(x):
    return sum(coefficient(k) * x ** k for k in range(6))


def inner(x, k=1.5):
    def shifted(v, by=0.5):
        if v > by:
            return v - by
        return k * v
    bend = lambda v: shifted(v) * k  # noqa: E731
    return bend(x) + shifted(x, by=1.0)


def late(x):
    k = 1.0
    times = lambda v: v * k  # noqa: E731
    k = 2.0
    return times(x)


def composed(x):
    def compose(f, g):
        return lambda v: f(g(v))
    return compose(cube, scale)(x)


def walrus(x):
    return (y := x * x) + y * (z := y + 1) - z


def annotated(x: float, alpha: float = 0.5) -> float:
    y: float = x * alpha
    assert alpha != 7 or y > 0
    assert len(WEIGHTS) == 3, "constants"
    return y + alpha


def by_keywords(x, *, slope=0.25):
    return x if x > 0 else slope * x


# --- whole numbers ----------------------------------------------------------------------------------------------------
def sawtooth(x):
    return x % 1 + x // 2 * 0.5


def of_negative(x):
    return x % -1.5 - x // -1.5


def both(x):
    whole, rest = divmod(x, 0.75)
    return whole * 2 + rest


def rounded(x):
    return round(x) + int(x) * 0.5 + math.trunc(x) * x


def quantized(x):
    return floor(x * 4) / 4 + math.ceil(x) * x


def of_numpy_rounded(x):
    return np.floor(x) * x + np.rint(x) + np.fix(x) - np.round(x, 1) + np.remainder(x, 2.5) + np.fmod(x, 1.5)


def triangle(x):
    return abs((x - 1) % 4 - 2) - 1


def cubes_apart(x):
    return (x * x * x % 2.5) * math.floor(x * 1.7) * round(x * 0.9) - math.trunc(x / 0.3) * math.ceil(x * x) * cube(x)


# --- NumPy's names ----------------------------------------------------------------------------------------------------
def numpys(x):
    return np.where(x > 0, np.square(x), np.abs(x)) + np.sign(x) * np.sqrt(np.maximum(x, 0.0) + 1)


def clipped(x):
    return np.clip(x, a_min=-1.0, a_max=1.0) + np.minimum(x, 0.5) + np.power(x, 3) + np.clip(x, None, 2.0)


def clipped_by_others(x):
    """By the names that NumPy has for the bounds from 2.1 on."""
    return np.clip(x, min=-1.5) + np.clip(x, max=0.5, min=-0.5)


def numpys_functions(x):
    return xp.tanh(x) * xp.exp(-x * x) + xp.log1p(xp.exp(-xp.abs(x))) + exp(x / 4)


def of_conditions(x):
    return np.where((x > -1) & (x < 1), x, 0.0) + (x > 2) * 2 + bool(x) + any(x > w for w in WEIGHTS) * all([x, x < 1])


def constants_of_numpy(x):
    return x * np.pi / np.float64(3.0) + np.sum(TABLE) * x + TABLE.max()


def filtered(x):
    """What data leave out counts for nothing, in sums of several loops too."""
    above = sum(x - w for w in WEIGHTS if w < x if w != 1)
    beside = sum(x * a for a, b in KNOTS for w in WEIGHTS if x > a if b < w)
    return above + beside + any(w > x for w in WEIGHTS if w > 0)


def filtered_products(x):
    return math.prod([x + w for w in WEIGHTS if w < x]) * (1 + all(w < x for w in WEIGHTS if w < x + 1))


IEEE = [horner, hinges, pairwise, newton, first_above, returns_and_breaks, starred, until_found, products, of_objects,
        of_functools, of_numba, inner, late, composed, walrus, annotated, by_keywords, sawtooth, of_negative, both,
        rounded, quantized, triangle, membership, cubes_apart, mapped, of_iterators, filtered]
CLOSE = [by_index, halving, leaving, nested_loops, rows_of_an_array, slices, comprehension, taylor, of_numpy_rounded,
         numpys, clipped, clipped_by_others, numpys_functions, of_conditions, constants_of_numpy, filtered_products]
WHOLE = sawtooth, both, quantized, cubes_apart
MADE = {f.__name__: act.activation(f) for f in IEEE + CLOSE}
every_function = pytest.mark.parametrize("function", IEEE + CLOSE, ids=lambda f: f.__name__)


def added(numbers, total=0):
    """sum as it was before Python 3.12, which compensates what it adds; functions that are compiled do not."""
    return functools.reduce(operator.add, numbers, total)


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")          # from NumPy 2.5 on
@every_function
def test_values_are_pythons(function, monkeypatch):
    monkeypatch.setattr(builtins, "sum", added)
    f = MADE[function.__name__]
    expected = np.array([float(function(v)) for v in X.tolist()])
    np.testing.assert_allclose(f(X), expected, rtol=0 if function in IEEE else 4e-15, atol=0)
    np.testing.assert_allclose(f(X.astype("f4")), expected, rtol=3e-5, atol=3e-5)
    for dtype in DTYPES[:2]:
        x = X.astype(dtype)
        with np.errstate(all="ignore"):
            same_bits(f(x), f(x.astype("f4")).astype(dtype))


@every_function
def test_gradients_are_those_of_differences(function):
    f, h = MADE[function.__name__], 1e-6
    np.testing.assert_allclose(f.grad(X), (f(X + h) - f(X - h)) / (2 * h), rtol=1e-6, atol=1e-6)
    if function in WHOLE:
        np.testing.assert_allclose(f.grad(X, n=2), (f.grad(X + h) - f.grad(X - h)) / (2 * h), rtol=1e-6, atol=1e-6)


@every_function
def test_the_same_bits_on_a_gpu(function, cupy):
    f = MADE[function.__name__]
    for dtype in DTYPES[2:]:
        x = X.astype(dtype)
        for of_gpu, expected in zip(f.value_and_grad(cupy.asarray(x)), f.value_and_grad(x), strict=True):
            same_bits(of_gpu.get(), expected)


# --- limits -----------------------------------------------------------------------------------------------------------
def long_loop(x):
    for k in range(2000):
        x = x * k + 1
    return x


def endless(x):
    while True:
        pass
    return x


def until_small(x):
    while x > 1:
        x = x / 2
    return x


def leaves_by_data(x):
    for k in range(3):
        if x > k:
            break
    return x


def looked_up(x):
    return TABLE[int(x)]


def listed(x):
    return sum([2 * c for c in [w for w in WEIGHTS if w < x]])


def recursive(x):
    return recursive(x - 1)


def raising(x):
    if x < 0:
        raise ValueError
    return x


def assigns_an_element(x):
    values = [x, 1.0]
    values[0] = 2.0
    return values[0]


def random_each_time(x):
    return x + np.random.rand()  # noqa: NPY002


def two_from_one(x):
    a, b = WEIGHTS
    return a * x + b


def does_not_hold(x):
    assert len(WEIGHTS) == 4
    return x


def grown_in_place(x):
    values = [x]
    values += [2.0]
    return sum(values)


def twice_the_same(x):
    pairs = zip(WEIGHTS, WEIGHTS)  # noqa: B905
    if x > 0:
        return sum(a * x for a, _ in pairs)
    return sum(b for _, b in pairs)


ONCE, LEFT = iter(WEIGHTS), "left-behind"
NO_TREE = [(long_loop, "the tree has more than 4000 nodes"), (endless, "a tree is read in at most 20000 steps"),
           (until_small, "how often a loop runs depends on data: `x > 1`"), (looked_up, "an index depends on data"),
           (leaves_by_data, "how often a loop runs depends on data: `if x > k:`"),
           (listed, "what a comprehension takes depends on data: `w < x`"),
           (recursive, "a scalar function does not call itself"), (lambda x: np.sinc(x), r"sinc\(\) has no place"),
           (raising, "a scalar function is made of assignments, if/else, loops over what is known and return"),
           (assigns_an_element, "only names can be assigned to"),
           (lambda x: round(x, 2), r"decimal digits are not those of binary numbers; np.round\(x, 2\) multiplies"),
           (lambda x: x in WEIGHTS, "only numbers can be compared"), (lambda x: x + TABLE, "for a single number"),
           (lambda x: x > 0 and (y := x) + y, "a name is given under a condition"),
           (grown_in_place, "this changes more than a name: `values \\+= "),
           (twice_the_same, "an iterator is used where it is made: `pairs`"),
           (lambda x: 2 * (WEIGHTS if x > 0 else TABLE)[0], "the branches give different things"),
           (lambda x: int(x) & 1, "& and | join conditions"),
           (lambda x: (y := x) + y if x > 0 else 0, "a name is given under a condition")]
REFUSED = [(random_each_time, r"rand\(\) is not the same each time"),
           (lambda x: x * bool(open(LEFT, "w")), r"open\(\) is not the same"),        # noqa: SIM115
           (lambda x: x * eval("2"), r"eval\(\) is not the same each time, or does more than compute"),
           (two_from_one, "3 values for 2 names"), (does_not_hold, "this does not hold: `assert len"),
           (lambda x: sum(x), "must support iteration"), (lambda x: sum(c for c in x), "a number is not several"),
           (lambda x: x + next(ONCE), "ONCE can be read only once"),
           (lambda x: list(x), "this has no meaning for a single number")]


def read(function):
    """As a tree, where Numba does not stand in."""
    return Program(function, ("x",), 1, VOCABULARY).read()


@pytest.mark.parametrize(("function", "why"), NO_TREE + REFUSED)
def test_what_is_refused_is_named(function, why):
    """With the line; and whether it may be Numba's."""
    with pytest.raises(UnsupportedError, match=rf"^[\w<>]+: .*{why}.*test_written\.py:\d+\)$") as caught:
        read(function)
    assert isinstance(caught.value, NoTreeError) == ((function, why) in NO_TREE)
    assert len(str(caught.value)) < 300


def test_division_by_a_constant_zero():
    """Of data, and of the constants to which a derivative comes: as IEEE 754 divides."""
    f, x = act.activation(lambda x: x / 0 + 0 / (x * 0)), np.array([1.0, -2.0])
    g = act.activation(lambda x: -x / 0)
    assert [f(x).tolist(), g.grad(x).tolist()] == [pytest.approx([math.nan] * 2, nan_ok=True), [-math.inf] * 2]


def line(expression, number):
    """An activation of one line, however long."""
    return cell(f"f = act.activation(lambda x: {expression})\n", 1000 + number)["f"]


def test_long_lines():
    f = line(" + ".join(["x * 0.5"] * 700), 1)
    assert [f(1.0), f.grad(1.0), f.grad(1.0, n=2), pickle.loads(pickle.dumps(f))(2.0)] == [350, 350, 0, 700]
    assert f.formula is None
    assert exactly(f.tree(), {"x": 1}) == 350
    assert len(repr(f.tree())) < 100
    deep = line("x * (" * 90 + "x" + ")" * 90, 2)
    assert deep(1.0) == 1
    assert deep.formula == "x^{91}"
    assert [line(" or ".join(["x > 9"] * 700), 4)(v) for v in (1.0, 10.0)] == [0, 1]
    assert line(" if x > 0 else ".join(["2 * x"] * 300), 5)(1.0) == 2
    many = "    if x > 1: y = 1\n" + "".join(f"    elif x > {1 - k}: y = x\n" for k in range(400))
    with pytest.raises(NoTreeError, match=r"^f: it is nested too deeply: `def f\(x\):`"):
        read(cell(f"def f(x):\n    y = 0\n{many}    return y\n", "elif")["f"])
    with pytest.raises(TypeError, match=r"`x \+ x \+ .*\.\.\.` \(<cell 1003>:1\)$"):
        line(" + ".join(["x"] * 300) + " + 'a'", 3)


@pytest.mark.parametrize(("body", "formula"), [
    ("x = math.sqrt(x)", None), ("x = 3.9 * x * (1 - x)", None), ("x = x * x", "x^{16777216}"), ("x = x - x / 2", None),
    ("x = x if x > 0 else -x", None),
])
def test_formulas_that_grow(body, formula):
    """24 times; nothing takes long, and what is too long or too deep is None."""
    f = cell(f"def f(x):\n    for _ in range(24):\n        {body}\n    return x\nf = act.activation(f)\n", body)["f"]
    assert f.formula == formula


@pytest.mark.parametrize(("function", "formula"), [
    (lambda x: x % 2 + (x + 1) // 3, r"x \; \mathrm{mod} \; 2 + \left\lfloor \frac{x + 1}{3} \right\rfloor"),
    (lambda x: math.floor(x) * round(x), r"\left\lfloor x \right\rfloor \, \operatorname{round}\left(x\right)"),
    (lambda x: math.fmod(math.ceil(x), 2), r"\operatorname{fmod}\left(\left\lceil x \right\rceil, 2\right)"),
    (lambda x: np.where(x > 0, x, 0), r"\max\left(x, 0\right)"),
])
def test_formulas_of_whole_numbers(function, formula):
    assert act.activation(function).formula == formula


def test_slopes_of_remainders_are_nan_where_they_are():
    """Without a quotient there is no slope; x // 0 is infinite, and constant."""
    rest, whole = act.activation(lambda x, y=2.0: x % y), act.activation(lambda x, y=2.0: x // y)
    x, y = np.array([1.5, 0.0, np.inf, 3.0, -2.5]), np.array([0.0, 0.0, 2.0, np.nan, 2.0])
    for f in (rest, whole):
        with np.errstate(all="ignore"):
            undefined = np.isnan(f(x, y))
        for name in ("x", "y"):
            slope = f.grad(x, y, wrt=name)
            assert np.isnan(slope).tolist() == undefined.tolist()
            assert slope[-1] == {"x": 1, "y": 2}[name] * (f is rest)
    assert whole(1.5, 0.0) == np.inf
    assert whole.grad(1.5, 0.0) == 0


class Scaled:
    """A function that is a method, of each kind."""

    def __init__(self, scale):
        self.scale = scale

    def method(self, x, shift=1.0):
        return self.scale * x + shift

    @classmethod
    def of_class(cls, x, shift=1.0):
        return 3 * x + shift

    @staticmethod
    def of_nobody(x, shift=1.0):
        return 3 * x + shift

    def __call__(self, x, /, *, shift=1.0):
        return self.method(x, shift)


def shifted(x, __other):
    return x + __other


class Private:
    """Names that Python writes with the class's."""

    __shift = 1.0

    class _Inner:
        __scale = 3

    def __init__(self):
        self.__inner = self._Inner()

    def method(self, x, shift=__shift):
        __scaled = self.__inner._Inner__scale * x
        return shifted(__scaled, __other=shift * Private.__shift)


def scaled(scale, x, shift=0.0):
    return scale * x + shift


BOUND = {"method": Scaled(3).method, "of_class": Scaled.of_class, "of_nobody": Scaled.of_nobody, "Scaled": Scaled(3),
         "scaled": functools.partial(scaled, 3, shift=1.0),
         "method, private": Private().method, "method, partial": functools.partial(Scaled(3).method, shift=1.0)}


@pytest.mark.parametrize("name", BOUND)
def test_methods_and_partial_functions(name):
    f = act.activation(BOUND[name])
    assert (f.name, f.operands, f.compiler) == (name.partition(",")[0], ("x",), "tree")
    assert dict(f.defaults) == {"shift": 1.0}
    for copy in (f, pickle.loads(pickle.dumps(f))):
        same_bits(copy(X), 3 * X + 1)
        same_bits(copy(X, shift=0.5), 3 * X + 0.5)
        same_bits(copy.backward(X, X, wrt=("x", "shift"))[0], 3 * X)
    assert f.formula == r"3 \, x + \mathrm{shift}"


@pytest.mark.parametrize("function", [Scaled, math.tanh, functools.partial(math.hypot, 3.0), act.elu, act.elu.grad])
def test_what_is_no_function(function):
    with pytest.raises(TypeError, match=r"^activation: a plain Python function is needed, or one of Numba's, not \w+$"):
        act.activation(function)
