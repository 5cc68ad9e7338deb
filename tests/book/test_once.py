"""``submit(search, once=…)``: one job for one key, however often it is called."""

import asyncio
from pathlib import Path

import anyio
import pytest

from openfunnel_async import (
    Book,
    BookInUseError,
    ConfigurationError,
    OpenFunnel,
    OtherAccountError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
    TransportError,
)
from openfunnel_async.book import EntryState
from openfunnel_async.sandbox import LostAnswer, StatusFault
from tests.book.account import BookAccount
from tests.fleet.account import Account, lasting, search
from tests.support.sandbox_transport import ORIGIN, Fate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


async def test_the_same_key_is_the_same_job(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        first = await account.client.submit(search(limit=50), once="crm-4711")
        again = await account.client.submit(search(limit=50), once="crm-4711")
        assert (again.id, again.limit) == (first.id, 50)
        assert len((await again.result()).rows) == 50
        assert len(account.seen("submit")) == 1


async def test_another_process_gets_the_same_job(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        first = await account.client.submit(search(), once="crm-4711")
        await account.book.aclose()
        account.book._ledger.once.clear()
        again = await account.client.submit(search(), once="crm-4711")
        assert again.id == first.id
        assert len(account.seen("submit")) == 1


async def test_calls_at_the_same_time_share_one_submit(address: str) -> None:
    async with BookAccount(address, lasting(20), latency=[2.0]) as account:
        submits = (account.client.submit(search(), once="k") for _ in range(5))
        jobs = await asyncio.gather(*submits)
        assert len({job.id for job in jobs}) == 1
        assert len(account.seen("submit")) == 1


async def test_one_of_two_callers_who_is_cancelled_takes_nothing_away(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20), latency=[2.0]) as account:
        first = asyncio.create_task(account.client.submit(search(), once="k"))
        second = asyncio.create_task(account.client.submit(search(), once="k"))
        await anyio.sleep(0.5)
        first.cancel()
        job = await second
        assert account.views[0].id == job.id
        assert account.seen("cancel") == []


async def test_a_cancelled_submit_leaves_its_job_and_its_id_in_the_book(
    address: str,
) -> None:
    """Caught: the job cancelled, as that of a submit without a key is."""
    async with BookAccount(address, lasting(20), latency=[2.0]) as account:
        submit = asyncio.create_task(account.client.submit(search(), once="k"))
        await anyio.sleep(0.5)
        submit.cancel()
        await asyncio.wait([submit])
        assert submit.cancelled()
        (entry,) = await account.book.entries()
        assert entry.job_id == account.views[0].id
        job = await account.client.submit(search(), once="k")
        assert job.id == entry.job_id
        assert account.seen("cancel") == []


async def test_an_unknown_outcome_is_raised_again_and_never_sent_again(
    address: str,
) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        for _ in range(2):
            with pytest.raises(SubmitOutcomeUnknownError):
                await account.client.submit(search(limit=70), once="k")
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            await account.client.submit(search(limit=70), once="k")
        assert caught.value.max_exposure == 70
        assert caught.value.search == search(limit=70)
        assert len(account.seen("submit")) == 1
        await account.book.resolve("k", job_id=account.views[0].id)
        job = await account.client.submit(search(limit=70), once="k")
        assert job.id == account.views[0].id


async def test_an_unknown_outcome_that_was_skipped_stays_unknown(
    address: str,
) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        with pytest.raises(SubmitOutcomeUnknownError):
            await account.client.submit(search(), once="k")
        await account.book.resolve("k", skip=True)
        with pytest.raises(SubmitOutcomeUnknownError):
            await account.client.submit(search(), once="k")
        assert len(account.seen("submit")) == 1


async def test_a_refused_search_may_be_submitted_again(address: str) -> None:
    faults = [StatusFault(status=422, on="submit")]
    async with BookAccount(address, lasting(20), faults=faults) as account:
        with pytest.raises(RequestRejectedError):
            await account.client.submit(search(), once="k")
        (entry,) = await account.book.entries()
        assert entry.state is EntryState.REJECTED
        await account.client.submit(search(), once="k")
        assert len(account.views) == 1


async def test_another_search_under_the_key_is_refused(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        await account.client.submit(search(1), once="k")
        with pytest.raises(ConfigurationError, match="another search"):
            await account.client.submit(search(2), once="k")
        assert len(account.seen("submit")) == 1


@pytest.mark.parametrize("once", ["", "x" * 201, "a\nb", 7])
async def test_an_invalid_key_is_refused(address: str, once: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        with pytest.raises(ConfigurationError):
            await account.client.submit(search(), once=once)
        assert account.seen("submit") == []
        assert await account.book.entries() == []


async def test_without_a_book_a_key_is_refused() -> None:
    async with Account(lasting(20)) as account:
        with pytest.raises(ConfigurationError, match="Book"):
            await account.client.submit(search(), once="k")
        with pytest.raises(ConfigurationError, match="Book"):
            await account.client.batch("q4", [search()])
        assert account.service.requests == []


async def test_a_book_of_another_key_is_refused(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        await account.client.submit(search(), once="k")
    async with Book.connect(address) as book:
        await book.aclose()
    stranger = BookAccount(address, lasting(20))
    stranger.client._book_jobs.fingerprint = "0" * 8
    async with stranger as account:
        with pytest.raises(OtherAccountError):
            await account.client.submit(search(), once="other")
        with pytest.raises(OtherAccountError):
            await account.client.batch("q4", [search()])
        assert account.seen("submit") == []


async def test_while_another_process_runs_the_book_nothing_is_sent(
    book_path: Path,
) -> None:
    async with (
        BookAccount(book_path, lasting(20)) as account,
        Book(book_path) as other,
    ):
        known = await account.client.submit(search(1), once="known")
        async with other._ledger.run_lock():
            with pytest.raises(BookInUseError, match="pid"):
                await account.client.submit(search(), once="new")
            # A job that is known needs no lock.
            again = await account.client.submit(search(1), once="known")
            assert again.id == known.id
            batch = await account.client.batch("q4", [search()])
            with pytest.raises(BookInUseError):
                await batch.run()
        assert len(account.seen("submit")) == 1
        assert (await batch.run()).settled == 1


async def test_the_bill_of_a_job_is_written_when_a_handle_sees_its_end(
    address: str,
) -> None:
    """Caught: an entry that stays submitted for ever."""
    async with BookAccount(address, lasting(20, rows=30)) as account:
        job = await account.client.submit(search(limit=50), once="k")
        await job.wait_until_terminal()
        await anyio.sleep(1)
        (entry,) = await account.book.entries()
        assert (entry.state, entry.status) == (EntryState.SETTLED, "completed")
        assert (entry.billed, entry.rows) == (30, 0)
        again = await account.client.submit(search(limit=50), once="k")
        assert len((await again.result()).rows) == 30


async def test_the_bill_is_written_by_another_process_as_well(address: str) -> None:
    async with BookAccount(address, lasting(20, rows=30)) as account:
        await account.client.submit(search(limit=50), once="k")
        account.book._ledger.open_jobs.clear()
        other = account.client.with_options(label="other")
        job = await other.submit(search(limit=50), once="k")
        await job.result()
        await anyio.sleep(1)
        (entry,) = await account.book.entries()
        assert (entry.state, entry.billed) == (EntryState.SETTLED, 30)


async def test_two_searches_under_one_key_at_the_same_moment(address: str) -> None:
    """Caught: the second caller gets the job of the first one's search."""
    async with BookAccount(address, lasting(20), latency=[2.0]) as account:
        first, second = await asyncio.gather(
            account.client.submit(search(1), once="k"),
            account.client.submit(search(2), once="k"),
            return_exceptions=True,
        )
        assert isinstance(second, ConfigurationError)
        assert not isinstance(first, BaseException)
        assert account.submits() == {"search 1": 1}


async def test_the_search_of_a_failed_call_is_not_bought_later(book_path: Path) -> None:
    async with (
        BookAccount(book_path, lasting(20)) as account,
        Book(book_path) as other,
    ):
        async with other._ledger.run_lock():
            with pytest.raises(BookInUseError):
                await account.client.submit(search(1), once="k")
        await account.client.submit(search(2), once="k")
        assert account.submits() == {"search 2": 1}
        assert account.book._ledger.once == {}


async def test_a_call_after_a_cancelled_one_waits_for_the_late_answer(
    address: str,
) -> None:
    async with BookAccount(address, lasting(20), latency=[12.0]) as account:
        submit = asyncio.create_task(account.client.submit(search(), once="k"))
        await anyio.sleep(7)
        submit.cancel()
        await asyncio.wait([submit])
        job = await account.client.submit(search(), once="k")
        assert job.id == account.views[0].id
        assert len(account.seen("submit")) == 1


async def test_a_second_client_of_the_book_submits_by_itself(address: str) -> None:
    account = BookAccount(address, lasting(20))
    account.transport.fates.extend([Fate.REFUSED] * 50)
    with pytest.raises(TransportError):
        await account.client.submit(search(), once="k")
    account.transport.fates.clear()
    await account.client.aclose()
    async with OpenFunnel(
        account.service.api_key,
        base_url=ORIGIN,
        transport=account.transport,
        book=account.book,
    ) as other:
        job = await other.submit(search(), once="k")
    assert account.views[0].id == job.id


async def test_a_key_that_was_skipped_before_anything_was_sent(address: str) -> None:
    async with BookAccount(address, lasting(20)) as account:
        account.transport.fates.extend([Fate.REFUSED] * 50)
        with pytest.raises(TransportError):
            await account.client.submit(search(), once="k")
        account.transport.fates.clear()
        await account.book.resolve("k", skip=True)
        with pytest.raises(ConfigurationError, match="skipped"):
            await account.client.submit(search(), once="k")
        await account.book.resolve("k", submit_again=True)
        await account.client.submit(search(), once="k")
        assert len(account.views) == 1


async def test_an_entry_with_a_job_is_not_submitted_again(address: str) -> None:
    """Caught: rows of one job under the id of another."""
    async with BookAccount(address, lasting(20)) as account:
        job = await account.client.submit(search(), once="k")
        await account.book.resolve("k", skip=True)
        with pytest.raises(ConfigurationError, match=job.id):
            await account.book.resolve("k", submit_again=True)
        assert (await account.client.submit(search(), once="k")).id == job.id
