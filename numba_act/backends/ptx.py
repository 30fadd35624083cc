"""A kernel as PTX, by LLVM's back end for NVIDIA's processors, which is part of llvmlite.

This module knows the compiler, and no GPU.  Forms of a kernel, of THREADS threads a block:

wide     contiguous arrays of one length: vectors in the middle, single elements at the two ends
long     the same, a thread TURNS accesses one after another
panel    rows of outputs that are as long as some vectors: a thread one of them, whatever the inputs' rows
panels   the same, a thread TURNS of them one after another
general  operands of any strides, one element a thread
random   the same with the last input drawn at random, by the element's index
sum      outputs added up over some of the dimensions, in float64 and in a fixed order
along    the same, of vectors that are added up
across   the same, of vectors of neighbouring sums

A vector has 16 bytes, or 8 or 4 where a thread would lack registers; where it would then, too, there are none.
Every array is a pointer.  LLVM writes .rn on every operation, so nothing downstream may contract a * b + c.
"""
import contextlib
import functools
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from ..tree.emit import emit
from ..tree.lanes import HALF, INT, SINGLE
from ..tree.node import in_order
from ..tree.operations import OPERATIONS
from ..tree.schedule import carried, most_alive, scheduled
from ..tree.storage import STORAGE
from .philox import LANES, philox

THREADS = 256
ACCESS = 16                                  # bytes, the widest load there is
LIGHT = 40                                   # operations an element; with fewer a kernel is bound by memory, and a
#                                              thread makes two accesses to each operand to hide memory's latency
REGISTERS = 64                               # of a thread at most: four blocks a processor; what follows keeps to it
UNROLLED, ALIVE = 560, 43                    # of a vector: operations times words, and words alive at once
HELD, TOGETHER = 43, 51                      # of a kernel: words alive at once and those of addresses, up to which a
#                                              thread holds what it does not compute with, and writes all outputs
BESIDE, SUMMED, UNPACKED = 37, 55, 24        # likewise, up to which a sum writes other outputs, too, and is of vectors
TURNS = 4                                    # accesses of a thread in the long form
LONG = 1 << 25                               # bytes of an operand, from which on it is taken
DIVISION = 10                                # operations, of a division
MAX_DIMS = 8
LIBRARY, LIBRARY_FILE = "__nv_", "libdevice.10.bc"
TOOLKIT = "/usr/local/cuda"                  # where it usually is
LIBRARY_PACKAGES = "nvidia-nvvm", "nvidia-cuda-nvcc-cu12"
TARGETS = 75, 80, 90, 100                    # compute capabilities; PTX for one runs on all that follow

WORD, DOUBLE = ir.IntType(64), ir.DoubleType()


class Form(NamedTuple):
    """How a kernel meets its operands.

    inputs : a letter each: a for an array, o for an array of one element, n for a number passed by value, u for one
        drawn uniformly from 0 to 1; in a panel p for an array that is read in pieces, since its vectors are not
        aligned, r for one with a number for each row
    outputs : a letter each: a for an array, s for partial sums in float64, t for the sums themselves
    stored : the names of the arrays' formats, inputs first, where they are not all that of the kernel
    """
    shape: str
    inputs: str
    outputs: str
    stored: tuple = ()


WALKED = "apr"                               # the letters of arrays that differ from element to element


def walked(letters):
    """How many arrays are walked over."""
    return sum(letter in WALKED for letter in letters)


@functools.cache
def light(kernel, storage):
    """Whether so little is computed that memory decides."""
    return not kernel.calls and operations(kernel.trees(storage)) * kernel.n_outputs <= LIGHT


def pointers(kernel):
    """How many operands and results there are, to each of which a thread holds a pointer."""
    return len(kernel.inputs) + kernel.n_outputs


def accesses(kernel, storage):
    """How many accesses a thread of the wide form makes to each operand: two where little is computed on few
    operands."""
    return 2 if light(kernel, storage) and pointers(kernel) <= 4 else 1


def operations(outputs):
    """What trees cost, in operations."""
    return sum(DIVISION if node.op == "div" else 1 for node in in_order(outputs))


class Vector(NamedTuple):
    """What a thread computes at once.

    words : how many 4-byte words of each operand it has; 0 where there are single elements only
    usual : the condition and the trees for usual numbers, if there is a branch to them
    alive : how many words are alive at once, at most
    """
    words: int
    usual: tuple | None
    alive: int


@functools.cache
def vector_of(kernel, storage):
    """The widest Vector for which a thread has registers."""
    if kernel.calls:
        return Vector(max(1, storage.size // 4), None, 0)
    whole, usual = kernel.trees(storage), kernel.usual_trees(storage)
    cost = operations(usual[1] if usual else whole)
    for words in (4, 2, 1):
        lanes, alive = 4 * words // storage.size, words * pointers(kernel) + most_alive(whole)
        if usual:                                # the condition comes first, of all lanes
            alive = max(alive, lanes * carried(*usual) + most_alive(usual[1]))
        alive += pointers(kernel)
        written_out = lanes > 1 and words * cost <= UNROLLED
        if alive <= ALIVE and (written_out or (lanes == 1 and usual)):
            return Vector(words, usual, alive)
    return Vector(0, None, 0)


def per(kernel, storage, shape="wide"):
    """Elements in a vector; beside more than four sums in float64 a thread would have too few registers."""
    count = 4 * vector_of(kernel, storage).words // storage.size
    return min(4, count) if shape == "across" else count


@functools.cache
def needed(kernel, storage):
    """Registers that numbers and addresses need, as far as the trees say it."""
    return 0 if kernel.calls else most_alive(kernel.trees(storage)) + 2 * pointers(kernel)


def holds(kernel, storage):
    """Whether a thread holds addresses and sums while it computes, or finds the ones again and keeps the others in
    shared memory."""
    return needed(kernel, storage) <= HELD


def apart(kernel, storage):
    """Whether each output has a launch of its own, since a thread has no registers for all."""
    return kernel.n_outputs > 1 and needed(kernel, storage) > TOGETHER


@functools.cache
def sums_by_vectors(kernel, storage):
    """Whether a thread has registers for sums of vectors: beside what is alive for two addresses of each operand, and,
    without a branch, for all numbers of a vector; constants of a wider type take them all."""
    words, usual, alive = vector_of(kernel, storage)
    if words < 4 or any(node.dtype != storage.working for node in in_order(kernel.trees(storage))):
        return False
    numbers = 0 if usual else per(kernel, storage) * len(kernel.inputs)
    return alive + 4 * pointers(kernel) <= SUMMED and numbers <= UNPACKED


def sums_only(kernel, storage):
    """Whether a sum leaves outputs that are not summed to another launch, since with them a thread of a long kernel, or
    of one of many operands, would lack registers."""
    return not light(kernel, storage) and (storage.size == 8 or needed(kernel, storage) > BESIDE)


def shape(kernel, storage, nbytes, arrays):
    """The form for so many contiguous arrays of a size: where computing takes long, and there is work for all
    processors for a while, the long one, which loads meanwhile; beside more arrays, two outputs, or float64 numbers a
    thread has no registers for it."""
    few = arrays <= 3 and kernel.n_outputs == 1 and storage.size < 8
    words, _, alive = vector_of(kernel, storage)
    ahead = words == 4 and alive + words * (arrays - kernel.n_outputs) <= ALIVE
    return "long" if nbytes >= LONG and few and ahead and not light(kernel, storage) else "wide"


def tile(kernel, storage, shape="wide"):
    """Elements that a block takes as vectors, in the wide form or the long one; without vectors more than there are."""
    turns = TURNS if shape == "long" else accesses(kernel, storage)
    return THREADS * turns * per(kernel, storage) if per(kernel, storage) else 1 << 62


class Plan(NamedTuple):
    """Words that a kernel gets by value: some by name, and then walks, each of them over every array.

    A walk is how many dimensions there are, their lengths, by what to divide by these, and each array's byte steps; the
    fastest dimension is first, and there is room for MAX_DIMS.
    """
    words: tuple
    walks: tuple

    def place(self, name, arrays):
        """Where a word or a walk is."""
        if name in self.words:
            return self.words.index(name)
        return len(self.words) + self.walks.index(name) * _walk_words(arrays)

    def size(self, arrays):
        """How many words there are."""
        return len(self.words) + len(self.walks) * _walk_words(arrays)

    def packed(self, **given):
        """A plan for the launcher; a walk is given as the lengths and the steps, from the slowest dimension."""
        arrays = len(given[self.walks[0]][1])
        words = np.zeros(self.size(arrays), np.int64)
        for name in self.words:
            words[self.place(name, arrays)] = given[name]
        for name in self.walks:
            lengths, steps = given[name]
            start = self.place(name, arrays)
            words[start] = len(lengths)
            for k, row in enumerate((lengths, [divisor(n) for n in lengths], *steps)):
                words[start + 1 + k * MAX_DIMS:][:len(row)] = row[::-1]
        return np.array((words,), dtype=[("words", np.int64, words.size)])


# step : how many threads add up a place, each of them every so many-th element
# across : whether neighbouring threads take neighbouring places of a sum, instead of neighbouring elements
# groups : of as many places as a block has; row_bits : 2 to it is how many rows its threads stand in
# rest : how many elements follow the last vector, which there are in a single row only
PLANS = {"general": Plan(("count",), ("all",)), "random": Plan(("count", "low", "high"), ("all",)),
         "panel": Plan(("count", "rest"), ("all",)), "panels": Plan(("count", "rest"), ("all",)),
         **dict.fromkeys(("sum", "along", "across"), Plan(
             ("places", "elements", "step", "across", "groups", "groups_divisor", "row_bits"),
             ("to_place", "to_element")))}


def _walk_words(arrays):
    return 1 + MAX_DIMS * (2 + arrays)


def divisor(length):
    """A factor and, from bit 32 on, a shift: n // length is n * factor >> shift for n below 2^31 (T. Granlund and
    P. Montgomery, 1994); 0, of which the quotient is 0 likewise, for longer lengths."""
    shift = 31 + (length - 1).bit_length()
    return (1 << shift) // length + 1 | shift << 32 if length >> 31 == 0 else 0


def target_of(capability):
    """The target among the tested ones that runs on a device of this compute capability."""
    return max((t for t in TARGETS if t <= capability), default=None)


@functools.cache
def _machine(target):
    import llvmlite.binding as llvm
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple("nvptx64-nvidia-cuda").create_target_machine(cpu=f"sm_{target}", opt=3)


def compile_ptx(text, target):
    """PTX from a module's LLVM IR."""
    import llvmlite.binding as llvm
    module = llvm.parse_assembly(text)
    if any(function.name.startswith(LIBRARY) for function in module.functions):
        _link_library(module)
    if sum(not function.is_declaration for function in module.functions) > 1:
        _inline(module, _machine(target))
    module.verify()
    return _machine(target).emit_assembly(module)


def _link_library(module):
    """Add what a module calls of libdevice, NVIDIA's mathematics."""
    import llvmlite.binding as llvm
    own = {function.name for function in module.functions if not function.is_declaration}
    library = llvm.parse_bitcode(_library())
    library.triple, library.data_layout = module.triple, module.data_layout
    module.link_in(library)
    for function in module.functions:
        if not function.is_declaration and function.name not in own:
            function.linkage = "internal"


def _inline(module, machine):
    """Write out what a module's kernel calls."""
    import llvmlite.binding as llvm
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


def optimise(module):
    """Have LLVM's passes over what others wrote; the kernels of trees find nothing in them."""
    import llvmlite.binding as llvm
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = False, False, False
    builder = llvm.create_pass_builder(_machine(TARGETS[0]), options)
    builder.getModulePassManager().run(module, builder)


@functools.cache
def _library():
    """libdevice as bitcode, from NVIDIA's wheels or a CUDA toolkit."""
    import importlib.metadata
    for package in LIBRARY_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.files(package) or ():
                if file.name == LIBRARY_FILE:
                    return Path(file.locate()).read_bytes()
    for home in filter(None, [*map(os.environ.get, ("CUDA_PATH", "CUDA_HOME")), TOOLKIT]):
        with contextlib.suppress(OSError):
            return (Path(home) / "nvvm" / "libdevice" / LIBRARY_FILE).read_bytes()
    raise ModuleNotFoundError(f"{LIBRARY_FILE}, NVIDIA's mathematics, is needed for what numba_act has no form of "
                              f"its own for: pip install {LIBRARY_PACKAGES[0]}, or set CUDA_PATH")


def symbol_of(kernel, storage, form):
    """The name of a kernel's function."""
    return "_".join(("numba_act", kernel.symbol, storage.name, form.shape, form.inputs, form.outputs, *form.stored))


def module_text(kernel, storage, form):
    """Name and LLVM IR of a kernel.  Its parameters: inputs, outputs, then (tiles, head, n) or a plan by value."""
    name = symbol_of(kernel, storage, form)
    module = ir.Module(name=name)
    module.triple, module.library = "nvptx64-nvidia-cuda", LIBRARY
    compiled = kernel.calls and kernel.calls.on_gpu(kernel, storage)
    _Builder(module, name, kernel, storage, form, compiled)
    return name, compiled.linked(str(module)) if compiled else str(module)


class Whole:
    """A word of LLVM's with Python's operators."""

    def __init__(self, builder, value):
        self.b, self.value = builder, value

    def _operator(instruction):
        def apply(self, other):
            other = WORD(other) if isinstance(other, int) else other.value
            return Whole(self.b, getattr(self.b, instruction)(self.value, other))
        return apply

    __add__, __mul__, __and__, __xor__, __rshift__ = map(_operator, ("add", "mul", "and_", "xor", "lshr"))


class _Builder:
    """The kernel that is being written."""

    def __init__(self, module, name, kernel, storage, form, compiled):
        self.kernel, self.storage, self.form, self.compiled = kernel, storage, form, compiled
        self.single, self.element = storage.single, storage.element
        self.count = per(kernel, storage, form.shape)
        self.vector = _global(ir.VectorType(INT, self.count * storage.size // 4))
        usual = vector_of(kernel, storage).usual
        self.nodes, self.usual = None if compiled else kernel.trees(storage), usual and ((usual[0],), usual[1])
        self.holds = holds(kernel, storage)
        self.letters, stored = form.inputs + form.outputs, iter(map(STORAGE.get, form.stored))
        held = [next(stored, storage) if letter in "at" else storage for letter in self.letters]
        kinds = [_global(DOUBLE if letter == "s" else own.element) if letter != "n" else self.single
                 for letter, own in zip(self.letters, held, strict=True) if letter != "u"]
        if form.shape in ("wide", "long"):
            kinds += [WORD] * 3
        else:
            self.plan = PLANS[form.shape]
            kinds.append(ir.ArrayType(WORD, self.plan.size(walked(self.letters))).as_pointer())
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        function.calling_convention = "ptx_kernel"
        function.attributes.add("nounwind")
        function.append_basic_block("entry")
        self.function, self.b = function, ir.IRBuilder(function.entry_basic_block)
        rest = iter(function.args)
        self.inputs, self.outputs = ([None if letter == "u" else next(rest) for letter in letters]
                                     for letters in (form.inputs, form.outputs))
        self.held = dict(zip([*self.inputs, *self.outputs], held, strict=True))
        self.sizes = tuple(rest)
        self.block, self.thread = (special(self.b, name) for name in ("ctaid", "tid"))
        self.once = {name: pointer if letter == "n" else self.load(pointer, pointer)
                     for name, letter, pointer in zip(kernel.inputs, form.inputs, self.inputs, strict=True)
                     if letter in "no"}
        getattr(self, form.shape)()
        self.b.ret_void()
        limit_threads(module, function)

    def arrays(self):
        """The pointers that are walked over, inputs first."""
        pointers = [*self.inputs, *self.outputs]
        return [p for p, letter in zip(pointers, self.letters, strict=True) if letter in WALKED]

    # --- wide ---------------------------------------------------------------------------------------------------------
    def wide(self):
        count = accesses(self.kernel, self.storage)
        if self.count:
            self.middle_and_ends(count, lambda head, first: self.vectors(
                head, [self.b.add(first, WORD(THREADS * k)) for k in range(count)]))
        else:
            self.singly(self.index(), self.index)

    def long(self):
        self.middle_and_ends(TURNS, self.vector_after_vector)

    def middle_and_ends(self, count, middle):
        """The middle of the arrays by so many vectors a thread, and their ends by single elements."""
        b, (tiles, head, _) = self.b, self.sizes
        with b.if_else(b.icmp_signed("<", self.block, tiles)) as (vectors, ends):
            with vectors:
                middle(head, b.add(b.mul(self.block, WORD(THREADS * count)), self.thread))
            with ends:
                i = self.index(tiles)
                skipped = b.mul(tiles, WORD(tile(self.kernel, self.storage, self.form.shape)))
                self.singly(b.add(i, b.select(b.icmp_signed("<", i, head), WORD(0), skipped)))

    def singly(self, i, again=None):
        """The i-th element, if there are more; `again` finds the index for the results, which then is not held."""
        def places():
            return {pointer: self.b.gep(pointer, [i]) for pointer in self.arrays()}
        with self.b.if_then(self.b.icmp_signed("<", i, self.sizes[-1])):
            results = self.results(places())
            i = again() if again else i
            self.store(results, places())

    def index(self, first=None):
        """Which thread it is of those of the blocks from the first on, anew."""
        block, thread = reread(self.b, "ctaid"), reread(self.b, "tid")
        return self.b.add(self.b.mul(block if first is None else self.b.sub(block, first), WORD(THREADS)), thread)

    def vectors(self, head, positions):
        """Vectors at these positions, all loaded before the first is stored: an output may lie where an input does."""
        b = self.b
        places = {p: [b.gep(b.bitcast(b.gep(p, [head]), self.vector), [i]) for i in positions]
                  for p in self.arrays()}
        words = {name: [word for place in places[pointer] for word in self.load_vector(place)]
                 for name, letter, pointer in zip(self.kernel.inputs, self.form.inputs, self.inputs, strict=True)
                 if letter == "a"}
        for pointer, results in zip(self.outputs, self.computed(words), strict=True):
            each = len(results) // len(positions)
            for k, place in enumerate(places[pointer]):
                self.store_vector(results[each * k:each * (k + 1)], place)

    def vector_after_vector(self, head, first):
        """TURNS vectors one after another."""
        b = self.b
        starts = {p: b.bitcast(b.gep(p, [head]), self.vector) for p in self.arrays()}
        inputs = {name: starts[pointer] for name, pointer in zip(self.kernel.inputs, self.inputs, strict=True)
                  if pointer in starts}

        def load(index):
            return [word for start in inputs.values() for word in self.load_vector(b.gep(start, [index]))]

        def compute(index, words):
            each = {name: words[4 * k:4 * k + 4] for k, name in enumerate(inputs)}
            for pointer, results in zip(self.outputs, self.computed(each), strict=True):
                self.store_vector(results, b.gep(starts[pointer], [index]))

        self.ahead(first, b.add(first, WORD(TURNS * THREADS)), load, compute)

    def ahead(self, first, last, load, compute):
        """A loop over the indices first, first + THREADS, ... below the last: what is loaded for one of them, as a list
        of values, is there before the one before it is computed."""
        b = self.b
        begin, before, body, end = load(first), b.block, b.append_basic_block("turn"), b.append_basic_block("done")
        b.branch(body)
        b.position_at_end(body)
        index, *now = (b.phi(value.type) for value in (first, *begin))
        b.asm(ir.FunctionType(ir.VoidType(), []), r".pragma \22nounroll\22;", "", [], True)
        following = b.add(index, WORD(THREADS))
        more, start = b.icmp_signed("<", following, last), b.block
        with b.if_then(more):
            found, found_from = load(following), b.block
        then = [_either(b, (one, found_from), (ir.Constant(one.type, ir.Undefined), start)) for one in found]
        compute(index, now)
        for phi, one, two in zip([index, *now], [first, *begin], [following, *then], strict=True):
            phi.add_incoming(one, before)
            phi.add_incoming(two, b.block)
        b.cbranch(more, body, end)
        b.position_at_end(end)

    def load_vector(self, place):
        """The words of a vector."""
        return _parts(self.b, self.b.load(place, align=4 * place.type.pointee.count))

    def store_vector(self, words, place):
        self.b.store(_vector(self.b, words), place, align=4 * len(words))

    # --- many elements ------------------------------------------------------------------------------------------------
    def computed(self, words):
        """The outputs' words, from as many of the inputs': where all numbers are usual by the shorter trees."""
        return self.either(self.lanes(words), self.words, lambda: self.in_turns(words)) if self.usual else (
            self.packed(words))

    def either(self, lanes, finished, others):
        """What is `finished` of results by the trees for usual numbers where the numbers of all lanes are usual, else
        the others: values in rows."""
        b, known, holds = self.b, [{} for _ in lanes], None
        for lane, values in zip(lanes, known, strict=True):
            condition, = self.emit(lane, self.usual[0], values)
            holds = condition if holds is None else b.and_(holds, condition)
        with b.if_else(holds, likely=True) as (usual, rest):
            with usual:
                some, some_from = finished(map(self.emit, lanes, [self.usual[1]] * len(lanes), known)), b.block
            with rest:
                whole, whole_from = others(), b.block
        return [[_either(b, (one, some_from), (other, whole_from)) for one, other in zip(*rows, strict=True)]
                for rows in zip(some, whole, strict=True)]

    def values(self, lanes):
        """The results of each lane."""
        def whole():
            return [self.emit({name: opaque(self.b, number) for name, number in lane.items()}) for lane in lanes]
        return self.either(lanes, list, whole) if self.usual else whole()

    def in_turns(self, words):
        """Outputs' words by a loop, two numbers a turn: less code, and few registers, for in each turn the inputs'
        first words leave at the front and the outputs' enter at the back."""
        b, count, total = self.b, 1 if self.storage.size == 2 else 2, len(next(iter(words.values())))
        if total <= count:
            return self.packed({name: [opaque(b, word) for word in row] for name, row in words.items()})
        before, body, end = b.block, b.append_basic_block("turn"), b.append_basic_block("done")
        b.branch(body)
        b.position_at_end(body)
        first = [*words.values(), *[[INT(0)] * total] * (len(self.outputs) - len(words))]
        turn, rows = b.phi(INT), [[b.phi(INT) for _ in row] for row in first]
        b.asm(ir.FunctionType(ir.VoidType(), []), r".pragma \22nounroll\22;", "", [], True)
        results = self.packed({name: row[:count] for name, row in zip(words, rows, strict=False)})
        results += [row[:count] for row in rows[len(results):]]
        after = [row[count:] + result for row, result in zip(rows, results, strict=True)]
        following = b.add(turn, INT(count))
        for phis, starts, values in zip([[turn], *rows], [[INT(0)], *first], [[following], *after], strict=True):
            for phi, start, value in zip(phis, starts, values, strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following, INT(total)), body, end)
        b.position_at_end(end)
        return after[:len(self.outputs)]

    def packed(self, words):
        """Outputs' words by the trees for all numbers."""
        return self.words(map(self.emit, self.lanes(words)))

    def lanes(self, words):
        """The numbers in the inputs' words, by name, element by element."""
        numbers = [self.unpack(w) for w in words.values()]
        return [dict(zip(words, lane, strict=True)) for lane in zip(*numbers, strict=True)]

    def words(self, results):
        """The outputs' words, of results element by element."""
        return [self.pack(list(numbers)) for numbers in zip(*results, strict=True)]

    def unpack(self, words):
        """Words as numbers of the working type."""
        b = self.b
        if self.storage.size == 4:
            return [b.bitcast(w, SINGLE) for w in words]
        if self.storage.size == 8:
            return [b.bitcast(_vector(b, words[k:k + 2]), DOUBLE) for k in range(0, len(words), 2)]
        return PAIRS[self.storage.name](b, words)

    def pack(self, numbers):
        """Numbers of the working type as words; the 16-bit types are rounded two at a time."""
        b = self.b
        if self.storage.size == 4:
            return [b.bitcast(v, INT) for v in numbers]
        if self.storage.size == 8:
            return [part for v in numbers for part in _parts(b, b.bitcast(v, ir.VectorType(INT, 2)))]
        pair = ir.VectorType(self.storage.type, 2)
        return [b.bitcast(b.fptrunc(_vector(b, numbers[k:k + 2]), pair), INT) for k in range(0, len(numbers), 2)]

    # --- panel --------------------------------------------------------------------------------------------------------
    def panel(self):
        b, arrays = self.b, self.arrays()
        i, count = self.index(), self.word("count")
        with b.if_else(b.icmp_signed("<", i, count)) as (vectors, rest):
            with vectors:
                places = dict(zip(arrays, self.walk("all", i, arrays), strict=True))
                self.row_results(self.read(places), [places[pointer] for pointer in self.outputs])
            with rest:
                self.rest_of_row(b.sub(i, count))

    def panels(self):
        b, arrays, step = self.b, self.arrays(), WORD(TURNS * THREADS)
        begin, count = b.mul(self.block, step), self.word("count")
        first, last = b.add(begin, self.thread), b.add(begin, step)
        last = b.select(b.icmp_signed("<", last, count), last, count)
        names = [name for name, letter in zip(self.kernel.inputs, self.form.inputs, strict=True) if letter in WALKED]

        def load(index):
            places = dict(zip(arrays, self.walk("all", index, arrays), strict=True))
            words = self.read(places)
            return [word for name in names for word in words[name]] + [places[p] for p in self.outputs]

        def compute(index, values):
            words = {name: values[4 * k:4 * k + 4] for k, name in enumerate(names)}
            self.row_results(words, values[4 * len(names):])

        with b.if_else(b.icmp_signed("<", begin, count)) as (vectors, rest):
            with vectors, b.if_then(b.icmp_signed("<", first, count)):
                self.ahead(first, last, load, compute)
            with rest:
                self.rest_of_row(self.thread)

    def row_results(self, words, places):
        """Compute a vector of each output, and store them at these places."""
        for place, results in zip(places, self.computed(words), strict=True):
            self.store_vector(results, self.b.bitcast(place, self.vector))

    def rest_of_row(self, k):
        """The k-th element after the vectors of a single row."""
        b = self.b
        with b.if_then(b.icmp_signed("<", k, self.word("rest"))):
            self.one(self.after(b.add(b.mul(self.word("count"), WORD(self.count)), k)))

    def read(self, places):
        """The inputs' words that stand beside a vector, by name."""
        inputs = zip(self.kernel.inputs, self.form.inputs, self.inputs, strict=True)
        return {name: self.row_words(letter, places[pointer]) for name, letter, pointer in inputs if letter in WALKED}

    def row_words(self, letter, place):
        """An input's words."""
        b, count = self.b, self.count
        if letter == "a":
            return self.load_vector(b.bitcast(place, self.vector))
        numbers = [b.load(b.gep(place, [WORD(k)])) for k in range(count)] if letter == "p" else [b.load(place)] * count
        together = max(1, 4 // self.storage.size)
        words = [b.bitcast(_vector(b, numbers[k:k + together]), ir.VectorType(INT, max(1, self.storage.size // 4)))
                 for k in range(0, count, together)]
        return [part for word in words for part in _parts(b, word)]

    def after(self, index):
        """Addresses of the index-th elements of a single row."""
        b, arrays = self.b, self.arrays()
        first, count = self.plan.place("all", len(arrays)) + 1, WORD(self.count)
        steps = [b.sdiv(self.word_at(WORD(first + MAX_DIMS * (2 + k))), count) for k in range(len(arrays))]
        return {p: at(b, p, b.mul(index, step)) for p, step in zip(arrays, steps, strict=True)}

    # --- general ------------------------------------------------------------------------------------------------------
    def general(self):
        b = self.b
        i = self.index()
        with b.if_then(b.icmp_signed("<", i, self.word("count"))):
            if self.holds:
                self.one(dict(zip(self.arrays(), self.walk("all", i, self.arrays()), strict=True)))
            else:
                read, written = self.arrays()[:-len(self.outputs)], self.outputs
                results = self.results(dict(zip(read, self.walk("all", i, read), strict=True)))
                places = self.walk("all", self.index(), written, len(read))
                self.store(results, dict(zip(written, places, strict=True)))

    # --- random -------------------------------------------------------------------------------------------------------
    def random(self):
        b = self.b
        i = self.index()
        with b.if_then(b.icmp_signed("<", i, self.word("count"))):
            key = [Whole(b, self.word(name)) for name in ("low", "high")]
            words = philox(Whole(b, b.lshr(i, WORD(2))), key)
            lane, drawn = b.and_(i, WORD(LANES - 1)), words[0].value
            for k, word in enumerate(words[1:], 1):
                drawn = b.select(b.icmp_signed("==", lane, WORD(k)), word.value, drawn)
            self.once[self.kernel.inputs[-1]] = b.fmul(b.uitofp(drawn, DOUBLE), DOUBLE(2.0**-32))
            self.one(dict(zip(self.arrays(), self.walk("all", i, self.arrays()), strict=True)), self.values)

    def word(self, name):
        """A word of the plan, by its name."""
        return self.word_at(WORD(self.plan.place(name, len(self.arrays()))))

    def word_at(self, index):
        plan, = self.sizes
        return self.b.load(self.b.gep(plan, [WORD(0), index]), align=8)

    def walk(self, name, index, pointers, skipped=0):
        """Addresses of the index-th elements of a walk, from those where it begins; so many arrays are skipped."""
        b, start = self.b, self.plan.place(name, len(self.arrays()))
        rows = [WORD(start + 1 + MAX_DIMS * (2 + skipped + k)) for k in range(len(pointers))]
        last = b.sub(self.word_at(WORD(start)), WORD(1))
        before, test = b.block, b.append_basic_block("dimension")
        body, end = b.append_basic_block("next"), b.append_basic_block("last")
        b.branch(test)
        b.position_at_end(test)
        carried = [b.phi(WORD) for _ in range(2 + len(pointers))]
        for phi, first in zip(carried, [WORD(0), index, *[WORD(0)] * len(pointers)], strict=True):
            phi.add_incoming(first, before)
        d, rest, *offsets = carried

        def moved(position):
            steps = [self.word_at(b.add(d, row)) for row in rows]
            return [b.add(o, b.mul(position, s)) for o, s in zip(offsets, steps, strict=True)]

        b.cbranch(b.icmp_signed("<", d, last), body, end)
        b.position_at_end(body)
        quotient, remainder = self.divided(rest, *[self.word_at(b.add(d, WORD(start + 1 + k))) for k in (0, MAX_DIMS)])
        following = [b.add(d, WORD(1)), quotient, *moved(remainder)]
        for phi, value in zip(carried, following, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(test)
        b.position_at_end(end)
        return [at(b, pointer, offset) for pointer, offset in zip(pointers, moved(rest), strict=True)]

    def divided(self, n, length, divisor):
        """Quotient and remainder of an index: below 2^31 by a product."""
        b, ways = self.b, []
        with b.if_else(b.icmp_unsigned("<", n, WORD(1 << 31)), likely=True) as (near, far):
            with near:
                factor, small = b.and_(divisor, WORD(0xFFFFFFFF)), b.trunc(n, INT)
                quotient = b.trunc(b.lshr(b.mul(b.zext(small, WORD), factor), b.lshr(divisor, WORD(32))), INT)
                remainder = b.sub(small, b.mul(quotient, b.trunc(length, INT)))
                ways.append([b.zext(quotient, WORD), b.zext(remainder, WORD), b.block])
            with far:
                quotient = b.udiv(n, length)
                ways.append([quotient, b.sub(n, b.mul(quotient, length)), b.block])
        (q, r, near), (far_q, far_r, far) = ways
        return _either(b, (q, near), (far_q, far)), _either(b, (r, near), (far_r, far))

    # --- sums ---------------------------------------------------------------------------------------------------------
    def sum(self):
        self.added_up(1)

    def along(self):
        self.added_up(self.count)

    def across(self):
        self.added_up(self.count, True)

    def added_up(self, count, each=False):
        """A block's threads stand in rows: each row has neighbouring places of the target, each column adds up one
        place, a share of the elements a thread, and then the threads' sums.  `count` neighbouring elements are one
        unit, which is of one place or, if `each`, of as many places."""
        b, unit = self.b, WORD(count if each else 1)
        sums = self.share(count, each)
        slice_, first, row, column, rows, width = self.standing()
        mine = b.add(first, self.thread)
        target = b.mul(b.add(b.mul(slice_, self.word("places")), mine), unit)
        mine = b.and_(b.icmp_signed("<", self.thread, width), b.icmp_signed("<", mine, self.word("places")))
        at = b.add(b.mul(row, width), column)
        for j, numbers in sums.items():
            for k, number in enumerate(numbers):
                total = self.column_sum(number, at, rows, width)
                with b.if_then(mine):
                    pointer = self.outputs[j]
                    value = total if self.form.outputs[j] == "s" else narrowed(b, total, self.held[pointer])
                    b.store(value, b.gep(pointer, [b.add(target, WORD(k))]))

    def standing(self):
        """Where a thread stands: its slice, the first place of its block, its row and its column, and how many rows and
        columns a block has."""
        b = self.b
        block, thread, row_bits = reread(b, "ctaid"), reread(b, "tid"), self.word("row_bits")
        rows, width = b.shl(WORD(1), row_bits), b.lshr(WORD(THREADS), row_bits)
        slice_, group = self.divided(block, *map(self.word, ("groups", "groups_divisor")))
        by_places = b.icmp_signed("!=", self.word("across"), WORD(0))
        column_bits = b.sub(WORD(THREADS.bit_length() - 1), row_bits)
        row = b.select(by_places, b.lshr(thread, column_bits), b.and_(thread, b.sub(rows, WORD(1))))
        column = b.select(by_places, b.and_(thread, b.sub(width, WORD(1))), b.lshr(thread, row_bits))
        return slice_, b.mul(group, width), row, column, rows, width

    def share(self, count, each):
        """A thread's sums by output, several for several places at once: of every so many-th unit behind its place."""
        b, arrays = self.b, self.arrays()
        summed = [j for j, letter in enumerate(self.form.outputs) if letter in "st"]
        standing = self.standing()
        begin, bases = self.begin(standing), self.bases(standing) if self.holds else None
        if not self.holds:
            for j in summed:
                self.kept(j, DOUBLE(0))
        before, test, body, end = b.block, *map(b.append_basic_block, ("more", "element", "added"))
        b.branch(test)
        b.position_at_end(test)
        element = b.phi(WORD)
        element.add_incoming(begin, before)
        sums = {j: [b.phi(DOUBLE) for _ in range(count if each else 1)] if self.holds else [] for j in summed}
        for phi in (phi for phis in sums.values() for phi in phis):
            phi.add_incoming(DOUBLE(0), before)
        b.cbranch(b.icmp_signed("<", element, self.word("elements")), body, end)
        b.position_at_end(body)
        places = dict(zip(arrays, self.walk("to_element", element, bases or self.bases(self.standing())),
                          strict=True))
        # a branch to usual numbers takes registers that other kernels do not have beside addresses and sums
        branch = self.values if vector_of(self.kernel, self.storage).words == 4 else None
        results = self.unit(places) if count > 1 else [self.one(places, branch)]
        for j, phis in sums.items():
            numbers = [r[j] if self.single is DOUBLE else b.fpext(r[j], DOUBLE) for r in results]
            numbers = numbers if each else [_total(b, numbers)]
            if self.holds:
                for phi, number in zip(phis, numbers, strict=True):
                    phi.add_incoming(b.fadd(phi, number), b.block)
            else:
                self.kept(j, b.fadd(self.kept(j), *numbers))
        element.add_incoming(b.add(element, self.word("step")), b.block)
        b.branch(test)
        b.position_at_end(end)
        return sums if self.holds else {j: [self.kept(j)] for j in summed}

    def kept(self, j, total=None):
        """A thread's sum that is not held but kept in shared memory, or the store of another one."""
        room = self.b.gep(self.shared(f"sum{j}"), [INT(0), reread(self.b, "tid")])
        return self.b.load(room) if total is None else self.b.store(total, room)

    def begin(self, standing):
        """A thread's first unit; one that is none, where it has no place."""
        slice_, first, row, column, rows, _ = standing
        some = self.b.icmp_signed("<", self.b.add(first, column), self.word("places"))
        return self.b.select(some, self.b.add(self.b.mul(slice_, rows), row), self.word("elements"))

    def bases(self, standing):
        """Where the elements behind a thread's place begin."""
        _, first, _, column, *_ = standing
        place = self.b.add(first, column)
        some = self.b.icmp_signed("<", place, self.word("places"))
        return self.walk("to_place", self.b.select(some, place, WORD(0)), self.arrays())

    def unit(self, places):
        """Results of a unit, number by number; outputs that are not summed are stored."""
        results = self.values(self.lanes(self.read(places)))
        for j, pointer in enumerate(self.outputs):
            if pointer in places:
                words = self.pack([r[j] for r in results])
                self.store_vector(words, self.b.bitcast(places[pointer], _global(ir.VectorType(INT, len(words)))))
        return results

    def column_sum(self, number, at, rows, width):
        """In the threads of the first row, the sum of their columns: the lower half of the rows is added to the upper
        half, again and again."""
        b, shared = self.b, self.shared("columns")
        mine = b.gep(shared, [INT(0), self.thread])
        b.store(number, b.gep(shared, [INT(0), at]))
        upper = b.lshr(rows, WORD(1))
        before, test, body, end = b.block, *map(b.append_basic_block, ("half", "fold", "folded"))
        b.branch(test)
        b.position_at_end(test)
        half = b.phi(WORD)
        half.add_incoming(upper, before)
        barrier(b)
        b.cbranch(b.icmp_signed("!=", half, WORD(0)), body, end)
        b.position_at_end(body)
        lower = b.mul(half, width)
        with b.if_then(b.icmp_signed("<", self.thread, lower)):
            other = b.load(b.gep(shared, [INT(0), b.add(self.thread, lower)]))
            b.store(b.fadd(b.load(mine), other), mine)
        half.add_incoming(b.lshr(half, WORD(1)), b.block)
        b.branch(test)
        b.position_at_end(end)
        total = b.load(mine)
        barrier(b)
        return total

    def shared(self, name):
        """Room for a number of each thread, which all of a block see."""
        module = self.b.module
        if name not in module.globals:
            room = ir.GlobalVariable(module, ir.ArrayType(DOUBLE, THREADS), name, addrspace=3)
            room.linkage, room.initializer = "internal", ir.Constant(room.value_type, ir.Undefined)
        return module.globals[name]

    # --- one element --------------------------------------------------------------------------------------------------
    def one(self, places, compute=None):
        """One element, where each array's pointer says; the results in the working type."""
        results = self.results(places, compute)
        self.store(results, places)
        return results

    def results(self, places, compute=None):
        """The outputs of one element, whose inputs lie at these places."""
        lane = {name: self.load(pointer, places[pointer])
                for name, pointer in zip(self.kernel.inputs, self.inputs, strict=True) if pointer in places}
        return compute([lane])[0] if compute else self.emit(lane)

    def store(self, results, places):
        """Write them at theirs."""
        for value, pointer in zip(results, self.outputs, strict=True):
            if pointer in places:
                self.b.store(narrowed(self.b, value, self.held[pointer]), places[pointer])

    def load(self, pointer, place):
        """An element of the array to which the pointer belongs, in the working type."""
        value = self.held[pointer].widen(self.b, self.b.load(place))
        return value if value.type == self.single else self.b.fpext(value, self.single)

    def emit(self, arguments, outputs=None, values=None):
        """The values of output nodes, usually the kernel's for all numbers."""
        if self.compiled:
            return self.compiled.emit(self.b, {**self.once, **arguments})
        return emit(self.b, outputs or self.nodes, {**self.once, **arguments}, self.storage, self.narrow, scheduled,
                    values, WAYS)

    def narrow(self, builder, value):
        """A number of the working type as it is stored."""
        return narrowed(builder, value, self.storage)


def narrowed(builder, value, storage):
    """A number as it is stored; the 16-bit types have an instruction from sm_80 on.  From float64 bfloat16 is rounded
    by way of float32, as ml_dtypes does it."""
    if value.type is DOUBLE and storage.name == "bfloat16":
        value = builder.fptrunc(value, SINGLE)
    return builder.bitcast(value if value.type == storage.type else builder.fptrunc(value, storage.type),
                           storage.element)


def _global(type_):
    return type_.as_pointer(1)


def _vector(builder, values):
    vector = ir.Constant(ir.VectorType(values[0].type, len(values)), ir.Undefined)
    for k, value in enumerate(values):
        vector = builder.insert_element(vector, value, INT(k))
    return vector


def _either(builder, *ways):
    """The value of one of two ways that meet, each with the block that it comes from."""
    phi = builder.phi(ways[0][0].type)
    for value, block in ways:
        phi.add_incoming(value, block)
    return phi


def _total(builder, numbers):
    """The sum of some numbers, as few after another as can be."""
    while len(numbers) > 1:
        numbers = [builder.fadd(*numbers[k:k + 2]) for k in range(0, len(numbers), 2)]
    return numbers[0]


def opaque(builder, value):
    """The same value, of which the compiler knows nothing: what it computed of it elsewhere is not kept for here."""
    kind, letter = (WORD, "l") if value.type is DOUBLE else (INT, "r")
    same = builder.asm(ir.FunctionType(kind, [kind]), f"mov.b{kind.width} $0, $1;", f"={letter},{letter}",
                       [builder.bitcast(value, kind)], False)
    return builder.bitcast(same, value.type)


def _parts(builder, vector):
    return [builder.extract_element(vector, INT(k)) for k in range(vector.type.count)]


def _halves(b, words):
    pairs = [_parts(b, b.bitcast(w, ir.VectorType(HALF, 2))) for w in words]
    return [b.fpext(half, SINGLE) for pair in pairs for half in pair]


def _bfloats(b, words):
    return [b.bitcast(bits, SINGLE) for w in words for bits in (b.shl(w, INT(16)), b.and_(w, INT(0xFFFF0000)))]


PAIRS = {"float16": _halves, "bfloat16": _bfloats}       # two numbers a word, as float32


def _inverse(b, x):
    """1 / x, of an exponent that is known to be in range: what the assembler makes of a reciprocal, without its test of
    the exponent and its branch."""
    if x.type is DOUBLE:
        return b.fdiv(DOUBLE(1), x)
    near = b.call(b.module.declare_intrinsic("llvm.nvvm.rcp.approx.ftz.f", fnty=ir.FunctionType(SINGLE, [SINGLE])), [x])
    return OPERATIONS["fma"].emit(b, near, OPERATIONS["fma"].emit(b, b.fneg(x), near, SINGLE(1)), near)


WAYS = {"inverse": _inverse}                 # of operations that have a shorter one here


def special(builder, name):
    """The word in a special register."""
    read = builder.module.declare_intrinsic(f"llvm.nvvm.read.ptx.sreg.{name}.x", fnty=ir.FunctionType(INT, []))
    return builder.zext(builder.call(read, []), WORD)


def reread(builder, name):
    """The same, read where it is used: neither it nor what is computed of it is held from elsewhere."""
    read = builder.asm(ir.FunctionType(INT, []), f"mov.u32 $0, %{name}.x;", "=r", [], True)
    return builder.zext(read, WORD)


def barrier(builder):
    """Wait for the block's other threads."""
    signature = ir.FunctionType(ir.VoidType(), [])
    builder.call(builder.module.declare_intrinsic("llvm.nvvm.barrier0", fnty=signature), [])


def at(builder, pointer, offset):
    """The pointer moved by so many bytes."""
    return builder.bitcast(builder.gep(builder.bitcast(pointer, _global(ir.IntType(8))), [offset]), pointer.type)


def limit_threads(module, function, registers=REGISTERS):
    """Tell ptxas the block size, and how many blocks a processor of 65,536 registers is to hold."""
    for name, value in (("maxntidx", THREADS), ("minctasm", 65536 // registers // THREADS)):
        module.add_named_metadata("nvvm.annotations", module.add_metadata([function, name, INT(value)]))
    if function.args[-1].type.is_pointer and function.args[-1].type.addrspace == 0:
        function.args[-1].add_attribute("byval")
