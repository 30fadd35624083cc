"""The blocks of numba_act.nn in the fast tier."""
from .. import nn

__all__ = []

for _name, _block in vars(nn).copy().items():
    if isinstance(_block, type) and issubclass(_block, nn.Activation):
        globals()[_name] = type(_name, (_block,), {"fast": True, "__doc__": _block.__doc__, "__module__": __name__})
        __all__ += [_name]
