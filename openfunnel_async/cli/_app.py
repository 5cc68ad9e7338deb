"""The commands, and what becomes of the errors that end them."""

import logging
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from openfunnel_async import __version__
from openfunnel_async.cli._exits import (
    MEANINGS,
    CommandError,
    Exit,
    exit_of,
    facts_of,
)
from openfunnel_async.cli._say import Relay, Voice, be_readable, mute
from openfunnel_async.errors import OpenFunnelError, SubmitOutcomeUnknownError

_HERE = "openfunnel_async.cli"
_COMMANDS = {
    "demo": "demo._command:demo",
    "sign-up": "_sign_up:sign_up",
    "doctor": "_doctor:doctor",
    "balance": "_account:balance",
    "estimate": "_account:estimate",
    "submit": "_jobs:submit",
    "status": "_jobs:status",
    "watch": "_watch:watch",
    "fetch": "_fetch:fetch",
    "cancel": "_jobs:cancel",
    "run": "_run:run",
    "sandbox": "_sandbox:sandbox",
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
    # Ctrl-C has its own last words, in main().
    suppress_keyboard_interrupt=False,
)
for _place, (_name, _path) in enumerate(_COMMANDS.items()):
    # By its path, so that a command costs its own imports and nobody else's.
    app.command(f"{_HERE}.{_path}", name=_name, sort_key=_place)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    be_readable()
    voice = Voice(json="--json" in words)
    if not words or words[0] in {"--help", "-h"}:
        _load_all()
    relay, logger = Relay(voice), logging.getLogger("openfunnel_async")
    logger.addHandler(relay)
    try:
        return _run(words, voice)
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter's last flush must not fail.
        mute(sys.stdout)
        return Exit.FAILED
    except KeyboardInterrupt:
        if not voice.json:
            raise
        voice.error("interrupted", code=int(Exit.INTERRUPTED))
        return Exit.INTERRUPTED
    finally:
        logger.removeHandler(relay)


def _run(words: Sequence[str], voice: Voice) -> int:
    try:
        code = app(
            words,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        voice.error(_with_help(str(error), words), code=int(Exit.USAGE))
        return Exit.USAGE
    except CommandError as error:
        voice.error(error.text, code=int(error.code), **error.facts)
        return error.code
    except OpenFunnelError as error:
        code = exit_of(error)
        voice.error(_with_cancel(error), code=int(code), **facts_of(error))
        return code
    return code if isinstance(code, int) else Exit.OK


def _with_help(text: str, words: Sequence[str]) -> str:
    """Point to the help of the command that was meant."""
    said = text.strip().rstrip(".")
    end = "" if said.endswith(("?", "!")) else "."
    command = f" {words[0]}" if words and words[0] in _COMMANDS else ""
    return f"{said}{end} See: openfunnel-async{command} --help"


def _with_cancel(error: OpenFunnelError) -> str:
    """Point to the command that stops a job which was made and not heard of."""
    if isinstance(error, SubmitOutcomeUnknownError) and error.job_id is not None:
        return f"{error}: openfunnel-async cancel {error.job_id}"
    return str(error)


def _load_all() -> None:
    """Load the commands, for the list of them has a line of each one's help."""
    for name in _COMMANDS:
        _ = app[name]
