"""The transactions that write: one function each, called with an open transaction."""

import sqlite3
import time
from collections.abc import Collection, Sequence

from openfunnel_async._text import escaped
from openfunnel_async.book._records import (
    BatchOptions,
    EntryRecord,
    Intent,
    NotSubmittedError,
    PageSums,
    Resolution,
    Room,
    pack_bits,
    pack_rows,
)
from openfunnel_async.book._requests import PlannedSearch
from openfunnel_async.book._rules import (
    check_resolution,
    check_same_request,
    check_same_searches,
    find_room,
)
from openfunnel_async.book._sqlite.caps import (
    find_caps,
    raise_reservations,
    replace_reservations,
    reserve,
    return_reservations,
)
from openfunnel_async.book._sqlite.companies import note_rows
from openfunnel_async.book._sqlite.queries import find_entry
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import BookError, ConfigurationError, OtherAccountError

Db = sqlite3.Connection
_WHO = "batch"
_PERSON = "person"
_LONGEST_ERROR = 500
_DAY = 86_400.0
# What a column for whole numbers can hold.
_LARGEST_LIMIT = 2**63 - 1


def bind_account(db: Db, fingerprint: str) -> None:
    """Claim the Book for an account, or refuse another one."""
    db.execute("INSERT OR IGNORE INTO meta VALUES ('account', ?)", (fingerprint,))
    (owner,) = db.execute("SELECT value FROM meta WHERE name = 'account'").fetchone()
    if owner != fingerprint:
        raise OtherAccountError(
            "this Book belongs to another API key: its jobs can be read with that key "
            "alone. Nothing was sent; use that key, or a Book of its own"
        )


def plan(
    db: Db,
    name: str,
    searches: Sequence[PlannedSearch],
    options: BatchOptions,
    extends: bool,
) -> None:
    """Write a batch and its searches, or check that they are there."""
    row = db.execute("SELECT id, cap FROM batch WHERE name = ?", (name,)).fetchone()
    if row is None:
        cap = db.execute("INSERT INTO cap (most) VALUES (?)", (options.most,)).lastrowid
        batch = db.execute(
            "INSERT INTO batch (name, cap, most_new, reuse_days, planned_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (name, cap, options.most_new, options.reuse_days, time.time()),
        ).lastrowid
        _insert_searches(db, batch, searches, is_extension=False)
        return
    batch, cap = row
    if extends:
        _insert_searches(db, batch, searches, is_extension=True)
        return
    stored = {
        key: bool(is_extension)
        for key, is_extension in db.execute(
            "SELECT key, is_extension FROM search WHERE batch = ?", (batch,)
        )
    }
    check_same_searches(name, stored, searches)
    db.execute(
        "UPDATE batch SET most_new = coalesce(?, most_new),"
        " reuse_days = coalesce(?, reuse_days) WHERE id = ?",
        (options.most_new, options.reuse_days, batch),
    )
    db.execute(
        "UPDATE cap SET most = coalesce(?, most) WHERE id = ?", (options.most, cap)
    )
    _check_limits(db, batch)
    if options.most is not None or options.most_new is not None:
        _plan_again_over_cap(db, batch)


def _insert_searches(
    db: Db,
    batch: int | None,
    searches: Sequence[PlannedSearch],
    *,
    is_extension: bool,
) -> None:
    (seq,) = db.execute(
        "SELECT coalesce(max(seq), -1) FROM search WHERE batch IS ?", (batch,)
    ).fetchone()
    for planned in searches:
        added = db.execute(
            "INSERT OR IGNORE INTO search"
            " (batch, seq, key, request, label, is_extension, exposure, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch,
                seq + 1,
                planned.key,
                planned.request,
                planned.label,
                is_extension,
                planned.exposure,
                EntryState.PLANNED,
            ),
        )
        if added.rowcount:
            seq += 1
            _note(db, added.lastrowid, None, EntryState.PLANNED, _WHO)
            continue
        (is_own,) = db.execute(
            "SELECT batch IS ? FROM search WHERE key = ?", (batch, planned.key)
        ).fetchone()
        if not is_own:
            shown = escaped(planned.key, 200)
            msg = f"the key {shown} is used outside of this batch; rename the batch"
            raise ConfigurationError(msg)
    _check_limits(db, batch)


def _check_limits(db: Db, batch: int | None) -> None:
    """Check that under a cap every search of a batch has a limit."""
    row = db.execute(
        "SELECT key FROM search JOIN batch ON batch.id = search.batch"
        " JOIN cap ON cap.id = batch.cap"
        " WHERE batch.id = ? AND most IS NOT NULL AND exposure IS NULL"
        " AND state NOT IN (?, ?, ?)",
        (batch, EntryState.SETTLED, EntryState.SKIPPED, EntryState.REJECTED),
    ).fetchone()
    if row is not None:
        msg = (
            "under a cap every search needs a limit, and one of the batch has none: "
            f"{escaped(row[0], 200)}. Nothing was changed"
        )
        raise ConfigurationError(msg)


def _plan_again_over_cap(db: Db, batch: int) -> None:
    """Plan the searches again that did not fit under the cap that was replaced."""
    found = db.execute(
        "SELECT id FROM search WHERE batch = ? AND state = ? AND over_cap",
        (batch, EntryState.SKIPPED),
    ).fetchall()
    for (entry,) in found:
        _change(
            db, entry, EntryState.PLANNED, _WHO, "another cap", over_cap=0, error=None
        )


def plan_one(db: Db, planned: PlannedSearch) -> EntryRecord:
    """Write an entry without a batch, if there is none with its key."""
    entry = find_entry(db, planned.key)
    if entry is None:
        _insert_searches(db, None, [planned], is_extension=False)
        entry = _get(db, planned.key)
    check_same_request(entry.key, entry.request, planned.request)
    return entry


def begin_submit(db: Db, entry_id: int, owner: str, budget: str | None) -> Intent:
    """Write that a submit begins, and reserve its exposure under every cap."""
    entry = _get_by_id(db, entry_id)
    if entry.state is not EntryState.PLANNED:
        return Intent(Room.NOT_PLANNED)
    caps = find_caps(db, entry, budget, time.time())
    room, blocking = find_room(caps, entry.exposure)
    if room is not Room.RESERVED:
        return Intent(room, budget=blocking)
    attempt = entry.attempt + 1
    for cap in caps:
        reserve(db, entry, attempt, cap)
    _change(
        db,
        entry_id,
        EntryState.SUBMITTING,
        owner,
        attempt=attempt,
        owner=owner,
        error=None,
        submitted_at=time.time(),
    )
    return Intent(Room.RESERVED, attempt)


def record_submitted(
    db: Db, key: str, attempt: int, job_id: str, limit: int | None
) -> bool:
    """Write the id of the job, also if the outcome was taken for unknown."""
    if limit is not None:
        limit = min(limit, _LARGEST_LIMIT)
    entry = find_entry(db, key)
    if entry is None or entry.job_id == job_id:
        return entry is not None
    holder = db.execute("SELECT key FROM search WHERE job_id = ?", (job_id,)).fetchone()
    if holder is not None:
        note = f"the service answered with job {job_id}, which is {holder[0]}'s"
        _note(db, entry.id, entry.state, entry.state, _WHO, note)
        if entry.state is EntryState.SUBMITTING:
            _change(db, entry.id, EntryState.UNKNOWN, _WHO, error=note)
        return False
    if entry.attempt != attempt or entry.state not in (
        EntryState.SUBMITTING,
        EntryState.UNKNOWN,
    ):
        note = f"attempt {attempt} made job {job_id}, which bills"
        _note(db, entry.id, entry.state, entry.state, _WHO, note)
        return False
    if limit is not None and limit > (entry.exposure or 0):
        raise_reservations(db, entry, float(limit))
    late = "a late id" if entry.state is EntryState.UNKNOWN else None
    _change(
        db,
        entry.id,
        EntryState.SUBMITTED,
        _WHO,
        late,
        job_id=job_id,
        job_limit=limit,
        error=None,
    )
    return True


def record_no_job(
    db: Db, key: str, attempt: int, state: EntryState, error: str
) -> None:
    """Write that a submit made no job that is known."""
    entry = _get(db, key)
    is_open = entry.state in {EntryState.SUBMITTING, EntryState.UNKNOWN}
    if entry.attempt != attempt or not is_open or entry.state is state:
        return
    if state is not EntryState.UNKNOWN:
        return_reservations(db, entry)
    if state is EntryState.PLANNED and entry.wants_cancel:
        state = EntryState.SKIPPED
    _change(db, entry.id, state, _WHO, error=escaped(error, _LONGEST_ERROR))


def record_page(
    db: Db, entry_id: int, first: int, rows: Sequence[object], place: str
) -> PageSums:
    """Write the rows of a page, which companies are new, and the place after it."""
    is_new = note_rows(db, entry_id, rows)
    if rows:
        db.execute(
            "INSERT INTO page VALUES (?, ?, ?, ?, ?)",
            (entry_id, first, len(rows), pack_bits(is_new), pack_rows(rows)),
        )
    changed = db.execute(
        "UPDATE search SET rows = rows + ?, new = new + ?, place = ?"
        " WHERE id = ? AND rows = ? AND state = ?",
        (len(rows), sum(is_new), place, entry_id, first, EntryState.SUBMITTED),
    )
    if not changed.rowcount:
        if _get_by_id(db, entry_id).state is not EntryState.SUBMITTED:
            raise NotSubmittedError("the entry is not submitted any more")
        raise BookError(
            "the rows of this job were written by another process meanwhile; nothing "
            "of it was written twice"
        )
    (batch_new,) = db.execute(
        "SELECT coalesce(sum(new), 0) FROM search"
        " WHERE batch = (SELECT batch FROM search WHERE id = ?)",
        (entry_id,),
    ).fetchone()
    return PageSums(is_new, batch_new)


def record_bill(
    db: Db, entry_id: int, status: str, billed: float | None, error: str | None
) -> None:
    """Write the terminal status and the bill, which replaces the reservation."""
    entry = _get_by_id(db, entry_id)
    if entry.state is not EntryState.SUBMITTED:
        return
    # A refund is no room: what a cap allows is spent by jobs, not earned.
    spent = None if billed is None else max(0.0, billed)
    replace_reservations(db, entry, spent)
    _change(
        db,
        entry_id,
        EntryState.SETTLED,
        _WHO,
        status=status,
        billed=billed,
        error=None if error is None else escaped(error, _LONGEST_ERROR),
        settled_at=time.time(),
    )


def note_error(db: Db, entry_id: int, error: str | None) -> None:
    """Write what has kept a job from being read, or that nothing does any more."""
    text = None if error is None else escaped(error, _LONGEST_ERROR)
    db.execute("UPDATE search SET error = ? WHERE id = ?", (text, entry_id))


def record_stop(db: Db, entry_id: int, rows: int) -> None:
    """Write that a job is cancelled because too few of its companies are new."""
    db.execute(
        "UPDATE search SET stopped_at = ?, wants_cancel = 1 WHERE id = ?",
        (rows, entry_id),
    )


def skip_planned(db: Db, name: str, error: str) -> None:
    """Skip what a batch has planned, until it is planned with other limits."""
    found = db.execute(
        "SELECT search.id FROM search JOIN batch ON batch.id = search.batch"
        " WHERE batch.name = ? AND state = ?",
        (name, EntryState.PLANNED),
    ).fetchall()
    for (entry_id,) in found:
        _change(db, entry_id, EntryState.SKIPPED, _WHO, error=error, over_cap=1)


def reuse(db: Db, entry_id: int, days: float) -> bool:
    """Answer a planned search by an identical one that was settled not long ago."""
    entry = _get_by_id(db, entry_id)
    if entry.state is not EntryState.PLANNED:
        return False
    row = db.execute(
        "SELECT id, status, rows FROM search WHERE request = ? AND state = ?"
        " AND status = 'completed' AND source IS NULL AND settled_at >= ? AND rows > 0"
        " ORDER BY settled_at DESC LIMIT 1",
        (entry.request, EntryState.SETTLED, time.time() - days * _DAY),
    ).fetchone()
    if row is None:
        return False
    source, status, rows = row
    _change(
        db,
        entry_id,
        EntryState.SETTLED,
        _WHO,
        "answered from the Book",
        source=source,
        status=status,
        rows=rows,
        billed=0.0,
        error=None,
        settled_at=time.time(),
    )
    return True


def skip_over_cap(db: Db, entry_id: int, error: str) -> None:
    """Write that a planned search does not fit under a cap."""
    entry = _get_by_id(db, entry_id)
    if entry.state is EntryState.PLANNED:
        _change(db, entry_id, EntryState.SKIPPED, _WHO, error=error, over_cap=1)


def sweep(db: Db, under_way: Collection[str]) -> list[str]:
    """Make each submit that nobody carries on an unknown one."""
    found = [
        (entry_id, key)
        for entry_id, key in db.execute(
            "SELECT id, key FROM search WHERE state = ? ORDER BY id",
            (EntryState.SUBMITTING,),
        )
        if key not in under_way
    ]
    error = (
        "the process ended during the submit, so its outcome is unknown: a job may be "
        "running and billing"
    )
    for entry_id, _ in found:
        _change(db, entry_id, EntryState.UNKNOWN, _WHO, error=error)
    return [key for _, key in found]


def request_cancel(db: Db, name: str, is_final: bool) -> None:
    """Skip what a batch has planned, and mark its jobs for a cancel."""
    found = db.execute(
        "SELECT search.id FROM search JOIN batch ON batch.id = search.batch"
        " WHERE batch.name = ? AND state = ?",
        (name, EntryState.PLANNED),
    ).fetchall()
    for (entry_id,) in found:
        _change(
            db, entry_id, EntryState.SKIPPED, _PERSON, error="the batch was cancelled"
        )
    if is_final:
        # Other limits must not plan them again.
        db.execute(
            "UPDATE search SET over_cap = 0 WHERE state = ?"
            " AND batch = (SELECT id FROM batch WHERE name = ?)",
            (EntryState.SKIPPED, name),
        )
    db.execute(
        "UPDATE search SET wants_cancel = 1 WHERE state IN (?, ?)"
        " AND batch = (SELECT id FROM batch WHERE name = ?)",
        (EntryState.SUBMITTING, EntryState.SUBMITTED, name),
    )


def resolve(db: Db, key: str, resolution: Resolution | str) -> EntryRecord:
    """Write what a person decided; a text is the id of the entry's job."""
    holder = None
    if isinstance(resolution, str):
        found = db.execute("SELECT key FROM search WHERE job_id = ?", (resolution,))
        holder = next((row[0] for row in found), None)
    entry = check_resolution(key, find_entry(db, key), resolution, holder)
    if isinstance(resolution, str):
        _change(
            db,
            entry.id,
            EntryState.SUBMITTED,
            _PERSON,
            job_id=resolution,
            job_limit=None if entry.exposure is None else int(entry.exposure),
            error=None,
        )
        return _get(db, key)
    replace_reservations(db, entry, None)
    if resolution is Resolution.SKIP:
        error = entry.error or "a person decided to skip it"
        _change(db, entry.id, EntryState.SKIPPED, _PERSON, error=error, over_cap=0)
    else:
        _change(
            db,
            entry.id,
            EntryState.PLANNED,
            _PERSON,
            error=None,
            over_cap=0,
            wants_cancel=0,
            status=None,
        )
    return _get(db, key)


def _change(
    db: Db,
    entry_id: int,
    state: EntryState,
    who: str,
    note: str | None = None,
    **columns: object,
) -> None:
    """Write the new state of an entry, some of its columns, and the event."""
    (before,) = db.execute(
        "SELECT state FROM search WHERE id = ?", (entry_id,)
    ).fetchone()
    names = "".join(f", {name} = ?" for name in columns)
    db.execute(
        f"UPDATE search SET state = ?{names} WHERE id = ?",  # noqa: S608 -- our names
        (state, *columns.values(), entry_id),
    )
    _note(db, entry_id, before, state, who, note)


def _note(  # noqa: PLR0913, PLR0917 -- the columns of an event
    db: Db,
    entry_id: int | None,
    before: str | None,
    after: str,
    who: str,
    note: str | None = None,
) -> None:
    db.execute(
        "INSERT INTO event (at, search, before, after, who, note)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (time.time(), entry_id, before, after, who, note),
    )


def _get(db: Db, key: str) -> EntryRecord:
    entry = find_entry(db, key)
    if entry is None:
        raise BookError(f"the Book has no entry {escaped(key, 200)}")
    return entry


def _get_by_id(db: Db, entry_id: int) -> EntryRecord:
    (key,) = db.execute("SELECT key FROM search WHERE id = ?", (entry_id,)).fetchone()
    return _get(db, key)
