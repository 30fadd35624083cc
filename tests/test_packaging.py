"""What is built: a source archive, and from it a wheel, which runs from where it is unpacked."""
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "numba_act").rglob("*")
           if path.is_file() and path.suffix != ".pyc"}
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, f'build_{sys.argv[1]}')(sys.argv[2])"


def built(kind, source, into):
    """The one file that setuptools makes of a tree, without a network."""
    into.mkdir()
    ran = subprocess.run([sys.executable, "-c", BUILD, kind, into], cwd=source, capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    (made,) = into.iterdir()
    return made


def test_archives(tmp_path):
    """All in one, for what is built is what the next step reads."""
    pytest.importorskip("setuptools", "77")
    tree = tmp_path / "tree"
    for name in ("numba_act", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tree)

    sdist = built("sdist", tree, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert {name for name in SOURCES if not (source / name).is_file()} == set()

    wheel = built("wheel", source, tmp_path / "wheel")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {name for name in names if ".dist-info/" not in name} == SOURCES
    assert {"numba_act/LICENSE", "numba_act/py.typed", "numba_act/__init__.pyi", "numba_act/fast/nn.pyi"} <= SOURCES
    (about,) = (tmp_path / "installed").glob("*.dist-info")
    assert "numba-act = numba_act.__main__:main" in (about / "entry_points.txt").read_text()
    metadata = message_from_string((about / "METADATA").read_text(encoding="utf-8"))
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert set(metadata.get_all("Provides-Extra")) == PROJECT["optional-dependencies"].keys()
    for package in ("mpmath", "ml_dtypes"):                      # by default `numba-act accuracy` takes both
        assert f'{package}; extra == "accuracy"' in metadata.get_all("Requires-Dist")

    code = "import numba_act as act; print(act.__file__, act.relu(-1.0), act.fast.gelu.__doc__ != '')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")})
    assert ran.stdout.split() == [str(tmp_path / "installed" / "numba_act" / "__init__.py"), "0.0", "True"], ran.stderr

    editable = built("editable", source, tmp_path / "editable")
    with zipfile.ZipFile(editable) as archive:                   # mypy and pyright follow a path, and no import hook
        (path,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".pth")]
    assert path.strip() == str(source)
