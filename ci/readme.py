"""Write the parts of README.md that follow from the code: `python ci/readme.py`."""
from pathlib import Path

from numba_act import activations

README = Path(__file__).parent.parent / "README.md"


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


PARTS = {"activations": table}


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
