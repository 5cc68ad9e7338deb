"""``openfunnel-async``: the command line; it needs the extra ``[cli]``."""

import contextlib
import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = frozenset({"cyclopts", "rich"})
_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; those of this process by default.

    Returns:
        The exit code; ``--help`` lists them.
    """
    try:
        from openfunnel_async.cli._app import run  # noqa: PLC0415 -- may be missing

        return run(arguments)
    except ImportError as error:
        if _missing(error) not in _EXTRA:
            raise
        _print_error(
            "The command line needs the packages cyclopts and rich. In a checkout of "
            'openfunnel-async: pip install ".[cli]"'
        )
        return _FAILED
    except KeyboardInterrupt:
        _print_error("Interrupted.")
        return _INTERRUPTED


def _print_error(text: str) -> None:
    """Print on stderr, if there is one that works."""
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] -- if it was closed
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def _missing(error: ImportError) -> str:
    """Return the package that is missing, also if the import of a command failed."""
    while isinstance(error.__cause__, ImportError):
        error = error.__cause__
    return (error.name or "").partition(".")[0]
