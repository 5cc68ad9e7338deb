"""The commands: what each takes, and what its exit code says."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from openfunnel_async import __version__
from openfunnel_async.cli import _demo
from openfunnel_async.cli._csv_file import check_writable
from openfunnel_async.errors import OpenFunnelError

_FAILED = 1
_WRONG_COMMAND = 2

app = App(
    name="openfunnel-async",
    help="Run OpenFunnel's bulk lookalike jobs without spending by accident.",
    version=__version__,
    # Ctrl-C has its own last words, in main().
    suppress_keyboard_interrupt=False,
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(words, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return _WRONG_COMMAND
    return code if isinstance(code, int) else 0


@app.command
def demo(*, output: Path = Path("companies.csv")) -> int:
    """Act three overlapping jobs out against a local sandbox, for free.

    Takes about ten seconds and needs no key, no account and no network. One job runs
    to its end, one is cancelled when enough rows are in, and one has already finished
    when its cancel arrives. The rows are the same on every run.

    Args:
        output: Where to put the companies, one line each. An existing file is
            overwritten.
    """
    try:
        check_writable(output)
    except OSError as error:
        return _complain(f"cannot write {output}: {error.strerror}", _WRONG_COMMAND)
    code = _FAILED
    try:
        code = _demo.run(output)
    except* OpenFunnelError as group:
        _complain(f"the demo failed: {group.exceptions[0]}", _FAILED)
    except* BrokenPipeError:
        # Whoever read the output has gone; the interpreter's last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except* OSError as group:
        _complain(f"the demo failed: {group.exceptions[0]}", _FAILED)
    return code


def _complain(text: str, code: int) -> int:
    print(f"openfunnel-async: {text}", file=sys.stderr)
    return code
