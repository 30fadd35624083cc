"""Object files on disk, threads, the driver's language, recycled outputs."""
import concurrent.futures
import ctypes
import errno
import gc
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numba_act.runtime import driver, library, objects, outputs, primitives, processor, threads, words

ROOT = Path(__file__).parents[1]
TEXT = "define i64 @answer() {{ ret i64 {} }}"


def run(script, **environment):
    """A fresh process; what it printed."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, **environment}, text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


KERNEL = """
import sys, os, time, threading, multiprocessing
import numpy as np
from numba_act.backends import cpu
from numba_act.backends.kernel import Kernel
from numba_act.runtime import threads
from numba_act.tree.node import argument
kernel = Kernel(name="script", owner="script", inputs=("x",), parameters={},
                build=lambda dtype: (argument("x", dtype) * 2 + 1,))
"""


# --- object files -----------------------------------------------------------------------------------------------------
def answer(number):
    address, = objects.load(("test", number), lambda: TEXT.format(number), ["answer"])
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", str(tmp_path / "deep" / "cache"))
    return tmp_path / "deep" / "cache"


def test_object_is_kept(cache, monkeypatch):
    assert answer(1) == 1
    monkeypatch.setattr(objects, "compile_text", None)
    assert answer(1) == 1


def test_a_file_of_another_user_serves(cache, monkeypatch):
    """It can be read, and not be marked as used."""
    def refuse(path):
        raise PermissionError(path)
    assert answer(30) == 30
    monkeypatch.setattr(objects, "compile_text", None)
    monkeypatch.setattr(os, "utime", refuse)
    assert answer(30) == 30


@pytest.mark.parametrize("damage", [lambda b: b[:20], lambda b: b"", lambda b: b[:-1], lambda b: b[:-1] + b"?"])
def test_damaged_file_is_replaced(cache, damage):
    answer(2)
    file, = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert answer(2) == 2
    assert file.read_bytes() == whole


def test_a_file_of_another_object_is_replaced(cache):
    """As where names were mixed up, or a folder was put together from those of several machines."""
    answer(42)
    own, = cache.iterdir()
    answer(43)
    other, = {*cache.iterdir()} - {own}
    whole = own.read_bytes()
    own.write_bytes(other.read_bytes())
    assert answer(42) == 42
    assert own.read_bytes() == whole


def test_another_processor_has_its_own_objects(cache, monkeypatch):
    answer(44)
    other = objects.target()._replace(cpu="haswell", features="")
    monkeypatch.setattr(objects, "target", lambda: other)
    answer(44)
    assert len(list(cache.iterdir())) == 2


def test_a_folder_deleted_in_use(cache, monkeypatch):
    answer(45)
    shutil.rmtree(cache)
    assert answer(46) == 46
    assert len(list(cache.iterdir())) == 1
    replace = os.replace

    def deleted(*paths):                                 # by another process, in the midst of it
        shutil.rmtree(cache)
        replace(*paths)

    monkeypatch.setattr(os, "replace", deleted)
    assert answer(47) == 47


def test_a_folder_where_the_file_should_be(cache):
    answer(48)
    file, = cache.iterdir()
    file.unlink()
    (file / "kept").mkdir(parents=True)
    assert answer(48) == 48
    assert list(cache.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of another kind")
def test_a_full_disk(tmp_path):
    """A file that ends in the midst leaves nothing."""
    script = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
import numpy as np, numba_act as act
print(act.relu(np.float32([-1, 2])))"""
    assert run(script, NUMBA_ACT_CACHE_DIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1") == "[0. 2.]"
    assert not list(tmp_path.iterdir())


def test_no_cache(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", "0")
    assert answer(3) == 3
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("NUMBA_ACT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert answer(4) == 4
    assert not cache.exists()


def test_cache_is_bounded(cache, monkeypatch):
    monkeypatch.setattr(objects, "CACHE_BYTES", 4000)
    monkeypatch.setattr(objects, "PRUNING", "g")         # a look with every file
    for number in range(5, 25):
        assert answer(number) == number
    assert 0 < sum(f.stat().st_size for f in cache.iterdir()) <= 4000


def test_least_recently_used_goes_first(cache, monkeypatch):
    for number in (31, 32, 33):
        answer(number)
    for file in cache.iterdir():
        os.utime(file, (0, 0))                           # long ago
    answer(31)
    (used,) = [file for file in cache.iterdir() if file.stat().st_mtime]
    monkeypatch.setattr(objects, "CACHE_BYTES", 2 * used.stat().st_size)
    objects._prune(cache)
    assert list(cache.iterdir()) == [used]


def test_pruning_beside_another_process(cache, monkeypatch):
    """Who was faster in unlinking a file does not end it."""
    unlink = os.unlink

    def late(path):
        unlink(path)
        unlink(path)

    for number in (34, 35, 36):
        answer(number)
    monkeypatch.setattr(objects, "CACHE_BYTES", 0)
    monkeypatch.setattr(os, "unlink", late)
    objects._prune(cache)
    assert not list(cache.iterdir())


def test_pruning_beside_another_user(cache, monkeypatch):
    """What cannot be removed does not count as removed."""
    for number in (37, 38, 39):
        answer(number)
    kept, *_ = cache.iterdir()
    os.utime(kept, (0, 0))
    unlink = os.unlink

    def refuse(path):
        if Path(path) == kept:
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr(objects, "CACHE_BYTES", 0)
    objects._prune(cache)
    assert list(cache.iterdir()) == [kept]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSYS, errno.EXDEV, errno.EROFS])
def test_a_failed_replace_leaves_nothing(cache, monkeypatch, number):
    """As on a file system without it."""
    def refuse(*paths):
        raise OSError(number, os.strerror(number), *paths)
    monkeypatch.setattr(os, "replace", refuse)
    assert answer(40) == 40
    assert not list(cache.iterdir())


def test_another_system_has_its_own_objects(cache, monkeypatch):
    """Windows and WSL share a folder and a processor."""
    answer(41)
    other = objects.target()._replace(triple="x86_64-pc-windows-msvc")
    monkeypatch.setattr(objects, "target", lambda: other)
    answer(41)
    assert len(list(cache.iterdir())) == 2


def test_what_is_not_there_is_not_called(cache):
    text = "declare void @no_such_function()\ndefine void @f() { call void @no_such_function()\n ret void }"
    with pytest.raises(RuntimeError, match="the function no_such_function, which nothing here provides"):
        objects.load(text, lambda: text, ["f"])


LOOP = """
define void @{name}(ptr %from, ptr %to, i64 %n) {{
start:
  br label %loop
loop:
  %i = phi i64 [0, %start], [%next, %loop]
  %p = getelementptr {given}, ptr %from, i64 %i
  %q = getelementptr {result}, ptr %to, i64 %i
  %x = load {given}, ptr %p
  %y = call {result} @{function}({given} %x)
  store {result} %y, ptr %q
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


def test_float16_without_instructions():
    """Every float16 widened; around every number that float16 has, and half-way between, float32 narrowed."""
    widen, narrow = (name.replace("__", "our") for name in library.NAMES)
    text = (library.TEXT.replace("__", "our") + LOOP.format(name="widen", function=widen, given="half", result="float")
            + LOOP.format(name="narrow", function=narrow, given="float", result="half"))
    calls = [ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64)(address)
             for address in objects.load(text, lambda: text, ["widen", "narrow"])]

    def run_on(call, x, dtype):
        y = np.empty(x.size, dtype)
        call(x.ctypes.data, y.ctypes.data, x.size)
        return y

    def same(actual, right):
        actual, right = (np.where(np.isnan(a), 1, a.view(f"u{a.itemsize}")) for a in (actual, right))
        return (actual == right).all()

    halves = np.arange(1 << 16, dtype="u2").view("f2")
    lows = np.uint32([0, 1, 0xFFE, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
    floats = ((np.arange(1 << 16, dtype="u4") << 16)[:, None] + lows).ravel().view("f4")
    with np.errstate(all="ignore"):                      # on ARM a signaling NaN warns in the first as well
        assert same(run_on(calls[0], halves, "f4"), halves.astype("f4"))
        assert same(run_on(calls[1], floats, "f2"), floats.astype("f2"))


def test_the_mode_of_floats_on_arm():
    """It is saved, set and given back by instructions."""
    from llvmlite import binding
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    triple = "aarch64-unknown-linux-gnu"
    machine = binding.Target.from_triple(triple).create_target_machine(cpu="cortex-a72")
    assembly = machine.emit_assembly(binding.parse_assembly(driver.text(triple))).upper()
    run_tasks = assembly.partition("RUN_TASKS:")[2].partition("FUNC_END")[0]
    assert [run_tasks.count(f"MSR\tFP{r}") for r in ("CR", "SR")] == [2, 1]
    assert [run_tasks.count(f", FP{r}") for r in ("CR", "SR")] == [1, 1]


def test_two_processes_at_once(tmp_path):
    script = KERNEL + "print(cpu.call(kernel, [np.arange(3.0)])[0].tolist())"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "NUMBA_ACT_CACHE_DIR": str(tmp_path)}
    running = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    assert [p.communicate(timeout=60)[0].decode().strip() for p in running] == ["[1.0, 3.0, 5.0]"] * 3


def test_small_calls_import_little():
    assert run(KERNEL + "print('llvmlite' in sys.modules or 'numba' in sys.modules)") == "False"
    assert run(KERNEL + "cpu.call(kernel, [np.ones(9)]); print('numba' in sys.modules)") == "False"


# --- threads ----------------------------------------------------------------------------------------------------------
STRESS = KERNEL + """
x = np.arange(300_000, dtype="f4")
right = x * 2 + 1
def work(results):
    results.append(all((cpu.call(kernel, [x])[0] == right).all() for _ in range(50)))
results = []
workers = [threading.Thread(target=work, args=(results,)) for _ in range(8)]
for w in workers: w.start()
for w in workers: w.join()
assert results == [True] * 8
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        os._exit(0 if (cpu.call(kernel, [x])[0] == right).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
work(results)
assert results[-1]
print(threads.describe()["layer"], threads.describe()["threads"])
"""


@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue", "default"])
@pytest.mark.filterwarnings("ignore")
def test_every_layer(layer):
    if layer in threads.POOLS:
        pytest.importorskip(f"numba.np.ufunc.{threads.POOLS[layer]}", exc_type=ImportError)   # it may lack a library
    chosen, count = run(STRESS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2").split()
    assert layer in ("default", chosen)
    assert count == str(min(2, threads.processors()))


def test_fork_before_the_first_call():
    script = KERNEL + """
x = np.arange(300_000, dtype="f4")
child = os.fork()
ok = (cpu.call(kernel, [x])[0] == x * 2 + 1).all() and threads.describe()["layer"] is not None
if child == 0:
    os._exit(0 if ok else 1)
print(ok and os.waitpid(child, 0)[1] == 0)
"""
    if hasattr(os, "fork"):
        assert run(script) == "True"


def test_serial_where_no_pool_starts():
    script = KERNEL + """
x = np.arange(300_000, dtype="f4")
assert (cpu.call(kernel, [x])[0] == x * 2 + 1).all()
print(threads.describe()["threads"], threads.describe()["reason"].split(":")[0])
"""
    assert run(script, NUMBA_THREADING_LAYER="nonsense") == "1 ValueError"


@pytest.mark.parametrize("quota, count", [
    ("150000 100000", 2), ("1000 100000", 1), ("900000 100000", 8), ("max 100000", 8), (None, 8),
])
def test_processors(quota, count, tmp_path, monkeypatch):
    """The affinity, or less by the cgroup's quota."""
    file = tmp_path / "cpu.max"
    if quota:
        file.write_text(f"{quota}\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr(threads, "Path", lambda path: file)
    assert threads.processors() == count


@pytest.mark.parametrize("text, size", [("512K\n", 512 << 10), ("much", 32 << 20), (None, 32 << 20)])
def test_the_last_cache(text, size, tmp_path, monkeypatch):
    """What the system says of it, or a usual size."""
    file = tmp_path / "size"
    if text:
        file.write_text(text)
    monkeypatch.setattr(processor, "LAST_CACHE", file)
    assert processor.cache_bytes.__wrapped__() == size


@pytest.mark.parametrize("quota, count", [("150000", 2), ("-1", 8)])
def test_processors_by_the_first_version_of_cgroups(quota, count, tmp_path, monkeypatch):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr(threads, "Path", lambda path: tmp_path / Path(path).relative_to("/sys/fs/cgroup"))
    assert threads.processors() == count


def test_nothing_starts_at_import():
    assert run(KERNEL + "print(threading.active_count(), threads.describe()['layer'])") == "1 None"


# --- the driver's language --------------------------------------------------------------------------------------------
THREE = 3


def collatz(n, limit):
    steps = 0
    while n != 1 and steps < limit:
        n = THREE * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


def language(place, n):
    place[0], place[1] = collatz(n, 1000), -n
    for i in range(2, 10, 3):
        if i > 4 or not n:
            place[i] = max(i, n) - min(i, n)
        else:
            place[i] = (i >> 1) + (n & 5) + (n | 1)
    place[i] += (n > 1 and n < 30) - (n if n else THREE)     # the last i, as in Python
    return 0


def test_words_mean_what_python_means():
    source = "".join(map(inspect.getsource, (collatz, language)))
    text = words.module_text(source, "test", globals(), ["language"], primitives.PRIMITIVES)
    address, = objects.load((text,), lambda: text, ["language"])
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(address)
    for n in (1, 7, 27, 1000):
        actual, expected = np.zeros(10, np.int64), np.zeros(10, np.int64)
        function(actual.ctypes.data, n)
        language(expected, n)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("line, why", [
    ("x = a > 0 and helper(a) == 1", "a call here might be one too many"),
    ("x = 1 if a else helper(a)", "a call here might be one too many"),
    ("x = a != 0 and 8 // a > 2", "a division here might be one by 0"),
    ("x = a and 2", "defined for comparisons"),
    ("x = 0 < a < 3", "two words are compared"),
    ("x = a is 3", "two words are compared"),
    ("x = ~a", "no such operator"),
    ("x = a / 2", "no such operator"),
    ("x = a ** 2", "no such operator"),
    ("x = 1.5", "a whole number"),
    ("x = '1'", "a whole number"),
    ("x = unknown", "unknown is no variable"),
    ("x = helper", "helper is no variable"),
    ("x = unknown(a)", "no function unknown"),
    ("x = helper(a, a)", "helper: "),
    ("x = helper(a=a)", "without keywords"),
    ("x = min(a, 1, 2)", "min: "),
    ("x = y = a", "one target"),
    ("x, y = a", "as many values"),
    ("x = [a]", "no such thing"),
    ("a[helper(a)] += 1", "a call here"),
    ("for i in helper(a): x = i", "one name over range"),
    ("for i in range(9, 0, -1): x = i", "a constant above 0"),
    ("for i in range(9, 0, a): x = i", "a constant above 0"),
    ("for i in range(3): break", "no such thing"),
    ("while a: a -= 1\n    else: a = 7", "no else"),
    ("with a: x = 1", "no such thing"),
    ("return a; x = 1", "nothing follows a return"),
    ("assert a", "no such thing"),
    ("x: int = a", "no such thing"),
])
def test_words_refuse_what_they_would_mistake(line, why):
    source = f"def helper(a):\n    return a\n\n\ndef wrong(a):\n    {line}\n"
    with pytest.raises(SyntaxError, match=rf"{why}.*\(some file, line [67]\)"):
        words.module_text(source, "some file", {}, ["wrong"], primitives.PRIMITIVES)


@pytest.mark.parametrize("source", ["def wrong(a, b=1): return a", "def wrong(*a): return 1", "x = 1",
                                    "@f\ndef wrong(): return 1", "def wrong(*, a): return a"])
def test_words_refuse_other_definitions(source):
    with pytest.raises(SyntaxError, match=r"some file, line [12]"):
        words.module_text(source, "some file", {}, ["wrong"], primitives.PRIMITIVES)


def test_jobs_and_records_are_filled_by_name():
    plan = driver.job({driver.SIZE: 6, driver.SHAPE: [2, 3], driver.ALL_UNIFORM: 1},
                      [{driver.ITEM: 4, driver.STEPS: [12, 4]}, {driver.MODE: driver.CYCLE}])
    first, second = (plan[driver.OPERANDS + k * driver.OPERAND_WORDS:][:driver.OPERAND_WORDS] for k in range(2))
    assert list(plan[driver.SHAPE:driver.SHAPE + 3]) == [2, 3, 0]
    assert (first[driver.BASE], first[driver.ITEM], first[driver.STEPS + 1]) == (0, 4, 4)
    assert (second[driver.BASE], second[driver.MODE]) == (0, driver.CYCLE)
    words_of = dict.fromkeys(range(driver.RECORD_WORDS), 0)
    assert driver.record({**words_of, driver.COST: 7})[driver.COST] == 7
    with pytest.raises(KeyError):
        driver.record({driver.COST: 7})


def test_driver_is_cached(cache):
    names = run("from numba_act.runtime import driver; print(*vars(driver.load()))", NUMBA_ACT_CACHE_DIR=str(cache))
    assert names.split() == list(driver.EXPORTED)
    assert len(list(cache.iterdir())) == 1
    assert driver.load() is driver.load()


# --- outputs ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def pool(monkeypatch):
    fresh = outputs.Pool(64 << 20)
    monkeypatch.setattr(outputs, "_pool", fresh)
    return fresh


def test_memory_is_used_again(pool):
    first = outputs.empty((3, 1 << 20), "f4")
    address, view = first.ctypes.data, first[1:, ::2]
    assert type(first) is np.ndarray
    assert first.flags.writeable
    assert address % 64 == 0
    del first
    gc.collect()
    assert pool.free_bytes == 0                # the view still needs it
    del view
    assert outputs.empty((1 << 20, 3), "f4").ctypes.data == address


def test_small_outputs_are_numpys_own(pool):
    assert outputs.empty((10, 10), "f4").flags.owndata
    outputs.empty((1000,), "f8")
    assert pool.free_bytes == 0


def test_layout_follows_axes(pool):
    for dtype in ("f2", "f8"):
        array = outputs.empty((64, 128, 256), dtype, axes=(2, 0, 1))
        assert array.shape == (64, 128, 256)
        assert np.argsort(array.strides).tolist() == [1, 0, 2]


def test_pool_is_bounded(pool):
    for n in range(40):
        outputs.empty(((2 << 20) + n * 400_000,), "u1")
        assert pool.free_bytes <= pool.limit
    assert pool.free_bytes > pool.limit // 2
    outputs.clear()
    assert pool.free_bytes == 0


def test_pool_serves_many_threads(pool):
    def work(number):
        for _ in range(100):
            mine = outputs.empty(((1 << 18) + number % 3,), "f4")
            mine[:1000] = number
            assert (mine[:1000] == number).all()
    with concurrent.futures.ThreadPoolExecutor(8) as workers:
        list(workers.map(work, range(8)))


def test_recycling_can_be_switched_off():
    script = "from numba_act.runtime import outputs; print(outputs.empty((1 << 20,), 'f8').flags.owndata)"
    assert run(script, NUMBA_ACT_RECYCLE="0") == "True"
    assert run(script) == "False"
