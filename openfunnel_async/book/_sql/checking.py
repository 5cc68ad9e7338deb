"""Recompute every sum of the Book from its parts."""

import math
from collections.abc import Iterator

from openfunnel_async._text import escaped
from openfunnel_async.book._records import DamagedBookError, unpack_rows
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.queries import find_entry
from openfunnel_async.book._values import BookCheck, EntryState

_MOST_PROBLEMS = 100
_TOLERANCE = 1e-6


def check(db: Database) -> BookCheck:
    """Return what does not add up; an intact Book has no problems."""
    problems = [*db.find_damage(_MOST_PROBLEMS)]
    rows = 0
    if not problems:
        pages, rows = _check_pages(db)
        problems += [*pages, *_check_entries(db), *_check_caps(db)]
    (entries,) = db.execute("SELECT count(*) FROM of_search").fetchone()
    unknown = db.execute(
        "SELECT key FROM of_search WHERE state = ? ORDER BY id", (EntryState.UNKNOWN,)
    )
    return BookCheck(
        problems=tuple(problems[:_MOST_PROBLEMS]),
        entries=entries,
        rows=rows,
        unknown=tuple(key for (key,) in unknown),
    )


def _check_pages(db: Database) -> tuple[list[str], int]:
    """Check that the pages of each entry follow each other, and count their rows."""
    problems: list[str] = []
    stored: dict[int, int] = {}
    news: dict[int, int] = {}
    for search, first, count, new, body in db.scan(
        "SELECT search, first, count, new, body FROM of_page ORDER BY search, first"
    ):
        expected = stored.get(search, 0)
        if first != expected:
            problems.append(f"entry {search}: rows {expected} to {first} are missing")
        if _count_rows(body) != count:
            problems.append(f"entry {search}: the page at row {first} is damaged")
        stored[search] = first + count
        bits = int.from_bytes(new, "little").bit_count()
        news[search] = news.get(search, 0) + bits
    for search, key, rows, new, source in db.execute(
        "SELECT id, key, rows, new, source FROM of_search"
    ):
        found = stored.get(search if source is None else source, 0)
        if rows != found:
            problems.append(f"{key}: {rows} rows are noted and {found} are stored")
        if new != news.get(search, 0):
            problems.append(f"{key}: {new} new companies are noted, and not marked")
    return problems, sum(stored.values())


def _count_rows(body: bytes) -> int | None:
    """Return the number of rows of a page; None if it is damaged."""
    try:
        return len(unpack_rows(body))
    except DamagedBookError:
        return None


def _check_entries(db: Database) -> Iterator[str]:
    """Check that the columns of each entry agree with its state."""
    for key, state, job_id, status, source in db.execute(
        "SELECT key, state, job_id, status, source FROM of_search"
    ):
        if state not in set(EntryState):
            yield f"{key}: {escaped(str(state), 50)} is no state"
        has_job = state in (EntryState.SUBMITTED, EntryState.SETTLED)
        if has_job and job_id is None and source is None:
            yield f"{key}: it is {state} and has no job"
        if (state == EntryState.SETTLED) != (status is not None):
            yield f"{key}: it is {state} and its status is {status}"
        yield from _check_texts(db, key)
    for key, state, after in db.execute(
        "SELECT key, state, (SELECT after FROM of_event AS event"
        " WHERE event.search = search.id ORDER BY event.id DESC LIMIT 1)"
        " FROM of_search AS search"
    ):
        if state != after:
            yield f"{key}: it is {state} and its last event says {after}"


def _check_texts(db: Database, key: str) -> Iterator[str]:
    """Check that the search and the place of an entry can be read."""
    try:
        entry = find_entry(db, key)
        if entry is not None:
            _ = entry.search, entry.place and entry.start
    except DamagedBookError as exc:
        yield str(exc)


def _check_caps(db: Database) -> Iterator[str]:
    """Check that each cap is the sum of its reservations."""
    for cap, spent, reserved, real_spent, real_reserved in db.execute(
        "SELECT cap.id, cap.spent, cap.reserved,"
        " coalesce(sum(reservation.spent), 0), coalesce(sum(reservation.reserved), 0)"
        " FROM of_cap AS cap LEFT JOIN of_reservation AS reservation"
        " ON reservation.cap = cap.id GROUP BY cap.id"
    ):
        if not _agree(spent, real_spent):
            yield f"cap {cap}: {spent:g} spent is noted, and the sum is {real_spent:g}"
        if not _agree(reserved, real_reserved):
            yield (
                f"cap {cap}: {reserved:g} reserved is noted, and the sum is "
                f"{real_reserved:g}"
            )
    open_states = (EntryState.SUBMITTING, EntryState.SUBMITTED, EntryState.UNKNOWN)
    for key, state in db.execute(
        "SELECT DISTINCT key, state FROM of_search AS search"
        " JOIN of_reservation AS reservation ON reservation.search = search.id"
        " WHERE reserved > 0 AND state NOT IN (?, ?, ?)",
        open_states,
    ):
        yield f"{key}: it is {state} and something is reserved for it"


def _agree(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=_TOLERANCE)
