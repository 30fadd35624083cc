"""A kernel as machine code of this CPU: LLVM vectors, and the record by which the driver knows them."""
import functools

from ..runtime import driver, objects, processor, threads
from ..tree.storage import STORAGE
from . import layout

STREAM_COST = 6                              # nodes; a kernel with fewer an operand is bound by memory


def module_text(kernel, storage, lanes, summed=frozenset()):
    """LLVM IR of a kernel's functions."""
    from llvmlite import ir

    from ..tree.emit import emit, emit_either
    module, nodes = ir.Module(name=f"numba_act_{kernel.symbol}_{storage.name}"), kernel.trees(storage)
    usual = kernel.usual_trees(storage)

    def results(b, arguments):
        return emit_either(b, *usual, nodes, arguments, storage) if usual else emit(b, nodes, arguments, storage)
    add_functions(module, kernel, storage, lanes, summed, results)
    return str(module)


def names(kernel):
    """A kernel's functions: `general` reads every operand lane by lane, `uniform` reads parameters once.  Both are
    void(char **pointers, intp vectors)."""
    return ("general", "uniform") if kernel.parameters else ("general",)


def add_functions(module, kernel, storage, lanes, summed, results):
    """Write a kernel's functions.  `results` gives the outputs, from a builder and the inputs by name; those in
    `summed` are stored in the working type.  Without `lanes` numbers come one by one."""
    for name in names(kernel):
        fixed = kernel.parameters if name == "uniform" else ()
        _add_function(module, name, kernel, storage, lanes, summed, fixed, results)


def _add_function(module, name, kernel, storage, lanes, summed, fixed, results):
    from llvmlite import ir
    word, element = ir.IntType(64), storage.element
    signature = ir.FunctionType(ir.VoidType(), [element.as_pointer().as_pointer(), word])
    function = ir.Function(module, signature, name)
    function.attributes.add("nounwind")
    pointers, vectors = function.args
    start, loop, end = (function.append_basic_block(label) for label in ("start", "loop", "end"))

    b = ir.IRBuilder(start)
    arguments, bases = {}, []
    for k in range(len(kernel.inputs) + kernel.n_outputs):
        bases.append(b.load(b.gep(pointers, [word(k)])))
    for k, input_ in enumerate(kernel.inputs):
        if input_ in fixed:
            arguments[input_] = storage.widen(b, _splat(b, b.load(bases[k], align=storage.size), lanes))
    b.branch(loop)

    b.position_at_end(loop)
    i = b.phi(word)
    i.add_incoming(word(0), start)
    for k, input_ in enumerate(kernel.inputs):
        if input_ not in fixed:
            place = _lanes_at(b, bases[k], i, element, lanes)
            arguments[input_] = storage.widen(b, b.load(place, align=storage.size))
    # Every output is computed before the first is stored: an output may lie where an input does.
    for j, value in enumerate(results(b, arguments)):
        kind = STORAGE[storage.working] if j in summed else storage
        value = value if j in summed else storage.narrow(b, value)
        b.store(value, _lanes_at(b, bases[len(kernel.inputs) + j], i, kind.element, lanes), align=kind.size)
    following = b.add(i, word(1))
    i.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", following, vectors), loop, end)
    b.position_at_end(end)
    b.ret_void()


def _splat(builder, value, lanes):
    from llvmlite import ir
    if lanes is None:
        return value
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))


def _lanes_at(builder, base, i, kind, lanes):
    from llvmlite import ir
    return builder.gep(builder.bitcast(base, (ir.VectorType(kind, lanes) if lanes else kind).as_pointer()), [i])


# --- operands of another dtype ----------------------------------------------------------------------------------------
def castable(dtype):
    """Whether `cast` reads numbers of a dtype, in either byte order."""
    return dtype.kind in "biu" or dtype.name in STORAGE


@functools.cache
def cast(dtype, storage):
    """The address of a function, void(char **pointers, intp n), that reads numbers of a dtype, wherever they lie, and
    writes them as a kernel of that storage takes them, with the bits of NumPy's own cast."""
    text = _cast_text(dtype, storage)
    address, = objects.load(text, lambda: text, ("cast",), optimise=True)
    return address


def _cast_text(dtype, storage):
    from llvmlite import ir
    word, source = ir.IntType(64), STORAGE.get(dtype.name)
    kind = ir.IntType(8 * dtype.itemsize)
    module = ir.Module(name=f"numba_act_cast_{dtype.name}_{storage.name}")
    places = ir.IntType(8).as_pointer().as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [places, word]), "cast")
    pointers, count = function.args
    start, loop, end = (function.append_basic_block(label) for label in ("start", "loop", "end"))
    b = ir.IRBuilder(start)
    given, target = (b.bitcast(b.load(b.gep(pointers, [word(k)])), type_.as_pointer())
                     for k, type_ in enumerate((kind, storage.element)))
    b.branch(loop)
    b.position_at_end(loop)
    i = b.phi(word)
    i.add_incoming(word(0), start)
    value = b.load(b.gep(given, [i]), align=1)
    value = value if dtype.isnative else b.bswap(value)
    if source:
        value = _converted(b, source.widen(b, b.bitcast(value, source.element)), STORAGE[source.working], storage)
    else:
        value = (b.sitofp if dtype.kind == "i" else b.uitofp)(value, storage.single)
    b.store(storage.narrow(b, value), b.gep(target, [i]), align=storage.size)
    following = b.add(i, word(1))
    i.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, count), loop, end)
    b.position_at_end(end)
    b.ret_void()
    return str(module)


def _converted(b, value, source, storage):
    """A number as one of the type that a storage is computed in."""
    from llvmlite import ir
    working = STORAGE[storage.working]
    if source.size == working.size:
        return value
    if source.size < working.size:
        return b.fpext(value, working.type)
    if storage.name == "float16":                # what is dropped counts as one more bit, so that it rounds once
        word = ir.IntType(64)
        bits, dropped = b.bitcast(value, word), word((1 << source.digits - working.digits) - 1)
        sticky = b.zext(b.icmp_unsigned("!=", b.and_(bits, dropped), word(0)), word)
        kept = b.and_(bits, word(~dropped.constant))
        value = b.bitcast(b.or_(kept, b.shl(sticky, word(source.digits - working.digits))), value.type)
    return b.fptrunc(value, working.type)


_records = {}


def record_of(kernel, storage, summed=frozenset()):
    """The words by which the driver knows a compiled kernel."""
    key = kernel, storage, summed
    record = _records.get(key)
    if record is None:
        with objects.lock:                   # sixteen threads with the same first call compile it once
            record = _records.get(key)
            if record is None:
                record = _records[key] = _compiled(kernel, storage, summed)
    return record


def _compiled(kernel, storage, summed):
    n_all = layout.counted(kernel)
    addresses, lanes, cost = (kernel.calls.loaded if kernel.calls else _loaded)(kernel, storage, summed)
    return driver.record({
        driver.GENERAL: addresses[0],
        driver.UNIFORM: addresses[-1] if kernel.parameters else 0,
        driver.CONTROL: threads.control_address(),
        driver.N_IN: len(kernel.inputs),
        driver.N_ALL: n_all,
        driver.ITEM_SIZE: storage.size,
        driver.LANES: lanes,
        driver.PARAMETERS: sum(1 << k for k, name in enumerate(kernel.inputs) if name in kernel.parameters),
        driver.COST: max(STREAM_COST * n_all, cost) * STORAGE[storage.working].size // 4,
        driver.LEAST_STREAMED: _least_streamed(kernel, storage, cost, n_all),
        driver.ROWS: 0, driver.STAGES: 0, driver.PIECE: 0,
    })


def _least_streamed(kernel, storage, cost, n_all):
    """From how many elements on a kernel's arrays exceed the caches, so that it gains by storing past them: the fifth
    to half of its time, where it is bound by memory; others would lose as much."""
    if cost >= STREAM_COST * n_all or storage.name != storage.working:
        return driver.NEVER
    return processor.cache_bytes() // (storage.size * (n_all - len(kernel.parameters)))


def _loaded(kernel, storage, summed):
    """The addresses of a kernel's functions, how many elements they take at a time, and an element's cost."""
    from ..tree.node import in_order
    lanes = processor.vector_bytes() // STORAGE[storage.working].size
    text = module_text(kernel, storage, lanes, summed)
    return objects.load(text, lambda: text, names(kernel)), lanes, len(in_order(kernel.trees(storage)))
