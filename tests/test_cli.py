"""The command line: what each command prints and draws, and how it refuses."""
import json
import subprocess
import sys

import numpy as np
import pytest

import numba_act as act
from numba_act import __main__ as command_line
from numba_act import plotting
from numba_act.tools import demo, machine
from numba_act.tools.bench import calls, cells, contenders, timing
from numba_act.tools.peers import as_array
from numba_act.tree import exact, quad


def run(*arguments):
    return command_line.main([str(a) for a in arguments])


@pytest.fixture
def few(monkeypatch):
    """What is trained and drawn; tests/test_demo.py trains, and tests/test_plotting.py draws, all there are."""
    names = ["relu", "gelu", "glu", "prelu", "swish", "logit"]
    for module in (demo, plotting):
        monkeypatch.setattr(module, "activations", {name: act.get(name) for name in names})
    return names


def test_demo(few, tmp_path, capsys):
    assert run("demo", "--epochs", 1, "-o", tmp_path / "gallery.png") == 0
    lines = capsys.readouterr().out.splitlines()
    names = [name for name in few if name not in ("glu", "logit")]      # of one array, and defined everywhere
    table = lines.index(next(line for line in lines if line.startswith("activation "))) + 1
    assert [line.split()[0] for line in lines[table:table + len(names)]] == names
    assert any("alpha 0.25 -> " in line for line in lines)
    assert "Try next:" in lines[table + len(names):] and f"-o {tmp_path / 'gallery-best.png'}" in "".join(lines)
    assert {file.name for file in tmp_path.iterdir()} == {"gallery.png", "gallery-learning.png"}


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
    assert " ".join(lines[list(act.activations).index("softplus")].split()).startswith(
        "softplus softrelu, soft_relu, smooth_relu beta=1")


def test_plot_and_gallery(few, tmp_path, capsys):
    assert run("plot", "gelu", "softrelu", "-o", tmp_path / "plot.svg") == 0
    assert run("gallery", "-o", tmp_path / "all.png") == 0
    assert (tmp_path / "plot.svg").exists()
    assert capsys.readouterr().out.split() == [str(tmp_path / "plot.svg"), str(tmp_path / "all.png")]


def test_an_image_without_an_ending(tmp_path, capsys):
    """What is printed is what was written."""
    assert run("plot", "elu", "-o", tmp_path / "fname") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'fname.png'}\n"
    assert [file.name for file in tmp_path.iterdir()] == ["fname.png"]


def test_negative_parameters(monkeypatch):
    drawn = []
    monkeypatch.setattr(plotting, "picture", lambda functions, path, **parameters: drawn.append(parameters["alpha"]))
    run("plot", "elu", "--alpha", -1e-3, "-1", "-2.", "-.5E+1", "-inf")
    assert drawn == [[-1e-3, -1, -2, -5, -np.inf]]


@pytest.mark.parametrize("arguments, drawn", [
    (("hard_tanh", "--lo", -2, "--hi", 2, 3), {"lo": [-2], "hi": [2, 3]}),
    (("hard_tanh", "--lo", -2, "--lo_", -5, "--hi_", "1e1"), {"lo": [-2], "lo_": -5, "hi_": 10}),
    (("gelu", "hard_tanh", "--hi_", 4), {"hi_": 4}),
    (("gelu", "--lo", -5, "--hi_", 4), {"lo": -5, "hi": 4}),
])
def test_the_range_of_a_plot(arguments, drawn, monkeypatch):
    """lo and hi are the parameters where one of the functions has them."""
    found = []
    monkeypatch.setattr(plotting, "picture", lambda functions, path, **given: found.append(given))
    assert run("plot", *arguments) == 0
    assert found == [drawn]


def test_list_for_scripts(capsys):
    assert run("list", "--json") == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(act.activations)
    assert listed["softplus"]["aliases"] == list(act.softplus.aliases)
    assert listed["softplus"]["parameters"] == {"beta": 1.0}


@pytest.mark.parametrize("given, drawn", [
    (("gelu",), [("gelu", {})]),
    (("swish", "--beta", 0.5, 1), [("swish", {"beta": [0.5, 1.0]})]),
    (("gelu", "swish", "--beta", 0.5, -1, 2), [("gelu", {}), ("swish", {"beta": [0.5, -1, 2]})]),
])
def test_plot_families(given, drawn, tmp_path, monkeypatch):
    families = []
    draw = plotting._draw
    monkeypatch.setattr(plotting, "_draw",
                        lambda ax, graphs, *rest, **more: families.append(graphs) or draw(ax, graphs, *rest, **more))
    assert run("plot", *given, "-o", tmp_path / "plot.png") == 0
    x = np.linspace(-1, 1, 9)
    for graphs, (name, parameters) in zip(families, drawn, strict=True):
        values = [dict(zip(parameters, row, strict=True)) for row in zip(*parameters.values(), strict=True)] or [{}]
        for graph, value in zip(graphs, values, strict=True):
            np.testing.assert_array_equal(graph.value(x), act.get(name)(x, **value))


def test_info_for_scripts(capsys):
    assert run("info", "--json") == 0
    assert json.loads(capsys.readouterr().out).keys() == {"versions", "cpu", "gpu", "cache", "threads"}


QUICK = "--size", 10, "2e5", "--rounds", 1, "--dtype", "float32", "--data", "normal", "--threads", 1


@pytest.mark.parametrize("peers, options", [(True, []), (True, ["--together"]), (False, [])])
def test_bench(peers, options, monkeypatch, capsys):
    """With whatever other libraries are installed, and with none."""
    if not peers:
        monkeypatch.setattr(contenders, "PEERS", {})
    assert run("bench", "sparse_sigmoid", "gelu", *QUICK, *options) == 0
    out = capsys.readouterr().out
    rows = [line.split(" | ") for line in out.splitlines() if line.startswith("| ")][1:]
    assert [row[1:4] for row in rows[:4]] == [["forward", "float32", "10"], ["backward", "float32", "10"]] * 2
    assert len(rows) == 8
    assert ("geometric mean" in out) == (peers and any(row[-3] != "-" for row in rows))


def test_bench_beside_a_broken_peer(monkeypatch, capfd):
    """One whose import raises anything at all counts as missing."""
    monkeypatch.setattr(contenders, "PEERS", {"broken": None})   # unknown to a fresh process: KeyError
    assert run("bench", "gelu", "--size", 10, *QUICK[3:]) == 0
    out, err = capfd.readouterr()
    assert out.endswith("not usable here, or without these functions: broken\n")
    assert "broken cannot be used: KeyError" in err


def test_a_contender_that_dies_is_named(monkeypatch):
    monkeypatch.setattr(contenders, "PEERS", {})
    with (contenders.Contenders(1) as libraries,
          pytest.raises(ChildProcessError, match="numba_act failed at gleu, forw")):
        libraries.seconds("gleu", "forward", "float32", 10, "normal", ("exact",))


def test_bench_for_scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(contenders, "PEERS", {})
    file = tmp_path / "bench.json"
    assert run("bench", "gelu", "--size", 1000, *QUICK[3:], "--data", "saturated", "--json", "-o", file) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    assert "numpy" in found["versions"]
    assert [(cell["kind"], cell["data"]) for cell in found["results"]] == [(kind, "saturated") for kind in timing.KINDS]
    assert all(cell["times"]["exact"] > 0 for cell in found["results"])


def test_bench_of_the_fast_tier(monkeypatch, capsys):
    monkeypatch.setattr(contenders, "PEERS", {})
    assert run("bench", "gelu", "--size", 10, *QUICK[3:], "--fast", "--json") == 0
    cell = json.loads(capsys.readouterr().out)["results"][0]
    assert set(cell["times"]) == {"copy", "fast", "fast out"}


def test_bench_of_calls(monkeypatch, capsys):
    monkeypatch.setattr(calls, "ROUNDS", 2)
    monkeypatch.setattr(calls, "IMPORTS", 1)
    assert run("bench", "--calls", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in rows if row["unit"] == calls.UNIT] == list(calls.CALLS)
    assert sum(row["unit"] == "seconds" for row in rows) == 5
    assert all(row["cost"] > 0 and row["most"] > 0 for row in rows)


@pytest.mark.parametrize("peer, package", [("torch", "torch"), ("JAX", "jax"), ("ORT", "onnxruntime")])
def test_peers_compute_the_same(peer, package):
    """Forward and backward, so that the same things are timed."""
    pytest.importorskip(package)
    make, (gy, x) = contenders.PEERS[peer](1), timing.operands("float32", 1000)
    for name, a in act.activations.items():
        if len(a.operands) == 1:
            for kind, ours in (("forward", a(x)), ("backward", a.backward(gy, x))):
                for form, call in make(name, kind, gy, x).items():
                    for _ in range(2):           # what is kept from the first call must serve the second
                        found = as_array(call(), "float32")
                    np.testing.assert_allclose(found, ours, rtol=1e-3, atol=1e-4, err_msg=f"{name} {kind}{form}")


def test_measure_a_custom_activation():
    @act.activation
    def cube(x):
        return x * x * x

    @cube.derivative
    def _(x):
        return 3 * x * x

    times = timing.measure(cube, size=100, rounds=2)
    assert times.keys() == {"copy", "forward", "backward"}
    assert min(times.values()) > 0


def test_accuracy(tmp_path, capsys):
    assert run("accuracy", "softsign", "--dtype", "float16", "bfloat16") == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| softsign")]
    assert [row[1] for row in rows] == ["value", "d/dx"] * 2
    assert [row[2] for row in rows] == ["float16"] * 2 + ["bfloat16"] * 2
    assert all(0.49 < float(row[4]) < 0.501 for row in rows)
    assert run("accuracy", "softsign", "--dtype", "float16", "--json", "-o", tmp_path / "errors.json") == 0
    found = json.loads((tmp_path / "errors.json").read_text(encoding="utf-8"))
    assert [cell["inputs"] for cell in found["results"]] == [65536, 65536]


def test_accuracy_of_the_fast_tier(capsys):
    assert run("accuracy", "tanh", "--dtype", "float32", "--fast", "--json") == 0
    value, slope = json.loads(capsys.readouterr().out)["results"]
    assert value["activation"] == slope["activation"] == act.tanh.fast.name
    assert 1 < max(value["error"], slope["error"]) < 4


def test_accuracy_without_mpmath(monkeypatch, capsys):
    exact._evaluator.cache_clear()
    monkeypatch.setitem(sys.modules, "mpmath", None)
    monkeypatch.setattr(quad, "available", lambda: False)
    assert run("accuracy", "gelu", "--dtype", "float64") == 1
    assert 'pip install "numba_act[accuracy]"' in one_line(capsys)


def test_interrupted(monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt
    monkeypatch.setattr(plotting, "gallery", interrupted)
    assert run("gallery") == 130


def test_info(capsys):
    assert run("info") == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown.keys() == {"versions:", "cpu:", "gpu:", "cache:", "threads:"}
    assert f"numpy {np.__version__}" in shown["versions:"]


def judged(kind="forward", size=100_000, name="gelu", errors=1, copy=1, **times):
    times = {form.replace("_", " "): time for form, time in times.items()}
    cell = {"name": name, "kind": kind, "dtype": "float32", "size": size, "data": "normal", "threads": 1,
            "together": False, "times": {"copy": copy, **times}, "errors": dict.fromkeys(("torch", "ORT"), errors)}
    return cells.judged(cell)


@pytest.mark.parametrize("name, ratio", [("tanh", 0.5), ("gelu", 2)])
def test_a_peer_that_does_not_count(name, ratio):
    """ONNX Runtime's tanh is 5 ULP off."""
    assert judged(name=name, exact=2, ORT=1, torch=4)["ratios"] == {"exact": ratio}


def test_a_ratio_is_to_the_fastest():
    """A fresh output beside fresh ones, a given one beside any."""
    cell = judged(exact=2, exact_out=2, fast=1, fast_out=1, torch=4, torch_out=8, ORT=8, ORT_out=1)
    assert cell["ratios"] == {"exact": 0.5, "exact out": 2, "fast": 0.25, "fast out": 1}
    assert judged(exact=2, fast=1)["ratios"] == {}
    lines = list(cells.summary([cell]))
    assert any(line.startswith("exact out, forward: ahead in 0 of 1 cells") for line in lines)
    assert any(line.startswith("fast out, forward: ahead in 1 of 1 cells") for line in lines)


def test_exact_ones_are_within_4_ulp():
    assert judged(exact=1, torch=2, errors=4)["beside exact ones"] == {"exact": 0.5}
    assert judged(exact=1, torch=2, errors=4.1)["beside exact ones"] == {}


@pytest.mark.parametrize("kind, size, fastest, bound", [
    ("forward", 100_000, 1.4, True), ("forward", 100_000, 1.6, False), ("forward", 99_999, 1.4, False),
    ("backward", 100_000, 2.2, True), ("backward", 100_000, 2.3, False),
])
def test_bound_by_the_copy(kind, size, fastest, bound):
    """Within 1.5 times the copy of as many bytes, whoever is fastest, in large arrays."""
    for times in ({"exact": fastest, "torch": 9}, {"exact": 9, "torch": fastest}, {"exact": 9, "exact_out": fastest}):
        assert judged(kind, size, **times)["copy_bound"] is bound


def test_info_while_the_cache_is_pruned(tmp_path, monkeypatch):
    """A file that is listed may be gone."""
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", str(tmp_path))
    (tmp_path / "gone.o").symlink_to("nothing")
    (tmp_path / "kept.o").touch()
    assert "1 kernels" in machine.configuration()["cache"]


@pytest.mark.parametrize("arguments, said", [
    (("plot", "gleu"), "no activation 'gleu'; did you mean"),
    (("warmup", "nonsense"), "there is no activation 'nonsense'"),
    (("warmup", "--dtype", "complex64"), "'complex64'"),
    (("demo", "--epochs", "0"), "not a positive whole number"),
    (("nonsense",), "'nonsense'"),
    (("plot", "gelu", "relu", "--beta", "1"), "--beta is a parameter of none of gelu, relu"),
    (("plot", "swish", "--beta", "much"), "'much'"),
    (("plot", "elu", "-o", ""), "argument -o/--output: '' is not the name of a file"),
    (("gallery", "-o", "/"), "'/' is not the name of a file"),
    (("plot", "elu", "-o", "."), "'.' is not the name of a file"),
    (("bench", "gelu", "--fusion"), "--fusion is of functions of its own; no names are accepted"),
    (("bench", "gelu", "--calls"), "--calls is of functions of its own; no names are accepted"),
    *[(("bench", "--size", n), f"{n} is not a positive whole number") for n in ("0", "1.5", "nan", "inf", "ten")],
    (("plot", "gelu", "--lo", "1", "2"), "--lo is an end of the range of x: one number"),
    (("plot", "hard_tanh", "--lo_", "1", "2"), "2"),
    (("accuracy", "gelu", "--against", "nothing"), "'nothing' is none of torch"),
    (("bench", "gleu"), "no activation 'gleu'; did you mean"),
    *[((command, "softmax"), "softmax is a function along an axis; an activation is accepted")
      for command in ("plot", "bench", "accuracy", "warmup")],
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


def test_warmup_of_one(monkeypatch):
    called = []
    monkeypatch.setattr(machine, "_call_all", lambda activation, x: called.append((activation, x.dtype)))
    act.warmup("gelu", dtypes="float32")
    act.warmup(act.relu, dtypes=np.float64)
    assert called == [(act.gelu, np.float32), (act.relu, np.float64)]


def test_warmup_refuses():
    with pytest.raises(ValueError, match="no activation 'gleu'; did you mean"):
        act.warmup(["gleu"])
    with pytest.raises(TypeError, match="not supported"):
        act.warmup(["gelu"], dtypes=["longdouble"])


def test_importing_brings_no_matplotlib():
    code = "import sys, numba_act; print([m for m in ('matplotlib', 'tqdm', 'sklearn', 'numba') if m in sys.modules])"
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_bench_of_fusion(capsys):
    what = "bench", "--fusion", "--size", 10, 10_000, "--dtype", "float64", "--rounds", 1, "--threads", 10_000
    assert run(*what, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(cell["dtype"], cell["size"]) for cell in found] == [("float64", 10), ("float64", 10_000)]
    assert all(cell["bytes"] == {"fused": 24, "chain": 56} and set(cell["ns"]) == {"fused", "chain"} for cell in found)
    assert run(*what) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" numbers, an element: fused ")[0] for line in lines] == ["float64, 10", "float64, 10000"]
