"""The lines of a ``.part`` file: rows and checkpoints.

A line that is an object is a row, one that is a list is a mark: the checkpoint after
the rows before it. Rows are written together with their mark, so after a crash the part
is whole up to its last good mark, and what follows is cut off. It holds whole rows
whatever the columns and the format of the final file.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from openfunnel_async import Company, JobCheckpoint
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import Entry, to_json
from openfunnel_async.export._paths import printable

_NAME = "openfunnel-async export"
_HEAD = f'["{_NAME}", '.encode()
_VERSION = 1
_FIELDS = tuple(field.name for field in attrs.fields(Company))


@attrs.frozen(kw_only=True)
class Mark:
    """Up to where a part is whole.

    Attributes:
        end: Bytes.
        rows: Rows.
        place: The checkpoint after them; None where the rows came without one.
    """

    end: int
    rows: int
    place: JobCheckpoint | None


def format_lines(rows: Sequence[Company], place: JobCheckpoint | None) -> bytes:
    """Return the lines of rows and of the checkpoint after them."""
    checkpoint = None if place is None else str(place)
    texts = [to_json(_row(company)) for company in rows]
    texts.append(json.dumps([_NAME, _VERSION, checkpoint]))
    return "".join(f"{line}\n" for line in texts).encode(errors="surrogatepass")


def read_entries(part: Path, end: int) -> Iterator[Entry]:
    """Read the rows of a part, up to where it is whole."""
    with part.open("rb") as file:
        for line in file:
            end -= len(line)
            if end < 0:
                return
            if line.startswith(b"{"):
                yield Entry(_company(line))


def find_last_mark(part: Path) -> Mark | None:
    """Find the last mark up to which everything can be read.

    Raises:
        ConfigurationError: The file is no part, or one of another version.
        OSError: It cannot be read.
    """
    check_ours(part)
    found: Mark | None = None
    rows = end = 0
    with part.open("rb") as file:
        for line in file:
            end += len(line)
            value = _read_line(line)
            if isinstance(value, dict):
                rows += 1
            elif value is not None and value[:1] == [_NAME]:
                found = Mark(end=end, rows=rows, place=_place(value, part))
            else:
                break
    return found


def check_ours(part: Path) -> None:
    """Refuse a file that only has the name of a part."""
    with part.open("rb") as file:
        head = file.read(len(_HEAD))
    if head != _HEAD[: len(head)]:
        msg = (
            f"{printable(part)} is not the part of an export; "
            "move it away, or name another file"
        )
        raise ConfigurationError(msg)


def _row(company: Company) -> dict[str, Any]:
    values = ((name, getattr(company, name)) for name in _FIELDS)
    return {name: value for name, value in values if value is not None and value != {}}


def _company(line: bytes) -> Company:
    fields = cast("dict[str, Any]", json.loads(line.decode(errors="surrogatepass")))
    if isinstance(fields.get("industries"), list):
        fields["industries"] = tuple(fields["industries"])
    return Company(**fields)


def _read_line(line: bytes) -> dict[str, Any] | list[Any] | None:
    """Read a row or a mark; None for what a crash left of one."""
    if not line.endswith(b"\n"):
        return None
    value: dict[str, Any] | list[Any] | None = None
    with contextlib.suppress(ValueError):
        value = json.loads(line.decode(errors="surrogatepass"))
    return value


def _place(mark: list[Any], part: Path) -> JobCheckpoint | None:
    if mark[1] != _VERSION:
        msg = f"{printable(part)} was written by another version of openfunnel-async"
        raise ConfigurationError(msg)
    return None if mark[2] is None else JobCheckpoint.parse(mark[2])
