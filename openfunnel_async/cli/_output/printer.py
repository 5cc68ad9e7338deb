"""Print for people and for programs.

For people: results on stdout, everything else on stderr. With ``--json``: one object a
line, results and progress on stdout, errors and warnings on stderr, so that neither a
``$(...)`` nor a ``jq`` mistakes one for the other.

If the stream of a message that names a job has failed, the message is printed to the
other one: somebody has to know which job bills.
"""

import json
import logging
import sys
from collections.abc import Mapping

import attrs

from openfunnel_async.cli._output.streams import (
    StreamName,
    describe_failure,
    failure_of,
)
from openfunnel_async.cli._output.text import one_line

_PROGRAM = "openfunnel-async"
# Progress has the id of a job as well, and is not worth the other stream.
_RECORDS = frozenset(
    {"submitted", "cancel", "exported", "sample", "left", "stopped", "error"}
)


@attrs.define(eq=False, kw_only=True)
class Printer:
    """Prints what one command reports.

    Attributes:
        json: Whether to print objects for a program.
        rows_on_stdout: Whether stdout is reserved for rows.
    """

    json: bool = False
    rows_on_stdout: bool = False

    @property
    def stdout_is_open(self) -> bool:
        """Whether stdout works."""
        return failure_of("stdout") is None

    def print_result(self, event: str, text: str, **fields: object) -> None:
        """Print what the command was called for."""
        self._print(self._event_stream, event, text, fields)

    def print_event(self, event: str, text: str, **fields: object) -> None:
        """Print what happens while the command works."""
        stream = self._event_stream if self.json else "stderr"
        self._print(stream, event, text, fields)

    def print_hint(self, text: str) -> None:
        """Print advice for people; programs get nothing."""
        if not self.json:
            _write("stderr", text)

    def print_error(self, text: str, **fields: object) -> None:
        """Print an error as one line."""
        message = one_line(text)
        shown = f"{_PROGRAM}: {message}"
        self._print("stderr", "error", shown, {"message": message} | fields)

    def print_warning(self, text: str) -> None:
        """Print a warning as one line."""
        message = one_line(text)
        shown = f"{_PROGRAM}: warning: {message}"
        self._print("stderr", "warning", shown, {"message": message})

    def print_log(self, level: str, text: str) -> None:
        """Print a record of the log as one line."""
        message = one_line(text)
        fields = {"level": level, "message": message}
        self._print("stderr", "log", f"{_PROGRAM}: {level}: {message}", fields)

    @property
    def _event_stream(self) -> StreamName:
        return "stderr" if self.rows_on_stdout else "stdout"

    def _print(
        self,
        stream: StreamName,
        event: str,
        text: str,
        fields: Mapping[str, object],
    ) -> None:
        # ASCII alone, so that any terminal and any locale can show it.
        shown = json.dumps({"event": event, **fields}) if self.json else text
        _write(stream, shown)
        failure = failure_of(stream)
        if failure is not None and _is_record(event, fields):
            self._print_to_other(stream, shown, failure)

    def _print_to_other(
        self, failed: StreamName, shown: str, failure: Exception
    ) -> None:
        """Print a message on the stream that works, if it may have messages."""
        if failed == "stdout":
            reason = f"{_PROGRAM}: stdout failed ({describe_failure(failure)}); "
            _write("stderr", shown if self.json else f"{reason}it lacks:\n{shown}")
        elif not self.rows_on_stdout:
            _write("stdout", shown)


def _is_record(event: str, fields: Mapping[str, object]) -> bool:
    """Whether a message names a job, and is more than its progress."""
    names_job = fields.get("job_id") or fields.get("job_ids")
    return event in _RECORDS and bool(names_job)


def _write(stream: StreamName, text: str) -> None:
    # A log is read while it grows, and block buffering would delay it.
    print(text, file=getattr(sys, stream), flush=True)


class LogHandler(logging.Handler):
    """Prints the warnings of the library; with --verbose its events, too."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(logging.WARNING)
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if record.levelno >= logging.WARNING:
            self._printer.print_warning(record.getMessage())
        else:
            self._printer.print_log(record.levelname.lower(), record.getMessage())


def log_events() -> None:
    """Print also what the library logs below warnings; for --verbose."""
    logger = logging.getLogger("openfunnel_async")
    logger.setLevel(logging.DEBUG)
    for handler in logger.handlers:
        if isinstance(handler, LogHandler):
            handler.setLevel(logging.DEBUG)
