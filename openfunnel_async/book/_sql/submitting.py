"""The transactions of a submit: the intent, and what became of it."""

from collections.abc import Collection

from openfunnel_async._text import escaped
from openfunnel_async.book._records import Intent, Room
from openfunnel_async.book._rules import find_room
from openfunnel_async.book._sql.caps import (
    find_caps,
    raise_reservations,
    reserve,
    return_reservations,
)
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.entries import (
    LONGEST_ERROR,
    PROGRAM,
    change_state,
    get_entry,
    get_entry_by_id,
    note_event,
)
from openfunnel_async.book._sql.queries import find_entry
from openfunnel_async.book._values import EntryState

_DAY = 86_400.0
# What a column for whole numbers can hold.
_LARGEST_LIMIT = 2**63 - 1


def begin_submit(db: Database, entry_id: int, owner: str, budget: str | None) -> Intent:
    """Write that a submit begins, and reserve its exposure under every cap."""
    entry = get_entry_by_id(db, entry_id)
    if entry.state is not EntryState.PLANNED:
        return Intent(Room.NOT_PLANNED)
    caps = find_caps(db, entry.batch, budget)
    room, blocking = find_room(caps, entry.exposure)
    if room is not Room.RESERVED:
        return Intent(room, budget=blocking)
    attempt = entry.attempt + 1
    for cap in caps:
        reserve(db, entry, attempt, cap)
    change_state(
        db,
        entry_id,
        EntryState.SUBMITTING,
        owner,
        attempt=attempt,
        owner=owner,
        error=None,
        submitted_at=db.now(),
    )
    return Intent(Room.RESERVED, attempt)


def record_submitted(
    db: Database, key: str, attempt: int, job_id: str, limit: int | None
) -> bool:
    """Write the id of the job, also if the outcome was taken for unknown."""
    if limit is not None:
        limit = min(limit, _LARGEST_LIMIT)
    entry = find_entry(db, key)
    if entry is None or entry.job_id == job_id:
        return entry is not None
    holder = db.execute(
        "SELECT key FROM of_search WHERE job_id = ?", (job_id,)
    ).fetchone()
    if holder is not None:
        note = f"the service answered with job {job_id}, which is {holder[0]}'s"
        note_event(db, entry.id, entry.state, entry.state, PROGRAM, note)
        if entry.state is EntryState.SUBMITTING:
            change_state(db, entry.id, EntryState.UNKNOWN, PROGRAM, error=note)
        return False
    if entry.attempt != attempt or entry.state not in (
        EntryState.SUBMITTING,
        EntryState.UNKNOWN,
    ):
        note = f"attempt {attempt} made job {job_id}, which bills"
        note_event(db, entry.id, entry.state, entry.state, PROGRAM, note)
        return False
    if limit is not None and limit > (entry.exposure or 0):
        raise_reservations(db, entry, float(limit))
    late = "a late id" if entry.state is EntryState.UNKNOWN else None
    change_state(
        db,
        entry.id,
        EntryState.SUBMITTED,
        PROGRAM,
        late,
        job_id=job_id,
        job_limit=limit,
        owner=None,
        error=None,
    )
    return True


def record_no_job(
    db: Database, key: str, attempt: int, state: EntryState, error: str
) -> None:
    """Write that a submit made no job that is known."""
    entry = get_entry(db, key)
    is_open = entry.state in {EntryState.SUBMITTING, EntryState.UNKNOWN}
    if entry.attempt != attempt or not is_open or entry.state is state:
        return
    if state is not EntryState.UNKNOWN:
        return_reservations(db, entry)
    if state is EntryState.PLANNED and entry.wants_cancel:
        state = EntryState.SKIPPED
    change_state(db, entry.id, state, PROGRAM, error=escaped(error, LONGEST_ERROR))


def reuse(db: Database, entry_id: int, days: float) -> bool:
    """Answer a planned search by an identical one that was settled not long ago."""
    entry = get_entry_by_id(db, entry_id)
    if entry.state is not EntryState.PLANNED:
        return False
    row = db.execute(
        "SELECT id, status, rows FROM of_search WHERE request = ? AND state = ?"
        " AND status = 'completed' AND source IS NULL AND settled_at >= ? AND rows > 0"
        " ORDER BY settled_at DESC LIMIT 1",
        (entry.request, EntryState.SETTLED, db.now() - days * _DAY),
    ).fetchone()
    if row is None:
        return False
    source, status, rows = row
    change_state(
        db,
        entry_id,
        EntryState.SETTLED,
        PROGRAM,
        "answered from the Book",
        source=source,
        status=status,
        rows=rows,
        billed=0.0,
        error=None,
        settled_at=db.now(),
    )
    return True


def skip_over_cap(db: Database, entry_id: int, error: str) -> None:
    """Write that a planned search does not fit under a cap."""
    entry = get_entry_by_id(db, entry_id)
    if entry.state is EntryState.PLANNED:
        change_state(db, entry_id, EntryState.SKIPPED, PROGRAM, error=error, over_cap=1)


def sweep(db: Database, under_way: Collection[str]) -> list[str]:
    """Make each submit that nobody carries on an unknown one."""
    found = [
        (entry_id, key)
        for entry_id, key in db.execute(
            "SELECT id, key FROM of_search WHERE state = ? ORDER BY id",
            (EntryState.SUBMITTING,),
        )
        if key not in under_way
    ]
    error = (
        "the process ended during the submit, so its outcome is unknown: a job may be "
        "running and billing"
    )
    for entry_id, _ in found:
        change_state(db, entry_id, EntryState.UNKNOWN, PROGRAM, error=error)
    return [key for _, key in found]
