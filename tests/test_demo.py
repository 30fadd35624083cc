"""The demo learns, and the command line says what it should."""
import subprocess
import sys

import numpy as np
import pytest

import numba_act as act
from numba_act import __main__ as command_line
from numba_act import demo


@pytest.fixture
def tiny():
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((7, 5)), rng.integers(0, 10, 7)
    return rng, images, labels


@pytest.mark.parametrize("name", ["sigmoid", "prelu", "swish", "gelu"])
def test_gradients(name, tiny):
    """Against differences of the loss, along a random direction in every weight."""
    rng, images, labels = tiny
    activation = act.get(name)
    weights = demo.initial(activation, rng, 5, np.float64)

    def loss(weights):
        scores = demo.forward(activation, weights, images)[2]
        return -np.log(demo.probabilities(scores)[np.arange(7), labels]).mean()

    slopes = demo.gradients(activation, weights, images, labels)
    assert slopes.keys() == weights.keys()
    for key in weights:
        step = 1e-6 * rng.standard_normal(weights[key].shape)
        difference = loss({**weights, key: weights[key] + step}) - loss({**weights, key: weights[key] - step})
        np.testing.assert_allclose(2 * np.sum(slopes[key] * step), difference, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("name", act.activations)
def test_every_activation_learns(name):
    activation, data = act.get(name), demo.digits()
    weights = demo.train(activation, data, epochs=6)
    assert demo.accuracy(activation, weights, *data[2:]) > 0.9
    assert all(w.dtype == np.float32 for w in weights.values())


def test_the_same_seed_gives_the_same_weights():
    data = [part[:64] for part in demo.digits()]
    first, second = (demo.train(act.prelu, data, epochs=2) for _ in range(2))
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name])
    assert np.ptp(first["alpha"]) > 0


def run(*arguments):
    return command_line.main([str(a) for a in arguments])


def test_demo(tmp_path, capsys):
    assert run("demo", "--epochs", 1, "-o", tmp_path / "gallery.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-len(act.activations):]] == list(act.activations)
    assert any("alpha 0.25 -> " in line for line in lines)
    assert (tmp_path / "gallery.png").exists()


@pytest.mark.parametrize("missing", ["sklearn", "matplotlib"])
def test_demo_without_its_extras(missing, monkeypatch, capsys):
    for module in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    assert run("demo", "--epochs", 1) == 1
    assert "pip install \"numba_act[" in one_line(capsys)


def one_line(capsys):
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("numba-act")
    assert err.count("\n") == 1
    return err


def test_list(capsys):
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(act.activations)
    assert "softrelu, soft_relu, smooth_relu  beta=1" in lines[list(act.activations).index("softplus")]


def test_plot_and_gallery(tmp_path, capsys):
    assert run("plot", "gelu", "softrelu", "-o", tmp_path / "plot.svg") == 0
    assert run("gallery", "-o", tmp_path / "all.png") == 0
    assert (tmp_path / "plot.svg").exists()
    assert capsys.readouterr().out.split() == [str(tmp_path / "plot.svg"), str(tmp_path / "all.png")]


def test_info(capsys):
    assert run("info") == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown.keys() == {"versions:", "cpu:", "cache:", "threads:"}
    assert f"numpy {np.__version__}" in shown["versions:"]


@pytest.mark.parametrize("arguments, said", [
    (("plot", "gleu"), "did you mean gelu"),
    (("warmup", "nonsense"), "there is no activation 'nonsense'"),
    (("warmup", "--dtype", "complex64"), "'complex64'"),
    (("demo", "--epochs", "0"), "not a positive whole number"),
    (("nonsense",), "'nonsense'"),
    ((), "COMMAND"),
])
def test_wrong_arguments(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)
    assert said in one_line(capsys)


def test_an_image_that_cannot_be_written(tmp_path, capsys):
    assert run("plot", "relu", "-o", tmp_path / "no such folder" / "plot.png") == 1
    assert run("plot", "relu", "-o", tmp_path / "plot.nonsense") == 1
    assert capsys.readouterr().err.count("\n") == 2


def test_warmup_compiles(tmp_path):
    """In a process of its own; what it compiled is then in the cache."""
    code = """
import numba_act as act
from pathlib import Path
from numba_act.runtime import objects
act.warmup(["prelu"], dtypes=["float32", "bfloat16"])
before = len(list(objects.cache_directory().iterdir()))
import ml_dtypes, numpy as np
for dtype in (np.float32, ml_dtypes.bfloat16):
    x = np.ones(3, dtype)
    act.prelu(x), act.prelu.grad(x), act.prelu.value_and_grad(x), act.prelu.backward(x, x)
    act.prelu.grad(x, wrt="alpha"), act.prelu.backward(x, x, wrt=("x", "alpha"))
print(before, len(list(objects.cache_directory().iterdir())))
"""
    environment = {"NUMBA_ACT_CACHE_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    before, after = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True,
                                   text=True).stdout.split()
    assert int(before) == int(after) > 8


def test_warmup_refuses():
    with pytest.raises(ValueError, match="did you mean gelu"):
        act.warmup(["gleu"])
    with pytest.raises(TypeError, match="not supported"):
        act.warmup(["gelu"], dtypes=["longdouble"])


def test_importing_brings_no_matplotlib():
    code = "import sys, numba_act; print([m for m in ('matplotlib', 'tqdm', 'sklearn', 'numba') if m in sys.modules])"
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
