"""The columns of a file, and the values of a company in them."""

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
"""The columns of a company, in their order. Merged results have ``found_by`` before
them."""

FOUND_BY = "found_by"
INTEGER_COLUMNS = frozenset(
    {"employee_count", "revenue_usd", "linkedin_follower_count"}
)
FLOAT_COLUMNS = frozenset({"rerank_score"})
LIST_COLUMNS = frozenset({FOUND_BY, "industries"})

Source = BulkResult | TakeResult | MergedResults | Iterable[Company]
"""Companies that are in memory."""


@attrs.frozen
class ExportRow:
    """One company to write, and the searches that found it."""

    company: Company
    found_by: tuple[str, ...] = ()

    def value(self, column: str) -> object:
        """Return the value of a column; None if it has none."""
        if column == FOUND_BY:
            return self.found_by
        value: object = getattr(self.company, column)
        return value or None if column == "extra" else value


def choose_columns(
    columns: Sequence[str] | None, *, merged: bool = False
) -> tuple[str, ...]:
    """Return the columns to write, all of them by default.

    Raises:
        ConfigurationError: There is no column, an unknown one, or one twice.
    """
    allowed = (FOUND_BY, *COLUMNS) if merged else COLUMNS
    if columns is None:
        return allowed
    if not isinstance(columns, (list, tuple)) or not columns:
        raise ConfigurationError("columns must be a list or tuple of at least one name")
    # The caller may pass values of any type, also values that are not hashable.
    chosen = tuple(cast("Iterable[Any]", columns))
    for place, name in enumerate(chosen):
        if name not in allowed:
            msg = f"there is no column {name!r:.60}; there are {', '.join(allowed)}"
            raise ConfigurationError(msg)
        if name in chosen[:place]:
            raise ConfigurationError(f"the column {name!r} is asked for twice")
    return chosen


def iterate_rows(source: Source, searches: Sequence[str] = ()) -> Iterable[ExportRow]:
    """Return an iterable of the companies of a source.

    Raises:
        ConfigurationError: The source cannot be read; while it is read, at the first
            item that is not a company.
    """
    if isinstance(source, MergedResults):
        names = dict(enumerate(searches))
        return (
            ExportRow(one.company, tuple(names.get(n, str(n)) for n in one.found_by))
            for one in source.companies
        )
    rows = cast("object", source)
    if not isinstance(rows, Iterable):
        msg = "pass a result, or an iterable of Company; to_file() takes a batch, too"
        raise ConfigurationError(msg)
    return (ExportRow(check_company(row)) for row in cast("Iterable[object]", rows))


def check_company(row: object) -> Company:
    """Return the row if it is a company.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(row, Company):
        msg = f"only companies can be exported, not a {type(row).__name__}"
        raise ConfigurationError(msg)
    return row


def to_json(value: object) -> str:
    """Return a value as one line of JSON.

    Raises:
        ConfigurationError: JSON cannot represent it. No answer of the service has such
            a value.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        msg = f"a company has a value that JSON cannot represent: {exc}"
        raise ConfigurationError(msg) from exc
    return text.translate(_LINE_BREAKS)


# JSON allows these characters inside a string, but some programs end a line at them.
_LINE_BREAKS = {mark: f"\\u{mark:04x}" for mark in (0x85, 0x2028, 0x2029)}
