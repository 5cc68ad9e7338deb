"""``python -m openfunnel_async``: the command line, also if it is not on the path."""

import sys

from openfunnel_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
