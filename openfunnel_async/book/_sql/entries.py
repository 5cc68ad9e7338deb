"""Reading one entry, and the one way to change its state."""

from openfunnel_async._text import escaped
from openfunnel_async.book._records import EntryRecord
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.queries import find_entry
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import BookError

PROGRAM = "batch"
PERSON = "person"
LONGEST_ERROR = 500
_DUE = (EntryState.PLANNED, EntryState.SUBMITTED)


def get_entry(db: Database, key: str) -> EntryRecord:
    """Return an entry that must exist."""
    entry = find_entry(db, key)
    if entry is None:
        raise BookError(f"the Book has no entry {escaped(key, 200)}")
    return entry


def get_entry_by_id(db: Database, entry_id: int) -> EntryRecord:
    """Return an entry that must exist, by its number."""
    (key,) = db.execute(
        "SELECT key FROM of_search WHERE id = ?", (entry_id,)
    ).fetchone()
    return get_entry(db, key)


def change_state(
    db: Database,
    entry_id: int,
    state: EntryState,
    who: str,
    note: str | None = None,
    **columns: object,
) -> None:
    """Write the new state of an entry, some of its columns, and the event."""
    (before,) = db.execute(
        "SELECT state FROM of_search WHERE id = ?", (entry_id,)
    ).fetchone()
    names = "".join(f", {name} = ?" for name in columns)
    db.execute(
        f"UPDATE of_search SET state = ?{names} WHERE id = ?",  # noqa: S608 -- our names
        (state, *columns.values(), entry_id),
    )
    note_event(db, entry_id, before, state, who, note)


def note_event(  # noqa: PLR0913, PLR0917 -- the columns of an event
    db: Database,
    entry_id: int,
    before: str | None,
    after: str,
    who: str,
    note: str | None = None,
) -> None:
    """Write what happened to an entry."""
    db.execute(
        "INSERT INTO of_event (at, search, before, after, who, note)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (db.now(), entry_id, before, after, who, note),
    )
    if after in _DUE:
        db.note_due(entry_id)
