"""softmax of numbers to which chance adds: a sample of classes that has a gradient."""
from types import SimpleNamespace

import numpy as np

from ..backends import containers
from ..backends.dispatch import backend_of
from ..backends.dtypes import result_dtype
from ..backends.kernel import Kernel
from ..backends.philox import key_of
from ..backends.rows.dispatch import one_of
from ..scalar.logarithm import log
from ..tree import node
from ..tree.node import argument
from .function import computed, row_function
from .softmax import _softmax, _softmax_gradient, _softmax_slope, _temperature

NAME = "gumbel_softmax"
CALL = SimpleNamespace(owner=NAME, operands=("x",))
NOISE = Kernel("gumbel_noise", NAME, ("uniform",), {}, lambda dtype: (_noise(argument("uniform", dtype)),))


def _noise(uniform):
    """A number of Gumbel's distribution, of one from 0 to 1, by which neither end is met."""
    return -log(-log(uniform + 2.0**-33))


def _hard(row, x, **options):
    """1 at the first of the largest, 0 elsewhere."""
    y = _softmax(row, x, **options)
    largest = row.largest(y)
    first = -row.largest(node.where(y < largest, -float("inf"), -row.position))
    return node.where(node.build("eq", y, y), node.where(node.build("eq", row.position, first), 1, 0), y)


def _noisy(build):
    """A program of x and noise, which are added up, as one of x."""
    def noisy(row, x, noise, **options):
        return build(row, x=x + noise, **options)
    noisy.__name__ = f"{build.__name__}_noisy"
    return noisy


SOFT, HARD, GRADIENT = map(_noisy, (_softmax, _hard, _softmax_gradient))


def _drawn(x, rng):
    """As many numbers of Gumbel's distribution as x has, of the kind of x."""
    container = containers.owner(CALL, (x,))
    if container is not None:
        return container.whole(CALL, (x,), lambda x: _drawn(x, rng))
    try:
        backend, dtype = backend_of((x,)), result_dtype((x,))
    except (TypeError, ModuleNotFoundError) as error:
        raise type(error)(f"{NAME}: {error}") from None
    x = backend.convert(backend.asarray(NOISE, "x", x), dtype)
    return backend.drawn(NOISE, x, (), x.shape, key_of(NAME, rng))


@row_function(None)
def gumbel_softmax(x, tau=1.0, hard=False, rng=None, axis=-1, *, where=None, out=None):
    r"""softmax of x and random numbers of Gumbel's distribution: near a sample of the classes, and differentiable.

    .. math:: y = \mathrm{softmax}((x + g) / \tau), \quad g = -\log(-\log u), \quad u \sim U(0, 1)

    The random numbers are those of the counter-based generator Philox4x32-10, counted by the index in C order: a seed
    gives the same ones on every machine and backend.

    Parameters
    ----------
    x : array or tensor of float16, bfloat16, float32 or float64
        Logarithms of probabilities, up to a constant; integers and bool compute in float64.
    tau : positive number
        The temperature: the smaller, the nearer to a sample.
    hard : bool
        Whether the sample itself is given, 1 for one class and 0 for the others.  `backward(gy, x, tau, rng)` gives
        the gradient of the soft one for both, with the same seed.
    rng : int or numpy.random.Generator, optional
        A seed from 0 to 2^64 - 1, or what draws one; without it a new one each time.
    axis : int
        That of the classes.
    where : array of bool, optional
        A mask that broadcasts to x; what it leaves out is 0.

    Returns
    -------
    array
        Of the shape of x.

    Raises
    ------
    TypeError
        An operand of another dtype or kind, an axis that is no int.
    ValueError
        A seed out of range, an axis that x has not, a tau that is not positive.

    Source: E. Jang, S. Gu and B. Poole, Categorical reparameterization with Gumbel-softmax, 2017.

    >>> act.gumbel_softmax(np.log(np.float32([0.1, 0.2, 0.7])), hard=True, rng=2)
    array([0., 0., 1.], dtype=float32)
    """
    temperature = _temperature(NAME, "tau", tau)
    return computed(HARD if hard else SOFT, NAME, axis, {"x": x, "noise": _drawn(x, rng)}, where,
                    {"temperature": temperature}, out=out)


@gumbel_softmax.gradient
def backward(gy, x=None, tau=1.0, rng=None, axis=-1, *, y=None, where=None, out=None):
    """gy times the derivative, from x and the seed, or from the result y, which must not be hard."""
    one_of(NAME, x, y)
    once = {"temperature": _temperature(NAME, "tau", tau)}
    if y is not None:
        return computed(_softmax_slope, NAME, axis, {"gy": gy, "y": y}, where, once, out=out)
    if rng is None or isinstance(rng, np.random.Generator):
        raise TypeError(f"{NAME}: backward from x needs the seed, an int, that the result was drawn with, as rng=")
    return computed(GRADIENT, NAME, axis, {"gy": gy, "x": x, "noise": _drawn(x, rng)}, where, once, ("x",), out=out)
