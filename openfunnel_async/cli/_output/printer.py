"""Print for people and for programs.

For people: results on stdout, everything else on stderr. With ``--json``: one object a
line, results and progress on stdout, errors and warnings on stderr, so that neither a
``$(...)`` nor a ``jq`` mistakes one for the other.
"""

import contextlib
import io
import json
import logging
import os
import sys
from typing import TextIO

import attrs

from openfunnel_async.cli._output.text import one_line

_PROGRAM = "openfunnel-async"


@attrs.define(eq=False, kw_only=True)
class Printer:
    """Prints what one command reports.

    Attributes:
        json: Whether to print objects for a program.
        rows_on_stdout: Whether stdout is reserved for rows.
        stdout_is_open: Whether stdout still has a reader.
    """

    json: bool = False
    rows_on_stdout: bool = False
    stdout_is_open: bool = True

    def print_result(self, event: str, text: str, **fields: object) -> None:
        """Print what the command was called for."""
        self._print(self._event_stream, event, text, fields)

    def print_event(self, event: str, text: str, **fields: object) -> None:
        """Print what happens while the command works."""
        stream = self._event_stream if self.json else sys.stderr
        self._print(stream, event, text, fields)

    def print_hint(self, text: str) -> None:
        """Print advice for people; programs get nothing."""
        if not self.json:
            self._write(sys.stderr, text)

    def print_error(self, text: str, **fields: object) -> None:
        """Print an error as one line."""
        message = one_line(text)
        shown = f"{_PROGRAM}: {message}"
        self._print(sys.stderr, "error", shown, {"message": message} | fields)

    def print_warning(self, text: str) -> None:
        """Print a warning as one line."""
        message = one_line(text)
        shown = f"{_PROGRAM}: warning: {message}"
        self._print(sys.stderr, "warning", shown, {"message": message})

    @property
    def _event_stream(self) -> TextIO:
        return sys.stderr if self.rows_on_stdout else sys.stdout

    def _print(
        self, stream: TextIO, event: str, text: str, fields: dict[str, object]
    ) -> None:
        # ASCII alone, so that any terminal and any locale can show it.
        shown = json.dumps({"event": event, **fields}) if self.json else text
        self._write(stream, shown)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            # A log is read while it grows, and block buffering would delay it.
            print(text, file=stream, flush=True)
        except OSError:
            # A full disk or a closed pipe must not end a command that has a job.
            self.close(stream)

    def close(self, stream: TextIO) -> None:
        """Stop writing to a stream that has no reader any more."""
        if stream is sys.stdout:
            self.stdout_is_open = False
        discard_output(stream)


class WarningHandler(logging.Handler):
    """Prints the library's warnings as the command's own."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(logging.WARNING)
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        """Print one warning."""
        self._printer.print_warning(record.getMessage())


def discard_output(stream: TextIO) -> None:
    """Discard what is written to a stream without a reader, its last flush included."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def replace_closed_streams() -> None:
    """Open a stream that fails in place of a stdout or stderr that is closed.

    Python has None there, and ``print()`` would write to the other stream or nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _ClosedStream())


class _ClosedStream(io.StringIO):
    """Fails at each write, as a pipe without a reader does."""

    def write(self, text: str, /) -> int:
        """Fail."""
        raise BrokenPipeError(len(text))


def escape_unencodable_characters() -> None:
    """Escape every character that the encoding of stdout or stderr lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
