"""Bugs in the Book, made from the original parts."""

from collections.abc import Collection, Sequence
from typing import Any

from openfunnel_async import JobCheckpoint
from openfunnel_async.book import EntryState
from openfunnel_async.book._sqlite.database import SqliteDatabase
from tests.storm.internals import EntryRecord, FollowedJobs, Follower


def plan_lost_submits_again(_sound: Any) -> Any:
    def sweep(db: SqliteDatabase, _under_way: Collection[str]) -> list[str]:
        db.execute("UPDATE of_search SET state = 'planned' WHERE state = 'submitting'")
        return []

    return sweep


def reject_lost_submits(_sound: Any) -> Any:
    def sweep(db: SqliteDatabase, _under_way: Collection[str]) -> list[str]:
        db.execute("UPDATE of_search SET state = 'rejected' WHERE state = 'submitting'")
        return []

    return sweep


def return_reservations_of_lost_submits(original: Any) -> Any:
    def sweep(db: SqliteDatabase, under_way: Collection[str]) -> list[str]:
        keys: list[str] = original(db, under_way)
        for key in keys:
            db.execute(
                "UPDATE of_cap SET reserved = reserved"
                " - (SELECT exposure FROM of_search WHERE key = ?)",
                (key,),
            )
        return keys

    return sweep


def take_unknown_outcomes_as_unsent(original: Any) -> Any:
    def record_no_job(
        db: SqliteDatabase, key: str, attempt: int, state: EntryState, error: str
    ) -> None:
        if state is EntryState.UNKNOWN:
            state = EntryState.PLANNED
        original(db, key, attempt, state, error)

    return record_no_job


def read_from_the_first_row(_sound: Any) -> Any:
    def start(entry: EntryRecord) -> JobCheckpoint:
        return JobCheckpoint(job_id=entry.job_id or "", limit=entry.job_limit)

    return property(start)


def drop_the_last_row_of_a_page(original: Any) -> Any:
    def record_page(
        db: SqliteDatabase,
        entry_id: int,
        first: int,
        rows: Sequence[object],
        place: str,
    ) -> Any:
        # In a page that is not the first, so that it takes more than one page.
        kept = rows[:-1] if first else rows
        return original(db, entry_id, first, kept, place)

    return record_page


def bill_the_exposure(_sound: Any) -> Any:
    async def read_bill(follower: Follower) -> float | None:
        return follower._entry.exposure

    return read_bill


def ignore_reservations(original: Any) -> Any:
    def find_room(caps: Sequence[Any], exposure: float | None) -> Any:
        return original([cap._replace(reserved=0.0) for cap in caps], exposure)

    return find_room


def note_no_event(_sound: Any) -> Any:
    def note(*_what: Any, **_how: Any) -> None:
        return None

    return note


def follow_new_jobs_only(_sound: Any) -> Any:
    async def take_free(_followed: FollowedJobs, _most: int) -> None:
        return

    return take_free
