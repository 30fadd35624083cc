"""A row function's passes as LLVM instructions, whatever a value is: a number, or a vector of them.

A subclass says how elements are read and written, and how what is gathered of some meets what is gathered of others.
"""
import functools

from llvmlite import ir

from ...tree.emit import emit
from ...tree.lanes import filled
from ...tree.node import in_order
from ...tree.storage import STORAGE

BYTE, BIT, INT, WORD, DOUBLE = ir.IntType(8), ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.DoubleType()


class Passes:
    """A function that is being written: `b` is its builder, `n` the length of a row."""

    def __init__(self, module, kernel, storage, keeps):
        self.module, self.kernel, self.storage = module, kernel, storage
        self.program, self.single = kernel.program(storage, keeps), storage.single
        self.size = STORAGE[storage.working].size

    def vector(self, type_):
        """The type of an element's value."""
        return type_

    def narrow(self, value):
        """A number as it is stored."""
        return self.storage.narrow(self.b, value)

    # --- parts of a function ------------------------------------------------------------------------------------------
    def loop(self, start, stop, step, values, body, counted=False):
        """for i in range(start, stop, step): values = body(i, *values); the values at last, after i if `counted`."""
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
        return [i, *phis] if counted else phis

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

    def neutral(self, gathered, like=lambda t: t):
        """The same of several, one number after the other, and how many each of them has."""
        each = [self.begin(g, like) for g in gathered]
        return [v for own in each for v in own], [len(own) for own in each]

    def term(self, gathered, values, lanes):
        """What an element adds, as the numbers in which it is added up."""
        numbers = [values[f] for f in gathered.factors]
        b, neutral = self.b, float("-inf") if gathered.kind == "largest" else 0.0
        if gathered.kind != "largest" and self.single != DOUBLE:
            numbers = [b.fpext(v, self.vector(DOUBLE)) for v in numbers]
        if gathered.kind == "pairs":
            numbers = numbers if self.single == DOUBLE else [b.fadd(*numbers)]
        elif self.single == DOUBLE and len(numbers) == 2:
            product = b.fmul(*numbers)
            numbers = [product, self.fused("fma", *numbers, b.fneg(product))]
        if lanes is None:
            return numbers
        return [b.select(lanes.mask, v, filled(v.type, neutral)) for v in numbers]

    def fused(self, name, x, y, z):
        return self.b.call(self.b.module.declare_intrinsic(
            f"llvm.{name}." + (f"v{x.type.count}f64" if isinstance(x.type, ir.VectorType) else "f64"),
            fnty=ir.FunctionType(x.type, [x.type] * 3)), [x, y, z])

    def added(self, gathered, some, term):
        """What is gathered of some elements, with one more.  The product of two float32 numbers is exact in float64,
        so that it may be fused with the sum where the processor can, which leaves more room for the conversions."""
        if self.single != DOUBLE and len(term) == 2:
            return [self.fused("fmuladd", *term, *some)]
        return self.joined(gathered, some, term)

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

    def all_joined(self, gathered, some, more):
        """The same of several, one number after the other."""
        return [v for g, s, m in zip(gathered, some, more, strict=True) for v in self.joined(g, s, m)]

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

    # --- one pass at a time -------------------------------------------------------------------------------------------
    def in_stages(self, stage, level=0):
        """The pass of a number, over pieces of a row; `leave` stores what each gathers, and `found` joins it later."""
        if level == self.program.passes:
            return self.stage(level)
        return self.either(self.b.icmp_signed("==", stage, WORD(level)), lambda: self.stage(level),
                           lambda: self.in_stages(stage, level + 1))

    def stage(self, level):
        known = self.numbers()
        for k in range(level):
            gathered, _, _ = self.program.at(k)
            known |= self.results(gathered, self.found(gathered))
        if level < self.program.passes:
            gathered, _, saved = self.program.at(level)
            self.leave(gathered, self.terms(gathered, saved, known))
        else:
            self.last(known)
            self.once(known)

    def places_of(self, gathered, piece):
        """Where each number lies that was gathered over a piece."""
        row, places = self.b.mul(piece, WORD(partial_words(self.program))), []
        for g in gathered:
            words = [self.b.add(row, WORD(2 * self.program.gathered.index(g) + part)) for part in range(2)]
            places.append([self.b.bitcast(self.b.gep(self.partial, [word]),
                                          value.type.as_pointer(self.partial.type.addrspace))
                           for word, value in zip(words, self.begin(g, lambda t: t), strict=False)])
        return places

    def of_pieces(self, gathered, first, stop, step):
        """What was gathered over some pieces."""
        begin, counts = self.neutral(gathered)

        def joined(k, *numbers):
            more = [[self.b.load(place) for place in own] for own in self.places_of(gathered, k)]
            return self.all_joined(gathered, grouped(numbers, counts), more)
        return grouped(self.loop(first, stop, step, begin, joined), counts)

    def left(self, found, places):
        """Store what was gathered over a piece."""
        for values, own in zip(found, places, strict=True):
            for value, place in zip(values, own, strict=True):
                self.b.store(value, place)

    # --- passes -------------------------------------------------------------------------------------------------------
    def passes(self, lanes=None):
        """All passes; `lanes` says of which rows a vector has numbers."""
        program, known = self.program, self.numbers()
        for level in range(program.passes):
            gathered, settling, saved = program.at(level)
            known |= self.gathering(gathered, saved, known, lanes)
            for settled in settling:
                known[settled.name] = self.settle(settled, known, lanes)
        self.last(known, lanes)
        self.once(known, lanes)

    def numbers(self):
        """What is known of a row before the first pass, by name."""
        known = {name: self.number(name) for name in (*self.kernel.once, *self.kernel.places)}
        return known | {"length": self.alike(self.b.sitofp(self.n, self.single))}

    def once(self, known, lanes=None):
        """Give the outputs with a number for the row."""
        outputs = {k: node for k, node in enumerate(self.program.outputs) if not self.program.along[k]}
        for k, value in zip(outputs, emit(self.b, [*outputs.values()], known, self.storage), strict=True):
            self.store_number(k, self.narrow(value), lanes)

    def last(self, known, lanes=None):
        """The pass that gives the outputs with a number for each element."""
        outputs = [(k, node) for k, node in enumerate(self.program.outputs) if self.program.along[k]]
        if outputs:
            compute = self.computation([node for _, node in outputs], known)

            def body(i, lanes):
                for (k, _), value in zip(outputs, compute(i, lanes), strict=True):
                    self.write(k, i, self.narrow(value), lanes)
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
        return self.results(gathered, self.gathered(gathered, self.terms(gathered, saved, known), lanes))

    def terms(self, gathered, saved, known):
        """A function of a place in the row, and of lanes, that gives what an element adds; it keeps what is saved."""
        nodes = [f for g in gathered for f in g.factors]
        compute = self.computation(nodes, known, saved)

        def terms(i, lanes):
            values = dict(zip(nodes, compute(i, lanes), strict=True))
            return [self.term(g, values, lanes) for g in gathered]
        return terms

    def results(self, gathered, found):
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
        conditions = conditions if lanes is None else self.b.and_(conditions, lanes.mask)
        word = ir.IntType(self.lanes)
        return self.b.icmp_unsigned("!=", self.b.bitcast(conditions, word), word(0))

    def whole_number(self, value):
        """A whole number, or a vector of them, as computed with."""
        return self.b.sitofp(value, self.like(value, self.single))


def partial_words(program):
    """How many words hold what is gathered over a piece: up to two numbers each."""
    return 2 * len(program.gathered)


def grouped(values, counts):
    """Values one after the other as lists of so many."""
    rest = iter(values)
    return [[next(rest) for _ in range(count)] for count in counts]


def bytes_of(type_):
    return type_.width // 8 if isinstance(type_, ir.IntType) else {"float": 4, "double": 8}[str(type_)]
