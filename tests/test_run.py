"""Built-in functions run instead of read, as where only .pyc files are there: the same bits."""
import numpy as np
import pytest
from tools import NAMES

import numba_act as act
from numba_act.tree.call import expand
from numba_act.tree.evaluate import evaluate
from numba_act.tree.marks import everywhere, resolved
from numba_act.tree.node import Node, argument, constant, where
from numba_act.tree.parse import parse
from numba_act.tree.program import Program
from numba_act.tree.run import run
from numba_act.tree.values import number

POINTS = [0.0, -0.0, 1, -1, 6, 3, -3, np.inf, -np.inf, np.nan, 0.5, -0.5, 1e-30, -1e-30, 7, -7, 100, -100, 2.5, 1e-3]


def trees(result, dtype):
    result = number(result if isinstance(result, tuple) else (result,))
    return [r if isinstance(r, Node) else constant(r, "float", dtype) for r in result]


def value(tree, inputs):
    whole = everywhere(resolved(expand([tree]), False))
    return np.broadcast_to(evaluate(whole, inputs)[0], next(iter(inputs.values())).shape)


# what units are made of is no function
READ = [name for name in NAMES if isinstance(act.activations[name].expressions.value, Program)]


@pytest.mark.parametrize("name", READ)
def test_a_function_that_runs_gives_the_bits_of_its_source(name):
    said, rng = act.activations[name].expressions, np.random.default_rng(0)
    for program in (said.value, said.derivative, said.reference):
        for dtype in ("float32", "float64") if program else ():
            function, names, _, vocabulary, traced = program._read_from
            arguments = [argument(name, dtype) for name in names]
            read = trees(parse(function, arguments, vocabulary, traced)[0], dtype)
            made = trees(run(function, arguments, vocabulary, traced, dtype), dtype)
            assert len(made) == len(read)
            inputs = {name: np.array([*POINTS, *rng.permutation(POINTS)], dtype) for name in names}
            for a, b in zip(made, read, strict=True):
                if a is not b:                                           # most are the same tree
                    a, b = value(a, inputs), value(b, inputs)
                    np.testing.assert_array_equal(a, b)
                    np.testing.assert_array_equal(np.signbit(a[a == a]), np.signbit(b[b == b]))


def test_every_answer_is_tried():
    def choose(x, y):
        if x > y and not y < 0:
            return x if x > 1 else 2, 0.1 * y
        return (3, y) if x else (4, x)

    x, y = argument("x", "float64"), argument("y", "float64")
    points = np.array([(a, b) for a in POINTS for b in POINTS]).T
    made = trees(run(choose, [x, y], {}, False, "float64"), "float64")
    actual = [value(tree, {"x": points[0], "y": points[1]}) for tree in made]
    np.testing.assert_array_equal(np.transpose(actual), [choose(*p) for p in points.T])
    with pytest.raises(TypeError, match="the truth of a value"):
        bool(where(x > 0, x, y) > 0)                                     # not while nothing runs
