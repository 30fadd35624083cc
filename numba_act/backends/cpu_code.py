"""A kernel as machine code of this CPU: LLVM vectors, and the record by which the driver knows them."""
from ..runtime import driver, objects, threads
from ..tree.storage import item_size, working

STREAM_COST = 6                              # nodes; a kernel with fewer an operand is bound by memory


def module_text(kernel, storage, lanes, summed=frozenset()):
    """LLVM IR of a kernel: `general` reads every operand lane by lane, `uniform` reads parameters once.  Both are
    void(char **pointers, intp vectors).  Outputs in `summed` are stored in the working type."""
    from llvmlite import ir
    module = ir.Module(name=f"numba_act_{kernel.name}_{storage}")
    _function(module, "general", kernel, storage, lanes, summed, frozenset())
    if kernel.parameters:
        _function(module, "uniform", kernel, storage, lanes, summed, kernel.parameters)
    return str(module)


def _function(module, name, kernel, storage, lanes, summed, fixed):
    from llvmlite import ir

    from ..tree.emit import emit, narrow, widen
    word, single = ir.IntType(64), ir.DoubleType() if storage == "float64" else ir.FloatType()
    stored = ir.IntType(16) if storage in ("float16", "bfloat16") else single
    size = item_size(storage)
    signature = ir.FunctionType(ir.VoidType(), [stored.as_pointer().as_pointer(), word])
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
            arguments[input_] = widen(b, _splat(b, b.load(bases[k], align=size), lanes), storage)
    b.branch(loop)

    b.position_at_end(loop)
    i = b.phi(word)
    i.add_incoming(word(0), start)
    for k, input_ in enumerate(kernel.inputs):
        if input_ not in fixed:
            arguments[input_] = widen(b, b.load(_lanes_at(b, bases[k], i, stored, lanes), align=size), storage)
    # Every output is computed before the first is stored: an output may lie where an input does.
    results = emit(b, kernel.build(working(storage)), arguments, storage)
    for j, value in enumerate(results):
        kind = single if j in summed else stored
        value = value if j in summed else narrow(b, value, storage)
        align = item_size(working(storage)) if j in summed else size
        b.store(value, _lanes_at(b, bases[len(kernel.inputs) + j], i, kind, lanes), align=align)
    following = b.add(i, word(1))
    i.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, vectors), loop, end)
    b.position_at_end(end)
    b.ret_void()


def _splat(builder, value, lanes):
    from llvmlite import ir
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))


def _lanes_at(builder, base, i, kind, lanes):
    from llvmlite import ir
    return builder.gep(builder.bitcast(base, ir.VectorType(kind, lanes).as_pointer()), [i])


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
    from ..tree.node import in_order
    if len(kernel.inputs) + kernel.n_outputs > driver.MAX_OPERANDS:
        raise ValueError(f"{kernel.owner}: at most {driver.MAX_OPERANDS} inputs and outputs fit in a kernel, not "
                         f"{len(kernel.inputs) + kernel.n_outputs}; ask for fewer gradients at once")
    lanes = objects.vector_bytes() // item_size(working(storage))
    names = ("general", "uniform") if kernel.parameters else ("general",)
    text = module_text(kernel, storage, lanes, summed)
    addresses = objects.load(text, lambda: text, names)
    n_all, nodes = len(kernel.inputs) + kernel.n_outputs, len(in_order(kernel.build(working(storage))))
    return driver.record({
        driver.GENERAL: addresses[0],
        driver.UNIFORM: addresses[1] if kernel.parameters else 0,
        driver.CONTROL: threads.control_address(),
        driver.N_IN: len(kernel.inputs),
        driver.N_ALL: n_all,
        driver.ITEM_SIZE: item_size(storage),
        driver.LANES: lanes,
        driver.PARAMETERS: sum(1 << k for k, name in enumerate(kernel.inputs) if name in kernel.parameters),
        driver.COST: max(STREAM_COST * n_all, nodes) * item_size(working(storage)) // 4,
    })
