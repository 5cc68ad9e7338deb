"""``openfunnel-async``: the command line; it needs the extra ``[cli]``."""

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
        print(
            "The command line needs two more packages: "
            'pip install "openfunnel-async[cli]"',
            file=sys.stderr,
        )
        return _FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED


def _missing(error: ImportError) -> str:
    """Return the package that is missing, also if the import of a command failed."""
    while isinstance(error.__cause__, ImportError):
        error = error.__cause__
    return (error.name or "").partition(".")[0]
