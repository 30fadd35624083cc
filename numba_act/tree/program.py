"""The trees of a scalar function, by working dtype: read from its source once, and pickled without it."""
from .errors import UnsupportedError
from .node import Node, argument, constant, in_order
from .storage import WORKING


class Program:
    """What a scalar function returns for arguments of these names, as tuples of nodes.

    places : the lines on which calls stand, by node
    """

    def __init__(self, function, inputs, count, vocabulary, traced=False):
        self._read_from = function, inputs, count, vocabulary, traced
        self._trees, self.places = {}, {}

    def __call__(self, dtype):
        if dtype not in self._trees:
            from .parse import parse  # with ast and inspect 10 ms, which an import need not take
            from .values import number
            function, inputs, count, vocabulary, traced = self._read_from
            result, places = parse(function, [argument(name, dtype) for name in inputs], vocabulary, traced)
            result = number(result if isinstance(result, tuple) else (result,))
            if len(result) != count:
                raise UnsupportedError(f"{function.__name__} of {', '.join(inputs)}: {count} "
                                       f"number{'s' * (count > 1)} must be returned, not {len(result)}")
            self.places.update(places)
            self._trees[dtype] = tuple(r if isinstance(r, Node) else constant(r, "float", dtype) for r in result)
        return self._trees[dtype]

    @property
    def function(self):
        """The scalar function, where it was made from one in this process."""
        return self._read_from[0]

    def facts(self):
        """All that the trees say."""
        nodes, trees, _ = self.__getstate__()
        return [(*rest, value.facts() if hasattr(value, "facts") else repr(value)) for *rest, value in nodes], trees

    def read(self):
        """Read the source now: later changes of it, or of what it captures, do not matter then."""
        for dtype in WORKING:
            self(dtype)
        return self

    def __getstate__(self):
        self.read()
        nodes = in_order([node for trees in self._trees.values() for node in trees])
        number = {node: k for k, node in enumerate(nodes)}
        flat = [(n.op, tuple(number[a] for a in n.args), n.kind, n.dtype, n.value) for n in nodes]
        trees = {dtype: [number[node] for node in trees] for dtype, trees in self._trees.items()}
        return flat, trees, {number[node]: place for node, place in self.places.items() if node in number}

    def __setstate__(self, state):
        flat, trees, places = state
        nodes = []
        for op, args, kind, dtype, value in flat:
            nodes.append(Node(op, tuple(nodes[k] for k in args), kind, dtype, value))
        self._trees = {dtype: tuple(nodes[k] for k in trees) for dtype, trees in trees.items()}
        self.places = {nodes[k]: place for k, place in places.items()}
