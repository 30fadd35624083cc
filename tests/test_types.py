"""What a type checker sees: stubs that are fresh, every name in them, and misspellings found."""
import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from tools import every_name

import numba_act as act
from numba_act import declare, math, nn

ROOT = Path(__file__).parent.parent
HOME = ROOT / "numba_act"

USED = '''
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import numba_act as act
import numba_act.fast.nn
from numba_act import fast, nn
from numba_act import jax as nj
from numba_act import math as nm
from numba_act import torch as nt

single, double, whole, mask = np.ones(3, np.float32), np.ones(3), np.arange(3), np.ones(3, np.bool)
singles = tuple[NDArray[np.float32], NDArray[np.float32]]
assert_type(act.gelu(single), NDArray[np.float32])
assert_type(act.gelu(double), NDArray[np.float64])
assert_type(act.gelu(whole), NDArray[np.float64])
assert_type(act.gelu(mask), NDArray[np.float64])
assert_type(act.gelu([1, 2]), NDArray[np.float64])
assert_type(act.gelu(2), np.float64)
assert_type(act.gelu(np.float32(2)), np.float32)
assert_type(act.gelu(double, out=single, casting="same_kind"), np.ndarray[tuple[int], np.dtype[np.float32]])
assert_type(act.gelu(single, dtype=np.float64), NDArray[Any])
assert_type(act.leaky_relu(single, 0.05, where=mask), NDArray[np.float32])
assert_type(act.leaky_relu(single, alpha=0.05, order="C"), NDArray[np.float32])
assert_type(act.swiglu.fast(single, single), NDArray[np.float32])
assert_type(act.swish.grad(single, 1.5, wrt="beta", n=2), NDArray[np.float32])
assert_type(act.swish.value_and_grad(single, 1.5), singles)
assert_type(act.gelu.backward(single, single), NDArray[np.float32])
assert_type(act.sigmoid.backward(single, y=single), NDArray[np.float32])
assert_type(act.swiglu.backward(single, single, single), singles)
assert_type(act.prelu.backward(single, single, 0.25, wrt=("x", "alpha")), tuple[Any, ...])
assert_type(fast.get("gelu").ufunc, np.ufunc)
assert_type(act.fast.mish(double), NDArray[np.float64])
assert_type(nm.sin(double), NDArray[np.float64])
assert_type(act.math.hypot(single, single), NDArray[np.float32])
assert_type(act.split_gate(double, gate="first"), tuple[np.ndarray[tuple[int], np.dtype[np.float64]],
                                                        np.ndarray[tuple[int], np.dtype[np.float64]]])
assert_type(act.softmax(single, axis=0, where=mask), NDArray[np.float32])
assert_type(act.log_softmax(whole, temperature=2.0), NDArray[np.float64])
assert_type(act.softmax.backward(single, y=single), NDArray[np.float32])
assert_type(act.softmax.backward(single, single, sink=1.0, wrt=("x", "sink")), tuple[Any, ...])
total = act.logsumexp(single, keepdims=True), act.gumbel_softmax(single, 0.5, hard=True, rng=1)
loss, slopes = act.softmax_cross_entropy.value_and_grad(np.ones((2, 3)), [0, 1], reduction="sum")
y, slope = act.rrelu.sample(double, 0.1, 0.3, rng=1)

block = nn.PReLU(num_parameters=3, init=np.zeros(3))
gx: NDArray[np.float64] = block.train().backward(block(double))
block.load_state_dict(block.eval().state_dict())
assert_type(nt.get("gelu").fast, nt.Function)
assert_type(nj.swish, nj.Function)
tensor = nt.Activation("swish", learn="beta", num_parameters=3)(nt.leaky_relu(block, alpha=0.1))
tier: nn.Activation = act.fast.nn.Activation(act.get("swish"), beta=2.0, keep="x")


@act.activation(aliases="hill")
def bump(x: float, width: float = 1.0) -> float:
    return x / width


@bump.derivative
def _(x: float, width: float) -> tuple[float, float]:
    return 1 / width, -x / (width * width)


assert_type(act.activation(lambda x: x), act.Activation)
assert_type(bump.fast, act.Activation)
assert_type(bump(single), NDArray[np.float32])
both = bump.backward(single, single, wrt=("x", "width"))
defaults: dict[str, float] = {name: value for a in act.activations.values() for name, value in a.defaults.items()}
act.visualize_activation([bump, "gelu"], lo=-4, hi=4)
'''
MISTAKEN = {                                     # a line, and what is said of it
    "act.gleu(double)": 'Module has no attribute "gleu"',
    "act.gelu.bakcward(double, double)": '"bakcward"',
    'act.gelu("x")': "incompatible type",
    "gx, gy, gz = act.swiglu.backward(double, double, double)": "Need more than 2 values",
    "from numba_act.fast import swihs": '"swish"',
    'act.split_gate(double, axis="last")': "incompatible type",
    "act.softmax(double, axis=None)": "No overload variant",
    'nn.LeakyReLU(0.1, keep="z")': "incompatible type",
    "nn.PReLU(number=3)": 'Unexpected keyword argument "number"',
    "act.math.sine(double)": '"sin"',
    "nt.swihs(double)": '"swish"',
}
BEGINNING = USED.partition("singles =")[0]


def each(name):
    """Every way to call an activation."""
    a = act.activations[name]
    xs, last = ", ".join(["single"] * len(a.operands)), (*a.operands, *a.params)[-1]
    return [f"assert_type(act.{name}({xs}), NDArray[np.float32])",
            f"assert_type(act.{name}.value_and_grad({xs}), singles)",
            f"assert_type(fast.{name}.grad({xs}, wrt={last!r}), NDArray[np.float32])",
            *(f"assert_type(act.{name}({xs}, {p}={value!r}), NDArray[np.float32])" for p, value in a.defaults.items()),
            *(f"assert_type(act.{alias}.name, str)" for alias in a.aliases)]


def test_mypy_passes_what_is_right_and_finds_what_is_not(tmp_path):
    """In one run, which takes seconds."""
    pytest.importorskip("mypy")
    everything = [USED, *(line for name in act.activations for line in each(name))]
    (tmp_path / "used.py").write_text("\n".join(everything) + "\n")
    (tmp_path / "mistaken.py").write_text(BEGINNING + "\n".join(MISTAKEN))
    ran = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--cache-dir", tmp_path / "cache",
                          "used.py", "mistaken.py", *HOME.rglob("*.pyi")],
                         capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)})
    assert not ran.stderr
    errors = [line for line in ran.stdout.splitlines() if " error: " in line]
    assert not [line for line in errors if not line.startswith("mistaken.py:")]
    first = len(BEGINNING.splitlines()) + 1
    for number, (line, words) in enumerate(MISTAKEN.items(), first):
        said = [error for error in errors if error.startswith(f"mistaken.py:{number}: ")]
        assert any(words in error for error in said), (line, said)


def test_stubs_are_fresh():
    for name, make in runpy.run_path(str(ROOT / "ci" / "stubs.py"))["STUBS"].items():
        assert (HOME / name).read_text(encoding="utf-8") == make(), "run: python ci/stubs.py"


@every_name
def test_every_name_is_declared(name):
    text = (HOME / "__init__.pyi").read_text().splitlines()
    for each in (name, *act.activations[name].aliases):
        (at,) = [k for k, line in enumerate(text) if line.startswith(f"{each}: _")]
        assert text[at + 1].startswith(f'"""activation {name}({act.activations[name].operands[0]}')


@pytest.mark.parametrize("made", [declare.Activation, nn.Activation], ids=lambda made: made.__module__)
def test_every_attribute_is_declared(made):
    """Of the two classes whose stubs are written by hand."""
    path = HOME / f"{made.__module__.rpartition('.')[2]}.pyi"
    (found,) = [node for node in ast.parse(path.read_text()).body if getattr(node, "name", "") == "Activation"]
    declared = {getattr(node, "name", None) or node.target.id for node in found.body if not isinstance(node, ast.Expr)}
    example = made("gelu") if made is nn.Activation else act.gelu
    public = {name for name in {*vars(made), *vars(example)} if not name.startswith("_")}
    assert public == {name for name in declared if not name.startswith("_")}


def test_mathematics_is_declared():
    lines = (HOME / "math.pyi").read_text().splitlines()
    for name in math.__all__:
        assert f"{name}: {'_OfTwo' if name in ('pow', 'hypot') else '_OfOne'}" in lines
