"""Locks of files, which end with the file: on Windows, and elsewhere."""

import os
import sys
from collections.abc import Callable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# A lock of Windows hides its bytes from all other handles, so it is on a byte far
# behind the end, at the highest offset of 31 bits.
LOCKED_BYTE = 2**31 - 2


def lock_file(descriptor: int) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: Another process, or another handle of this one, has locked it.
        OSError: The file system has no locks.
    """
    if sys.platform == "win32":
        lock_byte(descriptor, msvcrt.locking, msvcrt.LK_NBLCK)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_byte(
    descriptor: int, locking: Callable[[int, int, int], object], mode: int
) -> None:
    """Lock as ``msvcrt.locking`` does: from the position of the file on.

    Raises:
        BlockingIOError: The byte is locked.
    """
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        locking(descriptor, mode, 1)
    except PermissionError as exc:
        raise BlockingIOError(*exc.args) from exc
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
