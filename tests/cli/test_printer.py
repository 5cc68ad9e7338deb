"""What is printed: harmless on a terminal, complete for a program; the exit codes."""

import json
import logging

import pytest

from openfunnel_async import (
    AuthenticationError,
    ConfigurationError,
    CreditCapError,
    IncompleteResultsError,
    InsufficientCreditsError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    LookalikeSearch,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    TransportError,
)
from openfunnel_async.cli._output.exit_codes import ExitCode, exit_code_of, worst_of
from openfunnel_async.cli._output.printer import LogHandler, Printer
from openfunnel_async.cli._output.text import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Śnieg 東京 🚀", "Śnieg 東京 🚀"),
        ("a\nb\r\nc\td", "a b c d"),
        ("\x1b[2Jgone", "[2Jgone"),
        ("\x9b2Jgone\x00\x7f", "2Jgone"),
        ("left\u202ethgir\u2066", "leftthgir"),
        ("half \ud800", "half "),
    ],
)
def test_nothing_moves_the_cursor(text: str, shown: str) -> None:
    """Caught: the controls above ASCII left, of which one begins an escape."""
    assert one_line(text) == shown


def test_an_error_is_one_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(json=True).print_error("a\x1b[0m\nb \u9999", code=1)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.isascii()
    assert json.loads(printed.err) == {
        "event": "error",
        "message": "a[0m b \u9999",
        "code": 1,
    }


def test_stdout_is_left_to_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(json=True, rows_on_stdout=True)
    printer.print_result("exported", "")
    printer.print_event("progress", "")
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 2)


def test_a_warning_of_the_library_is_printed_as_the_command_s(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = logging.makeLogRecord(
        {"msg": "odd %s", "args": ("rows\n",), "levelno": logging.WARNING}
    )
    LogHandler(Printer()).emit(record)
    assert capsys.readouterr().err == "openfunnel-async: warning: odd rows\n"


SEARCH = LookalikeSearch(query="x")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError(""), 2),
        (CreditCapError(""), 5),
        (TransportError("", False), 1),
        (AuthenticationError("", 401), 6),
        (JobNotFoundError("", 404), 1),
        (InsufficientCreditsError("", 400), 5),
        (SubmitOutcomeUnknownError("", SEARCH), 7),
        (JobFailedError("", "a-job"), 3),
        (JobCancelledError("", "a-job"), 4),
        (IncompleteResultsError("", "a-job"), 4),
    ],
)
def test_each_error_has_its_exit_code(error: OpenFunnelError, code: int) -> None:
    assert exit_code_of(error) == code


def test_of_several_jobs_the_worst_counts() -> None:
    assert worst_of([]) is ExitCode.OK
    assert (
        worst_of([ExitCode.OK, ExitCode.PARTIAL, ExitCode.JOB_FAILED])
        is ExitCode.JOB_FAILED
    )
    assert worst_of([ExitCode.KEY, ExitCode.FAILED]) is ExitCode.KEY
    for code in ExitCode:
        if code not in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:
            assert worst_of([ExitCode.OK, code]) is code
