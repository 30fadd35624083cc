"""A GPU for the tests: CuPy's where NUMBA_ACT_TEST_CUPY is set, else a stand-in that runs the kernels on the CPU."""
import importlib
import os
import sys

import pytest

import numba_act.backends.rows

BACKENDS = "numba_act.backends.cuda", "numba_act.backends.rows.cuda"


@pytest.fixture(scope="module")
def cupy_module():
    if os.environ.get("NUMBA_ACT_TEST_CUPY"):
        yield importlib.import_module("cupy")
        return
    import fake_cupy
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", fake_cupy)
        for backend in BACKENDS:
            patch.delitem(sys.modules, backend, raising=False)
        yield fake_cupy
        for backend in BACKENDS:
            sys.modules.pop(backend, None)
        for folder in (numba_act.backends, numba_act.backends.rows):
            vars(folder).pop("cuda", None)


@pytest.fixture
def cupy(cupy_module):
    yield cupy_module
    if hasattr(cupy_module, "clear"):
        cupy_module.clear()


@pytest.fixture
def stand_in(cupy):
    """The stand-in, for what a GPU does not tell."""
    if not hasattr(cupy, "launches"):
        pytest.skip("this looks into the stand-in for CuPy")
    return cupy
