"""What help shows of an activation, in numpydoc's form: its own words, and what follows from the rest."""
import sys
import textwrap

from .tree.callables import is_ours
from .tree.node import in_order
from .tree.operations import OPERATIONS
from .tree.storage import STORAGE

SINGLE = STORAGE["float32"]
COMPILER = {"tree": "It is compiled as an expression tree.",
            "numba": "It is no expression tree: Numba compiles it whole, with the platform's mathematics."}


class Docstring:
    """The class's own docstring; that of an object is written when it is first asked for, and kept, as it takes 50 ms
    to count an activation's operations."""

    def __init__(self, own, write):
        self.own, self.write = own, write

    def __get__(self, found, owner=None):
        if found is None:
            return self.own
        made = vars(found)["__doc__"] = self.write(found)
        return made


def written(activation):
    """The docstring of an activation: its function's own, taken apart, and what holds for all of them."""
    summary, words, sources, examples = parts(activation._text)
    formula = activation.formula and f".. math:: {activation.formula}"
    sections = {"Parameters": parameters(activation), "Returns": RETURNS, "Raises": errors(activation),
                "See Also": relatives(activation), "Notes": notes(activation), "References": sources,
                "Examples": examples}
    return joined([summary or f"The activation {activation.name}, elementwise.", formula, *words], sections)


def arranged(text):
    """A docstring that has its sections, but for its source and its examples, which are made sections; none of none,
    as `python -OO` leaves it."""
    if text is None:
        return None
    summary, words, sources, examples = parts(text)
    return joined([summary, *words], {"References": sources, "Examples": examples})


def joined(words, sections):
    told = [*words, *(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items() if text)]
    return "\n\n".join(filter(None, told)) + "\n"


def parts(text):
    """A function's docstring as its summary, more words, its source as a reference, and its examples."""
    first, *rest = textwrap.dedent("    " + text).strip().split("\n\n")
    examples = [paragraph for paragraph in rest if paragraph.startswith(">>>")]
    sources = [paragraph for paragraph in rest if paragraph.startswith("Source: ")]
    words = [paragraph for paragraph in rest if paragraph not in (*examples, *sources)]
    references = [textwrap.indent(source.replace("Source: ", ".. [1] "), "   ").strip() for source in sources]
    return first, words, "\n".join(references), "\n\n".join(examples)


def parameters(activation):
    numbers = "".join(f"{name} : float or array_like, default {value:.6g}\n    Broadcasts with the rest.\n"
                      for name, value in activation.defaults.items())
    return (f"{', '.join(activation.operands)} : array_like\n    float16, bfloat16, float32 or float64, of any shape; "
            f"integers and bool compute in float64.\n{numbers}out, where, dtype, casting, order : optional\n"
            "    As for any ufunc.")


RETURNS = """array
    Of the operands' kind and common dtype, in the shape to which they broadcast."""


def errors(activation):
    zeros = "".join(f", the number 0 for {name} (zeros in an array are not looked for)" for name in activation._nonzero)
    return ("TypeError\n    An operand of another dtype, or one too many.\nValueError\n"
            f"    Shapes that do not broadcast, an `out` of another shape{zeros}.")


def relatives(activation):
    """The other functions of its family, which one file holds."""
    exact = activation._exact or activation
    family = vars(sys.modules[exact.__module__]) if is_ours(exact) else {}
    near = [name for name, other in family.items()
            if isinstance(other, type(exact)) and name == other.name and other.__module__ == exact.__module__]
    return textwrap.fill(", ".join(name for name in near if name != exact.name), 100)


def notes(activation):
    exact = activation._exact or activation
    known = is_ours(getattr(exact, "of", exact))             # of a gated unit what it is made of
    said = [bound(activation) if known else "", cost(activation)]
    if activation.expressions.from_result:
        said += ["Its slope follows from the result: `backward(gy, y=y)`."]
    if activation.aliases:
        said += [f"Also called {', '.join(activation.aliases)}."]
    return textwrap.fill(" ".join(filter(None, [*said, COMPILER[activation.compiler]])), 100)


def bound(activation):
    """The largest error in units in the last place."""
    one = len(activation.operands) == 1
    fast = 4 if one else 6
    if activation._exact:
        return f"Errors are at most {fast} ULP (units in the last place), of 16-bit numbers 0.501."
    return ("Errors of the value and of every derivative are at most "
            f"{1 if one else 2} ULP (units in the last place) in float32, 2 in float64, 0.501 in 16 bits; "
            f"`.fast` keeps to {fast}.")


def cost(activation):
    """How many operations a number takes, by counting."""
    if activation.compiler != "tree":
        return ""
    value, slope = (operations(activation.kernel(*kind)) for kind in (("value",), ("backward", *activation.operands)))
    return f"A usual float32 number takes {value} operation{'s' * (value != 1)}, {slope} in `backward`."


def operations(kernel):
    """How many operations a kernel does for numbers that are no rare ones."""
    usual = kernel.usual_trees(SINGLE)
    trees = kernel.trees(SINGLE) if usual is None else (usual[0], *usual[1])
    return sum(node.op in OPERATIONS for node in in_order(trees))
