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
from numba_act.backends.dtypes import STORED
from numba_act.tools.peers import called

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


@pytest.mark.parametrize("library, package", [("PyTorch", "torch"), ("JAX", "jax")])
def test_what_is_said_of_other_libraries(library, package):
    """The names exist there."""
    module = pytest.importorskip(package)
    places = (module, module.nn, getattr(module.nn, "functional", None) or module.numpy)
    for name in act.activations:
        call = called(name, library)
        assert call is None or any(hasattr(place, call.name) for place in places), (name, call)


@pytest.mark.parametrize("name", ["demo", "test"])
def test_commands(name):
    """Two, each one line that sets up its own environment."""
    commands = dict(COMMAND.findall(README))
    assert len(commands) == README.count("```sh") == 2
    assert commands[name].startswith("python3 -m venv .venv && .venv/bin/python -m pip install")
    assert f'-e ".[{name}]"' in commands[name]
