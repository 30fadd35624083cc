"""Speed beside PyTorch, JAX and ONNX Runtime, cell by cell, and who leads in how many.

A cell is a function, forward or backward, a dtype, a size, a kind of data and a number of threads.  Its times are the
least of some rounds in which the contenders take turns, so that the machine's drift meets all of them: of ours in both
tiers, with a fresh output and into a given one (`out`), of the others likewise, where they have that.  A ratio is ours
over the fastest other: a fresh output beside fresh ones, a given one beside whatever is fastest.
"""
import itertools
import math

from ...runtime import threads as pool
from . import contenders
from .timing import KINDS, ROUNDS

CORE = ("sigmoid", "tanh", "softsign", "relu", "softplus", "leaky_relu", "prelu", "elu", "selu", "swish", "silu",
        "gelu", "gelu_tanh", "mish")
SIZES = 10, 1000, 30_000, 100_000, 300_000, 1_000_000, 16_000_000
DTYPES = "float32", "float64"
DATA = "normal", "saturated"
FORMS = tuple(f"{tier}{form}" for tier in contenders.TIERS for form in ("", " out"))
UNCOUNTED = ("ORT", "sigmoid"), ("ORT", "tanh")  # 220 and 5 ULP off in float32
MOST_ULP = 4                                     # of a peer as exact as the fast tier
EQUAL = 1.05                                     # a ratio that noise may have made
COPY_BOUND, COPIED = 1.5, 100_000                # times the copy, from so many elements up
TRAFFIC = {"forward": 1, "backward": 1.5}        # arrays moved, beside those that a copy moves
WORST = 10                                       # cells that the summary names


def run(names=None, sizes=SIZES, dtypes=DTYPES, data=DATA[:1], threads=None, together=False, rounds=ROUNDS,
        tiers=tuple(contenders.TIERS)):
    """Yield a dict for every cell: what it is, nanoseconds an element, the ratios, and the errors of the others.

    Parameters
    ----------
    names : of built-in activations; by default those that the others have as well and that networks are made of
    sizes, dtypes, data : which cells; data of normal and saturated
    threads : numbers of threads of every library; one and as many as there are processors by default
    together : whether all libraries are in one process instead of each in its own
    rounds : how often each is timed
    tiers : of ours; exact, fast or both
    """
    from tqdm import tqdm
    cells = list(itertools.product(dtypes, sizes, data, names or CORE, KINDS))
    numbers, errors = threads or sorted({1, pool.processors()}), {}         # the latter depend on no threads
    with tqdm(total=len(numbers) * len(cells), unit="cell", leave=False, disable=None) as bar:
        for number in numbers:
            with contenders.Contenders(number, together) as libraries:
                for dtype, size, kind_of_data, name, kind in cells:
                    if (name, kind, dtype) not in errors:
                        errors[name, kind, dtype] = libraries.errors(name, kind, dtype)
                    taken = [libraries.seconds(name, kind, dtype, size, kind_of_data, tiers)
                             for _ in range(rounds)]
                    yield judged({
                        "name": name, "kind": kind, "dtype": dtype, "size": size, "data": kind_of_data,
                        "threads": number, "together": together, "errors": errors[name, kind, dtype],
                        "times": {who: min(t[who] for t in taken) / size * 1e9 for who in taken[0]},
                    })
                    bar.update()


def judged(cell):
    """The cell with what follows from its times: by form the ratio to the fastest peer, and to the fastest of those
    within 4 ULP over the whole line; whether it is bound by the copy."""
    times, errors = cell["times"], cell["errors"]
    counted = [peer for peer in contenders.PEERS if peer in times and (peer, cell["name"]) not in UNCOUNTED]
    exact = [peer for peer in counted if errors[peer] <= MOST_ULP]
    moved = times["copy"] * TRAFFIC[cell["kind"]]
    everyone = [times[f"{who}{form}"] for who in (*contenders.TIERS, *counted) for form in ("", " out")
                if f"{who}{form}" in times]
    return {**cell, "ratios": _ratios(times, counted), "beside exact ones": _ratios(times, exact),
            "copy": min(times[form] for form in FORMS if form in times) / moved,
            "copy_bound": cell["size"] >= COPIED and min(everyone) < COPY_BOUND * moved}


def _ratios(times, peers):
    """By form; none where there is no peer."""
    best = {"": min((times[peer] for peer in peers), default=None)}
    best["out"] = min((times[f"{peer} out"] for peer in peers if f"{peer} out" in times), default=best[""])
    best["out"] = best[""] and min(best.values())
    return {form: times[form] / best[form.partition(" ")[2]] for form in FORMS if form in times and best[""]}


def summary(cells):
    """Lines: in how many cells we lead, the geometric means, the worst cells, and who is missing."""
    for form, kind in itertools.product(FORMS, KINDS):
        kept = [cell for cell in cells if cell["kind"] == kind and form in cell["ratios"]]
        ratios = [cell["ratios"][form] for cell in kept]
        free = [cell["ratios"][form] for cell in kept if not cell["copy_bound"]] or ratios
        exact = [cell["beside exact ones"][form] for cell in kept if form in cell["beside exact ones"]]
        if ratios:
            yield (f"{form}, {kind}: ahead in {_count(ratios, 1)} cells, within {EQUAL} in {_count(ratios, EQUAL)}; "
                   f"geometric mean {mean(free):.2f} where the copy is no bound, {mean(ratios):.2f} over all; "
                   f"beside those within {MOST_ULP} ULP ahead in {_count(exact, 1)}, within {EQUAL} in "
                   f"{_count(exact, EQUAL)}")
    for form in FORMS[::2]:
        behind = sorted(((cell["ratios"][form], place(cell)) for cell in cells
                         if cell["ratios"].get(form, 0) > EQUAL), reverse=True)
        if behind:
            yield f"{form}, furthest behind: " + "; ".join(f"{ratio:.2f} {where}" for ratio, where in behind[:WORST])
    bound = [(cell["copy"], place(cell)) for cell in cells if cell["copy_bound"]]
    if bound:
        yield "of those bound by the copy, slowest beside it: {:.2f} {}".format(*max(bound))
    missing = [peer for peer in contenders.PEERS if not any(peer in cell["times"] for cell in cells)]
    if missing:
        yield f"not usable here, or without these functions: {', '.join(missing)}"


def _count(ratios, most):
    return f"{sum(ratio <= most for ratio in ratios)} of {len(ratios)}"


def mean(ratios):
    """The geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def place(cell):
    """A cell in words."""
    return (f"{cell['name']} {cell['kind']} {cell['dtype']} {cell['size']} {cell['data']}, {cell['threads']} "
            f"thread{'s' * (cell['threads'] > 1)}{', together' * cell['together']}")
