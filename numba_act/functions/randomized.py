"""The rectifier whose slopes are drawn at random."""
import numpy as np

from ..backends import containers, dispatch
from ..backends.dtypes import result_dtype
from ..backends.kernel import Kernel
from ..backends.philox import key_of
from ..declare import declared, get
from ..scalar.pairs import two_sum
from ..scalar.ranges import LARGEST, clipped, multiplicand
from ..tree.node import argument, fma


@declared(formula=r"\begin{cases} x & x > 0 \\ \frac{\mathrm{lower} + \mathrm{upper}}{2} x & x \le 0 \end{cases}")
def rrelu(x, lower=1 / 8, upper=1 / 3):
    """A leaky rectifier whose slope is random in training, `rrelu.sample`, and here the mean slope, also at 0.

    Source: B. Xu et al., Empirical evaluation of rectified activations in convolutional network, 2015.

    >>> act.rrelu(np.float32([-2, 0, 2]), 0.1, 0.4)
    array([-0.5,  0. ,  2. ], dtype=float32)
    """
    twice, twice_low = two_sum(lower, upper)
    slope, slope_low = 0.5 * twice, 0.5 * twice_low
    return x if x > 0 else fma(slope, multiplicand(x, slope), slope_low * clipped(x, LARGEST))


@rrelu.derivative
def _(x, lower, upper):
    in_each = 0 if x > 0 else 0.5 * x
    return 1 if x > 0 else 0.5 * (lower + upper) if x <= 0 else x, in_each, in_each


@rrelu.reference
def _(x, lower, upper):
    slope, in_each = (lower + upper) / 2, 0 if x > 0 else x / 2
    return x if x > 0 else slope * x, 1 if x > 0 else slope, in_each, in_each


def sample(x, lower=1 / 8, upper=1 / 3, rng=None):
    """The leaky rectifier with a slope of its own, uniform from lower to upper, for each number.

    The slopes are numbers of the counter-based generator Philox4x32-10, counted by the index in C order: a seed gives
    the same ones on every machine and backend.  The gradient is gy times the slopes that are returned.

    Source: B. Xu et al., Empirical evaluation of rectified activations in convolutional network, 2015; J. K. Salmon et
    al., Parallel random numbers: as easy as 1, 2, 3, 2011.

    Parameters
    ----------
    x : array_like
        float16, bfloat16, float32 or float64, of any shape; integers and bool compute in float64.
    lower, upper : float or array_like
        Between which slopes are drawn.
    rng : int or numpy.random.Generator, optional
        A seed from 0 to 2^64 - 1, or what draws one; without it a new one each time.

    Returns
    -------
    y, slope : array
        The result, and its derivative in x: 1 for positive x.

    Raises
    ------
    TypeError
        Operands of another kind or dtype, another kind of `rng`.
    ValueError
        A seed out of range, lower above upper, shapes that do not broadcast.

    Examples
    --------
    >>> import numpy as np, numba_act as act
    >>> y, slope = act.rrelu.sample(np.float32([-1, -2, 3]), rng=1234)
    >>> slope
    array([0.15150166, 0.30280605, 1.        ], dtype=float32)
    >>> gx = np.float32([1, 1, 1]) * slope
    """
    dtype, key = _checked(x, lower, upper), key_of("rrelu.sample", rng)
    try:
        backend = dispatch.backend_of((x, lower, upper))
    except (TypeError, ModuleNotFoundError) as error:
        raise type(error)(f"rrelu.sample: {error}") from None
    operands = backend.wrapped(SLOPES, (x, lower, upper))
    with np.errstate(all="ignore"):
        x, *bounds = (backend.convert(backend.asarray(SLOPES, name, operand), dtype)
                      for name, operand in zip(("x", "lower", "upper"), operands, strict=True))
        shape = np.broadcast_shapes(x.shape, *[bound.shape for bound in bounds])
        return get("leaky_relu").value_and_grad(x, backend.drawn(SLOPES, x, bounds, shape, key))


rrelu.sample = rrelu.fast.sample = sample


def _slopes(lower, upper, uniform):
    return lower + (upper - lower) * uniform


SLOPES = Kernel("rrelu_sample", "rrelu.sample", ("lower", "upper", "uniform"), {},
                lambda dtype: (_slopes(*[argument(name, dtype) for name in ("lower", "upper", "uniform")]),))


def _checked(x, lower, upper):
    """The dtype of the result."""
    if any(containers.kind_of(operand) for operand in (x, lower, upper)):
        raise TypeError("rrelu.sample: x, lower and upper must be NumPy or CuPy arrays or numbers")
    if isinstance(lower, int | float) and isinstance(upper, int | float) and lower > upper:
        raise ValueError(f"rrelu.sample: lower={lower} must not be above upper={upper}")
    try:
        return result_dtype((x, lower, upper))
    except TypeError as error:
        raise TypeError(f"rrelu.sample: {error}") from None
