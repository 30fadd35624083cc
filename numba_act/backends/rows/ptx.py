"""A row kernel for CUDA: some threads share a row, and meet in its sums.

one    a thread a row, for rows that lie side by side, or are short and many
warp   32 threads a row, whose numbers meet by shuffles
block  all THREADS of a block a row; the warps' numbers meet in shared memory
parts  some blocks a row, a piece each, in one pass a launch; the pieces' numbers meet in the device's memory

A sum is taken in as many lanes as threads share the row, so that its last bit may differ from the CPU's.
"""
from llvmlite import ir

from ...tree.lanes import INT
from ..ptx import MAX_DIMS, THREADS, WORD, Plan, at, barrier, limit_threads, narrowed, special
from .passes import DOUBLE, Passes, grouped

WARP = 32
SHARING = {"one": 1, "warp": WARP, "block": THREADS, "parts": THREADS}     # a row, or a piece
UNROLLED = 4                                 # elements that a thread reads at a time, to hide memory's latency
EVERYONE = INT(0xFFFFFFFF)
PLAN = Plan(("rows", "length", "pieces", "share"), ("to_row", "along"))
SHARED = 3                                   # the address space


def module_text(kernel, storage, form):
    """Name and LLVM IR of a form of a kernel.  Its parameters: operands, outputs, in parts the room for what pieces
    gather and the pass, and a plan by value."""
    name = f"numba_act_rows_{kernel.symbol}_{storage.name}_{form}"
    module = ir.Module(name=name)
    module.triple = "nvptx64-nvidia-cuda"
    (_Parts if form == "parts" else _Threads)(module, name, kernel, storage, SHARING[form])
    return name, str(module)


class _Threads(Passes):
    """The kernel that is being written; `sharing` says how many threads have a row.  A thread meets the elements from
    `first` on, as many apart, before `stop`."""
    more = ()                                    # parameters before the plan

    def __init__(self, module, name, kernel, storage, sharing):
        super().__init__(module, kernel, storage, keeps=False)
        self.sharing, self.types = sharing, {}
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
        limit_threads(module, function)

    def whole(self):
        b, sharing = self.b, WORD(self.sharing)
        self.first, self.stop = b.urem(self.thread, sharing), self.n
        row = b.udiv(b.add(b.mul(self.block, WORD(THREADS)), self.thread), sharing)
        with b.if_then(b.icmp_signed("<", row, self.word("rows"))):
            self.locate(row)
            self.passes()

    def locate(self, row):
        """Where the operands' rows begin, and their steps along them."""
        b, start, pointers = self.b, PLAN.place("to_row", len(self.names)), self.b.function.args[:len(self.names)]
        dimensions = self.word_at(WORD(start))

        def step(d, rest, *offsets):
            length = self.word_at(b.add(d, WORD(start + 1)))
            quotient = b.udiv(rest, length)
            index = b.sub(rest, b.mul(quotient, length))
            steps = [self.word_at(b.add(d, WORD(start + 1 + MAX_DIMS * (2 + k)))) for k in range(len(pointers))]
            return [quotient, *[b.add(o, b.mul(index, s)) for o, s in zip(offsets, steps, strict=True)]]
        _, *offsets = self.loop(WORD(0), dimensions, 1, [row, *[WORD(0)] * len(pointers)], step)
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
        with self.b.if_then(self.b.icmp_signed("==", self.first, WORD(0))):
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
        b, counts = self.b, [len(self.begin(g, lambda t: t)) for g in gathered]

        def add(i, *numbers):
            some = grouped(numbers, counts)
            return [v for g, s, t in zip(gathered, some, terms(i, None), strict=True) for v in self.added(g, s, t)]

        def several(i, *numbers):
            for k in range(UNROLLED):
                numbers = add(b.add(i, WORD(k * self.sharing)), *numbers)
            return numbers
        begin = [v for g in gathered for v in self.begin(g, lambda t: t)]
        i, *numbers = self.turns(begin, several)
        numbers = self.loop(i, self.stop, self.sharing, numbers, add)
        return [self.met(g, found) for g, found in zip(gathered, grouped(numbers, counts), strict=True)]

    # --- threads that meet --------------------------------------------------------------------------------------------
    def met(self, gathered, values):
        """What the threads of a row have gathered together, the same in all of them."""
        if self.sharing == 1:
            return values
        distance = WARP // 2
        while distance:
            values = self.joined(gathered, values, [self.shuffled("bfly", v, distance) for v in values])
            distance //= 2
        values = [self.shuffled("idx", v, 0) for v in values]
        return values if self.sharing == WARP else self.met_warps(gathered, values)

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

    def met_warps(self, gathered, values):
        """Through shared memory, one number a warp, which every thread then joins in one order."""
        b, warps = self.b, THREADS // WARP
        places = [self.shared(v.type, warps) for v in values]
        warp = b.udiv(self.thread, WORD(WARP))
        barrier(b)                               # until all have read what was there before
        with b.if_then(b.icmp_signed("==", b.urem(self.thread, WORD(WARP)), WORD(0))):
            for place, value in zip(places, values, strict=True):
                b.store(value, b.gep(place, [WORD(0), warp]))
        barrier(b)
        found = [[b.load(b.gep(place, [WORD(0), WORD(k)])) for place in places] for k in range(warps)]
        joined = found[0]
        for more in found[1:]:
            joined = self.joined(gathered, joined, more)
        return joined

    def shared(self, type_, count):
        name = f"shared{len(self.b.module.globals)}"
        place = ir.GlobalVariable(self.module, ir.ArrayType(type_, count), name, addrspace=SHARED)
        place.initializer, place.linkage = ir.Constant(place.value_type, ir.Undefined), "internal"
        return place


class _Parts(_Threads):
    """One pass over a piece of a row, by a block."""
    more = WORD.as_pointer(1), WORD

    def whole(self):
        b = self.b
        *_, self.partial, stage, _ = b.function.args
        self.pieces, share = self.word("pieces"), self.word("share")
        self.row = b.udiv(self.block, self.pieces)
        start = b.mul(b.sub(self.block, b.mul(self.row, self.pieces)), share)
        end = b.add(start, share)
        self.first, self.stop = b.add(start, self.thread), b.select(b.icmp_signed("<", end, self.n), end, self.n)
        self.locate(self.row)
        self.in_stages(stage)

    def leave(self, gathered, terms):
        b, found = self.b, self.gathered(gathered, terms, None)
        with b.if_then(b.icmp_signed("==", self.thread, WORD(0))):
            self.left(found, self.places_of(gathered, self.block))

    def found(self, gathered):
        """What is gathered over the row, of whose pieces each thread has one."""
        b, neutral = self.b, [self.begin(g, lambda t: t) for g in gathered]

        def loaded():
            places = self.places_of(gathered, b.add(b.mul(self.row, self.pieces), self.thread))
            return [b.load(place) for own in places for place in own]
        values = self.either(b.icmp_signed("<", self.thread, self.pieces), loaded,
                             lambda: [v for own in neutral for v in own])
        return [self.met(g, v) for g, v in zip(gathered, grouped(values, map(len, neutral)), strict=True)]
