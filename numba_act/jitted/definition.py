"""A scalar function that Numba compiles whole, with its derivatives."""
from ..backends import cpu_code
from ..expressions import Expressions
from ..tree.callables import plain
from ..tree.storage import STORAGE
from ..tree.wrappers import of_whole_numbers
from .captured import capture, facts
from .code import Call, Calls, RefusedError

MOST_SAID = 250                                  # letters of what the reader of trees says


class Jitted(Expressions):
    """As Expressions, of a function that is no tree: what Numba compiles instead.

    value, derivative, from_result : what is captured of the functions; None where it is not declared
    """

    compiler = "numba"
    formula = None

    def __init__(self, function, no_tree):
        super().__init__(function)
        other = f"; as a tree: {str(no_tree).removeprefix(f'{self.name}: '):.{MOST_SAID}}"
        try:
            self._compile("value", (), other)
        except TypeError:
            whole = [name for name, value in self.defaults.items() if isinstance(value, int)]
            if not whole:
                raise
            self.value, self._kernels = capture(of_whole_numbers(plain(function), whole)), {}
            self._compile("value", (), other)

    def declare_derivative(self, function):
        super().declare_derivative(function)
        self._compile("grad", self.inputs[:1])

    def declare_reference(self, function):
        self.reference = super()._program(function, self.inputs, 1 + len(self.inputs), traced=False)

    def declare_from_result(self, function):
        super().declare_from_result(function)
        self._compile("from_result", self.inputs[:1])

    def _program(self, function, inputs, count):
        return capture(self._checked(function, inputs))

    def _compile(self, kind, wrt, other=""):
        """Compile a kernel now, so that what Numba does not take is said where it was written."""
        try:
            cpu_code.record_of(self.kernel(kind, wrt), STORAGE["float64"])
        except RefusedError as error:
            raise TypeError(f"{self.name}: for Numba: {error.reason()}{other}") from None

    def facts(self):
        """All that code follows from which calls the function."""
        return facts((self.name, self.inputs, self.defaults, self.value, self.derivative, self.from_result))

    def expression(self, wrt, dtype):
        return self.kernel("value").trees(STORAGE[dtype])         # which says that there are none

    def _made_of(self, kind, wrt):
        if kind == "from_result":
            inputs = (self.result, *self.defaults)
            return {"build": None, "calls": Calls([Call(self.from_result, inputs, tuple(self.defaults))])}
        calls = {"value": [()], "grad": [wrt], "value_and_grad": [(), wrt], "backward": [(name,) for name in wrt]}[kind]
        return {"build": None, "calls": Calls([self._call(names) for names in calls])}

    def _call(self, wrt):
        """The value, or a derivative of it."""
        if wrt and self.derivative:
            return Call(self.derivative, self.inputs, tuple(self.defaults), wrt[1:], self.inputs.index(wrt[0]))
        return Call(self.value, self.inputs, tuple(self.defaults), wrt)
