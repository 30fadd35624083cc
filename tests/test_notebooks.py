"""The notebooks run from top to bottom, without warnings, and show what is kept in them."""
import runpy
from pathlib import Path

import nbformat
import pytest

RUN = runpy.run_path(str(Path(__file__).parent.parent / "ci" / "notebooks.py"))
NOTEBOOKS, cells, shown = RUN["NOTEBOOKS"], RUN["cells"], RUN["shown"]
LARGEST = 500_000                                # bytes
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_there_are_four():
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4"]


@every_notebook
def test_outputs_are_kept(path):
    """For readers who do not run them, in little space."""
    found = cells(read(path))
    assert [cell.execution_count for cell in found] == [*range(1, len(found) + 1)]
    assert sum("image/png" in output.get("data", {}) for cell in found for output in cell.outputs) >= 2
    assert path.stat().st_size < LARGEST


@every_notebook
def test_it_runs_and_shows_what_is_kept(path):
    notebook = RUN["executed"](path)
    assert "".join(output.text for cell in cells(notebook) for output in cell.outputs
                   if output.get("name") == "stderr") == ""
    assert shown(notebook) == shown(read(path)), "run: python ci/notebooks.py"


def test_what_differs_between_machines_is_not_compared():
    def notebook(text, tags):
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("f()", outputs=[output],
                                                                         metadata={"tags": tags})])
    assert shown(notebook("0.12345 1e-9", [])) == shown(notebook("0.12346 -3.2e-12", []))
    assert shown(notebook("0.123", [])) != shown(notebook("0.124", []))
    assert shown(notebook("12 functions", [])) != shown(notebook("13 functions", []))
    assert shown(notebook("a", ["measured"])) == shown(notebook("b", ["measured"]))
    assert shown(notebook("a", [])) != shown(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("f()")]))
