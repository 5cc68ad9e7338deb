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
from openfunnel_async.export._columns import Entry, choose
from openfunnel_async.export._formats import writer
from openfunnel_async.export._part_format import (
    check_ours,
    find_last_mark,
    format_lines,
    read_entries,
)
from openfunnel_async.export._paths import (
    StrPath,
    check_file,
    open_replacement,
    part_path,
    path_error,
    printable,
    sync_folder,
)

if sys.platform != "win32":
    import fcntl


def check(path: StrPath, columns: Sequence[str] | None = None) -> Path:
    """Check whether an export can work, before anything is spent on its rows.

    Nothing is sent, left behind or changed.

    Args:
        path: The file to export to; how its name ends decides the format.
        columns: Names of ``COLUMNS``; all of them by default.

    Returns:
        The real file, which is the target where the path is a link.

    Raises:
        ConfigurationError: It cannot; the message says why and what to do. Also
            while another export is writing the file.
    """
    choose(columns)
    real = check_file(path)
    with Part(real):
        return real


def left_at(path: StrPath) -> JobCheckpoint | None:
    """Return the checkpoint at which an export to this file broke off.

    ``OpenFunnel.resume()`` makes a handle of it, and ``to_file(..., resume=True)``
    continues. It reads the ``.part`` file beside the path, which takes milliseconds.

    Returns:
        The checkpoint after the last row that is on the disk; None if there is nothing
        to continue with.

    Raises:
        ConfigurationError: As ``check()``; or the ``.part`` file is not of an export,
            or of a newer version.
    """
    part = part_path(check_file(path))
    try:
        mark = find_last_mark(part)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise path_error("read", part, exc) from exc
    return None if mark is None else mark.place


class Part:
    """The part of one file, locked so that no other export writes to it.

    Args:
        real: The final file.

    Raises:
        ConfigurationError: Another export has locked it, the file is not a part, or
            it cannot be opened.
    """

    def __init__(self, real: Path) -> None:
        self._real = real
        self._path = part_path(real)
        try:
            self._file = _open_locked(self._path)
        except OSError as exc:
            raise path_error("write", self._path, exc) from exc
        # After a cancellation a thread may still be writing.
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
        """Keep what is whole, and return the checkpoint after it, if any."""
        with self._lock:
            mark = find_last_mark(self._path)
            if mark is not None:
                self._end, self.rows = mark.end, mark.rows
            return None if mark is None else mark.place

    def begin(self, place: JobCheckpoint | None) -> None:
        """Start again with an empty part, at a checkpoint."""
        with self._lock:
            self._end = self.rows = 0
            self._write((), place)
            sync_folder(self._path.parent)

    def append(self, rows: Sequence[Company], place: JobCheckpoint | None) -> None:
        """Write rows and the checkpoint after them to the disk."""
        with self._lock:
            self._write(rows, place)

    def finish(
        self, columns: Sequence[str], rows: Iterable[Entry] | None = None
    ) -> None:
        """Write the final file, and remove the part.

        Args:
            columns: Its columns.
            rows: What to write; the rows of the part by default.
        """
        with self._lock:
            stored = read_entries(self._path, self._end)
            with open_replacement(self._real) as file:
                write = writer(self._real)
                write(stored if rows is None else rows, file, columns)
            self._remove()

    def _remove(self) -> None:
        if sys.platform == "win32":
            self._file.close()  # An open file cannot be removed there.
        self._path.unlink()
        self._file.close()

    def _write(self, rows: Sequence[Company], place: JobCheckpoint | None) -> None:
        written = format_lines(rows, place)
        # What a failed write left behind is removed first.
        self._file.seek(self._end)
        self._file.truncate()
        rest = memoryview(written)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(written)
        self.rows += len(rows)


def _open_locked(path: Path) -> FileIO:
    """Open a part and lock it."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
        file = FileIO(opened, "r+")
        with contextlib.ExitStack() as undo:
            undo.callback(file.close)
            _lock_file(file, path)
            # The export before this one may have removed it meanwhile.
            if _is_at(file, path):
                check_ours(path)
                undo.pop_all()
                return file


_BINARY: int = getattr(os, "O_BINARY", 0)


def _lock_file(file: FileIO, path: Path) -> None:
    if sys.platform == "win32":
        return  # There is no such lock.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        msg = (
            f"another export is writing {printable(path)}; "
            "wait for it, or name another file"
        )
        raise ConfigurationError(msg) from exc


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
