"""The Book of a client: what is bought under it, and what is read from it.

The room ``book`` needs sqlite3, or psycopg, so it is imported when a Book is used.
"""
# ruff: noqa: PLC0415 -- see above

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from openfunnel_async._client.book_jobs import BookJobs
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._values.checks import check_text
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.errors import ConfigurationError, OpenFunnelError

if TYPE_CHECKING:
    from openfunnel_async.book._batch import Batch
    from openfunnel_async.book._book import Book
    from openfunnel_async.book._ledger import Ledger
    from openfunnel_async.book._steps import BookSteps

_LONGEST_NAME = 200


class BookAccess:
    """What a client does with its Book, if it has one.

    Attributes:
        budget: The budget of its submits; None for none.

    Args:
        book: The Book.
        budget: The budget.

    Raises:
        ConfigurationError: One of them is invalid.
    """

    def __init__(self, book: "Book | None", budget: str | None) -> None:
        self._ledger = None if book is None else _open_ledger(book)
        if budget is not None:
            self._need_ledger("a budget")
            check_text("budget", budget, _LONGEST_NAME)
        self.budget: str | None = budget

    def _need_ledger(self, what: str) -> "Ledger":
        if self._ledger is None:
            msg = f"{what} needs a Book: OpenFunnel(book=Book(PATH)). Nothing was sent"
            raise ConfigurationError(msg)
        return self._ledger

    async def submit_once(
        self, jobs: BookJobs, search: LookalikeSearch, once: str
    ) -> BulkJob:
        """Return the job of a key; submit the search if there is none."""
        ledger = self._need_ledger("once")
        from openfunnel_async.book._once import submit_once

        jobs.check_loop()
        return await submit_once(ledger, jobs, search, once)

    async def submit_budgeted(
        self,
        jobs: BookJobs,
        search: LookalikeSearch,
        cancel: Callable[[BulkJob], Awaitable[OpenFunnelError | None]],
    ) -> BulkJob:
        """Submit a search under the budget."""
        ledger = self._need_ledger("a budget")
        from openfunnel_async.book._budgeted import submit_budgeted

        return await submit_budgeted(ledger, jobs, search, cancel)

    async def open_batch(  # noqa: PLR0913 -- what OpenFunnel.batch() was given
        self,
        jobs: BookJobs,
        name: str,
        searches: Iterable[LookalikeSearch] | None,
        *,
        max_credits: float | None,
        distinct: int | None,
        reuse_days: float | None,
        labels: Iterable[str | None] | None,
    ) -> "Batch":
        """Plan a batch, or find it."""
        ledger = self._need_ledger("batch()")
        from openfunnel_async.book._book import open_batch
        from openfunnel_async.book._planning import check_options

        jobs.check_loop()
        options = check_options(max_credits, distinct, reuse_days)
        return await open_batch(
            ledger, jobs, name, searches, options=options, labels=labels
        )

    def make_steps(self, jobs: BookJobs, book: "Book | None") -> "BookSteps":
        """Return the steps of a search, of this Book or of another one."""
        ledger = None if book is None else _open_ledger(book)
        ledger = ledger or self._need_ledger("book_steps()")
        from openfunnel_async.book._steps import BookSteps

        return BookSteps(ledger, jobs)

    def note_settled(
        self,
        job_id: str,
        facts: Mapping[str, Any],
        start_task: "Callable[[Any], asyncio.Task[Any]]",
    ) -> None:
        """Write the bill of a job that was submitted with ``once``."""
        if self._ledger is not None and job_id in self._ledger.open_jobs:
            start_task(self._ledger.record_settled(job_id, facts))

    async def aclose(self) -> None:
        """Close the Book."""
        if self._ledger is not None:
            await self._ledger.aclose()


def _open_ledger(book: "Book") -> "Ledger":
    from openfunnel_async.book._book import Book, ledger_of

    if not isinstance(book, Book):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("book must be a Book: Book(PATH)")
    return ledger_of(book)
