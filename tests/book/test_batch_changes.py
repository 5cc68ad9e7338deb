"""A batch that is changed while it runs, by a person, a process or the service."""

import asyncio
from typing import Any

import anyio
import pytest

from openfunnel_async import (
    JobNotFoundError,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.book import BatchStatus, EntryState
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._records import EntryRecord
from openfunnel_async.sandbox import (
    JobLife,
    LostAnswer,
    StatusFault,
    TargetedFault,
    UnfinishedManifest,
    VanishedJob,
)
from tests.book.account import BookAccount
from tests.fleet.account import lasting, search, searches
from tests.support.sandbox_transport import Fate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


@pytest.mark.parametrize(
    "fault",
    [
        LostAnswer(on="submit", times=1000),
        StatusFault(status=502, on="submit", times=1000),
        StatusFault(status=503, on="submit", times=1000),
    ],
    ids=["lost", "502", "503"],
)
async def test_a_gateway_that_fails_does_not_make_every_search_unknown(
    address: str, fault: TargetedFault
) -> None:
    async with BookAccount(address, lasting(20), faults=[fault]) as account:
        batch = await account.client.batch("q4", searches(*[10] * 30))
        with pytest.raises(SubmitOutcomeUnknownError):
            await batch.run()
        status = await batch.status()
        assert (status.unknown, status.planned) == (3, 27)


async def test_a_run_waits_for_the_late_answer_of_the_one_before(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20), latency=[14.0]) as account:
        batch = await account.client.batch("q4", searches(50))
        with anyio.move_on_after(8):
            await batch.run()
        report = await batch.run()
        assert (report.settled, report.rows) == (1, 50)


async def test_cancel_reaches_the_job_of_a_late_answer(address: str) -> None:
    async with BookAccount(address, lasting(300), latency=[14.0]) as account:
        batch = await account.client.batch("q4", searches(50))
        with anyio.move_on_after(8):
            await batch.run()
        receipts = await batch.cancel(wait=True)
        assert [receipt.accepted for receipt in receipts] == [True]
        assert (await batch.report()).cancelled == 1


async def test_searches_that_are_added_to_a_run_are_submitted(address: str) -> None:
    async with BookAccount(address, lasting(300)) as account:
        batch = await account.client.batch("q4", searches(50))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(10)
        await batch.extend([search(8, 30)])
        await anyio.sleep(10)
        assert len(account.views) == 2
        assert (await run).settled == 2


async def test_a_job_that_a_person_names_is_followed_by_the_run(
    address: str,
) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(100), faults=faults) as account:
        batch = await account.client.batch("q4", searches(50, 50))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(10)
        (unknown,) = await account.book.entries(state=EntryState.UNKNOWN)
        await account.book.resolve(unknown.key, job_id=account.views[0].id)
        report = await run
        assert (report.settled, report.rows) == (2, 100)
        await account.check()


async def test_an_entry_that_a_person_skips_ends_nothing_else(address: str) -> None:
    async with BookAccount(address, lasting(100)) as account:
        batch = await account.client.batch("q4", searches(50, 50, 50))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(10)
        (first, *_) = await account.book.entries()
        await account.book.resolve(first.key, skip=True)
        report = await run
        assert (report.settled, report.skipped) == (2, 1)
        assert (await account.book.check()).problems == ()


async def test_a_run_reads_all_of_its_jobs_a_tenth_of_the_time(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a large batch that reads its jobs after each of its own changes."""
    async with BookAccount(address, lasting(30), latency=[0.05]) as account:
        store = ledger_of(account.book).store
        find_entries, reads = store.find_entries, 0

        async def find_slowly(**wanted: Any) -> list[EntryRecord]:
            nonlocal reads
            if wanted.get("states") == (EntryState.SUBMITTED,):
                reads += 1
                await anyio.sleep(0.1)
            return await find_entries(**wanted)

        monkeypatch.setattr(store, "find_entries", find_slowly)
        batch = await account.client.batch("q4", searches(*[20] * 60))
        began = anyio.current_time()
        report = await batch.run(max_active=60)
        assert report.settled == 60
        # One read at the start comes on top, and the one that is under way at the end.
        assert 3 <= reads <= anyio.current_time() - began + 3


async def test_cancel_with_wait_returns_when_the_run_has_stored_the_rest(
    address: str,
) -> None:
    life = JobLife(
        queue=0, processed_after=0, first_page_after=5, seconds_per_page=5, closing=0
    )
    async with BookAccount(address, life, latency=[2.0]) as account:
        batch = await account.client.batch("q4", searches(5000))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(60)
        await batch.cancel(wait=True)
        report = await batch.report()
        assert (report.settled, report.submitted) == (1, 0)
        assert report.rows == report.spent == account.views[0].rows_written
        assert await run == report


async def test_a_job_that_is_gone_takes_no_place(address: str) -> None:
    """Caught: one job that the service forgot, and a batch that never ends."""
    faults = [VanishedJob(times=10**6)]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(50, 50, 50))
        with pytest.raises(JobNotFoundError):
            await batch.run(max_active=1)
        assert (await batch.status()).planned == 0
        for entry in await account.book.entries(state=EntryState.SUBMITTED):
            assert "skip=True" in (entry.error or "")


async def test_a_bill_that_cannot_be_read_is_read_by_the_next_run(
    address: str,
) -> None:
    """Caught: the exposure taken for the bill, for ever."""
    faults = [UnfinishedManifest()]
    life = lasting(20, rows=40)
    async with BookAccount(address, life, faults=faults) as account:
        batch = await account.client.batch("q4", searches(60))

        def cut(status: BatchStatus) -> None:
            if status.rows and not account.transport.fates:
                account.transport.fates.extend([Fate.REFUSED] * 1000)

        try:
            await batch.run(on_progress=cut)
        except OpenFunnelError:
            assert (await batch.status()).submitted == 1
        account.transport.fates.clear()
        report = await batch.run()
        assert (report.settled, report.spent, report.credits_consumed) == (1, 40, 40)


async def test_what_is_planned_is_skipped_and_jobs_continue(address: str) -> None:
    """Caught: a skip that cancels the job that runs, or that the next run ignores."""
    async with BookAccount(address, lasting(60), lasting(60)) as account:
        batch = await account.client.batch("q4", searches(50, 60))
        with anyio.move_on_after(8):
            await batch.run(max_active=1)
        await batch.skip_planned("it is not needed any more")
        report = await batch.run()
        assert (report.settled, report.skipped, report.rows) == (1, 1, 50)
        assert (report.completed, len(account.seen("submit"))) == (1, 1)
        (skipped,) = await batch.searches(state=EntryState.SKIPPED)
        assert skipped.error == "it is not needed any more"
        await account.book.resolve(skipped.key, submit_again=True)
        assert (await batch.run()).rows == 110


async def test_an_entry_remembers_that_its_outcome_was_unknown(address: str) -> None:
    """A program must not submit it again by itself."""
    lost = LostAnswer(on="submit")
    async with BookAccount(address, lasting(5), faults=[lost]) as account:
        batch = await account.client.batch("q4", searches(50, 60))
        await batch.run()
        (unknown,) = await batch.searches(state=EntryState.UNKNOWN)
        await account.book.resolve(unknown.key, skip=True)
        assert [one.was_unknown for one in await batch.searches()] == [True, False]
