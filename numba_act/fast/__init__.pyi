# Written by ci/stubs.py.
from collections.abc import Mapping

from ..declare import Activation, _Loss, _OfOne, _OfTwo, _Random, _RowFunction, _Rows
from . import nn as nn

activations: Mapping[str, Activation]
def get(name: str | Activation) -> Activation: ...
sigmoid: _OfOne
tanh: _OfOne
softsign: _OfOne
relu: _OfOne
softplus: _OfOne
leaky_relu: _OfOne
prelu: _OfOne
elu: _OfOne
selu: _OfOne
swish: _OfOne
silu: _OfOne
gelu: _OfOne
gelu_tanh: _OfOne
quick_gelu: _OfOne
mish: _OfOne
celu: _OfOne
log_sigmoid: _OfOne
squareplus: _OfOne
shifted_softplus: _OfOne
exponential: _OfOne
relu6: _OfOne
relu2: _OfOne
threshold: _OfOne
hard_sigmoid: _OfOne
hard_swish: _OfOne
hard_tanh: _OfOne
hard_mish: _OfOne
softshrink: _OfOne
hard_shrink: _OfOne
sparse_plus: _OfOne
sparse_sigmoid: _OfOne
identity: _OfOne
tanhshrink: _OfOne
logcosh: _OfOne
lisht: _OfOne
telu: _OfOne
stanh: _OfOne
rrelu: _Random
glu: _OfTwo
reglu: _OfTwo
geglu: _OfTwo
swiglu: _OfTwo
bilinear: _OfTwo
logistic: _OfOne
expit: _OfOne
soft_sign: _OfOne
softrelu: _OfOne
soft_relu: _OfOne
smooth_relu: _OfOne
leakyrelu: _OfOne
gelu_erf: _OfOne
gelu_new: _OfOne
gelu_sigmoid: _OfOne
logsigmoid: _OfOne
log_expit: _OfOne
ssp: _OfOne
squared_relu: _OfOne
thresholded_relu: _OfOne
trelu: _OfOne
hardsigmoid: _OfOne
hardswish: _OfOne
hard_silu: _OfOne
hardtanh: _OfOne
soft_shrink: _OfOne
hardshrink: _OfOne
linear: _OfOne
tanh_shrink: _OfOne
softmax: _Rows
softmin: _Rows
log_softmax: _Rows
logsoftmax: _Rows
logsumexp: _RowFunction
gumbel_softmax: _RowFunction
softmax_cross_entropy: _Loss
sparsemax: _Rows
entmax15: _Rows
