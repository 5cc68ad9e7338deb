"""The lines of a ``.part`` file: rows and marks.

A line that is an object is a row. A line that is a list is a mark: it has the
checkpoint after the rows before it. Rows are written together with their mark, so after
a crash the file is valid up to its last mark, and the rest is removed. It has all
fields of each row, whatever the columns and the format of the final file.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import attrs

from openfunnel_async import Company, JobCheckpoint
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import ExportRow, to_json_line
from openfunnel_async.export._paths import escape_path, open_no_link

_NAME = "openfunnel-async export"
_HEAD = f'["{_NAME}", '.encode()
_VERSION = 1
_FIELDS = tuple(field.name for field in attrs.fields(Company))


@attrs.frozen(kw_only=True)
class Mark:
    """A mark of a ``.part`` file.

    Attributes:
        end: The number of bytes up to its end.
        rows: The number of rows before it.
        checkpoint: The checkpoint after these rows; None if the source has none.
    """

    end: int
    rows: int
    checkpoint: JobCheckpoint | None


def format_lines(rows: Sequence[Company], checkpoint: JobCheckpoint | None) -> bytes:
    """Return the lines of rows and of the mark after them."""
    text = None if checkpoint is None else str(checkpoint)
    lines = [to_json_line(_row_fields(company), "surrogatepass") for company in rows]
    mark = json.dumps([_NAME, _VERSION, text])
    return b"".join(lines) + f"{mark}\n".encode(errors="surrogatepass")


def read_rows(part: Path, end: int) -> Iterator[ExportRow]:
    """Read the rows of a ``.part`` file, up to the end of a mark."""
    with _open_part(part) as file:
        for line in file:
            end -= len(line)
            if end < 0:
                return
            if line.startswith(b"{"):
                yield ExportRow(_parse_company(line))


def find_last_mark(part: Path) -> Mark | None:
    """Return the last mark before which every line can be read, if any.

    Raises:
        ConfigurationError: An export has not written the file, or another version has.
        OSError: It cannot be read.
    """
    check_is_part(part)
    found: Mark | None = None
    rows = end = 0
    with _open_part(part) as file:
        for line in file:
            end += len(line)
            value = _read_line(line)
            if isinstance(value, dict):
                rows += 1
            elif value is not None and value[:1] == [_NAME]:
                found = Mark(
                    end=end, rows=rows, checkpoint=_parse_checkpoint(value, part)
                )
            else:
                break
    return found


def check_is_part(part: Path) -> None:
    """Raise ``ConfigurationError`` for a file that an export has not written."""
    with _open_part(part) as file:
        head = file.read(len(_HEAD))
    if head != _HEAD[: len(head)]:
        msg = (
            f"{escape_path(part)} is not the part of an export; "
            "move it away, or name another file"
        )
        raise ConfigurationError(msg)


def _open_part(part: Path) -> BinaryIO:
    return os.fdopen(open_no_link(part, os.O_RDONLY), "rb")


def _row_fields(company: Company) -> dict[str, Any]:
    values = ((name, getattr(company, name)) for name in _FIELDS)
    return {name: value for name, value in values if value is not None and value != {}}


def _parse_company(line: bytes) -> Company:
    fields = cast("dict[str, Any]", json.loads(line.decode(errors="surrogatepass")))
    if isinstance(fields.get("industries"), list):
        fields["industries"] = tuple(fields["industries"])
    return Company(**fields)


def _read_line(line: bytes) -> dict[str, Any] | list[Any] | None:
    """Return a row or a mark; None for a line that is incomplete or invalid."""
    if not line.endswith(b"\n"):
        return None
    value: dict[str, Any] | list[Any] | None = None
    with contextlib.suppress(ValueError):
        value = json.loads(line.decode(errors="surrogatepass"))
    return value


def _parse_checkpoint(mark: list[Any], part: Path) -> JobCheckpoint | None:
    if mark[1] != _VERSION:
        msg = f"{escape_path(part)} was written by another version of openfunnel-async"
        raise ConfigurationError(msg)
    return None if mark[2] is None else JobCheckpoint.parse(mark[2])
