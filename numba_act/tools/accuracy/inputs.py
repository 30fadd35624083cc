"""The inputs that an output is judged at."""
import itertools
import zlib

import numpy as np

from ...tree import quad
from .definition import switches
from .errors import loose, zeros

STRIDE = 251                                     # between the float32 patterns of a sample
CHUNK = 1 << 20                                  # patterns; the arrays of one, 4 MiB each, stay near the processor
INTERVALS = 8                                    # of `loose` that are sampled; a wave has thousands
MANY, DENSE = 10**7, 64                          # float64 numbers; how much denser than by mpmath they lie


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
    loosened = [rng.uniform((3 * a + b) / 4 - (b - a) / 3, b, 80 * scale) for a, b in loose(output, dtype)[:INTERVALS]]
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
