"""Gated functions of two arrays: a value times an activation of the gate.

The factors are rounded to the arrays' dtype and multiplied once, as if they had been computed one after the other: the
derivative in the gate is the value times the activation's rounded derivative, and `backward` gives gy times that.
Where such a product is infinite or NaN, so are they.
"""
import math

import numpy as np

from ..backends import containers
from ..declare import declared
from ..scalar import units
from ..scalar.gating import (
    at_one,
    gate_slopes,
    silu,
    swish,
    swish_slopes,
)
from ..scalar.logistic import logistic, logistic_slope
from ..scalar.normal import gelu, gelu_slope
from ..scalar.ranges import nan_of, unless_nan
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


@declared(formula=r"\mathrm{value} \, \mathrm{gate} \, \sigma(\alpha \, \mathrm{gate})")
def swiglu(value, gate, alpha=1.0):
    """The value times swish of the gate, which with alpha = 1 is silu.

    Source: N. Shazeer, GLU variants improve transformer, 2020.

    >>> act.swiglu(np.float32([1, 2]), np.float32([-1, 3]))
    array([-0.26894143,  5.7154446 ], dtype=float32)
    """
    return value * stored(at_one(alpha, silu(gate), swish(gate, alpha)))


@swiglu.derivative
def _(value, gate, alpha):
    factor, slope, in_alpha = swish_slopes(gate, alpha)
    return *gate_slopes(value, factor, slope), value * stored(in_alpha)


@swiglu.reference
def _(value, gate, alpha):
    z = alpha * gate
    right, left = reference.logistic(z), reference.logistic(-z)
    return (value * (gate * right), gate * right, value * reference.swish_slope(z),
            value * (gate * right) * (gate * left))


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


@declared(formula=r"\begin{cases} \mathrm{value} \, \mathrm{gate} & \mathrm{gate} > \theta \\"
                  r" 0 & \mathrm{gate} \le \theta \end{cases}")
def fatrelu_glu(value, gate, theta=0.0):
    """The value times the gate where that is above the threshold theta; the derivative in the gate at theta is 0.

    Source: M. Kurtz et al., Inducing and exploiting activation sparsity for fast inference, 2020.

    >>> act.fatrelu_glu(np.float32([1, 2]), np.float32([0.5, 3]), 1)
    array([0., 6.], dtype=float32)
    """
    return value * (0 if gate <= theta else gate if gate > theta else nan_of(gate, theta))


@fatrelu_glu.derivative
def _(value, gate, theta):
    nan = nan_of(gate, theta)
    nothing = 0 if gate <= theta else 0 if gate > theta else nan
    return (unless_nan(value, gate if gate > theta else nothing), value * (1 if gate > theta else nothing),
            unless_nan(value, nothing))


@fatrelu_glu.reference
def _(value, gate, theta):
    return value * gate if gate > theta else 0, gate if gate > theta else 0, value if gate > theta else 0, 0


@declared(aliases=("swiglu_oai",),
          formula=r"(\mathrm{clip}(\mathrm{value}, -l, l) + \mathrm{offset}) \, h \, \sigma(\alpha h),"
                  r" \quad h = \min(\mathrm{gate}, l)")
def clamped_swiglu(value, gate, alpha=1.702, limit=7.0, offset=1.0):
    """swiglu of a value and a gate that are kept within a limit l; the derivative at the limit is that inside.

    Source: OpenAI, gpt-oss-120b and gpt-oss-20b model card, 2025.

    >>> act.clamped_swiglu(np.float32([1, 20]), np.float32([-1, 9]))
    array([-0.30840847, 55.999626  ], dtype=float32)
    """
    return units.clamped_swiglu(value, gate, alpha, limit, offset)


@clamped_swiglu.derivative
def _(value, gate, alpha, limit, offset):
    return units.clamped_swiglu_slopes(value, gate, alpha, limit, offset)


@clamped_swiglu.reference
def _(value, gate, alpha, limit, offset):
    inner = limit if gate > limit else gate
    low = -limit if value < -limit else value
    line = (limit if low > limit else low) + offset
    side = 1 if low > limit else -1 if value < -limit else 0
    z = alpha * inner
    factor, slope = inner * reference.logistic(z), line * reference.swish_slope_of_terms(z)
    return (line * factor, 0 if side * side > 0 else factor, 0 if gate > limit else slope,
            line * factor * (inner * reference.logistic(-z)),
            reference.terms(side * factor, slope) if gate > limit else side * factor, factor)


@declared(formula=r"\mathrm{clip}(\mathrm{value}, -l, l) \, \min(\mathrm{silu}(\mathrm{gate}), l)")
def swiglustep(value, gate, limit=7.0):
    """swiglu of which both factors are kept within a limit l; the derivative at the limit is that inside.

    Source: StepFun Team, Step 3.5 Flash: open frontier-level intelligence with 11B active parameters, 2026.

    >>> act.swiglustep(np.float32([1, 20]), np.float32([-1, 9]))
    array([-0.26894143, 49.        ], dtype=float32)
    """
    return units.swiglustep(value, gate, limit)


@swiglustep.derivative
def _(value, gate, limit):
    return units.swiglustep_slopes(value, gate, limit)


@swiglustep.reference
def _(value, gate, limit):
    low = -limit if value < -limit else value
    line, side = limit if low > limit else low, 1 if low > limit else -1 if value < -limit else 0
    factor = gate * reference.logistic(gate)
    capped = limit if factor > limit else factor
    return (line * capped, 0 if side * side > 0 else capped,
            0 if factor > limit else line * reference.swish_slope_of_terms(gate),
            reference.terms(side * capped, line) if factor > limit else side * capped)


@declared(nonzero=("b1", "b2"),
          formula=r"b_1 \tanh\frac{\mathrm{gate}}{b_1} \, \sigma(\mathrm{gate}) \, b_2 \tanh\frac{\mathrm{value}}{b_2}")
def situ_glu(value, gate, b1=4.0, b2=25.0):
    """swiglu of a value and a gate that the hyperbolic tangent keeps within b2 and b1.

    Source: Kimi Team, Kimi K3: open frontier intelligence, 2026.

    >>> act.situ_glu(np.float32([1, 20]), np.float32([-1, 9]))
    array([-0.26333466, 64.936516  ], dtype=float32)
    """
    return units.situ_glu(value, gate, b1, b2)


@situ_glu.derivative
def _(value, gate, b1, b2):
    return units.situ_glu_slopes(value, gate, b1, b2)


@situ_glu.reference
def _(value, gate, b1, b2):
    t, line, s = math.tanh(gate / b1), b2 * math.tanh(value / b2), reference.logistic(gate)
    slope = reference.terms(reference.sech2(gate / b1), b1 * t * reference.logistic(-gate))
    return (b1 * t * s * line, b1 * t * s * reference.sech2(value / b2), line * s * slope,
            line * s * reference.tanh_less_tangent(gate / b1), b1 * t * s * reference.tanh_less_tangent(value / b2))
