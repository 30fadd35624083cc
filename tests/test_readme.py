"""The README: its examples run, its generated parts are fresh, its commands can be read by .ci/run."""
import doctest
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numba_act as act
from numba_act import math as mathematics
from numba_act import nn
from numba_act.backends.dtypes import STORED
from numba_act.tools.peers import ELSEWHERE, called

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^<!-- (demo|test) -->\n```sh\n(.+)\n```$", re.MULTILINE)


def test_examples_run():
    """In one session, top to bottom."""
    text = "\n".join(block for block in BLOCKS if block.startswith(">>>"))
    examples = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    assert len(examples.examples) > 10
    failures = []
    with np.printoptions():                      # the README sets them
        doctest.DocTestRunner().run(examples, out=failures.append)
    assert not failures, "".join(failures)


def test_the_activation_to_add_stands_in_the_source():
    (block,) = [block for block in BLOCKS if block.startswith("@declared")]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "numba_act" / "functions").glob("*.py")]
    assert any(block in source for source in sources)


def test_generated_parts_are_fresh():
    generator = runpy.run_path(str(ROOT / "ci" / "readme.py"))
    assert generator["renewed"](README) == README, "run: python ci/readme.py"
    for name in act.activations:
        assert f"| `{name}(" in README


def test_every_activation_has_figures():
    found = json.loads((ROOT / "ci" / "accuracy.json").read_text(encoding="utf-8"))["results"]
    measured = {(cell["activation"], cell["output"], cell["dtype"]) for cell in found}
    assert measured == {(a.name, "value" if wrt is None else f"d/d{wrt}", dtype) for a in act.activations.values()
                        for wrt in (None, *a.operands, *a.params) for dtype in STORED}


def test_the_picture_is_fresh():
    generator = runpy.run_path(str(ROOT / "ci" / "readme.py"))
    with Image.open(generator["PICTURE"]) as picture:
        assert picture.text["Description"] == generator["fingerprint"](), "run: python ci/readme.py"


def test_every_function_of_mathematics_has_figures():
    """In both tiers; those of one argument at every float32 number."""
    for file, tier in ("mathematics", ""), ("mathematics_fast", ".fast"):
        found = json.loads((ROOT / "ci" / f"{file}.json").read_text(encoding="utf-8"))["results"]
        measured = {(cell["activation"], cell["output"], cell["dtype"]): cell["inputs"] for cell in found}
        functions = [(name, getattr(mathematics, name).operands) for name in mathematics.__all__]
        assert set(measured) == {(name + tier, output, dtype) for name, operands in functions for dtype in STORED
                                 for output in ("value", *(f"d/d{x}" for x in operands))}
        assert all(measured[name + tier, output, "float32"] == 2**32
                   for name, operands in functions if len(operands) == 1 for output in ("value", "d/dx"))


@pytest.mark.parametrize("library, package", [("PyTorch", "torch"), ("JAX", "jax")])
def test_what_is_said_of_other_libraries(library, package):
    """The names exist there."""
    module = pytest.importorskip(package)
    places = (module, module.nn, getattr(module.nn, "functional", None) or module.numpy)
    for name in act.activations:
        call = called(name, library)
        assert call is None or any(hasattr(place, call.name) for place in places), (name, call)


def test_the_guide_runs():
    """What it says of this library; of the others, next."""
    guide = README.partition("### Guide\n")[2].partition("<!-- generated")[0]
    rows = re.findall(r"^\| (?:\w+ )?\| (.+) \| (.+) \|$", guide, re.MULTILINE)
    assert len(rows) > 15
    x = np.linspace(-2, 2, 12, dtype="f4").reshape(4, 3)
    space = {"act": act, "nn": nn, "x": x, "gy": x + 1, "alpha": 0.5, "target": [0, 2, 1, 0],
             "function": act.elu.expressions.value.function}
    for _, here in rows[1:]:
        for code in re.findall(r"`((?:act|nn)\..+?)`", here):
            eval(code, space)


@pytest.mark.parametrize("library", ["torch", "jax", "keras"])
def test_defaults_that_differ(library):
    """The calls there give what ours give beside them."""
    module = pytest.importorskip(library)
    x = np.linspace(-4, 4, 16, dtype="f4")
    x_there = module.tensor(x) if library == "torch" else module.numpy.asarray(x) if library == "jax" else x
    rows = [row for row in ELSEWHERE if row[0].lower().replace("py", "") == library]
    assert len(rows) > 1
    for _, there, here, _ in rows:
        found = eval(f"module.{there}", {"module": module, "x": x_there})
        found = found.detach() if hasattr(found, "detach") else found
        np.testing.assert_allclose(eval(here, {**vars(act), "x": x}), found, rtol=1e-5, atol=1e-6, err_msg=there)


@pytest.mark.parametrize("name", ["demo", "test"])
def test_commands(name):
    """Two, each one line that sets up its own environment."""
    commands = dict(COMMAND.findall(README))
    assert len(commands) == README.count("```sh") == 2
    assert commands[name].startswith("python3 -m venv .venv && .venv/bin/python -m pip install")
    assert f'-e ".[{name}]"' in commands[name]
