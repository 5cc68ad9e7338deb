"""The ``.part`` file: held by one export at a time, and fit to be gone on with."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path
from typing import Self

from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import Company
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import Entry, choose
from openfunnel_async.export._formats import writer
from openfunnel_async.export._marks import check_ours, entries_of, last_mark, lines
from openfunnel_async.export._target import (
    StrPath,
    cannot,
    check_file,
    part_path,
    replacing,
    spelled,
    sync_folder,
)

if sys.platform != "win32":
    import fcntl


def check(path: StrPath, columns: Sequence[str] | None = None) -> Path:
    """Find out whether an export can work, before anything is spent on its rows.

    Nothing is sent, and nothing is left behind or changed.

    Args:
        path: The file to export to; how its name ends decides the format.
        columns: Names of ``COLUMNS``; all of them by default.

    Returns:
        The real file, which a link in its place leads to.

    Raises:
        ConfigurationError: It cannot; the message says why and what to do. Also
            while another export is writing the file.
    """
    choose(columns)
    real = check_file(path)
    with Part(real):
        return real


def left_at(path: StrPath) -> JobCheckpoint | None:
    """Tell where an export to this file broke off, to go on with from there.

    ``OpenFunnel.resume()`` makes a handle of it, and ``to_file(..., resume=True)``
    goes on. It reads the ``.part`` file beside the path, which takes milliseconds.

    Returns:
        The place after the last row that is safe; None if there is nothing to go on
        with.

    Raises:
        ConfigurationError: As ``check()``; or what stands there is no export's, or
            one of a newer version.
    """
    part = part_path(check_file(path))
    try:
        mark = last_mark(part)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise cannot("read", part, exc) from exc
    return None if mark is None else mark.place


class Part:
    """The part of one file, held so that no other export writes to it.

    Args:
        real: The file to end up with.

    Raises:
        ConfigurationError: Another export holds it, what is in its place is not a
            part, or it cannot be opened.
    """

    def __init__(self, real: Path) -> None:
        self._real = real
        self._path = part_path(real)
        try:
            self._file = _take(self._path)
        except OSError as exc:
            raise cannot("write", self._path, exc) from exc
        # A cancelled caller leaves a thread behind that is still writing.
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

    def recall(self) -> JobCheckpoint | None:
        """Keep what is whole and return the place after it; None if nothing is."""
        with self._lock:
            mark = last_mark(self._path)
            if mark is not None:
                self._end, self.rows = mark.end, mark.rows
            return None if mark is None else mark.place

    def begin(self, place: JobCheckpoint | None) -> None:
        """Begin anew, at a place."""
        with self._lock:
            self._end = self.rows = 0
            self._write((), place)
            sync_folder(self._path.parent)

    def append(self, rows: Sequence[Company], place: JobCheckpoint | None) -> None:
        """Add rows and the place after them, and see both on the disk."""
        with self._lock:
            self._write(rows, place)

    def finish(
        self, columns: Sequence[str], rows: Iterable[Entry] | None = None
    ) -> None:
        """Make the file, put it in its place, and take the part away.

        Args:
            columns: Its columns.
            rows: What to write; the rows of the part by default.
        """
        with self._lock:
            gathered = entries_of(self._path, self._end)
            with replacing(self._real) as file:
                write = writer(self._real)
                write(gathered if rows is None else rows, file, columns)
            self._remove()

    def _remove(self) -> None:
        if sys.platform == "win32":
            self._file.close()  # An open file cannot be taken away there.
        self._path.unlink()
        self._file.close()

    def _write(self, rows: Sequence[Company], place: JobCheckpoint | None) -> None:
        written = lines(rows, place)
        # What a failed write left behind goes first.
        self._file.seek(self._end)
        self._file.truncate()
        rest = memoryview(written)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(written)
        self.rows += len(rows)


def _take(path: Path) -> FileIO:
    """Open a part, alone."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
        file = FileIO(opened, "r+")
        with contextlib.ExitStack() as undo:
            undo.callback(file.close)
            _hold(file, path)
            # Whoever held it before may have taken it away meanwhile.
            if _is_at(file, path):
                check_ours(path)
                undo.pop_all()
                return file


_BINARY: int = getattr(os, "O_BINARY", 0)


def _hold(file: FileIO, path: Path) -> None:
    if sys.platform == "win32":
        return  # There is no such lock; nobody is kept from writing.
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        msg = (
            f"another export is writing {spelled(path)}; "
            "wait for it, or name another file"
        )
        raise ConfigurationError(msg) from exc


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
