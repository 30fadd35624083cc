"""Write the parts of README.md that follow from the code, and its picture: `python ci/readme.py`."""
import hashlib
import json
from pathlib import Path

from numba_act import activations, gallery

ROOT = Path(__file__).parent.parent
README, PICTURE = ROOT / "README.md", ROOT / "notebooks" / "activations.png"
ERRORS = ROOT / "ci" / "accuracy.json"
LIBRARIES = "PyTorch", "JAX", "Keras", "MXNet"
# what the others call it, and their defaults where those differ; one name stands for all four
ELSEWHERE = {
    "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "selu": "selu",
    "softsign": ("softsign", "soft_sign", "softsign", "softsign"),
    "softplus": ("softplus", "softplus", "softplus", "softrelu"),
    "leaky_relu": ("leaky_relu", "leaky_relu", "leaky_relu (0.2)", "LeakyReLU (none)"),
    "prelu": ("prelu", "", "PReLU (0)", "PReLU"),
    "elu": ("elu", "elu", "elu", "ELU"),
    "swish": ("", "", "", "Swish"),
    "silu": ("silu", "silu", "silu", "SiLU"),
    "gelu": ("gelu", "gelu(approximate=False)", "gelu", "GELU"),
    "gelu_tanh": ("gelu(approximate='tanh')", "gelu", "gelu(approximate=True)", "GELU(approximation='tanh')"),
    "mish": "mish",
    "celu": ("celu", "celu", "celu", ""),
    "relu6": ("relu6", "relu6", "relu6", ""),
    "threshold": ("threshold", "", "threshold", ""),
    "hard_sigmoid": ("hardsigmoid", "hard_sigmoid", "hard_sigmoid", "hard_sigmoid (0.2)"),
    "hard_swish": ("hardswish", "hard_swish", "hard_silu", ""),
    "hard_tanh": ("hardtanh", "hard_tanh", "hard_tanh", ""),
    "log_sigmoid": ("logsigmoid", "log_sigmoid", "log_sigmoid", "log_sigmoid"),
    "tanhshrink": ("tanhshrink", "", "tanh_shrink", ""),
    "softshrink": ("softshrink", "", "soft_shrink", ""),
    "hard_shrink": ("hardshrink", "", "hard_shrink", ""),
    "squareplus": ("", "squareplus", "squareplus", ""),
    "sparse_plus": ("", "sparse_plus", "sparse_plus", ""),
    "sparse_sigmoid": ("", "sparse_sigmoid", "sparse_sigmoid", ""),
    "exponential": ("exp", "exp", "exponential", "exp"),
    "identity": ("Identity", "identity", "linear", "identity"),
    "rrelu": ("rrelu", "", "", "rrelu"),
    "glu": ("glu", "glu", "glu", ""),
}


def table():
    """The activations in Markdown."""
    lines = ["| name | aliases | formula | parameters |", "|---|---|---|---|"]
    for a in activations.values():
        call = ", ".join([*a.operands, *a.params])
        aliases = ", ".join(f"`{alias}`" for alias in a.aliases)
        parameters = ", ".join(f"`{name}={value:.4g}`" for name, value in a.defaults.items())
        lines.append(f"| `{a.name}({call})` | {aliases} | {math(a.formula)} | {parameters} |")
    return "\n".join(lines)


def math(formula):
    """LaTeX for a table cell, where a bar ends the cell and, without the backticks, a backslash escapes."""
    return "$`" + formula.replace("|", r"\vert ") + "`$" if formula else ""


def comparison():
    """Who has which activation, in Markdown."""
    lines = [f"| numba_act | {' | '.join(LIBRARIES)} |", "|---|" + "---|" * len(LIBRARIES)]
    for name in activations:
        found = ELSEWHERE.get(name, "")
        cells = (found,) * len(LIBRARIES) if isinstance(found, str) else found
        lines.append(f"| {name} | {' | '.join(map(code, cells))} |")
    return "\n".join(lines)


def code(cell):
    """A name in code style, what stands in brackets after it outside."""
    name, bracket, rest = cell.partition(" (")
    return f"`{name}`{bracket}{rest}" if name else ""


def fingerprint():
    """Of what the picture shows, kept inside it, so that a stale one is seen."""
    return hashlib.sha256(table().encode()).hexdigest()


def draw():
    gallery().savefig(PICTURE, dpi=100, metadata={"Description": fingerprint()}, pil_kwargs={"optimize": True})


def exactness():
    """The largest errors that `numba-act accuracy --json -o ci/accuracy.json` found, in Markdown."""
    found = json.loads(ERRORS.read_text(encoding="utf-8"))
    worst = {}
    for cell in found["results"]:
        key = cell["activation"], cell["dtype"], cell["output"] == "value"
        worst[key] = max(worst.get(key, 0), cell["error"])
    dtypes = list(dict.fromkeys(dtype for _, dtype, _ in worst))
    lines = [f"Of {found['versions']}, on {found['cpu']}: value / derivatives.", "",
             f"| name | {' | '.join(dtypes)} |", "|---|" + "---|" * len(dtypes)]
    for name in dict.fromkeys(name for name, _, _ in worst):
        errors = [" / ".join(f"{worst[name, dtype, value]:.3f}" for value in (True, False)) for dtype in dtypes]
        lines.append(f"| `{name}` | {' | '.join(errors)} |")
    return "\n".join(lines)


PARTS = {"activations": table, "comparison": comparison, "exactness": exactness}


def renewed(text):
    """The README with its generated parts written anew."""
    for name, make in PARTS.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, rest = text.split(start)
        _, after = rest.split(end)
        text = f"{before}{start}\n\n{make()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    draw()
