"""What is compiled: a function of one row, cut into passes over its elements.

A row function is written with nodes, as scalar functions are, and a `Row` that gathers what all elements say:

    def softmax(row, x):
        e = row.kept(exp(x - row.largest(x)))
        return e / row.total(e).high

What hangs on a result of `largest` or `total` comes a pass after it, so that this function takes three: the largest
number, the sum, the results.  Nodes without elements below them are computed once a row.
"""
from typing import NamedTuple

from ...scalar.pairs import Pair
from ...tree.marks import everywhere, resolved
from ...tree.node import Node, argument, in_order
from ..kernel import symbol

OWN = "position", "length"                       # numbers that no operand gives


class Gathered(NamedTuple):
    """What is gathered over a row, in a pass: the largest of some numbers, their sum, or that of pairs.

    factors : the numbers, the one or two whose products are added up, or a pair's
    results : the names of the result, for sums of its high and its low part
    """
    kind: str
    level: int
    factors: tuple
    results: tuple


class Settled(NamedTuple):
    """A number of the row that is improved pass by pass until it no longer grows.

    level : the pass from which on
    name : of the number
    first, following : its first value, and the next one, that hangs on the number and on what is gathered with it
    """
    level: int
    name: str
    first: Node
    following: Node
    gathered: tuple


class Row:
    """A row, for the function that is written with it."""

    def __init__(self, inputs, dtype, keeps):
        self.dtype, self.keeps = dtype, keeps
        self.levels, self.gathered, self.settling, self.saved = dict.fromkeys((*inputs, *OWN), 0), [], [], {}

    def largest(self, x):
        """The largest of the row's numbers, NaN left aside; -inf if there is none."""
        return self._gather("largest", (x,), 1)[0]

    def total(self, *factors):
        """The sum of some numbers, or of the products of two, as a pair of twice the precision."""
        return Pair(*self._gather("total", factors, 2))

    def total_of_pairs(self, pairs):
        """The sum of some pairs, as a pair of twice the precision."""
        return Pair(*self._gather("pairs", pairs, 2))

    def kept(self, x):
        """A number of each element that is computed once if there is room for a row of them."""
        if not self.keeps:
            return x
        name = f"kept{len(self.saved)}"
        self.levels[name] = self.level(x)
        self.saved[name] = x
        return argument(name, self.dtype)

    def settled(self, first, step):
        """What `step` gives of itself again and again, from `first` on, as long as it grows."""
        name = f"settled{len(self.settling)}"
        outside, self.gathered = self.gathered, []
        number = argument(name, self.dtype)
        self.levels[name] = self.level(first)
        following = step(number)
        inside, self.gathered = self.gathered, outside
        level = max(self.level(first), *[g.level for g in inside])
        self.levels[name] = level + 1
        self.settling.append(Settled(level, name, first, following, tuple(inside)))
        return number

    @property
    def position(self):
        """The place of an element in its row, from 0 on."""
        return argument("position", self.dtype)

    @property
    def length(self):
        """How many elements a row has."""
        return argument("length", self.dtype)

    def _gather(self, kind, factors, parts):
        results = tuple(f"{kind}{len(self.levels)}{'.low' * k}" for k in range(parts))
        level = max(map(self.level, factors))
        self.levels.update(dict.fromkeys(results, level + 1))
        self.gathered.append(Gathered(kind, level, factors, results))
        return [argument(name, self.dtype) for name in results]

    def level(self, node):
        """The pass in which a node can be computed."""
        return max((self.levels[n.value] for n in in_order([node]) if n.op == "argument"), default=0)


class Program:
    """A row function in one working dtype, with room for what it keeps or without.

    gathered, settling, kept, outputs : with nodes that are ready to be emitted
    along : for each output, whether it has a number for each element, or one for the row
    levels : the pass in which each argument is there
    passes : how many come before the last one, which gives the outputs
    """

    def __init__(self, kernel, storage, keeps):
        row = Row(kernel.operands, storage.working, keeps)
        operands = {name: Node("argument", (), "bool" if name in kernel.masks else "float", storage.working, name)
                    for name in kernel.operands}
        outputs = kernel.build(row, **operands)
        self.levels, fast = row.levels, storage.name != storage.working

        def ready(nodes):
            return everywhere(resolved(nodes, fast))
        def ready_to_gather(gathered):
            return [g._replace(factors=ready(g.factors)) for g in gathered]
        self.gathered, self.settling = ready_to_gather(row.gathered), []
        for settled in row.settling:
            first, following = ready((settled.first, settled.following))
            self.settling.append(settled._replace(first=first, following=following,
                                                  gathered=ready_to_gather(settled.gathered)))
        self.kept = dict(zip(row.saved, ready(tuple(row.saved.values())), strict=True))
        self.outputs = ready(tuple([outputs[name] for name in kernel.wanted]) if kernel.wanted else (outputs,))
        self.passes = max((g.level for g in (*self.gathered, *self.settling)), default=-1) + 1
        self.elements = {*kernel.inputs, *kernel.masks, *self.kept, "position"}
        self.along = tuple([bool(self.elements_below([node])[node]) for node in self.outputs])

    def elements_below(self, nodes):
        """The nodes that have a number of an element below them, or are one, each with the names of these."""
        below = {}
        for node in in_order(nodes):
            names = {node.value} & self.elements if node.op == "argument" else set()
            below[node] = names.union(*(below[a] for a in node.args))
        return below

    def of_rows(self, nodes):
        """The largest parts of some nodes that have no element below them, but for constants."""
        below, found, seen, stack = self.elements_below(nodes), [], set(), list(nodes)
        while stack:
            node = stack.pop()
            if node not in seen and node.op != "constant":
                seen.add(node)
                if below[node]:
                    stack += node.args
                else:
                    found.append(node)
        return found

    def at(self, level):
        """What a pass gathers, what settles after it, and the names of what it keeps."""
        return ([g for g in self.gathered if g.level == level], [s for s in self.settling if s.level == level],
                [name for name in self.kept if self.levels[name] == level])


class RowKernel:
    """A row function to compile.

    name : for symbols
    owner : whose function it is, for messages
    build : from a Row, and the operands' nodes by their names, to the output, or to some by their names
    inputs : names of the operands with a number for each element
    masks : names of those with a truth for each element
    once : names of those with a number for each row
    places : names of those with a place in each row, which are whole numbers
    wanted : names of the outputs, if it gives some
    """
    def __init__(self, name, owner, build, inputs, masks, once, places=(), wanted=()):
        self.name, self.owner, self.build, self.wanted = name, owner, build, wanted
        self.inputs, self.masks, self.once, self.places = inputs, masks, once, places
        self.operands = *inputs, *masks, *once, *places
        self.leading = int(inputs[0] == "gy")    # the place of the operand whose shape the others take
        self.symbol, self._programs = symbol(name), {}

    def item(self, name, storage):
        """The bytes of an operand's or an output's number."""
        return 1 if name in self.masks else 8 if name in self.places else storage.size

    def program(self, storage, keeps=True):
        """The function in the working dtype of a Storage."""
        if (storage, keeps) not in self._programs:
            self._programs[storage, keeps] = Program(self, storage, keeps)
        return self._programs[storage, keeps]
