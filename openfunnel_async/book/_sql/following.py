"""The transactions of a job: its pages and its bill."""

from collections.abc import Sequence

from openfunnel_async._text import escaped
from openfunnel_async.book._records import (
    EntryRecord,
    NotFollowedError,
    PageSums,
    pack_bits,
    pack_rows,
)
from openfunnel_async.book._sql.caps import replace_reservations
from openfunnel_async.book._sql.companies import note_rows
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.entries import (
    LONGEST_ERROR,
    PROGRAM,
    change_state,
    get_entry_by_id,
)
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import BookError


def record_page(  # noqa: PLR0913, PLR0917 -- the columns of a page
    db: Database,
    entry_id: int,
    first: int,
    rows: Sequence[object],
    place: str,
    epoch: int | None = None,
) -> PageSums:
    """Write the rows of a page, which companies are new, and the place after it.

    Args:
        db: The database.
        entry_id: The entry.
        first: How many rows of it are stored before.
        rows: The rows as the service sent them.
        place: The checkpoint after the page.
        epoch: The lease under which they were read; None if no process has leases.
    """
    _check_lease(db, entry_id, epoch)
    is_new = note_rows(db, entry_id, rows)
    if rows:
        db.execute(
            "INSERT INTO of_page VALUES (?, ?, ?, ?, ?)",
            (entry_id, first, len(rows), pack_bits(is_new), pack_rows(rows)),
        )
    changed = db.execute(
        "UPDATE of_search SET rows = rows + ?, new = new + ?, place = ?"
        " WHERE id = ? AND rows = ? AND state = ?",
        (len(rows), sum(is_new), place, entry_id, first, EntryState.SUBMITTED),
    )
    if not changed.rowcount:
        if get_entry_by_id(db, entry_id).state is not EntryState.SUBMITTED:
            raise NotFollowedError("the entry is not submitted any more")
        raise BookError(
            "the rows of this job were written by another process meanwhile; nothing "
            "of it was written twice"
        )
    return PageSums(is_new, _sum_new(db, entry_id))


def _sum_new(db: Database, entry_id: int) -> int:
    """Return the new companies of a batch that stops at a number of them, else 0.

    The sum reads every search of the batch, so other batches do not pay for it.
    """
    (most_new,) = db.execute(
        "SELECT max(most_new) FROM of_batch"
        " WHERE id = (SELECT batch FROM of_search WHERE id = ?)",
        (entry_id,),
    ).fetchone()
    if most_new is None:
        return 0
    (batch_new,) = db.execute(
        "SELECT coalesce(sum(new), 0) FROM of_search"
        " WHERE batch = (SELECT batch FROM of_search WHERE id = ?)",
        (entry_id,),
    ).fetchone()
    return int(batch_new)


def record_bill(  # noqa: PLR0913, PLR0917 -- the columns of a bill
    db: Database,
    entry_id: int,
    status: str,
    billed: float | None,
    error: str | None,
    epoch: int | None = None,
) -> None:
    """Write the terminal status and the bill, which replaces the reservation."""
    _check_lease(db, entry_id, epoch)
    entry = get_entry_by_id(db, entry_id)
    if entry.state is not EntryState.SUBMITTED:
        return
    # A refund is no room: what a cap allows is spent by jobs, not earned.
    spent = None if billed is None else max(0.0, billed)
    replace_reservations(db, entry, spent)
    change_state(
        db,
        entry_id,
        EntryState.SETTLED,
        PROGRAM,
        status=status,
        billed=billed,
        error=None if error is None else escaped(error, LONGEST_ERROR),
        settled_at=db.now(),
    )
    _wake_next(db, entry)


def _wake_next(db: Database, entry: EntryRecord) -> None:
    """Let the next planned search of the batch be submitted: credits may be free."""
    row = db.execute(
        "SELECT id FROM of_search WHERE state = ?"
        " AND batch = (SELECT id FROM of_batch WHERE name = ?) ORDER BY seq LIMIT 1",
        (EntryState.PLANNED, entry.batch),
    ).fetchone()
    if row is not None:
        db.note_due(row[0])


def note_error(db: Database, entry_id: int, error: str | None) -> None:
    """Write what has kept a job from being read, or that nothing does any more."""
    text = None if error is None else escaped(error, LONGEST_ERROR)
    db.execute("UPDATE of_search SET error = ? WHERE id = ?", (text, entry_id))


def record_stop(db: Database, entry_id: int, rows: int) -> None:
    """Write that a job is cancelled because too few of its companies are new."""
    db.execute(
        "UPDATE of_search SET stopped_at = ?, wants_cancel = 1 WHERE id = ?",
        (rows, entry_id),
    )


def _check_lease(db: Database, entry_id: int, epoch: int | None) -> None:
    """Refuse what a process writes whose lease another one has taken.

    Transactions that write take turns, so nobody takes it until this one ends.
    """
    if epoch is None:
        return
    (current,) = db.execute(
        "SELECT epoch FROM of_search WHERE id = ?", (entry_id,)
    ).fetchone()
    if current != epoch:
        raise NotFollowedError("another process follows this job")
