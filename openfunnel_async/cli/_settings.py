"""The service a command talks to: its address, its key, and how it is spoken of."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import OpenFunnel
from openfunnel_async._client.settings import (
    BASE_URL_VARIABLE,
    KEY_VARIABLE,
    hide_text,
    read_key,
    read_origin,
)
from openfunnel_async._transport.wire import SecretText
from openfunnel_async.cli import _env_file
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.errors import ConfigurationError

DEFAULT_FILE = Path(".env")
_PROGRAM = "openfunnel-async"

Json = Annotated[
    bool,
    Parameter(name="--json", help="One JSON object a line, for programs."),
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Service:
    """The flags of every command that talks to the service.

    Attributes:
        base_url: The address given.
        env_file: The file given.
        json: Whether to speak to a program.
    """

    base_url: Annotated[
        str | None,
        Parameter(help=f"Another address; {BASE_URL_VARIABLE} or OpenFunnel's own."),
    ] = None
    env_file: Annotated[
        Path | None,
        Parameter(
            help=f"A file with {KEY_VARIABLE}=...; ./.env if the variable is not set."
        ),
    ] = None
    json: Json = False

    def account(self) -> "Account":
        """Find the key and the address.

        Raises:
            CommandError: There is no key or it cannot be one, or the file or the
                address cannot be right. Nothing was sent.
        """
        key, url, source = self._found()
        origin = origin_of(url)
        if key is None:
            # Not the environment's in its place, which is not meant for that address.
            raise CommandError(_no_key(key, source), Exit.KEY)
        try:
            return Account(key=read_key(key), origin=origin, source=source)
        except ConfigurationError:
            raise CommandError(_no_key(key, source), Exit.KEY) from None

    def _found(self) -> tuple[SecretText | None, str | None, str]:
        """Return the key, the address to use with it, and where the key stands.

        The environment goes before ./.env, and a file that is named before both. An
        address in a file counts only with the key of that file: a file that came
        along with a project must not send a key of the environment elsewhere.
        """
        key = hide_text(os.environ.get(KEY_VARIABLE) or None)
        if self.env_file is None and (key is not None or not DEFAULT_FILE.is_file()):
            return key, self.base_url, f"the environment ({KEY_VARIABLE})"
        path = self.env_file or DEFAULT_FILE
        found = read_settings(path)
        theirs, ours = found.get(BASE_URL_VARIABLE), os.environ.get(BASE_URL_VARIABLE)
        url = self.base_url or (theirs if self.env_file or not ours else ours)
        return found.get(KEY_VARIABLE), url, str(path)

    def command(self, *words: str) -> str:
        """Spell a command that talks to the same service with the same key."""
        flags: list[str] = []
        if self.base_url is not None:
            flags += ["--base-url", self.base_url]
        if self.env_file is not None:
            flags += ["--env-file", str(self.env_file)]
        return shlex.join([_PROGRAM, *words, *flags])


@attrs.frozen(kw_only=True)
class Account:
    """Whose credits a command spends, and where.

    Attributes:
        key: The key.
        origin: The service's address.
        source: Where the key was found.
    """

    key: SecretText
    origin: str
    source: str

    def client(self) -> OpenFunnel:
        """Make a client, which waits without an end of its own."""
        return OpenFunnel(self.key, base_url=self.origin, wait_timeout=None)


def origin_of(url: str | None) -> str:
    """Return the service's address.

    Raises:
        CommandError: It cannot be right.
    """
    try:
        return read_origin(url)
    except ConfigurationError as error:
        text = str(error).replace("base_url", "--base-url", 1)
        raise CommandError(text) from None


def read_settings(path: Path) -> dict[str, SecretText]:
    """Read a file of settings.

    Raises:
        CommandError: It cannot be read.
    """
    try:
        return _env_file.read(path)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None


def _no_key(key: SecretText | None, source: str) -> str:
    if key is None:
        return (
            f"there is no API key in {source}; set {KEY_VARIABLE}, name a file that "
            f"holds it with --env-file, or get one: {_PROGRAM} sign-up"
        )
    return (
        f"the API key in {source} cannot be one: a key is 1-512 visible ASCII "
        "characters, without spaces or line breaks; copy it again"
    )
