"""The transactions that plan: batches, their searches and single entries."""

from collections.abc import Sequence

from openfunnel_async._text import escaped
from openfunnel_async.book._records import BatchOptions, EntryRecord
from openfunnel_async.book._requests import PlannedSearch
from openfunnel_async.book._rules import check_same_request, check_same_searches
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.entries import (
    PROGRAM,
    change_state,
    get_entry,
    note_event,
)
from openfunnel_async.book._sql.queries import find_entry
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import ConfigurationError, OtherAccountError


def bind_account(db: Database, fingerprint: str) -> None:
    """Claim the Book for an account, or refuse another one."""
    db.execute(
        "INSERT INTO of_meta VALUES ('account', ?) ON CONFLICT DO NOTHING",
        (fingerprint,),
    )
    (owner,) = db.execute("SELECT value FROM of_meta WHERE name = 'account'").fetchone()
    if owner != fingerprint:
        raise OtherAccountError(
            "this Book belongs to another API key: its jobs can be read with that key "
            "alone. Nothing was sent; use that key, or a Book of its own"
        )


def plan(
    db: Database,
    name: str,
    searches: Sequence[PlannedSearch],
    options: BatchOptions,
    extends: bool,
) -> None:
    """Write a batch and its searches, or check that they are there."""
    row = db.execute("SELECT id, cap FROM of_batch WHERE name = ?", (name,)).fetchone()
    if row is None:
        cap = db.insert("INSERT INTO of_cap (most) VALUES (?)", (options.most,))
        batch = db.insert(
            "INSERT INTO of_batch (name, cap, most_new, reuse_days, planned_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (name, cap, options.most_new, options.reuse_days, db.now()),
        )
        _insert_searches(db, batch, searches, is_extension=False)
        return
    batch, cap = row
    if extends:
        _insert_searches(db, batch, searches, is_extension=True)
        return
    stored = {
        key: bool(is_extension)
        for key, is_extension in db.execute(
            "SELECT key, is_extension FROM of_search WHERE batch = ?", (batch,)
        )
    }
    check_same_searches(name, stored, searches)
    db.execute(
        "UPDATE of_batch SET most_new = coalesce(?, most_new),"
        " reuse_days = coalesce(?, reuse_days) WHERE id = ?",
        (options.most_new, options.reuse_days, batch),
    )
    db.execute(
        "UPDATE of_cap SET most = coalesce(?, most) WHERE id = ?", (options.most, cap)
    )
    _check_limits(db, batch)
    if options.most is not None or options.most_new is not None:
        _plan_again_over_cap(db, batch)


def _insert_searches(
    db: Database,
    batch: int | None,
    searches: Sequence[PlannedSearch],
    *,
    is_extension: bool,
) -> None:
    # "IS ?" is not PostgreSQL, and "IS NOT DISTINCT FROM ?" not an older SQLite.
    where: str = "batch IS NULL"
    values: tuple[int, ...] = ()
    if batch is not None:
        where, values = "batch = ?", (batch,)
    (seq,) = db.execute(
        f"SELECT coalesce(max(seq), -1) FROM of_search WHERE {where}",  # noqa: S608 -- ours
        values,
    ).fetchone()
    for planned in searches:
        added = db.insert(
            "INSERT INTO of_search"
            " (batch, seq, key, request, label, is_extension, exposure, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                batch,
                seq + 1,
                planned.key,
                planned.request,
                planned.label,
                int(is_extension),
                planned.exposure,
                EntryState.PLANNED,
            ),
        )
        if added is not None:
            seq += 1
            note_event(db, added, None, EntryState.PLANNED, PROGRAM)
            continue
        (holder,) = db.execute(
            "SELECT batch FROM of_search WHERE key = ?", (planned.key,)
        ).fetchone()
        if holder != batch:
            shown = escaped(planned.key, 200)
            msg = f"the key {shown} is used outside of this batch; rename the batch"
            raise ConfigurationError(msg)
    _check_limits(db, batch)


def _check_limits(db: Database, batch: int | None) -> None:
    """Check that under a cap every search of a batch has a limit."""
    row = db.execute(
        "SELECT key FROM of_search AS search"
        " JOIN of_batch AS batch ON batch.id = search.batch"
        " JOIN of_cap AS cap ON cap.id = batch.cap"
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


def _plan_again_over_cap(db: Database, batch: int) -> None:
    """Plan the searches again that did not fit under the cap that was replaced."""
    found = db.execute(
        "SELECT id FROM of_search WHERE batch = ? AND state = ? AND over_cap = 1",
        (batch, EntryState.SKIPPED),
    ).fetchall()
    for (entry,) in found:
        change_state(
            db,
            entry,
            EntryState.PLANNED,
            PROGRAM,
            "another cap",
            over_cap=0,
            error=None,
        )


def plan_one(db: Database, planned: PlannedSearch) -> EntryRecord:
    """Write an entry without a batch, if there is none with its key."""
    entry = find_entry(db, planned.key)
    if entry is None:
        _insert_searches(db, None, [planned], is_extension=False)
        entry = get_entry(db, planned.key)
    check_same_request(entry.key, entry.request, planned.request)
    return entry
