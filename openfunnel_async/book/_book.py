"""``Book``: what was asked for, bought and owed, on the disk."""

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import NoReturn, Self, cast

from openfunnel_async._text import escaped
from openfunnel_async._values.checks import check_amount, check_job_id
from openfunnel_async._values.models import Company
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.book._batch import Batch
from openfunnel_async.book._identity import Identity, identify, make_identity
from openfunnel_async.book._jobs import Jobs
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._planning import (
    check_name,
    check_state,
    plan_batch,
)
from openfunnel_async.book._records import BatchOptions, Resolution
from openfunnel_async.book._sqlite.store import SqliteStore
from openfunnel_async.book._values import (
    BatchDiff,
    BatchStatus,
    BookCheck,
    BookEntry,
    BudgetStatus,
    EntryState,
    KnownList,
)
from openfunnel_async.errors import ConfigurationError


class Book:
    """A file that remembers every submit, every row and every bill.

    An intent is on the disk before the first byte of a submit is sent, the id of the
    job after the answer, each page of rows together with the place after it, and the
    bill with the terminal status. So a program that was killed continues where it was:
    no search is submitted twice, no row is lost or doubled, and a submit whose outcome
    nobody can know is an entry in the state ``unknown``.

    Give it to a client: ``OpenFunnel(book=Book("openfunnel.sqlite"))``, which closes
    it. Used alone it can be read without a client. One process at a time runs a Book
    that is a file, and any number may read it; ``Book.connect()`` returns one that many
    processes run. See docs/explanation/the-book.md.

    Attributes:
        place: The file, or the host, the port and the name of the database.
        address: The file, or the address for ``connect()`` without a password.
        is_shared: Whether it is on a server, where any number of processes run it.

    Args:
        path: The file; it is made when it is first used, readable by its owner alone.

    Raises:
        ConfigurationError: The path is empty or a folder.
    """

    __module__ = "openfunnel_async"

    def __init__(self, path: str | PathLike[str] = "openfunnel.sqlite") -> None:
        self._path: Path | None = _check_path(path)
        self._ledger: Ledger = Ledger(SqliteStore(self._path))
        self.place: str = str(self._path)
        self.address: str = self.place
        self.is_shared: bool = False

    @classmethod
    def connect(cls, url: str) -> Self:
        """Return the Book at an address.

        Args:
            url: ``postgresql://USER@HOST:PORT/NAME``, which any number of processes may
                run at a time; ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.

        Raises:
            ConfigurationError: The address is invalid, or the extra ``workers`` is not
                installed.
        """
        scheme, separator, rest = str(url).partition("://")
        if separator and scheme == "sqlite" and rest.startswith("/"):
            return cls(rest[1:])
        if separator and scheme in {"postgresql", "postgres"}:
            return cls._connect_to_server(str(url))
        raise ConfigurationError(
            "a Book's address is postgresql://USER@HOST:PORT/NAME or sqlite:///PATH; "
            "the path of a file alone is possible as well"
        )

    @classmethod
    def _connect_to_server(cls, url: str) -> Self:
        try:
            from openfunnel_async.book._postgres.address import format_address  # noqa: PLC0415 -- an extra
            from openfunnel_async.book._postgres.store import PostgresStore  # noqa: PLC0415 -- an extra
        except ImportError as exc:
            msg = (
                f"a Book on PostgreSQL needs {exc.name}: "
                'pip install "openfunnel-async[workers]"'
            )
            raise ConfigurationError(msg) from None
        book = cls.__new__(cls)
        store = PostgresStore(url)
        book._path, book._ledger = None, Ledger(store)  # noqa: SLF001 -- in place of __init__
        book.place, book.address = store.place, format_address(url)
        book.is_shared = True
        return book

    def __repr__(self) -> str:
        return f"<Book {escaped(self.place, 200)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Book is not pickled or copied; open it where it is used")

    @property
    def path(self) -> Path:
        """The file.

        Raises:
            ConfigurationError: The Book is on a server; ``place`` says where.
        """
        if self._path is None:
            raise ConfigurationError(f"the Book at {self.place} is not a file")
        return self._path

    async def __aenter__(self) -> Self:
        await self._ledger.store.find_change()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file; jobs continue. A later use opens it again.

        Cancellation: the file is closed all the same.
        """
        await self._ledger.aclose()

    async def batches(self) -> list[BatchStatus]:
        """Return the sums of every batch, in the order of planning, without network.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        reports = await self._ledger.store.find_reports()
        return [report.to_status() for report in reports]

    async def batch(self, name: str) -> Batch:
        """Return a batch to read it; ``OpenFunnel.batch()`` returns one to run it.

        Raises:
            ConfigurationError: The Book has no batch of this name.
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return await find_batch(self._ledger, name)

    async def entries(
        self, *, state: EntryState | None = None, batch: str | None = None
    ) -> list[BookEntry]:
        """Return entries in the order of planning, without network.

        Args:
            state: Only those in this state.
            batch: Only those of this batch.

        Raises:
            ConfigurationError: The state is none.
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        found = await self._ledger.store.find_entries(
            batch=None if batch is None else check_name("batch", batch),
            states=check_state(state),
        )
        return [record.to_entry() for record in found]

    async def resolve(
        self,
        key: str,
        *,
        job_id: str | None = None,
        skip: bool = False,
        submit_again: bool = False,
    ) -> BookEntry:
        """Decide what an entry is that the Book cannot decide by itself.

        Exactly one of the three:

        Args:
            key: The entry.
            job_id: The id of the job that an ``unknown`` submit made, found for example
                in a log of the network. The job is then followed as any other.
            skip: Whether nothing more is done about it. What is reserved for it counts
                as spent for ever.
            submit_again: Whether it is submitted again by the next run. An ``unknown``
                entry may be billed twice by that, so what was reserved for the first
                submit counts as spent, and a second reservation is made.

        Returns:
            The entry as it is now.

        Raises:
            ConfigurationError: Not exactly one was given, there is no such entry, or it
                is in another state. Nothing was changed.
            BookError: The Book cannot be written.

        Cancellation: it may have been decided or not; calling again shows it.
        """
        given = [job_id is not None, skip, submit_again]
        if sum(map(bool, given)) != 1:
            msg = "resolve() takes exactly one of job_id, skip=True, submit_again=True"
            raise ConfigurationError(msg)
        resolution: Resolution | str = Resolution.SKIP
        if submit_again:
            resolution = Resolution.SUBMIT_AGAIN
        elif job_id is not None:
            resolution = check_job_id(job_id)
        key = check_name("key", key)
        record = await self._ledger.store.resolve(key, resolution)
        self._ledger.note_change()
        return record.to_entry()

    async def add_known(
        self, companies: Iterable[Company | Mapping[str, str]], *, label: str
    ) -> int:
        """Add companies that were bought elsewhere, for example those of a CRM.

        Args:
            companies: Companies, or mappings with ``linkedin_url``, ``domain`` or both.
            label: The name of the list; another call with it adds to the list.

        Returns:
            How many of them the Book did not know.

        Raises:
            ConfigurationError: One has neither a LinkedIn page nor a domain; the
                message has its place. Nothing was added.
            BookError: The Book cannot be written.

        Cancellation: all of them may have been added, or none; calling again is safe.
        """
        identities = [
            _identify(place, company) for place, company in enumerate(companies)
        ]
        return await self._ledger.store.add_known(
            identities, check_name("label", label)
        )

    async def remove_known(self, label: str) -> int:
        """Forget a list; companies that came through the Book stay known.

        Returns:
            How many companies it had.

        Raises:
            ConfigurationError: There is no such list.
            BookError: The Book cannot be written.

        Cancellation: it may be forgotten or not.
        """
        removed = await self._ledger.store.remove_known(check_name("label", label))
        if removed is None:
            msg = f"the Book has no list {escaped(label, 100)}: known_lists() has them"
            raise ConfigurationError(msg)
        return removed

    async def known(self, company: Company) -> str | None:
        """Return the list, batch or key that has a company, else None.

        A company is its LinkedIn page, else its domain; see docs/explanation/
        the-book.md, "Known companies".

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return await self._ledger.store.find_known(identify(company).lookups)

    async def known_lists(self) -> list[KnownList]:
        """Return the lists that were added, in their order.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return await self._ledger.store.find_lists()

    async def count_known(self) -> int:
        """Return how many companies are known, bought ones and those of lists.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return await self._ledger.store.count_known()

    async def diff(self, first: str, second: str) -> BatchDiff:
        """Return which companies two batches share, and which only one of them has.

        Raises:
            ConfigurationError: The Book has no such batch.
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        for name in (first, second):
            await find_batch(self._ledger, name)
        return await self._ledger.store.diff(first, second)

    async def set_budget(
        self,
        name: str,
        *,
        per_day: float | None = None,
        per_month: float | None = None,
        total: float | None = None,
    ) -> None:
        """Make a budget, or replace its limits; what was spent stays spent.

        ``OpenFunnel(book=, budget=name)`` puts every submit under it. A day and a month
        are those of UTC; a reservation belongs to the day on which it was made.

        Args:
            name: Its name.
            per_day: Most credits a day; None for no limit.
            per_month: Most credits a month; None for no limit.
            total: Most credits in all; None for no limit.

        Raises:
            ConfigurationError: A limit is invalid, or there is none.
            BookError: The Book cannot be written.

        Cancellation: it may be written or not; calling again is safe.
        """
        limits = (
            _check_limit("per_day", per_day),
            _check_limit("per_month", per_month),
            _check_limit("total", total),
        )
        if limits == (None, None, None):
            msg = "a budget needs per_day, per_month, total, or several of them"
            raise ConfigurationError(msg)
        await self._ledger.store.set_budget(check_name("name", name), limits)

    async def budgets(self) -> list[BudgetStatus]:
        """Return each limit of each budget in its current day, month or whole time.

        Raises:
            BookError: The Book cannot be read.

        Cancellation: leaves nothing behind.
        """
        return await self._ledger.store.find_budgets()

    async def check(self) -> BookCheck:
        """Recompute every sum from its parts, read every row, and check the file.

        Raises:
            BookError: The file cannot be read at all.

        Cancellation: leaves nothing behind.
        """
        return await self._ledger.store.check()

    async def backup(self, path: str | PathLike[str]) -> None:
        """Write a copy into a new file, also while the Book is run.

        A copy is good for reading. To run it after the original was run again would
        submit searches twice; see docs/explanation/the-book.md, "Backups and copies".

        Raises:
            BookError: The file exists, or cannot be written.

        Cancellation: the copy may be finished or not.
        """
        await self._ledger.store.backup(_check_path(path))


def _check_limit(name: str, limit: float | None) -> float | None:
    return None if limit is None else check_amount(name, limit)


def _identify(place: int, company: Company | Mapping[str, str]) -> Identity:
    """Return the marks of a company that is to be known.

    Raises:
        ConfigurationError: It has none.
    """
    if isinstance(company, Company):
        identity = identify(company)
    else:
        page, domain = company.get("linkedin_url"), company.get("domain")
        identity = make_identity(page, domain)
    if identity.name is None:
        msg = (
            f"companies[{place}] has neither a LinkedIn page nor a domain; nothing was "
            "added"
        )
        raise ConfigurationError(msg)
    return identity


def ledger_of(book: Book) -> Ledger:
    """Return the inside of a Book, for the client that runs it."""
    return book._ledger  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- of the class above


async def open_batch(  # noqa: PLR0913 -- what OpenFunnel.batch() was given
    ledger: Ledger,
    jobs: Jobs,
    name: str,
    searches: Iterable[LookalikeSearch] | None,
    *,
    options: BatchOptions,
    labels: Iterable[str | None] | None,
) -> Batch:
    """Plan a batch, or find it; see ``OpenFunnel.batch()``."""
    name = check_name("name", name)
    if searches is None:
        if labels is not None or any(option is not None for option in options):
            msg = "limits and labels are given together with the searches"
            raise ConfigurationError(msg)
        await ledger.store.bind_account(jobs.fingerprint)
        return await find_batch(ledger, name, jobs)
    planned = plan_batch(name, searches, options.most, labels)
    await ledger.store.bind_account(jobs.fingerprint)
    await ledger.store.plan(name, planned, options)
    ledger.note_change()
    return Batch(ledger, name, jobs)


async def find_batch(ledger: Ledger, name: str, jobs: Jobs | None = None) -> Batch:
    """Return a batch that is in the Book.

    Raises:
        ConfigurationError: There is none of this name.
    """
    if await ledger.store.find_batch(check_name("name", name)) is None:
        msg = (
            f"the Book has no batch {escaped(str(name), 100)}; give its searches to "
            "plan it, or look for its name with Book.batches()"
        )
        raise ConfigurationError(msg)
    return Batch(ledger, name, jobs)


def _check_path(path: str | PathLike[str]) -> Path:
    try:
        text = cast("object", os.fspath(path))
    except TypeError:
        raise ConfigurationError("the path of a Book must be a path") from None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("the path of a Book must be a text that is not empty")
    try:
        # Two names of one file (a link) must have one lock.
        real = Path(text).expanduser().resolve()
        is_folder, has_folder = real.is_dir(), real.parent.is_dir()
    except (OSError, RuntimeError, ValueError) as exc:
        msg = f"the path of a Book is invalid: {escaped(str(exc), 200)}"
        raise ConfigurationError(msg) from None
    if is_folder:
        raise ConfigurationError(f"{real} is a folder; give the path of a file")
    if not has_folder:
        raise ConfigurationError(f"the folder {real.parent} does not exist; make it")
    return real
