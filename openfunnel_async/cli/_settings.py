"""The flags that every command shares: which service, which key, which output."""

import os
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    KEY_VARIABLE,
    OpenFunnel,
    SecretText,
)
from openfunnel_async.cli import _env_file
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.errors import ConfigurationError

T = TypeVar("T")

DEFAULT_FILE = Path(".env")
_PROGRAM = "openfunnel-async"

Json = Annotated[
    bool,
    Parameter(name="--json", help="Print one JSON object a line, for programs."),
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class ServiceFlags:
    """The flags of every command that talks to the service.

    Attributes:
        base_url: The address from the command line.
        env_file: The file from the command line.
        json: Whether to print for a program.
    """

    base_url: Annotated[
        str | None,
        Parameter(
            help=f"Another address; {BASE_URL_VARIABLE} or OpenFunnel's by default."
        ),
    ] = None
    env_file: Annotated[
        Path | None,
        Parameter(
            help=f"A file with {KEY_VARIABLE}=...; ./.env if the variable is not set."
        ),
    ] = None
    json: Json = False

    def find_account(self) -> "Account":
        """Find the key and the address.

        Raises:
            CommandError: There is no key, or the key, the file or the address is
                invalid. Nothing was sent.
        """
        key, url, source = self._find()
        origin = check_origin(url)
        if key is None:
            # The key of the environment is not meant for the address in this file.
            raise CommandError(_explain_no_key(source), ExitCode.KEY)
        account = Account(key=key, origin=origin, source=source)
        try:
            account.open_client()
        except ConfigurationError:
            raise CommandError(_explain_bad_key(source), ExitCode.KEY) from None
        return account

    def _find(self) -> tuple[SecretText | None, str | None, str]:
        """Return the key, the address to use with it, and where the key was found.

        The environment goes before ./.env, and a file from the command line before
        both. An address in a file counts only with the key of that file: a file that
        belongs to a project must not send a key of the environment elsewhere.
        """
        key = os.environ.get(KEY_VARIABLE)
        if self.env_file is None and (key or not DEFAULT_FILE.is_file()):
            source = f"the environment ({KEY_VARIABLE})"
            return SecretText(key) if key else None, self.base_url, source
        path = self.env_file or DEFAULT_FILE
        found = read_settings(path)
        in_file, in_environment = (
            found.get(BASE_URL_VARIABLE),
            os.environ.get(BASE_URL_VARIABLE),
        )
        is_file_first = self.env_file is not None or not in_environment
        url = self.base_url or (in_file if is_file_first else in_environment)
        return found.get(KEY_VARIABLE), url, str(path)

    def format_command(self, *words: str) -> str:
        """Return a command line that uses the same service and the same key."""
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

    def open_client(self) -> OpenFunnel:
        """Return a client whose waits have no time limit."""
        return OpenFunnel(self.key, base_url=self.origin, wait_timeout=None)

    def call(self, function: Callable[[OpenFunnel], Awaitable[T]]) -> T:
        """Call an async function with a client, on a new event loop."""

        async def call() -> T:
            async with self.open_client() as client:
                return await function(client)

        return anyio.run(call)


def check_origin(url: str | None) -> str:
    """Return the service's origin; the environment's or OpenFunnel's own for None.

    Raises:
        CommandError: It is invalid.
    """
    if url is None:
        url = os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
    try:
        OpenFunnel("any-key", base_url=url)
    except ConfigurationError as error:
        text = str(error).replace("base_url", "--base-url", 1)
        raise CommandError(text) from None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.removesuffix('/')}"


def read_settings(path: Path) -> dict[str, SecretText]:
    """Read a file of settings.

    Raises:
        CommandError: It cannot be read.
    """
    try:
        return _env_file.read_file(path)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None


def _explain_no_key(source: str) -> str:
    return (
        f"there is no API key in {source}; set {KEY_VARIABLE}, name a file with "
        f"--env-file, or get a key: {_PROGRAM} sign-up"
    )


def _explain_bad_key(source: str) -> str:
    return (
        f"the API key in {source} is invalid: a key is 1-512 visible ASCII characters, "
        "without spaces or line breaks; copy it again"
    )
