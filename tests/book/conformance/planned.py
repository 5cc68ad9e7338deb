"""What the tests of the stores plan."""

from openfunnel_async import LookalikeSearch
from openfunnel_async.book._records import BatchOptions, EntryRecord, Room
from openfunnel_async.book._requests import PlannedSearch, plan_one
from openfunnel_async.book._store import Store

__all__ = ["ROWS", "entry_of", "plan", "planned", "submitted", "submitting"]

ROWS = [{"name": "A", "odd": [1, None]}, {"name": "\ud800 half", "extra": {"a": 1.5}}]


def planned(key: str, limit: int | None = 60, query: str = "voice") -> PlannedSearch:
    """Make a search that can bill 60 credits."""
    return plan_one(key, LookalikeSearch(query=query, limit=limit))


async def plan(
    store: Store,
    *keys: str,
    most: float | None = None,
    limit: int | None = 60,
    name: str = "q4",
) -> list[EntryRecord]:
    """Plan a batch with these keys."""
    await store.plan(
        name,
        [planned(key, limit, key) for key in keys],
        BatchOptions(most),
    )
    return await store.find_entries(batch=name)


async def entry_of(store: Store, key: str) -> EntryRecord:
    """Return an entry that must be there."""
    entry = await store.find_entry(key)
    assert entry is not None
    return entry


async def submitting(store: Store, key: str) -> int:
    """Begin a submit, and return the number of the attempt."""
    intent = await store.begin_submit((await entry_of(store, key)).id, "me")
    assert intent.room is Room.RESERVED
    return intent.attempt


async def submitted(store: Store, key: str, job_id: str) -> EntryRecord:
    """Submit an entry, whose job is then known."""
    attempt = await submitting(store, key)
    assert await store.record_submitted(key, attempt, job_id, 60)
    return await entry_of(store, key)
