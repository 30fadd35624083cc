"""What numba_act.torch and numba_act.jax have in common: activations as functions of another library's arrays."""
import inspect
import math

from . import declare, functions, rows  # noqa: F401, functions declares the activations
from .backends.signature import by_name

ROWS = (*declare.row_functions,)
LOSSES = tuple([name for name in ROWS if hasattr(declare.row_functions[name], "value_and_grad")])
SAMPLES = tuple([name for name in ROWS if "rng" in inspect.signature(declare.row_functions[name]).parameters])


class Bridged:
    """An activation as a function there; `get` is its module's, by which it pickles and finds its like."""

    def __init__(self, activation, get):
        self.activation, self._bound, self._get = activation, activation._operands, get
        self.__name__ = activation.name
        self.__signature__ = inspect.signature(activation._operands)
        self.fast = self if activation.fast is activation else get(activation.fast)

    def __reduce__(self):
        return self._get, (self.activation,)


class BridgedRows:
    """A row function as a function there, differentiable in the operand and in the sink; a loss, in the logits."""

    def __init__(self, function, get):
        self.function, self._get = function, get
        self.__name__, self.fast = function.name, self
        known = inspect.signature(function).parameters.values()
        self.__signature__ = inspect.Signature([p for p in known if p.name not in ("out", "dtype")])

    def arguments(self, args, kwargs):
        """A call's arguments by name, the defaults with them."""
        return by_name(self.__name__, self.__signature__, args, kwargs).arguments

    def __reduce__(self):
        return self._get, (self.__name__,)


def result_shape(shape, axis, keepdims=None):
    """The shape of a row function's result; those that give one number for a row have keepdims."""
    if keepdims is None:
        return tuple(shape)
    place = axis % len(shape)
    return *shape[:place], *[1] * keepdims, *shape[place + 1:]


def slopes(function, exp, gy, x, axis, sink=None, keepdims=True, hard=False, **options):
    """gy times the derivatives of a row function there in x, and in the sink of each row, of the library's own
    operations and of row functions, so that they can be differentiated again; a hard sample has the soft one's."""
    name, get = function.__name__, function._get
    options |= {} if sink is None else {"sink": sink}
    def of_row(values):
        return values.sum(axis, keepdims=True)
    if name == "logsumexp":
        gy = gy.reshape(result_shape(x.shape, axis, True))
        gx, whole = gy * get("softmax")(x, axis, **options), gy
    else:
        y, gy = function(x, axis=axis, **options), gy if options["where"] is None else gy * options["where"]
        if name == "log_softmax":
            whole = -of_row(gy)
            gx = gy + exp(y) * whole
        elif name in ("softmax", "softmin", "gumbel_softmax"):
            whole = -of_row(gy * y)
            gx = y * (gy + whole)
        else:
            whole, inside = None, y > 0
            share = inside if name == "sparsemax" else (y + ~inside) ** 0.5 * inside
            count = of_row(share)
            gx = share * (gy - of_row(gy * share) / (count + (count == 0)))
    if name == "softmin":
        x, gx = -x, -gx
    if sink is not None:
        whole = whole * exp(sink - get("logsumexp")(x, axis, keepdims=True, **options))
    return gx / options.get("temperature", options.get("tau", 1)), whole


def loss_slope(softmax, classes, gy, logits, target, axis, where, label_smoothing, reduction):
    """The same of softmax_cross_entropy, in the logits; `classes` are those along the axis."""
    shape = result_shape(logits.shape, axis, True)
    share = target if target.ndim == logits.ndim else target.reshape(shape) == classes
    share = share * (1 - label_smoothing) + label_smoothing / logits.shape[axis]
    gy = gy if where is None else gy * where
    if reduction == "mean":
        gy = gy / (math.prod(shape) if where is None else where.sum().clip(1))
    gy = gy.reshape(shape) if gy.ndim else gy
    return gy * (softmax(logits, axis) * share.sum(axis, keepdims=True) - share)


def along(values, shape, axis):
    """A row of values along an axis of that shape."""
    return values.reshape([-1 if k == axis % len(shape) else 1 for k in range(len(shape))])


def bridged(name, kinds, get):
    """What a module's `get` gives for a name: the function as one of its kinds, of activations, of rows, of losses and
    of samples, the same for all its names."""
    of_numbers, of_rows, of_losses, of_samples = kinds
    if isinstance(name, kinds):
        return name
    found = declare.get(name)
    if isinstance(found, declare.Activation):
        return of_numbers(found, get) if found is name else get(found)
    kind = of_losses if found.name in LOSSES else of_samples if found.name in SAMPLES else of_rows
    return kind(found, get) if found.name == name else get(found.name)
