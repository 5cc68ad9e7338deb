"""The ``.part`` file: locked by one export at a time, and resumable."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Self

from openfunnel_async import Company, JobCheckpoint
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._columns import ExportRow
from openfunnel_async.export._formats import get_writer
from openfunnel_async.export._layout import Layout
from openfunnel_async.export._locks import lock_file
from openfunnel_async.export._part_format import (
    Mark,
    check_is_part,
    find_last_mark,
    format_lines,
    read_rows,
)
from openfunnel_async.export._paths import (
    escape_path,
    get_mode,
    get_part_path,
    make_path_error,
    open_no_link,
    open_replacement,
    sync_folder,
)


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
            self._file = _open_locked(self._path, get_mode(real))
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

    def claim(self, job_id: str | None, *, overwrite: bool) -> None:
        """Check that the rows in the file, if any, may be continued or discarded.

        Args:
            job_id: The job that is to be exported, if any.
            overwrite: Whether rows that no job can deliver again may be discarded.

        Raises:
            ConfigurationError: They belong to another job, or to no job and
                ``overwrite`` is False.
        """
        with self._lock:
            mark = find_last_mark(self._path)
        if mark is None:
            return
        owner = None if mark.checkpoint is None else mark.checkpoint.job_id
        is_free = not mark.rows or overwrite
        if not is_free if owner is None else owner != job_id:
            raise ConfigurationError(_describe_other(self._path, mark))

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
        self,
        layout: Layout,
        rows: Iterable[ExportRow] | None = None,
        *,
        most: int | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the final file, and remove the ``.part`` file.

        Args:
            layout: The columns and the form of the file.
            rows: Its rows; those of the ``.part`` file by default.
            most: The most rows of the ``.part`` file that it has.
            overwrite: Whether it may replace a file that exists.
        """
        with self._lock:
            stored = islice(read_rows(self._path, self._end), most)
            with open_replacement(self._real, overwrite=overwrite) as file:
                write = get_writer(self._real.suffix)
                write(stored if rows is None else rows, file, layout)
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


def _describe_other(path: Path, mark: Mark) -> str:
    """Return why an unfinished export is not discarded, and what to do."""
    if mark.checkpoint is None:
        return (
            f"{escape_path(path)} has {mark.rows} rows of an export that was not "
            "finished. Move it away, name another file, or discard it with "
            "overwrite=True. Nothing was sent"
        )
    return (
        f"{escape_path(path)} has {mark.rows} paid rows: this .part file belongs to "
        f"job {mark.checkpoint.job_id}, whose export was not finished. To continue it, "
        "pass resume=True and a handle from OpenFunnel.resume(export.left_at(path)). "
        "Otherwise move it away, or name another file. Nothing was sent"
    )


def _open_locked(path: Path, mode: int | None) -> FileIO:
    """Open a ``.part`` file and lock it.

    Args:
        path: The file.
        mode: The permissions of the final file, if it exists; a new ``.part`` file has
            no more than these.
    """
    mode = 0o666 if mode is None else mode | 0o600
    while True:
        opened = open_no_link(path, os.O_RDWR | os.O_CREAT, mode)
        file = FileIO(opened, "r+")
        with contextlib.ExitStack() as undo:
            undo.callback(file.close)
            _lock_file(file, path)
            # Another export may have removed the file before it was locked.
            if _is_file_at(file, path):
                check_is_part(path)
                undo.pop_all()
                return file


def _lock_file(file: FileIO, path: Path) -> None:
    try:
        lock_file(file.fileno())
    except BlockingIOError as exc:
        msg = (
            f"another export is writing {escape_path(path)}; "
            "wait for it, or name another file"
        )
        raise ConfigurationError(msg) from exc


def _is_file_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False
