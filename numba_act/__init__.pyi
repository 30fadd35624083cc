# Written by ci/stubs.py.
from pathlib import Path
from typing import Any

from . import fast as fast
from . import jax as jax
from . import math as math
from . import torch as torch
from .declare import Activation as Activation
from .declare import activation as activation
from .declare import activations as activations
from .declare import get as get
from .declare import _Kind, _Loss, _OfOne, _OfTwo, _Random, _RowFunction, _Rows

__version__: str
def split_gate(x: _Kind, axis: int = -1, gate: str = 'second', interleaved: bool = False) -> tuple[_Kind, _Kind]: ...
def visualize_activation(anything: Any, /, *params: Any, **keywords: Any) -> Any: ...
def gallery(path: str | Path | None = None) -> Any: ...
def explore(activation: str | Activation, /, lo: float = -6.0, hi: float = 6.0) -> Any: ...
def warmup(names: Any = None, dtypes: Any = ('float32', 'float64')) -> None: ...
def show_config() -> None: ...
sigmoid: _OfOne
"""activation sigmoid(x): The logistic function, from 0 to 1."""
tanh: _OfOne
"""activation tanh(x): The hyperbolic tangent, from -1 to 1; the sign of zero is kept."""
softsign: _OfOne
"""activation softsign(x): A sigmoid from -1 to 1 that approaches its limits like 1/x; the sign of zero is kept."""
relu: _OfOne
"""activation relu(x): The rectifier; its derivative at 0 is 0."""
softplus: _OfOne
"""activation softplus(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's SoftReLU."""
leaky_relu: _OfOne
"""activation leaky_relu(x, alpha=0.01): A rectifier that leaks; its derivative at 0 is alpha."""
prelu: _OfOne
"""activation prelu(x, alpha=0.25): A leaky rectifier whose alpha is learned, one for all or one for each channel."""
elu: _OfOne
"""activation elu(x, alpha=1.0): The exponential linear unit; its derivative at 0 is alpha."""
selu: _OfOne
"""activation selu(x): The scaled exponential linear unit, whose scale and slope keep mean 0 and variance 1 through the
layers."""
swish: _OfOne
"""activation swish(x, beta=1.0): x times the logistic function of beta x; beta may be learned."""
silu: _OfOne
"""activation silu(x): x times its logistic function: swish with beta = 1."""
gelu: _OfOne
"""activation gelu(x): x times the normal distribution function, exact in the tail."""
gelu_tanh: _OfOne
"""activation gelu_tanh(x): The approximation of gelu by a hyperbolic tangent, which some models were trained with."""
quick_gelu: _OfOne
"""activation quick_gelu(x): The approximation of gelu by a logistic function."""
mish: _OfOne
"""activation mish(x): x times the hyperbolic tangent of softplus."""
celu: _OfOne
"""activation celu(x, alpha=1.0): The exponential linear unit with a slope of 1 at 0 for every alpha."""
log_sigmoid: _OfOne
"""activation log_sigmoid(x): The logarithm of the logistic function, -softplus(-x)."""
squareplus: _OfOne
"""activation squareplus(x, b=4.0): A smooth rectifier without transcendental functions; b is the size of its bend, 0
for relu."""
shifted_softplus: _OfOne
"""activation shifted_softplus(x): Softplus, shifted through the origin."""
exponential: _OfOne
"""activation exponential(x): The exponential function."""
relu6: _OfOne
"""activation relu6(x): The rectifier, at most 6; its derivative at 0 and at 6 is 0."""
relu2: _OfOne
"""activation relu2(x): The square of the rectifier."""
threshold: _OfOne
"""activation threshold(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the derivative at
theta is 0."""
hard_sigmoid: _OfOne
"""activation hard_sigmoid(x, alpha=0.16666666666666666, beta=0.5): A sigmoid of three straight lines; its derivative
where they meet is 0."""
hard_swish: _OfOne
"""activation hard_swish(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hard_tanh: _OfOne
"""activation hard_tanh(x, lo=-1.0, hi=1.0): x from lo to hi, lo before and hi behind; its derivative at lo and hi is
0."""
hard_mish: _OfOne
"""activation hard_mish(x): The likeness of mish in a parabola; its derivative is 0 at -2 and 1 at 0."""
softshrink: _OfOne
"""activation softshrink(x, lambd=0.5): x, nearer to 0 by lambd, and 0 with the sign of x up to there; the derivative at
-lambd and lambd is 0."""
hard_shrink: _OfOne
"""activation hard_shrink(x, lambd=0.5): x, or 0 where it is no larger than lambd; the derivative at -lambd and lambd is
0."""
sparse_plus: _OfOne
"""activation sparse_plus(x): A rectifier with a parabola between -1 and 1, the integral of sparse_sigmoid."""
sparse_sigmoid: _OfOne
"""activation sparse_sigmoid(x): A sigmoid of three straight lines, the binary sparsemax; its derivative at -1 and 1 is
0."""
identity: _OfOne
"""activation identity(x): x as it is."""
tanhshrink: _OfOne
"""activation tanhshrink(x): What the hyperbolic tangent leaves of x; the sign of zero is kept."""
logcosh: _OfOne
"""activation logcosh(x): The logarithm of the hyperbolic cosine, a smooth |x|."""
lisht: _OfOne
"""activation lisht(x): x times its hyperbolic tangent, never negative."""
telu: _OfOne
"""activation telu(x): x times the hyperbolic tangent of its exponential."""
stanh: _OfOne
"""activation stanh(x, a=0.67, b=1.7159): The hyperbolic tangent, scaled so that it is nearly 1 at 1."""
rrelu: _Random
"""activation rrelu(x, lower=0.125, upper=0.3333333333333333): A leaky rectifier whose slope is random in training,
`rrelu.sample`, and here the mean slope, also at 0."""
glu: _OfTwo
"""activation glu(value, gate): The value times the logistic function of the gate."""
reglu: _OfTwo
"""activation reglu(value, gate): The value times the rectifier of the gate; the derivative at gate 0 is 0."""
geglu: _OfTwo
"""activation geglu(value, gate): The value times gelu of the gate."""
swiglu: _OfTwo
"""activation swiglu(value, gate): The value times silu of the gate."""
bilinear: _OfTwo
"""activation bilinear(value, gate): The value times the gate."""
logistic: _OfOne
"""activation sigmoid(x): The logistic function, from 0 to 1."""
expit: _OfOne
"""activation sigmoid(x): The logistic function, from 0 to 1."""
soft_sign: _OfOne
"""activation softsign(x): A sigmoid from -1 to 1 that approaches its limits like 1/x; the sign of zero is kept."""
softrelu: _OfOne
"""activation softplus(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's SoftReLU."""
soft_relu: _OfOne
"""activation softplus(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's SoftReLU."""
smooth_relu: _OfOne
"""activation softplus(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's SoftReLU."""
leakyrelu: _OfOne
"""activation leaky_relu(x, alpha=0.01): A rectifier that leaks; its derivative at 0 is alpha."""
gelu_erf: _OfOne
"""activation gelu(x): x times the normal distribution function, exact in the tail."""
gelu_new: _OfOne
"""activation gelu_tanh(x): The approximation of gelu by a hyperbolic tangent, which some models were trained with."""
gelu_sigmoid: _OfOne
"""activation quick_gelu(x): The approximation of gelu by a logistic function."""
logsigmoid: _OfOne
"""activation log_sigmoid(x): The logarithm of the logistic function, -softplus(-x)."""
log_expit: _OfOne
"""activation log_sigmoid(x): The logarithm of the logistic function, -softplus(-x)."""
ssp: _OfOne
"""activation shifted_softplus(x): Softplus, shifted through the origin."""
squared_relu: _OfOne
"""activation relu2(x): The square of the rectifier."""
thresholded_relu: _OfOne
"""activation threshold(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the derivative at
theta is 0."""
trelu: _OfOne
"""activation threshold(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the derivative at
theta is 0."""
hardsigmoid: _OfOne
"""activation hard_sigmoid(x, alpha=0.16666666666666666, beta=0.5): A sigmoid of three straight lines; its derivative
where they meet is 0."""
hardswish: _OfOne
"""activation hard_swish(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hard_silu: _OfOne
"""activation hard_swish(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hardtanh: _OfOne
"""activation hard_tanh(x, lo=-1.0, hi=1.0): x from lo to hi, lo before and hi behind; its derivative at lo and hi is
0."""
soft_shrink: _OfOne
"""activation softshrink(x, lambd=0.5): x, nearer to 0 by lambd, and 0 with the sign of x up to there; the derivative at
-lambd and lambd is 0."""
hardshrink: _OfOne
"""activation hard_shrink(x, lambd=0.5): x, or 0 where it is no larger than lambd; the derivative at -lambd and lambd is
0."""
linear: _OfOne
"""activation identity(x): x as it is."""
tanh_shrink: _OfOne
"""activation tanhshrink(x): What the hyperbolic tangent leaves of x; the sign of zero is kept."""
softmax: _Rows
"""row function softmax(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None): e^x of each number
over the sum of them all along an axis: positive numbers whose sum is 1."""
softmin: _Rows
"""row function softmin(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None): softmax of -x: the
smallest number has the largest part of 1."""
log_softmax: _Rows
"""row function log_softmax(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None): The logarithm
of softmax, exact where softmax is 0 to the dtype; what a mask leaves out is -inf."""
logsoftmax: _Rows
"""row function log_softmax(x, axis=-1, *, where=None, temperature=1.0, sink=None, out=None, dtype=None): The logarithm
of softmax, exact where softmax is 0 to the dtype; what a mask leaves out is -inf."""
logsumexp: _RowFunction
"""row function logsumexp(x, axis=-1, *, where=None, temperature=1.0, sink=None, keepdims=False, out=None, dtype=None):
The logarithm of the sum of e^x along an axis, one number for each row."""
gumbel_softmax: _RowFunction
"""row function gumbel_softmax(x, tau=1.0, hard=False, rng=None, axis=-1, *, where=None, out=None): softmax of x and
random numbers of Gumbel's distribution: near a sample of the classes, and differentiable."""
softmax_cross_entropy: _Loss
"""row function softmax_cross_entropy(logits, target, axis=-1, *, where=None, label_smoothing=0.0, reduction='mean'):
The cross-entropy of softmax(logits) and labels or probabilities, exact for logits of any size."""
sparsemax: _Rows
"""row function sparsemax(x, axis=-1, *, where=None, out=None, dtype=None): The nearest row of numbers from 0 on whose
sum is 1: what is far below the largest is 0."""
entmax15: _Rows
"""row function entmax15(x, axis=-1, *, where=None, out=None, dtype=None): Between softmax and sparsemax: a square above
a threshold, 0 below it."""
