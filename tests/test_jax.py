"""numba_act.jax: JAX's transformations, with the numbers of the plain arrays."""
import math
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from tools import every_name, same_bits

import numba_act as act
from numba_act.bridge import LOSSES, ROWS, SAMPLES

jax = pytest.importorskip("jax")
nj = pytest.importorskip("numba_act.jax")
jnp = jax.numpy

POINTS = np.float32([[-2.3, -0.7], [0.3, 1.9]])


def operands_of(name):
    """Arrays of different numbers, the first parameter with a number a column."""
    a = act.activations[name]
    arrays = [np.roll(POINTS, k) + np.float32(k / 8) for k in range(len(a.operands))]
    numbers = [np.float32(value if k else [value, value * 0.75 + 0.125]) for k, value in enumerate(a.defaults.values())]
    return [*arrays, *numbers]


@pytest.mark.parametrize("tier", ["exact", "fast"])
@every_name
def test_values_and_gradients_are_those_of_arrays(name, tier):
    """Bit for bit as they are and in jit; sums are JAX's."""
    a, f = (each if tier == "exact" else each.fast for each in (act.activations[name], getattr(nj, name)))
    operands = operands_of(name)
    expected = a(*operands)
    gy = np.linspace(-1, 2, 4, dtype="f4").reshape(2, 2)

    def gradients(*operands):
        y, pull = jax.vjp(f, *operands)
        return y, pull(gy)

    same_bits(f(*operands), expected)
    y, found = jax.jit(gradients)(*operands)
    same_bits(y, expected)
    for got, wanted in zip(found, a.backward(gy, *operands, wrt=(*a.operands, *a.params)), strict=True):
        if wanted.shape == gy.shape:
            same_bits(got, wanted)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_mapped():
    """Axes of a batch anywhere, also where only some operands have them."""
    rng = np.random.default_rng(0)
    x, beta = rng.normal(size=(3, 4)).astype("f4"), rng.uniform(size=4).astype("f4")
    for places, *given in (((0, None), x, beta), ((1, 0), x, beta), ((None, 0), x, beta), ((None, 1), beta, x.T)):
        got = jax.jit(jax.vmap(nj.swish, places))(*given)
        one = [[given[k] if place is None else given[k].take(n, place) for k, place in enumerate(places)]
               for n in range(len(got))]
        same_bits(got, np.stack([act.swish(*each) for each in one]))
    slopes = jax.vmap(jax.vmap(jax.grad(nj.swish, (0, 1))), (0, None))(x, beta)
    for got, name in zip(slopes, ("x", "beta"), strict=True):
        same_bits(got, act.swish.grad(x, beta, wrt=name))


def test_higher_orders():
    x = jnp.float32(0.7)
    slope = nj.gelu
    for n, transform in enumerate((jax.grad, jax.jacfwd, jax.grad, jax.jacrev), 1):
        slope = transform(slope)
        same_bits(jax.jit(slope)(x), act.gelu.grad(np.float32(0.7), n=n))
    points = jnp.asarray(POINTS[0])
    np.testing.assert_allclose(jax.hessian(lambda x: nj.swish(x, x).sum())(points),
                               jax.hessian(lambda x: (x * jax.nn.sigmoid(x * x)).sum())(points), rtol=1e-5, atol=1e-6)


def test_dtypes():
    for dtype in ("float16", "bfloat16", "float32"):
        x = jnp.asarray(POINTS, dtype)
        for f in (nj.gelu, jax.jit(nj.gelu)):
            same_bits(f(x), act.gelu(np.asarray(x)))
        assert jax.jit(jax.grad(lambda x: nj.leaky_relu(x).sum()))(x).dtype == dtype
    for f in (nj.gelu, jax.jit(nj.gelu)):
        same_bits(f(np.int8([1, -2])), act.gelu(np.float32([1, -2])))
        same_bits(f(2.5), act.gelu(np.float32(2.5)))
    with jax.enable_x64(True):
        same_bits(jax.jit(nj.gelu)(POINTS.astype("f8")), act.gelu(POINTS.astype("f8")))


def test_large_arrays():
    """On all threads, while JAX waits, and from several of its own."""
    x = jnp.linspace(-3, 3, 1 << 20)

    @jax.jit
    def both(x):
        return nj.gelu(nj.mish(x) * 2), nj.silu(x)

    for got, expected in zip(both(x), (act.gelu(act.mish(x) * 2), act.silu(x)), strict=True):
        same_bits(got, expected)


@pytest.mark.parametrize("name", [name for name in ROWS if name not in LOSSES + SAMPLES])
def test_rows(name):
    """Values and gradients bit for bit, in jit; sums are JAX's."""
    f, a, rng = getattr(nj, name), getattr(act, name), np.random.default_rng(3)
    x, where = rng.normal(size=(3, 4)).astype("f4"), rng.random((3, 4)) < 0.8
    y, pull = jax.vjp(lambda x: f(x, 0, where=where), x)
    same_bits(y, a(x, 0, where=where))
    gy = np.linspace(-1, 2, y.size, dtype="f4").reshape(y.shape)
    same_bits(jax.jit(pull)(gy)[0], a.backward(gy, x, 0, where=where))
    if name in ("softmax", "logsumexp"):
        y, pull = jax.vjp(lambda x, sink: f(x, sink=sink, temperature=0.5), x, np.float32(0.3))
        gx, of_sink = a.backward(np.ones(y.shape, "f4"), x, sink=0.3, temperature=0.5, wrt=("x", "sink"))
        same_bits(pull(jnp.ones_like(y))[0], gx)
        np.testing.assert_allclose(pull(jnp.ones_like(y))[1], of_sink, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_second_derivatives_of_rows(name):
    """By differences, as the first ones."""
    from jax.test_util import check_grads
    x = np.random.default_rng(5).normal(size=(2, 3))
    with jax.enable_x64(True):
        if name in LOSSES:
            check_grads(lambda x: getattr(nj, name)(x, np.array([0, 2]), reduction="none"), (x,), 2, "rev")
            check_grads(lambda x: getattr(nj, name)(x, np.full((2, 3), 1 / 3), where=x[:, 0] > 0), (x,), 2, "rev")
        else:
            options = {"rng": 3, "tau": 0.7} if name in SAMPLES else {}
            check_grads(lambda x: getattr(nj, name)(x, axis=0, **options), (x,), 2, "rev")
        if name in ("softmin", "logsumexp"):
            check_grads(lambda x, sink: getattr(nj, name)(x, sink=sink, temperature=0.7), (x, x[:, :1]), 2, "rev")


@pytest.mark.parametrize("hard", [False, True])
def test_samples(hard):
    """Values and gradients bit for bit, those of a hard sample the soft one's; in what is compiled by any seed."""
    f, a, key = nj.gumbel_softmax, act.gumbel_softmax, jax.random.key(5)
    x = np.random.default_rng(3).normal(size=(3, 4)).astype("f4")
    where, gy = x < 1, np.linspace(-1, 2, 12, dtype="f4").reshape(3, 4)
    options = {"axis": 0, "where": where}
    compiled = jax.jit(lambda x, seed: f(x, 0.7, hard, seed, **options))
    slope = jax.jit(jax.grad(lambda x, seed: (f(x, 0.7, hard, seed, **options) * gy).sum()))
    for seed, number in ((3, 3), (np.uint32(4), 4), (key, 5), (jax.random.key_data(key), 5),
                         (jax.random.key(5, impl="rbg"), 5)):
        same_bits(f(x, 0.7, hard, seed, **options), a(x, 0.7, hard, number, **options))
        same_bits(compiled(x, seed), a(x, 0.7, hard, number, **options))
        same_bits(slope(x, seed), a.backward(gy, x, 0.7, number, **options))
    same_bits(jax.jit(lambda x: f(x, hard=hard, rng=2**64 - 1))(x), a(x, hard=hard, rng=2**64 - 1))
    same_bits(jax.vmap(lambda x, seed: f(x, 0.7, hard, seed))(x, jnp.arange(3)),
              [a(row, 0.7, hard, n) for n, row in enumerate(x)])
    assert hard or not np.array_equal(f(x), f(x))


def test_loss():
    x, labels = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f4"), np.array([[0, 3, 1], [2, 2, 0]])
    same_bits(nj.softmax_cross_entropy(x[0], labels[0]), act.softmax_cross_entropy(x[0], labels[0]))
    same_bits(jax.jit(jax.grad(nj.softmax_cross_entropy))(x[0], labels[0]),
              act.softmax_cross_entropy.backward(1.0, x[0], labels[0]))
    same_bits(jax.vmap(nj.softmax_cross_entropy)(x, labels),
              [act.softmax_cross_entropy(*one) for one in zip(x, labels, strict=True)])


def test_mapped_rows():
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("f4")
    same_bits(jax.jit(jax.vmap(lambda x: nj.softmax(x, 0)))(x), act.softmax(x, 1))
    same_bits(jax.vmap(lambda x: nj.logsumexp(x, 0, keepdims=True), 2)(x),
              act.logsumexp(x.transpose(2, 0, 1), 1, keepdims=True))
    same_bits(jax.vmap(jax.grad(nj.logsumexp))(x[0]), act.logsumexp.backward(np.ones(3, "f4"), x[0]))


@act.activation
def bump(x, width=1.0):
    return math.exp(-x * x / width)


def test_custom_activations():
    f = nj.get(bump)
    assert pickle.loads(pickle.dumps(nj.gelu)) is nj.gelu
    assert nj.get(f) is f
    got = jax.jit(jax.grad(lambda x, width: f(x, width=width).sum()))(POINTS, 0.5)
    same_bits(got, bump.grad(POINTS, 0.5))


@pytest.mark.parametrize(("call", "error", "said"), [
    (lambda f, x: f(nj.swiglu)(x, x[:1, :1].repeat(3, 1)), ValueError,
     r"(?m)^swiglu: the shapes of the operands do not broadcast: value \(2, 2\), gate \(1, 3\), alpha .*$"),
    (lambda f, x: f(nj.gelu)(x.astype(complex)), TypeError,
     "(?m)^gelu: dtype complex64 is not supported; float16, .* bool, which compute in float32$"),
    (lambda f, x: nj.gelu("a"), TypeError, "^gelu: x is a str; arrays and numbers are accepted$"),
    (lambda f, x: f(nj.gelu)(x, 2), TypeError, "^gelu: at most 1 operands are accepted"),
    (lambda f, x: nj.gumbel_softmax(x, rng=-1), ValueError, "^gumbel_softmax: rng=-1 is no seed; accepted are"),
    (lambda f, x: f(nj.gumbel_softmax)(x, rng=x[0, 0]), TypeError,
     "(?m)^gumbel_softmax: rng has dtype float32; a seed, an integer or a key, is accepted"),
    (lambda f, x: jax.jit(f(nj.gumbel_softmax))(x), TypeError,
     "(?m)^gumbel_softmax: rng=None would give one seed to all calls of what is compiled; in a transformation a seed"),
    (lambda f, x: jax.jit(f(nj.softmax))(x, temperature=2.0), TypeError,
     "(?m)^softmax: temperature is an array of JAX's; a value of Python's is accepted, which jit takes as one of its"),
    (lambda f, x: f(nj.softmax)(x.astype(complex)), TypeError, "(?m)^softmax: dtype complex64 is not supported"),
    (lambda f, x: f(lambda x: nj.softmax(x, 5))(x), ValueError, "(?m)^softmax: axis=5 is none of an array of shape"),
    (lambda f, x: nj.softmax("a"), TypeError, "^softmax: x is a str; an array is accepted"),
    (lambda f, x: nj.get("gleu"), ValueError, "^there is no activation 'gleu'; did you mean glu or golu or gelu"),
])
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_refused(call, error, said, transform):
    with pytest.raises(error, match=said):
        call(transform, jnp.ones((2, 2)))


def test_the_readme():
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
                if block.startswith("import jax")]
    space = {}
    exec(block, space)
    for name, got in (("x", space["gx"]), ("beta", space["gbeta"])):
        same_bits(got, act.swish.grad(np.linspace(-2, 2, 5, dtype="f4"), 1.5, wrt=name))


def test_names_shadow_nobody():
    assert nj is act.jax is not jax
    assert nj.jax is jax
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "jax", None)
        patch.delitem(sys.modules, "numba_act.jax")
        patch.delattr(act, "jax")
        with pytest.raises(ModuleNotFoundError, match=r"^numba_act\.jax needs JAX: pip install jax$"):
            import numba_act.jax  # noqa: F401
