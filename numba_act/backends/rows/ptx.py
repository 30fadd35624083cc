"""A row kernel for CUDA: some threads share a row, and meet in its sums.

one      a thread a row, for rows that lie side by side, or are short and many
warp     32 threads a row, whose numbers meet by shuffles
block    all THREADS of a block a row; the warps' numbers meet in shared memory
columns  a block 32 rows that lie side by side, a thread of each warp a row; they meet in shared memory

In parts very long rows of the last two have some blocks, a piece each, in one pass a launch; the pieces' numbers meet
in the device's memory.  A sum is taken in as many lanes as threads share the row, so that its last bit may differ from
the CPU's.
"""
from llvmlite import ir

from ...tree.lanes import INT
from ..ptx import MAX_DIMS, REGISTERS, THREADS, WORD, Plan, at, barrier, limit_threads, narrowed, special
from .passes import DOUBLE, Passes, grouped

WARP = 32
WARPS = THREADS // WARP
SHARING = {"one": 1, "warp": WARP, "block": THREADS, "columns": WARPS}
MANY = 128                                   # registers of a thread at most, where REGISTERS are too few
UNROLLED = 4                                 # elements that a thread reads at a time, to hide memory's latency
EVERYONE = INT(0xFFFFFFFF)
PLAN = Plan(("rows", "length", "pieces", "share"), ("to_row", "along"))
SHARED = 3                                   # the address space


def module_text(kernel, storage, form, parts=False):
    """Name and LLVM IR of a form of a kernel.  Its parameters: operands, outputs, in parts the room for what pieces
    gather and the pass, and a plan by value."""
    name = f"numba_act_rows_{kernel.symbol}_{storage.name}_{form}{'_parts' * parts}"
    module = ir.Module(name=name)
    module.triple = "nvptx64-nvidia-cuda"
    (_Parts if parts else _Threads)(module, name, kernel, storage, form)
    return name, str(module)


def registers(kernel, storage, parts):
    """How many registers a thread may take: with REGISTERS some of these kernels would keep numbers in memory."""
    program = kernel.program(storage, keeps=False)
    many = len(kernel.operands) + len(program.outputs) > 5
    return MANY if many or parts or storage.size == 8 or program.settling else REGISTERS


class _Threads(Passes):
    """The kernel that is being written.  `sharing` threads have a row; each meets the elements from its `first` on, so
    many apart, before `stop`."""
    more = ()                                    # parameters before the plan

    def __init__(self, module, name, kernel, storage, form):
        super().__init__(module, kernel, storage, keeps=False)
        self.form, self.sharing, self.types = form, SHARING[form], {}
        for k in range(len(self.program.outputs)):
            self.types[k] = storage.element
        for operand in kernel.operands:
            self.types[operand] = (ir.IntType(8) if operand in kernel.masks else WORD if operand in kernel.places else
                                   storage.element)
        self.names = [*kernel.operands, *range(len(self.program.outputs))]
        plan = ir.ArrayType(WORD, PLAN.size(len(self.names)))
        kinds = [self.types[name].as_pointer(1) for name in self.names] + [*self.more, plan.as_pointer()]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        function.calling_convention = "ptx_kernel"
        function.attributes.add("nounwind")
        self.b, self.plan = ir.IRBuilder(function.append_basic_block("entry")), function.args[-1]
        self.thread, self.block, self.n = special(self.b, "tid"), special(self.b, "ctaid"), self.word("length")
        self.whole()
        self.b.ret_void()
        limit_threads(module, function, registers(kernel, storage, bool(self.more)))

    def whole(self):
        self.locate(self.block, WORD(0), self.n)
        self.passes()

    def locate(self, group, start, stop):
        """What a thread has of the rows of its block, which is a group; nothing of those beyond the last one."""
        b, sharing = self.b, WORD(self.sharing)
        if self.form == "columns":
            row, self.lane = b.add(b.mul(group, WORD(WARP)), self.in_warp()), self.warp()
        else:
            k = b.add(b.mul(group, WORD(THREADS)), self.thread)
            row, self.lane = b.udiv(k, sharing), b.urem(k, sharing)
        there = b.icmp_signed("<", row, self.word("rows"))
        self.row = b.select(there, row, WORD(0))
        self.leads = b.and_(there, b.icmp_signed("==", self.lane, WORD(0)))
        self.first, self.stop = b.select(there, b.add(start, self.lane), stop), stop
        self.begin_row()

    def warp(self):
        return self.b.udiv(self.thread, WORD(WARP))

    def in_warp(self):
        return self.b.urem(self.thread, WORD(WARP))

    def begin_row(self):
        """Where the operands' rows begin, and their steps along them."""
        b, start, pointers = self.b, PLAN.place("to_row", len(self.names)), self.b.function.args[:len(self.names)]
        dimensions = self.word_at(WORD(start))

        def step(d, rest, *offsets):
            length = self.word_at(b.add(d, WORD(start + 1)))
            quotient = b.udiv(rest, length)
            index = b.sub(rest, b.mul(quotient, length))
            steps = [self.word_at(b.add(d, WORD(start + 1 + MAX_DIMS * (2 + k)))) for k in range(len(pointers))]
            return [quotient, *[b.add(o, b.mul(index, s)) for o, s in zip(offsets, steps, strict=True)]]
        _, *offsets = self.loop(WORD(0), dimensions, 1, [self.row, *[WORD(0)] * len(pointers)], step)
        self.base = {name: at(b, p, o) for name, p, o in zip(self.names, pointers, offsets, strict=True)}
        start = PLAN.place("along", len(self.names)) + 1 + 2 * MAX_DIMS
        self.along = {name: self.word_at(WORD(start + k * MAX_DIMS)) for k, name in enumerate(self.names)}

    def word(self, name):
        return self.word_at(WORD(PLAN.place(name, len(self.names))))

    def word_at(self, index):
        return self.b.load(self.b.gep(self.plan, [WORD(0), index]), align=8)

    # --- memory -------------------------------------------------------------------------------------------------------
    def at(self, name, i):
        return at(self.b, self.base[name], self.b.mul(i, self.along[name]))

    def read(self, name, i, type_, lanes):
        return self.b.load(self.at(name, i))

    def write(self, k, i, value, lanes):
        self.b.store(value, self.at(k, i))

    def narrow(self, value):
        return narrowed(self.b, value, self.storage)

    def number(self, name):
        value = self.b.load(self.base[name])
        return self.whole_number(value) if name in self.kernel.places else self.storage.widen(self.b, value)

    def store_number(self, k, value, lanes):
        with self.b.if_then(self.leads):
            self.b.store(value, self.base[k])

    def position(self, i):
        return self.whole_number(self.b.trunc(i, INT))

    def alike(self, number):
        return number

    def spread(self, value):
        return value

    # --- elements -----------------------------------------------------------------------------------------------------
    def over_row(self, body, lanes):
        def several(i):
            for k in range(UNROLLED):
                body(self.b.add(i, WORD(k * self.sharing)), None)
            return []
        i, = self.turns([], lambda i: several(i))
        self.loop(i, self.stop, self.sharing, [], lambda i: body(i, None) or [])

    def turns(self, values, body):
        """The turns of a loop in which a thread meets several elements; where it goes on, and the values at last."""
        b, most = self.b, WORD((UNROLLED - 1) * self.sharing)
        return self.loop(self.first, b.sub(self.stop, most), UNROLLED * self.sharing, values, body, counted=True)

    def gathered(self, gathered, terms, lanes):
        b, (begin, counts) = self.b, self.neutral(gathered)

        def add(i, *numbers):
            some = grouped(numbers, counts)
            return [v for g, s, t in zip(gathered, some, terms(i, None), strict=True) for v in self.added(g, s, t)]

        def several(i, *numbers):
            for k in range(UNROLLED):
                numbers = add(b.add(i, WORD(k * self.sharing)), *numbers)
            return numbers
        i, *numbers = self.turns(begin, several)
        numbers = self.loop(i, self.stop, self.sharing, numbers, add)
        return [self.met(g, found) for g, found in zip(gathered, grouped(numbers, counts), strict=True)]

    # --- threads that meet --------------------------------------------------------------------------------------------
    def met(self, gathered, values):
        """What the threads of a row have gathered together, the same in all of them."""
        if self.sharing == 1:
            return values
        if self.form == "columns":
            return self.met_in_block(gathered, values, self.thread, WARP)
        distance = WARP // 2
        while distance:
            values = self.joined(gathered, values, [self.shuffled("bfly", v, distance) for v in values])
            distance //= 2
        values = [self.shuffled("idx", v, 0) for v in values]
        return values if self.sharing == WARP else self.met_in_block(gathered, values, self.warp(), 1)

    def shuffled(self, kind, value, which):
        """Another thread's value: that which differs in a bit of its number, or the first one's."""
        b, double = self.b, value.type == DOUBLE
        words = ir.VectorType(INT, 2 if double else 1)
        halves, result = b.bitcast(value, words), ir.Constant(words, ir.Undefined)
        shuffle = b.module.declare_intrinsic(f"llvm.nvvm.shfl.sync.{kind}.i32", fnty=ir.FunctionType(INT, [INT] * 4))
        for k in range(words.count):
            part = b.call(shuffle, [EVERYONE, b.extract_element(halves, INT(k)), INT(which), INT(WARP - 1)])
            result = b.insert_element(result, part, INT(k))
        return b.bitcast(result, value.type)

    def met_in_block(self, gathered, values, slot, apart):
        """Through shared memory: a thread fills a slot, and joins those of all warps, so many apart, in one order."""
        b, places = self.b, [self.shared(v.type, WARPS * apart) for v in values]
        barrier(b)                               # until all have read what was there before
        for place, value in zip(places, values, strict=True):
            b.store(value, b.gep(place, [WORD(0), slot]))
        barrier(b)
        slots = [b.add(b.urem(slot, WORD(apart)), WORD(k * apart)) for k in range(WARPS)]
        joined, *rest = [[b.load(b.gep(place, [WORD(0), k])) for place in places] for k in slots]
        for more in rest:
            joined = self.joined(gathered, joined, more)
        return joined

    def shared(self, type_, count):
        name = f"shared{len(self.b.module.globals)}"
        place = ir.GlobalVariable(self.module, ir.ArrayType(type_, count), name, addrspace=SHARED)
        place.initializer, place.linkage = ir.Constant(place.value_type, ir.Undefined), "internal"
        return place


class _Parts(_Threads):
    """One pass over a piece of each row of a block."""
    more = WORD.as_pointer(1), WORD

    def whole(self):
        b = self.b
        *_, self.partial, stage, _ = b.function.args
        self.pieces, share = self.word("pieces"), self.word("share")
        group = b.udiv(self.block, self.pieces)
        self.piece = b.sub(self.block, b.mul(group, self.pieces))
        start = b.mul(self.piece, share)
        end = b.add(start, share)
        self.locate(group, start, b.select(b.icmp_signed("<", end, self.n), end, self.n))
        self.in_stages(stage)

    def leave(self, gathered, terms):
        found = self.gathered(gathered, terms, None)
        with self.b.if_then(self.leads):
            self.left(found, self.places_of(gathered, self.in_row(self.piece)))

    def in_row(self, piece):
        """The number of a piece among those of all rows."""
        return self.b.add(self.b.mul(self.row, self.pieces), piece)

    def found(self, gathered):
        found = self.of_pieces(gathered, self.in_row(self.lane), self.in_row(self.pieces), self.sharing)
        return [self.met(g, own) for g, own in zip(gathered, found, strict=True)]
