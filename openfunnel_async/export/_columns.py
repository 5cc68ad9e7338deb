"""The columns of a file, and their values."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

import attrs

from openfunnel_async import BulkResult, Company, MergedResults, TakeResult
from openfunnel_async.errors import ConfigurationError

COLUMNS: tuple[str, ...] = (
    "name", "domain", "linkedin_url", "headquarters", "employee_count",
    "funding_stage", "revenue_usd", "industries", "hq_city", "hq_region", "hq_country",
    "linkedin_follower_count", "rerank_score", "tagline", "match_reason", "description",
    "extra",
)  # fmt: skip
"""The columns of a company, in their order; ``found_by`` is before them where results
were merged."""

FOUND_BY = "found_by"
WHOLES = frozenset({"employee_count", "revenue_usd", "linkedin_follower_count"})
NUMBERS = frozenset({"rerank_score"})
LISTS = frozenset({FOUND_BY, "industries"})

Rows = BulkResult | TakeResult | MergedResults | Iterable[Company]
"""Rows that are in memory."""


@attrs.frozen
class Entry:
    """One company to write, and the searches that found it."""

    company: Company
    found_by: tuple[str, ...] = ()

    def value(self, column: str) -> object:
        """Return the value of a column; None for nothing."""
        if column == FOUND_BY:
            return self.found_by
        value: object = getattr(self.company, column)
        return value or None if column == "extra" else value


def choose(columns: Sequence[str] | None, *, merged: bool = False) -> tuple[str, ...]:
    """Return the columns to write, all of them by default.

    Raises:
        ConfigurationError: No column, an unknown one, or one twice.
    """
    allowed = (FOUND_BY, *COLUMNS) if merged else COLUMNS
    if columns is None:
        return allowed
    if not isinstance(columns, (list, tuple)) or not columns:
        raise ConfigurationError("columns must be a list or tuple of at least one name")
    # Names of any type may come, and they need not even be hashable.
    chosen = tuple(cast("Iterable[Any]", columns))
    for place, name in enumerate(chosen):
        if name not in allowed:
            msg = f"there is no column {name!r:.60}; there are {', '.join(allowed)}"
            raise ConfigurationError(msg)
        if name in chosen[:place]:
            raise ConfigurationError(f"the column {name!r} is asked for twice")
    return chosen


def entries(source: Rows, searches: Sequence[str] = ()) -> Iterable[Entry]:
    """Yield the companies of a source one by one.

    Raises:
        ConfigurationError: Not companies; also later, at the first wrong item.
    """
    if isinstance(source, MergedResults):
        names = dict(enumerate(searches))
        return (
            Entry(one.company, tuple(names.get(n, str(n)) for n in one.found_by))
            for one in source.companies
        )
    rows = cast("object", source)
    if not isinstance(rows, Iterable):
        raise ConfigurationError("pass a result, or an iterable of Company")
    return (Entry(check_company(row)) for row in cast("Iterable[object]", rows))


def check_company(row: object) -> Company:
    """Return the row, which must be a company."""
    if not isinstance(row, Company):
        msg = f"only companies can be exported, not a {type(row).__name__}"
        raise ConfigurationError(msg)
    return row


def to_json(value: object) -> str:
    """Write a value as one line of JSON.

    Raises:
        ConfigurationError: It is no JSON value, which no answer can cause.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        msg = f"a company holds what JSON cannot: {exc}"
        raise ConfigurationError(msg) from exc
    return text.translate(_LINE_BREAKS)


# JSON allows these characters, and some readers end a line at them.
_LINE_BREAKS = {mark: f"\\u{mark:04x}" for mark in (0x85, 0x2028, 0x2029)}
