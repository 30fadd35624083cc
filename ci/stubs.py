"""Write the type stubs that follow from the registry: `python ci/stubs.py`.  Those of numba_act.declare are by hand."""
import functools
import inspect
import textwrap
import types
from pathlib import Path

import numba_act as act
from numba_act import declare, fast, math, nn
from numba_act.bridge import LOSSES, ROWS, SAMPLES
from numba_act.rows.function import RowFunction

HOME = Path(act.__file__).parent
HEAD = "# Written by ci/stubs.py.\n"
TYPES = "_Loss, _OfOne, _OfTwo, _Random, _RowFunction, _Rows"                # that kind() gives
ARGUMENTS = {                                    # those whose default does not tell the type
    "x": "_Kind", "name": "str | Activation", "activation": "str | Activation", "axis": "int",
    "rng": "int | np.random.Generator | None", "path": "str | Path | None",
    "init": "ArrayLike | Callable[[tuple[int, ...]], ArrayLike]", "keep": 'Literal["x", "y"]', "alpha": "float",
}
RESULTS = {"gated": "_OfTwo", "split_gate": "tuple[_Kind, _Kind]", "show_config": "None", "warmup": "None"}
BLOCK = '''class Activation:
    activation: _Activation
    settings: dict[str, Any]
    params: dict[str, Any]
    grads: dict[str, Any]
    training: bool
    fast: bool
    keep: str
    def __init__(self, name: str | _Activation, **settings: Any) -> None: ...
    def __call__(self, x: _Kind, /, *others: Any) -> _Kind: ...
    def backward(self, gy: Any) -> Any: ...
    def zero_grad(self) -> None: ...
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def state_dict(self) -> dict[str, NDArray[np.float64]]: ...
    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None: ...
'''


BRIDGE = '''from typing import Any

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
'''
PYTORCH = '''torch: Any
class Activation(torch.nn.Module):  # type: ignore[misc]
    function: Function
    learn: tuple[str, ...]
    num_parameters: int
    axis: int
    settings: dict[str, Any]
    def __init__(self, name: str | _Activation, learn: str | tuple[str, ...] = (), num_parameters: int = 1,
                 fast: bool = False, axis: int = 1, **settings: Any) -> None: ...
    def forward(self, *operands: Any) -> Any: ...
'''


class Text(str):
    """An annotation that inspect shows as it is."""
    __repr__ = str.__str__


def signature(function, result):
    """The function's arguments and result, with their types, as text."""
    found = inspect.signature(function)
    typed = [p.replace(annotation=argument(p)) for p in found.parameters.values()]
    return str(found.replace(parameters=typed, return_annotation=Text(result))).replace("self: Any", "self")


def defined(name, function, result="Any", indent=""):
    """A function's line, broken where it is too long."""
    text = f"{indent}def {name}{signature(function, result)}: ..."
    return "\n".join(textwrap.wrap(text, 120, subsequent_indent=f"{indent}        ", break_on_hyphens=False)) + "\n"


def argument(parameter):
    """An argument's type, by its name or its default."""
    kind = type(parameter.default)
    return Text(ARGUMENTS.get(parameter.name) or (kind.__name__ if kind in (bool, int, float, str) else "Any"))


def imported(module, public):
    """Imports that a stub hands on."""
    return "".join(f"from .{module} import {name} as {name}\n" for name in public)


def names(found):
    """For each name a line with what it is, and one that editors show."""
    return "".join(f"{name}: {kind(value)}\n{shown(value)}\n" for name, value in found.items())


def shown(value):
    return textwrap.fill(f'"""{repr(value)[1:-1]}: {value.__doc__.partition(chr(10))[0]}"""', 120)


def kind(value):
    if isinstance(value, RowFunction):
        like_x = [*inspect.signature(value).parameters][:2] == ["x", "axis"] and value.name != "logsumexp"
        return "_Loss" if hasattr(value, "value_and_grad") else "_Rows" if like_x else "_RowFunction"
    if not isinstance(value, act.Activation):
        return "Any"
    return "_Random" if hasattr(value, "sample") else {1: "_OfOne", 2: "_OfTwo"}.get(len(value.operands), "Activation")


def package():
    """numba_act itself."""
    public = {name: getattr(act, name) for name in act.__all__}
    declared = [name for name in public if name in ("Activation", "activation", "activations", "get")]
    functions = {name: f for name, f in public.items() if isinstance(f, types.FunctionType) and name not in declared}
    rest = {name: value for name, value in public.items() if name not in (*declared, *functions)}
    return (
        f"{HEAD}from pathlib import Path\nfrom typing import Any\n\n"
        "from . import fast as fast\nfrom . import jax as jax\nfrom . import math as math\n"
        "from . import torch as torch\n"
        + imported("declare", declared) + f"from .declare import _Kind, {TYPES}\n\n"
        "__version__: str\n"
        + "".join(defined(name, f, RESULTS.get(name, "Any")) for name, f in functions.items()) + names(rest))


def fast_tier():
    """numba_act.fast."""
    public = {name: getattr(fast, name) for name in fast.__all__ if name not in ("activations", "get")}
    return (f"{HEAD}from collections.abc import Mapping\n\n"
            f"from ..declare import Activation, {TYPES}\n"
            "from . import nn as nn\n\nactivations: Mapping[str, Activation]\n"
            f"def get(name: str | Activation) -> Activation: ...\n{names(public)}")


def mathematics():
    """numba_act.math."""
    return (f"{HEAD}from .declare import _OfOne, _OfTwo\n\n{names({n: getattr(math, n) for n in math.__all__})}")


def bridge(rest):
    """numba_act.torch or numba_act.jax, without that library's types, for which a checker takes half a minute."""
    return f"{HEAD}{BRIDGE}{rest}" + "".join(
        [f"{name}: Function\n" for name in declare.names()] +
        [f"{name}: {'Loss' if name in LOSSES else 'Sample' if name in SAMPLES else 'RowFunction'}\n" for name in ROWS])


def blocks():
    """The classes of numba_act.nn."""
    return {name: block for name, block in vars(nn).items()
            if inspect.isclass(block) and block.__module__ == nn.__name__}


def block(name, found):
    """A class with a signature of its own."""
    bases = ", ".join(base.__name__ for base in found.__bases__ if base is not object)
    return (f"\nclass {name}({bases}):\n{defined('__init__', found.__init__, 'None', '    ')}"
            "    def backward(self, gy: _Kind) -> _Kind: ...\n")


def network():
    """numba_act.nn."""
    return (
        f"{HEAD}from collections.abc import Callable, Mapping\nfrom typing import Any, Literal, Self\n\n"
        "import numpy as np\nfrom numpy.typing import ArrayLike, NDArray\n\n"
        f"from .declare import Activation as _Activation\nfrom .declare import _Kind\n\n{BLOCK}"
        + "".join(block(name, found) for name, found in blocks().items() if name != "Activation"))


def fast_network():
    """numba_act.fast.nn."""
    return HEAD + imported(".nn", blocks())


STUBS = {"__init__.pyi": package, "fast/__init__.pyi": fast_tier, "fast/nn.pyi": fast_network, "math.pyi": mathematics,
         "nn.pyi": network, "torch.pyi": functools.partial(bridge, PYTORCH), "jax.pyi": functools.partial(bridge, "")}

if __name__ == "__main__":
    for name, make in STUBS.items():
        (HOME / name).write_text(make(), encoding="utf-8")
