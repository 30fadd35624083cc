"""The command line: `python -m numba_act` or `numba-act`."""
import argparse
import json
import os
import re
import sys

from . import plotting
from .backends.dtypes import STORED
from .declare import activations, get
from .runtime import threads
from .tools import bench, demo, machine
from .tools.accuracy import command as accuracy

# packages that a command may lack
OPTIONAL = "matplotlib", "sklearn", "ml_dtypes", "mpmath", "torch", "jax", "scipy"
INTERRUPTED = 130                                # as a shell reports it
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

    _output(_command(commands, _gallery, "draw all activations and their gradients"), "gallery.png")

    command = _command(commands, _bench, "time activations beside PyTorch, JAX and ONNX Runtime, where installed")
    _names(command, "*")
    command.add_argument("--size", nargs="+", type=_positive, default=bench.SIZES, metavar="N",
                         help="numbers in an array (10 to 16 million)")
    _dtypes(command, bench.DTYPES, bench.DTYPES)
    command.add_argument("--rounds", type=_positive, default=bench.ROUNDS, metavar="N",
                         help="how often each is timed; the least time counts (%(default)s)")
    command.add_argument("--threads", type=_positive, metavar="N", help="default: the processors there are")
    command.add_argument("--fusion", action="store_true", help="instead: gelu(x + b) + r as one kernel and as three")
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
    try:
        return get(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(error) from None


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


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
    for name in chosen:
        if not any(name in activation.params for activation in given.names):
            given.refuse(f"--{name} is a parameter of none of {', '.join(a.name for a in given.names)}")
    plotting.picture(given.names, given.output, **chosen)
    print(given.output)


def _gallery(given):
    plotting.gallery(given.output)
    print(given.output)


def _bench(given):
    if given.fusion:
        if given.names:
            given.refuse("--fusion is of gelu(x + b) + r; no names are accepted beside it")
        bench.show_fusion(given.size, given.dtype, given.rounds, given.threads, given.json)
        return
    bench.main([activation.name for activation in given.names], given.size, given.dtype, given.rounds, given.threads,
               given.json)


def _accuracy(given):
    accuracy.main(given.names or None, given.dtype, given.exhaustive, given.against, given.json, given.output)


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
