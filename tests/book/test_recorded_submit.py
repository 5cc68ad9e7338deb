"""What became of a submit is written down, whatever fails and leaves."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from openfunnel_async import BookError, ConfigurationError, SubmitOutcomeUnknownError
from openfunnel_async.book import EntryState
from openfunnel_async.book._spill import SpillFile, read_held_ids
from openfunnel_async.book._sqlite.store import SqliteStore
from tests.book.account import BookAccount
from tests.fleet.account import lasting, search, searches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let a transaction of the store fail a number of times, as on a full disk."""

    def let_fail(name: str, times: int) -> None:
        real, left = getattr(SqliteStore, name), [times]

        async def failing(self: SqliteStore, *args: Any, **kwargs: Any) -> Any:
            if left[0]:
                left[0] -= 1
                raise BookError("database or disk is full")
            return await real(self, *args, **kwargs)

        monkeypatch.setattr(SqliteStore, name, failing)

    return let_fail


async def test_an_intent_that_cannot_be_written_sends_nothing(
    book_path: Path, fail: Callable[[str, int], None]
) -> None:
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(50))
        fail("begin_submit", 1)
        with pytest.raises(BookError, match="full"):
            await batch.run()
        assert account.service.requests == []
        fail("plan_one", 1)
        with pytest.raises(BookError, match="full"):
            await account.client.submit(search(), once="k")
        assert account.service.requests == []


async def test_an_id_that_cannot_be_written_is_held_and_written_later(
    book_path: Path,
    fail: Callable[[str, int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Caught: the id lost with the error; the search submitted again."""
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(50))
        fail("record_submitted", 5)
        with caplog.at_level(logging.ERROR):
            report = await batch.run()
        (view,) = account.views
        assert view.id in caplog.text
        assert [held.job_id for held in read_held_ids(SpillFile(book_path).path)] == [
            view.id
        ]
        assert (report.settled, report.rows) == (1, 50)
        # The next run finds the id in the Book, and tidies up.
        await batch.run()
        assert read_held_ids(SpillFile(book_path).path) == []
        await account.check()


async def test_an_id_that_was_held_is_found_by_the_next_process(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SqliteStore.record_submitted

    async def refuse(*_args: object) -> bool:
        raise BookError("database or disk is full")

    async with BookAccount(book_path, lasting(200)) as account:
        batch = await account.client.batch("q4", searches(50, 50))
        monkeypatch.setattr(SqliteStore, "record_submitted", refuse)
        run = asyncio.create_task(batch.run())
        await anyio.sleep(30)
        run.cancel()
        await account.client.aclose()
        await asyncio.wait([run])
        (view,) = account.views
        monkeypatch.setattr(SqliteStore, "record_submitted", real)
        # As the next process does, when it begins to run the Book.
        async with account.book._ledger.run_lock():
            pass
        first, second = await account.book.entries()
        assert (first.state, first.job_id) == (EntryState.SUBMITTED, view.id)
        assert second.state is EntryState.PLANNED
        assert not SpillFile(book_path).path.exists()


async def test_an_id_is_held_when_the_database_never_answers_before_the_end(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a transaction that hangs, cancelled with the id in it."""

    async def hang(*_args: object) -> bool:
        await anyio.sleep_forever()
        return True

    async with BookAccount(book_path, lasting(200)) as account:
        batch = await account.client.batch("q4", searches(50))
        monkeypatch.setattr(SqliteStore, "record_submitted", hang)
        run = asyncio.create_task(batch.run())
        await anyio.sleep(5)
        run.cancel()
        await account.client.aclose()
        await asyncio.wait([run])
        (held,) = read_held_ids(SpillFile(book_path).path)
        assert held.job_id == account.views[0].id


@pytest.mark.parametrize("moment", [0.5, 2.0, 3.5])
async def test_closing_the_client_waits_for_the_answer_of_a_submit(
    book_path: Path, moment: float
) -> None:
    """Caught: an unknown entry, though the answer was on its way."""
    account = BookAccount(book_path, lasting(200), latency=[4.0])
    batch = await account.client.batch("q4", searches(50, 50))
    run = asyncio.create_task(batch.run())
    await anyio.sleep(moment)
    await account.client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await run
    entries = await account.book.entries()
    states = [entry.state for entry in entries]
    assert states == [EntryState.SUBMITTED, EntryState.PLANNED]
    assert entries[0].job_id == account.views[0].id
    await account.book.aclose()


async def test_an_answer_that_does_not_come_is_unknown_after_the_close(
    book_path: Path,
) -> None:
    account = BookAccount(book_path, lasting(200), latency=[1e6], request_timeout=1e7)
    batch = await account.client.batch("q4", searches(50, 50))
    run = asyncio.create_task(batch.run())
    await anyio.sleep(3)
    run.cancel()
    await asyncio.wait([run])
    await account.client.aclose()
    states = [entry.state for entry in await account.book.entries()]
    assert states == [EntryState.UNKNOWN, EntryState.PLANNED]
    assert (await account.book.batches())[0].reserved == 50
    await account.book.aclose()


async def test_a_submit_slower_than_the_patience_of_a_cancel_is_still_recorded(
    book_path: Path,
) -> None:
    async with BookAccount(book_path, lasting(200), latency=[24.0]) as account:
        batch = await account.client.batch("q4", searches(50))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(3)
        began = asyncio.get_running_loop().time()
        run.cancel()
        await asyncio.wait([run])
        assert asyncio.get_running_loop().time() - began <= 6
        await anyio.sleep(60)
        (entry,) = await account.book.entries()
        assert entry.job_id == account.views[0].id
        assert (await batch.run()).settled == 1


async def test_a_page_that_cannot_be_written_is_read_again(
    book_path: Path, fail: Callable[[str, int], None]
) -> None:
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(250, 250))
        fail("record_page", 1)
        with pytest.raises(BookError, match="full"):
            await batch.run()
        assert account.seen("cancel") == []
        report = await batch.run()
        assert (report.settled, report.rows) == (2, 500)
        await account.check()


async def test_a_bill_that_cannot_be_written_is_read_again(
    book_path: Path, fail: Callable[[str, int], None]
) -> None:
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(250))
        fail("record_bill", 1)
        with pytest.raises(BookError, match="full"):
            await batch.run()
        report = await batch.run()
        assert (report.settled, report.rows, report.spent) == (1, 250, 250)


async def test_a_lost_outcome_that_cannot_be_written_is_unknown_on_the_next_run(
    book_path: Path, fail: Callable[[str, int], None]
) -> None:
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(50, 50))
        fail("record_no_job", 10)
        account.transport.fates.clear()
        account.transport.latency = lambda: 1e6
        with pytest.raises((BookError, SubmitOutcomeUnknownError)):
            await batch.run()
        account.transport.latency = lambda: 0.1
        report = await batch.run()
        assert (report.unknown, report.settled) == (1, 1)


async def test_an_id_is_held_whatever_the_store_raises(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: an exception of another kind, and the id lost with it."""
    real, times = SqliteStore.record_submitted, [0]

    async def fail_once(self: SqliteStore, *args: Any) -> bool:
        times[0] += 1
        if times[0] == 1:
            raise RuntimeError("can't start new thread")
        return await real(self, *args)

    monkeypatch.setattr(SqliteStore, "record_submitted", fail_once)
    async with BookAccount(book_path, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(50))
        assert (await batch.run()).settled == 1
        assert [held.job_id for held in read_held_ids(SpillFile(book_path).path)] == [
            account.views[0].id
        ]
