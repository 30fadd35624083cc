"""The true signature of every way to call an activation: Python binds the arguments, and tools read them."""
import functools
from types import MethodType

from numpy import ndarray

from . import dispatch


def free(name, taken):
    """The name, with an underscore behind it where an argument has that name already."""
    while name in taken:
        name += "_"
    return name


def way(*first, usual=None, instead=None, **options):
    """Decorator of a method that is called with an activation's own arguments, and with these options by keyword.

    The method gets what comes `first`, by position, then the operands as one tuple, then the options.  `usual` gives an
    activation's kernel of a call without options but `out`, which takes the quick way if it can.  `instead` is one
    more option, which takes the result in the operand's place for activations with a from_result, and what gives the
    kernel of such a call.
    """
    return functools.partial(_Way, first, usual, instead, options)


class _Way:
    """A method with each activation's own signature, made when it is first asked for, and kept by the activation."""

    def __init__(self, first, usual, instead, options, method):
        self.first, self.usual, self.instead, self.options, self.method = first, usual, instead, options, method
        functools.update_wrapper(self, method)

    def __get__(self, activation, owner=None):
        if activation is None:
            return self.method
        function = bound(activation, self.method, self.first, self.options, self.usual, self.instead)
        made = vars(activation)[self.__name__] = MethodType(function, activation)
        return made


def bound(activation, method, first, options, usual=None, instead=None):
    """A function of the activation's own arguments: the method gets them bound."""
    inputs, operands, defaults = activation._inputs, activation.operands, activation.defaults
    first = [free(name, inputs) for name in first]
    options = {free(name, inputs): value for name, value in options.items()}
    quick = {inputs: usual(activation)} if usual else {}         # kernels, by what a quick call hands to them
    result = instead and free(instead[0], inputs)
    if instead and activation.expressions.from_result:
        options, defaults = {**options, result: None}, {**dict.fromkeys(operands), **defaults}
        if usual:
            quick[result, *inputs[1:]] = instead[1](activation)
    required = [name for name in operands if name not in defaults]
    written = _written(method, first, inputs, options, defaults, quick, len(first and (*first, *operands)))
    kernel = quick.get(inputs) if len((*first, *operands)) == 2 else None
    pairs = kernel.quick if kernel else {}       # loops by dtype, for a call that two arrays complete

    @functools.wraps(method)
    def call(*args, **kwargs):                   # the activation is the first; to name it would cost 0.1 us
        if len(args) == 3 and pairs and not kwargs:              # dispatch.quick written out: 1.4 us instead of 2
            a, b = args[1], args[2]
            if type(a) is ndarray is type(b) and a.dtype == b.dtype and a.shape == b.shape:
                ufunc, limit, usual_numbers = pairs.get(a.dtype, dispatch.NOT_YET)
                if a.size < limit:
                    return ufunc(a, b, *usual_numbers)
        try:
            return written(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__.tb_next:
                raise
        # the call itself failed; Python's own words name neither the activation nor what is accepted
        said = (activation.results_taken if instead and result in kwargs and result not in options
                else _fault(first, inputs, required, options, args[1:], kwargs))
        raise TypeError(f"{activation.name}: {said}")

    call.__wrapped__ = written                   # whose signature is shown
    return call


def _written(method, first, inputs, options, defaults, quick, arrays):
    """The method as a function of the activation's arguments; with kernels, by what they are called with, it takes the
    quick way, if it can, where nothing else but `out` is given.  The first so many operands must be arrays then."""
    taken = (*first, *inputs, *options)
    mark = "_" * (1 + max(len(name) - len(name.lstrip("_")) for name in taken))       # with which none of them begins
    others = {name: value for name, value in options.items() if name != "out"}
    space = {f"{mark}method": method, f"{mark}quick": dispatch.quick,
             **{f"{mark}{name}": value for name, value in others.items()}}
    shown = [f"{name}=None" if name in defaults else name for name in inputs]
    lines = [f"def {method.__name__}({', '.join((f'{mark}self', *first, '/', *shown, *['*'][:len(options)]))}"
             f"{''.join(f', {name}=None' for name in options)}):"]
    for k, (called, kernel) in enumerate(quick.items()):
        if kernel:
            absent = [f"{name} is None" for name in inputs if name not in called]
            usual = [f"{name} is {mark}{name}" for name in others if name not in called]
            space[f"{mark}kernel{k}"] = kernel
            lines += [f"    if {' and '.join(absent + usual)}:",
                      f"        {mark}result = "
                      f"{mark}quick({mark}kernel{k}, ({', '.join((*first, *called))},), out, {arrays})",
                      f"        if {mark}result is not None:",
                      f"            return {mark}result"]
    lines += [f"    return {mark}method({', '.join((f'{mark}self', *first, f'({chr(44).join(inputs)},)', *options))})"]
    exec("\n".join(lines), space)
    function = space[method.__name__]
    function.__defaults__, function.__kwdefaults__ = tuple(defaults.values()), options
    return function


def _fault(first, inputs, required, options, args, kwargs):
    """What is wrong with arguments that do not fit."""
    if len(args) < len(first):
        return f"the operand {first[len(args)]} is missing"
    given = inputs[:len(args) - len(first)]
    if len(args) - len(first) > len(inputs):
        return f"at most {len(inputs)} operands are accepted ({', '.join(inputs)}), not {len(args) - len(first)}"
    for name in required:
        if name not in given and name not in kwargs:
            return f"the operand {name} is missing"
    accepted = ", ".join((*inputs[len(given):], *options)) or "no others"
    wrong = next(name for name in kwargs if name in given or name not in (*inputs, *options))
    return f"{wrong} {'is given twice' if wrong in given else 'is an unknown keyword'}; accepted are {accepted}"


class Signature:
    """What inspect.signature finds at an object: the signature of one of its methods."""

    def __init__(self, name):
        self.name = name

    def __get__(self, owner, kind=None):
        if owner is None:
            raise AttributeError("__signature__")
        import inspect
        return inspect.signature(getattr(owner, self.name))
