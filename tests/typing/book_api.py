"""The public API of the Book as a type checker sees it. Checked, never called."""

from datetime import datetime
from typing import assert_type

from openfunnel_async import (
    Batch,
    Book,
    BookError,
    BookInUseError,
    BookTooNewError,
    BulkJob,
    CancelReceipt,
    Company,
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
    OtherAccountError,
)
from openfunnel_async.book import (
    BatchDiff,
    BatchReport,
    BatchStatus,
    BookCheck,
    BookEntry,
    BudgetStatus,
    EntryState,
    KnownList,
)

ERRORS: tuple[type[BookError], ...] = (
    BookError,
    BookInUseError,
    BookTooNewError,
    OtherAccountError,
)


async def of_a_client(client: OpenFunnel, search: LookalikeSearch) -> None:
    assert_type(await client.submit(search, once="crm-4711"), BulkJob)
    batch = await client.batch("q4", [search], max_credits=5_000, labels=["a"])
    assert_type(batch, Batch)
    assert_type(batch.name, str)
    assert_type(await batch.run(max_active=20, on_progress=print), BatchReport)
    assert_type(await batch.status(), BatchStatus)
    assert_type(await batch.report(), BatchReport)
    assert_type(await batch.searches(state=EntryState.UNKNOWN), list[BookEntry])
    assert_type(await batch.cancel(wait=True), list[CancelReceipt])
    assert_type(await batch.extend([search]), None)
    async for company in batch.rows():
        assert_type(company, Company)


async def of_a_book(path: str) -> None:
    OpenFunnel(book=Book.connect(f"sqlite:///{path}"))
    async with Book(path) as book:
        assert_type(book, Book)
        assert_type(await book.batches(), list[BatchStatus])
        assert_type(await book.batch("q4"), Batch)
        assert_type(await book.entries(state=EntryState.PLANNED), list[BookEntry])
        entry = await book.resolve("q4/1", job_id="job-1")
        assert_type(entry.status, JobStatus | None)
        assert_type(entry.submitted_at, datetime | None)
        check = await book.check()
        assert_type(check, BookCheck)
        assert_type(check.problems, tuple[str, ...])
        assert_type(check.is_ok, bool)
        await book.backup("copy.sqlite")
        await book.set_budget("agent-7", per_day=2_000)
        assert_type(await book.budgets(), list[BudgetStatus])
        assert_type(await book.add_known([{"domain": "a.com"}], label="crm"), int)
        assert_type(await book.known(Company(domain="a.com")), str | None)
        assert_type(await book.known_lists(), list[KnownList])
        assert_type(await book.diff("q3", "q4"), BatchDiff)
