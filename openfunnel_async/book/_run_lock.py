"""A lock of the operating system: one process at a time runs a Book.

The system releases it when its process ends, however it ends. The file beside the Book
stays: to delete it would let two processes lock two different files. It names who holds
the lock.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from pathlib import Path

from openfunnel_async._text import escaped
from openfunnel_async.errors import BookError, BookInUseError

# The locked byte is far behind the text, which others may read meanwhile.
_LOCKED_BYTE = 1 << 30
_PAUSE = 0.02


class RunLock:
    """The lock of a Book, which may be acquired several times by one object.

    Args:
        book: The file of the Book.
    """

    def __init__(self, book: Path) -> None:
        self._book = book
        self._path = book.with_name(f"{book.name}.lock")
        self._file: int | None = None
        self._holders = 0

    def acquire(self, within: float = 0.0) -> None:
        """Take the lock.

        Args:
            within: Seconds to block until another process has released it.

        Raises:
            BookInUseError: Another process, or another ``Book`` object, has it.
        """
        until = time.monotonic() + within
        while self._file is None:
            try:
                self._file = self._open()
            except BookInUseError:
                if time.monotonic() >= until:
                    raise
                threading.Event().wait(_PAUSE)
        self._holders += 1

    def release(self) -> None:
        """Give the lock back, when it was released as often as it was acquired."""
        self._holders -= 1
        if not self._holders and self._file is not None:
            _locked.discard(self._file)
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
        except OSError as exc:
            raise BookError(f"cannot open {self._path}: {exc.strerror}") from None
        try:
            lock_file(file)
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, f"{os.getpid()} {socket.gethostname()}\n".encode())
        except BlockingIOError:
            holder = self._read_holder(file)
            os.close(file)
            raise self._refusal(holder) from None
        except OSError as exc:
            os.close(file)
            msg = f"cannot lock {self._path}: {exc.strerror}; use a local disk"
            raise BookError(msg) from None
        _locked.add(file)
        return file

    def _read_holder(self, file: int) -> tuple[str, str]:
        text = os.read(file, 300).decode(errors="replace")
        pid, _, host = text.strip().partition(" ")
        return pid, escaped(host, 100)

    def _refusal(self, holder: tuple[str, str]) -> BookInUseError:
        pid, host = holder
        who = f"process {pid} on {host}" if pid else "another process"
        if pid == str(os.getpid()):
            who = f"another Book object of this process (pid {pid} on {host})"
        return BookInUseError(
            f"{self._book} is run by {who}; nothing was sent. Wait until it ends, or "
            "end it; reading the Book is possible meanwhile"
        )


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


_locked: set[int] = set()


def _close_in_child() -> None:
    """Close the locks in a forked child, which would keep them after its parent."""
    for file in _locked:
        with contextlib.suppress(OSError):
            os.close(file)
    _locked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def lock_file(file: int) -> None:
    """Lock an open file, without waiting.

    Raises:
        BlockingIOError: Somebody else has locked it.
    """
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 -- Windows has it alone

        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as exc:
            raise BlockingIOError(exc.errno, exc.strerror) from None
    else:
        import fcntl  # noqa: PLC0415 -- Windows does not have it

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
