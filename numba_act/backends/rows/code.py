"""A row kernel as machine code of this CPU: LLVM vectors, in three forms.

rows     the elements of a row follow each other in memory; a vector holds elements of one row
strided  the same for any step between them
columns  rows lie side by side; a vector holds the same element of several rows
short    the same for any step between them

All have the same bits: a sum is taken in LANES lanes, element i in lane i % LANES, which are added up in a fixed tree,
piece after piece of PIECE bytes.
"""
import functools

from llvmlite import ir

from ...runtime import driver, objects, threads
from ...tree.emit import emit
from ...tree.lanes import filled
from ...tree.node import in_order
from ...tree.storage import STORAGE

PIECE = driver.KEPT_BYTES
ABREAST = "columns", "short"                 # forms in which a vector holds several rows
REGISTER = 64                                # bytes of a vector, on any processor, so that sums do not depend on it

BYTE, BIT, INT, WORD, DOUBLE = ir.IntType(8), ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.DoubleType()
PLACE = BYTE.as_pointer()


def lanes_of(storage):
    """How many numbers are computed on at a time."""
    return REGISTER // STORAGE[storage.working].size


@functools.cache
def record_of(kernel, storage, form, keeps):
    """The words by which the driver knows a form of a kernel, which keeps a row of numbers or computes them again."""
    with objects.lock:
        text = module_text(kernel, storage, form, keeps)
        address, = objects.load(text, lambda: text, (form,))
    program = kernel.program(storage, keeps)
    cost = len(in_order([*[f for g in program.gathered for f in g.factors], *program.outputs]))
    words = dict.fromkeys(range(driver.RECORD_WORDS), 0)
    return driver.record(words | {
        driver.ROWS: address, driver.CONTROL: threads.control_address(), driver.N_IN: len(kernel.operands),
        driver.N_ALL: len(kernel.operands) + len(program.outputs), driver.LANES: lanes_of(storage),
        driver.COST: cost * STORAGE[storage.working].size // 4 * (lanes_of(storage) if form in ABREAST else 1)})


def module_text(kernel, storage, form, keeps):
    """LLVM IR of a form of a kernel, void(words pointers, steps, n, columns, kept)."""
    module = ir.Module(name=f"numba_act_{kernel.symbol}_{storage.name}")
    classes = {"rows": _Rows, "strided": _Strided, "columns": _Columns, "short": _Short}
    classes[form](module, form, kernel, storage, keeps)
    return str(module)


class _Form:
    """A function that is being written, of one row or of a vector of rows."""

    def __init__(self, module, name, kernel, storage, keeps):
        self.module, self.kernel, self.storage = module, kernel, storage
        self.program, self.single, self.lanes = kernel.program(storage, keeps), storage.single, lanes_of(storage)
        self.size, self.piece = STORAGE[storage.working].size, PIECE // STORAGE[storage.working].size
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [WORD] * 5), name)
        function.attributes.add("nounwind")
        self.b = b = ir.IRBuilder(function.append_basic_block())
        pointers, steps, self.n, self.columns, kept = function.args
        names = [*kernel.operands, *range(len(self.program.outputs))]
        self.base = {name: b.inttoptr(self.word(pointers, k), PLACE) for k, name in enumerate(names)}
        self.along = {name: self.word(steps, 2 * k) for k, name in enumerate(names)}
        self.across = {name: self.word(steps, 2 * k + 1) for k, name in enumerate(names)}
        self.kept = b.inttoptr(kept, PLACE)
        self.body()
        self.b.ret_void()

    def word(self, address, k):
        return self.b.load(self.b.gep(self.b.inttoptr(address, WORD.as_pointer()), [WORD(k)]))

    # --- parts of a function ------------------------------------------------------------------------------------------
    def loop(self, start, stop, step, values, body):
        """for i in range(start, stop, step): values = body(i, *values); the values at last."""
        b, before = self.b, self.b.block
        test, inside, end = (b.append_basic_block(label) for label in ("test", "body", "end"))
        b.branch(test)
        b.position_at_end(test)
        i, phis = b.phi(WORD), [b.phi(v.type) for v in values]
        b.cbranch(b.icmp_signed("<", i, stop), inside, end)
        b.position_at_end(inside)
        after = body(i, *phis)
        for phi, first, following in zip([i, *phis], [start, *values], [b.add(i, WORD(step)), *after], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(following, b.block)
        b.branch(test)
        b.position_at_end(end)
        return phis

    def either(self, condition, way, other):
        """What one way of writing code gives where a condition holds, and the other elsewhere."""
        results = []
        with self.b.if_else(condition) as blocks:
            for block, written in zip(blocks, (way, other), strict=True):
                with block:
                    results.append((written(), self.b.block))
        phis = []
        for k, value in enumerate(results[0][0] or ()):
            phis.append(self.b.phi(value.type))
            for values, block in results:
                phis[-1].add_incoming(values[k], block)
        return phis

    def vector(self, type_):
        return ir.VectorType(type_, self.lanes)

    def splat(self, value):
        vector = self.vector(value.type)
        first = self.b.insert_element(ir.Constant(vector, ir.Undefined), value, INT(0))
        return self.b.shuffle_vector(first, first, ir.Constant(self.vector(INT), None))

    def counted(self, start, step):
        """start, start + step, ... in the lanes."""
        lane = ir.Constant(self.vector(WORD), list(range(self.lanes)))
        return self.b.add(self.splat(start), self.b.mul(lane, self.splat(step)))

    def first(self, count):
        """Which lanes are among the first so many."""
        return self.b.icmp_signed("<", ir.Constant(self.vector(WORD), list(range(self.lanes))), self.splat(count))

    def intrinsic(self, name, result, *args):
        kinds = ".".join(f"v{t.count}{_letter(t.element)}" if isinstance(t, ir.VectorType) else "p0"
                         for t in name[1])
        signature = ir.FunctionType(result, [a.type for a in args])
        function = self.module.globals.get(f"llvm.{name[0]}.{kinds}") or ir.Function(
            self.module, signature, f"llvm.{name[0]}.{kinds}")
        return self.b.call(function, args)

    # --- memory -------------------------------------------------------------------------------------------------------
    def load(self, place, type_, lanes=None):
        """A vector of numbers that follow each other, 0 in the lanes that are left out."""
        vector = self.vector(type_)
        pointer = self.b.bitcast(place, vector.as_pointer())
        if lanes is None:
            return self.b.load(pointer, align=_bytes(type_))
        return self.intrinsic(("masked.load", (vector, pointer.type)), vector, pointer, INT(_bytes(type_)), lanes,
                              ir.Constant(vector, None))

    def store(self, value, place, lanes=None):
        pointer, align = self.b.bitcast(place, value.type.as_pointer()), _bytes(value.type.element)
        if lanes is None:
            self.b.store(value, pointer, align=align)
        else:
            self.intrinsic(("masked.store", (value.type, pointer.type)), ir.VoidType(), value, pointer, INT(align),
                           lanes)

    def places(self, base, offsets, type_):
        """A pointer for each lane."""
        address = self.b.add(self.splat(self.b.ptrtoint(base, WORD)), offsets)
        return self.b.inttoptr(address, self.vector(type_.as_pointer()))

    def gather(self, base, offsets, type_, lanes=None):
        vector, places = self.vector(type_), self.places(base, offsets, type_)
        return self.intrinsic(("masked.gather", (vector, places.type)), vector, places, INT(_bytes(type_)),
                              self.all(lanes), ir.Constant(vector, None))

    def scatter(self, value, base, offsets, lanes=None):
        places = self.places(base, offsets, value.type.element)
        self.intrinsic(("masked.scatter", (value.type, places.type)), ir.VoidType(), value, places,
                       INT(_bytes(value.type.element)), self.all(lanes))

    def all(self, lanes):
        return filled(self.vector(BIT), 1) if lanes is None else lanes

    def element(self, name, i, lanes):
        """An operand's numbers at i, as they are computed with."""
        if name == "position":
            return self.position(i)
        if name in self.program.kept:
            return self.load(self.kept_place(name, i), self.single, lanes)
        if name in self.kernel.masks:
            return self.b.icmp_unsigned("!=", self.read(name, i, BYTE, lanes), ir.Constant(self.vector(BYTE), None))
        return self.storage.widen(self.b, self.read(name, i, self.storage.element, lanes))

    # --- gathering ----------------------------------------------------------------------------------------------------
    def begin(self, gathered, like):
        """What gathering starts with: numbers `like` a type that gives a type's vector or the type itself."""
        if gathered.kind == "largest":
            return [filled(like(self.single), float("-inf"))]
        return [filled(like(DOUBLE), 0.0)] * (1 if self.single != DOUBLE else 2)

    def term(self, gathered, values, lanes):
        """What an element adds, as the numbers in which it is added up."""
        numbers = [values[f] for f in gathered.factors]
        b, neutral = self.b, float("-inf") if gathered.kind == "largest" else 0.0
        if gathered.kind == "total":
            wide = [b.fpext(v, self.vector(DOUBLE)) for v in numbers] if self.single != DOUBLE else numbers
            product = functools.reduce(b.fmul, wide)
            numbers = [product]
            if self.single == DOUBLE and len(wide) == 2:
                numbers.append(self.fused(*wide, b.fneg(product)))
        if lanes is None:
            return numbers
        return [b.select(lanes, v, filled(v.type, neutral)) for v in numbers]

    def fused(self, x, y, z):
        return self.b.call(self.b.module.declare_intrinsic(
            "llvm.fma." + (f"v{self.lanes}f64" if isinstance(x.type, ir.VectorType) else "f64"),
            fnty=ir.FunctionType(x.type, [x.type] * 3)), [x, y, z])

    def joined(self, gathered, some, more):
        """What is gathered of some elements and of others."""
        b = self.b
        if gathered.kind == "largest":
            return [b.select(b.fcmp_ordered(">", more[0], some[0]), more[0], some[0])]
        if self.single != DOUBLE:
            return [b.fadd(some[0], more[0])]
        total = b.fadd(some[0], more[0])                         # Knuth's sum of two, without branches
        part = b.fsub(total, some[0])
        rest = b.fadd(b.fsub(some[0], b.fsub(total, part)), b.fsub(more[0], part))
        for low in (some[1], *more[1:]):
            rest = b.fadd(rest, low)
        return [total, rest]

    def result(self, gathered, found):
        """The numbers by the names of the results: of a sum high and low part."""
        b = self.b
        if gathered.kind == "largest":
            return dict(zip(gathered.results, found, strict=True))
        if self.single == DOUBLE:
            high = b.fadd(*found)
            low = b.fadd(b.fsub(found[0], high), found[1])
        else:
            narrow = self.like(found[0], self.single)
            high = b.fptrunc(found[0], narrow)
            low = b.fptrunc(b.fsub(found[0], b.fpext(high, found[0].type)), narrow)
        endless = b.fcmp_unordered("uno", b.fsub(high, high), filled(high.type, 0.0))
        low = b.select(endless, filled(low.type, 0.0), low)
        return dict(zip(gathered.results, (high, low), strict=True))

    @staticmethod
    def like(value, type_):
        return ir.VectorType(type_, value.type.count) if isinstance(value.type, ir.VectorType) else type_

    # --- passes -------------------------------------------------------------------------------------------------------
    def passes(self, lanes=None):
        """All passes; `lanes` says of which rows a vector has numbers."""
        program, kernel = self.program, self.kernel
        known = {name: self.number(name) for name in (*kernel.once, *kernel.places)}
        known["length"] = self.alike(self.b.sitofp(self.n, self.single))
        for level in range(program.passes):
            gathered, settling, saved = program.at(level)
            known |= self.gathering(gathered, saved, known, lanes)
            for settled in settling:
                known[settled.name] = self.settle(settled, known, lanes)
        along = [k for k in range(len(program.outputs)) if program.along[k]]
        self.last([(k, program.outputs[k]) for k in along], known, lanes)
        once = [k for k in range(len(program.outputs)) if k not in along]
        for k, value in zip(once, emit(self.b, [program.outputs[k] for k in once], known, self.storage), strict=True):
            self.store_number(k, self.storage.narrow(self.b, value), lanes)

    def last(self, outputs, known, lanes):
        """The pass that gives the outputs."""
        if outputs:
            compute = self.computation([node for _, node in outputs], known)

            def body(i, lanes):
                for (k, _), value in zip(outputs, compute(i, lanes), strict=True):
                    self.write(k, i, self.storage.narrow(self.b, value), lanes)
            self.over_row(body, lanes)

    def computation(self, nodes, known, saved=()):
        """A function of a place in the row, and of lanes, that gives some nodes' values there; what is saved is
        computed and stored first."""
        kept = [self.program.kept[name] for name in saved]
        of_rows, below = self.program.of_rows([*kept, *nodes]), self.program.elements_below([*kept, *nodes])
        values = emit(self.b, of_rows, known, self.storage) if of_rows else []
        ready = {node: self.spread(value) for node, value in zip(of_rows, values, strict=True)}
        names = sorted(set().union(*(below[node] for node in (*kept, *nodes))) - {*saved})

        def compute(i, lanes):
            arguments = {name: self.element(name, i, lanes) for name in names}
            computed = dict(ready)
            write = functools.partial(emit, self.b, arguments=arguments, storage=self.storage, values=computed,
                                      order=functools.partial(in_order, known=ready))
            for name, node in zip(saved, kept, strict=True):
                arguments[name], = write([node])
                self.store(arguments[name], self.kept_place(name, i), self.kept_lanes(lanes))
            return write(nodes)
        return compute

    def gathering(self, gathered, saved, known, lanes):
        """A pass that gathers and keeps; the numbers that it gives, by name."""
        if not gathered:
            return {}
        nodes = [f for g in gathered for f in g.factors]
        compute = self.computation(nodes, known, saved)

        def terms(i, lanes):
            values = dict(zip(nodes, compute(i, lanes), strict=True))
            return [self.term(g, values, lanes) for g in gathered]
        found = self.gathered(gathered, terms, lanes)
        return {name: v for g, f in zip(gathered, found, strict=True) for name, v in self.result(g, f).items()}


    def settle(self, settled, known, lanes):
        """The number for which one pass after the other is made, at last."""
        b = self.b
        first, = emit(b, [settled.first], known, self.storage)
        again, end = b.append_basic_block("again"), b.append_basic_block("settled")
        before = b.block
        b.branch(again)
        b.position_at_end(again)
        number = b.phi(first.type)
        number.add_incoming(first, before)
        known = {**known, settled.name: number}
        known |= self.gathering(settled.gathered, (), known, lanes)
        following, = emit(b, [settled.following], known, self.storage)
        grown = b.fcmp_ordered(">", following, number)
        following = b.select(b.fcmp_ordered("<=", following, number), number, following)         # NaN stays
        number.add_incoming(following, b.block)
        b.cbranch(self.any(grown, lanes), again, end)
        b.position_at_end(end)
        return following

    def any(self, conditions, lanes):
        """Whether one of the conditions holds, in lanes that count."""
        if not isinstance(conditions.type, ir.VectorType):
            return conditions
        conditions = conditions if lanes is None else self.b.and_(conditions, lanes)
        word = ir.IntType(self.lanes)
        return self.b.icmp_unsigned("!=", self.b.bitcast(conditions, word), word(0))

    def whole_number(self, value):
        """A whole number, or a vector of them, as computed with."""
        return self.b.sitofp(value, self.like(value, self.single))


class _Rows(_Form):
    """A vector holds elements of one row."""

    def body(self):
        self.passes()

    def number(self, name):
        type_ = WORD if name in self.kernel.places else self.storage.element
        value = self.b.load(self.b.bitcast(self.base[name], type_.as_pointer()), align=_bytes(type_))
        return self.whole_number(value) if type_ is WORD else self.storage.widen(self.b, value)

    def alike(self, number):
        return number

    def position(self, i):
        start = self.splat(self.b.trunc(i, INT))
        return self.whole_number(self.b.add(start, ir.Constant(self.vector(INT), list(range(self.lanes)))))

    def store_number(self, k, value, lanes):
        self.b.store(value, self.b.bitcast(self.base[k], value.type.as_pointer()), align=self.storage.size)

    def spread(self, value):
        return self.splat(value)

    def read(self, name, i, type_, lanes):
        return self.load(self.b.gep(self.base[name], [self.b.mul(i, WORD(_bytes(type_)))]), type_, lanes)

    def write(self, k, i, value, lanes):
        self.store(value, self.b.gep(self.base[k], [self.b.mul(i, WORD(self.storage.size))]), lanes)

    def kept_place(self, name, i):
        return self.b.gep(self.kept, [self.b.mul(i, WORD(self.size))])

    def kept_lanes(self, lanes):
        return lanes                             # it may be kept where the output will be

    def over_row(self, body, lanes):
        whole, rest = self.whole(WORD(0), self.n)
        self.loop(WORD(0), whole, self.lanes, [], lambda i: body(i, None) or [])
        with self.b.if_then(self.b.icmp_signed("!=", rest, WORD(0))):
            body(whole, self.first(rest))

    def whole(self, start, stop):
        """Where whole vectors end, and how many elements follow."""
        rest = self.b.and_(self.b.sub(stop, start), WORD(self.lanes - 1))
        return self.b.sub(stop, rest), rest

    def gathered(self, gathered, terms, lanes):
        """What is gathered over the row."""
        b, counts = self.b, [len(self.begin(g, lambda t: t)) for g in gathered]

        def add(i, lanes, *numbers):
            some = _grouped(numbers, counts)
            return [v for g, s, t in zip(gathered, some, terms(i, lanes), strict=True) for v in self.joined(g, s, t)]

        def piece(start, *totals):
            end = b.add(start, WORD(self.piece))
            stop = b.select(b.icmp_signed("<", end, self.n), end, self.n)
            whole, rest = self.whole(start, stop)
            begin = [v for g in gathered for v in self.begin(g, self.vector)]
            found = self.loop(start, whole, self.lanes, begin, lambda i, *numbers: add(i, None, *numbers))
            found = self.either(b.icmp_signed("!=", rest, WORD(0)), lambda: add(whole, self.first(rest), *found),
                                lambda: found)
            folded = [self.folded(g, f) for g, f in zip(gathered, _grouped(found, counts), strict=True)]
            return [v for g, t, f in zip(gathered, _grouped(totals, counts), folded, strict=True)
                    for v in self.joined(g, t, f)]
        begin = [v for g in gathered for v in self.begin(g, lambda t: t)]
        return _grouped(self.loop(WORD(0), self.n, self.piece, begin, piece), counts)

    def folded(self, gathered, vectors):
        """The lanes, added up in a fixed tree."""
        b, half = self.b, self.lanes // 2
        while half:
            low, high = (ir.Constant(ir.VectorType(INT, half), list(range(k, k + half))) for k in (0, half))
            vectors = self.joined(gathered, *[[b.shuffle_vector(v, v, part) for v in vectors] for part in (low, high)])
            half //= 2
        return [b.extract_element(v, INT(0)) for v in vectors]


class _Strided(_Rows):
    """Elements are read and written one by one."""

    def read(self, name, i, type_, lanes):
        return self.gather(self.base[name], self.offsets(name, i), type_, lanes)

    def write(self, k, i, value, lanes):
        self.scatter(value, self.base[k], self.offsets(k, i), lanes)

    def offsets(self, name, i):
        step = self.along[name]
        return self.counted(self.b.mul(i, step), step)


class _Columns(_Form):
    """A vector holds the same element of several rows."""

    def body(self):
        b, whole = self.b, WORD(self.lanes)
        self.either(b.icmp_signed("==", self.columns, whole), self.passes,
                    lambda: self.passes(self.first(self.columns)))

    def number(self, name):
        type_ = WORD if name in self.kernel.places else self.storage.element
        value = self.gather(self.base[name], self.offsets(name), type_, self.first(self.columns))
        return self.whole_number(value) if type_ is WORD else self.storage.widen(self.b, value)

    def alike(self, number):
        return self.splat(number)

    def position(self, i):
        return self.splat(self.whole_number(self.b.trunc(i, INT)))

    def store_number(self, k, value, lanes):
        self.scatter(value, self.base[k], self.offsets(k), lanes)

    def offsets(self, name):
        return self.counted(WORD(0), self.across[name])

    def spread(self, value):
        return value

    def read(self, name, i, type_, lanes):
        return self.load(self.at(name, i), type_, lanes)

    def write(self, k, i, value, lanes):
        self.store(value, self.at(k, i), lanes)

    def at(self, name, i):
        return self.b.gep(self.base[name], [self.b.mul(i, self.along[name])])

    def kept_place(self, name, i):
        return self.b.gep(self.kept, [self.b.mul(i, WORD(self.lanes * self.size))])

    def kept_lanes(self, lanes):
        return None

    def over_row(self, body, lanes):
        self.loop(WORD(0), self.n, 1, [], lambda i: body(i, lanes) or [])

    def gathered(self, gathered, terms, lanes):
        """What is gathered over the rows: sums in as many vectors as a row's would have lanes."""
        b = self.b
        sums = [g.kind == "total" for g in gathered]
        counts = [len(self.begin(g, self.vector)) for g in gathered]
        slots = [[self.slots(v.type) for v in self.begin(g, self.vector)] if s else [] for g, s in zip(
            gathered, sums, strict=True)]

        def piece(start, *totals):
            end = b.add(start, WORD(self.piece))
            stop = b.select(b.icmp_signed("<", end, self.n), end, self.n)
            for g, own in zip(gathered, slots, strict=True):
                for place, zero in zip(own, self.begin(g, self.vector), strict=False):
                    for k in range(self.lanes):
                        b.store(zero, b.gep(place, [WORD(k)]))

            def add(i, *numbers):
                slot, after = b.and_(b.sub(i, start), WORD(self.lanes - 1)), []
                for g, some, term, own in zip(gathered, _grouped(numbers, counts), terms(i, lanes), slots, strict=True):
                    if own:
                        places = [b.gep(place, [slot]) for place in own]
                        more = self.joined(g, [b.load(p) for p in places], term)
                        for place, value in zip(places, more, strict=True):
                            b.store(value, place)
                        after += some
                    else:
                        after += self.joined(g, some, term)
                return after
            found = _grouped(self.loop(start, stop, 1, totals, add), counts)
            return [v for g, some, own in zip(gathered, found, slots, strict=True)
                    for v in (self.joined(g, some, self.folded(g, own)) if own else some)]
        begin = [v for g in gathered for v in self.begin(g, self.vector)]
        return _grouped(self.loop(WORD(0), self.n, self.piece, begin, piece), counts)

    def slots(self, type_):
        """Room for as many vectors as there are lanes."""
        with self.b.goto_entry_block():
            place = self.b.alloca(type_, size=WORD(self.lanes))
            place.align = REGISTER
            return place

    def folded(self, gathered, slots):
        b = self.b
        vectors = [[b.load(b.gep(place, [WORD(k)])) for place in slots] for k in range(self.lanes)]
        while len(vectors) > 1:
            half = len(vectors) // 2
            vectors = [self.joined(gathered, one, other)
                       for one, other in zip(vectors[:half], vectors[half:], strict=True)]
        return vectors[0]


class _Short(_Columns):
    """The rows lie anywhere."""

    def read(self, name, i, type_, lanes):
        return self.gather(self.at(name, i), self.offsets(name), type_, lanes)

    def write(self, k, i, value, lanes):
        self.scatter(value, self.at(k, i), self.offsets(k), lanes)


def _grouped(values, counts):
    """Values one after the other as lists of so many."""
    rest = iter(values)
    return [[next(rest) for _ in range(count)] for count in counts]


def _letter(type_):
    return f"i{type_.width}" if isinstance(type_, ir.IntType) else "p0" if type_.is_pointer else {
        "float": "f32", "double": "f64"}[str(type_)]


def _bytes(type_):
    return type_.width // 8 if isinstance(type_, ir.IntType) else {"float": 4, "double": 8}[str(type_)]
