"""What each store must do: the states, the sums and the pages, one transaction each."""

import asyncio
import math

import pytest

from openfunnel_async import BookError, ConfigurationError, OtherAccountError
from openfunnel_async.book import BatchReport, EntryState
from openfunnel_async.book._identity import make_identity
from openfunnel_async.book._records import (
    BatchOptions,
    PageSums,
    Resolution,
    Room,
    unpack_rows,
)
from openfunnel_async.book._store import Store
from tests.book.conformance.planned import (
    ROWS,
    entry_of,
    plan,
    planned,
    submitted,
    submitting,
)

pytestmark = pytest.mark.anyio
NEW = BatchOptions(most_new=50)


async def sums(store: Store, name: str = "q4") -> tuple[float, float]:
    """Return what is spent and what is reserved, after a check of every sum."""
    assert (await store.check()).problems == ()
    report = await report_of(store, name)
    return report.spent, report.reserved


async def report_of(store: Store, name: str = "q4") -> BatchReport:
    (report,) = await store.find_reports(name)
    return report


async def test_planning_twice_changes_nothing(store: Store) -> None:
    first = await plan(store, "a", "b", most=100)
    assert await plan(store, "b", "a", most=100) == first
    assert [entry.seq for entry in first] == [0, 1]
    assert [entry.state for entry in first] == [EntryState.PLANNED] * 2


async def test_other_searches_under_a_name_are_refused(store: Store) -> None:
    first = await plan(store, "a", "b")
    for keys in (["a"], ["a", "b", "c"], ["c", "d"]):
        with pytest.raises(ConfigurationError, match="other searches"):
            await plan(store, *keys)
    assert await store.find_entries(batch="q4") == first


async def test_added_searches_may_be_missing_in_the_list(store: Store) -> None:
    await plan(store, "a")
    await store.plan("q4", [planned("b"), planned("a")], BatchOptions(), extends=True)
    assert [entry.key for entry in await plan(store, "a")] == ["a", "b"]
    assert [entry.key for entry in await plan(store, "a", "b")] == ["a", "b"]
    with pytest.raises(ConfigurationError):
        await plan(store, "b")


async def test_a_key_is_unique_over_all_batches(store: Store) -> None:
    """Caught: a batch that silently lacks a search."""
    (entry,) = await plan(store, "a")
    with pytest.raises(ConfigurationError, match="outside"):
        await plan(store, "a", "b", name="other")
    assert await store.find_batch("other") is None
    assert await entry_of(store, "a") == entry


async def test_an_entry_without_a_batch(store: Store) -> None:
    first = await store.plan_one(planned("crm-1"))
    assert await store.plan_one(planned("crm-1")) == first
    assert first.batch is None
    with pytest.raises(ConfigurationError, match="another search"):
        await store.plan_one(planned("crm-1", query="other"))
    await submitted(store, "crm-1", "job-1")
    await store.record_bill(first.id, "completed", 3.0, None)
    assert (await store.check()).problems == ()


async def test_an_account_is_bound_once(store: Store) -> None:
    await store.bind_account("11111111")
    await store.bind_account("11111111")
    with pytest.raises(OtherAccountError):
        await store.bind_account("22222222")


async def test_an_intent_reserves_and_a_bill_replaces_it(store: Store) -> None:
    await plan(store, "a", "b", most=100)
    entry = await submitted(store, "a", "job-1")
    assert await sums(store) == (0, 60)
    second = await entry_of(store, "b")
    assert (await store.begin_submit(second.id, "me")).room is Room.FULL
    await store.record_bill(entry.id, "cancelled", 12.5, None)
    assert await sums(store) == (12.5, 0)
    assert (await store.begin_submit(second.id, "me")).room is Room.RESERVED
    assert await sums(store) == (12.5, 60)


async def test_only_a_planned_entry_is_submitted(store: Store) -> None:
    (entry,) = await plan(store, "a")
    await submitting(store, "a")
    assert (await store.begin_submit(entry.id, "me")).room is Room.NOT_PLANNED
    await store.record_submitted("a", 1, "job-1", 60)
    assert (await store.begin_submit(entry.id, "me")).room is Room.NOT_PLANNED


async def test_two_intents_at_the_same_time_are_one(store: Store) -> None:
    (entry,) = await plan(store, "a")
    intents = (store.begin_submit(entry.id, "me") for _ in range(9))
    rooms = [intent.room for intent in await asyncio.gather(*intents)]
    assert rooms.count(Room.RESERVED) == 1


@pytest.mark.parametrize(
    ("most", "limit", "room"),
    [
        (60, 60, Room.RESERVED),
        (59.9, 60, Room.OVER),
        (0, 60, Room.OVER),
        (None, None, Room.RESERVED),
    ],
)
async def test_room_under_a_cap(
    store: Store, most: float | None, limit: int | None, room: Room
) -> None:
    (entry,) = await plan(store, "a", most=most, limit=limit)
    assert (await store.begin_submit(entry.id, "me")).room is room
    await sums(store)


@pytest.mark.parametrize("state", [EntryState.PLANNED, EntryState.REJECTED])
async def test_a_submit_that_made_no_job_returns_its_reservation(
    store: Store, state: EntryState
) -> None:
    await plan(store, "a", most=60)
    await store.record_no_job("a", await submitting(store, "a"), state, "no")
    entry = await entry_of(store, "a")
    assert (entry.state, entry.error) == (state, "no")
    assert await sums(store) == (0, 0)


async def test_a_submit_of_unknown_outcome_keeps_its_reservation(store: Store) -> None:
    (entry,) = await plan(store, "a", most=60)
    attempt = await submitting(store, "a")
    await store.record_no_job("a", attempt, EntryState.UNKNOWN, "lost")
    assert await sums(store) == (0, 60)
    assert (await store.begin_submit(entry.id, "me")).room is Room.NOT_PLANNED


async def test_a_late_id_heals_an_unknown_entry(store: Store) -> None:
    await plan(store, "a")
    attempt = await submitting(store, "a")
    assert await store.sweep(()) == ["a"]
    assert (await entry_of(store, "a")).state is EntryState.UNKNOWN
    assert await store.record_submitted("a", attempt, "job-1", 60)
    entry = await entry_of(store, "a")
    assert (entry.state, entry.job_id, entry.error) == ("submitted", "job-1", None)
    # Written once more, for example out of the file beside the Book.
    assert await store.record_submitted("a", attempt, "job-1", 60)


async def test_the_id_of_an_earlier_attempt_does_not_take_the_place_of_a_later_one(
    store: Store,
) -> None:
    await plan(store, "a", most=200)
    first = await submitting(store, "a")
    await store.sweep(())
    await store.resolve("a", Resolution.SUBMIT_AGAIN)
    assert await sums(store) == (60, 0)
    await submitted(store, "a", "job-2")
    assert not await store.record_submitted("a", first, "job-1", 60)
    assert (await entry_of(store, "a")).job_id == "job-2"
    assert await sums(store) == (60, 60)


async def test_a_job_belongs_to_one_entry(store: Store) -> None:
    await plan(store, "a", "b")
    await submitted(store, "a", "job-1")
    attempt = await submitting(store, "b")
    assert not await store.record_submitted("b", attempt, "job-1", 60)
    entry = await entry_of(store, "b")
    assert entry.state is EntryState.UNKNOWN
    with pytest.raises(ConfigurationError, match="belongs to"):
        await store.resolve("b", "job-1")
    await sums(store)


async def test_an_id_for_an_entry_that_is_not_there(store: Store) -> None:
    assert not await store.record_submitted("gone", 1, "job-1", 60)


async def test_a_larger_limit_of_the_service_is_reserved(store: Store) -> None:
    await plan(store, "a", most=100)
    attempt = await submitting(store, "a")
    await store.record_submitted("a", attempt, "job-1", 90)
    assert await sums(store) == (0, 90)


async def test_the_sweep_leaves_alone_what_is_under_way(store: Store) -> None:
    await plan(store, "a", "b")
    await submitting(store, "a")
    await submitting(store, "b")
    assert await store.sweep(["a"]) == ["b"]
    assert (await entry_of(store, "a")).state is EntryState.SUBMITTING


async def test_pages_are_stored_once_and_in_order(store: Store) -> None:
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    await store.record_page(entry.id, 0, ROWS, "place 1")
    for first in (0, 1, 3):
        with pytest.raises(BookError):
            await store.record_page(entry.id, first, ROWS, "place 2")
    entry = await entry_of(store, "a")
    assert (entry.rows, entry.place) == (2, "place 1")
    await store.record_page(entry.id, 2, ROWS[:1], "place 2")
    await store.record_page(entry.id, 3, [], "place 3")
    assert (await entry_of(store, "a")).place == "place 3"
    assert (await store.check()).rows == 3
    pages = await store.find_pages("q4", (-1, 0), 9)
    assert [row for page in pages for row in unpack_rows(page.body)] == [*ROWS, ROWS[0]]


def row_of(page: str | None = None, domain: str | None = None) -> dict[str, object]:
    url = None if page is None else f"https://www.linkedin.com/company/{page}"
    return {"name": "A", "linkedin_url": url, "domain": domain}


async def test_what_is_new_in_a_page(store: Store) -> None:
    """Caught: a company that is twice in a page; one that only its domain knows."""
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    await store.add_known([make_identity(None, "list.example")], "CRM")
    rows = [
        row_of("acme", "acme.example"),
        row_of("acme", "other.example"),
        row_of("acme-2", "acme.example"),
        row_of(None, "acme.example"),
        row_of("listed", "list.example"),
        row_of(None, "new.example"),
        row_of(None, "www.new.example"),
        row_of("late", "new.example"),
        {"name": "without marks"},
        {"linkedin_url": 7, "domain": ["acme.example"]},
    ]
    first = await store.record_page(entry.id, 0, rows, "place 1")
    expected = [True, False, True, False, False, True, False, False, True, True]
    assert [*first.is_new] == expected
    again = await store.record_page(entry.id, len(rows), rows, "place 2")
    assert [*again.is_new] == [False] * 8 + [True] * 2
    assert (await report_of(store)).new == sum(expected) + 2


@pytest.mark.parametrize("odd", ["\ud800", "\0", "\n", "%00", "%0A", "\u2028"])
async def test_no_character_of_a_company_keeps_its_page_from_being_stored(
    store: Store, odd: str
) -> None:
    """Caught: paid rows that no run can store, as no database holds their mark."""
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    rows = [row_of(f"a{odd}b", f"x{odd}y.example"), row_of(None, f"z{odd}.example")]
    rows += [row_of("a", "x.example"), row_of("b", "y.example")]
    first = await store.record_page(entry.id, 0, rows, "place 1")
    assert [*first.is_new] == [True] * 4
    again = await store.record_page(entry.id, 4, rows, "place 2")
    assert [*again.is_new] == [False] * 4
    (one, _) = await store.find_pages("q4", (-1, 0), 9)
    assert unpack_rows(one.body) == rows


async def test_a_page_of_very_many_rows(store: Store) -> None:
    """Caught: marks that are lost between two statements of a long page."""
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    rows = [row_of(f"c{n}", f"c{n}.example") for n in range(2_500)]
    await store.record_page(entry.id, 0, rows[:1_000], "place 1")
    second = await store.record_page(entry.id, 1_000, rows, "place 2")
    assert [*second.is_new] == [False] * 1_000 + [True] * 1_500


async def test_only_a_batch_that_stops_at_a_number_counts_what_is_new(
    store: Store,
) -> None:
    await plan(store, "a", "b")
    await plan(store, "c", name="other")
    await store.plan("q4", [planned("a", query="a"), planned("b", query="b")], NEW)
    for key, job, new in (("a", "job-1", 1), ("b", "job-2", 2), ("c", "job-3", 0)):
        entry = await submitted(store, key, job)
        row = row_of(f"of-{key}", None)
        sums_after = await store.record_page(entry.id, 0, [row], "place")
        assert sums_after == PageSums((True,), new)


async def test_pages_are_read_in_the_order_of_the_searches(store: Store) -> None:
    await plan(store, "a", "b")
    for key, job in (("b", "job-2"), ("a", "job-1")):
        entry = await submitted(store, key, job)
        for first in range(3):
            row = {"name": f"{key}{first}"}
            await store.record_page(entry.id, first, [row], "there")
    names: list[str] = []
    after = (-1, 0)
    while pages := await store.find_pages("q4", after, 2):
        names += [row["name"] for page in pages for row in unpack_rows(page.body)]
        after = pages[-1].seq, pages[-1].first
    assert names == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_a_page_of_a_settled_entry_is_refused(store: Store) -> None:
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    await store.record_bill(entry.id, "completed", 0.0, None)
    with pytest.raises(BookError):
        await store.record_page(entry.id, 0, ROWS, "late")
    await sums(store)


@pytest.mark.parametrize(
    ("billed", "spent"), [(40.0, 40.0), (None, 60.0), (-3.0, 0.0), (75.0, 75.0)]
)
async def test_bills(store: Store, billed: float | None, spent: float) -> None:
    """The exposure stands for a bill that is not stated; a refund is no room."""
    await plan(store, "a", most=100)
    entry = await submitted(store, "a", "job-1")
    await store.record_bill(entry.id, "failed", billed, "it failed")
    settled = await entry_of(store, "a")
    assert (settled.state, settled.status) == ("settled", "failed")
    assert (settled.billed, settled.error) == (billed, "it failed")
    assert await sums(store) == (spent, 0)
    await store.record_bill(entry.id, "completed", 1.0, None)
    assert await entry_of(store, "a") == settled
    assert await sums(store) == (spent, 0)


async def test_what_does_not_fit_is_skipped_until_the_cap_is_another(
    store: Store,
) -> None:
    (entry,) = await plan(store, "a", most=10)
    await store.skip_over_cap(entry.id, "too much")
    report = await report_of(store)
    assert (report.skipped, report.over_cap, report.cap) == (1, 1, 10)
    await plan(store, "a")
    assert (await report_of(store)).skipped == 1
    await plan(store, "a", most=90)
    report = await report_of(store)
    assert (report.planned, report.over_cap, report.cap) == (1, 0, 90)


async def test_a_cancel_skips_and_marks(store: Store) -> None:
    await plan(store, "a", "b", "c")
    await submitted(store, "a", "job-1")
    attempt = await submitting(store, "b")
    await store.request_cancel("q4")
    states = [entry.state for entry in await store.find_entries(batch="q4")]
    assert states == ["submitted", "submitting", "skipped"]
    marks = [entry.wants_cancel for entry in await store.find_entries(batch="q4")]
    assert marks == [True, True, False]
    # Not sent: it is not planned again, because it was cancelled meanwhile.
    await store.record_no_job("b", attempt, EntryState.PLANNED, "not sent")
    assert (await entry_of(store, "b")).state is EntryState.SKIPPED
    await sums(store)


async def test_what_may_be_resolved(store: Store) -> None:
    await plan(store, "a", most=1000)
    for resolution in (*Resolution, "job-1"):
        with pytest.raises(ConfigurationError, match="no entry"):
            await store.resolve("gone", resolution)
    for resolution in (Resolution.SUBMIT_AGAIN, "job-1"):
        with pytest.raises(ConfigurationError, match="planned"):
            await store.resolve("a", resolution)
    await submitting(store, "a")
    for resolution in (*Resolution, "job-1"):
        with pytest.raises(ConfigurationError, match="submitting"):
            await store.resolve("a", resolution)
    await store.sweep(())
    entry = await store.resolve("a", "job-1")
    assert (entry.state, entry.job_id, entry.job_limit) == ("submitted", "job-1", 60)
    await store.record_bill(entry.id, "completed", 60.0, None)
    for resolution in (*Resolution, "job-9"):
        with pytest.raises(ConfigurationError, match="settled"):
            await store.resolve("a", resolution)
    await sums(store)


async def test_skipping_an_unknown_entry_spends_its_reservation(store: Store) -> None:
    await plan(store, "a", most=100)
    await submitting(store, "a")
    await store.sweep(())
    await store.resolve("a", Resolution.SKIP)
    assert await sums(store) == (60, 0)
    # Found after all: a person may plan it again, and what was spent stays spent.
    await store.resolve("a", Resolution.SUBMIT_AGAIN)
    assert await sums(store) == (60, 0)


async def test_reports_of_all_batches(store: Store) -> None:
    await plan(store, "a", name="one")
    await plan(store, "b", "c", name="two", most=7)
    assert [report.name for report in await store.find_reports()] == ["one", "two"]
    report = await report_of(store, "two")
    assert (report.searches, report.planned, report.cap) == (2, 2, 7)
    assert await store.find_reports("three") == []
    assert await store.find_batch("three") is None


async def test_entries_by_state_and_place(store: Store) -> None:
    await plan(store, "a", "b", "c")
    await submitted(store, "b", "job-1")
    found = await store.find_entries(batch="q4", states=[EntryState.PLANNED])
    assert [entry.key for entry in found] == ["a", "c"]
    found = await store.find_entries(batch="q4", after=0, most=1)
    assert [entry.key for entry in found] == ["b"]
    assert len(await store.find_entries(states=list(EntryState))) == 3
    assert await store.find_entries(batch="other") == []


async def test_errors_of_jobs_are_noted_and_cleared(store: Store) -> None:
    await plan(store, "a")
    entry = await submitted(store, "a", "job-1")
    await store.note_error(entry.id, "HTTP 404\x1b[31m")
    assert (await entry_of(store, "a")).error == "HTTP 404\\x1b[31m"
    await store.note_error(entry.id, None)
    assert (await entry_of(store, "a")).error is None


async def test_many_reservations_of_odd_sizes_add_up(store: Store) -> None:
    keys = [f"k{number}" for number in range(40)]
    await plan(store, *keys, most=math.pi * 1000)
    spent = 0.0
    for number, key in enumerate(keys):
        entry = await submitted(store, key, f"job-{key}")
        await store.record_bill(entry.id, "completed", number / 10, None)
        spent += number / 10
    total, reserved = await sums(store)
    assert math.isclose(total, spent, abs_tol=1e-6)
    assert math.isclose(reserved, 0, abs_tol=1e-6)


@pytest.mark.parametrize("state", [EntryState.PLANNED, EntryState.REJECTED])
async def test_a_late_refusal_heals_an_unknown_entry(
    store: Store, state: EntryState
) -> None:
    """Caught: a submit that made no job, and is unknown and reserved for ever."""
    await plan(store, "a", most=60)
    attempt = await submitting(store, "a")
    await store.sweep(())
    await store.record_no_job("a", attempt, state, "no")
    assert (await entry_of(store, "a")).state is state
    assert await sums(store) == (0, 0)


async def test_a_limit_beyond_any_column_is_stored(store: Store) -> None:
    """Caught: an OverflowError after the answer, and the id lost."""
    await plan(store, "a")
    attempt = await submitting(store, "a")
    assert await store.record_submitted("a", attempt, "job-1", 2**63)
    assert (await entry_of(store, "a")).job_id == "job-1"


async def test_a_cancelled_batch_is_not_planned_again_by_another_cap(
    store: Store,
) -> None:
    (entry,) = await plan(store, "a", most=10)
    await store.skip_over_cap(entry.id, "too much")
    await store.request_cancel("q4")
    await plan(store, "a", most=1000)
    assert (await entry_of(store, "a")).state is EntryState.SKIPPED


async def test_a_cap_needs_a_limit_of_every_search(store: Store) -> None:
    await store.plan("q4", [planned("a")], BatchOptions())
    await store.plan("q4", [planned("b", None)], BatchOptions(), extends=True)
    with pytest.raises(ConfigurationError, match="needs a limit"):
        await plan(store, "a", "b", most=100)
    assert (await report_of(store)).cap is None
    await store.plan("q5", [planned("c")], BatchOptions(100))
    with pytest.raises(ConfigurationError, match="needs a limit"):
        await store.plan("q5", [planned("d", None)], BatchOptions(), extends=True)
    assert len(await store.find_entries(batch="q5")) == 1
