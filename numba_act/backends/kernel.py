"""What is compiled: a kernel."""
import re
import zlib
from typing import NamedTuple

from ..tree.marks import EXACT, FAST, SHORT, everywhere, resolved, usual

UFUNC_PREFIX = "numba_act_"


class Quick(NamedTuple):
    """A compiled loop for plain calls: arrays of the dtype, as long as each other, of fewer elements than the limit.

    function : the ufunc, which may be called with such arrays as they are; None as long as there is no loop
    limit : the size from which on threads, and so recycled outputs, are worth their cost
    defaults : those of the parameters, as arrays of the dtype
    """
    function: object
    limit: int
    defaults: tuple


class Kernel:
    """A function to compile.

    name : of the function, for symbols and the ufunc
    owner : whose function it is, for messages
    inputs : the operands' names
    parameters : those of the inputs, the last ones, that are usually one number, with that number
    build : from a working dtype to the output nodes, whose arguments are named as the inputs, with the marks of the two
        tiers and of usual numbers
    n_outputs : how many nodes `build` gives
    calls : of functions that Numba compiles, of which a kernel is made instead of nodes; else None
    fast : whether it is of the fast tier; 16-bit types have one of their own
    quick : dtype -> Quick, filled when a loop is compiled; and a type that is no ndarray -> its own way of a quick call
    symbol : the name in letters that every assembler takes
    """
    def __init__(self, name, owner, inputs, parameters, build, n_outputs=1, calls=None, fast=False):
        self.name, self.owner, self.parameters = name, owner, parameters
        self.inputs = self.operands = inputs     # a RowKernel has others, too
        self.build, self.n_outputs, self.calls, self.fast, self.quick = build, n_outputs, calls, fast, {}
        self.symbol, self._resolved, self._parts = symbol(name), {}, {}

    def trees(self, storage):
        """The output nodes for numbers of that Storage, in its working dtype."""
        return everywhere(self._in_tier(storage))

    def usual_trees(self, storage):
        """A condition, and shorter output nodes for where it holds; None where there are none."""
        return usual(self._in_tier(storage))

    def only(self, outputs):
        """The kernel of some of the outputs, by their numbers."""
        if len(outputs) == self.n_outputs:
            return self
        if outputs not in self._parts:
            self._parts[outputs] = Kernel(
                "_".join((self.name, *map(str, outputs))), self.owner, self.inputs, self.parameters,
                lambda dtype: tuple([self.build(dtype)[j] for j in outputs]), len(outputs),
                self.calls and self.calls.only(outputs), self.fast)
        return self._parts[outputs]

    def _in_tier(self, storage):
        """The output nodes with the marks of usual numbers; they are asked for up to four times as a kernel is made."""
        if self.calls:
            raise TypeError(f"{self.owner}: there is no expression tree; Numba compiles the function whole")
        tier = SHORT if storage.name != storage.working else FAST if self.fast else EXACT
        if (storage.working, tier) not in self._resolved:
            self._resolved[storage.working, tier] = resolved(self.build(storage.working), tier)
        return self._resolved[storage.working, tier]


def symbol(name):
    """A name with everything but ASCII letters, digits and underscores written as numbers, and a checksum, so that no
    two names meet."""
    escaped = re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", name, flags=re.ASCII)
    return name if escaped == name else f"{escaped}_{zlib.crc32(name.encode(errors='surrogatepass')):08x}"
