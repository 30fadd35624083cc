"""The operations of a tree: how LLVM computes each one, and how NumPy does.

Only operations that IEEE 754 rounds correctly, and moves of bits: that is what makes a tree give the same bits on
every machine.  `emit` takes an llvmlite builder and the operands, scalars or vectors; `compute` takes NumPy scalars
or arrays; `fold`, where there is one, is the exact operation on constants.

What the passes must know: MATHEMATICS and TRUTHS each has a rule in `differentiate`, `latex`, `exact` and
`scalar.doubled`, the tables called RULES there.  MACHINE arises where calls are written out, after those passes, and
has none.  A new operation is a row here and a rule in each of the four; tests/test_operations.py compares the tables.
"""
import functools
import math
import operator
from fractions import Fraction
from typing import NamedTuple

import numpy as np


class Operation(NamedTuple):
    emit: object
    compute: object
    kind: str | None = None                  # of the result; None: that of the last operand
    fold: object = None


def _compare(symbol, compute):
    def emit(b, x, y):
        scalar = getattr(x.type, "element", x.type)
        if str(scalar).startswith("i"):
            return b.icmp_signed(symbol, x, y)
        return b.fcmp_unordered("!=", x, y) if symbol == "!=" else b.fcmp_ordered(symbol, x, y)
    return Operation(emit, compute, "bool")


def _arithmetic(of_floats, of_ints, compute):
    def emit(b, x, y):
        scalar = getattr(x.type, "element", x.type)
        return getattr(b, of_ints if str(scalar).startswith("i") else of_floats)(x, y)
    return Operation(emit, compute, fold=compute)


def _intrinsic(name, compute):
    def emit(b, *args):
        from llvmlite import ir
        type_ = args[0].type
        suffix = f"v{type_.count}{type_.element.intrinsic_name}" if hasattr(type_, "count") else type_.intrinsic_name
        signature = ir.FunctionType(type_, [a.type for a in args])
        return b.call(b.module.declare_intrinsic(f"llvm.{name}.{suffix}", fnty=signature), args)
    return Operation(emit, compute)


def _like(kind, type_):
    """The LLVM type of the other kind, of the same width and as many lanes."""
    from llvmlite import ir
    width = _width(type_)
    return _with_lanes(ir.IntType(width) if kind == "int" else float_type(width), type_)


def _width(type_):
    scalar = getattr(type_, "element", type_)
    return {"float": 32, "double": 64, "fp128": 128}.get(str(scalar)) or scalar.width


def float_type(width):
    """The LLVM type of a float of so many bits."""
    from llvmlite import ir
    if width == 128:
        from .quad import Quad
        return Quad()
    return ir.DoubleType() if width == 64 else ir.FloatType()


def _cast(cast, factor, compute):
    """To a float `factor` times as wide."""
    def emit(b, x):
        return getattr(b, cast)(x, _with_lanes(float_type(int(factor * _width(x.type))), x.type))
    return Operation(emit, compute)


def _with_lanes(scalar, type_):
    from llvmlite import ir
    return ir.VectorType(scalar, type_.count) if hasattr(type_, "count") else scalar


def _fused(a, b, c):
    """fma by whole numbers, one element at a time: slow, and right."""
    if np.ndim(a) or np.ndim(b) or np.ndim(c):
        dtype = np.result_type(a, b, c)          # whose elements NumPy hands on as Python's, of double precision
        return np.vectorize(lambda *numbers: _fused(*map(dtype.type, numbers)), otypes=[dtype])(a, b, c)
    plain = a * b + c
    if not (np.isfinite(a) and np.isfinite(b)):
        return plain
    if not np.isfinite(c):                       # whatever the product: plain overflows
        return c
    (m, p), (n, q), (r, s) = (float(v).as_integer_ratio() for v in (a, b, c))
    exact = m * n * s + r * p * q
    return _rounded(exact, (p * q * s).bit_length() - 1, type(plain)) if exact else plain


def _rounded(whole, places, dtype):
    """The float nearest to whole / 2^places, ties to even, subnormals and overflow included."""
    info, size = np.finfo(dtype), abs(whole)
    last = max(size.bit_length() - 1 - places, int(info.minexp)) - info.nmant
    beyond = last + places                       # bits that are rounded away
    if beyond > 0:
        size = (size + (1 << beyond - 1) - 1 + (size >> beyond & 1)) >> beyond
        places = -last
    value = math.ldexp(size, -places) if size.bit_length() - places <= info.maxexp else math.inf
    return dtype(-value if whole < 0 else value)


def _remainder(b, x, y):
    """What trunc(x / y) y leaves of x, exactly and with its sign, whatever the quotient.

    Up to 2^digits a quotient's whole part is right, or one too large, and the rest then has the other sign.  From
    larger ones on turns are made, of which each takes from x the rounded quotient times y, by which the rest is exact
    (W. Kahan) and smaller by 2^digits; a quotient that overflows is taken by a multiple of y.
    """
    of = {op: functools.partial(OPERATIONS[op].emit, b) for op in OPERATIONS}
    digits, most = {32: (24, 2.0**127), 64: (53, 2.0**1023), 128: (113, 2.0**1023)}[_width(x.type)]
    limit, scale, infinite, zero = (_everywhere(x.type, v) for v in (2.0**digits, most, math.inf, 0.0))
    start = b.block
    turn, more, done = (b.append_basic_block(f"fmod.{label}") for label in ("turn", "more", "done"))
    b.branch(turn)
    b.position_at_end(turn)
    rest = b.phi(x.type)
    rest.add_incoming(x, start)
    quotient = b.fdiv(rest, y)
    far = b.and_(of["ge"](of["abs"](quotient), limit), b.and_(of["lt"](of["abs"](rest), infinite), of["ne"](y, zero)))
    b.cbranch(_any(b, far), more, done)
    b.position_at_end(more)
    step, taken = y, quotient
    for _ in range(2):
        step = b.select(of["eq"](of["abs"](taken), infinite), b.fmul(step, scale), step)
        taken = b.fdiv(rest, step)
    rest.add_incoming(b.select(far, of["fma"](b.fneg(of["trunc"](taken)), step, rest), rest), b.block)
    b.branch(turn)
    b.position_at_end(done)
    last = of["fma"](b.fneg(of["trunc"](quotient)), y, rest)
    other_sign = b.or_(b.and_(of["lt"](last, zero), of["gt"](x, zero)), b.and_(of["gt"](last, zero), of["lt"](x, zero)))
    last = b.select(other_sign, b.fadd(last, of["copysign"](y, x)), last)
    return b.select(of["lt"](of["abs"](x), of["abs"](y)), x, of["copysign"](last, x))


def _everywhere(type_, number):
    """A float constant, in every lane."""
    from .lanes import filled
    quad = _width(type_) == 128                  # whose constants are fractions and names
    return filled(type_, number if not quad else repr(number) if math.isinf(number) else Fraction(number))


def _any(b, conditions):
    """Whether one holds in any lane."""
    from llvmlite import ir
    if not hasattr(conditions.type, "count"):
        return conditions
    word = ir.IntType(conditions.type.count)
    return b.icmp_unsigned("!=", b.bitcast(conditions, word), word(0))


def _integer_of(x):
    return np.int64 if np.asarray(x).dtype.itemsize == 8 else np.int32


MATHEMATICS = {                              # numbers
    "add": _arithmetic("fadd", "add", operator.add),
    "sub": _arithmetic("fsub", "sub", operator.sub),
    "mul": _arithmetic("fmul", "mul", operator.mul),
    "div": Operation(lambda b, x, y: b.fdiv(x, y), np.divide, fold=operator.truediv),
    "neg": Operation(lambda b, x: b.fneg(x), operator.neg, fold=operator.neg),
    "abs": _intrinsic("fabs", abs),
    "fma": _intrinsic("fma", _fused),
    "sqrt": _intrinsic("sqrt", np.sqrt),
    "copysign": _intrinsic("copysign", np.copysign),
    "floor": _intrinsic("floor", np.floor),
    "ceil": _intrinsic("ceil", np.ceil),
    "trunc": _intrinsic("trunc", np.trunc),
    "round": _intrinsic("roundeven", np.rint),          # ties to even
    "fmod": Operation(_remainder, np.fmod),
    "where": Operation(lambda b, c, x, y: b.select(c, x, y), np.where),
}
TRUTHS = {                                   # conditions
    "lt": _compare("<", operator.lt),
    "le": _compare("<=", operator.le),
    "gt": _compare(">", operator.gt),
    "ge": _compare(">=", operator.ge),
    "eq": _compare("==", operator.eq),
    "ne": _compare("!=", operator.ne),
    "and": Operation(lambda b, x, y: b.and_(x, y), operator.and_),
    "or": Operation(lambda b, x, y: b.or_(x, y), operator.or_),
    "not": Operation(lambda b, x: b.not_(x), operator.invert),
}
MACHINE = {                                  # the bits of numbers, and their width
    "shl": Operation(lambda b, x, n: b.shl(x, n), operator.lshift),
    "shr": Operation(lambda b, x, n: b.ashr(x, n), operator.rshift),
    "bits": Operation(lambda b, x: b.bitcast(x, _like("int", x.type)), lambda x: x.view(_integer_of(x)), "int"),
    "from_bits": Operation(lambda b, i: b.bitcast(i, _like("float", i.type)),
                           lambda i: i.view(f"f{i.itemsize}"), "float"),
    "inverse": Operation(lambda b, x: b.fdiv(_everywhere(x.type, 1.0), x), lambda x: 1 / x),
    "widened": _cast("fpext", 2, np.float64),
    "narrowed": _cast("fptrunc", 0.5, np.float32),
    "to_float": Operation(lambda b, i: b.sitofp(i, _like("float", i.type)),
                          lambda i: i.astype(f"f{i.itemsize}"), "float"),
}
OPERATIONS = MATHEMATICS | TRUTHS | MACHINE
