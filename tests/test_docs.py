"""The examples in docstrings run and print what they say."""
import doctest
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
from tools import NAMES

import numba_act as act
from numba_act import declare

MODULES = [name for _, name, _ in pkgutil.walk_packages(act.__path__, "numba_act.") if not name.endswith("__main__")]
OPTIONS = doctest.NORMALIZE_WHITESPACE
ORDER = "Parameters", "Attributes", "Returns", "Raises", "See Also", "Notes", "References", "Examples"


def check(docstring, name, module=None):
    """Run a docstring's examples, in its module's namespace; how many there are."""
    space = {**(vars(module) if module else {}), "act": act, "np": np}
    test = doctest.DocTestParser().get_doctest(docstring, space, name, None, 0)
    report = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert not report, "".join(report)
    return len(test.examples)


def sections(docstring):
    """The sections of numpydoc's form, by title, in order."""
    lines = inspect.cleandoc(docstring).splitlines()
    starts = [k for k, line in enumerate(lines[1:]) if line and set(line) == {"-"} and len(line) == len(lines[k])]
    assert [lines[k] for k in starts] == [title for title in ORDER if title in [lines[k] for k in starts]]
    ends = [*starts[1:], len(lines) + 1]
    return {lines[k]: lines[k + 2:end - 1] for k, end in zip(starts, ends, strict=False)}


@pytest.mark.parametrize("name", NAMES)
def test_activations_show_an_example(name):
    a = act.activations[name]
    assert check(a.__doc__, name) >= 1
    for tier in (a, a.fast):
        found = sections(tier.__doc__)
        assert {*ORDER} - {*found} in ({"Attributes"}, {"Attributes", "See Also"})       # of those without a family
        assert found["References"][0].startswith(".. [1] ")
        assert "Source: " not in tier.__doc__
        for parameter, default in a.defaults.items():
            assert f"{parameter} : float or array_like, default {default:.6g}" in found["Parameters"]
        assert set(" ".join(found.get("See Also", ())).replace(",", "").split()) <= {*NAMES} - {name}


def test_bounds_and_costs_are_told():
    notes = {a.name: " ".join(sections(a.__doc__)["Notes"])
             for a in (act.gelu, act.gelu.fast, act.swiglu, act.swiglu.fast, act.relu)}
    assert ("at most 1 ULP (units in the last place) in float32, 2 in float64, 0.501 in 16 bits; `.fast` keeps to 4."
            in notes["gelu"])
    assert "at most 4 ULP (units in the last place), of 16-bit numbers 0.501" in notes["gelu.fast"]
    assert "at most 2 ULP" in notes["swiglu"] and "at most 6 ULP" in notes["swiglu.fast"]
    assert "number takes 2 operations, 5 in `backward`" in notes["relu"]
    assert "`backward(gy, y=y)`" in notes["relu"] and "gy, y=y" not in notes["gelu"]
    costs = [int(re.search(r"takes (\d+) operations", notes[name])[1]) for name in ("gelu.fast", "gelu")]
    assert 10 < costs[0] < costs[1] < 200


@pytest.mark.parametrize("name", declare.row_functions)
def test_row_functions_show_an_example(name):
    f = getattr(act, name)
    found = sections(f.__doc__)
    assert found["References"][0].startswith(".. [1] ") and "Source: " not in f.__doc__
    assert [*found][-2:] == ["References", "Examples"]
    assert check(f.__doc__, name) >= 1


@pytest.mark.parametrize("way", ["grad", "value_and_grad", "backward"])
def test_ways_to_call_are_explained(way):
    docstring = inspect.getdoc(getattr(act.leaky_relu, way))
    assert {"Parameters", "Returns", "Raises", "Examples"} == {*sections(docstring)}
    assert check(docstring, way) > 1


def test_docstrings_of_custom_activations():
    text = sections(custom.__doc__)
    assert custom.__doc__.startswith("What it does.\n\n.. math:: ")
    assert "More words.\n\nParameters\n" in custom.__doc__
    assert text["Notes"][0].startswith("A usual float32 number takes 1 operation, 3 in `backward`. It is compiled as")
    assert "ULP" in act.gated("mish").__doc__ and "ULP" not in act.gated(custom).__doc__
    assert "References" not in text and "See Also" not in text and "ULP" not in custom.__doc__
    assert "last place" in inspect.getdoc(act.Activation.fast.func)
    assert inspect.getdoc(act.Activation).startswith("A scalar function that runs on arrays")
    assert act.activation(custom_without_words).__doc__.startswith("The activation custom_without_words, elementwise.")


@act.activation
def custom(x, k=1.0):
    """What it does.

    More words.
    """
    return x * k


def custom_without_words(x):
    return x


@pytest.mark.parametrize("module", MODULES)
def test_examples(module, cupy_module):
    if module in ("numba_act.torch", "numba_act.jax"):
        pytest.importorskip(module.rpartition(".")[2])
    found = importlib.import_module(module)
    for part in vars(found).values():
        mine = getattr(part, "__module__", None) == module
        if mine and (inspect.isfunction(part) or inspect.isclass(part)) and part.__doc__:
            check(part.__doc__, part.__name__, found)
            for key, method in vars(part).items() if inspect.isclass(part) else ():
                if inspect.isfunction(method) and method.__doc__:
                    check(method.__doc__, f"{part.__name__}.{key}", found)
    if found.__doc__:
        check(found.__doc__, module, found)


@pytest.mark.parametrize("public", sorted(set(act.__all__) - {"activations"}))
def test_public_names_are_explained(public):
    docstring = inspect.getdoc(getattr(act, public))
    assert docstring
    found = sections(docstring)
    for title in ("Parameters", "Attributes", "Raises"):
        for line in found.get(title, ()):        # a name, and for arguments a type, then what it is, indented
            assert line.startswith("    ") or not line or (" : " in line) == (title != "Raises"), line


def test_a_wrong_example_is_seen():
    with pytest.raises(AssertionError, match="Expected"):
        check(">>> act.relu(np.float32(3))\nnp.float32(4.0)\n", "wrong")
