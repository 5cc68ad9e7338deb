"""CSV for any reader, in which no text becomes a formula.

Each text is in quotes, and numbers and unknown values are not. So a reader can
distinguish an unknown value from an empty text, and ``"01"`` from a number.

A spreadsheet set to another separator, such as ``;``, splits a line elsewhere: cells
then start behind a separator or a line break inside of a text, whatever its quotes
(LibreOffice computes such a formula). The guard is therefore in these places, too.
"""

import re
from collections.abc import Iterable, Mapping
from typing import BinaryIO, cast

from openfunnel_async.export._columns import ExportRow, join_list, to_json
from openfunnel_async.export._layout import Layout

# The signs that start a formula, also in full width.
_SIGNS = "=+\\-@＝＋－＠"  # noqa: RUF001 -- intended
_FORMULA = re.compile(rf"((?:^|[;\t\r\n]) *)(?=[{_SIGNS}])")
# In JSON a line break is an escape, and a sign may be one, too.
_JSON_FORMULA = re.compile(rf"(; *)([{_SIGNS}])")
# A spreadsheet removes these before a sign.
_REMOVED = ("\t", "\r", "\n")


def write_csv(rows: Iterable[ExportRow], file: BinaryIO, layout: Layout) -> None:
    """Write rows as CSV."""
    if layout.bom:
        file.write(b"\xef\xbb\xbf")
    _write_line(file, [_quote(guard(text)) for text in layout.columns.values()], layout)
    for row in rows:
        cells = [_format_cell(row.value(name), layout) for name in layout.columns]
        _write_line(file, cells, layout)


def guard(text: str) -> str:
    """Put a ``'`` wherever a spreadsheet could find the start of a formula."""
    guarded = _FORMULA.sub(r"\1'", text)
    return f"'{guarded}" if text.startswith(_REMOVED) else guarded


def _write_line(file: BinaryIO, cells: list[str], layout: Layout) -> None:
    # Readers skip an empty line, and with it a row that was paid for.
    line = ",".join(cells) or '""'
    text = f"{line}{layout.line_terminator}"
    file.write(text.encode(errors="backslashreplace"))


def _format_cell(value: object, layout: Layout) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Mapping):
        text = to_json(cast("Mapping[str, object]", value))
        return _quote(_JSON_FORMULA.sub(_escape_sign, text))
    if isinstance(value, tuple):
        items = map(guard, map(str, cast("tuple[object, ...]", value)))
        return _quote(guard(join_list(items, layout.list_separator)))
    return _quote(guard(str(value)))


def _escape_sign(match: re.Match[str]) -> str:
    return f"{match[1]}\\u{ord(match[2]):04x}"


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
