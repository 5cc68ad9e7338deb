"""The transactions of a person: to cancel a batch, and to resolve an entry."""

from openfunnel_async.book._records import EntryRecord, Resolution
from openfunnel_async.book._rules import check_resolution
from openfunnel_async.book._sql.caps import replace_reservations
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.entries import (
    PERSON,
    PROGRAM,
    change_state,
    get_entry,
    note_event,
)
from openfunnel_async.book._sql.queries import find_entry
from openfunnel_async.book._values import EntryState


def skip_planned(db: Database, name: str, error: str) -> None:
    """Skip what a batch has planned, until it is planned with other limits."""
    _skip_planned(db, name, PROGRAM, error, over_cap=1)


def _skip_planned(
    db: Database, name: str, who: str, error: str, *, over_cap: int
) -> None:
    found = db.execute(
        "SELECT id FROM of_search WHERE state = ?"
        " AND batch = (SELECT id FROM of_batch WHERE name = ?)",
        (EntryState.PLANNED, name),
    ).fetchall()
    for (entry_id,) in found:
        change_state(
            db, entry_id, EntryState.SKIPPED, who, error=error, over_cap=over_cap
        )


def request_cancel(db: Database, name: str, is_final: bool) -> None:
    """Skip what a batch has planned, and mark its jobs for a cancel."""
    _skip_planned(db, name, PERSON, "the batch was cancelled", over_cap=0)
    if is_final:
        # Other limits must not plan them again.
        db.execute(
            "UPDATE of_search SET over_cap = 0 WHERE state = ?"
            " AND batch = (SELECT id FROM of_batch WHERE name = ?)",
            (EntryState.SKIPPED, name),
        )
    running = db.execute(
        "SELECT id, state FROM of_search WHERE state IN (?, ?) AND wants_cancel = 0"
        " AND batch = (SELECT id FROM of_batch WHERE name = ?)",
        (EntryState.SUBMITTING, EntryState.SUBMITTED, name),
    ).fetchall()
    for entry_id, state in running:
        db.execute("UPDATE of_search SET wants_cancel = 1 WHERE id = ?", (entry_id,))
        note_event(db, entry_id, state, state, PERSON, "a cancel was asked for")


def resolve(db: Database, key: str, resolution: Resolution | str) -> EntryRecord:
    """Write what a person decided; a text is the id of the entry's job."""
    holder = None
    if isinstance(resolution, str):
        found = db.execute("SELECT key FROM of_search WHERE job_id = ?", (resolution,))
        holder = next((row[0] for row in found), None)
    entry = check_resolution(key, find_entry(db, key), resolution, holder)
    if isinstance(resolution, str):
        change_state(
            db,
            entry.id,
            EntryState.SUBMITTED,
            PERSON,
            job_id=resolution,
            job_limit=None if entry.exposure is None else int(entry.exposure),
            error=None,
        )
        return get_entry(db, key)
    replace_reservations(db, entry, None)
    if resolution is Resolution.SKIP:
        error = entry.error or "a person decided to skip it"
        change_state(db, entry.id, EntryState.SKIPPED, PERSON, error=error, over_cap=0)
    else:
        change_state(
            db,
            entry.id,
            EntryState.PLANNED,
            PERSON,
            error=None,
            over_cap=0,
            wants_cancel=0,
            status=None,
        )
    return get_entry(db, key)
