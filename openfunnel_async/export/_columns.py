"""The columns of a file, and the values of a company in them."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import attrs

from openfunnel_async import BulkResult, Company, MergedResults, TakeResult
from openfunnel_async._orjson import try_dumps
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


def join_list(items: Iterable[object], separator: str) -> str:
    """Return the items of a list as one text."""
    return separator.join(map(str, items))


def escape_surrogates(text: str) -> str:
    """Return a text in which half a surrogate pair is an escape."""
    return text.encode(errors="backslashreplace").decode()


def to_json(value: object) -> str:
    """Return a value as one line of JSON, for a cell.

    Raises:
        ConfigurationError: JSON cannot represent it. No answer of the service has such
            a value.
    """
    return _encode(_CELL, value)


def _encode(encoder: json.JSONEncoder, value: object) -> str:
    try:
        text = encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        msg = f"a company has a value that JSON cannot represent: {exc}"
        raise ConfigurationError(msg) from exc
    if not text.isascii():
        for mark, escape in _LINE_BREAKS.items():
            text = text.replace(mark, escape)
    return text


def to_json_line(fields: Mapping[str, object], errors: str) -> bytes:
    """Return the fields of a company as one line of a file.

    Args:
        fields: The values of the company by name.
        errors: How half a surrogate pair is encoded.

    Raises:
        ConfigurationError: As ``to_json``.
    """
    line = try_dumps(fields) if _are_simple(fields.values()) else None
    if line is None:
        return _encode(_LINE, fields).encode(errors=errors) + b"\n"
    if not line.isascii():
        for mark, escape in _ENCODED_LINE_BREAKS:
            line = line.replace(mark, escape)
    return line + b"\n"


def _are_simple(values: Iterable[object]) -> bool:
    """Whether orjson refuses or writes each value as ``json`` does.

    It would write NaN as null, and dates and enums as text.
    """
    for value in values:
        kind = type(value)
        if kind is tuple:
            if not {*map(type, cast("tuple[object, ...]", value))} <= {str}:
                return False
        elif kind is float:
            if not math.isfinite(cast("float", value)):
                return False
        elif kind not in _SIMPLE:
            return False
    return True


_CELL = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SIMPLE = frozenset({str, int, bool, type(None)})
# JSON allows these characters inside a string, but some programs end a line at them.
_LINE_BREAKS = {chr(mark): f"\\u{mark:04x}" for mark in (0x85, 0x2028, 0x2029)}
_ENCODED_LINE_BREAKS = [
    (mark.encode(), escape.encode()) for mark, escape in _LINE_BREAKS.items()
]
