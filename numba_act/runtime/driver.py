"""The driver that every kernel shares: it cuts a problem into tasks and blocks and feeds them to a kernel.

A kernel knows whole vectors of contiguous elements only.  The driver brings everything else to that form: blocks of
strided or broadcast operands, and the ends that do not fill a vector, pass through a buffer on the stack.  So each
element meets the same instructions wherever it lies, and gets the same bits.

A job is an array of words: the flattened index space of an n-dimensional problem, and for each operand, inputs
first, its address, its byte step along every dimension, and how it is read or written.  The functions here are
compiled once per machine and kept on disk, written in the small language of words.py, where every value is a 64-bit
word.  They hold no address: every one comes in a record or in the control words.
"""
import functools
import platform
from pathlib import Path
from types import SimpleNamespace

from . import objects

# ruff: noqa: F821, SIM109 (the primitives are no Python functions, and the language has no `in`)

MAX_DIMS = 8
MAX_OPERANDS = 16
BLOCK = 512                                  # elements; 2 KB of float32, several operands stay in the first cache
LEAST_TASK = 8192                            # elements; below that handing a task over costs more than it saves
TASKS_PER_THREAD = 4
ALIGNMENT = 64
LEAST_ALIGNED = 256                          # elements; stores that straddle cache lines cost 30 to 50 %

# Words of a kernel's record.
GENERAL, UNIFORM, CONTROL, N_IN, N_ALL, ITEM_SIZE, LANES, PARAMETERS, COST, RECORD_WORDS = range(10)
# Words of a job; then SHAPE, MAX_DIMS words; then the operands.
RECORD, SIZE, NDIM, TASKS, GRAIN, ALL_UNIFORM, SHAPE = range(7)
OPERANDS = SHAPE + MAX_DIMS
# Words of an operand; then MAX_DIMS byte steps.
BASE, ITEM, MODE, ROW, PERIOD, STEPS = range(6)
OPERAND_WORDS = STEPS + MAX_DIMS
JOB_WORDS = OPERANDS + MAX_OPERANDS * OPERAND_WORDS
# Modes: contiguous over the whole index space; copied block by block; a pattern that repeats after so many elements,
# copied once; one element that the kernel's uniform function reads; summed into float64 accumulators, a row per task.
LINEAR, STAGED, CYCLE, VALUE, REDUCED = range(5)
# Control words.
(RUN, LAUNCH, PARALLEL_FOR, GET_NUM_THREADS, MIN_WORK, LIMIT, SERIAL, EXCLUSIVE, BUSY, CONTROL_WORDS) = range(10)

BUFFER_BYTES = 2 * BLOCK * 8 + 128            # room for a block from anywhere in a cycle; not a power of two, for then
#                                              loads wait for stores at the same offset of another page
BUFFER_WORDS = MAX_OPERANDS * BUFFER_BYTES // 8


@functools.cache
def load():
    """Addresses of the driver's functions that others call."""
    exported = entry, launch, run_tasks
    names = [function.__name__ for function in exported]

    def make_text():
        from .primitives import PRIMITIVES
        from .words import module_text
        return module_text(FUNCTIONS, exported, PRIMITIVES)

    here = Path(__file__).parent
    sources = [(here / f"{name}.py").read_text() for name in ("driver", "words", "primitives")]
    addresses = objects.load((sources, platform.machine()), make_text, names, optimise=True)
    return SimpleNamespace(**dict(zip(names, addresses, strict=True)))


def operand_of(job, k):
    return job + (OPERANDS + k * OPERAND_WORDS) * 8


# --- sums into float64: sixteen lanes and a fixed tree, so that vectors are used and the order is fixed ---------------
def add_elements(target, step, source, item, n):
    if step == 8 and item == 4:              # as below, in a form that LLVM turns into vectors
        for i in range(n):
            add4(target, i * 8, source, i * 4)
    elif step == 8:
        for i in range(n):
            add8(target, i * 8, source, i * 8)
    elif item == 4:
        for i in range(n):
            add4(target, i * step, source, i * 4)
    else:
        for i in range(n):
            add8(target, i * step, source, i * 8)


def add_total(target, source, item, n):
    """Add the sum of n floats to the double at target."""
    lanes = stack(16)
    clear_lanes(lanes)
    whole = n - n % 16
    if item == 4:
        for i in range(0, whole, 16):
            add_lanes4(lanes, 0, source, i * 4)
    else:
        for i in range(0, whole, 16):
            add_lanes8(lanes, 0, source, i * 8)
    half = 8
    while half > 0:
        for i in range(half):
            add8(lanes, i * 8, lanes, (i + half) * 8)
        half = half >> 1
    add_elements(lanes, 0, source + whole * item, item, n - whole)
    add8(target, 0, lanes, 0)


def accumulate(target, step, source, item, n):
    """Add a run of n floats to doubles `step` bytes apart."""
    if step == 0 and n > 1:
        add_total(target, source, item, n)
    else:
        add_elements(target, step, source, item, n)


# --- blocks -----------------------------------------------------------------------------------------------------------
def copy_run(item, target, target_step, source, source_step, n):
    """Copy n elements between two addresses, steps in bytes."""
    if target_step == item and source_step == item:
        copy_bytes(target, source, n * item)
    elif source_step == 0:
        fill_run(item, target, target_step, source, n)
    elif item == 4 and target_step == 4 and source_step == 8:       # [::2], which LLVM turns into vectors
        for i in range(n):
            store4(target, i * 4, load4(source, i * 8))
    elif item == 4:
        for i in range(n):
            store4(target, i * target_step, load4(source, i * source_step))
    elif item == 2:
        for i in range(n):
            store2(target, i * target_step, load2(source, i * source_step))
    else:
        for i in range(n):
            store8(target, i * target_step, load8(source, i * source_step))


def fill_run(item, target, step, source, n):
    """Copy one element n times."""
    if item == 4:
        value = load4(source, 0)
        for i in range(n):
            store4(target, i * step, value)
    elif item == 2:
        value = load2(source, 0)
        for i in range(n):
            store2(target, i * step, value)
    else:
        value = load8(source, 0)
        for i in range(n):
            store8(target, i * step, value)


def seek(job, position, index):
    """The n-d index of a position in the flattened index space."""
    for back in range(1, job[NDIM]):
        d = job[NDIM] - back
        quotient = position // job[SHAPE + d]
        index[d] = position - quotient * job[SHAPE + d]
        position = quotient
    index[0] = position


def move_run(operand, outward, address, step, buffer, n):
    """Between a run of an operand and its buffer."""
    item = operand[ITEM]
    if operand[MODE] == REDUCED:
        accumulate(address, step, buffer, item, n)
    elif outward:
        copy_run(item, address, step, buffer, item, n)
    else:
        copy_run(item, buffer, item, address, step, n)


def move_block(job, operand, outward, task, start, buffer, n):
    """Between an operand and its buffer: n elements from the index `start`, in runs along the last dimension."""
    steps, last = operand + STEPS * 8, job[NDIM] - 1
    index = stack(8)
    address = operand[BASE] + task * operand[ROW]
    for d in range(last + 1):
        index[d] = start[d]
        address += start[d] * steps[d]
    while n > 0:
        run = min(job[SHAPE + last] - index[last], n)
        move_run(operand, outward, address, steps[last], buffer, run)
        buffer += run * operand[ITEM]
        n -= run
        address += run * steps[last]
        index[last] += run
        d = last
        while d > 0 and index[d] == job[SHAPE + d]:
            address += steps[d - 1] - index[d] * steps[d]
            index[d] = 0
            d -= 1
            index[d] += 1


def to_head(job, n, lanes, n_in):
    """How many elements to do first so that the first output's stores do not straddle cache lines."""
    output = operand_of(job, n_in)
    if n < LEAST_ALIGNED or output[MODE] != LINEAR:
        return 0
    return min((-output[BASE] & (ALIGNMENT - 1)) // output[ITEM], lanes - 1)


def load_operand(job, operand, start, index, buffer, n, lanes):
    """Where n elements of an input lie contiguous: in place if they fill vectors, else in the buffer, padded with
    copies of the first."""
    mode, item = operand[MODE], operand[ITEM]
    address = operand[BASE] + start * item
    if mode == LINEAR and n % lanes == 0:
        return address
    if mode == LINEAR:
        copy_bytes(buffer, address, n * item)
    else:
        move_block(job, operand, 0, 0, index, buffer, n)
    if n % lanes != 0:
        fill_run(item, buffer + n * item, item, buffer, lanes - n)
    return buffer


def fill_cycle(job, operand, index, buffer, n):
    """Fill n elements of the buffer with the operand's pattern, from its beginning."""
    item, filled = operand[ITEM], operand[PERIOD]
    if filled == 1:
        fill_run(item, buffer, item, operand[BASE], n)
    else:
        seek(job, 0, index)
        move_block(job, operand, 0, 0, index, buffer, filled)
        while filled < n:
            more = min(filled, n - filled)
            copy_bytes(buffer + filled * item, buffer, more * item)
            filled += more


def run_block(job, task, start, n, pointers, index, buffers):
    """n elements: whole vectors, or fewer than one."""
    record = job[RECORD]
    n_in, n_all, lanes = record[N_IN], record[N_ALL], record[LANES]
    for k in range(n_in):
        operand = operand_of(job, k)
        if operand[MODE] == LINEAR or operand[MODE] == STAGED:
            pointers[k] = load_operand(job, operand, start, index, buffers + k * BUFFER_BYTES, n, lanes)
        elif operand[MODE] == CYCLE:
            pointers[k] = buffers + k * BUFFER_BYTES + start % operand[PERIOD] * operand[ITEM]
    for k in range(n_in, n_all):
        operand = operand_of(job, k)
        direct = operand[MODE] == LINEAR and n % lanes == 0
        pointers[k] = operand[BASE] + start * operand[ITEM] if direct else buffers + k * BUFFER_BYTES
    call(record[UNIFORM] if job[ALL_UNIFORM] else record[GENERAL], pointers, (n + lanes - 1) // lanes)
    for k in range(n_in, n_all):
        operand = operand_of(job, k)
        if operand[MODE] != LINEAR:
            move_block(job, operand, 1, task, index, pointers[k], n)
        elif n % lanes != 0:
            copy_bytes(operand[BASE] + start * operand[ITEM], pointers[k], n * operand[ITEM])


def run_range(job, task, start, stop):
    """Elements start to stop of the flattened index space."""
    record = job[RECORD]
    lanes = record[LANES]
    pointers, index, buffers = stack(8), stack(8), stack(BUFFER_WORDS)
    direct = 1                               # nothing is copied: one kernel call may do all whole vectors
    for k in range(record[N_ALL]):
        operand = operand_of(job, k)
        mode = operand[MODE]
        direct = direct & (mode == LINEAR or mode == VALUE)
        pointers[k] = operand[BASE]
        if mode == CYCLE:
            n = max(lanes, min(BLOCK, stop - start)) + operand[PERIOD] - 1
            fill_cycle(job, operand, index, buffers + k * BUFFER_BYTES, n)
    n = to_head(job, stop - start, lanes, record[N_IN]) if direct else 0
    while start < stop:
        if n == 0:
            n = stop - start if direct else min(BLOCK, stop - start)
            if n > lanes:
                n -= n % lanes
        if not direct:
            seek(job, start, index)
        run_block(job, task, start, n, pointers, index, buffers)
        start += n
        n = 0


def run_tasks(args, dims, steps, job):
    """Tasks args[0] to args[0] + dims[0] of a job, as a threading layer calls it.  The floating-point status stays
    as it was."""
    status = stack(8)
    save_status(status)
    default_status()
    for task in range(args[0], args[0] + dims[0]):
        start = task * job[GRAIN]
        run_range(job, task, start, min(start + job[GRAIN], job[SIZE]))
    load_status(status)


# --- jobs -------------------------------------------------------------------------------------------------------------
def thread_count(control, work):
    if work < control[MIN_WORK] or control[PARALLEL_FOR] == 0 or control[SERIAL]:
        return 1
    return min(control[LIMIT], call_for_int(control[GET_NUM_THREADS]))


def split(job, threads):
    """Cut a job into tasks.  A job that sums comes with its own, so that the sums do not depend on the threads."""
    size, tasks = job[SIZE], 1
    if threads > 1:
        tasks = max(1, min(threads * TASKS_PER_THREAD, size // LEAST_TASK))
    job[GRAIN] = ((size + tasks - 1) // tasks + BLOCK - 1) // BLOCK * BLOCK
    job[TASKS] = (size + job[GRAIN] - 1) // job[GRAIN]


def launch(job):
    """Run a job, on several threads if it is large."""
    record = job[RECORD]
    control = record[CONTROL]
    threads = thread_count(control, job[SIZE] * record[COST])
    if job[TASKS] == 0:
        split(job, threads)
    parallel = threads > 1 and job[TASKS] > 1
    if parallel and control[EXCLUSIVE]:
        parallel = exchange(control + BUSY * 8, 0, 1)
    first, dims, steps = stack(1), stack(1), stack(1)
    first[0], dims[0], steps[0] = 0, job[TASKS], 1
    if not parallel:
        run_tasks(first, dims, steps, job)
    else:
        call(control[PARALLEL_FOR], control[RUN], first, dims, steps, job, 0, 1, threads)
        exchange(control + BUSY * 8, 1, 0)


def in_sequence(args, steps, n, n_in, n_all):
    """Whether an element may depend on the one before it: ufunc.reduce and ufunc.accumulate."""
    if n_in != 2 or n_all != 3 or n < 2:
        return 0
    return steps[2] == 0 or (args[2] - args[0] == steps[2] and steps[0] == steps[2])


def entry(args, dims, steps, record):
    """What NumPy calls: one inner loop of a ufunc."""
    n, n_in, n_all, item = dims[0], record[N_IN], record[N_ALL], record[ITEM_SIZE]
    uniform = record[UNIFORM] != 0
    for k in range(n_in):
        uniform = uniform & (steps[k] == 0 or not (record[PARAMETERS] >> k) & 1)
    job = stack(JOB_WORDS)
    job[RECORD], job[NDIM], job[ALL_UNIFORM] = record, 1, uniform
    for k in range(n_all):
        operand = operand_of(job, k)
        operand[BASE], operand[ITEM], operand[ROW], operand[PERIOD], operand[STEPS] = args[k], item, 0, 1, steps[k]
        mode = LINEAR if steps[k] == item else STAGED
        if steps[k] == 0 and k < n_in:
            mode = VALUE if uniform and (record[PARAMETERS] >> k) & 1 else CYCLE
        operand[MODE] = mode
    one_by_one = in_sequence(args, steps, n, n_in, n_all)
    count = 1 if one_by_one else n
    while n > 0:
        job[SIZE], job[SHAPE], job[TASKS] = count, count, 0
        launch(job)
        n -= count
        if one_by_one:
            for k in range(n_all):
                operand = operand_of(job, k)
                operand[BASE] += steps[k]


FUNCTIONS = (operand_of, add_elements, add_total, accumulate, copy_run, fill_run, seek, move_run, move_block, to_head,
             load_operand, fill_cycle, run_block, run_range, run_tasks, thread_count, split, launch, in_sequence, entry)
