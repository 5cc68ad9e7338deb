"""The list of commands, and how their errors become messages and exit codes."""

import logging
import sys
from collections.abc import Collection, Mapping, Sequence
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
    "batch": "",
    "book": "",
    "worker": "worker:run_worker",
    "mcp": "mcp:run_mcp_server",
    "sandbox": "sandbox:run_sandbox",
    "completion": "completion:print_completion",
}
_GROUPS = {
    "batch": (
        "Buy many searches as one batch, which continues after a crash.",
        {
            "plan": "batch_plan:plan_batch",
            "run": "batch_run:run_batch",
            "list": "batch_show:list_batches",
            "show": "batch_show:show_batch",
            "watch": "batch_watch:watch_batch",
            "cancel": "batch_cancel:cancel_batch",
            "resolve": "batch_resolve:resolve_entry",
            "export": "batch_export:export_batch",
        },
    ),
    "book": (
        "Read, check or copy the Book, the file that batches are in.",
        {
            "entries": "batch_show:show_entries",
            "diff": "book_diff:diff_batches",
            "known": "",
            "budget": "",
            "check": "book_care:check_book",
            "backup": "book_care:back_up_book",
        },
    ),
    "book known": (
        "Tell the Book which companies you have, so that they do not count as new.",
        {
            "add": "known:add_known",
            "list": "known:list_known",
            "count": "known:count_known",
            "remove": "known:remove_known",
        },
    ),
    "book budget": (
        "Limit the credits of a day, a month or in all, over all who use the budget.",
        {"set": "budget:set_budget", "show": "budget:show_budgets"},
    ),
}
"""The help and the commands of the commands that have commands of their own."""
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


def _add_commands(to: App, commands: Mapping[str, str], within: str = "") -> None:
    for place, (name, path) in enumerate(commands.items()):
        if not path:
            whole = f"{within} {name}".strip()
            text, inner = _GROUPS[whole]
            group = App(name=name, help=text, sort_key=place)
            _add_commands(group, inner, whole)
            to.command(group)
        else:
            # By its path, so that a command imports only its own module.
            to.command(f"{_PACKAGE}.{path}", name=name, sort_key=place)


_add_commands(app, _COMMANDS)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guard_streams():
        printer = Printer(json="--json" in words)
        _load_commands(words)
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
    known, place = _find_commands(words)
    if isinstance(error, UnknownCommandError):
        word = words[place] if len(words) > place else ""
        message = _describe_unknown_command(word, known)
    elif isinstance(error, UnusedCliTokensError):
        message = f"Unexpected argument: {' '.join(error.unused_tokens or ())}."
    else:
        message = str(error).strip()
    named = [*words[:place], *(word for word in words[place:][:1] if word in known)]
    command = "".join(f" {word}" for word in named)
    return f"{message} See: openfunnel-async{command} --help"


def _find_commands(words: Sequence[str]) -> tuple[Collection[str], int]:
    """Return the commands that the words may name, and the place of the name."""
    for place in (2, 1):
        group = " ".join(words[:place])
        if group in _GROUPS:
            return _GROUPS[group][1], place
    return _COMMANDS, 0


def _describe_unknown_command(word: str, known: Collection[str]) -> str:
    kind = "flag" if word.startswith("-") else "command"
    similar = get_close_matches(word, known, n=1)
    question = f' Did you mean "{similar[0]}"?' if similar else ""
    return f'Unknown {kind} "{word}".{question}'


def _describe_error(error: OpenFunnelError) -> str:
    """Describe an error, with the flags or the command that it concerns."""
    if isinstance(error, SubmitOutcomeUnknownError) and error.job_id is not None:
        return f"{error}: openfunnel-async cancel {error.job_id}"
    if isinstance(error, RequestRejectedError):
        return describe_rejection(error)
    return str(error)


def _load_commands(words: Sequence[str]) -> None:
    """Import all commands whose docstrings are in the list of the help."""
    names, place = _find_commands(words)
    is_list = [*words[place:]][:1] in ([], ["--help"], ["-h"])
    if not is_list:
        return
    listed = app
    for group in words[:place]:
        listed = listed[group]
    for name in names:
        _ = listed[name]
