"""Leases: which process submits or follows an entry, while several run the Book.

Each process has one row with the time until which its leases hold, so it renews all of
them by one statement, by the clock of the server. A job that is followed has the name
of its process and a number, the epoch, which grows each time somebody takes it over.
What is written for a job is written under the epoch that was taken: a process that was
paused for too long writes nothing over the work of the next one.
"""

from collections import defaultdict
from collections.abc import Collection

from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._records import EntryRecord, Room
from openfunnel_async.book._rules import find_room
from openfunnel_async.book._sql.caps import Cap, find_caps
from openfunnel_async.book._sql.entries import (
    PROGRAM,
    change_state,
    get_entry_by_id,
)
from openfunnel_async.book._values import EntryState

_FREE = (
    "(owner IS NULL OR NOT EXISTS (SELECT 1 FROM of_process AS process"
    " WHERE process.name = owner AND lease_until > ?))"
)
# Planned searches that are read at a time.
_OF_A_BATCH = 200
# A process that has ended needs no row; until then its name may help a person.
_KEEP_FOR = 3600.0
_DAY = 86_400.0


def renew(db: PostgresDatabase, owner: str, seconds: float) -> None:
    """Let the leases of a process hold for a number of seconds from now."""
    db.execute(
        "INSERT INTO of_process VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until",
        (owner, db.now() + seconds),
    )


def leave(db: PostgresDatabase, owner: str) -> None:
    """Give back all leases of a process, but those of submits under way."""
    db.execute(
        "UPDATE of_search SET owner = NULL WHERE owner = ? AND state = ?",
        (owner, EntryState.SUBMITTED),
    )
    db.execute(
        "DELETE FROM of_process WHERE name = ? AND NOT EXISTS"
        " (SELECT 1 FROM of_search WHERE owner = ? AND state = ?)",
        (owner, owner, EntryState.SUBMITTING),
    )
    db.execute("DELETE FROM of_process WHERE lease_until < ?", (db.now() - _KEEP_FOR,))
    db.execute("DELETE FROM of_write WHERE at < ?", (db.now() - _DAY,))


def take(db: PostgresDatabase, entry_id: int, owner: str) -> int | None:
    """Take the lease of a submitted entry; return its epoch, None if it is taken.

    A process that has the lease already keeps its epoch: two tasks of it may ask, and
    one of them may be writing.
    """
    row = db.execute(
        "UPDATE of_search SET owner = ?,"
        " epoch = epoch + CASE WHEN owner = ? THEN 0 ELSE 1 END"
        f" WHERE id = ? AND state = ? AND (owner = ? OR {_FREE}) RETURNING epoch",
        (owner, owner, entry_id, EntryState.SUBMITTED, owner, db.now()),
    ).fetchone()
    return None if row is None else int(row[0])


def take_free(
    db: PostgresDatabase, batch: str, owner: str, most: int, held: Collection[int]
) -> list[tuple[EntryRecord, int]]:
    """Take leases of a batch that nobody has; return the entries and their epochs.

    Args:
        db: The database.
        batch: The batch.
        owner: This process.
        most: At most this number of them.
        held: The entries that this process follows. A lease of it that is not among
            them is one that could not be given back.
    """
    found = db.execute(
        "SELECT id FROM of_search WHERE state = ?"
        " AND batch = (SELECT id FROM of_batch WHERE name = ?)"
        f" AND (owner = ? OR {_FREE}) AND NOT id = ANY(?) ORDER BY seq LIMIT ?",
        (EntryState.SUBMITTED, batch, owner, db.now(), list(held), most),
    ).fetchall()
    taken: list[tuple[EntryRecord, int]] = []
    for (entry_id,) in found:
        epoch = take(db, entry_id, owner)
        if epoch is not None:
            taken.append((get_entry_by_id(db, entry_id), epoch))
    return taken


def release(db: PostgresDatabase, entry_id: int, owner: str, after: float) -> None:
    """Give the lease of a submitted entry back."""
    changed = db.execute(
        "UPDATE of_search SET owner = NULL WHERE id = ? AND owner = ? AND state = ?",
        (entry_id, owner, EntryState.SUBMITTED),
    )
    if changed.rowcount:
        db.note_due(entry_id, after)


def sweep(db: PostgresDatabase, under_way: Collection[str], owner: str) -> list[str]:
    """Make each submit whose process is gone an unknown one; return their keys."""
    found = db.execute(
        "SELECT id, key FROM of_search WHERE state = ?"
        f" AND (owner = ? OR {_FREE}) ORDER BY id",
        (EntryState.SUBMITTING, owner, db.now()),
    ).fetchall()
    lost = [(entry_id, key) for entry_id, key in found if key not in under_way]
    error = (
        "its process ended, or was stopped for too long, during the submit, so the "
        "outcome is unknown: a job may be running and billing"
    )
    for entry_id, _ in lost:
        change_state(db, entry_id, EntryState.UNKNOWN, PROGRAM, error=error, owner=None)
    return [key for _, key in lost]


def find_due(
    db: PostgresDatabase, most: int, budget: str | None
) -> list[tuple[str, str]]:
    """Return the keys of entries of batches that wait for somebody, and for what."""
    free = db.execute(
        "SELECT key FROM of_search WHERE batch IS NOT NULL AND state = ?"
        f" AND {_FREE} ORDER BY id LIMIT ?",
        (EntryState.SUBMITTED, db.now(), most),
    )
    due = [(key, "follow") for (key,) in free]
    return due + [(key, "submit") for key in _find_fitting(db, most, budget)]


def _find_fitting(db: PostgresDatabase, most: int, budget: str | None) -> list[str]:
    """Return planned entries in order, as many as fit under their caps at once.

    A few of each batch: one whose cap is full must not hide the others.
    """
    found = db.execute(
        "SELECT key, batch.name, exposure FROM (SELECT id, key, batch, exposure,"
        " row_number() OVER (PARTITION BY batch ORDER BY seq) AS place"
        " FROM of_search WHERE batch IS NOT NULL AND state = ?) AS planned"
        " JOIN of_batch AS batch ON batch.id = planned.batch"
        " WHERE place <= ? ORDER BY planned.id LIMIT ?",
        (EntryState.PLANNED, _OF_A_BATCH, most),
    ).fetchall()
    fitting: list[str] = []
    reserved: defaultdict[int, float] = defaultdict(float)
    caps: dict[str, list[Cap]] = {}
    for key, batch, exposure in found:
        if batch not in caps:
            caps[batch] = find_caps(db, batch, budget)
        own = caps[batch]
        now = [cap._replace(reserved=cap.reserved + reserved[cap.id]) for cap in own]
        if find_room(now, exposure)[0] is not Room.FULL:
            fitting.append(key)
            for cap in own:
                reserved[cap.id] += exposure or 0.0
    return fitting


def find_cancels(db: PostgresDatabase, owner: str) -> list[str]:
    """Return the keys of entries that a process follows and whose job is unwanted."""
    found = db.execute(
        "SELECT key FROM of_search WHERE owner = ? AND state = ? AND wants_cancel = 1",
        (owner, EntryState.SUBMITTED),
    )
    return [key for (key,) in found]


def count_leases(db: PostgresDatabase) -> dict[str, int]:
    """Return how many jobs each living process follows, those without any included."""
    found = db.execute(
        "SELECT process.name, count(search.id) FROM of_process AS process"
        " LEFT JOIN of_search AS search"
        " ON search.owner = process.name AND search.state = ?"
        " WHERE lease_until > ? GROUP BY process.name",
        (EntryState.SUBMITTED, db.now()),
    )
    return dict(found)
