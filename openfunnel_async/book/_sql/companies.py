"""The known companies: marks, and where each was seen first."""

from collections.abc import Sequence

from openfunnel_async.book._identity import (
    Identity,
    normalise_domain,
    normalise_page,
)
from openfunnel_async.book._records import StoredPage, unpack_rows
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._sql.queries import find_pages
from openfunnel_async.book._values import BatchDiff, KnownList

_AT_A_TIME = 1_000
_MOST_PAGES = 50


def note_rows(db: Database, entry_id: int, rows: Sequence[object]) -> tuple[bool, ...]:
    """Note the companies of rows, and return which of them were not known.

    A row without a page and a domain cannot be identified, and counts as new. Most
    known companies are known by their page, so the domain is read only of the others.
    """
    pages = [_read_page(row) for row in rows]
    known = db.find_marks([f"p:{page}" for page in pages if page is not None])
    is_new = [page is None or f"p:{page}" not in known for page in pages]
    left = [place for place, new in enumerate(is_new) if new]
    if not left:
        return tuple(is_new)
    others = {
        place: Identity(pages[place], _read_domain(rows[place])) for place in left
    }
    known |= db.find_marks([mark for one in others.values() for mark in one.lookups])
    added: list[str] = []
    for place, identity in others.items():
        is_new[place] = known.isdisjoint(identity.lookups)
        if is_new[place]:
            # It may be in these rows twice.
            known.update(identity.marks)
            added += identity.marks
    db.add_marks("search", entry_id, added)
    return tuple(is_new)


def _identify(row: object) -> Identity:
    return Identity(_read_page(row), _read_domain(row))


def _read_page(row: object) -> str | None:
    url = row.get("linkedin_url") if isinstance(row, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return normalise_page(url) if isinstance(url, str) else None


def _read_domain(row: object) -> str | None:
    domain = row.get("domain") if isinstance(row, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return normalise_domain(domain) if isinstance(domain, str) else None


def add_known(db: Database, identities: Sequence[Identity], label: str) -> int:
    """Add companies of a list; return how many of them were not known."""
    db.execute(
        "INSERT INTO of_list (label) VALUES (?) ON CONFLICT DO NOTHING", (label,)
    )
    (number,) = db.execute(
        "SELECT id FROM of_list WHERE label = ?", (label,)
    ).fetchone()
    added = 0
    for start in range(0, len(identities), _AT_A_TIME):
        part = identities[start : start + _AT_A_TIME]
        known = db.find_marks([mark for one in part for mark in one.lookups])
        marks: list[str] = []
        for identity in part:
            if known.isdisjoint(identity.lookups):
                added += 1
                known.update(identity.marks)
                marks += identity.marks
        db.add_marks("list", number, marks)
    return added


def find_known(db: Database, lookups: Sequence[str]) -> str | None:
    """Return the batch, key or list that has a company; None if it is not known."""
    for mark in lookups:
        row = db.execute(
            "SELECT coalesce(list.label, batch.name, search.key) FROM"
            " (SELECT search AS bought, list AS listed FROM of_company WHERE mark = ?)"
            " LEFT JOIN of_list AS list ON list.id = listed"
            " LEFT JOIN of_search AS search ON search.id = bought"
            " LEFT JOIN of_batch AS batch ON batch.id = search.batch",
            (mark,),
        ).fetchone()
        if row is not None:
            return str(row[0])
    return None


def find_lists(db: Database) -> list[KnownList]:
    """Return the lists that were added, and how many companies each of them has."""
    found = db.execute(
        "SELECT label, count(mark) FROM of_list AS list LEFT JOIN of_company AS company"
        " ON list.id = company.list AND mark NOT LIKE 'a:%'"
        " GROUP BY list.id ORDER BY list.id"
    )
    return [KnownList(label=label, companies=number) for label, number in found]


def count_known(db: Database) -> int:
    """Return how many companies are known."""
    query = "SELECT count(*) FROM of_company WHERE mark NOT LIKE 'a:%'"
    (number,) = db.execute(query).fetchone()
    return int(number)


def remove_known(db: Database, label: str) -> int | None:
    """Forget a list; return how many companies it had, None if there is no such list.

    A company that was bought as well stays known by its batch only if it was bought
    first: the others are no longer known.
    """
    row = db.execute("SELECT id FROM of_list WHERE label = ?", (label,)).fetchone()
    if row is None:
        return None
    (number,) = db.execute(
        "SELECT count(*) FROM of_company WHERE list = ? AND mark NOT LIKE 'a:%'", row
    ).fetchone()
    db.execute("DELETE FROM of_company WHERE list = ?", row)
    db.execute("DELETE FROM of_list WHERE id = ?", row)
    return int(number)


def diff(db: Database, first: str, second: str) -> BatchDiff:
    """Return which companies two batches share."""
    one, other = _find_names(db, first), _find_names(db, second)
    return BatchDiff(
        both=tuple(name for name in one if name in other),
        first=tuple(name for name in one if name not in other),
        second=tuple(name for name in other if name not in one),
    )


def _find_names(db: Database, batch: str) -> dict[str, None]:
    """Return the names of the companies of a batch, in order, each once."""
    names: dict[str, None] = {}
    after = (-1, 0)
    while pages := find_pages(db, batch, after, _MOST_PAGES):
        for page in pages:
            names.update(dict.fromkeys(_names_of(page)))
        after = pages[-1].seq, pages[-1].first
    return names


def _names_of(page: StoredPage) -> list[str]:
    names = (_identify(row).name for row in unpack_rows(page.body))
    return [name for name in names if name is not None]
