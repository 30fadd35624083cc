"""The command line: `python -m numba_act` or `numba-act`."""
import argparse
import json
import os
import re
import sys

from . import math, plotting
from .backends.dtypes import STORED
from .declare import activations, of_numbers
from .runtime import threads
from .tools import demo, machine
from .tools.accuracy import command as accuracy
from .tools.bench import command as bench

# packages that a command may lack
OPTIONAL = "matplotlib", "sklearn", "ml_dtypes", "mpmath", "torch", "jax", "scipy"
INTERRUPTED = 130                                # as a shell reports it
RANGE = "lo", "hi"                               # of a plot, and of x
NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|-inf$", re.IGNORECASE)   # a number, not an option


def main(arguments=None):
    """Run a command and return its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except ModuleNotFoundError as error:
        package = error.name.partition(".")[0]
        if package not in OPTIONAL:
            raise
        hint = "" if "pip install" in str(error) else f": pip install {package}"
        print(f"numba-act: {error}{hint}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"numba-act: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(**options)
        self._negative_number_matcher = NEGATIVE # argparse's own knows no exponents before Python 3.14

    def error(self, message):
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser():
    parser = _Parser(prog="numba-act", description="Activation functions for NumPy arrays.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = _command(commands, _demo, "train a small network with every activation and draw them all")
    command.add_argument("--epochs", type=_positive, default=demo.EPOCHS, metavar="N",
                         help="passes over the data (%(default)s)")
    _output(command, "gallery.png")

    _json(_command(commands, _list, "show every activation: name, aliases, parameters, formula"))

    command = _command(commands, _plot, "draw some activations and their gradients")
    _names(command, "+", "an activation")
    _output(command, "plot.png")
    group = command.add_argument_group("parameters", "one number, or several for a curve each")
    for name, owners in _parameters().items():
        group.add_argument(f"--{name}", nargs="+", type=float, metavar="NUMBER", help=f"of {', '.join(owners)}")
    group = command.add_argument_group("the range of x", "--lo and --hi as well, where they are no parameters")
    for name in RANGE:
        group.add_argument(f"--{name}_", nargs=1, type=float, metavar="NUMBER")

    _output(_command(commands, _gallery, "draw all activations and their gradients"), "gallery.png")

    command = _command(commands, _bench, "time activations beside PyTorch, JAX and ONNX Runtime, where installed")
    _names(command, "*", f"an activation (default: {', '.join(bench.cells.CORE)})")
    _dtypes(command, STORED, ("float32", "float64"))
    bench.add_arguments(command, _positive)
    _json(command)

    command = _command(commands, _accuracy, "measure the errors of activations and their gradients")
    _names(command, "*")
    _dtypes(command, STORED, STORED)
    accuracy.add_arguments(command)
    _json(command)

    command = _command(commands, _warmup, "compile activations and their gradients now")
    _names(command, "*")
    _dtypes(command, STORED, machine.DTYPES)

    _json(_command(commands, _info, "show versions, processor, cache and threads"))
    return parser


def _command(commands, run, words):
    command = commands.add_parser(run.__name__[1:], help=words, description=words[0].upper() + words[1:] + ".")
    command.set_defaults(run=run, refuse=command.error)
    return command


def _names(command, count, words="an activation (default: all)"):
    command.add_argument("names", nargs=count, type=_activation, metavar="NAME", help=words)


def _dtypes(command, choices, default):
    command.add_argument("--dtype", nargs="+", choices=choices, default=default, metavar="DTYPE",
                         help=f"of {', '.join(choices)} (default: {', '.join(default)})")


def _output(command, default):
    command.add_argument("-o", "--output", type=_image, default=default, metavar="FILE", help="the image (%(default)s)")


def _json(command):
    command.add_argument("--json", action="store_true", help="print JSON")


def _activation(name):
    """That of the name, or as math.sin a function of numba_act.math."""
    module, _, function = name.rpartition(".")
    if module == "math" and function in math.__all__:
        return getattr(math, function)
    try:
        return of_numbers(name)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(error) from None


def _positive(text):
    """1000 or 1e3."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if number < 1 or number % 1:                 # NaN and infinity leave no 0
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(number)


def _image(path):
    """The file that is written: a PNG where the name has no ending."""
    if not os.path.basename(path) or os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{path!r} is not the name of a file")
    return path if os.path.splitext(path)[1] else f"{path}.png"


def _parameters():
    """Every parameter's name, with the activations that have it."""
    owners = {}
    for activation in activations.values():
        for name in activation.params:
            owners.setdefault(name, []).append(activation.name)
    return owners


def _demo(given):
    demo.run(given.epochs, given.output)


def _list(given):
    if given.json:
        print(json.dumps([{"name": a.name, "aliases": a.aliases, "operands": a.operands, "parameters": dict(a.defaults),
                           "formula": a.formula} for a in activations.values()], indent=1))
        return
    rows = [(a.name, ", ".join(a.aliases), ", ".join(f"{name}={value:.4g}" for name, value in a.defaults.items()),
             a.formula or "") for a in activations.values()]
    table = [("name", "aliases", "parameters", "formula"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _plot(given):
    chosen = {name: getattr(given, name) for name in _parameters() if getattr(given, name) is not None}
    own = {name for activation in given.names for name in activation.params}
    ends = {name: getattr(given, f"{name}_") or (None if name in own else chosen.pop(name, None)) for name in RANGE}
    for name in chosen:
        if name not in own:
            given.refuse(f"--{name} is a parameter of none of {', '.join(a.name for a in given.names)}")
    for name, numbers in ends.items():
        if numbers is not None and len(numbers) > 1:
            given.refuse(f"--{name} is an end of the range of x: one number")
    ends = {f"{name}_" if name in own else name: numbers[0] for name, numbers in ends.items() if numbers}
    plotting.picture(given.names, given.output, **ends, **chosen)
    print(given.output)


def _gallery(given):
    plotting.gallery(given.output)
    print(given.output)


def _bench(given):
    for instead in ("fusion", "calls"):
        if getattr(given, instead) and given.names:
            given.refuse(f"--{instead} is of functions of its own; no names are accepted beside it")
    bench.main(given)


def _accuracy(given):
    accuracy.main(given)


def _warmup(given):
    machine.warmup(given.names or None, given.dtype)


def _info(given):
    threads.start()
    if given.json:
        print(json.dumps(machine.configuration(), indent=1))
    else:
        machine.show_config()


if __name__ == "__main__":
    sys.exit(main())
