"""How a function is refused that is no tree."""


class UnsupportedError(TypeError):
    """A scalar function uses something that has no place in a tree."""


class NoTreeError(UnsupportedError):
    """A scalar function is no tree, but perhaps something that Numba compiles: a loop that depends on data, a table
    that data index, a call of what is not known here, or simply too much."""
