"""Tables of text that is never shortened, because people copy what is in it."""

import unicodedata
from collections.abc import Sequence

_GAP = "  "
_WIDE = frozenset("WF")


def format_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> list[str]:
    """Return the lines of a table, each column as wide as its longest text.

    Args:
        titles: The titles of the columns.
        rows: The texts of each row.
        right: Titles of the columns whose texts end at the same place.
    """
    widths = [
        max(map(count_columns, (title, *(row[place] for row in rows))))
        for place, title in enumerate(titles)
    ]
    lines: list[str] = []
    for row in (titles, *rows):
        cells = [
            _pad(text, width, to_right=title in right)
            for text, width, title in zip(row, widths, titles, strict=True)
        ]
        lines.append(_GAP.join(cells).rstrip())
    return lines


def count_columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_width_of, text))


def shorten(text: str, most: int) -> str:
    """Return a text that takes no more columns of a terminal."""
    if count_columns(text) <= most:
        return text
    kept, used = "", 1
    for character in text:
        used += _width_of(character)
        if used > most:
            break
        kept += character
    return f"{kept}…"


def _width_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _pad(text: str, width: int, *, to_right: bool) -> str:
    spaces = " " * (width - count_columns(text))
    return spaces + text if to_right else text + spaces
