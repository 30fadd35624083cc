"""Random numbers by their index: the counter-based generator Philox4x32-10.

Source: J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011.
"""
import numpy as np

WORD = 0xFFFFFFFF
LANES = 4                                    # numbers for each index


def philox(index, key):
    """The four words of 32 bits for each index, of anything with the operators of whole numbers of 64 bits."""
    (a, b, c, d), (first, second) = (index & WORD, index >> 32, index * 0, index * 0), key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32) ^ b ^ first, q & WORD, (p >> 32) ^ d ^ second, p & WORD
        first, second = (first + 0x9E3779B9) & WORD, (second + 0xBB67AE85) & WORD
    return a, b, c, d


def key_of(owner, rng):
    """The key of a seed, of what draws one, or a new one for None: 64 bits as two words."""
    if rng is None:
        rng = np.random.default_rng()
    if isinstance(rng, np.random.Generator):
        rng = rng.integers(1 << 64, dtype=np.uint64)
    if not isinstance(rng, int) and getattr(rng, "shape", None) == ():         # a number of any library's
        rng = rng.item()
    if not isinstance(rng, int) or isinstance(rng, bool):
        raise TypeError(f"{owner}: rng must be an integer, a numpy.random.Generator or None, not {rng!r}")
    if not 0 <= rng < 1 << 64:
        raise ValueError(f"{owner}: rng={rng} is no seed; accepted are 0 to 2^64 - 1")
    return rng & WORD, rng >> 32
