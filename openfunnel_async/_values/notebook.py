"""HTML tables that notebooks show for a value; every text is escaped.

No I/O. The module is imported only when a notebook shows a value.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, cast

import attrs

_MOST_ROWS = 10
_LONGEST = 80
_LONGEST_LINK = 2000
_COLUMNS = ("name", "domain", "linkedin_url", "headquarters", "employee_count")
_SCHEMES = ("https://", "http://")


def show(value: Any, title: str | None = None) -> str:  # noqa: ANN401 -- any attrs value
    """Return the known fields of a value as a table, and the first ten companies.

    Args:
        value: One of the frozen values.
        title: The title of the table; the name of the class by default.
    """
    fields: dict[str, Any] = attrs.asdict(value, recurse=False)
    rows = fields.pop("rows", fields.pop("companies", None))
    facts: dict[str, Any] = {}
    for name, field in fields.items():
        is_value = hasattr(field, "__attrs_attrs__")
        facts |= attrs.asdict(field, recurse=False) if is_value else {name: field}
    html = card(title or type(value).__name__, facts)
    return html if rows is None else html + _companies(rows)


def card(title: str, facts: Mapping[str, object]) -> str:
    """Return a table with a title and the facts that are not None."""
    lines = [_line("th", [title, ""])]
    for name, fact in facts.items():
        if fact is not None:
            lines.append(_line("td", [name.replace("_", " "), fact]))
    return f"<table>{''.join(lines)}</table>"


def _companies(rows: Sequence[object]) -> str:
    if not rows:
        return "<p>no companies</p>"
    shown = rows[:_MOST_ROWS]
    lines = [_line("th", _COLUMNS)]
    for row in shown:
        # A merged row has its company in a field.
        company = getattr(row, "company", row)
        lines.append(_line("td", (getattr(company, name) for name in _COLUMNS)))
    left = len(rows) - len(shown)
    rest = f"<p>and {left:,} more</p>" if left else ""
    return f"<table>{''.join(lines)}</table>{rest}"


def _line(tag: str, values: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(value)}</{tag}>' for value in values)}</tr>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)[:_LONGEST]
        value = ", ".join(map(str, items))
    # Half a surrogate pair cannot be encoded in a page, so it is escaped.
    text = str(value)[: _LONGEST_LINK + 1]
    text = text.encode(errors="backslashreplace").decode()
    shown = escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
    if text[:8].lower().startswith(_SCHEMES) and len(text) <= _LONGEST_LINK:
        return f'<a href="{escape(text)}" rel="noopener noreferrer">{shown}</a>'
    return shown
