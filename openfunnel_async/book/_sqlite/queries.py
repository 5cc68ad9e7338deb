"""The transactions that read: one function each, called with an open transaction."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from openfunnel_async.book._records import (
    BatchRecord,
    EntryRecord,
    StoredPage,
    read_record,
)
from openfunnel_async.book._values import BatchReport, EntryState

Db = sqlite3.Connection

_COLUMNS = (
    "search.id, key, batch.name, seq, request, label, exposure, state, attempt, job_id,"
    " job_limit, place, rows, status, billed, error, wants_cancel, over_cap,"
    " submitted_at, settled_at"
)
_NAMES = [
    "id",
    "key",
    "batch",
    "seq",
    "request",
    "label",
    "exposure",
    "state",
    "attempt",
    "job_id",
    "job_limit",
    "place",
    "rows",
    "status",
    "billed",
    "error",
    "wants_cancel",
    "over_cap",
    "submitted_at",
    "settled_at",
]
_ENTRIES = f"SELECT {_COLUMNS} FROM search LEFT JOIN batch ON batch.id = search.batch"  # noqa: S608 -- our names


def _to_record(row: Sequence[Any]) -> EntryRecord:
    return read_record(dict(zip(_NAMES, row, strict=True)))


def find_entry(db: Db, key: str) -> EntryRecord | None:
    """Return an entry."""
    row = db.execute(f"{_ENTRIES} WHERE key = ?", (key,)).fetchone()
    return None if row is None else _to_record(row)


def find_entries(
    db: Db,
    batch: str | None,
    states: Sequence[EntryState],
    after: int,
    most: int | None,
) -> list[EntryRecord]:
    """Return entries in the order in which they were planned."""
    order = "search.id" if batch is None else "seq"
    query = f"{_ENTRIES} WHERE {order} > ?"
    arguments: list[object] = [after]
    if batch is not None:
        query += " AND search.batch = (SELECT id FROM batch WHERE name = ?)"
        arguments.append(batch)
    if states:
        query += f" AND state IN ({', '.join('?' * len(states))})"
        arguments += states
    query += f" ORDER BY {order}"
    if most is not None:
        query += " LIMIT ?"
        arguments.append(most)
    return [_to_record(row) for row in db.execute(query, arguments)]


def find_batch(db: Db, name: str) -> BatchRecord | None:
    """Return a batch."""
    row = db.execute(
        "SELECT batch.id, name, most FROM batch JOIN cap ON cap.id = batch.cap"
        " WHERE name = ?",
        (name,),
    ).fetchone()
    return None if row is None else BatchRecord(*row)


def find_reports(db: Db, name: str | None) -> list[BatchReport]:
    """Return the sums of a batch, or of all batches in the order of planning."""
    query = (
        "SELECT batch.id, name, most, spent, reserved FROM batch"
        " JOIN cap ON cap.id = batch.cap"
    )
    found = db.execute(
        f"{query} WHERE ? IN (name, '') ORDER BY batch.id", (name or "",)
    ).fetchall()
    return [_find_report(db, *row) for row in found]


def _find_report(  # noqa: PLR0913, PLR0917 -- one row
    db: Db, batch: int, name: str, most: float | None, spent: float, reserved: float
) -> BatchReport:
    states: dict[str, int] = {}
    statuses: dict[str, int] = {}
    searches = rows = over_cap = 0
    bills = 0.0
    for state, status, number, stored, over, billed in db.execute(
        "SELECT state, status, count(*), sum(rows), sum(over_cap),"
        " coalesce(sum(billed), 0) FROM search WHERE batch = ? GROUP BY state, status",
        (batch,),
    ):
        states[state] = states.get(state, 0) + number
        statuses[status] = statuses.get(status, 0) + number
        searches += number
        rows += stored
        over_cap += over
        bills += billed
    return BatchReport(
        name=name,
        searches=searches,
        **{state.value: states.get(state, 0) for state in EntryState},
        rows=rows,
        spent=spent,
        reserved=reserved,
        cap=most,
        completed=statuses.get("completed", 0),
        cancelled=statuses.get("cancelled", 0),
        failed=statuses.get("failed", 0),
        over_cap=over_cap,
        credits_consumed=bills,
    )


def find_pages(
    db: Db, name: str, after: tuple[int, int], most: int
) -> list[StoredPage]:
    """Return the next pages of a batch, in the order of its searches."""
    found = db.execute(
        "SELECT seq, first, count, body FROM search"
        " JOIN page ON page.search = search.id"
        " WHERE batch = (SELECT id FROM batch WHERE name = ?)"
        " AND (seq > ? OR (seq = ? AND first > ?))"
        " ORDER BY seq, first LIMIT ?",
        (name, after[0], after[0], after[1], most),
    )
    return [StoredPage(*row) for row in found]
