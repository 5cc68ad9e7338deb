"""Batches on a Book, in virtual time: what is bought, once, and what is in it."""

import asyncio
import json

import anyio
import pytest

from openfunnel_async import (
    AuthenticationError,
    Book,
    ConfigurationError,
    InsufficientCreditsError,
    LookalikeSearch,
    TransportError,
)
from openfunnel_async.book import BatchStatus, EntryState
from openfunnel_async.sandbox import LostAnswer, StatusFault, UnfinishedManifest
from tests.book.account import BookAccount
from tests.fleet.account import lasting, search, searches
from tests.support.sandbox_transport import Fate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


async def test_a_batch_is_bought_once_and_whole(address: str) -> None:
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(250, 30, 100))
        report = await batch.run()
        rows = [company async for company in batch.rows()]
        entries = await account.check()
    assert (report.settled, report.rows, report.spent) == (3, 380, 380)
    assert (report.reserved, report.credits_consumed) == (0, 380)
    assert len(rows) == 380
    assert [entry.rows for entry in entries] == [250, 30, 100]
    assert account.submits() == {"search 0": 1, "search 1": 1, "search 2": 1}


async def test_the_rows_are_those_of_the_service_in_order(address: str) -> None:
    """Caught: a page stored twice, or in another order."""
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(250))
        await batch.run()
        (entry,) = await account.check()
        assert entry.job_id is not None
        expected = (await account.client.job(entry.job_id).result()).rows
        assert [company async for company in batch.rows()] == list(expected)


async def test_run_again_it_sends_nothing(address: str) -> None:
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(30))
        first = await batch.run()
        before = len(account.service.requests)
        again = await account.client.batch("q4", searches(30))
        assert await again.run() == first
        assert len(account.service.requests) == before


async def test_no_more_jobs_than_allowed_run_at_a_time(address: str) -> None:
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(*[10] * 9))
        await batch.run(max_active=3)
        assert account.most_at_once() == 3


async def test_what_may_still_be_billed_never_passes_the_cap(address: str) -> None:
    """Caught: a reservation returned before the bill; a cap that is not checked."""
    lives = [lasting(20 + number % 7 * 9, rows=3 * number) for number in range(30)]
    limits = [20 + number * 13 % 60 for number in range(30)]
    async with BookAccount(address, *lives) as account:
        batch = await account.client.batch("q4", searches(*limits), max_credits=150)
        report = await batch.run()
        assert 100 < account.most_committed() <= 150
        assert report.spent == account.service.ledger.used <= 150
        assert report.over_cap == report.skipped > 0
        await account.check()


async def test_a_higher_cap_buys_the_rest(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(60, 60), max_credits=100)
        report = await batch.run()
        assert (report.settled, report.over_cap, report.spent) == (1, 1, 60)
        batch = await account.client.batch("q4", searches(60, 60), max_credits=120)
        report = await batch.run()
        assert (report.settled, report.over_cap, report.spent) == (2, 0, 120)
        assert account.service.ledger.used == 120


async def test_a_lost_answer_is_an_unknown_entry_that_stays_reserved(
    address: str,
) -> None:
    """Caught: submitted again; the reservation returned."""
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60, 60), max_credits=100)
        report = await batch.run()
        assert (report.unknown, report.planned, report.settled) == (1, 1, 0)
        assert (report.spent, report.reserved) == (0, 60)
        assert account.submits() == {"search 0": 1}
        # Again: nothing is sent, as nothing can give room back.
        assert await batch.run() == report
        assert account.submits() == {"search 0": 1}


async def test_an_unknown_entry_is_resolved_by_the_id_of_its_job(
    address: str,
) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60, 60), max_credits=120)
        await batch.run()
        (unknown,) = await account.book.entries(state=EntryState.UNKNOWN)
        (view, *_) = account.views
        await account.book.resolve(unknown.key, job_id=view.id)
        report = await batch.run()
        assert (report.unknown, report.settled, report.spent) == (0, 2, 120)
        await account.check()


async def test_a_search_that_is_submitted_again_is_reserved_twice(
    address: str,
) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60), max_credits=100)
        await batch.run()
        (unknown,) = await account.book.entries(state=EntryState.UNKNOWN)
        await account.book.resolve(unknown.key, submit_again=True)
        report = await batch.run()
        # The first submit may be billed as well, so the second no longer fits.
        assert (report.over_cap, report.spent, report.settled) == (1, 60, 0)
        batch = await account.client.batch("q4", searches(60), max_credits=120)
        report = await batch.run()
        assert (report.settled, report.spent) == (1, 120)
        assert account.service.ledger.used == 120
        await account.check()


async def test_a_refused_search_is_rejected_and_the_others_are_bought(
    address: str,
) -> None:
    faults = [StatusFault(status=422, on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60, 60), max_credits=60)
        report = await batch.run()
        assert (report.rejected, report.settled, report.spent) == (1, 1, 60)
        (entry,) = await account.book.entries(state=EntryState.REJECTED)
        assert "422" in (entry.error or "")
        assert account.submits() == {"search 0": 1, "search 1": 1}


async def test_a_refused_key_leaves_everything_planned(address: str) -> None:
    """Caught: every search of the batch rejected for good."""
    faults = [StatusFault(status=401, on="submit", times=9)]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60, 60))
        with pytest.raises(AuthenticationError):
            await batch.run()
        assert (await batch.status()).planned == 2
        assert len(account.seen("submit")) == 1


async def test_too_few_credits_stop_the_submits_and_not_the_jobs(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20), credit=70) as account:
        batch = await account.client.batch("q4", searches(60, 60, 60))
        with pytest.raises(InsufficientCreditsError):
            await batch.run()
        status = await batch.status()
        assert (status.settled, status.planned, status.rows) == (1, 2, 60)


async def test_a_short_outage_of_the_network_is_survived(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        account.transport.fates.extend([Fate.REFUSED] * 9)
        batch = await account.client.batch("q4", searches(60))
        report = await batch.run()
        assert (report.settled, report.unknown) == (1, 0)


async def test_a_long_outage_ends_the_run_and_leaves_it_planned(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20)) as account:
        account.transport.fates.extend([Fate.REFUSED] * 500)
        batch = await account.client.batch("q4", searches(60, 60))
        began = asyncio.get_running_loop().time()
        with pytest.raises(TransportError):
            await batch.run()
        assert 100 < asyncio.get_running_loop().time() - began < 150
        assert (await batch.status()).planned == 2
        assert account.views == []


async def test_a_cancelled_run_leaves_its_jobs_running(address: str) -> None:
    """Caught: jobs cancelled as those of run_many are."""
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(60, 60))
        with anyio.move_on_after(10):
            await batch.run()
        assert account.seen("cancel") == []
        assert len(account.going()) == 2
        report = await batch.run()
        assert (report.settled, report.rows) == (2, 120)
        assert account.submits() == {"search 0": 1, "search 1": 1}
        await account.check()


@pytest.mark.parametrize("moment", [number / 20 for number in range(1, 25)])
async def test_cancelled_at_any_moment_of_a_submit_it_submits_once(
    address: str, moment: float
) -> None:
    """Caught: an intent left behind as an unknown submit; a second POST."""
    async with BookAccount(address, lasting(9), latency=[0.4]) as account:
        batch = await account.client.batch("q4", searches(20, 20, 20))
        with anyio.move_on_after(moment):
            await batch.run()
        report = await batch.run()
        assert (report.settled, report.unknown, report.rows) == (3, 0, 60)
        assert set(account.submits().values()) == {1}
        await account.check()


async def test_a_closed_client_leaves_the_jobs_running(address: str) -> None:
    account = BookAccount(address, lasting(30))
    batch = await account.client.batch("q4", searches(60))
    run = asyncio.create_task(batch.run())
    await anyio.sleep(10)
    await account.client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await run
    assert len(account.going()) == 1
    assert account.seen("cancel") == []


async def test_two_runs_of_a_batch_at_the_same_time_are_refused(
    address: str,
) -> None:
    async with BookAccount(address, lasting(30)) as account:
        batch = await account.client.batch("q4", searches(60))
        run = asyncio.create_task(batch.run())
        await anyio.sleep(1)
        with pytest.raises(ConfigurationError, match="another task"):
            await batch.run()
        assert (await run).settled == 1


async def test_two_batches_of_a_book_run_side_by_side(address: str) -> None:
    """Caught: the second run takes the submit of the first for a lost one."""
    async with BookAccount(address, lasting(30), latency=[5.0]) as account:
        one = await account.client.batch("one", searches(60, 10))
        other = await account.client.batch("other", [search(7), search(8)])
        first = asyncio.create_task(one.run())
        await anyio.sleep(2)
        assert (await other.run()).settled == 2
        report = await first
        assert (report.settled, report.unknown) == (2, 0)


async def test_a_failed_job_is_settled_with_its_rows(address: str) -> None:
    async with BookAccount(address, lasting(20, rows=40, ends="failed")) as account:
        batch = await account.client.batch("q4", searches(60))
        report = await batch.run()
        (entry,) = await account.book.entries()
    assert (report.failed, report.rows, report.settled) == (1, 40, 1)
    assert entry.error is not None


async def test_a_bill_that_is_stated_late_is_waited_for(address: str) -> None:
    """Caught: the exposure taken for the bill of a job that delivered less."""
    faults = [UnfinishedManifest()]
    async with BookAccount(address, lasting(20, rows=40), faults=faults) as account:
        batch = await account.client.batch("q4", searches(60))
        report = await batch.run()
    assert (report.spent, report.credits_consumed) == (40, 40)


async def test_on_progress_reports_the_sums_and_its_error_ends_the_run(
    address: str,
) -> None:
    seen: list[BatchStatus] = []

    def refuse(status: BatchStatus) -> None:
        seen.append(status)
        if status.submitted:
            raise LookupError("enough")

    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(60))
        with pytest.raises(LookupError, match="enough"):
            await batch.run(on_progress=refuse)
        assert len(account.going()) == 1
        seen.clear()
        await batch.run(on_progress=seen.append)
    assert seen[-1].settled == 1
    assert type(seen[-1]) is BatchStatus


async def test_cancel_skips_what_is_planned_and_settles_the_rest(
    address: str,
) -> None:
    async with BookAccount(address, lasting(300)) as account:
        batch = await account.client.batch("q4", searches(*[50] * 5))
        with anyio.move_on_after(10):
            await batch.run(max_active=2)
        receipts = await batch.cancel(wait=True)
        report = await batch.report()
        assert [receipt.accepted for receipt in receipts] == [True, True]
        assert (report.cancelled, report.skipped, report.submitted) == (2, 3, 0)
        await account.check()
        assert len(account.seen("submit")) == 2


async def test_cancel_while_the_batch_runs_ends_the_run(address: str) -> None:
    async with BookAccount(address, lasting(300)) as account:
        batch = await account.client.batch("q4", searches(*[50] * 5))
        run = asyncio.create_task(batch.run(max_active=2))
        await anyio.sleep(10)
        await batch.cancel()
        report = await run
        assert (report.cancelled, report.skipped) == (2, 3)
        await account.check()


async def test_another_process_may_cancel_a_batch_that_runs(address: str) -> None:
    """Caught: a runner that does not read what others write."""
    async with BookAccount(address, lasting(300)) as account:
        batch = await account.client.batch("q4", searches(*[50] * 3))
        run = asyncio.create_task(batch.run(max_active=1))
        await anyio.sleep(10)
        async with Book.connect(address) as other:
            await other._ledger.store.request_cancel("q4")
        report = await run
        assert (report.cancelled, report.skipped) == (1, 2)


async def test_extend_adds_searches_and_calling_it_again_adds_none(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(60))
        more = [search(8, 30), search(9, 30)]
        await batch.extend(more)
        await batch.extend(more)
        report = await batch.run()
        assert (report.searches, report.settled) == (3, 3)
        # The program that is started again plans what it planned before.
        again = await account.client.batch("q4", searches(60))
        assert (await again.run()).settled == 3


async def test_rows_of_a_batch_are_read_without_a_client(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        await (await account.client.batch("q4", searches(60))).run()
    async with Book.connect(address) as book:
        batch = await book.batch("q4")
        assert len([company async for company in batch.rows()]) == 60
        with pytest.raises(ConfigurationError, match=r"OpenFunnel\.batch"):
            await batch.run()


async def test_a_book_without_rows_ends_at_once(address: str) -> None:
    async with BookAccount(address) as account:
        batch = await account.client.batch("q4", [LookalikeSearch(query="voice")])
        assert [company async for company in batch.rows()] == []


async def test_values_of_the_book_as_json(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        batch = await account.client.batch("q4", searches(60), labels=["crm-1"])
        await batch.run()
        (entry,) = await batch.searches()
    fields = json.loads(entry.to_json())
    assert entry.submitted_at is not None
    assert fields["submitted_at"] == entry.submitted_at.isoformat()
    assert (fields["state"], fields["label"]) == ("settled", "crm-1")
    assert len(repr(entry)) < 600
