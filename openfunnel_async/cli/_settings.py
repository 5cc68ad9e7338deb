"""The flags that every command shares: which service, which key, which output."""

import os
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlsplit

import anyio
import attrs
from cyclopts import Parameter

from openfunnel_async import (
    BASE_URL_VARIABLE,
    CA_FILE_VARIABLE,
    DEFAULT_BASE_URL,
    KEY_VARIABLE,
    PROXY_VARIABLE,
    AiohttpTransport,
    Event,
    OpenFunnel,
    SecretText,
)
from openfunnel_async.cli import _env_file
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import log_events
from openfunnel_async.errors import ConfigurationError

if TYPE_CHECKING:
    # Its module imports sqlite3, which only those need who have a Book.
    from openfunnel_async import Book

OnEvent = Callable[[Event], object]
T = TypeVar("T")

DEFAULT_FILE = Path(".env")
_PROGRAM = "openfunnel-async"

Json = Annotated[
    bool,
    Parameter(name="--json", help="Print one JSON object a line, for programs."),
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class NetworkFlags:
    """The flags for the way to the service.

    Attributes:
        base_url: The address from the command line.
        proxy: The proxy from the command line.
        ca_file: The file with private CAs from the command line.
    """

    base_url: Annotated[
        str | None,
        Parameter(
            help=f"Another address; {BASE_URL_VARIABLE} or OpenFunnel's by default."
        ),
    ] = None
    proxy: Annotated[
        str | None,
        Parameter(
            help=f"A proxy, http://HOST:PORT; {PROXY_VARIABLE} by default, which may "
            "also have USER:PASSWORD@."
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Parameter(
            help="A PEM file with private CAs, trusted besides the system's; "
            f"{CA_FILE_VARIABLE} by default."
        ),
    ] = None

    def check_origin(self, url: str | None) -> str:
        """Return the service's origin; the environment's or OpenFunnel's own for None.

        Raises:
            CommandError: It is invalid, or the proxy or the file with CAs is.
        """
        if url is None:
            url = os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        if self.proxy is not None and "@" in self.proxy:
            raise CommandError(
                "--proxy may have no user name or password, because other users can "
                f"see a command line; set {PROXY_VARIABLE} instead"
            )
        try:
            self.open_client(SecretText("any-key"), url)
        except ConfigurationError as error:
            raise CommandError(_name_flag(str(error))) from None
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.removesuffix('/')}"

    def open_client(
        self,
        key: SecretText,
        origin: str,
        on_event: OnEvent | None = None,
        book: "Book | None" = None,
        budget: str | None = None,
    ) -> OpenFunnel:
        """Return a client whose waits have no time limit; it closes the Book.

        Raises:
            ConfigurationError: The key, the address, the proxy or the file is invalid.
        """
        return OpenFunnel(
            key,
            base_url=origin,
            proxy=self.proxy,
            ca_file=self.ca_file,
            wait_timeout=None,
            on_event=on_event,
            book=book,
            budget=budget,
        )

    def open_transport(self) -> AiohttpTransport:
        """Return a transport for requests without a key.

        Raises:
            ConfigurationError: The proxy or the file is invalid.
        """
        return AiohttpTransport(
            proxy=self.effective_proxy, ca_file=self.effective_ca_file
        )

    @property
    def effective_proxy(self) -> str | None:
        """The proxy from the command line or of the environment."""
        return self.proxy or os.environ.get(PROXY_VARIABLE) or None

    @property
    def effective_ca_file(self) -> Path | None:
        """The file with CAs from the command line or of the environment."""
        named = os.environ.get(CA_FILE_VARIABLE)
        return self.ca_file or (Path(named) if named else None)

    def format_flags(self) -> list[str]:
        """Return the flags as words of a command line."""
        flags = {
            "--base-url": self.base_url,
            "--proxy": self.proxy,
            "--ca-file": self.ca_file,
        }
        given = ((name, str(value)) for name, value in flags.items() if value)
        return [word for pair in given for word in pair]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class ServiceFlags(NetworkFlags):
    """The flags of every command that talks to the service.

    Attributes:
        env_file: The file from the command line.
        json: Whether to print for a program.
        verbose: Whether to print the events of the client.
    """

    env_file: Annotated[
        Path | None,
        Parameter(
            help=f"A file with {KEY_VARIABLE}=...; ./.env if the variable is not set."
        ),
    ] = None
    json: Json = False
    verbose: Annotated[
        bool,
        Parameter(
            name=("--verbose", "-v"),
            help="Print requests, retries and outages on stderr.",
        ),
    ] = False

    def find_account(self) -> "Account":
        """Find the key and the address.

        Raises:
            CommandError: There is no key, or the key, the file or the address is
                invalid. Nothing was sent.
        """
        if self.verbose:
            log_events()
        key, url, source = self._find()
        origin = self.check_origin(url)
        if key is None:
            # The key of the environment is not meant for the address in this file.
            raise CommandError(_explain_no_key(source), ExitCode.KEY)
        account = Account(key=key, origin=origin, source=source, network=self)
        try:
            account.open_client()
        except ConfigurationError:
            raise CommandError(_explain_bad_key(source), ExitCode.KEY) from None
        return account

    def find_origin(self) -> str:
        """Return the service's origin, also if there is no key.

        Raises:
            CommandError: It is invalid, or the proxy or a file is.
        """
        return self.check_origin(self._find()[1])

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
        flags = self.format_flags()
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
        network: The way to the service.
        budget: The budget of the Book that its submits are under, if there is one.
    """

    key: SecretText
    origin: str
    source: str
    network: NetworkFlags
    budget: str | None = None

    def open_client(
        self, on_event: OnEvent | None = None, book: "Book | None" = None
    ) -> OpenFunnel:
        """Return a client whose waits have no time limit; it closes the Book."""
        budget = None if book is None else self.budget
        return self.network.open_client(self.key, self.origin, on_event, book, budget)

    def call(self, function: Callable[[OpenFunnel], Awaitable[T]]) -> T:
        """Call an async function with a client, on a new event loop."""

        async def call() -> T:
            async with self.open_client() as client:
                return await function(client)

        return anyio.run(call)


def _name_flag(text: str) -> str:
    """Replace the name of an argument by that of its flag."""
    for name in ("base_url", "proxy", "ca_file"):
        if text.startswith(name):
            return f"--{name.replace('_', '-')}{text.removeprefix(name)}"
    return text


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
