"""Excel files, by XlsxWriter, in memory that does not grow with the rows.

A text is a text, whatever it looks like, and a number is a number. Three limits of
Excel are handled, so that no row and no text is lost:

- A sheet has 1,048,576 rows. The rows after these are on further sheets.
- A cell has 32,767 characters. A longer text is cut in its cell, and is complete on the
  sheet *Long texts*, in pieces.
- A number has 15 digits. A number that would change is a text.
"""

# XlsxWriter has annotations, but not for everything, and no marker that says so.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, cast

import attrs

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import (
    ExportRow,
    escape_surrogates,
    join_list,
    to_json,
)
from openfunnel_async.export._layout import Layout

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

_MOST_ROWS = 1_048_576
_MOST_CHARACTERS = 32_767
_MOST_DIGITS = 10**15
_CUT = " […] cut, complete on the sheet Long texts"
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_LONG_TEXTS = ("sheet", "row", "column", "piece", "text")
_WIDTH = 24


def check_xlsxwriter() -> None:
    """Raise ``ConfigurationError`` if the extra ``excel`` is not installed."""
    if find_spec("xlsxwriter") is None:
        raise ConfigurationError(
            "Excel files need XlsxWriter. Install the extra excel, in a checkout of "
            'the repository: pip install ".[excel]"'
        )


def write_xlsx(rows: Iterable[ExportRow], file: BinaryIO, layout: Layout) -> None:
    """Write rows as an Excel file."""
    from xlsxwriter import Workbook  # noqa: PLC0415 -- an extra, and slow to import

    with Workbook(file, _OPTIONS) as workbook:
        headers = tuple(layout.columns.values())
        sheets = _Sheets(workbook, "Companies", headers)
        long_texts = _Sheets(workbook, "Long texts", _LONG_TEXTS)
        sheets.add()
        for row in rows:
            sheets.next_row()
            for place, (name, header) in enumerate(layout.columns.items()):
                value = _to_cell(row.value(name), layout)
                if isinstance(value, str) and _count_units(value) > _MOST_CHARACTERS:
                    _save_long_text(long_texts, sheets, header, value)
                    value = _cut(value, _MOST_CHARACTERS - len(_CUT)) + _CUT
                sheets.write(place, value)


@attrs.define
class _Sheets:
    """Sheets of one kind: another one follows when one is full."""

    _workbook: "Workbook"
    _title: str
    _headers: tuple[str, ...]
    name: str = ""
    row: int = 0
    _count: int = 0
    _sheet: "Worksheet | None" = None

    def add(self) -> None:
        """Add a sheet with the headers."""
        self._count += 1
        self.name = self._title + (f" {self._count}" if self._count > 1 else "")
        self._sheet = self._workbook.add_worksheet(self.name)
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._headers) - 1, _WIDTH)
        self.row = 0
        for place, header in enumerate(self._headers):
            self.write(place, header)

    def next_row(self) -> None:
        """Go to the next row, also of another sheet."""
        if self._sheet is None or self.row + 1 >= _MOST_ROWS:
            self.add()
        self.row += 1

    def write(self, place: int, value: str | float | None) -> None:
        """Write one cell of the row."""
        if self._sheet is None or value is None or value == "":
            return
        if not isinstance(value, str):
            self._sheet.write_number(self.row, place, value)
        elif value.startswith("<r>") and value.endswith("</r>"):
            # XlsxWriter takes this for its own XML, and would not escape it.
            style = self._workbook.add_format()
            self._sheet.write_rich_string(self.row, place, style, "<r>", value[3:])
        else:
            self._sheet.write_string(self.row, place, value)


def _to_cell(value: object, layout: Layout) -> str | float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Not for infinity and NaN, for which the comparison is false.
        is_exact = abs(value) < _MOST_DIGITS or isinstance(value, float)
        return value if is_exact and abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping):
        text = to_json(cast("Mapping[str, object]", value))
    elif isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        text = join_list(items, layout.list_separator)
    else:
        text = str(value)
    # A line break in a cell is a line feed.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return escape_surrogates(text)


def _save_long_text(
    long_texts: _Sheets, sheets: _Sheets, header: str, text: str
) -> None:
    number, rest = 0, text
    while rest:
        piece = _cut(rest, _MOST_CHARACTERS)
        rest, number = rest[len(piece) :], number + 1
        long_texts.next_row()
        cells: tuple[str | int, ...] = (
            sheets.name,
            sheets.row + 1,
            header,
            number,
            piece,
        )
        for place, value in enumerate(cells):
            long_texts.write(place, value)


def _count_units(text: str) -> int:
    """Return the length as Excel counts it, in units of UTF-16."""
    return len(text) + sum(character > "\uffff" for character in text)


def _cut(text: str, units: int) -> str:
    """Return the start of a text, of at most N units of UTF-16."""
    start = text[:units].encode("utf-16-le")[: 2 * units]
    return start.decode("utf-16-le", errors="ignore")
