"""A row kernel as machine code of this CPU: LLVM vectors, in six forms.

rows     the elements of a row follow each other in memory; a vector holds elements of one row
strided  the same for any step between them
columns  rows lie side by side; a vector holds the same element of several rows
short    the same for any step between them
wide     as columns, several vectors at a time
parts    some pieces of a row in one pass, for threads that share it

All have the same bits: a sum is taken in LANES lanes, element i in lane i % LANES, which are added up in a fixed tree,
piece after piece of PIECE bytes.
"""
from typing import NamedTuple

from llvmlite import ir

from ...runtime import driver, objects, threads
from ...tree.lanes import filled
from ...tree.node import in_order
from ...tree.storage import STORAGE
from .passes import BIT, BYTE, INT, WORD, Passes, bytes_of, grouped

PIECE = driver.PIECE_BYTES
ABREAST = "columns", "short", "wide"         # forms in which a vector holds several rows
FEW = 4                                      # rows abreast; with fewer each is computed by itself
SHORT = 48                                   # elements; shorter rows are computed abreast, wherever they lie, unless
#                                              they fill vectors: softmax of 40 in 0.6 of the time, of 10 in a quarter
WIDE = 4                                     # vectors at a time, so that each row is read by more than a cache's line:
#                                              softmax's gradient of 1024 x 1024 float32 numbers along the first axis
#                                              takes half of the time, with 2 vectors 0.6
REGISTER = 64                                # bytes of a vector, on any processor, so that sums do not depend on it
LINE = 64                                    # bytes that a cache fetches at once
AHEAD = 256                                  # bytes from an element to that which is fetched for the rows beside it: of
#                                              32 x 50,257 along the first axis softmax takes 0.65 of the time without,
#                                              its gradient 0.75 of that without the places of its results
PLACE = BYTE.as_pointer()


def lanes_of(storage, form="rows"):
    """How many numbers are computed on at a time."""
    return REGISTER // STORAGE[storage.working].size * (WIDE if form == "wide" else 1)


def piece_of(storage):
    """How many numbers of a row are summed before they join the others."""
    return PIECE // STORAGE[storage.working].size


_records = {}


def record_of(kernel, storage, form, keeps):
    """The words by which the driver knows a form of a kernel, which keeps a row of numbers or computes them again."""
    key = kernel, storage, form, keeps
    if key not in _records:
        with objects.lock:                   # one record lives for ever: jobs know its address
            if key not in _records:
                _records[key] = _compiled(*key)
    return _records[key]


def _compiled(kernel, storage, form, keeps):
    name, text = module_text(kernel, storage, form, keeps)
    address, = objects.load(text, lambda: text, (name,))
    program = kernel.program(storage, keeps)
    cost = len(in_order([*[f for g in program.gathered for f in g.factors], *program.outputs]))
    words = dict.fromkeys(range(driver.RECORD_WORDS), 0)
    if form == "parts":
        words |= {driver.STAGES: program.passes + 1, driver.PIECE: piece_of(storage)}
    return driver.record(words | {
        driver.ROWS: address, driver.CONTROL: threads.control_address(), driver.N_IN: len(kernel.operands),
        driver.N_ALL: len(kernel.operands) + len(program.outputs), driver.LANES: lanes_of(storage, form),
        driver.LEAST_STREAMED: driver.NEVER,
        driver.COST: cost * STORAGE[storage.working].size // 4 * (lanes_of(storage, form) if form in ABREAST else 1)})


def module_text(kernel, storage, form, keeps):
    """Name and LLVM IR of a form of a kernel, void(words pointers, steps, n, columns, kept), of parts void(words
    pointers, steps, n, columns, kept, stage, first, end, partial)."""
    name = f"numba_act_rows_{kernel.symbol}_{storage.name}_{form}{'_kept' * keeps}"
    module = ir.Module(name=name)
    classes = {"rows": _Rows, "strided": _Strided, "columns": _Columns, "short": _Short, "wide": _Wide,
               "parts": _Parts}
    classes[form](module, name, kernel, storage, keeps, lanes_of(storage, form))
    return name, str(module)


class First(NamedTuple):
    """The first lanes of a vector.

    count : how many
    mask, last : for each lane, whether it is one, or the last one
    pairs : for two lanes each, whether both are
    """
    count: ir.Value
    mask: ir.Value
    pairs: ir.Value
    last: ir.Value


class _Form(Passes):
    """A function that is being written, of one row or of a vector of rows."""
    words = 5                                # that it takes

    def __init__(self, module, name, kernel, storage, keeps, lanes):
        super().__init__(module, kernel, storage, keeps)
        self.lanes, self.piece, self.sums = lanes, piece_of(storage), lanes_of(storage)
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [WORD] * self.words), name)
        function.attributes.add("nounwind")
        self.b = b = ir.IRBuilder(function.append_basic_block())
        pointers, steps, self.n, self.columns, kept, *self.more = function.args
        names = [*kernel.operands, *range(len(self.program.outputs))]
        self.base = {name: b.inttoptr(self.word(pointers, k), PLACE) for k, name in enumerate(names)}
        self.along = {name: self.word(steps, 2 * k) for k, name in enumerate(names)}
        self.across = {name: self.word(steps, 2 * k + 1) for k, name in enumerate(names)}
        self.kept = b.inttoptr(kept, PLACE)
        self.body()
        self.b.ret_void()

    def word(self, address, k):
        return self.b.load(self.b.gep(self.b.inttoptr(address, WORD.as_pointer()), [WORD(k)]))

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
        """The first so many lanes."""
        b, lane = self.b, ir.Constant(self.vector(WORD), list(range(self.lanes)))
        mask = b.icmp_signed("<", lane, self.splat(count))
        odd = ir.Constant(ir.VectorType(INT, self.lanes // 2), list(range(1, self.lanes, 2)))
        last = b.icmp_signed("==", lane, self.splat(b.sub(count, WORD(1))))
        return First(count, mask, b.shuffle_vector(mask, mask, odd), last)

    def intrinsic(self, name, result, *args):
        kinds = ".".join(f"v{t.count}{_letter(t.element)}" if isinstance(t, ir.VectorType) else "p0"
                         for t in name[1])
        signature = ir.FunctionType(result, [a.type for a in args])
        function = self.module.globals.get(f"llvm.{name[0]}.{kinds}") or ir.Function(
            self.module, signature, f"llvm.{name[0]}.{kinds}")
        return self.b.call(function, args)

    def room(self, type_, count):
        """Memory of the function's own."""
        with self.b.goto_entry_block():
            place = self.b.alloca(type_, size=WORD(count))
            place.align = REGISTER
            return place

    # --- memory -------------------------------------------------------------------------------------------------------
    def load(self, place, type_, lanes=None):
        """A vector of numbers that follow each other, 0 in the lanes that are left out."""
        vector = self.vector(type_)
        pointer = self.b.bitcast(place, vector.as_pointer())
        if lanes is None:
            return self.b.load(pointer, align=bytes_of(type_))
        if bytes_of(type_) == 2:
            return self.load_pairs(place, type_, lanes)
        return self.intrinsic(("masked.load", (vector, pointer.type)), vector, pointer, INT(bytes_of(type_)),
                              lanes.mask, ir.Constant(vector, None))

    def load_pairs(self, place, type_, lanes):
        """The same of 16-bit numbers, of which processors without AVX-512 take two at a time, and then the last."""
        b, pairs = self.b, ir.VectorType(INT, self.lanes // 2)
        pointer = b.bitcast(place, pairs.as_pointer())
        found = self.intrinsic(("masked.load", (pairs, pointer.type)), pairs, pointer, INT(2), lanes.pairs,
                               ir.Constant(pairs, None))
        last = b.gep(b.bitcast(place, type_.as_pointer()), [b.sub(lanes.count, WORD(1))])
        return b.select(lanes.last, self.splat(b.load(last, align=2)), b.bitcast(found, self.vector(type_)))

    def store(self, value, place, lanes=None):
        """Of the first lanes half of the vector, a quarter and so on, by way of memory of its own: Zen 3 takes 7 ns
        longer to store by a mask."""
        b, type_ = self.b, value.type.element
        if lanes is None:
            b.store(value, b.bitcast(place, value.type.as_pointer()), align=bytes_of(type_))
            return
        room, place, done = self.room(type_, self.lanes), b.bitcast(place, type_.as_pointer()), WORD(0)
        b.store(value, b.bitcast(room, value.type.as_pointer()))
        size = self.lanes // 2
        while size:
            here, part = b.and_(lanes.count, WORD(size)), ir.VectorType(type_, size).as_pointer()
            with b.if_then(b.icmp_signed("!=", here, WORD(0))):
                numbers = b.load(b.bitcast(b.gep(room, [done]), part), align=bytes_of(type_))
                b.store(numbers, b.bitcast(b.gep(place, [done]), part), align=bytes_of(type_))
            done, size = b.add(done, here), size // 2

    def places(self, base, offsets, type_):
        """A pointer for each lane."""
        address = self.b.add(self.splat(self.b.ptrtoint(base, WORD)), offsets)
        return self.b.inttoptr(address, self.vector(type_.as_pointer()))

    def gather(self, base, offsets, type_, lanes=None):
        vector, places = self.vector(type_), self.places(base, offsets, type_)
        return self.intrinsic(("masked.gather", (vector, places.type)), vector, places, INT(bytes_of(type_)),
                              self.all(lanes), ir.Constant(vector, None))

    def scatter(self, value, base, offsets, lanes=None):
        places = self.places(base, offsets, value.type.element)
        self.intrinsic(("masked.scatter", (value.type, places.type)), ir.VoidType(), value, places,
                       INT(bytes_of(value.type.element)), self.all(lanes))

    def all(self, lanes):
        return filled(self.vector(BIT), 1) if lanes is None else lanes.mask


class _Rows(_Form):
    """A vector holds elements of one row."""

    def body(self):
        self.passes()

    def number(self, name):
        type_ = WORD if name in self.kernel.places else self.storage.element
        value = self.b.load(self.b.bitcast(self.base[name], type_.as_pointer()), align=bytes_of(type_))
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
        return self.load(self.b.gep(self.base[name], [self.b.mul(i, WORD(bytes_of(type_)))]), type_, lanes)

    def write(self, k, i, value, lanes):
        self.store(value, self.b.gep(self.base[k], [self.b.mul(i, WORD(self.storage.size))]), lanes)

    def kept_place(self, name, i):
        return self.b.gep(self.kept, [self.b.mul(i, WORD(self.size))])

    def kept_lanes(self, lanes):
        return lanes                             # it may be kept where the output will be

    def range(self):
        """From which element to which the function goes."""
        return WORD(0), self.n

    def over_row(self, body, lanes):
        start, stop = self.range()
        whole, rest = self.whole(start, stop)
        self.loop(start, whole, self.lanes, [], lambda i: body(i, None) or [])
        with self.b.if_then(self.b.icmp_signed("!=", rest, WORD(0))):
            body(whole, self.first(rest))

    def whole(self, start, stop):
        """Where whole vectors end, and how many elements follow."""
        rest = self.b.and_(self.b.sub(stop, start), WORD(self.lanes - 1))
        return self.b.sub(stop, rest), rest

    def gathered(self, gathered, terms, lanes):
        """What is gathered over the row."""
        begin, counts = self.neutral(gathered)

        def joined(start, *totals):
            return self.all_joined(gathered, grouped(totals, counts), self.of_piece(gathered, terms, start))
        return grouped(self.loop(WORD(0), self.n, self.piece, begin, joined), counts)

    def of_piece(self, gathered, terms, start):
        """What is gathered over a piece."""
        b, (begin, counts) = self.b, self.neutral(gathered, self.vector)

        def add(i, lanes, *numbers):
            return [v for g, some, term in zip(gathered, grouped(numbers, counts), terms(i, lanes), strict=True)
                    for v in self.added(g, some, term)]
        end = b.add(start, WORD(self.piece))
        whole, rest = self.whole(start, b.select(b.icmp_signed("<", end, self.n), end, self.n))
        found = self.loop(start, whole, self.lanes, begin, lambda i, *numbers: add(i, None, *numbers))
        found = self.either(b.icmp_signed("!=", rest, WORD(0)), lambda: add(whole, self.first(rest), *found),
                            lambda: found)
        return [self.folded(g, f) for g, f in zip(gathered, grouped(found, counts), strict=True)]

    def folded(self, gathered, vectors):
        """The lanes, added up in a fixed tree."""
        b, half = self.b, self.lanes // 2
        while half:
            low, high = (ir.Constant(ir.VectorType(INT, half), list(range(k, k + half))) for k in (0, half))
            vectors = self.joined(gathered, *[[b.shuffle_vector(v, v, part) for v in vectors] for part in (low, high)])
            half //= 2
        return [b.extract_element(v, INT(0)) for v in vectors]


class _Parts(_Rows):
    """Some pieces of a row in one pass, its stage.  What was gathered of each piece stays in memory, where the later
    passes join it in the order in which one thread would have joined it."""
    words = 9

    def body(self):
        stage, self.begun, self.end, partial = self.more
        self.partial = self.b.inttoptr(partial, WORD.as_pointer())
        self.in_stages(stage)

    def store_number(self, k, value, lanes):
        with self.b.if_then(self.b.icmp_signed("==", self.begun, WORD(0))):
            super().store_number(k, value, lanes)

    def range(self):
        stop = self.b.mul(self.end, WORD(self.piece))
        return (self.b.mul(self.begun, WORD(self.piece)),
                self.b.select(self.b.icmp_signed("<", stop, self.n), stop, self.n))

    def leave(self, gathered, terms):
        """Gather over the pieces, one by one."""
        def piece(k):
            found = self.of_piece(gathered, terms, self.b.mul(k, WORD(self.piece)))
            self.left(found, self.places_of(gathered, k))
            return []
        self.loop(self.begun, self.end, 1, [], piece)

    def found(self, gathered):
        pieces = self.b.sdiv(self.b.add(self.n, WORD(self.piece - 1)), WORD(self.piece))
        return self.of_pieces(gathered, WORD(0), pieces, 1)


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
        self.either(b.icmp_signed("==", self.columns, whole), self.abreast,
                    lambda: self.abreast(self.first(self.columns)))

    def abreast(self, lanes=None):
        self.fetched = set()
        self.passes(lanes)

    def number(self, name):
        type_ = WORD if name in self.kernel.places else self.storage.element
        value = self.gather(self.base[name], self.offsets(name), type_)
        return self.whole_number(value) if type_ is WORD else self.storage.widen(self.b, value)

    def alike(self, number):
        return self.splat(number)

    def position(self, i):
        return self.splat(self.whole_number(self.b.trunc(i, INT)))

    def store_number(self, k, value, lanes):
        self.scatter(value, self.base[k], self.offsets(k), lanes)

    def offsets(self, name):
        """Where each row is; lanes beyond the last row take that one once more."""
        lane, last = self.counted(WORD(0), WORD(1)), self.splat(self.b.sub(self.columns, WORD(1)))
        row = self.b.select(self.b.icmp_signed("<", lane, last), lane, last)
        return self.b.mul(row, self.splat(self.across[name]))

    def spread(self, value):
        return value

    def read(self, name, i, type_, lanes):
        place = self.at(name, i)
        if name not in self.fetched:
            self.fetch(place, bytes_of(type_), 0)
        return self.load(place, type_, lanes)

    def fetch(self, place, size, write):
        """Have the processor fetch numbers of that size for the rows beside these, which it does not foresee where
        every element lies on another page."""
        name, signature = "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [PLACE, INT, INT, INT])
        prefetch = self.module.globals.get(name) or ir.Function(self.module, signature, name)
        for offset in range(AHEAD, AHEAD + self.lanes * size, LINE):             # into all caches, data
            self.b.call(prefetch, [self.b.gep(place, [WORD(offset)]), INT(write), INT(3), INT(1)])

    def write(self, k, i, value, lanes):
        place = self.at(k, i)
        self.fetch(place, self.storage.size, 1)
        self.store(value, place, lanes)

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
        sums = [g.kind != "largest" for g in gathered]
        begin, counts = self.neutral(gathered, self.vector)
        slots = [[self.room(v.type, self.sums) for v in self.begin(g, self.vector)] if s else [] for g, s in zip(
            gathered, sums, strict=True)]

        def piece(start, *totals):
            end = b.add(start, WORD(self.piece))
            stop = b.select(b.icmp_signed("<", end, self.n), end, self.n)
            for g, own in zip(gathered, slots, strict=True):
                for place, zero in zip(own, self.begin(g, self.vector), strict=False):
                    for k in range(self.sums):
                        b.store(zero, b.gep(place, [WORD(k)]))

            def add(i, *numbers):
                slot, after = b.and_(b.sub(i, start), WORD(self.sums - 1)), []
                for g, some, term, own in zip(gathered, grouped(numbers, counts), terms(i, lanes), slots, strict=True):
                    if own:
                        places = [b.gep(place, [slot]) for place in own]
                        more = self.added(g, [b.load(p) for p in places], term)
                        for place, value in zip(places, more, strict=True):
                            b.store(value, place)
                        after += some
                    else:
                        after += self.added(g, some, term)
                return after
            found = grouped(self.loop(start, stop, 1, totals, add), counts)
            return [v for g, some, own in zip(gathered, found, slots, strict=True)
                    for v in (self.joined(g, some, self.folded(g, own)) if own else some)]
        return grouped(self.loop(WORD(0), self.n, self.piece, begin, piece), counts)

    def folded(self, gathered, slots):
        b = self.b
        vectors = [[b.load(b.gep(place, [WORD(k)])) for place in slots] for k in range(self.sums)]
        while len(vectors) > 1:
            half = len(vectors) // 2
            vectors = [self.joined(gathered, one, other)
                       for one, other in zip(vectors[:half], vectors[half:], strict=True)]
        return vectors[0]


class _Short(_Columns):
    """The rows lie anywhere.  All lanes count: those beyond the last row compute that one once more."""

    def body(self):
        b, self.begins, self.kept_inputs = self.b, {}, {}
        along = [k for k, along in enumerate(self.program.along) if along]
        for name in (*self.kernel.inputs, *self.kernel.masks, *along):
            begins = b.ptrtoint(self.places(self.base[name], self.offsets(name), BYTE), self.vector(WORD))
            self.begins[name] = self.room(WORD, self.lanes)
            b.store(begins, b.bitcast(self.begins[name], begins.type.as_pointer()))
        self.abreast()

    def read(self, name, i, type_, lanes):
        """Element by element for the first time; then it is kept for the passes that follow."""
        if name in self.kept_inputs:
            return self.b.load(self.b.gep(self.kept_inputs[name], [i]))
        value = ir.Constant(self.vector(type_), ir.Undefined)
        for k, place in enumerate(self.elements(name, i, type_)):
            value = self.b.insert_element(value, self.b.load(place, align=bytes_of(type_)), INT(k))
        self.kept_inputs[name] = self.room(value.type, SHORT)
        self.b.store(value, self.b.gep(self.kept_inputs[name], [i]))
        return value

    def write(self, k, i, value, lanes):
        for lane, place in enumerate(self.elements(k, i, value.type.element)):
            self.b.store(self.b.extract_element(value, INT(lane)), place, align=self.storage.size)

    def elements(self, name, i, type_):
        """Where the element of each row lies."""
        step = self.b.mul(i, self.along[name])
        for k in range(self.lanes):
            begin = self.b.load(self.b.gep(self.begins[name], [WORD(k)]))
            yield self.b.inttoptr(self.b.add(begin, step), type_.as_pointer())


class _Wide(_Columns):
    """A vector of as many rows as several vectors hold."""

    def read(self, name, i, type_, lanes):
        value = super().read(name, i, type_, lanes)
        self.fetched.add(name)                   # to fetch for the second time costs a tenth of the time
        return value


def _letter(type_):
    return f"i{type_.width}" if isinstance(type_, ir.IntType) else "p0" if type_.is_pointer else {
        "float": "f32", "double": "f64"}[str(type_)]
