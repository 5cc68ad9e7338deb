"""HTML tables that notebooks show for a value; every text is escaped.

No I/O. The module is imported only when a notebook shows a value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, cast

import attrs

from openfunnel_async._text import brief, cut, escaped
from openfunnel_async._values.json_form import Value

_MOST_ROWS = 10
_LONGEST_IN_ROW = 80
_LONGEST_IN_CARD = 300
_LONGEST_LINK = 2000
_MOST_ITEMS = 20
_COLUMNS = ("name", "domain", "linkedin_url", "headquarters", "employee_count")
_SCHEMES = ("https://", "http://")
# Line breaks, which a browser shows as a space as well.
_SPACES = re.compile(r"\s+")
_LEFT = ' style="text-align: left"'


def show(value: Any, title: str | None = None) -> str:  # noqa: ANN401 -- any attrs value
    """Return the known fields of a value as a table, and the first ten companies.

    Args:
        value: One of the frozen values.
        title: The title of the table; the name of the class by default.
    """
    facts: dict[str, Any] = dict(_facts_of(value))
    rows = facts.pop("rows", facts.pop("companies", None))
    html = card(title or type(value).__name__, facts)
    return html if rows is None else html + _companies(rows)


def card(title: str, facts: Mapping[str, object]) -> str:
    """Return a table with a title and the facts that are known and not empty."""
    lines = [f'<tr><th colspan="2"{_LEFT}>{escape(title)}</th></tr>']
    for name, fact in facts.items():
        if not _is_empty(fact):
            cells = [escape(name.replace("_", " ")), _cell(fact, _LONGEST_IN_CARD)]
            lines.append(_line("td", cells))
    return f"<table>{''.join(lines)}</table>"


def _facts_of(value: Any) -> Iterator[tuple[str, object]]:  # noqa: ANN401 -- any attrs value
    """Return the fields of a value, with those of a value in it in their place."""
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value))):
        fact: Any = getattr(value, field.name)
        if callable(field.repr):
            yield field.name, field.repr(fact)
        elif isinstance(fact, Value):
            yield from _facts_of(fact)
        elif field.repr:
            yield field.name, fact


def _is_empty(fact: object) -> bool:
    return fact is None or (isinstance(fact, (tuple, Mapping)) and not fact)


def _companies(rows: Sequence[object]) -> str:
    if not rows:
        return "<p>no companies</p>"
    # A merged row has its company in a field.
    shown = [getattr(row, "company", row) for row in rows[:_MOST_ROWS]]
    table = [[getattr(company, name) for name in _COLUMNS] for company in shown]
    used = [not all(map(_is_empty, column)) for column in zip(*table, strict=True)]
    heads = [name.replace("_", " ") for name in _COLUMNS]
    lines = [_line("th", _chosen(heads, used))]
    for row in table:
        cells = (_cell(fact, _LONGEST_IN_ROW) for fact in _chosen(row, used))
        lines.append(_line("td", cells))
    left = len(rows) - len(shown)
    rest = f"<p>and {left:,} more</p>" if left else ""
    return f"<table>{''.join(lines)}</table>{rest}"


def _chosen(facts: Sequence[Any], used: Sequence[bool]) -> list[Any]:
    """Return the facts of the columns that are used, and always the first one."""
    return [fact for place, fact in enumerate(facts) if used[place] or not place]


def _line(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}{_LEFT}>{cell}</{tag}>' for cell in cells)}</tr>"


def _cell(fact: object, longest: int) -> str:
    text = _text_of(fact)
    shown = escape(escaped(_SPACES.sub(" ", text), longest))
    if text[:8].lower().startswith(_SCHEMES) and len(text) <= _LONGEST_LINK:
        address = escape(text.encode(errors="backslashreplace").decode())
        return f'<a href="{address}" rel="noopener noreferrer">{shown}</a>'
    return shown


def _text_of(fact: object) -> str:
    """Return a fact as text of bounded length, in bounded time."""
    if fact is None:
        return ""
    if isinstance(fact, float):
        return f"{fact:.10g}"
    if isinstance(fact, tuple):
        items = cast("tuple[object, ...]", fact)
        texts = [_text_of(item) for item in items[:_MOST_ITEMS]]
        left = len(items) - len(texts)
        return ", ".join([*texts, f"and {left:,} more"] if left else texts)
    if isinstance(fact, (str, BaseException)):
        # Longer than any link that is shown.
        return cut(str(fact), _LONGEST_LINK + 1)
    return brief(fact)
