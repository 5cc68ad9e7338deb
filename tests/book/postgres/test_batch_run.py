"""A run of a batch whose connection to the database fails, beside another run."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from openfunnel_async import Batch, Book, BookError, LookalikeSearch, OpenFunnel
from openfunnel_async.book import BatchReport, BatchStatus, _batch_run
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._postgres import connection, store
from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.sandbox import Sandbox, SlowAnswer
from tests.book.postgres.relay import Relay

pytestmark = pytest.mark.anyio
LEASE = 1.0


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A service whose jobs take longer than the test."""
    async with Sandbox(speed=0.02) as started:
        yield started


async def _open_batch(client: OpenFunnel) -> Batch:
    return await client.batch("q4", [LookalikeSearch(query="a", limit=30)])


def _open_client(sandbox: Sandbox, book: Book) -> OpenFunnel:
    return OpenFunnel(sandbox.api_key, base_url=sandbox.base_url, book=book)


def _connect(url: str) -> Book:
    """Open a Book whose leases are short."""
    book = Book.connect(url)
    opened = ledger_of(book).store
    assert isinstance(opened, PostgresStore)
    opened.lease = LEASE
    return book


def _start(batch: Batch, is_submitted: asyncio.Event) -> asyncio.Task[BatchReport]:
    """Run a batch; the event is set once its job is there."""

    def note(status: BatchStatus) -> None:
        if status.submitted:
            is_submitted.set()

    return asyncio.create_task(batch.run(on_progress=note))


async def test_a_run_that_only_waits_ends_when_the_database_answers_nothing(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a run that waits for the job of another one, and hangs while it reads."""
    monkeypatch.setattr(connection, "_CLOSE_WITHIN", 0.5)
    monkeypatch.setattr(store, "_RENEW_WITHIN", 0.5)
    first, second = asyncio.Event(), asyncio.Event()
    async with _open_client(sandbox, Book.connect(postgres_url)) as other:
        following = _start(await _open_batch(other), first)
        await first.wait()
        with Relay(postgres_url) as relay:
            async with _open_client(
                sandbox, _connect(f"{relay.url}&connect_timeout=2")
            ) as client:
                waiting = _start(await _open_batch(client), second)
                await second.wait()
                relay.is_silent = True
                async with asyncio.timeout(30):
                    with pytest.raises(BookError, match="was not reached"):
                        await waiting
        following.cancel()
        await asyncio.wait([following])
    assert len(sandbox.jobs) == 1


async def test_a_cancelled_run_ends_soon_when_the_database_answers_nothing(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a Ctrl-C that waits until the leases are given back."""
    monkeypatch.setattr(connection, "_CLOSE_WITHIN", 0.5)
    monkeypatch.setattr(_batch_run, "_GIVE_BACK_WITHIN", 0.5)
    is_submitted = asyncio.Event()
    with Relay(postgres_url) as relay:
        book = Book.connect(f"{relay.url}&connect_timeout=2")
        async with _open_client(sandbox, book) as client:
            run = _start(await _open_batch(client), is_submitted)
            await is_submitted.wait()
            relay.is_silent = True
            run.cancel()
            async with asyncio.timeout(20):
                await asyncio.wait([run])
            assert run.cancelled()
    assert len(sandbox.jobs) == 1


async def _until_submitted(book: Book, number: int) -> None:
    while (await book.batches())[0].submitted < number:  # noqa: ASYNC110 -- a database has no event
        await asyncio.sleep(0.02)


async def test_a_submit_under_way_has_its_place(
    postgres_url: str, sandbox: Sandbox
) -> None:
    """Caught: a job of another run that is taken over, and one more than max_active."""
    searches = [LookalikeSearch(query=name, limit=30) for name in "ab"]
    books = [Book.connect(postgres_url) for _ in range(2)]
    async with (
        _open_client(sandbox, books[0]) as other,
        _open_client(sandbox, books[1]) as client,
    ):
        leaving = asyncio.create_task(
            (await other.batch("q4", searches)).run(max_active=1)
        )
        await _until_submitted(books[0], 1)
        sandbox.faults.append(SlowAnswer(delay=3.0, on="submit"))
        run = asyncio.create_task((await client.batch("q4")).run(max_active=1))
        while len(sandbox.jobs) < 2:  # noqa: ASYNC110 -- the sandbox has no event
            await asyncio.sleep(0.02)
        # Its job is free now.
        leaving.cancel()
        await asyncio.wait([leaving])
        await _until_submitted(books[0], 2)
        await asyncio.sleep(0.5)
        opened = ledger_of(books[1]).store
        assert isinstance(opened, PostgresStore)
        leases = await opened.count_leases()
        run.cancel()
        await asyncio.wait([run])
    assert max(leases.values()) == 1
