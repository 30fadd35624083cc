"""Activations of one's own: from source to trees, derivatives, formulas, fusion, and the way through processes."""
import ast
import enum
import functools
import importlib
import linecache
import math
import pickle
import subprocess
import sys
import textwrap
from copy import deepcopy

import numba
import numpy as np
import pytest
from numba import cfunc, guvectorize, njit, prange
from tools import same_bits

import numba_act as act

HALF = np.float64(0.5)
X = np.linspace(-3, 3, 97)


def small(x):
    return abs(x) < 1


@act.activation
def piecewise(x, alpha=0.1):
    """A cube in the middle."""
    if x > 1:
        return 1 + alpha * (x - 1)
    if small(x):
        return x**3 * HALF
    y = max(x, -2)
    y += alpha
    return y


@act.activation
def bias_gelu_residual(x, b, r):
    return act.gelu(x + b) + r


def module_of(source, tmp_path, monkeypatch, name="written"):
    """A module with this text."""
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    linecache.clearcache()
    importlib.invalidate_caches()
    return importlib.import_module(name)


def cell(source, number=0):
    """What a notebook does with a cell: its lines are known by a name of their own, each statement is compiled by
    itself."""
    name = f"<cell {number}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    space = {"act": act, "math": math, "np": np}
    for statement in ast.parse(source).body:
        exec(compile(ast.Module([statement], []), name, "exec"), space)
    return space


# --- where functions are written --------------------------------------------------------------------------------------
def test_what_can_be_written():
    expected = [1 + 0.1 * (v - 1) if v > 1 else 0.5 * v**3 if abs(v) < 1 else max(v, -2) + 0.1 for v in X]
    np.testing.assert_allclose(piecewise(X), expected, rtol=1e-15, atol=1e-15)
    assert piecewise(X.astype("f4")).dtype == np.float32


def test_a_redefined_cell_is_a_new_function():
    source = "k = {k}\n@act.activation\ndef f(x):\n    return x * k\n"
    first, second = cell(source.format(k=2))["f"], cell(source.format(k=3))["f"]
    same_bits(first(X), 2 * X)
    same_bits(second(X), 3 * X)


def test_an_import_in_the_same_cell():
    """Where Python sees the import it calls a module's function in another way."""
    f = cell("import math\n@act.activation\ndef f(x):\n    return math.exp(x) + math.hypot(x, 1)\n")["f"]
    np.testing.assert_allclose(f(X), np.exp(X) + np.hypot(X, 1), rtol=1e-14)
    g = cell("import math\ng = act.activation(lambda x: math.exp(x))\n", 1)["g"]
    np.testing.assert_allclose(g(X), np.exp(X), rtol=1e-14)


def test_what_is_captured_is_captured_when_it_is_decorated():
    space = cell("k = 2.0\n@act.activation\ndef f(x):\n    return x * k\nk = 5.0\n")
    same_bits(space["f"](X), 2 * X)
    same_bits(space["f"].grad(X.astype("f4")), np.full(X.shape, 2, "f4"))


def test_lambdas_on_one_line():
    f, g = act.activation(lambda x: 2 * x), act.activation(lambda x, a=3.0: x * a if x > 0 else x)
    same_bits(f(X), 2 * X)
    same_bits(g(X), np.where(X > 0, 3 * X, X))
    made = [act.activation(h) for h in (lambda x: x + 1, lambda x: x + 2,
                                        lambda x: x
                                        + 3)]
    for k, h in enumerate(made, 1):
        same_bits(h(X), X + k)


def test_closures_and_helpers():
    def maker(k):
        def inner(y):
            return k * y

        @act.activation
        def f(x):
            return inner(x) + k
        return f
    same_bits(maker(2)(X), 2 * X + 2)
    same_bits(maker(0.1)(X), X * 0.1 + 0.1)


def test_without_source():
    space = {"act": act}
    with pytest.raises(TypeError, match=r"^the source of f\(\) cannot be read: define it in a file"):
        exec("@act.activation\ndef f(x):\n    return x\n", space)


def test_a_script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent("""
        import pickle, numba_act as act
        @act.activation
        def twice(x, k=2.0):
            return k * x
        open("made.pickle", "wb").write(pickle.dumps((twice, twice.ufunc, twice.fast.ufunc)))
        print(twice(1.5), twice.grad(1.5, wrt="k"))
    """))
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "3.0 1.5\n"
    twice, *raw = pickle.loads((tmp_path / "made.pickle").read_bytes())          # here __main__ is another
    assert raw == [twice.ufunc, twice.fast.ufunc]
    same_bits(twice(X, 3), 3 * X)
    same_bits(twice.grad(X, wrt="k"), X)
    assert (twice.name, twice.formula, dict(twice.defaults)) == ("twice", r"k \, x", {"k": 2.0})


# --- derivatives ------------------------------------------------------------------------------------------------------
def test_derivatives_of_branches():
    a = 0.1
    expected = np.where(X > 1, a, np.where(abs(X) < 1, 1.5 * X**2, np.where(X > -2, 1, 0)))
    np.testing.assert_allclose(piecewise.grad(X), expected, rtol=1e-15)
    np.testing.assert_allclose(piecewise.grad(X, wrt="alpha"),
                               np.where(X > 1, X - 1, np.where(abs(X) < 1, 0, 1)), rtol=1e-15)
    np.testing.assert_allclose(piecewise.grad(X, n=2), np.where(abs(X) < 1, 3 * X, 0), rtol=1e-15)


def test_kinks_follow_the_catalogue():
    zero = np.zeros(1)
    for f in (lambda x: max(x, 0), lambda x: max(0, x), lambda x: min(x, 0), lambda x: abs(x)):
        assert act.activation(f).grad(zero) == 0
    hard = act.activation(lambda x: min(max(x, 0), 6))
    same_bits(hard.grad(np.float32([-1, 0, 3, 6, 7])), np.float32([0, 0, 1, 0, 0]))
    larger = act.activation(lambda a, b: max(a, b))
    gradients = larger.backward(np.ones(3), np.array([0.0, 1, 2]), np.array([1.0, 1, 1]))
    np.testing.assert_array_equal(gradients, [[0, 0.5, 1], [1, 0.5, 0]])


def test_the_branch_not_taken_does_not_poison():
    root = act.activation(lambda x: math.sqrt(x) if x > 0 else 0)
    inverse = act.activation(lambda x: 1 / x if abs(x) > 0 else 1)
    assert root.grad(np.array([-4.0, 0, 4])).tolist() == [0, 0, 0.25]
    assert inverse.grad(np.array([0.0, 2])).tolist() == [0, -0.25]
    assert inverse.grad(np.array([0.0, 2]), n=2).tolist() == [0, 0.25]


@pytest.mark.parametrize(("old", "new"), [
    ("f = lambda x: x + 2.0", "f = lambda x: x - 2.0"), ("f = lambda x: x + 2.0", "f = lambda x: x + 3.0"),
    ("def f(x): return x + 2.0", "def f(x): return x - 2.0"), ("def f(x): return x + 2.0", "def f(x): return x + 2.5"),
    ("def f(x): return x if x > 0 else -x", "def f(x): return x if x < 0 else -x"),
])
def test_a_source_that_has_changed_is_refused(old, new, tmp_path):
    file, space = tmp_path / "edited.py", {}
    file.write_text(f"{old}\n\n\ndef other(x):\n    return x\n")
    exec(compile(file.read_text(), file, "exec"), space)
    file.write_text(f"{new}\n\n\ndef other(x):\n    return x\n# longer\n")
    with pytest.raises(TypeError, match=r"cannot be read: define it in a file that does not change"):
        act.activation(space["f"])
    assert act.activation(space["other"])(3.0) == 3


def test_nan_gives_nan():
    step = act.activation(lambda x: x if x > 0 else 0 * x)
    assert np.isnan(step.grad(np.array([np.nan])))
    assert np.isnan(bias_gelu_residual.grad(1.0, math.nan, 1.0))
    gx, _, gr = bias_gelu_residual.backward(1.0, 1.0, 1.0, math.nan)     # these do not depend on r
    assert (gx, gr) == (act.gelu.grad(2.0), 1)


@pytest.mark.parametrize("name", ["glu", "reglu", "geglu", "swiglu"])
@pytest.mark.parametrize("wrt", ["value", "gate"])
def test_nan_gives_nan_in_higher_derivatives(name, wrt):
    for operands in ((1.0, math.nan), (math.nan, 1.0)):
        assert np.isnan([act.get(name).grad(*operands, wrt=wrt, n=n) for n in (1, 2, 3)]).all()


def test_numpy_defaults_and_single_names():
    half = np.float32(0.5)
    with np.errstate(all="raise"):
        made = act.activation(lambda x, k=half: k * x, aliases="twice", nonzero="k")
    assert (made.aliases, dict(made.defaults)) == (("twice",), {"k": 0.5})
    with pytest.raises(ValueError, match="k must not be 0"):
        made(1.0, 0)
    for wrong in (math.nan, math.inf, np.float32("nan"), np.float64("inf"), 10**400):
        with pytest.raises(TypeError, match="the default of k must be a finite number"):
            act.activation(lambda x, k=wrong: k * x)


MATHEMATICS = {                                  # name -> (lo, hi)
    "exp": (-5, 5), "expm1": (-5, 5), "log": (0.1, 9), "log1p": (-0.9, 9), "log2": (0.1, 9), "log10": (0.1, 9),
    "sqrt": (0.1, 9), "cbrt": (0.1, 9), "exp2": (-3, 3), "sin": (-9, 9), "cos": (-9, 9), "tan": (-1.4, 1.4),
    "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atan": (-9, 9), "sinh": (-4, 4), "cosh": (-4, 4), "tanh": (-4, 4),
    "asinh": (-4, 4), "acosh": (1.1, 9), "atanh": (-0.9, 0.9), "erf": (-3, 3), "erfc": (-3, 3), "fabs": (-3, 3),
    "degrees": (-3, 3), "radians": (-3, 3), "gamma": (0.5, 5), "lgamma": (0.5, 5), "floor": (-3, 3), "ceil": (-3, 3),
    "trunc": (-3, 3),
}


@pytest.mark.parametrize("name", MATHEMATICS)
def test_mathematics(name):
    called = getattr(math, name)
    f = act.activation(lambda x: called(x) * 3)
    x = np.linspace(*MATHEMATICS[name], 41) + 1e-3
    expected = [3 * called(v) for v in x.tolist()]
    np.testing.assert_allclose(f(x), expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(f(x.astype("f4")), [3 * called(float(np.float32(v))) for v in x], rtol=4e-7)
    if name in ("gamma", "lgamma"):
        why = rf"<lambda>: the derivative of {name}\(\) is not known: `called\(x\)` \(.*:\d+\); declare the derivative"
        with pytest.raises(NotImplementedError, match=why):
            f.grad(x)
        return
    h = 1e-6
    for n, g in ((1, f), (2, f.grad)):
        slope = (np.asarray(g(x + h)) - np.asarray(g(x - h))) / (2 * h)
        np.testing.assert_allclose(f.grad(x, n=n), slope, rtol=1e-6, atol=1e-6)


def test_mathematics_of_two_numbers():
    x, y = np.linspace(0.5, 3, 7), np.linspace(0.71, 2.03, 7)
    h = 1e-6
    for f in (lambda x, y: math.pow(x, y), lambda x, y: x**y, lambda x, y: math.hypot(x, y),
              lambda x, y: math.atan2(x, y), lambda x, y: math.copysign(x, y), lambda x, y: x / y - y * x,
              lambda x, y: math.fmod(x, y)):
        a = act.activation(f)
        np.testing.assert_allclose(a(x, y), [f(p, q) for p, q in zip(x, y, strict=True)], rtol=1e-14)
        gx, gy = a.backward(np.ones(7), x, y)
        np.testing.assert_allclose(gx, (a(x + h, y) - a(x - h, y)) / (2 * h), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(gy, (a(x, y + h) - a(x, y - h)) / (2 * h), rtol=1e-6, atol=1e-8)
    assert act.activation(lambda x: math.log(x, 2))(8.0) == pytest.approx(3)
    powers = act.activation(lambda x: x**-2 + x**0.5 + x**0 + x**2.5)
    np.testing.assert_allclose(powers(x), x**-2 + x**0.5 + 1 + x**2.5, rtol=1e-14)
    assert act.activation(lambda x: 1.0 if math.isnan(x) or math.isinf(x) else 0)(math.inf) == 1
    assert act.activation(lambda x: x > 0)(X).dtype == np.float64


def test_order():
    f = act.activation(lambda x: x**5)
    for n, expected in enumerate([5 * X**4, 20 * X**3, 60 * X**2, 120 * X], 1):
        np.testing.assert_allclose(f.grad(X, n=n), expected, rtol=1e-14, atol=1e-14)
    for wrong in (0, 5, 1.5, "2"):
        with pytest.raises(ValueError, match=r"^<lambda>: n=.* is no order of a derivative; accepted are 1 to 4$"):
            f.grad(X, n=wrong)
    with pytest.raises(TypeError, match=r"^piecewise: wrt=\('x', 'alpha'\) is not one name; accepted are x, alpha$"):
        piecewise.grad(X, wrt=("x", "alpha"))
    with pytest.raises(TypeError, match="is not one name"):
        piecewise.value_and_grad(X, wrt=["x"])


def test_a_declared_derivative_comes_first():
    @act.activation
    def f(x, a=2.0):
        return a * x * x

    @f.derivative
    def _(x, a):
        return 7 * x, x

    same_bits(f.grad(X), 7 * X)
    same_bits(f.grad(X, n=2), np.full_like(X, 7))
    outer = act.activation(lambda x: f(x, 3))
    same_bits(outer.grad(X), 7 * X)
    with pytest.raises(TypeError, match=r"^<lambda> of x, a: 2 numbers must be returned, not 1"):
        f.derivative(lambda x, a: x).grad(X)


# --- activations inside activations -----------------------------------------------------------------------------------
def test_fusion():
    rng = np.random.default_rng(0)
    x, r, gy = rng.standard_normal((3, 40, 6, 5)).astype("f4")
    b = rng.standard_normal((6, 1)).astype("f4")
    same_bits(bias_gelu_residual(x, b, r), act.gelu(x + b) + r)
    gx, gb, gr = bias_gelu_residual.backward(gy, x, b, r)
    same_bits(gx, act.gelu.backward(gy, x + b))
    same_bits(gr, gy)
    assert gb.shape == b.shape
    np.testing.assert_allclose(gb, gx.sum((0, 2), keepdims=False)[:, None], rtol=1e-4)
    b = b[:5, 0]
    for _ in range(2):                                   # the second call goes another way
        same_bits(bias_gelu_residual(x, b, r), act.gelu(x + b) + r)
        same_bits(bias_gelu_residual(b, x, r), act.gelu(x + b) + r)
        assert [g.shape for g in bias_gelu_residual.backward(gy, x, b, r)] == [x.shape, b.shape, x.shape]
        assert bias_gelu_residual.backward(b, x, b, r)[1].shape == b.shape
    same_bits(bias_gelu_residual.grad(x, b, r, wrt="b"), act.gelu.grad(x + b))


def test_calls_of_every_activation():
    for name, a in act.activations.items():
        operands = ", ".join(a.operands)
        f = cell(f"f = act.activation(lambda {operands}: act.{name}({operands}) * 2)\n", name)["f"]
        same_bits(f(*[X] * len(a.operands)), a(*[X] * len(a.operands)) * 2)
        same_bits(f.grad(*[X] * len(a.operands)), a.grad(*[X] * len(a.operands)) * 2)


def test_scalars_inside():
    f = act.activation(lambda x: act.elu.scalar(x, alpha=0.5) + act.gelu.scalar_grad(x))
    same_bits(f(X), act.elu(X, 0.5) + act.gelu.grad(X))


# --- formulas ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("function", "formula"), [
    (lambda x, width=1.0: math.exp(-x * x / width), r"e^{-\frac{x^{2}}{\mathrm{width}}}"),
    (lambda x: x / (1 + math.exp(-x)), r"\frac{x}{1 + e^{-x}}"),
    (lambda x, alpha=0.1: x if x > 0 else alpha * (x - 1),
     r"\begin{cases} x & x > 0 \\ \alpha \, \left(x - 1\right) & \text{otherwise} \end{cases}"),
    (lambda x: max(x, 0) * 2 - abs(x)**3, r"2 \, \max\left(0, x\right) - \left|x\right|^{3}"),
    (lambda x: act.gelu(math.sqrt(x)) - 1e-7, r"\operatorname{gelu}\left(\sqrt{x}\right) - 1 \cdot 10^{-7}"),
    (lambda x: (1 - x) / (-x + 1) - -x / 2, r"\frac{1 - x}{-x + 1} + \frac{x}{2}"),
    (lambda x: math.sin(x) * -x, r"-\sin\left(x\right) \, x"),
])
def test_formula(function, formula):
    assert act.activation(function).formula == formula


def test_formulas_can_be_set():
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    for f in (lambda x, beta=1.0: math.tanh(beta * x) ** 2 / (1 + math.sqrt(abs(x))), lambda x: x * math.erf(x) - 0.5):
        parser.parse(f"${act.activation(f).formula}$")


def test_a_formula_too_long_to_read():
    def long(x):
        y = x * x + x
        y = y * y + y / x
        y = y * y + y / x
        y = y * y + y / x
        y = y * y + y / x
        return y * y + y / x
    assert act.activation(long).formula is None


# --- errors -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("expression", "why"), [
    ("x[0]", "not subscriptable"), ("'a'", "returns a number"), ("x + 'a'", "no meaning"),
    ("x.sum()", "no attribute 'sum'"), ("print(x)", r"print\(\) has no place"), ("[x]", "returns a number"),
    ("np.linalg.norm(x)", r"norm\(\) has no place in a scalar function"), ("x @ 2", r"matmul\(\) has no place"),
    ("unknown(x)", "unknown is not defined"), ("x if x > 0 else 'a'", "branches give"), ("f(x)", "not call itself"),
    ("x if x > 0 else (x, x)", "branches give different things"), ("f'{x}'", "no meaning"),
    ("x if x > 0 else None", "branches give different things"), ("1 / 0 * x", "division by zero"),
    ("None", "returns a number"), ("g(x, x)", "takes exactly one argument"),
])
def test_errors_name_the_line(expression, why, tmp_path, monkeypatch):
    source = f"import numpy as np\ng = abs\ndef f(x):\n    y = x\n    return {expression}\n"
    module = module_of(source, tmp_path, monkeypatch)
    with pytest.raises(TypeError, match=rf"^f: .*{why}.*written\.py:5\)$") as caught:
        act.activation(module.f)
    assert "\n" not in str(caught.value)
    assert "Node" not in str(caught.value)


@pytest.mark.parametrize("signature", ["*x", "x, *, a", "x, **k", "x=1.0", "", "x, a=None", "x, a='b'", "x, out=1",
                                       "x, dtype=1", "order"])
def test_signatures(signature):
    with pytest.raises(TypeError, match=r"^f: "):
        cell(f"@act.activation\ndef f({signature}):\n    return x\n")


def test_a_missing_return(tmp_path, monkeypatch):
    for body in ("if x > 0:\n        return x", "return", "y = x", "pass"):
        module = module_of(f"def f(x):\n    {body}\n", tmp_path, monkeypatch)
        with pytest.raises(TypeError, match=r"^f: a path returns nothing: .*written\.py:\d\)$"):
            act.activation(module.f)


# --- semantics of Python ----------------------------------------------------------------------------------------------
scale = 5.0


def assigned_in_one_branch(x):
    if x > 0:
        scale = 2.0
    return x * scale


def wrapped(f):
    @functools.wraps(f)
    def wrapper(y):
        return f(2 * y)
    return wrapper


@wrapped
def plus_one(x):
    return x + 1


def total(*numbers, k=1.0):
    return sum_of(*numbers) * k


def sum_of(first, *rest):
    return first + sum_of_two(*rest)


def sum_of_two(a, b):
    return a + b


def guards(x):
    if x > 2:
        if x > 3:
            return 3.0
        y = 2 * x
    elif x < -2:
        return -2.0
    else:
        y = x
    if y > 5:
        y = 5.0
    return y


def many_guards(x):
    y = x
    if x > 0.0:
        if y > 100:
            return y
        y = y + 1
    if x > 0.1:
        if y > 100:
            return y
        y = y + 1
    if x > 0.2:
        if y > 100:
            return y
        y = y + 1
    return y


@pytest.mark.parametrize("function", [
    lambda x: x or 1.0, lambda x: x and 2 * x, lambda x: (x > 1 and x) or -x, lambda x: x > 1 and x < 2,
    lambda x: max(0, 1, x), lambda x: max((x, 0.0)), lambda x: 1.0 if 1 < x <= 2 != x else 0, lambda x: plus_one(x),
    lambda x: total(x, 2.0, x, k=3.0), lambda x: math.hypot(x, 2.0, 3.0), lambda x: math.copysign(x, -0.0),
    lambda x: x if EPS != 0 and x < 1 / EPS else 2 * x, lambda x: min(float("inf"), x), lambda x: (x, 2 * x)[-1],
    lambda x: table["k"] * x, lambda x: math.log(abs(x) + 2, 3) + math.log(8.0, abs(x) + 2), lambda x: not x > 1,
    lambda x: math.hypot(x), guards, many_guards,
])
def test_python_says_the_same(function):
    x = np.append(X, [0.0, 1, 2, -1])
    f = act.activation(function)
    np.testing.assert_allclose(f(x), [float(function(v)) for v in x.tolist()], rtol=1e-15)
    copy = pickle.loads(pickle.dumps(f))
    same_bits(copy(x), f(x))


def test_a_condition_turned_round():
    """As NumPy's bool has it; of Python's it is a number other than 0, and an error some day."""
    f = act.activation(lambda x: 1.0 if ~(x > 1) & (x > -1) | (x > 2) else 0)
    np.testing.assert_array_equal(f(X), ~(X > 1) & (X > -1) | (X > 2))


EPS = 0
table = {"k": 3.0}


@pytest.mark.parametrize(("function", "why"), [
    (assigned_in_one_branch, "scale has no value on every path"), (lambda x: x & 1, "& and | join conditions"),
    (lambda x: (x > 0) | x, "& and | join conditions"), (lambda x: ~x, "~ turns a condition round"),
    (lambda x: math.sin(x, x), r"sin\(\) takes 1 number, not 2"), (lambda x: math.atan2(x), "takes 2 numbers, not 1"),
    (lambda x: math.exp(x, x), r"exp\(\) takes 1 number, not 2"), (lambda x: max(x), "needs two numbers"),
    (lambda x: math.remainder(x, 2), r"remainder\(\) has no place in a scalar function: "),
])
def test_what_python_allows_and_a_tree_does_not(function, why):
    with pytest.raises(TypeError, match=rf"^[\w<>]+: .*{why}.*test_custom\.py:\d+\)$"):
        act.activation(function)


def test_many_guards_take_no_time():
    block = "    if x > {}:\n        if y > 100:\n            return y\n        y = y + 1\n"
    blocks = "".join(map(block.format, range(40)))
    f = cell(f"@act.activation\ndef f(x):\n    y = x\n{blocks}    return y\n")["f"]
    assert f(10.5) == 21.5


def test_long_functions():
    body = "".join("    y = y + x\n" for _ in range(1500))
    f = cell(f"@act.activation\ndef f(x):\n    y = x\n{body}    return y\n", 1)["f"]
    assert f(1.0) == 1501
    assert f.grad(1.0) == 1501


def test_tails_of_ordinary_spellings():
    x = np.float32([-1e30, -100, -89, 89, 100, 1e30])
    for f in (lambda x: x / (1 + math.exp(-x)), lambda x: 1 / (1 + math.exp(-x))):
        for n in (1, 2):
            assert np.isfinite(act.activation(f).grad(x, n=n)).all()
    powers = act.activation(lambda x, p=0.0: x**p)
    assert powers.grad(0.0) == 0
    assert act.activation(lambda x: math.pow(x, 2.0)).grad(0.0, n=3) == 0


def test_higher_derivatives_take_the_same_branch():
    f = act.activation(lambda x: x * x if x > 0.1 else 0.0)
    x = np.float32([0.1, 0.10000001])
    assert f(x)[0] == f.grad(x)[0] == f.grad(x, n=2)[0] == 0
    assert f.grad(x, n=2)[1] == 2


def test_a_parameter_wins_a_tie():
    clip = act.activation(lambda x, lo=-1.0, hi=1.0: min(max(x, lo), hi))
    x = np.array([-2.0, -1, 0, 1, 2])
    for wrt in ("x", "lo", "hi"):
        same_bits(clip.grad(x, wrt=wrt), act.hard_tanh.grad(x, wrt=wrt))


def test_a_derivative_is_read_when_it_is_declared():
    space = cell("k = 2.0\n@act.activation\ndef f(x):\n    return x\n@f.derivative\ndef _(x):\n    return k\nk = 5.0\n")
    assert space["f"].grad(1.0) == 2
    for wrong in (3, lambda: 1, lambda x, y: 1):
        with pytest.raises(TypeError, match=r"^f: a plain Python function of x is needed, not "):
            space["f"].derivative(wrong)
    with pytest.raises(ValueError, match="nonzero='b' is none of its parameters"):
        act.activation(nonzero=("b",))(lambda x, a=1: x)


def test_a_derivative_may_call_its_own_activation():
    @act.activation
    def sig(x):
        return 1 / (1 + math.exp(-x))

    @sig.derivative
    def _(x):
        y = sig(x)
        return y * (1 - y)

    for copy in (pickle.loads(pickle.dumps(sig)), deepcopy(sig)):
        same_bits(copy.grad(X), sig.grad(X))
        same_bits(copy.grad(X, n=2), sig.grad(X, n=2))


def test_scalars_pickle_and_take_keywords():
    for scalar in (act.elu.scalar, act.elu.scalar_grad):
        copy = pickle.loads(pickle.dumps(scalar))
        assert copy(-1.0, alpha=0.5) == scalar(-1.0, 0.5)
        assert njit(lambda x: copy(x, alpha=0.5))(-1.0) == scalar(-1.0, 0.5)  # noqa: B023


def test_numba_tells_activations_apart():
    a, b = act.activation(lambda x: 2 * x), act.activation(lambda x: 3 * x)
    assert [njit(lambda x: a.scalar(x))(1.0), njit(lambda x: b.scalar(x))(1.0)] == [2, 3]
    assert [njit(lambda x: a.scalar_grad(x))(1.0), njit(lambda x: b.scalar_grad(x))(1.0)] == [2, 3]


def test_numba_takes_numbers_only():
    for wrong in (np.ones(3), (1.0,), "a", 1j):
        with pytest.raises(numba.TypingError, match="gelu: x must be a number, not"):
            njit(lambda x: act.gelu.scalar(x))(wrong)


def test_names():
    def gelu(x, self=2.0):
        return x * self

    mine = act.activation(gelu)
    assert mine(1.0, self=3.0) == 3
    assert mine.backward(1.0, 1.0, wrt="self") == 1
    assert act.activation(lambda x: mine(x) + act.gelu(x))(0.0) == 0

    def maximum(x, k=0.0):
        return 3 * x + k

    other = act.activation(maximum)
    assert act.activation(lambda x, k=0.0: other(x, k)).grad(0.0) == 3

    def exp(x):
        return x + 1
    plus = act.activation(exp)
    assert act.activation(lambda x: plus(x) + math.exp(x)).formula == r"\operatorname{exp}\left(x\right) + e^{x}"


def test_a_default_is_a_plain_number():
    two = enum.IntEnum("Numbers", {"TWO": 2}).TWO
    f = act.activation(lambda x, k=two: x * k)
    assert type(f.defaults["k"]) is int
    same_bits(f(X.astype("f4")), 2 * X.astype("f4"))


def test_huge_constants():
    assert act.activation(lambda x: 1e308 * 10 * x)(1.0) == math.inf
    with pytest.raises(TypeError, match="the default of k must be a finite number"):
        cell("@act.activation\ndef f(x, k=10**400):\n    return x\n", 2)


def test_numpy_beside_xarray():
    xr = pytest.importorskip("xarray")
    f = act.activation(lambda x, b: math.tanh(x + b))
    x = xr.DataArray(np.ones((3, 5)), dims=("c", "l"))
    for shape in ((5,), (3, 1), ()):
        gx, gb = f.backward(x, x, np.zeros(shape))
        assert gx.dims == x.dims
        assert np.shape(gb) == shape


# --- inside other people's kernels ------------------------------------------------------------------------------------
def test_numba():
    alpha = piecewise

    @njit
    def attribute(x):
        return act.gelu.scalar(x) + alpha.scalar(x, 0.2) + act.silu.scalar_grad(x) + alpha.scalar_grad(x)

    assert attribute(0.3) == act.gelu(0.3) + piecewise(0.3, 0.2) + act.silu.grad(0.3) + piecewise.grad(0.3)

    @njit(parallel=True)
    def parallel(x, y):
        for i in prange(x.size):
            y[i] = act.gelu.scalar(x[i])

    x, y = X.astype("f4"), np.empty(X.size, "f4")
    parallel(x, y)
    same_bits(y, act.gelu(x))

    @guvectorize("f4[:], f4[:], f4[:]", "(n), (n) -> (n)")
    def with_bias(x, b, y):
        for i in range(x.size):
            y[i] = act.gelu.scalar(x[i] + b[i])

    with np.errstate(all="ignore"):
        same_bits(with_bias(x, x), act.gelu(x + x))
    wave = act.activation(lambda x: math.sin(x) * x).scalar
    assert cfunc("float64(float64)")(lambda x: wave(x)).ctypes(0.25) == wave(0.25)
    assert njit(lambda x: act.gelu.scalar(x))(3) == act.gelu(3)


# --- scale out --------------------------------------------------------------------------------------------------------
def test_dask_workers():
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")

    @act.activation
    def local(x, a=0.5):
        return act.gelu(x) * a

    x = np.linspace(-5, 5, 1200, dtype="f4").reshape(40, 30)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, distributed.Client(cluster):
        lazy = da.from_array(x, chunks=(13, 30))
        for f in (act.gelu, local, piecewise):
            same_bits(f(lazy).compute(), f(x))
            same_bits(f.grad(lazy).compute(), f.grad(x))
            same_bits(f.backward(lazy, lazy).compute(), f.backward(x, x))
            for got, expected in zip(f.value_and_grad(lazy), f.value_and_grad(x), strict=True):
                same_bits(got.compute(), expected)
        same_bits(bias_gelu_residual(lazy, x[0], lazy).compute(), bias_gelu_residual(x, x[0], x))


def test_a_block_takes_one_thread():
    from numba_act.runtime.threads import alone
    before = numba.get_num_threads()
    with alone():
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before


def test_containers_pass_casting_on():
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"^gelu: x cannot be cast from int64 to float64 by the rule casting='no'$"):
        act.gelu(da.arange(5, chunks=2), casting="no").compute()
    same_bits(act.gelu(da.ones(5, chunks=2), casting="no").compute(), act.gelu(np.ones(5)))
    same_bits(act.gelu(da.ones(5, chunks=2), order="".join("K")).compute(), act.gelu(np.ones(5)))


def test_many_operands():
    f = act.activation(lambda a, b, c, d, e, k=2.0: a * b + c * d - e * k)
    gradients = f.backward(1.0, 1.0, 2.0, 3.0, 4.0, 5.0, wrt=("a", "b", "c", "d", "e", "k"))
    assert gradients == (2, 1, 4, 3, -2, -5)
    with pytest.raises(ValueError, match=r": at most 16 inputs and outputs fit in a kernel, not 17; ask for fewer"):
        cell("f = act.activation(lambda a, b, c, d, e, f, g, h: a)\n", 3)["f"].backward(*[1.0] * 9)
