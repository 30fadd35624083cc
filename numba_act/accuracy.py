"""How exact the activations are, in units in the last place of the true value.

The true value is that of an activation's definition, by the platform's library: for float64 in quadruple precision,
and for narrower types in float64.  Where the platform has no quadruple precision mpmath takes its place, a thousand
times slower.  Nothing of what is judged is shared, but that operands are rounded to their dtype first.
"""
import argparse
import contextlib
import functools
import itertools
import json
import math
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from . import bench, machine
from .backends import cpu
from .backends.dtypes import STORED
from .backends.kernel import Kernel
from .declare import Activation, activations, get
from .machine import dtype_named
from .runtime import threads
from .tree import quad
from .tree.call import retyped, rewritten, substitute, with_operands
from .tree.exact import exactly, number
from .tree.node import argument, bits, build, constant, from_bits, in_order, narrowed, where, widened
from .tree.storage import working

FACTORS = -0.7, 3.3, 50.0, 1e-3, 0.0             # times a default: a parameter to test with
ORDINARY = 1e30                                  # nearer to 0 a definition with good parameters is a number
FLOOR, AROUND = 2.0**-4, 0.5                     # near a zero of a slope the unit is at least that of the first
STRIDE = 251                                     # between the float32 patterns of a sample
CHUNK = 1 << 20                                  # patterns; the arrays of one, 4 MiB each, stay near the processor
MANY, DENSE = 10**7, 64                          # float64 numbers; how much denser than by mpmath they lie
# the type of truth: the bits of its exponent, and how good the definitions are in it
WIDE = {"float64": (0x7FF << 52, 2.0**-45), "float128": (0x7FFF << 112, 2.0**-100)}


# --- outputs and their definitions ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Output:
    """An activation's value or a derivative, as a function of its last array operand; the others are 1.

    wrt : what it is differentiated in, one after another; () for the value
    row : the parameters
    """
    activation: Activation
    wrt: tuple = ()
    row: tuple = ()

    @property
    def operand(self):
        return self.activation.operands[-1]

    def __call__(self, x):
        """What numba_act computes."""
        ones, row = [x.dtype.type(1)] * (len(self.activation.operands) - 1), self.parameters(x.dtype)
        if not self.wrt:
            return self.activation(*ones, x, *row)
        return self.activation.grad(*ones, x, *row, wrt=self.wrt[0], n=len(self.wrt))

    def parameters(self, dtype):
        """The parameters rounded to a dtype."""
        with np.errstate(all="ignore"):
            return tuple(np.array(self.row, np.float64).astype(dtype))

    def exact(self, x, dtype):
        """The true value at a number, for parameters in a dtype, by mpmath."""
        row = map(float, self.parameters(dtype))
        return exactly(definition(self.activation, self.wrt),
                       dict(zip((self.operand, *self.activation.params), (x, *row), strict=True)))

    def fast(self, x, dtype):
        """The true values at a float64 array, by the platform's library."""
        row = [np.asarray(p, np.float64) for p in self.parameters(dtype)]
        return cpu.call(_definition_kernel(self.activation, self.wrt), [np.asarray(x, np.float64), *row])[0]


def outputs(activation, row=None):
    """The value and the first derivatives, for the default parameters or others."""
    row = tuple(activation.defaults.values()) if row is None else row
    return [Output(activation, wrt, row) for wrt in ((), *[(name,) for name in (*activation.operands,
                                                                                *activation.params)])]


@functools.cache
def rows(activation):
    """Parameters to test with: the defaults, then one of them changed at a time, as far as the definition holds."""
    usual = tuple(activation.defaults.values())
    changed = [(*usual[:k], factor * (usual[k] or 1), *usual[k + 1:]) for k in range(len(usual)) for factor in FACTORS]
    return [usual, *[row for row in dict.fromkeys(changed) if row != usual and _defined(activation, row)]]


def _defined(activation, row):
    """Whether the definition holds for these parameters, without a jump that it has not for the defaults."""
    dtype = np.dtype(np.float64)
    value, usual = (Output(activation, (), parameters) for parameters in (row, tuple(activation.defaults.values())))
    sizes = np.geomspace(1 / ORDINARY, ORDINARY, 200)
    x = np.concatenate([-sizes, [0], sizes])
    numbers = [output.fast(x, dtype) for output in outputs(activation, row)]
    return (all((np.isfinite(true) | (abs(x) > 1) & ~np.isnan(true)).all() for true in numbers)
            and _jumps(value, dtype) <= _jumps(usual, dtype))


def _jumps(output, dtype):
    """Whether the value jumps."""
    at = np.array(switches(output, dtype))
    return bool(np.any(abs(output.fast(at + 1e-9, dtype) - output.fast(at - 1e-9, dtype)) > 1e-6))


@functools.cache
def definition(activation, wrt):
    """The definition's tree, in which operands but the last are 1."""
    tree, = rewritten((activation.definition(*wrt),), _compared)
    ones = dict.fromkeys(activation.operands[:-1], constant(1, "float", tree.dtype))
    rest = {name: argument(name, tree.dtype) for name in (activation.operands[-1], *activation.params)}
    return substitute((tree,), ones | rest)[0]


def _compared(node, args):
    """The larger and the smaller of two by comparisons: no library treats NaN as they do."""
    if node.op == "call" and node.value.extreme:
        return node.value.expand(*args)
    return with_operands(node, args)


@functools.cache
def _definition_kernel(activation, wrt):
    inputs = activation.operands[-1], *activation.params
    name = "_".join((activation.name, "definition", *wrt))
    return Kernel(name, activation.name, inputs, activation.defaults, lambda dtype: (definition(activation, wrt),))


# --- zeros of slopes --------------------------------------------------------------------------------------------------
@functools.cache
def zeros(output, dtype):
    """Where the definition passes through zero, but for 0 itself and for jumps."""
    sizes = np.geomspace(1e-4, 1e5, 4000)
    found = []
    for x in (sizes, -sizes):
        sign = np.sign(output.fast(x, dtype))
        for k in np.flatnonzero(sign[1:] * sign[:-1] < 0):
            a, b = x[k], x[k + 1]
            while (middle := (a + b) / 2) not in (a, b):
                a, b = (middle, b) if np.sign(output.fast(middle, dtype)) == sign[k] else (a, middle)
            if abs(output.fast(a, dtype)) < 1e-9:
                found.append(float(a))
    return tuple(found)


@functools.cache
def loose(output, dtype):
    """Intervals about the zeros of a slope in x that no float is, where the unit is at least that of FLOOR.

    Parameters may stretch the line; the intervals stretch with it.
    """
    if output.wrt != (output.operand,):
        return ()
    if not any(node.op == "call" for node in in_order([definition(output.activation, output.wrt)])):
        return ()
    usual = zeros(Output(output.activation, output.wrt, tuple(output.activation.defaults.values())), dtype)
    found = zeros(output, dtype)
    stretch = [abs(z / u) for z, u in zip(found, usual, strict=True)] if len(found) == len(usual) else [1] * len(found)
    return tuple((z - AROUND * s, z + AROUND * s) for z, s in zip(found, stretch, strict=True))


# --- errors -----------------------------------------------------------------------------------------------------------
def unit(dtype):
    """(digits after the point, least exponent, exponent of infinity) of a dtype."""
    if dtype.name == "bfloat16":
        return 7, -126, 128
    info = np.finfo(dtype)
    return int(info.nmant), int(info.minexp), int(info.maxexp)


def errors(output, x, got=None):
    """Errors, in units in the last place, of what numba_act computes from x, or of what is given instead.

    A NaN where there is none is infinitely wrong.  At infinities, of which definitions know nothing, they are 0.
    """
    got = output(x) if got is None else got
    if x.dtype == np.float64 and not quad.available():
        return np.array([exact_error(output, *pair, x.dtype) for pair in zip(x.tolist(), got.tolist(), strict=True)])
    with np.errstate(all="ignore"):
        inputs = got, _floor(output, x), x, *output.parameters(x.dtype)
        operands = [np.asarray(a, working(x.dtype)) for a in inputs]
        return cpu.call(_error_kernel(output.activation, output.wrt, unit(x.dtype)), operands)[0]


def _floor(output, x):
    """The least size whose unit counts: FLOOR in the intervals of `loose`, 0 elsewhere."""
    intervals = loose(output, x.dtype)
    if not intervals:
        return 0
    lows, highs = np.sort(np.array(intervals), axis=0).T
    floor = np.zeros(x.shape, np.float32)
    about = np.flatnonzero((x > lows[0]) & (x < highs[-1]))
    begun, ended = np.searchsorted(lows, x[about], "left"), np.searchsorted(highs, x[about], "right")
    floor[about[begun > ended]] = FLOOR
    return floor


def exact_error(output, x, got, dtype):
    """The error at one number, by mpmath."""
    if not math.isfinite(x):
        return 0.0 if math.isnan(x) <= math.isnan(got) else math.inf
    digits, least, most = unit(dtype)
    true, top = output.exact(x, dtype), number(2) ** most
    size = min(abs(true), top / 2)
    if any(low < x < high for low, high in loose(output, dtype)):
        size = max(size, FLOOR)
    _, _, exponent, length = number(size)._mpf_
    exponent = max(exponent + length - 1, least) if size else least
    error = abs(float((_clipped(number(got), top) - _clipped(true, top)) / number(2) ** (exponent - digits)))
    return error if error == error else math.inf


def _clipped(value, top):
    return where(value > top, top, where(value < -top, -top, value))


@functools.cache
def _error_kernel(activation, wrt, layout):
    """The error of numbers in the working type of a dtype, computed in twice its width."""
    names = activation.operands[-1], *activation.params
    inputs = "got", "floor", *names

    def trees(dtype):
        got, floor, *operands = [widened(argument(name, dtype)) for name in inputs]
        tree = retyped(definition(activation, wrt), got.dtype)
        true, = substitute((tree,), dict(zip(names, operands, strict=True)))
        return narrowed(_error(operands[0], got, true, floor, *layout)),
    return Kernel("_".join((activation.name, "error", *wrt)), activation.name, inputs, activation.defaults, trees)


def _error(x, got, true, floor, digits, least, most):
    """Nodes of what exact_error is, and of twice that where the true value may lie just below a power of two."""
    exponent, doubt = WIDE[true.dtype]
    top = Fraction(2) ** most
    size = where(abs(true) < top, abs(true) * (1 - Fraction(doubt)), top / 2)
    size = where(size < floor, floor, size)
    power = from_bits(bits(size) & exponent)
    power = where(power < 2.0**least, 2.0**least, power)
    error = abs(_clipped(got, top) - _clipped(true, top)) / power * 2.0**digits
    error = where(_is_nan(error), math.inf, error)
    rest = where(_is_nan(x) & ~_is_nan(got), math.inf, constant(0, "float", x.dtype))
    return where(abs(x) < math.inf, error, rest)


def _is_nan(node):
    return build("ne", node, node)


# --- inputs -----------------------------------------------------------------------------------------------------------
@functools.cache
def switches(output, dtype):
    """Numbers at which the definition's comparisons switch, where these are linear in x or in its size."""
    names = output.operand, *output.activation.params
    arguments = dict(zip(names, (0, *map(float, output.parameters(dtype))), strict=True))
    trees = [definition(output.activation, wrt) for wrt in ((), output.wrt)]
    found = set()
    for node in in_order(trees):
        if node.op in ("lt", "le", "gt", "ge", "eq", "ne"):
            found.update(_roots(node.args[0] - node.args[1], output.operand, arguments))
    return tuple(sorted(found))


def _roots(tree, name, arguments):
    def f(x):
        return float(exactly(tree, arguments | {name: x}))
    start, rise = f(0), f(1) - f(0)
    root = -start / rise if rise else math.inf
    return [x for x in {root, -root} if math.isfinite(x) and abs(f(x)) <= 1e-9 * abs(start)]


def near(numbers, dtype, count=8):
    """The numbers and their nearest neighbours in the dtype."""
    found = []
    for point in numbers:
        for towards in (-np.inf, np.inf):
            x = dtype.type(point)
            for _ in range(count):
                found.append(x)
                x = np.nextafter(x, dtype.type(towards))
    return np.array(found, dtype)


def points(output, dtype, scale=1, part=0):
    """Finite inputs of every exponent and sign, dense where something happens; more for a larger scale, others for
    every part."""
    about = output.activation.name, output.wrt, output.row, dtype, part
    rng = np.random.default_rng(zlib.crc32(repr(about).encode()))
    info = np.finfo(dtype)
    exponents = np.arange(int(info.minexp) - int(info.nmant), int(info.maxexp))
    exponents = exponents[::max(1, exponents.size // (300 * scale))]
    wide = np.ldexp(rng.uniform(1, 2, exponents.size), exponents) * rng.choice([-1, 1], exponents.size)
    windows = [rng.uniform(-1, 1, 25 * scale) * 2.0**k for k in range(-5, 11)]
    tails = [rng.uniform(*ends, 80 * scale) for ends in _subnormal(output, dtype)]
    loosened = [rng.uniform((3 * a + b) / 4 - (b - a) / 3, b, 80 * scale) for a, b in loose(output, dtype)]
    with np.errstate(all="ignore"):
        x = np.concatenate([wide, *windows, *tails, *loosened, [info.max, info.min, info.tiny]]).astype(dtype)
        x = np.concatenate([x, near([*switches(output, dtype), *zeros(output, dtype), 0, 1, -1], dtype)])
    return x[np.isfinite(x)]


def _subnormal(output, dtype):
    """Intervals of x with a result between the least subnormal number and the least normal one."""
    info = np.finfo(dtype)
    edge = np.concatenate([np.geomspace(float(info.tiny), float(info.max) / 2, 2000), np.linspace(0.1, 2000, 8000)])
    x = np.sort(np.concatenate([-edge, [0], edge]))
    size = abs(output.fast(x, dtype))
    inside = np.flatnonzero((size > 0) & (size < float(info.tiny)))
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1) if inside.size else []
    return [(x[max(r[0] - 1, 0)], x[min(r[-1] + 1, x.size - 1)]) for r in runs]


def samples(output, dtype, exhaustive=False, share=1):
    """Arrays of inputs: every pattern of a 16-bit type; every or every 251st of float32; of float64 some of everywhere,
    or one of so many shares in ten million."""
    if dtype == np.float64:
        yield from _some_float64(output, MANY // share if exhaustive else 1)
    elif dtype.itemsize == 2:
        yield np.arange(1 << 16, dtype=np.uint16).view(dtype)
    else:
        stride = 1 if exhaustive else STRIDE
        for start in range(0, 1 << 32, CHUNK * stride):
            stop = min(1 << 32, start + CHUNK * stride)
            yield np.arange(start, stop, stride, np.uint32).view(dtype)


def _some_float64(output, count):
    """Arrays of `count` numbers or more: one of a few thousand where mpmath is to judge them."""
    dtype, scale = np.dtype(np.float64), DENSE
    if not quad.available():
        scale, count = 1, 1
    for part in itertools.count():
        dense = points(output, dtype, scale, part)
        wide = np.random.default_rng(part).integers(0, 1 << 64, dense.size, np.uint64).view(dtype)
        x = np.concatenate([dense, wide[np.isfinite(wide)]])
        yield x
        count -= x.size
        if count <= 0:
            return


# --- measuring --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Worst:
    """The largest error of an output: in units in the last place, the input, what it gives there, the parameters, and
    among how many inputs."""
    error: float
    x: float
    got: float
    row: tuple
    count: int


def measure(activation, wrt=None, dtype="float32", exhaustive=False, grid=None, compute=None, progress=None):
    """The worst error of an activation, built-in or custom, and where it happens.

    Parameters
    ----------
    activation : a name or an Activation
    wrt : the operand or parameter to differentiate in; None for the value
    dtype : float16, bfloat16, float32 or float64
    exhaustive : whether to try all 2^32 numbers of float32, and ten million of float64
    grid : tuples of parameters; a small grid by default
    compute : what to judge instead, from an array to an array
    progress : called after each part with the number of inputs

    Returns
    -------
    Worst

    Raises
    ------
    ValueError : an unknown name

    Examples
    --------
    >>> from numba_act import accuracy
    >>> accuracy.measure("relu", "x").error
    0.0
    """
    activation, dtype = get(activation), dtype_named(dtype)
    wrt = () if wrt is None else (activation._name(wrt),)
    worst, count = None, 0
    grid = rows(activation) if grid is None else grid
    for row in grid:
        output = Output(activation, wrt, tuple(row))
        for x in samples(output, dtype, exhaustive, len(grid)):
            got = (compute or output)(x)
            error = errors(output, x, got)
            k = int(error.argmax())
            if worst is None or error[k] > worst.error:
                worst = Worst(float(error[k]), x[k].item(), got[k].item(), output.row, 0)
            count += x.size
            if progress:
                progress(x.size)
    return replace(worst, count=count)


# --- the command ------------------------------------------------------------------------------------------------------
def scipy_peer(threads):
    from scipy import special
    functions = {"sigmoid": special.expit, "log_sigmoid": special.log_expit, "softplus": special.softplus}

    def make(name, kind, gy, x):
        return functools.partial(functions[name], x) if kind == "forward" and name in functions else None
    return make


PEERS = {"torch": bench.torch_peer, "jax": bench.jax_peer, "scipy": scipy_peer}
COLUMNS = "activation", "output", "dtype", "inputs", "error", "x", "parameters"


def run(names=None, dtypes=STORED, exhaustive=False, against=()):
    """Yield a dict for every output and dtype: the worst error, where it happens, and the worst of others.

    Parameters
    ----------
    names : names or Activations; all built-in ones by default
    dtypes : of float16, bfloat16, float32 and float64
    exhaustive : whether to try all 2^32 numbers of float32, and ten million of float64
    against : of torch, jax and scipy, which are judged with the default parameters
    """
    from tqdm import tqdm
    peers = {name: PEERS[name](threads.processors()) for name in against}
    chosen = [get(name) for name in (activations if names is None else names)]
    jobs = [(a, wrt, dtype) for a in chosen for dtype in dtypes for wrt in (None, *a.operands, *a.params)]
    sizes = {"float32": 1 << 32 if exhaustive else (1 << 32) // STRIDE}
    total = sum(MANY if exhaustive and dtype == "float64" else len(rows(a)) * sizes.get(dtype, 1 << 16)
                for a, _, dtype in jobs)
    with tqdm(total=total, unit="", unit_scale=True, leave=False, disable=None) as bar:
        for activation, wrt, dtype in jobs:
            title = "value" if wrt is None else f"d/d{wrt}"
            bar.set_description(f"{activation.name} {title} {dtype}")
            worst = measure(activation, wrt, dtype, exhaustive, progress=bar.update)
            yield {"activation": activation.name, "output": title, "dtype": dtype, "inputs": worst.count,
                   "error": worst.error, "x": worst.x, "parameters": dict(zip(activation.params, worst.row,
                                                                              strict=True)),
                   **{name: _error_of_peer(make, activation, wrt, dtype) for name, make in peers.items()}}


def _error_of_peer(make, activation, wrt, dtype):
    """The worst error of another library; None where it has no such thing."""
    kind = {None: "forward", activation.operands[0]: "backward"}.get(wrt)
    one = np.ones(1, dtype_named(dtype))
    if kind is None or len(activation.operands) > 1 or _called(make, activation, kind, one) is None:
        return None
    return measure(activation, wrt, dtype, grid=[tuple(activation.defaults.values())],
                   compute=functools.partial(_called, make, activation, kind)).error


def _called(make, activation, kind, x):
    """What a peer computes; None where it has no such thing."""
    try:
        with np.errstate(all="ignore"):
            call = make(activation.name, kind, np.ones_like(x), x)      # an upstream gradient of 1
            return None if call is None else np.asarray(call()).astype(x.dtype)
    except (TypeError, RuntimeError):            # a dtype that it lacks
        return None


def add_arguments(parser):
    """The command's options."""
    parser.add_argument("--exhaustive", action="store_true",
                        help="try all 2^32 numbers of float32, and ten million of float64")
    parser.add_argument("--against", type=_peers, default=(), metavar="NAME,...",
                        help=f"show the errors of others beside ours: {', '.join(PEERS)}")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the table to a file")


def _peers(text):
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    return names


def main(names=None, dtypes=STORED, exhaustive=False, against=(), as_json=False, output=None):
    """Print `run` as a table in Markdown or as JSON, or write it to a file; both name versions and processor."""
    with contextlib.nullcontext() if output is None else open(output, "w", encoding="utf-8") as file:
        found, about = list(run(names, dtypes, exhaustive, against)), machine.configuration()
        about = {subject: about[subject] for subject in ("versions", "cpu")}
        text = json.dumps({**about, "results": found}, indent=1) if as_json else "\n".join(table(found, about, against))
        print(text, file=file)


def table(found, about, against=()):
    """Lines of Markdown."""
    yield "The worst error in units in the last place of the true value, and the input where it happens."
    yield from (f"{subject}: {words}  " for subject, words in about.items())
    yield ""
    yield f"| {' | '.join((*COLUMNS, *against))} |"
    yield "|" + "---|" * (len(COLUMNS) + len(against))
    for cell in found:
        shown = {**cell, "inputs": f"{cell['inputs']:,}", "x": f"{cell['x']:.9g}",
                 "parameters": ", ".join(f"{name}={value:.4g}" for name, value in cell["parameters"].items())}
        for name in ("error", *against):
            shown[name] = "-" if cell[name] is None else f"{cell[name]:.4g}"
        yield f"| {' | '.join(shown[column] for column in (*COLUMNS, *against))} |"
