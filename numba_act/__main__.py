"""The command line: `python -m numba_act` or `numba-act`."""
import argparse
import sys

from . import demo, machine, plotting
from .backends import STORED
from .declare import activations, get
from .runtime import threads

OPTIONAL = "matplotlib", "sklearn", "ml_dtypes"  # packages that a command may lack


def main(arguments=None):
    """Run a command and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] not in OPTIONAL:
            raise
        print(f"numba-act: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"numba-act: {error}", file=sys.stderr)
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
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

    _command(commands, _list, "show every activation: name, aliases, parameters, formula")

    command = _command(commands, _plot, "draw some activations and their gradients")
    command.add_argument("names", nargs="+", type=_activation, metavar="NAME", help="an activation")
    _output(command, "plot.png")

    _output(_command(commands, _gallery, "draw all activations and their gradients"), "gallery.png")

    command = _command(commands, _warmup, "compile activations and their gradients now")
    command.add_argument("names", nargs="*", type=_activation, metavar="NAME", help="an activation (default: all)")
    command.add_argument("--dtype", nargs="+", choices=STORED, default=machine.DTYPES, metavar="DTYPE",
                         help=f"of {', '.join(STORED)} (default: {' and '.join(machine.DTYPES)})")

    _command(commands, _info, "show versions, processor, cache and threads")
    return parser


def _command(commands, run, words):
    command = commands.add_parser(run.__name__[1:], help=words, description=words[0].upper() + words[1:] + ".")
    command.set_defaults(run=run)
    return command


def _output(command, default):
    command.add_argument("-o", "--output", default=default, metavar="FILE", help="the image (%(default)s)")


def _activation(name):
    try:
        return get(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(error) from None


def _positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


def _demo(given):
    demo.run(given.epochs, given.output)


def _list(given):
    rows = [(a.name, ", ".join(a.aliases), ", ".join(f"{name}={value:.4g}" for name, value in a.defaults.items()),
             a.formula or "") for a in activations.values()]
    table = [("name", "aliases", "parameters", "formula"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _plot(given):
    plotting.side_by_side(given.names, given.output)
    print(given.output)


def _gallery(given):
    plotting.gallery(given.output)
    print(given.output)


def _warmup(given):
    machine.warmup(given.names or None, given.dtype)


def _info(given):
    threads.start()
    machine.show_config()


if __name__ == "__main__":
    sys.exit(main())
