"""Speed beside other libraries, as `numba-act bench`: `python ci/bench.py [NAME...] [--size N...] [--json]`."""
import sys

from numba_act.__main__ import main

if __name__ == "__main__":                       # the contenders' processes import this file
    sys.exit(main(["bench", *sys.argv[1:]]))
