"""numba_act on this machine: what it runs with, and kernels compiled ahead of their first use."""
import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from ..backends.dtypes import BUILT_IN, STORED, result_dtype
from ..declare import activations, of_numbers
from ..runtime import objects, processor, threads

DTYPES = "float32", "float64"                    # what warmup compiles unless told otherwise
PACKAGES = "numba_act", "numpy", "llvmlite", "numba", "tbb"


def configuration():
    """Versions, processor, cache, GPU and threads as they are now, in words, by subject."""
    pool = threads.describe()
    state = pool["layer"] or "no pool"
    return {
        "versions": ", ".join([f"Python {platform.python_version()}", *map(_version, PACKAGES)]),
        "cpu": f"{processor.target().cpu} ({processor.target().triple}), {8 * processor.vector_bytes()} bits at a time",
        "cache": _cache(),
        "gpu": _gpu(),
        "threads": f"{pool['threads']} ({state}{': ' + pool['reason'] if pool['reason'] else ''})",
    }


def show_config():
    """Print what numba_act runs with: versions, processor, cache, GPU and threads."""
    for subject, words in configuration().items():
        print(f"{subject + ':':10}{words}")


def warmup(names=None, dtypes=DTYPES):
    """Compile activations and their gradients now, with a progress bar, or load them from the cache.

    Parameters
    ----------
    names : str, Activation, or list of these, optional
        All built-in ones by default.
    dtypes : str or list of str
        Of float16, bfloat16, float32, float64.

    Raises
    ------
    ValueError
        An unknown name.
    TypeError
        An unknown dtype.

    Examples
    --------
    >>> import numba_act as act
    >>> act.warmup("gelu", dtypes=["float32", "float64"])
    """
    from tqdm import tqdm
    chosen = [of_numbers(name) for name in (activations if names is None else _several(names))]
    arrays = [np.zeros(1, dtype_named(name)) for name in _several(dtypes)]
    for activation in tqdm(chosen, desc="compiling", unit="activation", disable=None):     # silent off a terminal
        for x in arrays:
            _call_all(activation, x)


def _several(given):
    """One thing, as a list of it; several as they are."""
    return given if np.iterable(given) and not isinstance(given, str) else [given]


def _call_all(activation, x):
    """Every kind of call once."""
    operands = [x] * len(activation.operands)
    activation(*operands)
    try:
        activation.backward(x, *operands)
        if activation.expressions.from_result:
            activation.backward(x, **activation.options(y=x))
        for name in (*activation.operands, *activation.params):
            activation.grad(*operands, **activation.options(wrt=name))
            activation.value_and_grad(*operands, **activation.options(wrt=name))
        for name in activation.params:
            activation.backward(x, *operands, **activation.options(wrt=(*activation.operands, name)))
    except NotImplementedError:                  # no derivative is known
        return


def dtype_named(name):
    """The dtype of that name, whether NumPy or ml_dtypes has it."""
    if str(name) in set(STORED) - set(BUILT_IN):
        try:
            import ml_dtypes  # noqa: F401, it teaches NumPy the name
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{name} needs ml_dtypes: pip install ml_dtypes", name=error.name) from None
    return result_dtype((), name)


def _version(package):
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _cache():
    directory = objects.cache_directory()
    if directory is None:
        return "off (NUMBA_ACT_CACHE_DIR is 0, or platformdirs is not installed)"
    sizes = []
    for file in directory.glob("*.o"):
        with contextlib.suppress(FileNotFoundError):             # another process keeps the cache small
            sizes.append(file.stat().st_size)
    return f"{directory}, {len(sizes)} kernels, {sum(sizes) / 2**20:.1f} MiB"


def _gpu():
    try:
        from ..backends import cuda
    except ImportError as reason:
        return f"none ({reason})"
    return cuda.describe()
