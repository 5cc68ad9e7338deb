"""The list of commands, and how their errors become messages and exit codes."""

import logging
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from cyclopts import (
    App,
    CycloptsError,
    Parameter,
    UnknownCommandError,
    UnusedCliTokensError,
)

from openfunnel_async import __version__
from openfunnel_async.cli._output.exit_codes import (
    MEANINGS,
    CommandError,
    ExitCode,
    error_fields,
    exit_code_of,
)
from openfunnel_async.cli._output.flag_names import describe_rejection
from openfunnel_async.cli._output.printer import LogHandler, Printer
from openfunnel_async.cli._output.streams import (
    describe_failure,
    failure_of,
    guard_streams,
)
from openfunnel_async.errors import (
    OpenFunnelError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
)

_PACKAGE = "openfunnel_async.cli._commands"
_COMMANDS = {
    "demo": "demo.command:run_demo",
    "sign-up": "sign_up:sign_up",
    "doctor": "doctor:check_setup",
    "balance": "account:print_balance",
    "estimate": "account:print_estimate",
    "submit": "submit:submit",
    "status": "status:print_status",
    "watch": "watch:watch_jobs",
    "fetch": "fetch:fetch_rows",
    "cancel": "cancel:cancel",
    "run": "run:run_search",
    "sandbox": "sandbox:run_sandbox",
    "completion": "completion:print_completion",
}
_HELP = """Run OpenFunnel's bulk lookalike jobs without spending by accident.

The key comes from OPENFUNNEL_API_KEY or a .env file, never from the command line.

Exit codes:

"""
_CODES = "\n".join(f"- {code:d}: {text}" for code, text in MEANINGS)

app = App(
    name="openfunnel-async",
    help=_HELP + _CODES,
    help_format="markdown",
    version=__version__,
    version_flags=("--version", "-V"),
    default_parameter=Parameter(negative="", show_default=False),
    # main() handles Ctrl-C.
    suppress_keyboard_interrupt=False,
)
for _place, (_name, _path) in enumerate(_COMMANDS.items()):
    # By its path, so that a command imports only its own module.
    app.command(f"{_PACKAGE}.{_path}", name=_name, sort_key=_place)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guard_streams():
        printer = Printer(json="--json" in words)
        if not words or words[0] in {"--help", "-h"}:
            _load_commands()
        code = _run_with_log(words, printer)
        return _add_output_failure(code, printer)


def _run_with_log(words: Sequence[str], printer: Printer) -> int:
    handler, logger = LogHandler(printer), logging.getLogger("openfunnel_async")
    level = logger.level
    logger.addHandler(handler)
    try:
        return _run(words, printer)
    except KeyboardInterrupt:
        if not printer.json:
            raise
        printer.print_error("interrupted", code=int(ExitCode.INTERRUPTED))
        return ExitCode.INTERRUPTED
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _run(words: Sequence[str], printer: Printer) -> int:
    try:
        code = app(
            words,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        text = _describe_usage_error(error, words)
        printer.print_error(text, code=int(ExitCode.USAGE))
        return ExitCode.USAGE
    except CommandError as error:
        printer.print_error(error.text, code=int(error.code), **error.fields)
        return error.code
    except OpenFunnelError as error:
        code = exit_code_of(error)
        text = _describe_error(error)
        printer.print_error(text, code=int(code), **error_fields(error))
        return code
    return code if isinstance(code, int) else ExitCode.OK


def _add_output_failure(code: int, printer: Printer) -> int:
    """Report that stdout has failed, and return the exit code.

    A reader that leaves, such as ``head``, has read what it wanted: no message.
    """
    failure = failure_of("stdout")
    if failure is None:
        return code
    code = code or ExitCode.FAILED
    if not isinstance(failure, BrokenPipeError):
        text = f"stdout failed: {describe_failure(failure)}"
        printer.print_error(text, code=int(code))
    return code


def _describe_usage_error(error: CycloptsError, words: Sequence[str]) -> str:
    """Describe in one line what is wrong, and name the command that prints the help."""
    if isinstance(error, UnknownCommandError):
        message = _describe_unknown_command(words[0] if words else "")
    elif isinstance(error, UnusedCliTokensError):
        message = f"Unexpected argument: {' '.join(error.unused_tokens or ())}."
    else:
        message = str(error).strip()
    command = f" {words[0]}" if words and words[0] in _COMMANDS else ""
    return f"{message} See: openfunnel-async{command} --help"


def _describe_unknown_command(word: str) -> str:
    kind = "flag" if word.startswith("-") else "command"
    similar = get_close_matches(word, _COMMANDS, n=1)
    question = f' Did you mean "{similar[0]}"?' if similar else ""
    return f'Unknown {kind} "{word}".{question}'


def _describe_error(error: OpenFunnelError) -> str:
    """Describe an error, with the flags or the command that it concerns."""
    if isinstance(error, SubmitOutcomeUnknownError) and error.job_id is not None:
        return f"{error}: openfunnel-async cancel {error.job_id}"
    if isinstance(error, RequestRejectedError):
        return describe_rejection(error)
    return str(error)


def _load_commands() -> None:
    """Import all commands, whose docstrings are in the list of the help."""
    for name in _COMMANDS:
        _ = app[name]
