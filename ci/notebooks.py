"""Run the notebooks and keep what they show, in little space: `python ci/notebooks.py [NAME ...]`."""
import base64
import io
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
COLOURS = 64                                     # of a kept picture, which makes it a third as large
NUMBER = re.compile(r"-?\d+\.\d*(?:e[-+]?\d+)?|-?\d+e[-+]?\d+")
TINY = 1e-6                                      # below which a number is rounding, and each machine's own
MEASURED = "measured"                            # tag of cells that show times, or what the machine has
LIVE = "application/vnd.jupyter.widget-view+json"             # shows nothing without its kernel


def executed(path):
    """The notebook after a run from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", timeout=600, coalesce_streams=True,
                   resources={"metadata": {"path": FOLDER}}).execute()
    return notebook


def cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kept(notebook):
    """The notebook without what differs from run to run, its pictures with few colours."""
    notebook.metadata.pop("widgets", None)
    for cell in cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(LIVE, None)
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
    return notebook


def smaller(encoded):
    file = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def shown(notebook):
    """By cell what every run on every machine shows: its source, kinds of outputs, and texts unless measured."""
    return [(cell.source, [what(output, MEASURED in cell.metadata.get("tags", ())) for output in cell.outputs])
            for cell in cells(notebook)]


def what(output, measured):
    data = output.get("data", {})
    kinds = sorted(data.keys() - {LIVE}) or [output.get("name", output.output_type)]
    text = output.get("text", "" if "image/png" in data else data.get("text/plain", ""))
    return kinds, "" if measured else NUMBER.sub(rounded, text)


def rounded(match):
    """To three digits."""
    number = float(match[0])
    return f"{number:.3g}" if abs(number) > TINY else "tiny"


if __name__ == "__main__":
    for path in NOTEBOOKS:
        if not sys.argv[1:] or path.stem in sys.argv[1:]:
            nbformat.write(kept(executed(path)), path)
            print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
