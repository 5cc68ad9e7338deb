"""The list of commands, and how their errors become messages and exit codes."""

import logging
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from openfunnel_async import __version__
from openfunnel_async.cli._output.exit_codes import (
    MEANINGS,
    CommandError,
    ExitCode,
    error_fields,
    exit_code_of,
)
from openfunnel_async.cli._output.printer import (
    Printer,
    WarningHandler,
    discard_output,
    escape_unencodable_characters,
    replace_closed_streams,
)
from openfunnel_async.errors import OpenFunnelError, SubmitOutcomeUnknownError

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
    replace_closed_streams()
    escape_unencodable_characters()
    printer = Printer(json="--json" in words)
    if not words or words[0] in {"--help", "-h"}:
        _load_commands()
    handler, logger = WarningHandler(printer), logging.getLogger("openfunnel_async")
    logger.addHandler(handler)
    try:
        return _run(words, printer)
    except BrokenPipeError:
        # The reader has left; the interpreter's last flush must not fail.
        discard_output(sys.stdout)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        if not printer.json:
            raise
        printer.print_error("interrupted", code=int(ExitCode.INTERRUPTED))
        return ExitCode.INTERRUPTED
    finally:
        logger.removeHandler(handler)


def _run(words: Sequence[str], printer: Printer) -> int:
    try:
        code = app(
            words,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        printer.print_error(_add_help(str(error), words), code=int(ExitCode.USAGE))
        return ExitCode.USAGE
    except CommandError as error:
        printer.print_error(error.text, code=int(error.code), **error.fields)
        return error.code
    except OpenFunnelError as error:
        code = exit_code_of(error)
        printer.print_error(_add_cancel(error), code=int(code), **error_fields(error))
        return code
    return code if isinstance(code, int) else ExitCode.OK


def _add_help(text: str, words: Sequence[str]) -> str:
    """Add the command that prints the help."""
    message = text.strip().rstrip(".")
    end = "" if message.endswith(("?", "!")) else "."
    command = f" {words[0]}" if words and words[0] in _COMMANDS else ""
    return f"{message}{end} See: openfunnel-async{command} --help"


def _add_cancel(error: OpenFunnelError) -> str:
    """Add the command that cancels the job of a submit with an unknown outcome."""
    if isinstance(error, SubmitOutcomeUnknownError) and error.job_id is not None:
        return f"{error}: openfunnel-async cancel {error.job_id}"
    return str(error)


def _load_commands() -> None:
    """Import all commands, whose docstrings are in the list of the help."""
    for name in _COMMANDS:
        _ = app[name]
