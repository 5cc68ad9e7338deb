"""The transactions that read: one function each, called with an open transaction."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from openfunnel_async.book._records import (
    BatchRecord,
    EntryRecord,
    StoredPage,
    read_record,
)
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._values import BatchReport, EntryState

# The columns of an entry, by the names of its record.
_COLUMNS = {
    "id": "search.id",
    "key": "search.key",
    "batch": "batch.name",
    "seq": "search.seq",
    "request": "search.request",
    "label": "search.label",
    "exposure": "search.exposure",
    "state": "search.state",
    "attempt": "search.attempt",
    "job_id": "search.job_id",
    "job_limit": "search.job_limit",
    "place": "search.place",
    "rows": "search.rows",
    "new": "search.new",
    "source": "source.key",
    "status": "search.status",
    "billed": "search.billed",
    "error": "search.error",
    "wants_cancel": "search.wants_cancel",
    "over_cap": "search.over_cap",
    "was_unknown": "EXISTS (SELECT 1 FROM of_event AS event"
    " WHERE event.search = search.id AND event.after = 'unknown')",
    "submitted_at": "search.submitted_at",
    "settled_at": "search.settled_at",
}
_ENTRIES = (
    f"SELECT {', '.join(_COLUMNS.values())} FROM of_search AS search"  # noqa: S608 -- our names
    " LEFT JOIN of_batch AS batch ON batch.id = search.batch"
    " LEFT JOIN of_search AS source ON source.id = search.source"
)


def _to_record(row: Sequence[Any]) -> EntryRecord:
    return read_record(dict(zip(_COLUMNS, row, strict=True)))


def find_entry(db: Database, key: str) -> EntryRecord | None:
    """Return an entry."""
    row = db.execute(f"{_ENTRIES} WHERE search.key = ?", (key,)).fetchone()
    return None if row is None else _to_record(row)


def find_entries(  # noqa: PLR0913, PLR0917 -- as the method of the store
    db: Database,
    batch: str | None,
    states: Sequence[EntryState],
    after: int,
    most: int | None,
    is_single: bool,
) -> list[EntryRecord]:
    """Return entries in the order in which they were planned."""
    order = "search.id" if batch is None else "search.seq"
    query = f"{_ENTRIES} WHERE {order} > ?"
    arguments: list[object] = [after]
    if batch is not None:
        query += " AND search.batch = (SELECT id FROM of_batch WHERE name = ?)"
        arguments.append(batch)
    if is_single:
        query += " AND search.batch IS NULL"
    if states:
        query += f" AND search.state IN ({', '.join('?' * len(states))})"
        arguments += states
    query += f" ORDER BY {order}"
    if most is not None:
        query += " LIMIT ?"
        arguments.append(most)
    return [_to_record(row) for row in db.execute(query, arguments)]


def find_batch(db: Database, name: str) -> BatchRecord | None:
    """Return a batch."""
    row = db.execute(
        "SELECT batch.id, name, most, most_new, reuse_days FROM of_batch AS batch"
        " JOIN of_cap AS cap ON cap.id = batch.cap"
        " WHERE name = ?",
        (name,),
    ).fetchone()
    return None if row is None else BatchRecord(*row)


def find_reports(db: Database, name: str | None) -> list[BatchReport]:
    """Return the sums of a batch, or of all batches in the order of planning."""
    query = (
        "SELECT batch.id, name, most, most_new, spent, reserved FROM of_batch AS batch"
        " JOIN of_cap AS cap ON cap.id = batch.cap"
    )
    found = db.execute(
        f"{query} WHERE ? IN (name, '') ORDER BY batch.id", (name or "",)
    ).fetchall()
    return [_find_report(db, row) for row in found]


def _find_report(db: Database, row: Sequence[Any]) -> BatchReport:
    batch, name, most, most_new, spent, reserved = row
    states: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for state, status, *numbers in db.execute(
        "SELECT state, status, count(*), sum(rows), sum(new), sum(over_cap),"
        " count(source), count(stopped_at),"
        " coalesce(sum(rows - stopped_at), 0), coalesce(sum(billed), 0)"
        " FROM of_search WHERE batch = ? GROUP BY state, status",
        (batch,),
    ):
        states[state] += numbers[0]
        statuses[status] += numbers[0]
        sums.update(dict(zip(_SUMS, numbers, strict=True)))
    return BatchReport(
        name=name,
        **{state.value: states[state] for state in EntryState},
        **{name: sums[name] for name in _SUMS},
        spent=spent,
        reserved=reserved,
        cap=most,
        distinct=most_new,
        completed=statuses["completed"],
        cancelled=statuses["cancelled"],
        failed=statuses["failed"],
    )


_SUMS = (
    "searches",
    "rows",
    "new",
    "over_cap",
    "reused",
    "stopped_early",
    "rows_after_stop",
    "credits_consumed",
)


def find_pages(
    db: Database, name: str, after: tuple[int, int], most: int
) -> list[StoredPage]:
    """Return the next pages of a batch, in the order of its searches."""
    found = db.execute(
        "SELECT seq, first, count,"
        " CASE WHEN source IS NULL THEN page.new ELSE ? END, body"
        " FROM of_search AS search"
        " JOIN of_page AS page ON page.search = coalesce(source, search.id)"
        " WHERE batch = (SELECT id FROM of_batch WHERE name = ?)"
        " AND seq >= ? AND (seq > ? OR first > ?)"
        " ORDER BY seq, first LIMIT ?",
        (b"", name, after[0], after[0], after[1], most),
    )
    return [StoredPage(*row) for row in found]
