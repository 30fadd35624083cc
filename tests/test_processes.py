"""Fresh processes: what an import brings, first calls that fail or meet, threading layers, forks, the cache."""
import compileall
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
import numba_act as act
from numba_act.runtime import objects, threads
"""

CALL = """
print(*[f"{v:.4f}" for v in (*act.gelu(np.float32([1, -1])), *act.gelu.grad(np.float32([0, 2])))])
"""
ANSWER = "0.8413 -0.1587 0.5000 1.0852"


def start(script, **environment):
    return subprocess.Popen([sys.executable, "-W", "error", "-c", script], cwd=ROOT, env={**os.environ, **environment},
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """What a process printed, and that it ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def run(script, **environment):
    return finish(start(PRELUDE + script, **environment))


# --- imports ----------------------------------------------------------------------------------------------------------
def test_import_brings_nothing_heavy():
    script = """
import os, sys, threading
import numpy
before = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1
import numba_act
after = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1
heavy = {"numba", "llvmlite", "cupy", "matplotlib", "dask", "xarray", "pandas", "ml_dtypes", "tqdm", "scipy", "sklearn"}
print(sorted(heavy & set(sys.modules)), after - before, threading.active_count())
"""
    assert finish(start(script)) == "[] 0 1"


def test_a_cached_small_call_imports_no_numba(tmp_path):
    script = """
compiled, compile_text = [], objects.compile_text
objects.compile_text = lambda *args: compiled.append(args) or compile_text(*args)
x = np.linspace(-3, 3, 50, dtype="f4")
act.gelu(x), act.gelu.grad(x), act.swish.value_and_grad(x), act.prelu.backward(x, x, wrt=("x", "alpha"))
print("numba" in sys.modules, len(compiled))
"""
    first, second = (run(script, NUMBA_ACT_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first == "False 5"                                            # four kernels and the driver
    assert second == "False 0"


def test_a_raw_ufunc_before_its_dtype_and_in_another_process():
    first = run("""
import pickle
raw, kept = act.mish.ufunc, pickle.dumps(act.mish.ufunc)
import ml_dtypes
x = np.ones(3, ml_dtypes.bfloat16)
print(raw(x).dtype, act.mish(x).dtype, kept.hex())
""")
    *dtypes, kept = first.split()
    assert dtypes == ["bfloat16"] * 2
    assert finish(start(f"import pickle; print(pickle.loads(bytes.fromhex('{kept}')))")) == "<ufunc 'numba_act_mish'>"


def test_a_dtype_by_its_name_before_numpy_knows_it():
    assert run('print(act.mish(1.0, dtype="bfloat16").dtype, act.softmax(np.ones(3), dtype="bfloat16").dtype)') == (
        "bfloat16 bfloat16")


# --- other processors -------------------------------------------------------------------------------------------------
BITS = """
import functools
from hashlib import sha256
from numba_act.backends import cpu
from numba_act.backends.kernel import Kernel
from numba_act.tree.node import argument
def digest(*arrays):
    return sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:12]
names = tuple("abcdefghijkl")
def build(dtype):
    a, *others = (argument(name, dtype) for name in names)
    return functools.reduce(lambda y, x: y * y / (1 + abs(x)) + x, others, a), a / others[3], a * others[6]
many = Kernel("many", "many", names, dict.fromkeys(names[5:], 0.0), build, 3)
rng = np.random.default_rng(5)
x = np.concatenate([rng.normal(0, 20, 3000), 10 ** rng.uniform(-40, 38, 500), [np.inf, -np.inf, 0.0, -0.0]])
bits = []
for dtype in "f2", "f4", "f8":
    with np.errstate(all="ignore"):
        x_ = x.astype(dtype)
    bits += [act.gelu(x_), act.mish.grad(x_), act.swish.grad(x_, 1.5, wrt="beta")]
    operands = [np.roll(x_, k) for k in range(len(names))]
    bits += [*cpu.call(many, operands), *cpu.call(many, [*operands[:5], *[a[:1] for a in operands[5:]]])]
halves = np.arange(1 << 16, dtype="u2").view("f2")
halves = halves[np.isfinite(halves)]
sums = [act.prelu.backward(x[k:2 * k + 1], x[:k + 1], np.float64(0.3), wrt=("x", "alpha"))[1] for k in range(1, 500)]
print(digest(*bits), digest(act.elu(halves), act.relu(halves)), digest(*sums))
"""
PROCESSORS = {"nehalem": (), "sandybridge": ("avx",), "haswell": ("avx2", "fma", "f16c"), "znver3": ("avx2", "vaes")}


@pytest.fixture(scope="module")
def bits_here():
    return run(BITS)


@pytest.mark.parametrize("name", PROCESSORS)
def test_bits_of_another_processor(name, bits_here):
    import llvmlite.binding
    host = llvmlite.binding.get_host_cpu_features()
    if "sse4.2" not in host or not all(host.get(feature) for feature in PROCESSORS[name]):
        pytest.skip(f"this processor cannot run code for {name}")
    assert run(BITS, NUMBA_CPU_NAME=name) == bits_here


# --- without sources --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["pyc", "zip", "zip of pyc"])
def test_a_package_without_sources(kind, tmp_path):
    package, archive = tmp_path / "numba_act", tmp_path / "archive.zip"
    shutil.copytree(ROOT / "numba_act", package, ignore=shutil.ignore_patterns("__pycache__"))
    if "pyc" in kind:
        compileall.compile_dir(package, quiet=1, legacy=True)
        for source in package.rglob("*.py"):
            source.unlink()
    if "zip" in kind:
        shutil.make_archive(archive.with_suffix(""), "zip", tmp_path, "numba_act")
        shutil.rmtree(package)
    script = "import numba_act as act; import numpy as np; print(act.__file__)" + CALL + """
print(*[f"{v:.4f}" for v in (*act.swish.ufunc(np.float32([1, -1]), 1.5), act.gelu.grad(1.0, n=2))])
"""
    here = archive if "zip" in kind else tmp_path
    command = [sys.executable, "-W", "error", "-P", "-c", script]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(here), "NUMBA_ACT_CACHE_DIR": "0"},
                          text=True, capture_output=True, timeout=120, cwd=tmp_path, check=False)
    assert not done.stderr
    place, *answers = done.stdout.splitlines()
    assert place.startswith(str(here))
    assert answers == [ANSWER, "0.8176 -0.1824 0.2420"]


def test_without_docstrings():
    """As `python -OO` leaves them out."""
    script = CALL + """
from numba_act import fast, math, nn
print(act.softmax.__doc__, act.gelu.__doc__.partition(",")[0], *(nn.Softmax()(np.float32([0, 0]))))
"""
    assert run(script, PYTHONOPTIMIZE="2").splitlines() == [ANSWER, "None The activation gelu 0.5 0.5"]


def test_a_ufunc_is_not_handed_out_without_a_driver():
    script = """
from numba_act.runtime import driver
def fail():
    raise FileNotFoundError("driver.words")
driver.load = fail
try:
    act.gelu.ufunc
except FileNotFoundError as error:
    print(error)
"""
    assert run(script) == "driver.words"


# --- first calls that fail --------------------------------------------------------------------------------------------
def test_a_failed_first_call_leaves_everything_as_it_was(tmp_path):
    script = """
x, right = np.linspace(-3, 3, 50, dtype="f4"), act.relu(np.float32(1))
signal.signal(signal.SIGINT, signal.default_int_handler)               # it is ignored in a shell's background
compile_text = objects.compile_text
def fail(*args):
    raise RuntimeError("injected")
def interrupt(*args):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): time.sleep(0.001)
calls = (lambda out: act.gelu(x, out=out), lambda out: act.gelu.grad(x, out=out),
         lambda out: act.gelu.value_and_grad(x, out=(out, out.copy())), lambda out: act.gelu.backward(x, x, out=out))
for call in calls:
    for broken, kind in ((fail, RuntimeError), (interrupt, KeyboardInterrupt)):
        objects.compile_text = broken
        out = np.full(50, 42, "f4")
        try:
            call(out)
        except kind:
            assert (out == 42).all()
        else:
            raise AssertionError("no exception")
    objects.compile_text = compile_text
    call(out)
    assert (out != 42).all()
print((act.gelu(x)[x > 2.9] > 2.8).all())
"""
    assert run(script, NUMBA_ACT_CACHE_DIR=str(tmp_path)) == "True"


def test_sixteen_first_calls_compile_once(tmp_path):
    script = """
act.relu(np.float32(1))                                              # the driver
compiled, compile_text = [], objects.compile_text
def count(*args):
    compiled.append(args)
    time.sleep(0.2)
    return compile_text(*args)
objects.compile_text = count
x, results = np.linspace(-3, 3, 50, dtype="f4"), []
gate = threading.Barrier(16)
def work():
    gate.wait()
    results.append(act.mish(x).tobytes())
workers = [threading.Thread(target=work) for _ in range(16)]
for w in workers: w.start()
for w in workers: w.join()
print(len(compiled), len(results), len(set(results)))
"""
    assert run(script, NUMBA_ACT_CACHE_DIR=str(tmp_path)) == "1 16 1"


# --- threading layers and forks ---------------------------------------------------------------------------------------
STRESS = """
import warnings
warnings.simplefilter("ignore")                                      # Python 3.12: fork beside threads
x = np.linspace(-20, 20, 400_000, dtype="f4")
expected = [np.concatenate([call(part) for part in np.split(x, 200)])
            for call in (act.gelu, act.sigmoid.grad, lambda v: act.softplus.value_and_grad(v)[1])]
calls = act.gelu, act.sigmoid.grad, lambda v: act.softplus.value_and_grad(v)[1]
def right():
    return all((call(x) == y).all() for call, y in zip(calls, expected))
def forked():
    child = os.fork()
    if child == 0:
        os._exit(0 if right() else 1)
    return os.waitpid(child, 0)[1] == 0
before = forked()
results = []
workers = [threading.Thread(target=lambda: results.append(all(right() for _ in range(10)))) for _ in range(8)]
for w in workers: w.start()
for w in workers: w.join()
print(before, results == [True] * 8, forked(), right(), threads.describe()["layer"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue"])
def test_threads_and_forks(layer):
    from numba_act.runtime import threads
    pytest.importorskip(f"numba.np.ufunc.{threads.POOLS[layer]}", exc_type=ImportError)       # it may lack a library
    assert run(STRESS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2") == f"True True True True {layer}"


HELPERS = """
import ctypes
import numba
from numba_act.runtime import driver
x = np.linspace(-9, 9, 400_000, dtype="f4")
right = np.concatenate([act.mish(part) for part in np.split(x, 400)])
threads.start()
numba.set_num_threads(2)
threads.control[driver.LIMIT] = 2
come = []
def add_task(function, args, dims, steps, job):
    come.append(job)
    if help_comes:
        ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(function)(args, dims, steps, job)
kept = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(add_task), ctypes.CFUNCTYPE(None)(lambda: come.append("end"))
threads.control[driver.ADD_TASK], threads.control[driver.SYNCHRONIZE] = (
    ctypes.cast(function, ctypes.c_void_p).value for function in kept)
threads.control[driver.HELP], threads.control[driver.EXCLUSIVE] = driver.load().help_out, 1
for help_comes in (False, True):
    print((act.mish(x) == right).all(), len(come), come.pop(), threads.control[driver.BUSY])
threads.control[driver.BUSY] = 1                                     # another thread's job
print((act.mish(x) == right).all(), len(come))
threads.control[driver.BUSY] = 0
"""


def test_a_job_waits_for_nobody_who_has_not_come():
    """All is done by the caller, or by a helper, or without one where another job has them."""
    assert run(HELPERS).splitlines() == ["True 2 end 0", "True 3 end 0", "True 2"]


POOLS = """
import warnings
warnings.simplefilter("ignore")
x = np.linspace(-9, 9, 300_000, dtype="f4")
right = np.concatenate([act.gelu(part) for part in np.split(x, 300)])
def same():
    return (act.gelu(x) == right).all()
"""
COMPANY = {
    "64 threads": """
results = []
workers = [threading.Thread(target=lambda: results.append(all(same() for _ in range(10)))) for _ in range(64)]
for w in workers: w.start()
for w in workers: w.join()
print(len(results) == 64 and all(results))
""",
    "signals": """
hits = []
signal.signal(signal.SIGALRM, lambda *args: hits.append(args))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
ok = all(same() for _ in range(200))
signal.setitimer(signal.ITIMER_REAL, 0)
print(ok and len(hits) > 3)
""",
    "OpenBLAS": """
a = np.ones((400, 400))
ok = []
workers = [threading.Thread(target=lambda: ok.append(all((a @ a == 400).all() for _ in range(20)))) for _ in range(2)]
for w in workers: w.start()
ok += [same() for _ in range(100)]
for w in workers: w.join()
print(all(ok) and len(ok) == 102)
""",
    "one thread": """
import numba
numba.set_num_threads(1)
from numba_act.runtime import driver
threads.start()
threads.control[driver.BUSY] = 1                                     # nobody asks for it
print(same())
threads.control[driver.BUSY] = 0
""",
    "exit": """
def work():
    while True:
        act.gelu(x)
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
print(same())
""",
    "sys.exit": "print(same()); sys.exit()",
    "os._exit": "print(same(), flush=True); os._exit(0)",
    "torch": """
import torch
t = torch.linspace(-9, 9, 300_000)
print(all(same() and torch.nn.functional.gelu(t).isfinite().all() for _ in range(50)))
""",
    "numba": """
import numba
@numba.njit(parallel=True)
def double(x):
    y = np.empty_like(x)
    for i in numba.prange(x.size):
        y[i] = 2 * x[i]
    return y
ok = []
double(x)
worker = threading.Thread(target=lambda: ok.extend((double(x) == 2 * x).all() for _ in range(50)))
worker.start()
ok += [same() for _ in range(100)]
worker.join()
print(all(ok) and len(ok) == 150)
""",
}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of another kind")
@pytest.mark.parametrize("company", COMPANY)
def test_in_company(company):
    """Right results, and an end without a word, beside other threads, pools and signals."""
    if company == "torch":
        pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", PRELUDE + POOLS + COMPANY[company]], cwd=ROOT, text=True,
                          capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_starts_the_pool():
    """Numba's import takes half a second; a child that is born in it does not wait for it for ever."""
    script = """
import warnings
warnings.simplefilter("ignore")
x = np.ones(1 << 20)
act.relu(x[:5])
threading.Thread(target=act.relu, args=(x,)).start()
while "numba" not in sys.modules: time.sleep(0.001)
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if act.relu(x).all() else 1)
print(os.waitpid(child, 0)[1], threads.describe()["layer"] is not None)
"""
    assert run(script) == "0 True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("lock", ["objects.lock", "outputs._pool.lock"])
def test_a_fork_while_another_thread_holds_a_lock(lock):
    """The child's first call, of an array whose result is pooled, finds the lock free."""
    script = f"""
import warnings
from numba_act.runtime import outputs
warnings.simplefilter("ignore")                                      # Python 3.12: fork beside threads
held = threading.Event()
def hold():
    with {lock}:
        held.set()
        time.sleep(0.3)
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if act.relu(np.ones(1 << 20)).all() else 1)
print(os.waitpid(child, 0)[1])
"""
    assert run(script) == "0"


# --- the cache --------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of another kind")
def test_caches_that_cannot_be_used(tmp_path):
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    frozen.chmod(0o500)
    for directory in (frozen, frozen / "deeper", "/proc/no such place", "0"):
        assert run(CALL, NUMBA_ACT_CACHE_DIR=str(directory)) == ANSWER
    if os.geteuid():
        assert not list(frozen.iterdir())


def test_a_damaged_cache_is_mended(tmp_path):
    assert run(CALL, NUMBA_ACT_CACHE_DIR=str(tmp_path)) == ANSWER
    files = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(files) >= 3
    for cut in (0, 10, 200):
        for file, content in files.items():
            file.write_bytes(content[:cut])
        assert run(CALL, NUMBA_ACT_CACHE_DIR=str(tmp_path)) == ANSWER
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == files


def test_two_processes_warm_one_cache(tmp_path):
    running = [start(PRELUDE + CALL, NUMBA_ACT_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert [finish(process) for process in running] == [ANSWER] * 2
    assert not [file for file in tmp_path.iterdir() if file.suffix != ".o"]
