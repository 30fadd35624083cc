"""Object code: LLVM IR compiled for this CPU, kept on disk, loaded into the process.

An object file's name is the hash of everything the compiler reads, so a stale one is impossible.  llvmlite is
imported when the first function is loaded, and so is what else takes long to import.
"""
import contextlib
import os
import threading
from importlib.util import find_spec
from pathlib import Path
from types import CodeType

from . import library
from .processor import machine, target

MAGIC = b"numbaact"
CACHE_BYTES = 256 << 20
PRUNING = "04"                               # names below it, a 64th of all, have the cache looked through: 2 us a file
PASSES = "none, or speed_level=2 without unrolling; codegen 3"

lock = threading.RLock()                     # one compilation at a time, and none while the process forks
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

_engines = []                                # the code lives as long as its engine, which takes the machine with it


def compile_text(text, optimise):
    """The object file of a module written in LLVM IR.

    A kernel's IR, vectors already, goes to code generation as it is: LLVM's passes find nothing to gain, take half of
    the time, and InstCombine loses the sign of -0 where it moves a rounding to float16 through a choice.
    """
    return machine().emit_object(parsed(text, optimise))


def parsed(text, optimise):
    """LLVM's module of that text."""
    import llvmlite.binding as llvm
    module = llvm.parse_assembly(text)
    module.verify()
    if optimise:
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = True, False, False
        builder = llvm.create_pass_builder(machine(), options)
        builder.getModulePassManager().run(module, builder)
    return module


def load(key, make_text, names, optimise=False):
    """Addresses of the named functions of a module written in LLVM IR, by its object file on disk or a new one.

    `key` is all that the text follows from: the text itself, or less where making it takes long.
    """
    with lock:
        image = cached((key, optimise, PASSES, *target()), lambda: compile_text(make_text(), optimise))
        return link(image, names)


def cached(key, make):
    """What `make` gives, bytes, from disk if it was made before.  `key` is all that it follows from, with llvmlite."""
    image = _read(_path(key))
    return renewed(key, make) if image is None else image


def renewed(key, make):
    """What `make` gives, on disk from now on, whatever was there before."""
    image = make()
    _write(_path(key), image)
    return image


def code_of(module):
    """What the code of a module, which need not be imported, says, for a key: its source may not be there (only .pyc,
    or a zip)."""
    return _spelled(find_spec(module).loader.get_code(module))


def _spelled(code):
    """Code without its file and lines."""
    constants = [_spelled(c) if isinstance(c, CodeType) else sorted(map(repr, c)) if isinstance(c, frozenset) else c
                 for c in code.co_consts]             # the order of a set differs from process to process
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants


def link(image, names):
    """Addresses of the named functions of an object file, which becomes part of the process."""
    import llvmlite.binding as llvm
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
    _engines.append(engine)
    provided = [name for name in library.NAMES if name.encode() in image]
    for name in library.undefined(image):        # else LLVM would call address 0
        if name not in provided and not llvm.address_of_symbol(name):
            raise RuntimeError(f"compiled code needs the function {name}, which nothing here provides")
    if provided:
        conversions = cached((library.TEXT, PASSES, *target()), lambda: compile_text(library.TEXT, False))
        engine.add_object_file(llvm.ObjectFileRef.from_data(conversions))
    engine.add_object_file(llvm.ObjectFileRef.from_data(image))
    engine.finalize_object()
    return tuple(engine.get_function_address(name) for name in names)


def cache_directory():
    """Where object files are kept; None where NUMBA_ACT_CACHE_DIR is "0", or nothing tells the user's folder."""
    chosen = os.environ.get("NUMBA_ACT_CACHE_DIR")
    if chosen == "0":
        return None
    if chosen:
        return Path(chosen)
    try:
        from platformdirs import user_cache_path
    except ModuleNotFoundError:
        return None
    return user_cache_path("numba_act", appauthor=False)


def _path(key):
    directory = cache_directory()
    if directory is None:
        return None
    from importlib.metadata import version
    return directory / f"{_digest(repr((*key, version('llvmlite'))).encode()).hex()}.o"


def _digest(data):
    from hashlib import sha256
    return sha256(data).digest()


def _read(path):
    """The object file at path; None if there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except (OSError, AttributeError):
        return None
    with contextlib.suppress(OSError):       # another user's file
        os.utime(path)                       # the cache drops what was used least recently
    image = content[len(MAGIC) + 32:]
    return image if content == _signed(path, image) else None


def _signed(path, image):
    """A file's content: one that is damaged, or lies under another's name, differs from that."""
    return MAGIC + _digest(path.stem.encode() + image) + image


def _write(path, image):
    """Put an object file on disk, whole or not at all; a directory that cannot be written to is no error."""
    if path is None:
        return
    import tempfile
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with open(descriptor, "wb") as file:
            file.write(_signed(path, image))
        os.replace(temporary, path)
        if path.name < PRUNING:
            _prune(path.parent)
    except OSError:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _prune(directory):
    """Keep the cache under CACHE_BYTES; what is dropped makes room for a quarter more."""
    files = []
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                files += [(entry.stat(), entry)] if entry.name.endswith((".o", ".tmp")) else []
    total = sum(status.st_size for status, _ in files)
    if total <= CACHE_BYTES:
        return
    for status, entry in sorted(files, key=lambda pair: pair[0].st_mtime):
        try:
            os.unlink(entry.path)
        except FileNotFoundError:            # another process was faster
            pass
        except OSError:                      # another user's
            continue
        total -= status.st_size
        if total <= CACHE_BYTES * 3 // 4:
            return
