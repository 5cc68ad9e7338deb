"""The flag that names the Book, and the commands that are printed with it."""

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

import attrs
from cyclopts import Parameter

from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.cli._settings import ServiceFlags
from openfunnel_async.errors import ConfigurationError

if TYPE_CHECKING:
    from openfunnel_async import Book

BOOK_VARIABLE = "OPENFUNNEL_BOOK"
DEFAULT_BOOK = "openfunnel.sqlite"
SERVER_SCHEMES = ("postgresql://", "postgres://")
_SECRETS = frozenset(["password", "sslpassword"])


BatchName = Annotated[str, Parameter(help="The name of a batch, as batch list prints.")]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class BookFlags:
    """Which Book a command uses.

    Attributes:
        book: The path, or the address, from the command line.
    """

    book: Annotated[
        str | None,
        Parameter(
            help="The Book: a file, or postgresql://USER@HOST:PORT/NAME; "
            f"{BOOK_VARIABLE} or ./{DEFAULT_BOOK} by default. Only the variable may "
            "have a password."
        ),
    ] = None

    @property
    def _named(self) -> str | None:
        """The Book that the user names."""
        return self.book or os.environ.get(BOOK_VARIABLE) or None

    def open_book(self) -> "Book":
        """Return the Book; its file is made when it is first used.

        Raises:
            CommandError: The flag has a password.
            ConfigurationError: Its path or its address is invalid.
        """
        from openfunnel_async import Book  # noqa: PLC0415 -- sqlite3 is for those who have a Book

        refuse_password("--book", self.book)
        named = self._named or DEFAULT_BOOK
        return Book.connect(named) if "://" in named else Book(named)

    def find_book(self) -> "Book":
        """Return the Book if its file exists, or if it is on a server.

        Raises:
            CommandError: It does not exist, and nothing was made; or the flag has a
                password.
            ConfigurationError: Its path or its address is invalid.
        """
        book = self.open_book()
        if not may_exist(book):
            raise CommandError(
                f"there is no Book at {book.place}. Name another one with --book, or "
                "plan a batch: openfunnel-async batch plan FILE",
                path=book.place,
            )
        return book

    def find_book_if_any(self) -> "Book | None":
        """Return the Book that the user names, or else the default one if it exists.

        Raises:
            CommandError: The flag has a password.
            ConfigurationError: Its path or its address is invalid.
        """
        if self._named is None and not Path(DEFAULT_BOOK).is_file():
            return None
        return self.open_book()


def refuse_password(flag: str, address: str | None) -> None:
    """Refuse the address of a server that has a password, on the command line.

    Raises:
        CommandError: It has one.
    """
    if address is None or not address.startswith(SERVER_SCHEMES):
        return
    # As libpq reads it: what is before the last @ in front of the first slash.
    where = address.partition("://")[2].partition("/")[0]
    settings = parse_qsl(address.partition("?")[2], keep_blank_values=True)
    if ":" in where.rpartition("@")[0] or any(name in _SECRETS for name, _ in settings):
        raise CommandError(
            f"{flag} may have no password, because other users can see a command line; "
            f"set {BOOK_VARIABLE} or PGPASSWORD instead, or use ~/.pgpass"
        )


def may_exist(book: "Book") -> bool:
    """Whether the file of the Book exists; one on a server is made by its first use."""
    return book.is_shared or book.path.exists()


async def check_batch(book: "Book", name: str) -> None:
    """Check that the Book has a batch of this name.

    Raises:
        CommandError: It has none.
        BookError: It cannot be read.
    """
    names = [status.name for status in await book.batches()]
    if name not in names:
        similar = get_close_matches(name, names, n=1)
        advice = f"did you mean {similar[0]}?" if similar else "see batch list"
        raise CommandError(f"the Book at {book.place} has no batch {name}: {advice}")


def make_key() -> str:
    """Return a key of the Book for one submit of the command line."""
    return f"cli/{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def format_batch_command(
    word: str, name: str, book: "Book", service: ServiceFlags, *more: str
) -> str:
    """Return the command line of a batch command with the same Book and service."""
    flags = _format_book_flag(book)
    return service.format_command("batch", word, name, *flags, *more)


def _format_book_flag(book: "Book") -> list[str]:
    """Return the flag that names the Book, without a password.

    A server that the environment names needs no flag: its address there may have one.
    """
    is_named = book.is_shared and _read_variable() == book.address
    return [] if is_named else ["--book", book.address]


def _read_variable() -> str | None:
    """Return the address that the environment names, without a password."""
    from openfunnel_async import Book  # noqa: PLC0415 -- sqlite3 is for those who have a Book

    with suppress(ConfigurationError):
        return Book.connect(os.environ.get(BOOK_VARIABLE, "")).address
    return None
