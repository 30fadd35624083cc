"""The examples in docstrings run and print what they say."""
import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from tools import NAMES

import numba_act as act

MODULES = [name for _, name, _ in pkgutil.walk_packages(act.__path__, "numba_act.") if not name.endswith("__main__")]
OPTIONS = doctest.NORMALIZE_WHITESPACE


def check(docstring, name, module=None):
    """Run a docstring's examples, in its module's namespace; how many there are."""
    space = {**(vars(module) if module else {}), "act": act, "np": np}
    test = doctest.DocTestParser().get_doctest(docstring, space, name, None, 0)
    report = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert not report, "".join(report)
    return len(test.examples)


@pytest.mark.parametrize("name", NAMES)
def test_activations_show_an_example(name):
    a = act.activations[name]
    assert check(a.__doc__, name) >= 1
    assert "Source: " in a.__doc__


@pytest.mark.parametrize("module", MODULES)
def test_examples(module, cupy_module):
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
    assert inspect.getdoc(getattr(act, public))


def test_a_wrong_example_is_seen():
    with pytest.raises(AssertionError, match="Expected"):
        check(">>> act.relu(np.float32(3))\nnp.float32(4.0)\n", "wrong")
