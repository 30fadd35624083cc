"""A small language for the driver: Python functions on 64-bit words, turned into LLVM IR.

Every value is a word, addresses included: `p[i]` is the i-th word at the address p.  There are local variables,
constants of the module, integer arithmetic (division truncates), comparisons, `and` and `or` (both sides are always
evaluated), conditional expressions, if, while, for over range, and calls of each other or of a primitive.  Numba
would do, but compiles the driver for 5 s.
"""
import ast
import inspect
import textwrap

from llvmlite import ir

WORD = ir.IntType(64)
BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.Mod: "srem", ast.BitAnd: "and_",
          ast.BitOr: "or_", ast.RShift: "ashr"}
COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def module_text(functions, exported, primitives):
    """LLVM IR of Python functions.  A primitive is a function of an IR builder and words."""
    module = ir.Module(name="numba_act_driver")
    declared = {}
    for function in functions:
        count = len(inspect.signature(function).parameters)
        declared[function.__name__] = ir.Function(module, ir.FunctionType(WORD, [WORD] * count), function.__name__)
        if function in exported:
            declared[function.__name__].attributes.add("noinline")       # else each would hold a copy of the others
        else:
            declared[function.__name__].linkage = "internal"
    for function in functions:
        _Body(declared, primitives, function.__globals__).compile(function)
    return str(module)


def pointer(builder, address, type_=WORD, offset=None):
    """A pointer from words.  LLVM makes vectors of a loop whose offset varies, not of one whose address does."""
    if offset is not None:
        byte = ir.IntType(8).as_pointer()
        return builder.bitcast(builder.gep(builder.inttoptr(address, byte), [offset]), type_.as_pointer())
    return builder.inttoptr(address, type_.as_pointer())


class _Body:
    """One function being compiled: a variable is a word on the stack, until LLVM makes it a register."""

    def __init__(self, declared, primitives, constants):
        self.declared, self.primitives, self.constants = declared, primitives, constants
        self.variables = {}

    def compile(self, function):
        definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        target = self.declared[function.__name__]
        target.attributes.add("nounwind")
        self.builder = b = ir.IRBuilder(target.append_basic_block())
        stored = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for name in sorted(stored | {a.arg for a in definition.args.args}):
            self.variables[name] = b.alloca(WORD)
        for argument, value in zip(definition.args.args, target.args, strict=True):
            b.store(value, self.variables[argument.arg])
        self.block(definition.body)
        if not b.block.is_terminated:
            b.ret(WORD(0))

    def block(self, statements):
        for statement in statements:
            getattr(self, type(statement).__name__)(statement)

    # --- statements -------------------------------------------------------------------------------------------------
    def Expr(self, node):
        if not isinstance(node.value, ast.Constant):
            self.value(node.value)

    def Assign(self, node):
        target, = node.targets
        if isinstance(target, ast.Tuple):
            values = [self.value(v) for v in node.value.elts]
            for part, value in zip(target.elts, values, strict=True):
                self.store(part, value)
        else:
            self.store(target, self.value(node.value))

    def AugAssign(self, node):
        value = ast.BinOp(node.target, node.op, node.value)
        self.store(node.target, self.value(value))

    def Return(self, node):
        self.builder.ret(WORD(0) if node.value is None else self.value(node.value))

    def If(self, node):
        b = self.builder
        with b.if_else(self.condition(node.test)) as (then, otherwise):
            with then:
                self.block(node.body)
            with otherwise:
                self.block(node.orelse)

    def While(self, node):
        b = self.builder
        test, body, end = (b.append_basic_block() for _ in range(3))
        b.branch(test)
        b.position_at_end(test)
        b.cbranch(self.condition(node.test), body, end)
        b.position_at_end(body)
        self.block(node.body)
        if not b.block.is_terminated:
            b.branch(test)
        b.position_at_end(end)

    def For(self, node):
        limits = [self.value(a) for a in node.iter.args]
        start, stop = limits[:2] if len(limits) > 1 else (WORD(0), limits[0])
        step = limits[2] if len(limits) > 2 else WORD(1)
        b, variable = self.builder, self.variables[node.target.id]
        b.store(start, variable)
        test, body, end = (b.append_basic_block() for _ in range(3))
        b.branch(test)
        b.position_at_end(test)
        b.cbranch(b.icmp_signed("<", b.load(variable), stop), body, end)
        b.position_at_end(body)
        self.block(node.body)
        b.store(b.add(b.load(variable), step), variable)
        b.branch(test)
        b.position_at_end(end)

    def store(self, target, value):
        place = self.variables[target.id] if isinstance(target, ast.Name) else self.word_at(target)
        self.builder.store(value, place)

    # --- expressions ------------------------------------------------------------------------------------------------
    def value(self, node):
        return getattr(self, f"of_{type(node).__name__}")(node)

    def condition(self, node):
        return self.builder.icmp_signed("!=", self.value(node), WORD(0))

    def word_at(self, node):
        return self.builder.gep(pointer(self.builder, self.value(node.value)), [self.value(node.slice)])

    def of_Constant(self, node):
        return WORD(int(node.value))

    def of_Name(self, node):
        if node.id in self.variables:
            return self.builder.load(self.variables[node.id])
        return WORD(self.constants[node.id])

    def of_Subscript(self, node):
        return self.builder.load(self.word_at(node))

    def of_BinOp(self, node):
        return getattr(self.builder, BINARY[type(node.op)])(self.value(node.left), self.value(node.right))

    def of_UnaryOp(self, node):
        b, value = self.builder, self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return b.zext(b.icmp_signed("==", value, WORD(0)), WORD)
        return b.neg(value)

    def of_Compare(self, node):
        b = self.builder
        symbol, = (COMPARE[type(op)] for op in node.ops)
        return b.zext(b.icmp_signed(symbol, self.value(node.left), self.value(node.comparators[0])), WORD)

    def of_BoolOp(self, node):
        b, values = self.builder, [self.condition(v) for v in node.values]
        result = values[0]
        for value in values[1:]:
            result = b.and_(result, value) if isinstance(node.op, ast.And) else b.or_(result, value)
        return b.zext(result, WORD)

    def of_IfExp(self, node):
        return self.builder.select(self.condition(node.test), self.value(node.body), self.value(node.orelse))

    def of_Call(self, node):
        name, args = node.func.id, [self.value(a) for a in node.args]
        if name in self.declared:
            return self.builder.call(self.declared[name], args)
        if name in ("min", "max"):
            below = self.builder.icmp_signed("<" if name == "min" else ">", *args)
            return self.builder.select(below, *args)
        return self.primitives[name](self.builder, *args) or WORD(0)
