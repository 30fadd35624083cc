"""Write the parts of README.md that follow from the code, and its picture: `python ci/readme.py`."""
import hashlib
import json
from pathlib import Path

from numba_act import activations, gallery
from numba_act.backends.dtypes import STORED
from numba_act.tools.bench.cells import EQUAL, summary
from numba_act.tools.bench.timing import KINDS
from numba_act.tools.peers import ELSEWHERE, LIBRARIES, called

WIDE = "float32", "float64"
ROOT = Path(__file__).parent.parent
README, PICTURE = ROOT / "README.md", ROOT / "notebooks" / "activations.png"
ERRORS, TIMES, GPU = (ROOT / "ci" / f"{name}.json" for name in ("accuracy", "bench", "gpu"))


def head(*columns):
    """The first two lines of a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def table():
    """The activations in Markdown."""
    lines = head("name", "aliases", "formula", "parameters")
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
    lines = head("numba_act", *LIBRARIES)
    for name in activations:
        cells = [f"`{call}`" if (call := called(name, library)) else "" for library in LIBRARIES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences():
    """Calls elsewhere whose defaults are not ours, in Markdown."""
    return "\n".join([*head("library", "there", "here", "difference"),
                      *(f"| {library} | `{there}` | `act.{here.replace('split', 'act.split')}` | {why} |"
                        for library, there, here, why in ELSEWHERE)])


def fingerprint():
    """Of what the picture shows, kept inside it, so that a stale one is seen."""
    return hashlib.sha256(table().encode()).hexdigest()


def draw():
    gallery().savefig(PICTURE, dpi=100, metadata={"Description": fingerprint()}, pil_kwargs={"optimize": True})


def measured(path):
    """What a table of errors starts with, and the largest errors by function, dtype and whether of the value, which
    `numba-act accuracy --json -o PATH` found."""
    found, worst = json.loads(path.read_text(encoding="utf-8")), {}
    for cell in found["results"]:
        key = cell["activation"], cell["dtype"], cell["output"] == "value"
        worst[key] = max(worst.get(key, 0), cell["error"])
    return f"Of {found['versions']}, on {found['cpu']}: value / derivatives.", worst


def errors(worst, name, dtypes):
    """Cells of a function's errors."""
    return [" / ".join(f"{worst[name, dtype, value]:.3f}" for value in (True, False)) for dtype in dtypes]


def exactness():
    """The largest errors of activations, in Markdown."""
    start, worst = measured(ERRORS)
    lines = [start, "", *head("name", *STORED)]
    names = dict.fromkeys(name for name, _, _ in worst)
    return "\n".join([*lines, *(f"| `{name}` | {' | '.join(errors(worst, name, STORED))} |" for name in names)])


def mathematics():
    """The largest errors of numba_act.math in both tiers, whose 16-bit results are the same, in Markdown."""
    start, exact = measured(ROOT / "ci" / "mathematics.json")
    _, fast = measured(ROOT / "ci" / "mathematics_fast.json")
    columns = *STORED, *(f"fast {dtype}" for dtype in WIDE)
    lines = [start, "", *head("name", *columns)]
    for name in dict.fromkeys(name for name, _, _ in exact):
        lines.append(f"| `{name}` | {' | '.join(errors(exact, name, STORED) + errors(fast, name + '.fast', WIDE))} |")
    return "\n".join(lines)


def speed():
    """What `numba-act bench --json -o ci/bench.json` found, in Markdown: our fast tier on all processors over the
    fastest other by function and size, then the summary of all cells."""
    if not TIMES.exists():                       # not measured yet
        return ""
    found = json.loads(TIMES.read_text(encoding="utf-8"))
    cells, most = found["results"], max(cell["threads"] for cell in found["results"])
    shown = {(cell["name"], cell["dtype"], cell["size"], cell["kind"]): cell["ratios"].get("fast")
             for cell in cells if cell["threads"] == most and cell["data"] == "normal"}
    sizes = sorted({size for _, _, size, _ in shown})
    lines = [f"Of {found['versions']}, on {found['cpu']}, {most} threads: forward / backward.", "",
             *head("name", "dtype", *(f"{size:,}" for size in sizes))]
    for name, dtype in dict.fromkeys(key[:2] for key in shown):
        ratios = [" / ".join(bold(shown[name, dtype, size, kind]) for kind in KINDS) for size in sizes]
        lines.append(f"| `{name}` | {dtype} | {' | '.join(ratios)} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in summary(cells))])


def gpu():
    """What `ci/gpu -o ci/gpu.md` found, in Markdown: shares of a copy by function and dtype at the largest size, and in
    brackets those of the fastest other."""
    if not GPU.exists():                         # not measured yet
        return ""
    found = json.loads(GPU.read_text(encoding="utf-8"))
    size = max(cell["size"] for cell in found["results"])
    shares = {(cell["name"], cell["dtype"], cell["kind"]): cell["shares"] for cell in found["results"]
              if cell["size"] == size}
    dtypes = list(dict.fromkeys(dtype for _, dtype, _ in shares))
    lines = [f"Of {found['machine']['gpu']}, {size:,} elements: forward / backward.", "", *head("name", *dtypes)]
    for name in dict.fromkeys(name for name, _, _ in shares):
        each = [" / ".join(beside(shares.get((name, dtype, kind))) for kind in KINDS) for dtype in dtypes]
        lines.append(f"| `{name}` | {' | '.join(each)} |")
    calls = ", ".join(f"{what} {microseconds:.1f}" for what, microseconds in found["calls"].items())
    return "\n".join([*lines, "", f"Microseconds until a call on one element returns: {calls}."])


def beside(shares):
    """Our share, and in brackets the best other."""
    if shares is None:
        return "-"
    others = [share for library, share in shares.items() if library != "numba_act"]
    return f"{shares['numba_act']:.2f}{f' ({max(others):.2f})' if others else ''}"


def bold(ratio):
    """A loss stands out."""
    if ratio is None:
        return "-"
    return f"**{ratio:.2f}**" if ratio > EQUAL else f"{ratio:.2f}"


PARTS = {"activations": table, "differences": differences, "comparison": comparison,
         "exactness": exactness, "mathematics": mathematics, "speed": speed, "gpu": gpu}


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
