"""Ids of jobs that could not be written into the Book, in a file beside it.

An id that was read from an answer exists once: the service does not list jobs. While
the database cannot be written (a full disk, a damaged file), the id is kept here, and
in the log.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

from openfunnel_async.errors import BookError


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
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        file = os.open(self.path, flags, 0o600)
        try:
            # A line that a full disk has cut off ends here.
            os.write(file, f"\n{json.dumps(held._asdict())}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)

    def read(self) -> list[HeldId]:
        """Return the ids that were written; a line that was cut off is passed over.

        Raises:
            BookError: The file cannot be read.
        """
        try:
            lines = self.path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as exc:
            msg = f"cannot read {self.path}, which has ids of jobs: {exc.strerror}"
            raise BookError(msg) from None
        held: list[HeldId] = []
        for line in lines:
            try:
                held.append(HeldId(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return held

    def delete(self) -> None:
        """Delete the file, once all of its ids are in the Book."""
        self.path.unlink(missing_ok=True)
