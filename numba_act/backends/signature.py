"""The true signature of every way to call an activation, and what a plain call goes through, written out as source."""
import functools
import warnings
from types import MethodType

from numpy import ndarray

from ..runtime import outputs
from . import dispatch
from .dtypes import number

UNSET = object()
NUMBERS = frozenset((float, int))


def free(name, taken):
    """The name, with an underscore behind it where an argument has that name already."""
    while name in taken:
        name += "_"
    return name


def by_name(owner, signature, args, kwargs, where=""):
    """A call's arguments bound to a signature, the defaults with them; `where` is a word about what is accepted."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{owner}: {error}; accepted{where} are {', '.join(signature.parameters)}") from None
    bound.apply_defaults()
    return bound


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
    inputs, defaults = activation._inputs, activation.defaults
    first = [free(name, inputs) for name in first]
    options = {free(name, inputs): value for name, value in options.items()}
    quick = {inputs: usual(activation)} if usual else {}         # kernels, by what a quick call hands to them
    result = instead and free(instead[0], inputs)
    if instead and activation.expressions.from_result:
        options, defaults = {**options, result: None}, {**dict.fromkeys(activation.operands), **defaults}
        if usual:
            quick[result, *inputs[1:]] = instead[1](activation)

    def arranged(given, rest, named):
        """The arguments in order, UNSET what is missing."""
        values = dict(zip((*first, *inputs), given, strict=True))
        if rest or not all(name in inputs and values[name] is UNSET for name in named):
            raise refused(given, rest, named)
        values.update(named)
        return values.values()

    def refused(given, rest=(), named=()):
        if result in named and result not in options:
            return TypeError(f"{activation.name}: {activation.results_taken}")
        return TypeError(f"{activation.name}: {_fault(first, inputs, defaults, options, given, rest, named)}")

    def unsaid():
        warnings.warn(f"{activation.name}: where= without out= leaves the rest of the result as memory was; "
                      "say out=None if that is meant", stacklevel=4 if method.__name__ == "_call" else 3)

    call, shown = _written(activation, method, first, options, defaults, quick, arranged, refused, unsaid)
    functools.update_wrapper(call, method)
    call.__wrapped__ = shown
    call.__qualname__ = activation.name          # in Python's own words about a parameter that is given twice
    return call


def _written(activation, method, first, options, defaults, quick, arranged, refused, unsaid):
    """The method as a function of the activation's arguments, and another that shows its signature.

    With kernels, by what they are called with, it takes the quick way, if it can, where nothing else but `out` is
    given: without that, arrays of one dtype and shape, beside numbers as parameters, go to the ufunc at once.  What
    must not be 0 has to be a number for that, and none.
    """
    inputs = activation._inputs
    arguments = (*first, *inputs)
    space = {"method": method, "quick": dispatch.quick, "NOT_YET": dispatch.NOT_YET, "UNSET": UNSET, "number": number,
             "NUMBERS": NUMBERS, "ndarray": ndarray, "type": type, "OverflowError": OverflowError,
             "ValueError": ValueError, "in_one_piece": dispatch.in_one_piece, "empty": outputs.empty,
             "arranged": arranged, "refused": refused, "unsaid": unsaid,
             **{f"default_{name}": value for name, value in (defaults | options).items()}}
    if "where" in options:                       # as NumPy, tell out=None from nothing
        space["default_out"] = UNSET
    unset, named = [f"{name}=§UNSET" for name in arguments], [f"{name}=None" for name in options]
    shown = [f"{name}=None" if name in defaults else name for name in inputs]
    required = [name for name in arguments if name not in defaults]
    bare = len(arguments) - len(activation.defaults)         # Python itself binds the others' names, 1 us faster
    lines = [f"def shown({', '.join(('§self', *first, '/', *shown, *['*'][:len(options)], *named))}): ...",
             f"def call({', '.join(('§self', *unset[:bare], '/', *unset[bare:], '*§rest', *named, '**§named'))}):",
             "    if §rest or §named:",
             f"        {', '.join(arguments)}, = §arranged(({', '.join(arguments)},), §rest, §named)"]
    for name in defaults:
        lines += [f"    if {name} is §UNSET:", f"        {name} = §default_{name}"]
    defined = [f"§type({name}) in §NUMBERS and {name}" for name in activation._nonzero]
    for k, (called, kernel) in enumerate(quick.items()):
        space |= {f"kernel{k}": kernel, f"loops{k}": kernel.quick}
        absent = [f"{name} is None" for name in inputs if name not in called]
        usual = [f"{name} is §default_{name}" for name in options if name not in ("out", *called)]
        lines += [f"    if {' and '.join(absent + usual + defined)}:", *_quickly(k, kernel, first, called)]
    if required:
        lines += [f"    if {' or '.join(f'{name} is §UNSET' for name in required)}:",
                  f"        raise §refused(({', '.join(arguments)},))"]
    result = f"§method({', '.join(('§self', *first, f'({chr(44).join(inputs)},)', *options))})"
    if "where" in options:
        lines += ["    if out is §UNSET:",
                  "        out = None",
                  "        if where is not True:",
                  f"            §result = {result}",
                  "            §unsaid()",
                  "            return §result"]
    lines += [f"    return {result}"]
    mark = "_" * (1 + max(len(name) - len(name.lstrip("_")) for name in (*arguments, *options)))
    made = {f"{mark}{name}": value for name, value in space.items()}           # none of theirs begins so
    exec("\n".join(lines).replace("§", mark), made)
    made["shown"].__defaults__, made["shown"].__kwdefaults__ = tuple(defaults.values()), options
    made["call"].__kwdefaults__ = {name: space[f"default_{name}"] for name in options}
    return made["call"], made["shown"]


def _quickly(k, kernel, first, called):
    """The statements by which a call without options goes to kernel k: to its loop at once, where all is plain."""
    numbers = list(kernel.parameters)
    x, *others = arrays = [name for name in (*first, *called) if name not in numbers]
    like = "§type({0}) is §ndarray and {0}.dtype == {1}.dtype and {0}.shape == {1}.shape"
    tests = [f"§type({x}) is §ndarray", *[like.format(name, x) for name in others],
             *[f"§type({name}) in §NUMBERS" for name in numbers]]
    usual = " and ".join(f"{name} is §default_{name}" for name in numbers)
    given, room = ", ".join([*arrays, *["*§numbers"] * bool(numbers)]), f"§empty({x}.shape, {x}.dtype)"
    return [f"        if {' and '.join(tests)}:",
            f"            §function, §limit, §numbers = §loops{k}.get({x}.dtype, §NOT_YET)",
            f"            §small = {x}.size < §limit",
            f"            if §small or (§function and §in_one_piece({', '.join(arrays)}, out)):",
            "                try:",
            *([f"                    if not ({usual}):",
               f"                        §numbers = {', '.join(f'§number({name}, {x}.dtype)' for name in numbers)},"]
              if numbers else []),
            "                    if out is §default_out and §small:",
            f"                        return §function({given})",
            "                    if out is §default_out:",
            f"                        return §function({', '.join([given, *[room] * kernel.n_outputs])})",
            *([f"                    if {like.format('out', x)}:",
               f"                        return §function({given}, out)"]
              if kernel.n_outputs == 1 else []),
            "                except (§OverflowError, §ValueError):     # a large number, a read-only output",
            "                    pass",
            f"        §result = §quick(§kernel{k}, ({', '.join((*arrays, *numbers))},), "
            f"None if out is §UNSET else out, {len(arrays) if first else 1})",
            "        if §result is not None:",
            "            return §result"]


def _fault(first, inputs, defaults, options, given, rest, named):
    """What is wrong with arguments that do not fit."""
    for name, value in zip((*first, *inputs), given, strict=True):
        if value is UNSET and name not in defaults and (name in first or name not in named):
            return f"the operand {name} is missing"
    if rest:
        return f"at most {len(inputs)} operands are accepted ({', '.join(inputs)}), not {len(inputs) + len(rest)}"
    bound = [name for name, value in zip(inputs, given[len(first):], strict=True) if value is not UNSET]
    accepted = ", ".join((*[name for name in inputs if name not in bound], *options)) or "no others"
    wrong = next(name for name in named if name in bound or name not in inputs)
    return f"{wrong} {'is given twice' if wrong in bound else 'is an unknown keyword'}; accepted are {accepted}"


class Signature:
    """What inspect.signature finds at an object: the signature of one of its methods."""

    def __init__(self, name):
        self.name = name

    def __get__(self, owner, kind=None):
        if owner is None:
            raise AttributeError("__signature__")
        import inspect
        return inspect.signature(getattr(owner, self.name))
