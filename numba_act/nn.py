"""Activations as blocks: each remembers what it was called with, and keeps its learned parameters and their gradients.

    from numba_act import nn
    f = nn.PReLU(num_parameters=64)
    y = f(x); gx = f.backward(gy)
    f.params["alpha"] -= 0.01 * f.grads["alpha"]; f.zero_grad()
"""
import contextlib
import copy
from numbers import Integral

import numpy as np

from .backends import containers, dispatch
from .backends.dtypes import result_dtype
from .declare import get, of_numbers


class Activation:
    """An activation with state: `y = block(x)`, then `gx = block.backward(gy)`.

    y and gx have the shape of x, the same kind of array as x, and the activation's dtype: that of x, float64 for
    integers.  Learned parameters are float64 and rounded to that dtype in each call; they move to where x is.

    What backward needs is copied in each call, so that `x[:] = following` changes nothing.  That takes the memory of x
    and the time of `x.copy()`: for 10^6 float32 numbers a sixth of gelu's, but more than relu's, which memory bounds.
    `activation.backward(gy, x)`, with an x that stays as it is, takes neither.  With keep="y" it is the result that is
    copied, which an activation may start from whose slope follows from it.

    numba_act.torch.Activation is one of PyTorch's modules; numba_act.jax has functions, as JAX itself.

    Parameters
    ----------
    name : str or Activation
        Custom ones too.
    fast : bool, default False
        Whether it computes in the fast tier; a parameter of that name comes first.
    keep : {"x", "y"}
        From what `backward` starts: y as in `activation.backward(gy, y=y)`; a parameter of that name comes first.
    **settings : float or array_like
        The activation's parameters; its defaults otherwise.

    Attributes
    ----------
    activation : Activation
        What is computed.
    settings : dict of str to float
        With which parameters.
    params, grads : dict of str to array
        Learned parameters and their gradients, to which `backward` adds.
    training : bool
        Whether a block that draws random numbers does so.

    Raises
    ------
    ValueError
        An unknown name, another `keep`; a gy of another shape than y.
    TypeError
        A setting that the activation does not have, or keep="y" where its slope does not follow from the
        result; in a call, another number of operands.
    RuntimeError
        `backward` before the first call.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> f = nn.Activation("softrelu", beta=2)
    >>> f(np.float32([0, 100]))
    array([  0.3465736, 100.       ], dtype=float32)
    >>> f.backward(np.float32([1, 1]))
    array([0.5, 1. ], dtype=float32)
    """

    training = True
    fast = False
    keep = "x"

    def __init__(self, name, **settings):
        self.activation = of_numbers(name)
        if settings.pop("fast", self.fast) if "fast" not in self.activation.defaults else self.fast:
            self.activation = self.activation.fast
        if "keep" not in self.activation.defaults:
            self.keep = settings.pop("keep", self.keep)
        if self.keep not in ("x", "y"):
            raise ValueError(f"{self.activation.name}: keep={self.keep!r} is neither 'x' nor 'y'")
        if self.keep == "y" and not self.activation.expressions.from_result:
            raise TypeError(f"{self.activation.name}: keep='y' is not possible; {self.activation.results_taken}")
        unknown = settings.keys() - self.activation.defaults.keys()
        if unknown:
            accepted = ", ".join(self.activation.params) or "none"
            raise TypeError(f"{self.activation.name}: unknown parameter {min(unknown)!r}; accepted: {accepted}")
        self.settings = {**self.activation.defaults, **settings}
        self.params, self.grads, self._last = {}, {}, None

    def __repr__(self):
        name = [repr(self.activation.name)] if type(self) is Activation else []
        kept = ["keep='y'"] if self.keep == "y" else []
        described = [f"{k}={v}" for k, v in self._described().items()]
        return f"{type(self).__name__}({', '.join([*name, *described, *kept])})"

    def _described(self):
        return self.settings

    def __getstate__(self):
        """What the block was called with is not pickled."""
        return {**self.__dict__, "_last": None}

    def __call__(self, *operands):
        """The activation's value; copies of the operands, or of the value, are kept for `backward`."""
        if len(operands) != len(self.activation.operands):
            accepted = ", ".join(self.activation.operands)
            raise TypeError(f"{self}: {len(operands)} operands were given; accepted: {accepted}")
        called = *operands, *self._parameters(operands[0])
        y = self.activation(*called)
        self._keep(self.activation, called, y)
        return y

    def _keep(self, activation, called, y):
        """Keep what backward needs, where nobody else can change it."""
        saved = {"y": _copied(y)} if self.keep == "y" else {}
        called = (None, *called[1:]) if saved else called
        self._last = activation, [_copied(o) for o in called], saved, containers.shape_of(y)

    def backward(self, gy):
        """gy times the slope at the last call's x, a tuple for gated activations; `grads` grow."""
        if self._last is None:
            raise RuntimeError(f"{self}: backward comes after a call, y = block(x)")
        activation, called, saved, shape = self._last
        self._check(gy, shape)
        operands = activation.operands
        gradients = activation.backward(gy, *called, **activation.options(wrt=(*operands, *self.params), **saved))
        totals = _arrays(self.grads)
        for name, gradient in zip(self.params, gradients[len(operands):], strict=True):
            kind = containers.kind_of(gradient)
            gradient = gradient if kind is None else np.asarray(kind.dense(gradient))
            total = totals[name]
            with _on_device_of(total):
                total += _backend(total).convert(gradient, total.dtype).reshape(total.shape)
        return gradients[0] if len(operands) == 1 else gradients[:len(operands)]

    def _check(self, gy, shape):
        """Refuse a gradient of another shape than y."""
        if not containers.same_shape(containers.shape_of(gy), shape):
            raise ValueError(f"{self}: gy has shape {containers.shape_of(gy)}; that of y, {shape}, is accepted")

    def zero_grad(self):
        """Set the gradients to 0."""
        for gradient in _arrays(self.grads).values():
            with _on_device_of(gradient):
                gradient[...] = 0

    def train(self, mode=True):
        """Set `training`; the block itself is returned."""
        self.training = mode
        return self

    def eval(self):
        """`train(False)`."""
        return self.train(False)

    def state_dict(self):
        """Copies of the learned parameters, NumPy arrays by name."""
        return {name: np.array(_backend().beside(values, None)) for name, values in self.params.items()}

    def load_state_dict(self, state):
        """Take the learned parameters from what `state_dict` gave.

        Raises
        ------
        ValueError
            Other names or other shapes than the block's.
        """
        expected = {name: values.shape for name, values in _arrays(self.params).items()}
        given = {name: np.shape(values) for name, values in state.items()}
        if given != expected:
            raise ValueError(f"{self}: the state has {given or 'nothing'}; {expected or 'nothing'} is accepted")
        for name, values in self.params.items():
            with _on_device_of(values):
                values[...] = _backend(values).beside(state[name], values)

    # learned parameters ----------------------------------------------------------------------------------------
    def _learn(self, name, values):
        self.params[name] = np.array(values, np.float64)
        self.grads[name] = np.zeros_like(self.params[name])

    def _parameters(self, x):
        """The activation's parameters for a call with x: settings, and what is learned in their place."""
        backend = _backend(x)
        for arrays in (self.params, self.grads):
            arrays.update({name: backend.beside(values, x) for name, values in arrays.items()})
        if containers.kind_of(x) is not None and all(values.size == 1 for values in self.params.values()):
            learned = {name: values.item() for name, values in self.params.items()}      # numbers take the dtype of x
            return {**self.settings, **learned}.values()
        try:
            dtype = result_dtype((x,))
        except TypeError as error:
            raise TypeError(f"{self}: {error}") from None
        with np.errstate(over="ignore"):         # too large a parameter is infinite, as in the activation itself
            learned = {name: backend.convert(self._placed(values, x), dtype) for name, values in self.params.items()}
        return {**self.settings, **learned}.values()

    def _placed(self, values, x):
        """The values in a shape that broadcasts with x."""
        return values


def _arrays(named):
    """The arrays by name, where numbers may have been set in their place, as a step of a descent gives them."""
    named.update({name: _backend(values).beside(values, values) for name, values in named.items()})
    return named


def _copied(operand):
    return operand.copy("K") if type(operand) is np.ndarray else copy.deepcopy(operand)


def _backend(*x):
    """What computes where x is."""
    return dispatch.backend_of(x)


def _on_device_of(array):
    """A context in which CuPy computes where its array is."""
    return contextlib.nullcontext() if isinstance(array, np.ndarray) else array.device


class LeakyReLU(Activation):
    """x for x > 0, alpha x otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.LeakyReLU(0.05)(np.float32([-2, 3]))
    array([-0.1,  3. ], dtype=float32)
    """

    def __init__(self, alpha=0.01, *, keep="x"):
        super().__init__("leaky_relu", alpha=alpha, keep=keep)


class PReLU(Activation):
    """A leaky ReLU that learns its alpha: one for all numbers, or one for each channel.

    Parameters
    ----------
    num_parameters : int, default 1
        1, or the length of x along `axis`.
    init : float, array_like, callable or "normal"
        A number, an array of num_parameters, or a function from a shape to such an array.
    axis : int, default 1
        That of the channels, where there are several alpha.
    scale : float, default 0.05
        The standard deviation of "normal".
    rng : int or numpy.random.Generator, optional
        The seed of "normal", or what draws.

    Raises
    ------
    ValueError
        Another init or num_parameters; in a call, an x with another number of channels.
    TypeError
        A num_parameters or an axis that is no whole number, an init of no numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> f = nn.PReLU(num_parameters=2, init=0.5)
    >>> x = np.float32([[-1, 4], [-3, -4]])
    >>> f(x)
    array([[-0.5,  4. ],
           [-1.5, -2. ]], dtype=float32)
    >>> f.backward(np.ones_like(x))
    array([[0.5, 1. ],
           [0.5, 0.5]], dtype=float32)
    >>> f.grads["alpha"]
    array([-4., -4.])
    """

    def __init__(self, num_parameters=1, init=0.25, axis=1, scale=0.05, rng=None):
        super().__init__("prelu")
        for name, value in (("num_parameters", num_parameters), ("axis", axis)):
            if not isinstance(value, Integral):
                raise TypeError(f"PReLU: {name}={value!r} was given; a whole number is accepted")
        if num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters={num_parameters} was given; 1 or more are accepted")
        self.num_parameters, self.axis = num_parameters, axis
        shape = num_parameters,
        if callable(init):
            init = init(shape)
        elif isinstance(init, str):
            if init != "normal":
                raise ValueError(f'PReLU: init={init!r} is unknown; "normal", a number, array or function is accepted')
            init = np.random.default_rng(rng).normal(0, scale, shape)
        if np.asarray(init).dtype.kind not in "biufV":                 # V: bfloat16
            raise TypeError(f'PReLU: init={init!r} was given; "normal", a number, array or function is accepted')
        if np.shape(init) not in ((), shape):
            raise ValueError(f"PReLU: init has shape {np.shape(init)}; a number or shape {shape} is accepted")
        self._learn("alpha", np.full(shape, init))

    def _described(self):
        return {"num_parameters": self.num_parameters, "axis": self.axis}

    def _placed(self, values, x):
        if self.num_parameters == 1:
            return values.reshape(())
        shape = containers.shape_of(x)
        channels = shape[self.axis] if -len(shape) <= self.axis < len(shape) else "no"
        if channels != self.num_parameters:
            raise ValueError(f"{self}: x of shape {shape} has {channels} channels along axis {self.axis}; "
                             f"{self.num_parameters} are accepted")
        along = [1] * len(shape)
        along[self.axis] = -1
        return values.reshape(along)


class ELU(Activation):
    """x for x > 0, alpha (e^x - 1) otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.ELU(alpha=0.5)(np.float32([-np.inf, 3]))
    array([-0.5,  3. ], dtype=float32)
    """

    def __init__(self, alpha=1.0, *, keep="x"):
        super().__init__("elu", alpha=alpha, keep=keep)


class SELU(Activation):
    """The self-normalising unit, whose constants are fixed.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.SELU()(np.float32([-1, 1]))
    array([-1.1113307,  1.050701 ], dtype=float32)
    """

    def __init__(self, *, keep="x"):
        super().__init__("selu", keep=keep)


class GELU(Activation):
    """x Φ(x), exactly; `Activation("gelu_tanh")` is the approximation by tanh.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.GELU()(np.float32([-1, 1]))
    array([-0.15865526,  0.8413448 ], dtype=float32)
    """

    def __init__(self):
        super().__init__("gelu")


class Swish(Activation):
    """x σ(beta x), with beta fixed or learned.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> f = nn.Swish(1.5, learnable=True)
    >>> f(np.float32([-1, 2])).round(4)
    array([-0.1824,  1.9051], dtype=float32)
    >>> gx = f.backward(np.float32([1, 1]))
    >>> f.grads["beta"].round(4)
    np.float64(0.3299)
    """

    def __init__(self, beta=1.0, learnable=False):
        super().__init__("swish", beta=beta)
        if learnable:
            self._learn("beta", beta)

    def _described(self):
        return {"beta": self.params.get("beta", self.settings["beta"]), "learnable": "beta" in self.params}


class SiLU(Activation):
    """x σ(x), the swish of beta = 1.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.SiLU()(np.float32([-1, 1]))
    array([-0.26894143,  0.7310586 ], dtype=float32)
    """

    def __init__(self):
        super().__init__("silu")


class RReLU(Activation):
    """A leaky ReLU whose slopes are drawn at random, one for each number, while training; otherwise their mean.

    Parameters
    ----------
    lower, upper : float
        Between which the slopes are drawn.
    rng : int or numpy.random.Generator, optional
        The seed of the draws, which are the same on the GPU.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> f = nn.RReLU(0.1, 0.3, rng=0)
    >>> x = np.float32([-1, -1, 2])
    >>> y = f(x)
    >>> bool(y[0] == y[1]), bool((f.backward(x) == y).all())
    (False, True)
    >>> f.eval()(x)
    array([-0.2, -0.2,  2. ], dtype=float32)
    """

    def __init__(self, lower=1 / 8, upper=1 / 3, rng=None):
        super().__init__("rrelu", lower=lower, upper=upper)
        self._rng = np.random.default_rng(rng)

    def __call__(self, x):
        """The activation's value; with x the slopes are kept for `backward`."""
        if not self.training:
            return super().__call__(x)
        y, slopes = self.activation.sample(x, **self.settings, rng=self._rng)
        self._keep(get("leaky_relu"), (x, slopes), y)
        return y


class Softmax(Activation):
    """softmax along an axis; it keeps a copy of its result for `backward`.

    Parameters
    ----------
    axis : int
        That of the rows.
    temperature : float
        By which the numbers are divided first.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> f = nn.Softmax()
    >>> f(np.float32([0, 0])), f.backward(np.float32([1, 0]))
    (array([0.5, 0.5], dtype=float32), array([ 0.25, -0.25], dtype=float32))
    """

    row_function = "softmax"

    def __init__(self, axis=-1, temperature=1.0):
        self.activation, self.settings = get(self.row_function), {"axis": axis, "temperature": temperature}
        self.params, self.grads, self._last = {}, {}, None

    def __call__(self, x):
        y = self.activation(x, **self.settings)
        self._last = _copied(y)
        return y

    def backward(self, gy):
        if self._last is None:
            raise RuntimeError(f"{self}: backward comes after a call, y = block(x)")
        self._check(gy, containers.shape_of(self._last))
        return self.activation.backward(gy, y=self._last, **self.settings)


class LogSoftmax(Softmax):
    """log_softmax along an axis; it keeps a copy of its result for `backward`.

    Parameters
    ----------
    axis : int
        That of the rows.
    temperature : float
        By which the numbers are divided first.

    Examples
    --------
    >>> import numpy as np
    >>> from numba_act import nn
    >>> nn.LogSoftmax()(np.float32([1000, 0]))
    array([    0., -1000.], dtype=float32)
    """

    row_function = "log_softmax"
