"""One process follows a job; another one takes over, and the first writes no more."""

import asyncio
import threading
from collections.abc import AsyncIterator

import psycopg
import pytest

from openfunnel_async import JobCheckpoint
from openfunnel_async.book import EntryState
from openfunnel_async.book._postgres import connection, leases
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.book._records import BatchOptions, NotFollowedError
from tests.book.conformance.planned import ROWS, entry_of, plan, planned, submitted

pytestmark = pytest.mark.anyio
PLACE = str(JobCheckpoint(job_id="job-1"))
SHORT = 0.4


@pytest.fixture
async def first(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """Open the Book as a process does that can be paused: nothing renews its leases."""
    store = PostgresStore(postgres_url, lease=SHORT)
    await store._renew()
    yield store
    await store.aclose()


@pytest.fixture
async def second(postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres_url, lease=30)
    await store.acquire_run_lock()
    yield store
    await store.release_run_lock()
    await store.aclose()


async def test_a_job_is_followed_by_one_process(
    first: PostgresStore, second: PostgresStore
) -> None:
    await plan(first, "a", "b")
    entry = await submitted(first, "a", "job-1")
    other = await submitted(first, "b", "job-2")
    assert await second.take_lease(entry.id)
    assert not await first.take_lease(entry.id)
    assert [one.key for one in await first.take_free_leases("q4", 9)] == ["b"]
    assert await second.take_free_leases("q4", 9) == []
    await first.release_lease(other.id)
    assert [one.key for one in await second.take_free_leases("q4", 9)] == ["b"]


async def test_a_process_that_was_paused_writes_nothing_any_more(
    first: PostgresStore, second: PostgresStore
) -> None:
    """Caught: rows doubled, or lost behind a place that was set back."""
    await plan(first, "a", most=60)
    entry = await submitted(first, "a", "job-1")
    assert await first.take_lease(entry.id)
    await first.record_page(entry.id, 0, ROWS, PLACE)
    await asyncio.sleep(SHORT + 0.1)
    assert await second.take_lease(entry.id)
    with pytest.raises(NotFollowedError):
        await first.record_page(entry.id, 2, ROWS, PLACE)
    with pytest.raises(NotFollowedError):
        await first.record_bill(entry.id, "completed", 2.0, None)
    await second.record_page(entry.id, 2, ROWS, PLACE)
    await second.record_bill(entry.id, "completed", 4.0, None)
    stored = await entry_of(first, "a")
    assert (stored.rows, stored.billed) == (4, 4.0)
    assert (await first.check()).problems == ()


async def test_a_lease_that_is_renewed_is_not_taken(
    postgres_url: str, second: PostgresStore
) -> None:
    living = PostgresStore(postgres_url, lease=SHORT)
    await living.acquire_run_lock()
    await plan(living, "a")
    entry = await submitted(living, "a", "job-1")
    assert await living.take_lease(entry.id)
    await asyncio.sleep(3 * SHORT)
    assert not await second.take_lease(entry.id)
    await living.aclose()
    # What a process gives back on its way out needs no waiting.
    assert await second.take_lease(entry.id)


async def test_a_submit_of_a_living_process_is_not_swept(
    first: PostgresStore, second: PostgresStore
) -> None:
    (entry,) = await plan(second, "a")
    await second.begin_submit(entry.id, second.owner)
    assert await first.sweep([]) == []
    assert await second.sweep(["a"]) == []
    assert (await entry_of(first, "a")).state is EntryState.SUBMITTING
    # Its own submit that it does not carry on any more.
    assert await second.sweep([]) == ["a"]


async def test_a_submit_of_a_dead_process_is_unknown_and_its_late_id_heals_it(
    first: PostgresStore, second: PostgresStore
) -> None:
    (entry,) = await plan(first, "a", most=60)
    intent = await first.begin_submit(entry.id, first.owner)
    assert first.may_send()
    assert await second.sweep([]) == []
    await asyncio.sleep(SHORT + 0.1)
    assert not first.may_send()
    assert await second.sweep([]) == ["a"]
    # Its next lease is no permission to send what was begun under the last one.
    await first._renew()
    assert not first.may_send()
    stored = await entry_of(second, "a")
    assert stored.state is EntryState.UNKNOWN
    assert (await second.find_reports("q4"))[0].reserved == 60
    # The process was paused, and its answer was on the way.
    assert await first.record_submitted("a", intent.attempt, "job-1", 60)
    assert (await entry_of(second, "a")).state is EntryState.SUBMITTED
    assert await second.take_lease(entry.id)
    (later,) = await plan(first, "b", name="later")
    await first.begin_submit(later.id, first.owner)
    assert first.may_send()


async def test_a_lease_that_ran_out_while_it_was_renewed_is_no_permission(
    first: PostgresStore, postgres_url: str
) -> None:
    """Caught: a renewal that began in time, and was done too late."""
    (entry,) = await plan(first, "a")
    await first.begin_submit(entry.id, first.owner)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(connection._BEGIN, prepare=False)
        await asyncio.sleep(0.6 * SHORT)
        renewing = asyncio.create_task(first._renew())
        await asyncio.sleep(0.6 * SHORT)
        other.execute("ROLLBACK")
    await renewing
    # By itself the renewal is fresh enough.
    first.lease = 30
    assert not first.may_send()


async def test_who_comes_while_leases_are_given_back_has_them_renewed(
    postgres_url: str, second: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a run that begins as the last one ends, and whose leases run out."""
    is_leaving, may_leave = threading.Event(), threading.Event()
    leave = leases.leave

    def leave_late(db: PostgresDatabase, owner: str) -> None:
        is_leaving.set()
        assert may_leave.wait(10)
        leave(db, owner)

    store = PostgresStore(postgres_url, lease=SHORT)
    await store.acquire_run_lock()
    monkeypatch.setattr(leases, "leave", leave_late)
    await store.release_run_lock()
    assert await asyncio.to_thread(is_leaving.wait, 10)
    await store.acquire_run_lock()
    may_leave.set()
    await asyncio.sleep(2 * SHORT)
    assert store.owner in await second.count_leases()
    await store.release_run_lock()
    await store.aclose()


async def test_only_what_fits_under_a_cap_is_due(second: PostgresStore) -> None:
    """Caught: tasks made again and again for what cannot be submitted."""
    await plan(second, "a", "b", "c", most=120)
    await plan(second, "d", name="other")
    await second.plan_one(planned("single"))
    due = await second.find_due(9, None)
    assert due == [("a", "submit"), ("b", "submit"), ("d", "submit")]
    entry = await submitted(second, "a", "job-1")
    assert await second.find_due(9, None) == [
        ("a", "follow"),
        ("b", "submit"),
        ("d", "submit"),
    ]
    assert await second.take_lease(entry.id)
    await second.record_bill(entry.id, "completed", 0.0, None)
    due = await second.find_due(9, None)
    assert due == [("b", "submit"), ("c", "submit"), ("d", "submit")]


async def test_another_cap_is_a_change_that_others_notice(
    first: PostgresStore, second: PostgresStore
) -> None:
    await plan(first, "a", most=60)
    before = await second.find_change()
    await first.plan("q4", [planned("a", 60, "a")], BatchOptions(90))
    after = await second.find_change()
    await first.set_budget("x", (1.0, None, None))
    await submitted(first, "a", "job-1")
    marked = await second.find_change()
    await first.request_cancel("q4")
    assert len({before, after, marked, await second.find_change()}) == 4
    (entry,) = await second.take_free_leases("q4", 9)
    assert entry.wants_cancel
    assert await second.find_cancels() == ["a"]
