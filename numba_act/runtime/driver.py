"""The driver that every kernel shares: it cuts a problem into tasks and blocks and feeds them to a kernel.

A kernel knows whole vectors of contiguous elements only.  The driver brings everything else to that form: blocks of
strided or broadcast operands, and the ends that do not fill a vector, pass through a buffer on the stack.  So each
element meets the same instructions wherever it lies, and gets the same bits.

A job is an array of words: the flattened index space of an n-dimensional problem, and for each operand, inputs
first, its address, its byte step along every dimension, and how it is read or written.  What they are is written here;
the functions that read them are in driver.words, in the small language of words.py, where every value is a 64-bit
word.  They are compiled once per machine and kept on disk.  They hold no address: every one comes in a record or in
the control words.
"""
import ctypes
import functools
import pkgutil
from types import SimpleNamespace

import numpy as np

from . import objects, processor

MAX_DIMS = 8
MAX_OPERANDS = 16
POINTERS = MAX_OPERANDS + 1                  # what a kernel gets
BLOCK = 512                                  # elements; 2 KB of float32, several operands stay in the first cache
LEAST_TASK = 4096                            # elements; below that handing a task over costs more than it saves
TASKS_PER_THREAD, MAX_TASKS = 4, 1 << 30
TASK_WORK = 10_000_000                       # elements times cost; at the end one thread may wait for another for so
#                                              much, and a fifth of it would cost large arrays 5 to 8 %
BACK = 1 << 32                               # a word of tasks that are left: the first below it, their end above
LINE = 64                                    # bytes that a cache keeps together
LEAST_ALIGNED = 256                          # elements; stores that straddle cache lines cost 30 to 50 %
SUM_CUT = 32                                 # elements, as many as the widest vector has: if blocks were cut by the
#                                              vectors of this processor, sums would depend on it
BUFFER_BYTES = 2 * BLOCK * 8 + 128           # room for a block from anywhere in a cycle; not a power of two, for then
#                                              loads wait for stores at the same offset of another page
BUFFER_WORDS = MAX_OPERANDS * BUFFER_BYTES // 8
KEPT_BYTES = 1 << 18                         # what a row kernel keeps of a row: 50,257 bfloat16 numbers take 0.7 of the
#                                              time without
KEPT_WORDS = KEPT_BYTES // 8
PIECE_BYTES = 1 << 16                        # of a row, over which a sum is taken before it joins the others

# Words of a kernel's record.  Jobs of LEAST_STREAMED elements and more store their outputs past the caches.
(GENERAL, UNIFORM, CONTROL, N_IN, N_ALL, ITEM_SIZE, LANES, PARAMETERS, COST, LEAST_STREAMED, ROWS, STAGES, PIECE,
 RECORD_WORDS) = range(14)
NEVER = 1 << 62
# Words of a job; then SHAPE, MAX_DIMS words; then the operands.  A kernel finds the address of FAILURE behind those of
# its operands, and leaves there what its function has raised.
# Where a record's ROWS is not 0 it is a function of rows, of LENGTH elements each, and the index space is one of rows,
# or of vectors of COLUMNS rows side by side; what it keeps goes to the operand KEPT_IN, or if that is 0 to the stack.
# If there are STAGES it is one of pieces of a row, PIECE elements each, that threads share STAGE by STAGE; what they
# gather over each lies at PARTIAL.
(RECORD, SIZE, NDIM, TASKS, GRAIN, LEFT, ALL_UNIFORM, FAILURE, LENGTH, COLUMNS, KEPT_IN, STAGE, PARTIAL,
 SHAPE) = range(14)
OPERANDS = SHAPE + MAX_DIMS
# Words of an operand; then STEPS, MAX_DIMS words, in bytes.  CAST is 0 or the address of a function that casts elements
# of CAST_ITEM bytes to those of the kernel.
# ALONG and ACROSS are the steps along a row and from one column to the next.
BASE, ITEM, MODE, ROW, PERIOD, CAST, CAST_ITEM, ALONG, ACROSS, STEPS = range(10)
OPERAND_WORDS = STEPS + MAX_DIMS
JOB_WORDS = OPERANDS + MAX_OPERANDS * OPERAND_WORDS
# Modes: contiguous over the whole index space; copied block by block; a pattern that repeats after so many elements,
# copied once; one element that the kernel's uniform function reads; summed into float64 accumulators, a row per task.
# And of outputs: as LINEAR, past the caches.
LINEAR, STAGED, CYCLE, VALUE, REDUCED, STREAMED = range(6)
# Control words.
(RUN, LAUNCH, PARALLEL_FOR, HELP, ADD_TASK, SYNCHRONIZE, GET_NUM_THREADS, MIN_WORK, LIMIT, SERIAL, EXCLUSIVE, BUSY,
 ENSURE, NEW_NUMBER, SET_ERROR, ERROR, DROP, RELEASE, CONTROL_WORDS) = range(19)

HEAD = object.__basicsize__                  # bytes; behind it begins what is NumPy's own of an array, with its address
TUPLE_HEAD = tuple.__basicsize__             # bytes; behind it lie the addresses of what a tuple holds

EXPORTED = "entry", "entry_of_rows", "launch", "launch_arrays", "launch_copy", "run_tasks", "help_out", "retire"


def record(words):
    """A kernel's record, from all its words by name."""
    return np.array([words[k] for k in range(RECORD_WORDS)], np.intp)


def job(words, operands):
    """A job, from its words by name, and those of every operand; what is not given is 0."""
    made = (ctypes.c_ssize_t * (OPERANDS + len(operands) * OPERAND_WORDS))()
    starts = [0, *range(OPERANDS, len(made), OPERAND_WORDS)]
    for start, given in zip(starts, (words, *operands), strict=True):
        for place, value in given.items():
            values = value if isinstance(value, list) else [value]
            made[start + place:start + place + len(values)] = values
    return made


def of_arrays(plan, arrays):
    """A copy of a job for `launch_arrays`, with the addresses of NumPy's array objects for those of the operands."""
    made = type(plan).from_buffer_copy(plan)
    place = OPERANDS + BASE
    for array in arrays:
        made[place] = id(array)
        place += OPERAND_WORDS
    return made


def text(triple):
    """The driver's LLVM IR for a kind of processor."""
    from .primitives import primitives_for
    from .words import module_text
    return module_text(_source(), "driver.words", _constants(), EXPORTED, primitives_for(triple))


def _source():
    return pkgutil.get_data(__package__, "driver.words").decode()


def _constants():
    return {name: value for name, value in globals().items() if type(value) is int}


@functools.cache
def load():
    """Addresses of the driver's functions that others call."""
    compilers = [objects.code_of(f"{__package__}.{name}") for name in ("words", "primitives")]
    key = _source(), _constants(), compilers
    addresses = objects.load(key, lambda: text(processor.target().triple), EXPORTED, optimise=True)
    return SimpleNamespace(**dict(zip(EXPORTED, addresses, strict=True)))
