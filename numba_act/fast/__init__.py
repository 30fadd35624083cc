"""The activations in the fast tier, by the same names: at most 4 units in the last place instead of 1.

    from numba_act import fast as act
    y = act.gelu(np.float32([-1, 0, 1]))         # act.gelu.fast of numba_act

numba_act.fast.nn has the blocks.
"""
import importlib
from types import MappingProxyType

from .. import declare, functions, rows  # noqa: F401, they declare what there is

activations = MappingProxyType({name: exact.fast for name, exact in declare.activations.items()})
globals().update({name: exact.fast for name, exact in declare.names().items()}, **declare.row_functions)
__all__ = ["activations", "get", *declare.names(), *declare.row_functions]


def get(name):
    """The activation of that name or alias in the fast tier, or that of an Activation.

    Raises
    ------
    ValueError
        An unknown name; the nearest known ones are suggested.

    Examples
    --------
    >>> import numba_act as act
    >>> from numba_act import fast
    >>> fast.get("softrelu") is act.softplus.fast
    True
    """
    return declare.get(name).fast


def __getattr__(name):
    """The blocks' module, imported when it is first used."""
    if name != "nn":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(".nn", __name__)
