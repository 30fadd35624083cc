"""Activations on PyTorch's tensors: differentiable, in torch.compile and torch.export, and as modules.

    from numba_act import torch as nt
    y = nt.gelu(x); f = nt.Activation("swish", learn=("beta",))

Each activation is two of PyTorch's operators: numba_act::NAME, its value or a derivative of any order, which the next
derivative differentiates, and numba_act::NAME_backward, its gradients in one pass.
"""
import functools
import zlib
from numbers import Real

try:
    import torch
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("numba_act.torch needs PyTorch: pip install torch", name=error.name) from None
import numpy as np
from torch._C import _are_functorch_transforms_active, _is_fwd_grad_enabled
from torch._functorch import eager_transforms
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from . import declare
from .backends.containers import dlpack
from .backends.containers.tensors import from_memory, memory
from .backends.dtypes import result_dtype
from .backends.kernel import symbol
from .backends.philox import key_of
from .backends.rows.dispatch import axis_of
from .backends.signature import free
from .bridge import ROWS, Bridged, BridgedRows, along, bridged, loss_slope, result_shape, slopes
from .docstrings import Docstring

TENSORS = {torch.Tensor, torch.nn.Parameter}
NUMBERS = {float, int}
NUMERIC = Real | np.generic | torch.SymFloat | torch.SymInt
ROW_ARGUMENTS = {"x": "Tensor", "axis": "int", "where": "Tensor?", "temperature": "float", "sink": "Tensor?",
                 "keepdims": "bool", "logits": "Tensor", "target": "Tensor", "label_smoothing": "float",
                 "reduction": "str", "tau": "float", "hard": "bool", "rng": "Tensor"}   # as PyTorch calls them
OPTIONAL = "where", "sink"
_library, _operators = torch.library.Library("numba_act", "DEF"), {}


@functools.cache
def get(name):
    """The activation of that name or alias, or an Activation, custom ones too, as a Function on tensors.

    Raises
    ------
    ValueError
        An unknown name; the nearest known ones are suggested.

    Examples
    --------
    >>> from numba_act import torch as nt
    >>> nt.get("softrelu") is nt.softplus
    True
    """
    return bridged(name, (Function, RowFunction, Loss, Sample), get)


class Function(Bridged):
    """An activation as a function on tensors, differentiable in its operands and parameters, to the fourth order.

    Parameters are numbers, or tensors that broadcast.  Shapes, dtypes and numbers are those of the same call on arrays.

    Attributes
    ----------
    activation : on arrays
    fast : the same in the fast tier

    Raises
    ------
    TypeError
        An operand that is no tensor, another dtype, an unknown keyword.
    ValueError
        Shapes that do not broadcast.

    Examples
    --------
    >>> import torch
    >>> from numba_act import torch as nt
    >>> x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    >>> nt.leaky_relu(x, alpha=0.05).sum().backward()
    >>> x.grad
    tensor([0.0500, 0.0500, 1.0000])
    """

    __doc__ = Docstring(__doc__, lambda function: function.activation.__doc__)

    def __init__(self, activation, get):
        super().__init__(activation, get)
        self._operator = operator_of(activation)

    def __call__(self, /, *args, **kwargs):
        bound = len(args) == len(self._operator.inputs) and not kwargs
        return self._operator(args if bound else self._bound(*args, **kwargs))

    def __repr__(self):
        return f"<{self.__name__} on tensors>"


class Operator:
    """An activation and its derivatives among PyTorch's operators, those of the fast tier as overloads."""

    def __init__(self, name, activation):
        self.name, self.activation, self.inputs = name, activation, activation._inputs
        names = [symbol(name) for name in self.inputs]
        operands, wrt = ", ".join(f"Tensor {name}" for name in names), free("wrt", names)
        self._value = self._defined("", f"{operands}, str {wrt}=''", "Tensor", self._on_memory, self._promised)
        self._backward = self._defined("_backward", f"Tensor {free('gy', names)}, {operands}, str {wrt}", "Tensor[]",
                                       self._gradients_on_memory, self._gradients_promised)
        torch.library.register_autograd(self._value, self._differentiated, setup_context=self._keep, lib=_library)

    def _defined(self, suffix, arguments, result, compute, promise):
        """One operator: what it computes on the CPU and on CUDA, and what its results will be like."""
        name, _, overload = self.name.partition(".")
        return defined(name + suffix, arguments, result, compute, promise, overload)

    def __call__(self, operands, wrt=()):
        """The value, or a derivative in one name after another."""
        if not is_plain(operands):
            if is_transformed():
                in_eager(self.name)
                return Transformed.apply(self, wrt, *operands)
            return self._value(*as_tensors(self.activation, operands), ",".join(wrt))
        if torch.is_grad_enabled():
            for operand in operands:
                if type(operand) not in NUMBERS and operand.requires_grad:
                    return Differentiable.apply(self, wrt, *operands)
        return self._computed(operands, wrt)

    def gradients(self, gy, operands, wrt):
        """gy times each derivative, summed to its operand's shape."""
        if is_plain((gy, *operands)):
            return self._products(gy, operands, wrt)
        return self._backward(gy, *as_tensors(self.activation, operands), ",".join(wrt))

    def _computed(self, operands, wrt):
        return on_memory(functools.partial(self.activation.slope, wrt) if wrt else self.activation, operands)

    def _products(self, gy, operands, wrt):
        backward = functools.partial(self.activation.backward, **self.activation.options(wrt=tuple(wrt)))
        return on_memory(backward, (gy, *operands))

    # what PyTorch calls: the operands, and wrt unless it is the default ---------------------------------------------
    def _on_memory(self, *given):
        operands, wrt = given[:len(self.inputs)], split(*given[len(self.inputs):])
        return laid_out(self._computed(operands, wrt), largest(operands))

    def _promised(self, *given):
        operands = given[:len(self.inputs)]
        shape = torch.broadcast_shapes(*[o.shape for o in operands])
        return empty(largest(operands), shape, result_type(*[o.dtype for o in operands]))

    def _keep(self, ctx, inputs, output):
        *operands, wrt = inputs
        keep(ctx, self, split(wrt), operands)

    def _differentiated(self, ctx, gy):
        return *differentiated(ctx, gy, 0), None

    def _gradients_on_memory(self, gy, *given):
        *operands, wrt = given
        made = self._products(gy, operands, split(wrt))
        return [laid_out(gradient, like) for gradient, like in zip(made, self._differing(given), strict=True)]

    def _gradients_promised(self, gy, *given):
        return [empty(like, like.shape, gy.dtype) for like in self._differing(given)]

    def _differing(self, given):
        """The operands in which something is differentiated."""
        *operands, wrt = given
        return [operands[self.inputs.index(name)] for name in split(wrt)]


def defined(name, arguments, result, compute, promise, overload=""):
    """An operator of PyTorch's: what it computes on the CPU and on CUDA, and what its results will be like."""
    qualified = f"{name}.{overload}" if overload else name
    _library.define(f"{qualified}({arguments}) -> {result}")
    for device in ("CPU", "CUDA"):
        _library.impl(qualified, compute, device)
    torch.library.register_fake(f"numba_act::{qualified}", promise, lib=_library)
    return getattr(getattr(torch.ops.numba_act, name), overload or "default")


def on_memory(function, operands):
    """A function of arrays for tensors, on their memory where that can be had, which spares looking for their kind."""
    arrays = memory(operands)
    return function(*operands) if arrays is None else from_memory(function(*arrays))


def split(wrt=""):
    """The names that a string lists, which PyTorch's operators take in place of a tuple."""
    return tuple(filter(None, wrt.split(",")))


class Differentiable(torch.autograd.Function):
    """An Operator's result without PyTorch's dispatcher."""

    @staticmethod
    def forward(context, operator, wrt, *operands):
        keep(context, operator, wrt, operands)
        return operator._computed(operands, wrt)

    @staticmethod
    def backward(context, gy):
        return None, None, *differentiated(context, gy, 2)


class Transformed(Differentiable):
    """The same below torch.func's transformations, where PyTorch's own binding of the arguments takes 70 us more."""

    @staticmethod
    def forward(operator, wrt, *operands):
        return operator(operands, wrt)

    @staticmethod
    def setup_context(context, inputs, output):
        operator, wrt, *operands = inputs
        keep(context, operator, wrt, operands)
        context.save_for_forward(*context.to_save)

    @staticmethod
    def jvp(context, _, wrt, *changes):
        operator, wrt, operands = kept(context)
        not_nested(operator.name)
        return sum([change * operator(operands, (*wrt, name))
                    for name, change in zip(operator.inputs, changes, strict=True) if change is not None])

    @staticmethod
    def vmap(info, places, operator, wrt, *operands):
        placed = [*zip(operands, places[2:], strict=True)]
        ndim = max(o.ndim - (place is not None) for o, place in placed if type(o) not in NUMBERS)
        ready = [o if place is None else batched(o, place, ndim) for o, place in placed]
        return Transformed.apply(operator, wrt, *ready), 0


def batched(tensor, place, ndim):
    """A tensor with the axis of the batch first, before as many others as there will be."""
    tensor = tensor.movedim(place, 0)
    return tensor.reshape(tensor.shape[:1] + (1,) * (1 + ndim - tensor.ndim) + tensor.shape[1:])


def keep(context, operator, wrt, operands):
    """Keep what `differentiated` needs."""
    tensors, numbers = operands, (None,) * len(operands)
    if not NUMBERS.isdisjoint(map(type, operands)):
        tensors = [o for o in operands if type(o) not in NUMBERS]
        numbers = [o if type(o) in NUMBERS else None for o in operands]
    context.save_for_backward(*tensors)
    context.kept = operator, wrt, numbers


def kept(context):
    """What `keep` has kept."""
    (operator, wrt, numbers), tensors = context.kept, iter(context.saved_tensors)
    return operator, wrt, tuple([next(tensors) if number is None else number for number in numbers])


def differentiated(context, gy, first):
    """The gradient in each operand, None where none is needed: gy times a derivative, summed to the operand's shape.
    The operands are the inputs from the first on."""
    operator, wrt, operands = kept(context)
    needed = [name for name, asked in zip(operator.inputs, context.needs_input_grad[first:], strict=False) if asked]
    if wrt or torch.is_grad_enabled() or is_transformed():       # the gradients may be differentiated
        made = [(gy * operator(operands, (*wrt, name))).sum_to_size(operands[operator.inputs.index(name)].shape)
                for name in needed]
    else:
        made = operator.gradients(gy, operands, needed)
    found = dict(zip(needed, made, strict=True))
    return [found.get(name) for name in operator.inputs]


def operator_of(activation):
    """The activation's Operator, whose name a custom one shares only with those that say the same."""
    exact = activation._exact or activation
    name, tier = exact.name, ".fast" * (exact is not activation)
    if declare.activations.get(name) is not exact:
        told = zlib.crc32(repr((exact._inputs, exact.facts())).encode())
        name = f"{symbol(name)}_{told:08x}"
    if name + tier not in _operators:
        _operators[name + tier] = Operator(name + tier, activation)
    return _operators[name + tier]


def is_plain(operands):
    """Whether these are tensors on the CPU or on CUDA, and numbers, and nothing of PyTorch's looks on, so that its
    dispatcher, which takes 6 to 20 us, can be spared."""
    if torch.compiler.is_compiling() or is_in_torch_dispatch_mode() or is_transformed():
        return False
    if type(operands[0]) not in TENSORS:
        return False
    for operand in operands:
        kind = type(operand)
        if not (kind in NUMBERS or (kind in TENSORS and (operand.is_cpu or operand.is_cuda))):
            return False
    return True


def is_transformed():
    """Whether a transformation of torch.func looks on, or forward mode."""
    return _are_functorch_transforms_active() or (forward_ad._current_level >= 0 and _is_fwd_grad_enabled())


def in_eager(owner):
    """Leave torch.func out of what is compiled, where forward mode would take an operator for constant."""
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=f"{owner}: torch.func is not supported within one graph")


def not_nested(owner):
    """Refuse forward mode in forward mode, where PyTorch takes what a Function's jvp gives for constant."""
    if eager_transforms.JVP_NESTING > 1:
        raise NotImplementedError(f"{owner}: forward mode within forward mode is not supported; reverse mode within or "
                                  "around it is, as torch.func.hessian or jacrev")


def as_tensors(activation, operands):
    """All operands as tensors; numbers get the result's dtype."""
    tensors = [o for o in operands if hasattr(o, "__torch_function__")]
    for name, operand in zip(activation._inputs, operands, strict=True):
        if not hasattr(operand, "__torch_function__") and not (tensors and isinstance(operand, NUMERIC)):
            accepted = "a tensor or a number is" if name in activation.params else "a tensor is"
            raise TypeError(f"{activation.name}: {name} is a {type(operand).__name__}; {accepted} accepted")
    if len(tensors) == len(operands):
        return operands
    dtype = functools.reduce(torch.promote_types, {t.dtype for t in tensors})
    dtype = dtype if dtype.is_floating_point else torch.float64
    return [o if hasattr(o, "__torch_function__") else torch.full((), o, dtype=dtype, device=tensors[0].device)
            for o in operands]


def largest(operands):
    """Whose memory layout a result has."""
    return max(operands, key=lambda o: o.ndim)


def empty(like, shape, dtype, device=None):
    """A result of that shape beside a tensor, with its layout if it has the shape as well."""
    if like.shape == shape:
        return torch.empty_like(like, dtype=dtype, device=device)
    return torch.empty(shape, dtype=dtype, device=device or like.device)


@functools.cache
def result_type(*dtypes):
    """The dtype of the result, as it is for arrays."""
    names = [str(dtype).removeprefix("torch.") for dtype in dtypes]
    found = result_dtype([np.empty(0, dlpack.bfloat16() if name == "bfloat16" else name) for name in names])
    return getattr(torch, found.name)


def laid_out(result, like):
    """A result in the layout that `empty` promises."""
    if result.is_contiguous() and like.is_contiguous():
        return result
    strides = empty(like, result.shape, result.dtype, "meta").stride()
    if result.stride() == strides:
        return result
    return torch.empty_strided(result.shape, strides, dtype=result.dtype, device=result.device).copy_(result)


class RowFunction(BridgedRows):
    """A row function on tensors, differentiable in x and in the sink, time and again.

    Options are those of the same function of arrays; `where` is a tensor of bool, the sink a tensor or a number.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        An operand that is no tensor, another dtype, an unknown keyword.
    ValueError
        An axis that x has not, shapes that do not broadcast, a temperature that is not positive.

    Examples
    --------
    >>> import torch
    >>> from numba_act import torch as nt
    >>> x = torch.tensor([0.0, 0.0], requires_grad=True)
    >>> nt.logsumexp(x).backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """

    __doc__ = Docstring(__doc__, lambda rows: rows.function.__doc__)

    def __init__(self, function, get):
        super().__init__(function, get)
        self.names = (*self.__signature__.parameters,)
        self.tensors = [name for name in self.names if ROW_ARGUMENTS[name].startswith("Tensor")]
        arguments = ", ".join(f"{ROW_ARGUMENTS[name]} {name}" for name in self.names)
        self._value = defined(self.__name__, arguments, "Tensor", self._on_memory, self._promised)
        self._backward = defined(f"{self.__name__}_backward", f"Tensor gy, {arguments}, str wrt", "Tensor[]",
                                 self._gradients, self._gradients_promised)
        torch.library.register_autograd(self._value, self._differentiated, setup_context=self._keep, lib=_library)

    def __call__(self, /, *args, **kwargs):
        if 0 < len(args) < 3 and kwargs.keys() <= {"axis"} and is_plain((*args, *kwargs.values())) and not (
                torch.is_grad_enabled() and requires_grad(args)):                    # 9 us instead of 190
            return on_memory(functools.partial(self.function, **kwargs), args)
        return self._called(self.arguments(args, kwargs))

    def _called(self, given):
        for name in self.tensors:
            if name == "sink" and isinstance(given["sink"], NUMERIC):
                given["sink"] = torch.tensor(given["sink"], dtype=given["x"].dtype, device=given["x"].device)
            if not isinstance(given[name], torch.Tensor) and (given[name] is not None or name not in OPTIONAL):
                raise TypeError(f"{self.__name__}: {name} is a {type(given[name]).__name__}; a tensor is accepted")
        tensors = [given[name] for name in self.tensors if given[name] is not None]
        if is_plain(tensors) and not (torch.is_grad_enabled() and requires_grad(tensors)):
            return self.function(**given)
        if is_transformed():
            in_eager(self.__name__)
            return TransformedRows.apply(self, *given.values())
        return self._value(*given.values())

    def _on_memory(self, *given):
        y = self.function(**dict(zip(self.names, map(detached, given), strict=True)))
        return laid_out(y, given[0])

    def _promised(self, *given):
        given = dict(zip(self.names, given, strict=True))
        x = given["x"]
        shape = result_shape(x.shape, given["axis"], given.get("keepdims"))
        return empty(x, torch.Size(shape), result_type(x.dtype))

    def _keep(self, ctx, inputs, output):
        given = dict(zip(self.names, inputs, strict=True))
        ctx.save_for_backward(*[given.pop(name) for name in self.tensors])
        ctx.rest = given

    def _differentiated(self, ctx, gy, first=0):
        given = {**dict(zip(self.tensors, ctx.saved_tensors, strict=True)), **ctx.rest}
        wrt = [name for name, asked in zip(self.names, ctx.needs_input_grad[first:], strict=True) if asked]
        if torch.is_grad_enabled() or is_transformed():          # the gradients may be differentiated
            found = self._slopes(gy, given)
            return tuple([found[name].sum_to_size(given[name].shape) if name in wrt else None for name in self.names])
        made = self._backward(gy, *[given[name] for name in self.names], ",".join(wrt))
        found = dict(zip(wrt, made, strict=True))
        return tuple([found.get(name) for name in self.names])

    def _slopes(self, gy, given):
        return dict(zip(("x", "sink"), slopes(self, torch.exp, gy, **given), strict=True))

    def _mapped(self, size, places, given):
        """The result for a batch, whose axis is the first of x then; places say where it is in what is given."""
        given, places = dict(zip(self.names, given, strict=True)), dict(zip(self.names, places, strict=True))
        x, place = given["x"], places.pop("x")
        x = given["x"] = x.expand(size, *x.shape) if place is None else x.movedim(place, 0)
        given["axis"] = axis_of(self.__name__, "x", given["axis"], tuple(x.shape[1:])) - (x.ndim - 1)
        given |= {name: batched(given[name], place, x.ndim - 1) for name, place in places.items() if place is not None}
        return TransformedRows.apply(self, *given.values())

    def _gradients(self, gy, *given):
        given, names = dict(zip(self.names, map(detached, given), strict=False)), split(given[-1])
        x, axis, sink = given["x"], given["axis"], given.get("sink")
        given.pop("hard", None)                  # whose gradient is the soft one's
        if given.pop("keepdims", True) is False:
            gy = gy.unsqueeze(axis)
        if sink is not None:                     # whose gradient is then summed here
            given["sink"] = sink.expand([1 if k == axis % x.ndim else n for k, n in enumerate(x.shape)])
        wrt = {"wrt": names} if "sink" in given else {}
        made = self.function.backward(detached(gy), **given, **wrt)
        made = made if isinstance(made, tuple) else (made,)
        likes = {"x": x, "sink": sink}
        return [laid_out(m if m.shape == likes[n].shape else m.sum_to_size(likes[n].shape), likes[n])
                for m, n in zip(made, names, strict=True)]

    def _gradients_promised(self, gy, *given):
        given = dict(zip((*self.names, "wrt"), given, strict=True))
        return [empty(given[name], given[name].shape, gy.dtype) for name in split(given["wrt"])]

    def __repr__(self):
        return f"<{self.__name__} on tensors>"


class TransformedRows(torch.autograd.Function):
    """A RowFunction's result below torch.func's transformations."""

    @staticmethod
    def forward(rows, *given):
        return rows._value(*given)

    @staticmethod
    def setup_context(context, inputs, output):
        context.rows, *given = inputs
        context.rows._keep(context, given, output)

    @staticmethod
    def backward(context, gy):
        return None, *context.rows._differentiated(context, gy, 1)

    @staticmethod
    def jvp(context, _, *changes):
        raise NotImplementedError(f"{context.rows.__name__}: PyTorch's forward mode is not supported along an axis; "
                                  "reverse mode is, as torch.func.grad, vjp and jacrev")

    @staticmethod
    def vmap(info, places, rows, *given):
        return rows._mapped(info.batch_size, places[1:], given), 0


class Loss(RowFunction):
    """A loss on tensors, differentiable in the logits, time and again.

    Options are those of the same function of arrays; `target` and `where` are tensors.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        An operand that is no tensor, another dtype, an unknown keyword.
    ValueError
        Shapes that do not fit, a label that is no class, an axis that there is not.

    Examples
    --------
    >>> import torch
    >>> from numba_act import torch as nt
    >>> x = torch.tensor([[0.0, 0.0]], requires_grad=True)
    >>> nt.softmax_cross_entropy(x, torch.tensor([1])).backward()
    >>> x.grad
    tensor([[ 0.5000, -0.5000]])
    """

    __doc__ = Docstring(__doc__, lambda loss: loss.function.__doc__)

    def _on_memory(self, *given):
        return self.function(**dict(zip(self.names, map(detached, given), strict=True)))

    def _promised(self, logits, target, axis, where, label_smoothing, reduction):
        shape = result_shape(logits.shape, axis, False) if reduction == "none" else ()
        dtypes = [logits.dtype, *[target.dtype] * target.is_floating_point()]
        return logits.new_empty(shape, dtype=result_type(*dtypes))

    def _mapped(self, size, places, given):
        """What is reduced is that of one call."""
        each = [[g if place is None else g.select(place, k) for g, place in zip(given, places, strict=True)]
                for k in range(size)]
        return torch.stack([TransformedRows.apply(self, *one) for one in each])

    def _slopes(self, gy, given):
        logits, axis = given["logits"], given["axis"]
        classes = along(torch.arange(logits.shape[axis], device=logits.device), logits.shape, axis)
        return {"logits": loss_slope(get("softmax"), classes, gy, **given)}

    def _gradients(self, gy, *given):
        *given, _ = map(detached, given)
        logits, made = given[0], self.function.backward(detached(gy), **dict(zip(self.names, given, strict=True)))
        return [laid_out(made.to(logits.dtype), logits)]

    def _gradients_promised(self, gy, logits, *given):
        return [torch.empty_like(logits)]


class Sample(RowFunction):
    """A random row function on tensors, differentiable in x, time and again; of a hard sample the gradient is the soft
    one's.

    Options are those of the same function of arrays.  rng may be a tensor with a seed, too; without it PyTorch's own
    generator gives one, so that `torch.manual_seed` says which.

    Attributes
    ----------
    function : on arrays
    fast : itself, there is one tier

    Raises
    ------
    TypeError
        An operand that is no tensor, another dtype, an unknown keyword.
    ValueError
        A seed out of range, an axis that x has not, a tau that is not positive.

    Examples
    --------
    >>> import torch
    >>> from numba_act import torch as nt
    >>> x = torch.tensor([0.0, 0.0], requires_grad=True)
    >>> y = nt.gumbel_softmax(x, hard=True, rng=1)
    >>> y[0].backward()
    >>> y.detach(), x.grad
    (tensor([0., 1.]), tensor([ 0.2499, -0.2499]))
    """

    __doc__ = Docstring(__doc__, lambda rows: rows.function.__doc__)

    def __call__(self, /, *args, **kwargs):      # with a seed, which the function of arrays would draw otherwise
        return self._called(self.arguments(args, kwargs))

    _mapped = Loss._mapped                       # a row's random numbers depend on its place in the call

    def arguments(self, args, kwargs):
        given = super().arguments(args, kwargs)
        rng = given["rng"]
        if rng is None:
            given["rng"] = torch.randint((1 << 63) - 1, (), device="cpu")
        elif not isinstance(rng, torch.Tensor):
            low, high = key_of(self.__name__, rng)
            given["rng"] = torch.tensor(low | high << 32, dtype=torch.uint64, device="cpu")
        return given


def requires_grad(operands):
    return any(type(o) not in NUMBERS and o.requires_grad for o in operands)


def detached(value):
    return value.detach() if isinstance(value, torch.Tensor) else value


class Activation(torch.nn.Module):
    """An activation as a module, whose parameters may be learned.

    Parameters
    ----------
    name : of an activation, or an Activation, custom ones too
    learn : the parameters to learn, a name or several; they start from `settings` or the defaults
    num_parameters : how many of each there are: 1, or the length of x along `axis`
    fast : whether it computes in the fast tier
    axis : that of the channels, where there are several
    settings : the activation's parameters, by keyword

    Raises
    ------
    ValueError
        An unknown name; in a call, shapes that do not broadcast.
    TypeError
        A parameter that the activation does not have.

    Examples
    --------
    >>> import torch
    >>> from numba_act import torch as nt
    >>> f = nt.Activation("swish", learn="beta", beta=1.5)
    >>> f(torch.tensor([-1.0, 2.0])).sum().backward()
    >>> f.beta.grad, list(f.state_dict())
    (tensor([0.3299]), ['beta'])
    """

    def __init__(self, name, learn=(), num_parameters=1, fast=False, axis=1, **settings):
        super().__init__()
        function = get(name)
        self.function = function.fast if fast else function
        self.learn = (learn,) if isinstance(learn, str) else tuple(learn)
        self.num_parameters, self.axis = num_parameters, axis
        activation = self.function.activation
        for given in (*self.learn, *settings):
            if given not in activation.params:
                raise TypeError(f"{activation.name}: unknown parameter {given!r}; "
                                f"accepted: {', '.join(activation.params) or 'none'}")
        self.settings = {**activation.defaults, **settings}
        for given in self.learn:
            values = torch.full((num_parameters,), float(self.settings.pop(given)))
            self.register_parameter(given, torch.nn.Parameter(values))

    def forward(self, *operands):
        """The activation's value."""
        x = operands[0]
        learned = {name: self._placed(getattr(self, name), x) for name in self.learn}
        return self.function(*operands, **self.settings, **learned)

    def _placed(self, values, x):
        """A parameter in the dtype of x, in a shape that broadcasts with it."""
        if x.is_floating_point() and values.dtype != x.dtype:
            values = values.to(x.dtype)
        if self.num_parameters == 1:
            return values if x.ndim else values[0]
        if not -x.ndim <= self.axis < x.ndim or x.shape[self.axis] != self.num_parameters:
            raise ValueError(f"{self.function.activation.name}: x of shape {tuple(x.shape)} has no "
                             f"{self.num_parameters} channels along axis {self.axis}")
        along = [1] * x.ndim
        along[self.axis] = -1
        return values.view(along)

    def extra_repr(self):
        """What stands in its repr."""
        learned = [f"learn={self.learn}, num_parameters={self.num_parameters}"] if self.learn else []
        settings = [f"{name}={value}" for name, value in self.settings.items()]
        return ", ".join([repr(self.function.activation.name), *settings, *learned])


# all of them now, so that programs that were exported elsewhere find their operators
globals().update({name: get(name) for name in (*declare.names(), *ROWS)})
__all__ = ["Activation", "get", *declare.names(), *ROWS]
