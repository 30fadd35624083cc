# Written by ci/stubs.py.
from collections.abc import Mapping

from ..declare import Activation, _Loss, _OfOne, _OfTwo, _Random, _RowFunction, _Rows
from . import nn as nn

activations: Mapping[str, Activation]
def get(name: str | Activation) -> Activation: ...
sigmoid: _OfOne
"""activation sigmoid.fast(x): The logistic function, from 0 to 1."""
tanh: _OfOne
"""activation tanh.fast(x): The hyperbolic tangent, from -1 to 1; the sign of zero is kept."""
softsign: _OfOne
"""activation softsign.fast(x): A sigmoid from -1 to 1 that approaches its limits like 1/x; the sign of zero is kept."""
relu: _OfOne
"""activation relu.fast(x): The rectifier; its derivative at 0 is 0."""
softplus: _OfOne
"""activation softplus.fast(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's
SoftReLU."""
leaky_relu: _OfOne
"""activation leaky_relu.fast(x, alpha=0.01): A rectifier that leaks; its derivative at 0 is alpha."""
prelu: _OfOne
"""activation prelu.fast(x, alpha=0.25): A leaky rectifier whose alpha is learned, one for all or one for each
channel."""
elu: _OfOne
"""activation elu.fast(x, alpha=1.0): The exponential linear unit; its derivative at 0 is alpha."""
selu: _OfOne
"""activation selu.fast(x): The scaled exponential linear unit, whose scale and slope keep mean 0 and variance 1 through
the layers."""
swish: _OfOne
"""activation swish.fast(x, beta=1.0): x times the logistic function of beta x; beta may be learned."""
silu: _OfOne
"""activation silu.fast(x): x times its logistic function: swish with beta = 1."""
gelu: _OfOne
"""activation gelu.fast(x): x times the normal distribution function, exact in the tail."""
gelu_tanh: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
quick_gelu: _OfOne
"""activation quick_gelu.fast(x): The approximation of gelu by a logistic function."""
mish: _OfOne
"""activation mish.fast(x): x times the hyperbolic tangent of softplus."""
gelu_10: _OfOne
"""activation gelu_10.fast(x): gelu, at most 10, for numbers of few bits; its derivative at 10 is 1."""
golu: _OfOne
"""activation golu.fast(x): x times the distribution function of Gumbel."""
serf: _OfOne
"""activation serf.fast(x): x times the error function of softplus."""
celu: _OfOne
"""activation celu.fast(x, alpha=1.0): The exponential linear unit with a slope of 1 at 0 for every alpha."""
log_sigmoid: _OfOne
"""activation log_sigmoid.fast(x): The logarithm of the logistic function, -softplus(-x)."""
squareplus: _OfOne
"""activation squareplus.fast(x, b=4.0): A smooth rectifier without transcendental functions; b is the size of its bend,
0 for relu."""
shifted_softplus: _OfOne
"""activation shifted_softplus.fast(x): Softplus, shifted through the origin."""
exponential: _OfOne
"""activation exponential.fast(x): The exponential function."""
logit: _OfOne
"""activation logit.fast(x): The inverse of the logistic function: -inf at 0, inf at 1, NaN outside."""
sqrtsoftplus: _OfOne
"""activation sqrtsoftplus.fast(x): The root of softplus, which scores experts."""
relu6: _OfOne
"""activation relu6.fast(x): The rectifier, at most 6; its derivative at 0 and at 6 is 0."""
relu2: _OfOne
"""activation relu2.fast(x): The square of the rectifier."""
threshold: _OfOne
"""activation threshold.fast(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the
derivative at theta is 0."""
hard_sigmoid: _OfOne
"""activation hard_sigmoid.fast(x, alpha=0.16666666666666666, beta=0.5): A sigmoid of three straight lines; its
derivative where they meet is 0."""
hard_swish: _OfOne
"""activation hard_swish.fast(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hard_tanh: _OfOne
"""activation hard_tanh.fast(x, lo=-1.0, hi=1.0): x from lo to hi, lo before and hi behind; its derivative at lo and hi
is 0."""
hard_mish: _OfOne
"""activation hard_mish.fast(x): The likeness of mish in a parabola; its derivative is 0 at -2 and 1 at 0."""
softshrink: _OfOne
"""activation softshrink.fast(x, lambd=0.5): x, nearer to 0 by lambd, and 0 with the sign of x up to there; the
derivative at -lambd and lambd is 0."""
hard_shrink: _OfOne
"""activation hard_shrink.fast(x, lambd=0.5): x, or 0 where it is no larger than lambd; the derivative at -lambd and
lambd is 0."""
sparse_plus: _OfOne
"""activation sparse_plus.fast(x): A rectifier with a parabola between -1 and 1, the integral of sparse_sigmoid."""
sparse_sigmoid: _OfOne
"""activation sparse_sigmoid.fast(x): A sigmoid of three straight lines, the binary sparsemax; its derivative at -1 and
1 is 0."""
identity: _OfOne
"""activation identity.fast(x): x as it is."""
star_relu: _OfOne
"""activation star_relu.fast(x, s=0.8944, b=-0.4472): The square of the rectifier, scaled and moved so that mean 0 and
variance 1 stay; scale and bias may be learned."""
shrink: _OfOne
"""activation shrink.fast(x, lambd=0.5, bias=0.0): x, nearer to 0 by the bias, where it is larger than lambd, else 0;
the derivative at -lambd and lambd is 0."""
step: _OfOne
"""activation step.fast(x, theta=0.0): 1 above the threshold theta, 0 up to it; the derivative is 0 everywhere."""
xielu: _OfOne
"""activation xielu.fast(x, alpha_p=0.8, alpha_n=0.8, beta=0.5, eps=-1e-06): A parabola, and on the left the integral of
an exponential linear unit; its derivative at 0 is beta - alpha_n."""
tanhshrink: _OfOne
"""activation tanhshrink.fast(x): What the hyperbolic tangent leaves of x; the sign of zero is kept."""
logcosh: _OfOne
"""activation logcosh.fast(x): The logarithm of the hyperbolic cosine, a smooth |x|."""
lisht: _OfOne
"""activation lisht.fast(x): x times its hyperbolic tangent, never negative."""
telu: _OfOne
"""activation telu.fast(x): x times the hyperbolic tangent of its exponential."""
stanh: _OfOne
"""activation stanh.fast(x, a=0.67, b=1.7159): The hyperbolic tangent, scaled so that it is nearly 1 at 1."""
softcap: _OfOne
"""activation softcap.fast(x, c=30.0): The hyperbolic tangent from -c to c with a slope of 1 at 0, by which models keep
their logits small."""
dyt: _OfOne
"""activation dyt.fast(x, alpha=0.5, gamma=1.0, shift=0.0): The hyperbolic tangent in place of a normalisation: alpha is
learned for all, gamma and shift for each channel."""
laplace: _OfOne
"""activation laplace.fast(x, mu=0.707107, sigma=0.282095): The normal distribution function, exact in the tail; with
these parameters it is nearly a squared relu, bounded."""
derf: _OfOne
"""activation derf.fast(x, alpha=0.5, s=0.0, gamma=1.0, shift=0.0): The error function instead of a normalisation: alpha
and s are learned, gamma and shift for each channel."""
snake: _OfOne
"""activation snake.fast(x, alpha=1.0): x with a wave whose frequency alpha may be learned, one for each channel; where
alpha x overflows, x."""
snake_beta: _OfOne
"""activation snake_beta.fast(x, alpha=0.0, beta=0.0): snake with the logarithms of a frequency and of a size, one for
each channel; beyond 2^24 of e^alpha x, x."""
rrelu: _Random
"""activation rrelu.fast(x, lower=0.125, upper=0.3333333333333333): A leaky rectifier whose slope is random in training,
`rrelu.sample`, and here the mean slope, also at 0."""
glu: _OfTwo
"""activation glu.fast(value, gate): The value times the logistic function of the gate."""
reglu: _OfTwo
"""activation reglu.fast(value, gate): The value times the rectifier of the gate; the derivative at gate 0 is 0."""
geglu: _OfTwo
"""activation geglu.fast(value, gate): The value times gelu of the gate."""
swiglu: _OfTwo
"""activation swiglu.fast(value, gate, alpha=1.0): The value times swish of the gate, which with alpha = 1 is silu."""
bilinear: _OfTwo
"""activation bilinear.fast(value, gate): The value times the gate."""
fatrelu_glu: _OfTwo
"""activation fatrelu_glu.fast(value, gate, theta=0.0): The value times the gate where that is above the threshold
theta; the derivative in the gate at theta is 0."""
clamped_swiglu: _OfTwo
"""activation clamped_swiglu.fast(value, gate, alpha=1.702, limit=7.0, offset=1.0): swiglu of a value and a gate that
are kept within a limit l; the derivative at the limit is that inside."""
swiglustep: _OfTwo
"""activation swiglustep.fast(value, gate, limit=7.0): swiglu of which both factors are kept within a limit l; the
derivative at the limit is that inside."""
situ_glu: _OfTwo
"""activation situ_glu.fast(value, gate, b1=4.0, b2=25.0): swiglu of a value and a gate that the hyperbolic tangent
keeps within b2 and b1."""
geglu_tanh: _OfTwo
"""activation geglu_tanh.fast(value, gate): The value times gelu_tanh of the gate."""
sreglu: _OfTwo
"""activation sreglu.fast(value, gate): The value times relu2 of the gate."""
qgeglu: _OfTwo
"""activation qgeglu.fast(value, gate): The value times quick_gelu of the gate."""
logistic: _OfOne
"""activation sigmoid.fast(x): The logistic function, from 0 to 1."""
expit: _OfOne
"""activation sigmoid.fast(x): The logistic function, from 0 to 1."""
soft_sign: _OfOne
"""activation softsign.fast(x): A sigmoid from -1 to 1 that approaches its limits like 1/x; the sign of zero is kept."""
softrelu: _OfOne
"""activation softplus.fast(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's
SoftReLU."""
soft_relu: _OfOne
"""activation softplus.fast(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's
SoftReLU."""
smooth_relu: _OfOne
"""activation softplus.fast(x, beta=1.0): A smooth rectifier, the integral of the logistic function; the guide's
SoftReLU."""
leakyrelu: _OfOne
"""activation leaky_relu.fast(x, alpha=0.01): A rectifier that leaks; its derivative at 0 is alpha."""
gelu_erf: _OfOne
"""activation gelu.fast(x): x times the normal distribution function, exact in the tail."""
gelu_python: _OfOne
"""activation gelu.fast(x): x times the normal distribution function, exact in the tail."""
gelu_new: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_approx: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_tanh_approx: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_fast: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_accurate: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_pytorch_tanh: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_python_tanh: _OfOne
"""activation gelu_tanh.fast(x): The approximation of gelu by a hyperbolic tangent, which some models were trained
with."""
gelu_sigmoid: _OfOne
"""activation quick_gelu.fast(x): The approximation of gelu by a logistic function."""
gelu_fast_approx: _OfOne
"""activation quick_gelu.fast(x): The approximation of gelu by a logistic function."""
qgelu: _OfOne
"""activation quick_gelu.fast(x): The approximation of gelu by a logistic function."""
logsigmoid: _OfOne
"""activation log_sigmoid.fast(x): The logarithm of the logistic function, -softplus(-x)."""
log_expit: _OfOne
"""activation log_sigmoid.fast(x): The logarithm of the logistic function, -softplus(-x)."""
ssp: _OfOne
"""activation shifted_softplus.fast(x): Softplus, shifted through the origin."""
squared_relu: _OfOne
"""activation relu2.fast(x): The square of the rectifier."""
relu_sq: _OfOne
"""activation relu2.fast(x): The square of the rectifier."""
srelu: _OfOne
"""activation relu2.fast(x): The square of the rectifier."""
thresholded_relu: _OfOne
"""activation threshold.fast(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the
derivative at theta is 0."""
trelu: _OfOne
"""activation threshold.fast(x, theta=1.0, value=0.0): x above the threshold theta, a fixed value up to it; the
derivative at theta is 0."""
hardsigmoid: _OfOne
"""activation hard_sigmoid.fast(x, alpha=0.16666666666666666, beta=0.5): A sigmoid of three straight lines; its
derivative where they meet is 0."""
hardswish: _OfOne
"""activation hard_swish.fast(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hard_silu: _OfOne
"""activation hard_swish.fast(x): x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3."""
hardtanh: _OfOne
"""activation hard_tanh.fast(x, lo=-1.0, hi=1.0): x from lo to hi, lo before and hi behind; its derivative at lo and hi
is 0."""
soft_shrink: _OfOne
"""activation softshrink.fast(x, lambd=0.5): x, nearer to 0 by lambd, and 0 with the sign of x up to there; the
derivative at -lambd and lambd is 0."""
hardshrink: _OfOne
"""activation hard_shrink.fast(x, lambd=0.5): x, or 0 where it is no larger than lambd; the derivative at -lambd and
lambd is 0."""
linear: _OfOne
"""activation identity.fast(x): x as it is."""
heaviside: _OfOne
"""activation step.fast(x, theta=0.0): 1 above the threshold theta, 0 up to it; the derivative is 0 everywhere."""
tanh_shrink: _OfOne
"""activation tanhshrink.fast(x): What the hyperbolic tangent leaves of x; the sign of zero is kept."""
dynamic_tanh: _OfOne
"""activation dyt.fast(x, alpha=0.5, gamma=1.0, shift=0.0): The hyperbolic tangent in place of a normalisation: alpha is
learned for all, gamma and shift for each channel."""
swiglu_oai: _OfTwo
"""activation clamped_swiglu.fast(value, gate, alpha=1.702, limit=7.0, offset=1.0): swiglu of a value and a gate that
are kept within a limit l; the derivative at the limit is that inside."""
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
