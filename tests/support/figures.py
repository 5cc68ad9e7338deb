"""The figures of docs/promises.md: a test says what it saw, `pytest -s` shows it."""

import sys

__all__ = ["measured"]


def measured(what: str) -> None:
    """Say what was measured."""
    sys.stdout.write(f"\nmeasured: {what}\n")
