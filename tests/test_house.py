"""The architecture: imports point down, by the floors of the design."""
import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import numba_act

HOME = Path(numba_act.__file__).parent
INSIDE = (HOME.parent / "README.md").read_text(encoding="utf-8").partition("## Inside\n")[2].partition("\n## ")[0]
FLOORS = {part: int(floor) for floor, parts in re.findall(r"^\| (\d) \| (.*) \|$", INSIDE, re.MULTILINE)
          for part in re.findall(r"`(\w+)`", parts)}
RISING = {("declare", "plotting")}               # in a method: an activation draws itself
FILES = sorted(HOME.rglob("*.py"))


def part_of(path):
    """The folder or module at the top of the package that a file belongs to."""
    first = path.relative_to(HOME).parts[0]
    return first.removesuffix(".py")


def targets(node, path):
    """The parts of numba_act that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name.split(".") for alias in node.names]
    elif node.level:
        base = ["numba_act", *path.relative_to(HOME).parts[:-1]]
        base = base[:len(base) - node.level + 1] + (node.module or "").split(".") * bool(node.module)
        names = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
    else:
        names = [node.module.split(".")]
    return [name[1] if len(name) > 1 else "__init__" for name in names if name[0] == "numba_act"]


def imports(path):
    """(part, line, where) of every import of a part of numba_act; where is module, function or method."""
    found = []

    def visit(node, where):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.extend((part, node.lineno, where) for part in targets(node, path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            where = "method" if where == "class" else "function" if where != "method" else where
        elif isinstance(node, ast.ClassDef):
            where = "class"
        for child in ast.iter_child_nodes(node):
            visit(child, where)

    visit(ast.parse(path.read_text()), "module")
    return found


def test_every_part_has_a_floor():
    assert {part_of(path) for path in FILES} == set(FLOORS)


def test_the_map_names_what_there_is():
    named = [name for name in re.findall(r"`([\w/]+(?:/|\.py))`", INSIDE) if not name.startswith("tests/")]
    assert len(named) > 10
    assert all((HOME / name).exists() for name in named), named


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOME)))
def test_imports_point_down(path):
    here = FLOORS[part_of(path)]
    for part, line, where in imports(path):
        allowed = where == "method" and (part_of(path), part) in RISING
        assert FLOORS.get(part, 5) <= here or allowed, f"{path}:{line} imports {part}, which is above"


def test_parts_of_one_floor_do_not_import_each_other_in_a_circle():
    graph = {}
    for path in FILES:
        below = {part for part, _, where in imports(path) if where == "module" and part in FLOORS}
        graph.setdefault(part_of(path), set()).update(below - {part_of(path)})
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("tree") < order.index("scalar") < order.index("functions")
    assert order.index("runtime") < order.index("backends") < order.index("declare") < order.index("functions")


def test_backends_know_no_activation():
    """By what they import, or look up: step and shrink are ordinary words beside."""
    names = {"get", "activations", *numba_act.declare.names()}
    for folder in ("backends", "runtime", "tree"):
        for path in (HOME / folder).rglob("*.py"):
            imported = {alias.name.rpartition(".")[2] for node in ast.walk(ast.parse(path.read_text()))
                        if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
            assert not imported & names, path


def test_families_share_references_alone():
    for path in (HOME / "functions").glob("[!_]*.py"):
        near = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
                and node.level == 1]
        assert all(node.module is None and [a.name for a in node.names] == ["reference"] for node in near), path


def test_ruff_finds_nothing():
    ran = subprocess.run([sys.executable, "-m", "ruff", "check", HOME.parent], capture_output=True, text=True)
    assert not ran.returncode, ran.stdout + ran.stderr


def test_a_rising_import_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "HOME", tmp_path)
    (tmp_path / "runtime").mkdir()
    file = tmp_path / "runtime" / "x.py"
    file.write_text("from ..declare import get\nfrom .. import plotting\nimport numba_act.nn\n"
                    "class A:\n    def plot(self):\n        from ..plotting import draw\n"
                    "def f():\n    from . import objects\n    from ..backends import cpu\n")
    assert imports(file) == [("declare", 1, "module"), ("plotting", 2, "module"), ("nn", 3, "module"),
                             ("plotting", 6, "method"), ("runtime", 8, "function"), ("backends", 9, "function")]


def test_helpers_that_run_on_nodes_ask_for_nan_by_name():
    """`x == x` is True there, for equal nodes are one object."""
    for path in (HOME / "scalar").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                names = [not isinstance(side, ast.Constant | ast.UnaryOp | ast.Call)
                         for side in (node.left, *node.comparators)]
                assert sum(names) < 2, f"{path}:{node.lineno} compares two names"


def test_families_do_not_import_each_other():
    for path in (HOME / "functions").glob("[!_]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                assert node.module is None and [alias.name for alias in node.names] == ["reference"], path
