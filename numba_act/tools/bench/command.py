"""The command `numba-act bench`."""
import contextlib
import json

from .. import machine
from . import calls, cells, fusion
from .contenders import PEERS, TIERS, use
from .timing import ROUNDS

COLUMNS = "copy", *cells.FORMS, *[f"{peer}{form}" for peer in PEERS for form in ("", " out")]


def add_arguments(parser, positive):
    """The command's options but for names, dtypes and JSON."""
    parser.add_argument("--size", nargs="+", type=positive, default=cells.SIZES, metavar="N",
                        help="numbers in an array (10 to 16 million)")
    parser.add_argument("--data", nargs="+", choices=cells.DATA, default=cells.DATA[:1], metavar="DATA",
                        help="normal or saturated, which is 30 times normal (default: normal)")
    parser.add_argument("--threads", nargs="+", type=positive, metavar="N",
                        help="of every library (default: 1, and the processors there are)")
    parser.add_argument("--together", action="store_true", help="all libraries in one process, not each in its own")
    parser.add_argument("--rounds", type=positive, default=ROUNDS, metavar="N",
                        help="how often each is timed; the least time counts (%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the table to a file")
    parser.add_argument("--fast", action="store_true", help="of ours only the fast tier")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--calls", action="store_true", help="instead: what a call, an import and a first call cost")
    instead.add_argument("--fusion", action="store_true", help="instead: gelu(x + b) + r as one kernel and as three")


def main(given):
    """Print what was asked for as a table in Markdown or as JSON, or write it to a file."""
    if given.calls or given.fusion:
        use(max(given.threads or [machine.threads.processors()]))
    with contextlib.nullcontext() if given.output is None else open(given.output, "w", encoding="utf-8") as file:
        if given.calls:
            calls.show(given.json, file)
        elif given.fusion:
            fusion.show(given.size, given.dtype, given.rounds, given.json, file)
        else:
            names = [activation.name for activation in given.names]
            tiers = ("fast",) if given.fast else tuple(TIERS)
            show(cells.run(names, given.size, given.dtype, given.data, given.threads, given.together, given.rounds,
                           tiers), given.json, file)


def show(measured, as_json=False, file=None):
    """Print cells as they come with a summary behind them, or as JSON with versions and processor."""
    if as_json:
        about = machine.configuration()
        print(json.dumps({"versions": about["versions"], "cpu": about["cpu"], "results": list(measured)}, indent=1),
              file=file)
        return
    from tqdm import tqdm

    def write(line):
        tqdm.write(line, file=file)
    write("nanoseconds an element; ratio: ours / fastest other; c: bound by the copy\n")
    write(f"| function | | dtype | size | data | threads | {' | '.join(COLUMNS)} | exact ratio | fast ratio | |")
    write("|" + "---|" * (len(COLUMNS) + 9))
    done = []
    for cell in measured:
        done.append(cell)
        what = [cell[key] for key in ("name", "kind", "dtype", "size", "data", "threads")]
        times = [_shown(cell["times"].get(who)) for who in COLUMNS]
        ratios = [_shown(cell["ratios"].get(form), ".2f") for form in ("exact", "fast")]
        write(f"| {' | '.join(map(str, [*what, *times, *ratios, 'c' * cell['copy_bound']]))} |")
    print("", *cells.summary(done), sep="\n", file=file)


def _shown(number, form=".3g"):
    return "-" if number is None else f"{number:{form}}"
