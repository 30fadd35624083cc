# Written by ci/stubs.py.
from typing import Any

from .declare import Activation as _Activation

class Function:
    activation: _Activation
    fast: Function
    def __call__(self, *operands: Any, **parameters: Any) -> Any: ...
class RowFunction:
    function: Any
    fast: RowFunction
    def __call__(self, x: Any, axis: int = -1, **options: Any) -> Any: ...
class Loss:
    function: Any
    fast: Loss
    def __call__(self, logits: Any, target: Any, axis: int = -1, **options: Any) -> Any: ...
class Sample:
    function: Any
    fast: Sample
    def __call__(self, x: Any, tau: float = 1.0, hard: bool = False, rng: Any = None, axis: int = -1,
                 **options: Any) -> Any: ...
def get(name: str | _Activation | Function) -> Function: ...
torch: Any
class Activation(torch.nn.Module):  # type: ignore[misc]
    function: Function
    learn: tuple[str, ...]
    num_parameters: int
    axis: int
    settings: dict[str, Any]
    def __init__(self, name: str | _Activation, learn: str | tuple[str, ...] = (), num_parameters: int = 1,
                 fast: bool = False, axis: int = 1, **settings: Any) -> None: ...
    def forward(self, *operands: Any) -> Any: ...
sigmoid: Function
tanh: Function
softsign: Function
relu: Function
softplus: Function
leaky_relu: Function
prelu: Function
elu: Function
selu: Function
swish: Function
silu: Function
gelu: Function
gelu_tanh: Function
quick_gelu: Function
mish: Function
gelu_10: Function
golu: Function
serf: Function
celu: Function
log_sigmoid: Function
squareplus: Function
shifted_softplus: Function
exponential: Function
logit: Function
sqrtsoftplus: Function
relu6: Function
relu2: Function
threshold: Function
hard_sigmoid: Function
hard_swish: Function
hard_tanh: Function
hard_mish: Function
softshrink: Function
hard_shrink: Function
sparse_plus: Function
sparse_sigmoid: Function
identity: Function
star_relu: Function
shrink: Function
step: Function
xielu: Function
tanhshrink: Function
logcosh: Function
lisht: Function
telu: Function
stanh: Function
softcap: Function
dyt: Function
laplace: Function
derf: Function
snake: Function
snake_beta: Function
rrelu: Function
glu: Function
reglu: Function
geglu: Function
swiglu: Function
bilinear: Function
fatrelu_glu: Function
clamped_swiglu: Function
swiglustep: Function
situ_glu: Function
geglu_tanh: Function
sreglu: Function
qgeglu: Function
logistic: Function
expit: Function
soft_sign: Function
softrelu: Function
soft_relu: Function
smooth_relu: Function
leakyrelu: Function
gelu_erf: Function
gelu_python: Function
gelu_new: Function
gelu_approx: Function
gelu_tanh_approx: Function
gelu_fast: Function
gelu_accurate: Function
gelu_pytorch_tanh: Function
gelu_python_tanh: Function
gelu_sigmoid: Function
gelu_fast_approx: Function
qgelu: Function
logsigmoid: Function
log_expit: Function
ssp: Function
squared_relu: Function
relu_sq: Function
srelu: Function
thresholded_relu: Function
trelu: Function
hardsigmoid: Function
hardswish: Function
hard_silu: Function
hardtanh: Function
soft_shrink: Function
hardshrink: Function
linear: Function
heaviside: Function
tanh_shrink: Function
dynamic_tanh: Function
swiglu_oai: Function
softmax: RowFunction
softmin: RowFunction
log_softmax: RowFunction
logsoftmax: RowFunction
logsumexp: RowFunction
gumbel_softmax: Sample
softmax_cross_entropy: Loss
sparsemax: RowFunction
entmax15: RowFunction
