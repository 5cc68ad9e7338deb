"""``sign-up``: a key for somebody who has none, into a file of its own."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import agent_auth
from openfunnel_async._client.settings import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    KEY_VARIABLE,
)
from openfunnel_async.agent_auth import AgentKey
from openfunnel_async.cli import _env_file
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli._settings import (
    DEFAULT_FILE,
    Json,
    origin_of,
    read_settings,
)
from openfunnel_async.errors import ConfigurationError, RequestRejectedError

_BETWEEN_DIGITS = re.compile(r"[\s-]")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Keeping:
    """Where the key is kept, and who sees it."""

    env_file: Annotated[
        Path, Parameter(help="The file to write the key to, readable by you alone.")
    ] = DEFAULT_FILE
    replace: Annotated[
        bool, Parameter(help="Put it in the place of a key that is there.")
    ] = False
    show_key: Annotated[bool, Parameter(help="Also print the key on stdout.")] = False

    def check(self) -> None:
        """Find out, before a code is used up, whether the key can be kept.

        Raises:
            CommandError: The file cannot be written, or holds a key already.
        """
        path = self.env_file
        try:
            _env_file.check_writable(path)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from None
        if path.exists() and KEY_VARIABLE in read_settings(path) and not self.replace:
            raise CommandError(
                f"{path} holds a key already. Name another file with --env-file, or "
                "have it replaced with --replace; nothing was sent"
            )

    def keep(self, key: AgentKey, origin: str) -> None:
        """Write the key, and the address it is good for unless that is OpenFunnel's.

        Raises:
            CommandError: The file cannot be written after all.
        """
        address = None if origin == DEFAULT_BASE_URL else origin
        settings = {KEY_VARIABLE: key.api_key, BASE_URL_VARIABLE: address}
        try:
            _env_file.write(self.env_file, settings)
        except OSError as error:
            raise CommandError(
                f"the key could not be written to {self.env_file} ({error.strerror}) "
                "and is shown only once; signing up again with the same address "
                "recovers the account",
                Exit.FAILED,
            ) from None


def sign_up(
    *,
    email: Annotated[
        str | None, Parameter(help="The address; it is asked for if not given.")
    ] = None,
    code: Annotated[
        str | None,
        Parameter(help="The code of a mail that has come; no other one is sent then."),
    ] = None,
    keeping: Keeping = Keeping(),
    base_url: Annotated[
        str | None,
        Parameter(help=f"Another address; {BASE_URL_VARIABLE} or OpenFunnel's own."),
    ] = None,
    json: Json = False,
) -> Exit:
    """Get an API key for a mail address, and keep it in a .env file.

    A six-digit code is mailed to the address; typed in, it is traded for the key. In a
    pipe, the address and the code are read from stdin, a line each. Signing up again
    with the same address recovers its account.
    """
    voice, origin = Voice(json=json), origin_of(base_url)
    keeping.check()
    email = email or _read("Mail address: ", voice, "address; give --email")
    email = email.strip()
    if code is None:
        anyio.run(partial(agent_auth.sign_up, email, base_url=origin))
        told = f"A code is on its way to {email}; it is good for 24 hours."
        voice.note("code_sent", told, email=email)
    key = _traded(email, code, origin, voice)
    keeping.keep(key, origin)
    _tell(voice, key, keeping)
    return Exit.OK


def _traded(email: str, code: str | None, origin: str, voice: Voice) -> AgentKey:
    """Trade the code; on a terminal a wrong one may be typed again."""
    while True:
        later = f"openfunnel-async sign-up --email {email} --code CODE"
        typed = code or _read("Code: ", voice, f"code; once it has come: {later}")
        digits = _BETWEEN_DIGITS.sub("", typed)
        try:
            return anyio.run(partial(agent_auth.verify, email, digits, base_url=origin))
        except (RequestRejectedError, ConfigurationError) as error:
            if code is not None or not (_is_asked(voice) and _is_mistyped(error)):
                raise
            voice.error(str(error))


def _is_mistyped(error: RequestRejectedError | ConfigurationError) -> bool:
    """Whether another try may be right; an expired code cannot be."""
    if isinstance(error, ConfigurationError):
        return True
    return "OTP_INVALID" in repr(error.detail)


def _is_asked(voice: Voice) -> bool:
    return sys.stdin.isatty() and not voice.json


def _read(prompt: str, voice: Voice, wanted: str) -> str:
    """Read a line of stdin, asking for it on a terminal.

    Raises:
        CommandError: There is none.
    """
    if _is_asked(voice):
        sys.stderr.write(prompt)
        sys.stderr.flush()
    line = sys.stdin.readline().strip()
    if not line:
        raise CommandError(f"stdin holds no {wanted}")
    return line


def _tell(voice: Voice, key: AgentKey, keeping: Keeping) -> None:
    whose = "an account that was there" if key.is_new_user is False else "a new account"
    if key.is_new_user is None:
        whose = "an account"
    path = keeping.env_file
    shown = {"api_key": str(key.api_key)} if keeping.show_key else {}
    voice.hint(
        f"The key of {whose} is in {path}, which you alone can read; keep it out of "
        "version control.\nLook at it: openfunnel-async doctor"
    )
    if voice.json or keeping.show_key:
        voice.result(
            "signed_up",
            str(key.api_key),
            email=key.email,
            is_new_user=key.is_new_user,
            env_file=str(path),
            **shown,
        )
