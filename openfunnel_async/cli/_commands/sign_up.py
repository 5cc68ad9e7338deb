"""``sign-up``: get an API key, and write it into a file."""

import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar, cast

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    KEY_VARIABLE,
    agent_auth,
)
from openfunnel_async.agent_auth import AgentKey
from openfunnel_async.cli import _env_file
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.prompts import can_ask, read_answer
from openfunnel_async.cli._settings import (
    DEFAULT_FILE,
    Json,
    NetworkFlags,
    read_settings,
)
from openfunnel_async.errors import ConfigurationError, RequestRejectedError

T = TypeVar("T")
_BETWEEN_DIGITS = re.compile(r"[\s-]")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class KeyFileFlags:
    """Where to write the key, and whether to print it."""

    env_file: Annotated[
        Path, Parameter(help="The file to write the key to, readable by you alone.")
    ] = DEFAULT_FILE
    replace: Annotated[
        bool, Parameter(help="Replace a key that the file already has.")
    ] = False
    show_key: Annotated[bool, Parameter(help="Also print the key on stdout.")] = False

    def check_file(self) -> None:
        """Check, before a code is used, that the key can be written.

        Raises:
            CommandError: The file cannot be written, or already has a key.
        """
        path = self.env_file
        try:
            _env_file.check_writable(path)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from None
        if path.exists() and KEY_VARIABLE in read_settings(path) and not self.replace:
            raise CommandError(
                f"{path} already has a key. Name another file with --env-file, or "
                "replace the key with --replace. Nothing was sent"
            )

    def write_key(self, key: AgentKey, origin: str) -> None:
        """Write the key, and its address unless that is OpenFunnel's own.

        Raises:
            CommandError: The file cannot be written.
        """
        address = None if origin == DEFAULT_BASE_URL else origin
        settings = {KEY_VARIABLE: key.api_key, BASE_URL_VARIABLE: address}
        try:
            _env_file.write_file(self.env_file, settings)
        except OSError as error:
            raise CommandError(
                f"the key could not be written to {self.env_file} ({error.strerror}) "
                "and is shown only once; sign up again with the same address to "
                "recover the account",
                ExitCode.FAILED,
            ) from None


def sign_up(
    *,
    email: Annotated[
        str | None, Parameter(help="Your mail address; read from stdin if not set.")
    ] = None,
    code: Annotated[
        str | None,
        Parameter(help="The code from the mail; with it, no mail is sent."),
    ] = None,
    key_file: KeyFileFlags = KeyFileFlags(),
    network: NetworkFlags = NetworkFlags(),  # noqa: B008 -- frozen
    json: Json = False,
) -> ExitCode:
    """Get an API key for a mail address, and write it into a .env file.

    The service sends a six-digit code to the address, and returns the key for the
    code. In a pipe, the address and the code are read from stdin, one line each. To
    recover an account, sign up again with its address.
    """
    printer, origin = Printer(json=json), network.check_origin(network.base_url)
    key_file.check_file()
    email = email or _read("Mail address: ", printer, "address; use --email")
    email = email.strip()
    if code is None:
        _call(network, partial(agent_auth.sign_up, email, base_url=origin))
        text = f"A code was sent to {email}; it is valid for 24 hours."
        printer.print_event("code_sent", text, email=email)
    key = _verify(email, code, origin, network, printer)
    key_file.write_key(key, origin)
    _print_key(printer, key, key_file)
    return ExitCode.OK


def _call(network: NetworkFlags, function: Callable[..., Awaitable[T]]) -> T:
    """Call an async function with a transport, on a new event loop."""

    async def call() -> T:
        transport = network.open_transport()
        try:
            return await function(transport=transport)
        finally:
            await transport.aclose()

    return anyio.run(call)


def _verify(
    email: str, code: str | None, origin: str, network: NetworkFlags, printer: Printer
) -> AgentKey:
    """Return the key for the code; on a terminal, ask again after a wrong code."""
    words = ("sign-up", "--email", email, "--code", "CODE", *network.format_flags())
    later = shlex.join(("openfunnel-async", *words))
    while True:
        typed = code or _read("Code: ", printer, f"code; with the code, run: {later}")
        digits = _BETWEEN_DIGITS.sub("", typed)
        verify = partial(agent_auth.verify, email, digits, base_url=origin)
        try:
            return _call(network, verify)
        except (RequestRejectedError, ConfigurationError) as error:
            if code is not None or not (can_ask(printer) and _is_mistyped(error)):
                raise
            printer.print_error(str(error))


def _is_mistyped(error: RequestRejectedError | ConfigurationError) -> bool:
    """Whether the code was wrong; a new attempt with an expired one fails again."""
    if isinstance(error, ConfigurationError):
        return True
    return "OTP_INVALID" in _error_codes(error.detail)


def _error_codes(detail: object) -> list[object]:
    """Return the error codes of an answer, which is nested in more than one way."""
    if not isinstance(detail, Mapping):
        return []
    top = cast("Mapping[str, object]", detail)
    places = (top, top.get("detail"), top.get("error"))
    return [
        cast("Mapping[str, object]", place).get("error_code")
        for place in places
        if isinstance(place, Mapping)
    ]


def _read(prompt: str, printer: Printer, missing: str) -> str:
    """Read a line of stdin, with a prompt on a terminal.

    Raises:
        CommandError: There is no line.
    """
    line = read_answer(prompt, printer)
    if not line:
        raise CommandError(f"stdin has no {missing}")
    return line


def _print_key(printer: Printer, key: AgentKey, key_file: KeyFileFlags) -> None:
    account = "an existing account" if key.is_new_user is False else "a new account"
    if key.is_new_user is None:
        account = "an account"
    path = key_file.env_file
    shown = {"api_key": str(key.api_key)} if key_file.show_key else {}
    printer.print_hint(
        f"The key of {account} is in {path}, which only you can read; keep it out of "
        f"version control.\nCheck it: {_format_doctor(path)}\n"
        "This command line reads the file; a program with OpenFunnel() does not. Load "
        f"it in the program's shell:\n  {_format_load(path)}"
    )
    if printer.json or key_file.show_key:
        printer.print_result(
            "signed_up",
            str(key.api_key),
            email=key.email,
            is_new_user=key.is_new_user,
            env_file=str(path),
            **shown,
        )


def _format_doctor(path: Path) -> str:
    """Return the command that checks the key in a file."""
    flag = () if path == DEFAULT_FILE else ("--env-file", str(path))
    return shlex.join(("openfunnel-async", "doctor", *flag))


def _format_load(path: Path) -> str:
    """Return the line that puts the settings of a file into the environment."""
    # Without a slash, the shell would search the PATH.
    named = str(path) if "/" in str(path) else f"./{path}"
    return f"set -a; . {shlex.quote(named)}; set +a"
