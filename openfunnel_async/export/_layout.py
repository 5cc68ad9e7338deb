"""What the caller chooses about a file: its columns and, for text cells, their form."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import attrs

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import COLUMNS, FOUND_BY

Columns = Sequence[str] | Mapping[str, str]
"""Names of columns, or the header of each."""

LIST_SEPARATOR = "; "
LINE_TERMINATOR = "\r\n"
_LINE_TERMINATORS = ("\r\n", "\n")


@attrs.frozen(kw_only=True)
class Layout:
    """The columns and the form of a file, checked.

    Attributes:
        columns: The header of each column, by the name of the column and in order.
        bom: Whether a CSV file starts with a byte order mark.
        list_separator: What is between the items of a list in one cell.
        line_terminator: What ends a line of CSV.
    """

    columns: Mapping[str, str]
    bom: bool = False
    list_separator: str = LIST_SEPARATOR
    line_terminator: str = LINE_TERMINATOR


@attrs.frozen(kw_only=True)
class LayoutArguments:
    """The arguments of an export that become its layout, as the caller passed them."""

    columns: Columns | None = None
    bom: bool = False
    list_separator: str = LIST_SEPARATOR
    line_terminator: str = LINE_TERMINATOR

    def check(self, suffix: str, *, merged: bool = False) -> Layout:
        """Return the layout of a file whose name ends so.

        Raises:
            ConfigurationError: An argument is invalid, or has no effect in this format.
        """
        check_flag("bom", self.bom)
        _check_separator(self.list_separator)
        if self.line_terminator not in _LINE_TERMINATORS:
            raise ConfigurationError(r"line_terminator must be '\r\n' or '\n'")
        suffix = suffix.lower()
        if suffix != ".csv":
            self._refuse_csv_arguments(suffix)
        return Layout(
            columns=choose_columns(self.columns, merged=merged),
            bom=self.bom,
            list_separator=self.list_separator,
            line_terminator=self.line_terminator,
        )

    def _refuse_csv_arguments(self, suffix: str) -> None:
        ignored = {
            "bom": self.bom,
            "line_terminator": self.line_terminator != LINE_TERMINATOR,
            "list_separator": suffix != ".xlsx"
            and self.list_separator != LIST_SEPARATOR,
        }
        for name, is_given in ignored.items():
            if is_given:
                raise ConfigurationError(f"{name} has no meaning for {suffix} files")


def choose_columns(
    columns: Columns | None, *, merged: bool = False
) -> Mapping[str, str]:
    """Return the header of each column to write; of all columns by default.

    Raises:
        ConfigurationError: There is no column, an unknown one, or one twice; a header
            is invalid or used twice.
    """
    allowed = (FOUND_BY, *COLUMNS) if merged else COLUMNS
    if columns is None:
        return dict(zip(allowed, allowed, strict=True))
    if not isinstance(columns, (list, tuple, Mapping)) or not columns:
        raise ConfigurationError(
            "columns must be a list, a tuple or a mapping of at least one name"
        )
    # The caller may pass values of any type, also values that are not hashable.
    chosen = tuple(cast("Iterable[Any]", columns))
    for place, name in enumerate(chosen):
        if name not in allowed:
            msg = f"there is no column {name!r:.60}; there are {', '.join(allowed)}"
            raise ConfigurationError(msg)
        if name in chosen[:place]:
            raise ConfigurationError(f"the column {name!r} is asked for twice")
    if not isinstance(columns, Mapping):
        return dict(zip(chosen, chosen, strict=True))
    headers = {name: _check_header(columns[name]) for name in chosen}
    if len(set(headers.values())) < len(headers):
        raise ConfigurationError("columns gives two columns the same header")
    return headers


def check_flag(name: str, value: object) -> None:
    """Raise ``ConfigurationError`` for a value that is neither True nor False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False")


def _check_header(header: object) -> str:
    if isinstance(header, str) and header.strip() and header.isprintable():
        return header
    raise ConfigurationError(f"{header!r:.60} is not a header: use a line of text")


def _check_separator(separator: object) -> None:
    if isinstance(separator, str) and separator:
        visible = separator.replace("\n", "").replace("\t", "")
        if visible.isprintable():
            return
    raise ConfigurationError(
        "list_separator must be text of at least one character, without control "
        "characters other than a tab or a line feed"
    )
