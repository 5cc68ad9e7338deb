"""Ask the user on a terminal."""

import sys

from openfunnel_async.cli._output.printer import Printer


def can_ask(printer: Printer) -> bool:
    """Whether somebody can read a question and answer it."""
    return not printer.json and _is_terminal_stdin() and sys.stderr.isatty()


def read_answer(prompt: str, printer: Printer) -> str:
    """Return a line of stdin, with a prompt on a terminal; empty if there is none."""
    if can_ask(printer):
        sys.stderr.write(prompt)
        sys.stderr.flush()
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] -- if it was closed
        return ""
    try:
        return sys.stdin.readline().strip()
    except (OSError, ValueError):
        return ""  # The terminal is gone, or the bytes are no text.


def is_agreed(question: str, printer: Printer) -> bool:
    """Ask on a terminal; return whether the answer is yes."""
    return read_answer(f"{question} [y/N] ", printer).lower() in {"y", "yes"}


def _is_terminal_stdin() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison] -- if it was closed
    except (OSError, ValueError):
        return False
