"""Ids of jobs that could not be written into the Book, in a file beside it.

An id that was read from an answer exists once: the service does not list jobs. While
the database cannot be written (a full disk, a damaged file), the id is kept here, and
in the log.
"""

import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from openfunnel_async.errors import BookError

_logger = logging.getLogger("openfunnel_async")


class HeldId(NamedTuple):
    """The id of a job that a submit made.

    Attributes:
        key: The entry.
        attempt: The number of the submit.
        job_id: The job.
        limit: Its limit, as far as it is known.
    """

    key: str
    attempt: int
    job_id: str
    limit: int | None


class SpillFile:
    """The file beside a Book.

    Args:
        book: The file of the Book.
    """

    def __init__(self, book: Path) -> None:
        self.path = book.with_name(f"{book.name}.spill")

    def append(self, held: HeldId) -> None:
        """Write an id; it is on the disk when this returns.

        Raises:
            OSError: The disk is full, or failed.
        """
        append_line(self.path, held)

    @property
    def has_any(self) -> bool:
        """Whether there are ids that no process has written into the Book."""
        return self.path.exists() or self._aside.exists()

    async def restore(self, record: Callable[[HeldId], Awaitable[bool]]) -> None:
        """Write the ids into the Book; those that have no place in it are kept apart.

        Args:
            record: Writes an id; False if the entry has another job by now.
        """
        held = self.take()
        lost = [one for one in held if not await record(one)]
        for one in lost:
            _logger.error(
                "job %s was submitted for entry %s and may be billing, and the entry "
                "has another job or is not in this Book (%s has the id)",
                one.job_id,
                one.key,
                self.lost,
            )
        if held:
            self.finish(lost)

    def take(self) -> list[HeldId]:
        """Return the ids that were written; a line that was cut off is passed over.

        They are moved aside, so that an id that is appended meanwhile is not deleted
        with them, until ``finish()``.

        Raises:
            BookError: The file cannot be read.
        """
        try:
            if not self._aside.exists() and self.path.exists():
                self.path.rename(self._aside)
            return read_held_ids(self._aside)
        except OSError as exc:
            msg = f"cannot read {self.path}, which has ids of jobs: {exc.strerror}"
            raise BookError(msg) from None

    def finish(self, lost: Iterable[HeldId]) -> None:
        """Delete what was taken; ids that have no place in the Book are kept apart."""
        for held in lost:
            append_line(self.lost, held)
        self._aside.unlink(missing_ok=True)

    @property
    def _aside(self) -> Path:
        return self.path.with_name(f"{self.path.name}.reading")

    @property
    def lost(self) -> Path:
        """The file with ids that have no place in the Book."""
        return self.path.with_name(f"{self.path.name}.lost")


def read_held_ids(path: Path) -> list[HeldId]:
    """Return the ids of a file; none if there is no such file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    held: list[HeldId] = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            held.append(HeldId(**json.loads(line)))
    return held


def append_line(path: Path, held: HeldId) -> None:
    """Append an id; it is on the disk when this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    file = os.open(path, flags, 0o600)
    try:
        # A line that a full disk has cut off ends here.
        os.write(file, f"\n{json.dumps(held._asdict())}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
