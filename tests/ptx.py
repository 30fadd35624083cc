"""PTX on the CPU: every thread of a launch is a lane of NumPy arrays.

The lanes with the lowest program counter go first, so that branches part and meet again.  IEEE operations round
exactly, accesses to memory are checked, and an opcode that is not known is an error.
"""
import functools
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from numba_act.backends import cpu_ufunc
from numba_act.backends.kernel import Kernel
from numba_act.tree.node import argument, fma

BASE = 1 << 40                               # addresses do not fit in 32 bits
GUARD = 256                                  # bytes between allocations that belong to nobody
WORDS = {"16": np.uint16, "32": np.uint32, "64": np.uint64}
IN_MEMORY = WORDS | {"8": np.uint8}
FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
fused = cpu_ufunc.ufunc(Kernel("fused", "fused", ("a", "b", "c"), {}, lambda dtype: (
    fma(*[argument(name, dtype) for name in "abc"]),)))


class Memory:
    """A device's memory: allocations in one piece, each at its address."""

    def __init__(self, nbytes=1 << 22):
        self.bytes = np.zeros(nbytes, np.uint8)
        self.starts, self.ends, self.next = [], [], GUARD

    def allocate(self, nbytes, skew=0):
        """The address of so many new bytes, `skew` past a multiple of 256."""
        start = -(-self.next // 256) * 256 + skew
        self.next = start + nbytes + GUARD
        if self.next > self.bytes.size:
            self.bytes = np.concatenate([self.bytes, np.zeros(max(self.next, self.bytes.size), np.uint8)])
        self.starts.append(BASE + start)
        self.ends.append(BASE + start + nbytes)
        return BASE + start

    def put(self, array, skew=0):
        """The address of a copy of the array's elements, in C order."""
        data = np.frombuffer(np.asarray(array).tobytes(), np.uint8)
        address = self.allocate(data.size, skew)
        self.bytes[address - BASE:][:data.size] = data
        return address

    def get(self, address, dtype, n):
        dtype = np.dtype(dtype)
        return self.bytes[address - BASE:][:n * dtype.itemsize].copy().view(dtype)

    def places(self, addresses, word, count):
        """Indices into memory seen as an array of words, a row a lane."""
        addresses = np.atleast_1d(addresses)
        size = np.dtype(word).itemsize * count
        assert not np.any(addresses % np.uint64(size)), f"a misaligned access of {size} bytes"
        k = np.searchsorted(np.array(self.starts, np.uint64), addresses, side="right") - 1
        inside = (k >= 0) & (addresses + np.uint64(size) <= np.array(self.ends, np.uint64)[k])
        assert inside.all(), f"an access outside of what was allocated, at {addresses[~inside][0] - np.uint64(BASE)}"
        first = (addresses - np.uint64(BASE)) // np.uint64(np.dtype(word).itemsize)
        return first[:, None] + np.arange(count, dtype=np.uint64)


class Instruction(NamedTuple):
    predicate: str | None                    # a register, with ! where it is to be false
    opcode: str
    operands: tuple


class Program(NamedTuple):
    instructions: list
    labels: dict
    parameters: dict                         # name -> size in bytes
    shared: dict                             # name -> where it begins in a block's shared memory
    shared_bytes: int
    passing: frozenset                       # registers that live within one stretch without branches or meetings


INSTRUCTION = re.compile(r"(?:@(!?%\w+)\s+)?([a-z][\w.:]*)\s*(.*);")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^\s,]+")


@functools.lru_cache(maxsize=64)
def parse(text):
    """The only kernel of a module."""
    head, _, body = text.partition("\n{")
    body = re.sub(r"\{ \.reg \.b\d\d tmp; (.*?) \}", r"\1", body[:body.rindex("}")])
    parameters = {name: int(bits) // 8 * int(count or 1) for bits, name, count in
                  re.findall(r"\.param .*?\.[busf](\d+) (?:\.ptr \.global \.align \d+ )?(\w+)(?:\[(\d+)\])?", head)}
    assert len(parameters) == head.count(".param")
    instructions, labels = [], {}
    for line in body.splitlines():
        line = line.partition("//")[0].strip()
        if line.endswith(":"):
            labels[line[:-1]] = len(instructions)
        elif line and not line.startswith("."):
            match = INSTRUCTION.fullmatch(line)
            assert match, f"not understood: {line}"
            instructions.append(Instruction(match[1], match[2], tuple(OPERAND.findall(match[3]))))
    shared, end = {}, 0
    for align, name, size in re.findall(r"\.shared \.align (\d+) \.b8 (\w+)\[(\d+)\];", text):
        shared[name] = -(-end // int(align)) * int(align)
        end = shared[name] + int(size)
    return Program(instructions, labels, parameters, shared, -(-end // 8) * 8, _passing(instructions, labels))


REGISTER = re.compile(r"%\w+")


def _passing(instructions, labels):
    starts, stretch, met = set(labels.values()), 0, {}
    for at, instruction in enumerate(instructions):
        stretch += at in starts or instruction.opcode.startswith(MEETINGS)
        for register in REGISTER.findall(f"{instruction.predicate} {instruction.operands}"):
            met.setdefault(register, set()).add(stretch)
        stretch += instruction.opcode.startswith("bra")
    return frozenset(register for register, stretches in met.items() if len(stretches) == 1)


def run(text, memory, arguments, grid, block, first=0):
    """Run `grid` blocks of a kernel, from block number `first` on; how often each opcode was executed by a thread, if
    all of them go the same way."""
    program = parse(text)
    given = [np.asarray(a, np.int64) if isinstance(a, int) else np.asarray(a) for a in arguments]
    assert [a.nbytes for a in given] == list(program.parameters.values()), "arguments of other sizes"
    lanes = np.arange(grid * block, dtype=np.uint32)
    registers = {"%tid.x": lanes % np.uint32(block), "%ctaid.x": lanes // np.uint32(block) + np.uint32(first),
                 "%ntid.x": np.asarray(block, np.uint32)}
    return _Run(program, memory, given, registers, lanes.size, block).run()


PARAMETER = 1 << 16                          # each parameter at a multiple of this
SHARED = 1 << 32                             # where a block's shared memory begins
WARP = 32
MEETINGS = "shfl.sync", "bar.sync", "barrier.sync"


class _Run:
    def __init__(self, program, memory, arguments, registers, n, block):
        self.program, self.memory, self.registers, self.n = program, memory, registers, n
        self.parameters = [np.frombuffer(a.tobytes(), np.uint8) for a in arguments]
        self.counts = Counter()
        self.symbols = {name: np.uint64(PARAMETER * (k + 1)) for k, name in enumerate(program.parameters)}
        self.symbols |= {name: np.uint64(SHARED + start) for name, start in program.shared.items()}
        self.block, self.shared = block, np.full((-(-n // block), program.shared_bytes), 0xA5, np.uint8)
        self.blocked = {}                    # instruction -> lanes that wait for others of their warp or block

    def run(self):
        waiting = {0: [np.arange(self.n)]}
        with np.errstate(all="ignore"):
            while waiting:
                at = min(waiting)
                first, *others = waiting.pop(at)
                self.advance(at, np.sort(np.concatenate([first, *others])) if others else first, waiting)
        assert not self.blocked, f"threads wait for ever at {[self.program.instructions[at] for at in self.blocked]}"
        return self.counts

    def met(self, at, lanes, group):
        """The lanes that are there, with those that came before, whose warp or block is whole; the others wait."""
        lanes = np.sort(np.concatenate([lanes, self.blocked.pop(at, lanes[:0])]))
        whole = np.bincount(lanes // group, minlength=-(-self.n // group))[lanes // group] == group
        if not whole.all():
            self.blocked[at] = lanes[~whole]
        return lanes[whole]

    def run_on(self, lanes):
        """With these lanes, all of which is None; `near` holds what they alone have in registers."""
        self.lanes, self.near = None if lanes.size == self.n else lanes, {}

    def advance(self, at, lanes, waiting):
        """Run these lanes until they branch or meet others."""
        self.run_on(lanes)
        while True:
            predicate, opcode, operands = self.program.instructions[at]
            if opcode.startswith(MEETINGS):
                lanes = self.met(at, lanes, WARP if opcode.startswith("shfl") else self.block)
                self.run_on(lanes)
                if not lanes.size:
                    return
            self.counts[opcode] += 1
            if opcode == "ret":
                assert predicate is None
                return
            at += 1
            if opcode in ("bra", "bra.uni"):
                taken = np.ones(lanes.size, bool)
                if predicate:
                    taken = np.broadcast_to(self.value(predicate.lstrip("!"), "pred"), lanes.shape)
                    taken = ~taken if predicate.startswith("!") else taken
                for target, some in ((self.program.labels[operands[0]], taken), (at, ~taken)):
                    if some.any():
                        waiting.setdefault(target, []).append(lanes[some])
                return
            assert predicate is None, "a predicate on something other than a branch"
            self.step(opcode, operands)
            if at in waiting:
                waiting[at].append(lanes)
                return

    def step(self, opcode, operands):
        if opcode.startswith("shfl.sync."):
            self.shuffle(opcode, operands)
        elif opcode.startswith(("bar.sync", "barrier.sync")):
            assert operands[0] == "0"
        elif opcode.startswith(("ld.", "st.")):
            self.access(opcode, operands)
        elif opcode.startswith("mov.b") and any(o.startswith("{") for o in operands):
            self.repack(opcode, operands)
        else:
            assert opcode in OPCODES, f"unknown opcode {opcode} {operands}"
            types, compute = OPCODES[opcode]
            target, *sources = operands
            self.write(target, compute(*[self.value(o, t) for o, t in zip(sources, types, strict=True)]))

    def value(self, operand, type_):
        """An operand of some type, for the lanes that run; of no dimension where all lanes have the same."""
        if operand.startswith("%"):
            found = self.near.get(operand)
            if found is None:
                found = self.registers[operand]
                if self.lanes is not None and found.ndim:
                    found = self.near[operand] = found[self.lanes]
        elif operand in self.symbols:
            found = np.asarray(self.symbols[operand])
        elif operand.startswith(("0f", "0d")):
            found = np.asarray(int(operand[2:], 16), WORDS[type_[1:]])
        else:
            number = int(operand.rstrip("U"), 0)
            if type_ == "pred":
                return np.asarray(bool(number))
            found = np.asarray(number & (1 << int(type_[1:])) - 1, WORDS[type_[1:]])
        if type_ == "pred":
            assert found.dtype == bool
            return found
        assert found.itemsize * 8 == int(type_[1:]), f"{operand} is not {type_}"
        if type_[0] == "s":
            return found.view(f"i{found.itemsize}")
        return found.view(FLOATS[type_]) if type_ in FLOATS else found

    def write(self, register, value):
        value = np.asarray(value)
        if value.dtype != bool:
            value = value.view(f"u{value.itemsize}")
        if register == "_":
            return
        if self.lanes is not None:
            self.near[register] = value
            if register in self.program.passing:
                return
            whole = self.registers.get(register, np.zeros((), value.dtype))
            whole = np.array(np.broadcast_to(whole, self.n))
            whole[self.lanes] = value
            value = whole
        self.registers[register] = value

    def repack(self, opcode, operands):
        """Halves of a register as two, or two as one."""
        target, source = operands
        size = int(opcode[5:])
        half, whole = WORDS[str(size // 2)], WORDS[str(size)]
        if target.startswith("{"):
            value = self.value(source, f"b{size}")
            parts = np.atleast_1d(value)[:, None].view(half).T
            for name, part in zip(OPERAND.findall(target[1:-1]), parts, strict=True):
                self.write(name, part if value.ndim else part[0])
        else:
            low, high = (self.value(o, f"b{size // 2}").astype(whole) for o in OPERAND.findall(source[1:-1]))
            self.write(target, low | high << whole(size // 2))

    def access(self, opcode, operands):
        """ld.param, ld.global and st.global, of one number or several."""
        kind, space, *vector, type_ = opcode.split(".")
        count, word = int(vector[0][1:]) if vector else 1, IN_MEMORY[type_[1:]]
        place, data = operands if kind == "st" else operands[::-1]
        base, _, offset = place[1:-1].partition("+")
        address = self.value(base, "u64") + np.array(int(offset or 0)).astype(np.uint64)
        registers = OPERAND.findall(data.strip("{}"))
        assert len(registers) == count
        if space == "param":
            assert kind == "ld"
            assert count == 1
            self.write(registers[0], self.parameter(address, word))
            return
        if space == "shared":
            memory, places = self.shared.view(word), self.shared_places(address, word, count)
        else:
            assert space == "global", opcode
            memory, places = self.memory.bytes.view(word), self.memory.places(address, word, count).T
        for register, place in zip(registers, places, strict=True):
            if kind == "ld":
                values = memory[place].astype(_width(register))
                self.write(register, values if address.ndim or space == "shared" else values[0])
            else:
                width = _width(register) if register.startswith("%") else np.dtype(word)
                memory[place] = self.value(register, f"b{8 * width.itemsize}")

    def shuffle(self, opcode, operands):
        """Another lane's number: that which differs in these bits of its place in the warp, or has this place."""
        target, source, which, limit, everyone = operands
        assert (int(limit), int(everyone)) == (WARP - 1, -1)
        lanes = np.arange(self.n) if self.lanes is None else self.lanes
        others = {"bfly": lanes ^ int(which), "idx": lanes // WARP * WARP + int(which)}[opcode.split(".")[2]]
        values = np.broadcast_to(self.value(source, "b32"), lanes.shape)
        self.write(target, values[np.searchsorted(lanes, others)])

    def shared_places(self, address, word, count):
        """Indices into shared memory, of each number the blocks' and those in a block."""
        lanes = np.arange(self.n) if self.lanes is None else self.lanes
        size = np.dtype(word).itemsize
        first = np.broadcast_to(address, lanes.shape) - np.uint64(SHARED)
        assert not np.any(first % np.uint64(size * count)), "a misaligned access to shared memory"
        assert np.all(first + np.uint64(size * count) <= self.shared.shape[1]), "outside of shared memory"
        return [(lanes // self.block, first // np.uint64(size) + np.uint64(k)) for k in range(count)]

    def parameter(self, addresses, word):
        """Words of the parameters, most often one for all lanes."""
        which, result = np.unique(addresses, return_inverse=True)
        size, values = np.dtype(word).itemsize, []
        for address in which.tolist():
            k, offset = divmod(address, PARAMETER)
            assert offset % size == 0 and offset + size <= self.parameters[k - 1].size, "outside of the parameters"
            values.append(self.parameters[k - 1][offset:offset + size].view(word)[0])
        return np.array(values, word)[result].reshape(np.shape(addresses))


def _width(register):
    """A register may be wider than what is loaded or stored."""
    bits = {"%rs": "16", "%r": "32", "%f": "32", "%rd": "64", "%fd": "64"}[register.rstrip("0123456789")]
    return np.dtype(WORDS[bits])


# --- what the opcodes compute -----------------------------------------------------------------------------------------
def _shift(function):
    def shift(value, count):
        assert np.all(count < value.itemsize * 8)
        return function(value, count.astype(value.dtype))
    return shift


def _extreme(smaller):
    """min and max: a number rather than NaN, and -0 below +0."""
    def choose(a, b):
        less = np.where(a == b, np.signbit(a), a < b)
        first = less if smaller else ~less
        return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.where(first, a, b))).astype(a.dtype)
    return choose


def _sign_of(sign, magnitude):
    return np.copysign(magnitude, sign)


def _bfloat(x):
    """float32 to the nearest bfloat16, ties to even."""
    bits = x.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (np.where(np.isnan(x), np.uint32(0x7FFF0000), rounded) >> np.uint32(16)).astype(np.uint16)


def _pair(convert):
    def pack(high, low):
        return convert(high).astype(np.uint32) << np.uint32(16) | convert(low)
    return pack


def _half(x):
    return x.astype(np.float16).view(np.uint16)


def _bytes_of(a, b, selector):
    """prmt: bytes picked from those of two words."""
    both, result = a.astype(np.uint64) | b.astype(np.uint64) << np.uint64(32), np.uint64(0)
    for k in range(4):
        pick = int(selector) >> 4 * k & 15
        assert pick < 8
        result = result | (both >> np.uint64(8 * pick) & np.uint64(255)) << np.uint64(8 * k)
    return result.astype(np.uint32)


def _near(x):
    """1 / x to one unit in the last place; such numbers as the multiprocessor flushes are refused.  Where all digits
    are ones it must be right, for there a step of Newton's does not mend it (P. Markstein, 1990)."""
    inverse = np.float32(1) / x
    usual = np.isnan(x) | (abs(x) >= np.float32(2.0**-126)) & (abs(x) < np.float32(2.0**126))
    assert usual.all(), f"no short way to 1 / {x[~usual][0]}"
    digits = x.view(np.uint32) & np.uint32(0x7FFFFF)
    return np.where((digits & np.uint32(1) == 1) & (digits != 0x7FFFFF), np.nextafter(inverse, np.float32(0)), inverse)


COMPARE = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
           "ge": np.greater_equal}


def _ordered(compare, unordered):
    def test(a, b):
        nan = np.isnan(a) | np.isnan(b)
        return compare(a, b) | nan if unordered else compare(a, b) & ~nan
    return test


def _opcodes():
    """opcode -> types of its operands, what it computes."""
    table = {}
    for f in ("f32", "f64"):
        number = FLOATS[f]
        for name, compute in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)):
            table[f"{name}.rn.{f}"] = (f, f), compute
        table[f"add.{f}"], table[f"mul.{f}"] = table[f"add.rn.{f}"], table[f"mul.rn.{f}"]          # a user's own
        table[f"fma.rn.{f}"] = (f, f, f), fused
        table[f"rcp.rn.{f}"] = (f,), functools.partial(np.divide, number(1))
        table[f"sqrt.rn.{f}"] = (f,), np.sqrt
        for to, compute in (("rmi", np.floor), ("rpi", np.ceil), ("rzi", np.trunc), ("rni", np.rint)):
            table[f"cvt.{to}.{f}.{f}"] = (f,), compute
        table[f"copysign.{f}"] = (f, f), _sign_of
        table[f"selp.{f}"] = (f, f, "pred"), lambda a, b, p: np.where(p, a, b)
        table[f"min.{f}"], table[f"max.{f}"] = ((f, f), _extreme(True)), ((f, f), _extreme(False))
        for name, compare in COMPARE.items():
            table[f"setp.{name}.{f}"] = (f, f), _ordered(compare, False)
            table[f"setp.{name}u.{f}"] = (f, f), _ordered(compare, True)
        table[f"setp.nan.{f}"] = (f, f), lambda a, b: np.isnan(a) | np.isnan(b)
        table[f"setp.num.{f}"] = (f, f), lambda a, b: ~(np.isnan(a) | np.isnan(b))
    for f, bits in (("f16", "16"), ("bf16", "16"), ("f32", "32"), ("f64", "64")):
        word = WORDS[bits]
        sign = word(1 << int(bits) - 1)
        table[f"neg.{f}"] = (f"b{bits}",), functools.partial(lambda sign, a: a ^ sign, sign)
        table[f"abs.{f}"] = (f"b{bits}",), functools.partial(lambda sign, a: a & ~sign, sign)
    for bits in WORDS:
        b, s, u = f"b{bits}", f"s{bits}", f"u{bits}"
        for name, compute in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
            table[f"{name}.{b}"] = (b, b), compute
        table[f"not.{b}"] = (b,), np.invert
        table[f"shl.{b}"] = (b, "u32"), _shift(np.left_shift)
        for t in (u, s):
            table[f"shr.{t}"] = (t, "u32"), _shift(np.right_shift)
        table[f"selp.{b}"] = (b, b, "pred"), lambda a, b, p: np.where(p, a, b)
        table[f"mov.{b}"] = table[f"mov.{u}"] = (b,), lambda a: a
        table[f"add.{s}"], table[f"sub.{s}"] = ((u, u), np.add), ((u, u), np.subtract)
        table[f"mul.lo.{s}"] = (u, u), np.multiply
        table[f"mad.lo.{s}"] = (u, u, u), lambda a, b, c: a * b + c
        table[f"div.{u}"] = (u, u), np.floor_divide
        table[f"min.{s}"], table[f"max.{s}"] = ((s, s), np.minimum), ((s, s), np.maximum)
        table[f"abs.{s}"], table[f"neg.{s}"] = ((s,), np.abs), ((s,), np.negative)
        for name, compare in COMPARE.items():
            table[f"setp.{name}.{s}"], table[f"setp.{name}.{u}"] = ((s, s), compare), ((u, u), compare)
            table[f"setp.{name}.{b}"] = (b, b), compare
        for other in WORDS:
            for t in "us":
                to = f"{t.replace('s', 'i')}{int(bits) // 8}"
                table[f"cvt.{t}{bits}.{t}{other}"] = (f"{t}{other}",), functools.partial(lambda to, a: a.astype(to), to)
    table["rcp.approx.ftz.f32"] = ("f32",), _near
    table["mul.wide.u32"] = ("u32", "u32"), lambda a, b: a.astype(np.uint64) * b.astype(np.uint64)
    table["mul.wide.s32"] = ("s32", "s32"), lambda a, b: a.astype(np.int64) * b.astype(np.int64)
    table["mad.lo.s32"] = ("u32", "u32", "u32"), lambda a, b, c: a * b + c
    table["cvta.to.global.u64"] = ("u64",), lambda a: a
    table["mov.f32"], table["mov.f64"] = (("b32",), lambda a: a), (("b64",), lambda a: a)
    table["mov.pred"], table["not.pred"] = (("pred",), lambda a: a), (("pred",), np.invert)
    table["and.pred"], table["or.pred"] = (("pred", "pred"), np.logical_and), (("pred", "pred"), np.logical_or)
    table["xor.pred"] = ("pred", "pred"), np.logical_xor
    table["bfe.u32"] = ("u32", "u32", "u32"), lambda a, at, n: a >> at & (np.uint32(1) << n) - np.uint32(1)
    table["prmt.b32"] = ("b32", "b32", "u32"), _bytes_of
    table["cvt.f32.f16"] = ("f16",), lambda a: a.astype(np.float32)
    table["cvt.f64.f16"] = ("f16",), lambda a: a.astype(np.float64)
    table["cvt.f64.f32"] = ("f32",), lambda a: a.astype(np.float64)
    table["cvt.rn.f16.f64"] = ("f64",), _half
    table["cvt.rn.f32.f64"] = ("f64",), lambda a: a.astype(np.float32)
    for half, convert in (("f16", _half), ("bf16", _bfloat)):
        table[f"cvt.rn.{half}.f32"] = ("f32",), convert
        table[f"cvt.rn.{half}x2.f32"] = ("f32", "f32"), _pair(convert)
    table["cvt.rn.f32.s32"] = ("s32",), lambda a: a.astype(np.float32)
    table["cvt.rn.f64.u64"] = ("u64",), lambda a: a.astype(np.float64)
    table["cvt.rn.f64.u32"] = ("u32",), lambda a: a.astype(np.float64)
    table["cvt.rn.f32.s64"] = ("s64",), lambda a: a.astype(np.float32)
    table["cvt.rn.f64.s32"] = ("s32",), lambda a: a.astype(np.float64)
    table["cvt.rn.f64.s64"] = ("s64",), lambda a: a.astype(np.float64)
    table["add.rn.f32.f16"] = ("f16", "f32"), lambda a, b: a.astype(np.float32) + b
    return table


OPCODES = _opcodes()
