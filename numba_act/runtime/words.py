"""A small language for the driver: functions on 64-bit words in Python's syntax, turned into LLVM IR.

Every value is a word, addresses included: `p[i]` is the i-th word at the address p.  There are local variables,
constants, integer arithmetic (division truncates), comparisons, `and`, `or` and conditional expressions (every part
is evaluated, so none may have an effect or divide), if, while, for over range, and calls of each other or of a
primitive.  What else Python has is a SyntaxError that names the line.  Numba would do, but compiles the driver for
5 s.
"""
import ast

from llvmlite import ir

WORD = ir.IntType(64)
BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.Mod: "srem", ast.BitAnd: "and_",
          ast.BitOr: "or_", ast.RShift: "ashr"}
COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
CHOICES = {"min": "<", "max": ">"}


def module_text(source, file, constants, exported, primitives):
    """LLVM IR of the functions in `source`.  A primitive is a function of an IR builder and words.

    Raises
    ------
    SyntaxError
        What the language does not have; it names the file and the line.
    """
    module = ir.Module(name="numba_act_driver")
    declared, functions = {}, ast.parse(source, file).body
    for function in functions:
        if not isinstance(function, ast.FunctionDef):
            raise _refusal(file, function, "only functions are defined")
        count = len(_parameters(file, function))
        made = declared[function.name] = ir.Function(module, ir.FunctionType(WORD, [WORD] * count), function.name)
        if function.name in exported:
            made.attributes.add("noinline")      # else each would hold a copy of the others
        else:
            made.linkage = "internal"
    for function in functions:
        _Body(file, declared, primitives, constants).compile(function)
    return str(module)


def pointer(builder, address, type_=WORD, offset=None):
    """A pointer from words.  LLVM makes vectors of a loop whose offset varies, not of one whose address does."""
    if offset is not None:
        byte = ir.IntType(8).as_pointer()
        return builder.bitcast(builder.gep(builder.inttoptr(address, byte), [offset]), type_.as_pointer())
    return builder.inttoptr(address, type_.as_pointer())


def _refusal(file, node, why):
    return SyntaxError(why, (file, node.lineno, 1, ast.unparse(node).partition("\n")[0]))


def _parameters(file, function):
    plain = ast.arguments(posonlyargs=[], args=function.args.args, kwonlyargs=[], kw_defaults=[], defaults=[])
    if function.decorator_list or ast.unparse(plain) != ast.unparse(function.args):
        raise _refusal(file, function, "a function has plain parameters")
    return [a.arg for a in function.args.args]


def _counted(args, parameters):
    if len(args) != len(parameters):
        raise TypeError(f"it takes {len(parameters)} words")
    return args


class _Body:
    """One function being compiled: a variable is a word on the stack, until LLVM makes it a register."""

    def __init__(self, file, declared, primitives, constants):
        self.file, self.declared, self.primitives, self.constants = file, declared, primitives, constants
        self.variables = {}

    def compile(self, function):
        target = self.declared[function.name]
        target.attributes.add("nounwind")
        self.builder = b = ir.IRBuilder(target.append_basic_block())
        parameters = _parameters(self.file, function)
        stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for name in sorted({*stored, *parameters}):
            self.variables[name] = b.alloca(WORD)
        for name, value in zip(parameters, target.args, strict=True):
            b.store(value, self.variables[name])
        self.block(function.body)
        if not b.block.is_terminated:
            b.ret(WORD(0))

    def refused(self, node, why="the driver's language has no such thing"):
        return _refusal(self.file, node, why)

    def block(self, statements):
        for statement in statements:
            if self.builder.block.is_terminated:
                raise self.refused(statement, "nothing follows a return")
            getattr(self, type(statement).__name__, self.unknown)(statement)

    def unknown(self, node):
        raise self.refused(node)

    # --- statements -------------------------------------------------------------------------------------------------
    def Expr(self, node):
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):     # a docstring
            self.value(node.value)

    def Assign(self, node):
        if len(node.targets) > 1:
            raise self.refused(node, "one target a statement")
        target, = node.targets
        if not isinstance(target, ast.Tuple):
            self.store(target, self.value(node.value))
        elif isinstance(node.value, ast.Tuple) and len(target.elts) == len(node.value.elts):
            for part, value in zip(target.elts, [self.value(v) for v in node.value.elts], strict=True):
                self.store(part, value)
        else:
            raise self.refused(node, "several targets take as many values")

    def AugAssign(self, node):
        self.no_effects(node.target)
        place = self.place(node.target)
        self.builder.store(self.binary(node, self.builder.load(place), self.value(node.value)), place)

    def Return(self, node):
        self.builder.ret(WORD(0) if node.value is None else self.value(node.value))

    def If(self, node):
        with self.builder.if_else(self.condition(node.test)) as (then, otherwise):
            with then:
                self.block(node.body)
            with otherwise:
                self.block(node.orelse)

    def While(self, node):
        self.loop(node, lambda: self.condition(node.test), lambda: None)

    def For(self, node):
        b, arguments = self.builder, getattr(node.iter, "args", ())
        if not (isinstance(node.target, ast.Name) and 1 <= len(arguments) <= 3
                and ast.unparse(node.iter.func) == "range" and not node.iter.keywords):
            raise self.refused(node, "for takes one name over range")
        limits = [self.value(a) for a in arguments]
        start, stop = limits[:2] if len(limits) > 1 else (WORD(0), limits[0])
        step = limits[2] if len(limits) > 2 else WORD(1)
        if not all(map(self.is_constant, arguments[2:])):
            raise self.refused(node, "a range's step is a constant above 0")
        with b.goto_entry_block():
            counter = b.alloca(WORD)
        b.store(start, counter)

        def going_on():
            return b.icmp_signed("<", b.load(counter), stop)

        def advance():
            b.store(b.add(b.load(counter), step), counter)
        self.loop(node, going_on, advance, lambda: b.store(b.load(counter), self.variables[node.target.id]))

    def loop(self, node, going_on, advance, enter=lambda: None):
        if node.orelse:
            raise self.refused(node, "a loop has no else")
        b = self.builder
        test, body, end = (b.append_basic_block() for _ in range(3))
        b.branch(test)
        b.position_at_end(test)
        b.cbranch(going_on(), body, end)
        b.position_at_end(body)
        enter()
        self.block(node.body)
        if not b.block.is_terminated:
            advance()
            b.branch(test)
        b.position_at_end(end)

    def store(self, target, value):
        self.builder.store(value, self.place(target))

    def place(self, target):
        if isinstance(target, ast.Name):
            return self.variables[target.id]
        if isinstance(target, ast.Subscript):
            return self.word_at(target)
        raise self.refused(target, "a name or a word is stored to")

    # --- expressions ------------------------------------------------------------------------------------------------
    def value(self, node):
        return getattr(self, f"of_{type(node).__name__}", self.unknown)(node)

    def condition(self, node):
        """Whether a value is not 0, as one bit."""
        if isinstance(node, ast.BoolOp):
            return self.joined(node)
        return self.builder.icmp_signed("!=", self.value(node), WORD(0))

    def joined(self, node):
        for part in node.values[1:]:
            self.no_effects(part)
        b, (result, *others) = self.builder, [self.condition(v) for v in node.values]
        for other in others:
            result = b.and_(result, other) if isinstance(node.op, ast.And) else b.or_(result, other)
        return result

    def no_effects(self, node):
        """Refuse what may not be evaluated where Python would not."""
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and ast.unparse(part.func) not in CHOICES:
                raise self.refused(part, "a call here might be one too many: every part is evaluated")
            divides = isinstance(part, ast.BinOp) and isinstance(part.op, ast.FloorDiv | ast.Mod)
            if divides and not self.is_constant(part.right):
                raise self.refused(part, "a division here might be one by 0: every part is evaluated")

    def is_constant(self, node):
        """Whether this is a constant above 0."""
        value = node.value if isinstance(node, ast.Constant) else self.constants.get(getattr(node, "id", None))
        return type(value) is int and value > 0

    def word_at(self, node):
        return self.builder.gep(pointer(self.builder, self.value(node.value)), [self.value(node.slice)])

    def of_Constant(self, node):
        if type(node.value) is not int:
            raise self.refused(node, "a constant is a whole number")
        return WORD(node.value)

    def of_Name(self, node):
        if node.id in self.variables:
            return self.builder.load(self.variables[node.id])
        if type(self.constants.get(node.id)) is not int:
            raise self.refused(node, f"{node.id} is no variable and no whole number")
        return WORD(self.constants[node.id])

    def of_Subscript(self, node):
        return self.builder.load(self.word_at(node))

    def of_BinOp(self, node):
        return self.binary(node, self.value(node.left), self.value(node.right))

    def binary(self, node, left, right):
        if type(node.op) not in BINARY:
            raise self.refused(node, "there is no such operator")
        return getattr(self.builder, BINARY[type(node.op)])(left, right)

    def of_UnaryOp(self, node):
        b = self.builder
        if isinstance(node.op, ast.Not):
            return b.zext(b.not_(self.condition(node.operand)), WORD)
        if not isinstance(node.op, ast.USub):
            raise self.refused(node, "there is no such operator")
        value = self.value(node.operand)
        return WORD(-value.constant) if isinstance(value, ir.Constant) else b.neg(value)

    def of_Compare(self, node):
        b, op = self.builder, type(node.ops[0])
        if len(node.ops) > 1 or op not in COMPARE:
            raise self.refused(node, "two words are compared by size")
        left, right = self.value(node.left), self.value(node.comparators[0])
        return b.zext(b.icmp_signed(COMPARE[op], left, right), WORD)

    def of_BoolOp(self, node):
        for part in node.values:                 # of other words Python would give one, not whether they are 0
            negated = isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not)
            if not negated and not isinstance(part, ast.Compare | ast.BoolOp):
                raise self.refused(part, "the value of `and` and `or` is defined for comparisons")
        return self.builder.zext(self.joined(node), WORD)

    def of_IfExp(self, node):
        self.no_effects(node.body)
        self.no_effects(node.orelse)
        return self.builder.select(self.condition(node.test), self.value(node.body), self.value(node.orelse))

    def of_Call(self, node):
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self.refused(node, "a function is called by its name, without keywords")
        name, args = node.func.id, [self.value(a) for a in node.args]
        try:
            if name in self.declared:
                return self.builder.call(self.declared[name], _counted(args, self.declared[name].args))
            if name in CHOICES:
                a, b = args
                return self.builder.select(self.builder.icmp_signed(CHOICES[name], a, b), a, b)
            return self.primitives[name](self.builder, *args) or WORD(0)
        except KeyError:
            raise self.refused(node, f"there is no function {name}") from None
        except (TypeError, ValueError) as error:
            raise self.refused(node, f"{name}: {error}") from None
