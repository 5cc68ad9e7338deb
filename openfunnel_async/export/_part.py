"""The ``.part`` file: locked by one export at a time, and resumable."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path
from typing import Self

from openfunnel_async import Company, JobCheckpoint
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import ExportRow, choose_columns
from openfunnel_async.export._formats import get_writer
from openfunnel_async.export._part_format import (
    check_is_part,
    find_last_mark,
    format_lines,
    read_rows,
)
from openfunnel_async.export._paths import (
    StrPath,
    check_path,
    escape_path,
    get_part_path,
    make_path_error,
    open_replacement,
    sync_folder,
)

if sys.platform != "win32":
    import fcntl


def check(path: StrPath, columns: Sequence[str] | None = None) -> Path:
    """Check whether an export is possible, before credits are spent on its rows.

    It sends nothing, leaves no file behind and changes none.

    Args:
        path: The file to export to; the ending of its name decides the format.
        columns: Names of ``COLUMNS``; all of them by default.

    Returns:
        The path of the file; of its target, if it is a link.

    Raises:
        ConfigurationError: It is not possible; the message gives the reason and the
            remedy. One reason is another export that is writing the file.
    """
    choose_columns(columns)
    real = check_path(path)
    with PartFile(real):
        return real


def left_at(path: StrPath) -> JobCheckpoint | None:
    """Return the checkpoint at which an unfinished export to this file ended.

    ``OpenFunnel.resume()`` returns a handle for it, and ``to_file(..., resume=True)``
    continues the export. The function reads the ``.part`` file beside the path, which
    takes milliseconds.

    Returns:
        The checkpoint after the last row that is on the disk; None if there is no
        export to continue.

    Raises:
        ConfigurationError: As ``check()``; or an export has not written the ``.part``
            file, or another version of the package has.
    """
    part = get_part_path(check_path(path))
    try:
        mark = find_last_mark(part)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise make_path_error("read", part, exc) from exc
    return None if mark is None else mark.checkpoint


class PartFile:
    """The ``.part`` file of an export, locked so that no other export writes to it.

    Args:
        real: The final file.

    Raises:
        ConfigurationError: Another export has locked it, an export has not written it,
            or it cannot be opened.
    """

    def __init__(self, real: Path) -> None:
        self._real = real
        self._path = get_part_path(real)
        try:
            self._file = _open_locked(self._path)
        except OSError as exc:
            raise make_path_error("write", self._path, exc) from exc
        # When a call is cancelled, its thread may still be writing.
        self._lock = threading.Lock()
        self._end = 0
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            if not self._file.closed and not os.fstat(self._file.fileno()).st_size:
                self._remove()
            self._file.close()

    def restore(self) -> JobCheckpoint | None:
        """Continue after the last mark, and return its checkpoint, if any."""
        with self._lock:
            mark = find_last_mark(self._path)
            if mark is not None:
                self._end, self.rows = mark.end, mark.rows
            return None if mark is None else mark.checkpoint

    def begin(self, checkpoint: JobCheckpoint | None) -> None:
        """Remove all rows, and write the mark of a checkpoint."""
        with self._lock:
            self._end = self.rows = 0
            self._write((), checkpoint)
            sync_folder(self._path.parent)

    def append(self, rows: Sequence[Company], checkpoint: JobCheckpoint | None) -> None:
        """Write rows and the checkpoint after them to the disk."""
        with self._lock:
            self._write(rows, checkpoint)

    def finish(
        self, columns: Sequence[str], rows: Iterable[ExportRow] | None = None
    ) -> None:
        """Write the final file, and remove the ``.part`` file.

        Args:
            columns: The columns of the file.
            rows: Its rows; those of the ``.part`` file by default.
        """
        with self._lock:
            stored = read_rows(self._path, self._end)
            with open_replacement(self._real) as file:
                write = get_writer(self._real.suffix)
                write(stored if rows is None else rows, file, columns)
            self._remove()

    def _remove(self) -> None:
        if sys.platform == "win32":
            self._file.close()  # An open file cannot be removed there.
        self._path.unlink()
        self._file.close()

    def _write(self, rows: Sequence[Company], checkpoint: JobCheckpoint | None) -> None:
        written = format_lines(rows, checkpoint)
        # First remove the bytes of a write that failed.
        self._file.seek(self._end)
        self._file.truncate()
        rest = memoryview(written)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(written)
        self.rows += len(rows)


def _open_locked(path: Path) -> FileIO:
    """Open a ``.part`` file and lock it."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
        file = FileIO(opened, "r+")
        with contextlib.ExitStack() as undo:
            undo.callback(file.close)
            _lock_file(file, path)
            # Another export may have removed the file before it was locked.
            if _is_file_at(file, path):
                check_is_part(path)
                undo.pop_all()
                return file


_BINARY: int = getattr(os, "O_BINARY", 0)


def _lock_file(file: FileIO, path: Path) -> None:
    if sys.platform == "win32":
        return  # Windows has no flock().
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        msg = (
            f"another export is writing {escape_path(path)}; "
            "wait for it, or name another file"
        )
        raise ConfigurationError(msg) from exc


def _is_file_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
