"""Gated functions of two arrays: a value times an activation of the gate.

The factors are rounded to the arrays' dtype and multiplied once, as if they had been computed one after the other: the
derivative in the gate is the value times the activation's rounded derivative, and `backward` gives gy times that.
Where such a product is infinite or NaN, so are they.
"""
import numpy as np

from ..backends import containers
from ..declare import declared
from ..scalar.gating import gate_slopes, silu, silu_slope
from ..scalar.logistic import logistic, logistic_slope
from ..scalar.normal import gelu, gelu_slope
from ..scalar.ranges import unless_nan
from ..tree.node import stored
from . import reference


def split_gate(x, axis=-1, gate="second", interleaved=False):
    """The two halves of an array along an axis, as views: (value, gate).

    Frameworks disagree on which half is the gate.  It is the second in PyTorch's and JAX's glu, the first in the
    SwiGLU of ONNX and Transformer Engine.  Labels do not matter: both halves have those of the one that comes first.

    Parameters
    ----------
    x : array_like
        Of even length along the axis; also what holds an array: pandas, xarray, Polars ...
    axis : int, default -1
        Along which x is split.
    gate : {"second", "first"}
        The half that is the gate.
    interleaved : bool, default False
        Whether the first half are the even places and the second the odd ones.

    Returns
    -------
    value, gate : array
        Views of x, each half as long.

    Raises
    ------
    ValueError
        Another `gate`, an axis that x does not have or whose length is odd or not known.
    TypeError
        An x without a shape.

    Examples
    --------
    >>> import numpy as np, numba_act as act
    >>> value, gate = act.split_gate(np.float32([[1, 2, 3, -4]]))
    >>> act.reglu(value, gate)
    array([[3., 0.]], dtype=float32)
    """
    if gate not in ("first", "second"):
        raise ValueError(f"split_gate: gate={gate!r} is neither 'first' nor 'second'")
    x = x if containers.kind_of(x) or hasattr(x, "shape") else np.asarray(x)
    shape = containers.shape_of(x)
    if axis not in range(-len(shape), len(shape)):
        raise ValueError(f"split_gate: axis={axis!r} is no axis of an array of {len(shape)} dimensions")
    length = shape[axis]
    if length % 2:                               # also where it is NaN
        known = f"x has the odd length {length}" if length == length else "the length of x is not known"
        raise ValueError(f"split_gate: {known} along axis {axis}; it must be even")
    places = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(length // 2), slice(length // 2, None))
    first, second = containers.parts(x, axis % len(shape), *places)
    return (first, second) if gate == "second" else (second, first)


@declared(formula=r"\mathrm{value} \, \sigma(\mathrm{gate})")
def glu(value, gate):
    """The value times the logistic function of the gate.

    Source: Y. N. Dauphin et al., Language modeling with gated convolutional networks, 2017.

    >>> act.glu(np.float32([1, 2]), np.float32([0, 100]))
    array([0.5, 2. ], dtype=float32)
    """
    return value * stored(logistic(gate))


@glu.derivative
def _(value, gate):
    return gate_slopes(value, logistic(gate), logistic_slope(gate, 1))


@glu.reference
def _(value, gate):
    factor = reference.logistic(gate)
    return value * factor, factor, value * reference.logistic_slope(gate)


@declared(formula=r"\mathrm{value} \, \max(0, \mathrm{gate})")
def reglu(value, gate):
    """The value times the rectifier of the gate; the derivative at gate 0 is 0.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.reglu(np.float32([1, 2]), np.float32([-1, 3]))
    array([0., 6.], dtype=float32)
    """
    return value * (0 if gate <= 0 else gate)


@reglu.derivative
def _(value, gate):
    slope = 0 if gate <= 0 else 1 if gate > 0 else gate
    return unless_nan(value, 0 if gate <= 0 else gate), value * slope


@reglu.reference
def _(value, gate):
    return value * gate if gate > 0 else 0, gate if gate > 0 else 0, value if gate > 0 else 0


@declared(formula=r"\mathrm{value} \, \mathrm{gate} \, \Phi(\mathrm{gate})")
def geglu(value, gate):
    """The value times gelu of the gate.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.geglu(np.float32([1, 2]), np.float32([-1, 3]))
    array([-0.15865526,  5.9919004 ], dtype=float32)
    """
    return value * stored(gelu(gate))


@geglu.derivative
def _(value, gate):
    return gate_slopes(value, gelu(gate), gelu_slope(gate))


@geglu.reference
def _(value, gate):
    factor = reference.gelu(gate)
    return value * factor, factor, value * reference.gelu_slope(gate)


@declared(formula=r"\mathrm{value} \, \mathrm{gate} \, \sigma(\mathrm{gate})")
def swiglu(value, gate):
    """The value times silu of the gate.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.swiglu(np.float32([1, 2]), np.float32([-1, 3]))
    array([-0.26894143,  5.7154446 ], dtype=float32)
    """
    return value * stored(silu(gate))


@swiglu.derivative
def _(value, gate):
    return gate_slopes(value, silu(gate), silu_slope(gate))


@swiglu.reference
def _(value, gate):
    factor = gate * reference.logistic(gate)
    return value * factor, factor, value * reference.swish_slope(gate)


@declared(formula=r"\mathrm{value} \, \mathrm{gate}")
def bilinear(value, gate):
    """The value times the gate.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.bilinear(np.float32([1, 2]), np.float32([-1, 3]))
    array([-1.,  6.], dtype=float32)
    """
    return value * gate


@bilinear.derivative
def _(value, gate):
    return unless_nan(value, gate), unless_nan(gate, value)


@bilinear.reference
def _(value, gate):
    return value * gate, gate, value
