"""Activations on JAX's arrays, in jit, grad and vmap: numba_act computes, on the CPU, where JAX calls it back.

    from numba_act import jax as nj
    y = nj.gelu(x); slope = jax.jit(jax.vmap(jax.grad(nj.gelu)))(x)

XLA neither fuses a callback with what stands around it nor moves it to a GPU, to which the numbers come back; a program
with one cannot be exported.
"""
import functools

try:
    import jax
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("numba_act.jax needs JAX: pip install jax", name=error.name) from None
import numpy as np
from jax import numpy as jnp
from jax.custom_derivatives import SymbolicZero

from . import declare
from .backends.dtypes import STORED
from .backends.philox import key_of
from .backends.rows.dispatch import axis_of
from .bridge import ROWS, Bridged, BridgedRows, along, bridged, loss_slope, result_shape, slopes
from .docstrings import Docstring

ARRAYS = jax.Array | np.ndarray | np.generic | int | float       # tracers are the first


@functools.cache
def get(name):
    """The activation of that name or alias, or an Activation, custom ones too, as a Function on JAX's arrays.

    Raises
    ------
    ValueError
        An unknown name; the nearest known ones are suggested.

    Examples
    --------
    >>> from numba_act import jax as nj
    >>> nj.get("softrelu") is nj.softplus
    True
    """
    return bridged(name, (Function, RowFunction, Loss, Sample), get)


class Function(Bridged):
    """An activation as a function of JAX's arrays, in any of its transformations, differentiable to the fourth order.

    Parameters are numbers, or arrays that broadcast.  dtypes are JAX's: integers compute in its float, which is float32
    unless the process has 64 bits enabled.  Sums over what was broadcast are XLA's.

    Attributes
    ----------
    activation : on arrays
    fast : the same in the fast tier

    Raises
    ------
    TypeError
        Another dtype, an unknown keyword.
    ValueError
        Shapes that do not broadcast.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from numba_act import jax as nj
    >>> total = lambda x, alpha: nj.leaky_relu(x, alpha).sum()
    >>> jax.jit(jax.grad(total, 1))(np.float32([-2, 0, 3]), 0.05).item()
    -2.0
    """

    __doc__ = Docstring(__doc__, lambda function: function.activation.__doc__)

    def __call__(self, /, *args, **kwargs):
        operands = lined_up(self.activation, self._bound(*args, **kwargs))
        if any(isinstance(operand, jax.core.Tracer) for operand in operands):
            return differentiable(self.activation)(*operands)
        return self.activation(*operands)

    def __repr__(self):
        return f"<{self.__name__} on JAX's arrays>"


def lined_up(activation, operands):
    """The operands as arrays of one dtype and as many axes, before which vmap then puts its own."""
    for name, operand in zip(activation._inputs, operands, strict=True):
        if not isinstance(operand, ARRAYS):
            raise TypeError(f"{activation.name}: {name} is a {type(operand).__name__}; arrays and numbers are accepted")
    dtype = computed_in(activation.name, jnp.result_type(*operands))
    arrays = [jnp.asarray(operand, dtype) for operand in operands]
    try:
        ndim = len(jnp.broadcast_shapes(*[a.shape for a in arrays]))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(activation._inputs, arrays, strict=True))
        raise ValueError(f"{activation.name}: the shapes of the operands do not broadcast: {shapes}") from None
    return [a if a.ndim == ndim else a.reshape((1,) * (ndim - a.ndim) + a.shape) for a in arrays]


def computed_in(owner, dtype):
    """The dtype in which operands of one are computed."""
    dtype = jnp.result_type(float) if dtype.kind in "biu" else dtype
    if dtype.name not in STORED:
        raise TypeError(f"{owner}: dtype {dtype} is not supported; {', '.join(STORED)} are, and integers and "
                        f"bool, which compute in {jnp.result_type(float)}")
    return dtype


@functools.cache
def differentiable(activation, wrt=()):
    """The value, or the derivative in one name after another, whose own derivatives are the next ones."""
    function = functools.partial(activation.slope, wrt) if wrt else activation

    def on_host(*arrays):
        return np.asarray(function(*map(np.asarray, arrays)))

    @jax.custom_jvp
    def called(*operands):
        shape = jnp.broadcast_shapes(*[o.shape for o in operands])
        like = jax.ShapeDtypeStruct(shape, operands[0].dtype)
        return jax.pure_callback(on_host, like, *operands, vmap_method="expand_dims")

    @functools.partial(called.defjvp, symbolic_zeros=True)
    def _(operands, tangents):
        changes = [tangent * differentiable(activation, (*wrt, name))(*operands)
                   for name, tangent in zip(activation._inputs, tangents, strict=True)
                   if not isinstance(tangent, SymbolicZero)]
        return called(*operands), sum(changes[1:], changes[0])

    return called


class RowFunction(BridgedRows):
    """A row function of JAX's arrays, in jit and vmap, differentiable by grad or vjp in x and in the sink, time and
    again.

    Options are those of the same function of arrays; axis, temperature and keepdims are numbers.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        Another dtype, an unknown keyword.
    ValueError
        An axis that x has not, shapes that do not broadcast, a temperature that is not positive.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from numba_act import jax as nj
    >>> jax.jit(jax.grad(nj.logsumexp))(np.float32([0, 0]))
    Array([0.5, 0.5], dtype=float32)
    """

    __doc__ = Docstring(__doc__, lambda rows: rows.function.__doc__)
    wrt, vmap_method = ("x", "sink"), "broadcast_all"

    def __call__(self, /, *args, **kwargs):
        given = self.arguments(args, kwargs)
        x, where, sink = as_float(self.__name__, "x", given.pop("x")), given.pop("where"), given.pop("sink", None)
        axis = axis_of(self.__name__, "x", given.pop("axis"), x.shape)
        operands, given["axis"] = {"x": x}, axis - x.ndim        # before which vmap then puts its own
        if where is not None:
            operands["where"] = jnp.broadcast_to(where, x.shape)
        if "rng" in given:
            operands["rng"] = given.pop("rng")
        if sink is not None:
            operands["sink"] = jnp.broadcast_to(jnp.asarray(sink, x.dtype), x.shape[:axis] + (1,) + x.shape[axis + 1:])
        return self._called(operands, given)

    def _called(self, operands, options):
        for name, option in options.items():
            if isinstance(option, jax.Array):
                raise TypeError(f"{self.__name__}: {name} is an array of JAX's; a value of Python's is accepted, which "
                                "jit takes as one of its static_argnames")
        return differentiable_rows(self, (*operands,), (*options.items(),))(*operands.values())

    def _like(self, x, axis, keepdims=None, **_):
        return jax.ShapeDtypeStruct(result_shape(x.shape, axis, keepdims), x.dtype)

    def _value(self, given, options):
        return self.function(**given, **options)

    def _gradients(self, gy, given, wrt, options):
        options = {name: value for name, value in options.items() if name != "keepdims"}
        made = self.function.backward(gy, **given, **options, **({"wrt": wrt} if len(wrt) > 1 else {}))
        return made if isinstance(made, tuple) else (made,)

    def _slopes(self, gy, given):
        return dict(zip(("x", "sink"), slopes(self, jnp.exp, gy, **given), strict=True))

    def __repr__(self):
        return f"<{self.__name__} on JAX's arrays>"


class Loss(RowFunction):
    """A loss of JAX's arrays, in jit and vmap, differentiable by grad or vjp in the logits, time and again.

    Options are those of the same function of arrays.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        Another dtype, an unknown keyword.
    ValueError
        Shapes that do not fit, a label that is no class, an axis that there is not.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from numba_act import jax as nj
    >>> jax.jit(jax.grad(nj.softmax_cross_entropy))(np.float32([[0, 0]]), np.array([1]))
    Array([[ 0.5, -0.5]], dtype=float32)
    """

    __doc__ = Docstring(__doc__, lambda loss: loss.function.__doc__)
    wrt, vmap_method = ("logits",), "sequential"                 # what is reduced is that of one call

    def __call__(self, /, *args, **kwargs):
        given = self.arguments(args, kwargs)
        logits, where = as_float(self.__name__, "logits", given.pop("logits")), given.pop("where")
        operands = {"logits": logits, "target": jnp.asarray(given.pop("target"))}
        if operands["target"].ndim == logits.ndim:               # probabilities
            operands["target"] = operands["target"].astype(logits.dtype)
        if where is not None:
            operands["where"] = jnp.asarray(where)
        if not any(isinstance(operand, jax.core.Tracer) for operand in operands.values()):
            return self.function(**operands, **given)
        given["axis"] = axis_of(self.__name__, "logits", given["axis"], logits.shape) - logits.ndim
        return self._called(operands, given)

    def _like(self, logits, axis, reduction, **_):
        shape = result_shape(logits.shape, axis, False) if reduction == "none" else ()
        return jax.ShapeDtypeStruct(shape, logits.dtype)

    def _gradients(self, gy, given, wrt, options):
        return (self.function.backward(gy, **given, **options),)

    def _slopes(self, gy, given):
        logits, axis = given["logits"], given["axis"]
        classes = along(jnp.arange(logits.shape[axis]), logits.shape, axis)
        return {"logits": loss_slope(get("softmax"), classes, gy, **given)}


class Sample(RowFunction):
    """A random row function of JAX's arrays, in jit and vmap, differentiable by grad or vjp in x, time and again; of a
    hard sample the gradient is the soft one's.

    Options are those of the same function of arrays; tau, hard and axis are no arrays.  In a transformation rng is a
    seed, which may be an array or a key of JAX's, so that a compiled function can be given another.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        Another dtype, an unknown keyword, no seed in a transformation.
    ValueError
        A seed out of range, an axis that x has not, a tau that is not positive.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from numba_act import jax as nj
    >>> sample = jax.jit(lambda x, key: nj.gumbel_softmax(x, hard=True, rng=key))
    >>> sample(np.float32([0, 0]), jax.random.key(1))
    Array([0., 1.], dtype=float32)
    """

    __doc__ = Docstring(__doc__, lambda rows: rows.function.__doc__)
    vmap_method = "sequential"                   # a row's random numbers depend on its place in the call

    def arguments(self, args, kwargs):
        given = super().arguments(args, kwargs)
        given["rng"] = self._words(given["rng"], isinstance(given["x"], jax.core.Tracer))
        return given

    def _words(self, rng, traced):
        """A seed as an array of integers, the highest first."""
        if isinstance(rng, jax.Array):
            if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
                return jax.random.key_data(rng)[..., :2]         # of four, as "rbg" has, two say as much
            if not jnp.issubdtype(rng.dtype, jnp.integer):
                raise TypeError(f"{self.__name__}: rng has dtype {rng.dtype}; a seed, an integer or a key, is accepted")
            return rng
        if traced and (rng is None or isinstance(rng, np.random.Generator)):
            raise TypeError(f"{self.__name__}: rng={rng!r} would give one seed to all calls of what is compiled; in a "
                            "transformation a seed, an integer or a key, is accepted")
        low, high = key_of(self.__name__, rng)
        return jnp.asarray([high, low], jnp.uint32)

    def _value(self, given, options):
        return super()._value({**given, "rng": joined(given["rng"])}, options)

    def _gradients(self, gy, given, wrt, options):
        options = {name: value for name, value in options.items() if name != "hard"}
        return super()._gradients(gy, {**given, "rng": joined(given["rng"])}, wrt, options)


def joined(words):
    """A seed of its words, the highest first."""
    return functools.reduce(lambda seed, word: seed << 32 | int(word), words.ravel(), 0)


def as_float(owner, name, operand):
    """An operand as an array of a dtype that is computed in."""
    if not isinstance(operand, ARRAYS):
        raise TypeError(f"{owner}: {name} is a {type(operand).__name__}; an array is accepted")
    return jnp.asarray(operand, computed_in(owner, jnp.result_type(operand)))


@functools.cache
def differentiable_rows(rows, names, options):
    """A RowFunction of operands of these names, whose gradients are one more such function."""
    wrt, options = tuple([name for name in names if name in rows.wrt]), dict(options)

    def on_host(*arrays):
        return np.asarray(rows._value(dict(zip(names, map(np.asarray, arrays), strict=True)), options))

    def gradients_on_host(gy, *arrays):
        return rows._gradients(np.asarray(gy), dict(zip(names, map(np.asarray, arrays), strict=True)), wrt, options)

    @jax.custom_vjp
    def called(*operands):
        return jax.pure_callback(on_host, rows._like(operands[0], **options), *operands, vmap_method=rows.vmap_method)

    @jax.custom_vjp
    def gradients(gy, *operands):
        likes = tuple([jax.ShapeDtypeStruct(operands[names.index(name)].shape, gy.dtype) for name in wrt])
        return jax.pure_callback(gradients_on_host, likes, gy, *operands, vmap_method=rows.vmap_method)

    def backward(operands, gy):
        found = dict(zip(wrt, gradients(gy, *operands), strict=True))
        return tuple([found.get(name) for name in names])

    def again(operands, changes):
        gy, *rest = operands
        given = dict(zip(names, rest, strict=True))

        def slopes_of(gy, varied):
            found = rows._slopes(gy, {"where": None, **given, **varied, **options})
            return tuple([found[name] for name in wrt])
        _, pull = jax.vjp(slopes_of, gy, {name: given[name] for name in wrt})
        of_gy, found = pull(changes)
        return of_gy, *[found.get(name) for name in names]

    called.defvjp(lambda *operands: (called(*operands), operands), backward)
    gradients.defvjp(lambda *operands: (gradients(*operands), operands), again)
    return called


globals().update({name: get(name) for name in (*declare.names(), *ROWS)})
__all__ = ["get", *declare.names(), *ROWS]
