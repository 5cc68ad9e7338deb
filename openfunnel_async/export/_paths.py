"""The paths of an export: checked at the start, replaced in one step at the end."""

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._formats import get_writer

StrPath = str | os.PathLike[str]


def check_path(path: StrPath, *, overwrite: bool) -> Path:
    """Return the path of the real file, if it can be written.

    Args:
        path: The file, or a link to it.
        overwrite: Whether it may replace a file that exists.

    Raises:
        ConfigurationError: It cannot; the message gives the reason and the remedy.
    """
    try:
        real = Path(path).resolve()
        get_writer(real.suffix)
        _check_can_replace(real)
        _check_may_replace(real, overwrite=overwrite)
    except ConfigurationError:
        raise
    except (OSError, RuntimeError) as exc:
        raise make_path_error("write", path, exc) from exc
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"this is not a path: {exc}") from exc
    return real


def make_path_error(verb: str, path: StrPath, exc: Exception) -> ConfigurationError:
    """Return the error for an operation that failed on a file, with its reason."""
    why = getattr(exc, "strerror", None) or exc
    return ConfigurationError(f"cannot {verb} {escape_path(path)}: {why}")


def get_part_path(real: Path) -> Path:
    """Return the path of the ``.part`` file, which has the rows until the end."""
    return real.with_name(f"{real.name}.part")


def get_mode(real: Path) -> int | None:
    """Return the permissions of a file that exists; None if there is none."""
    try:
        return stat.S_IMODE(real.stat().st_mode)
    except FileNotFoundError:
        return None


def open_no_link(path: StrPath, flags: int, mode: int = 0o666) -> int:
    """Open a regular file, but not the target of a link: anybody could have made it.

    Raises:
        ConfigurationError: It is a link, or not a regular file.
        OSError: It cannot be opened.
    """
    # Without O_NONBLOCK, to open a named pipe would wait for its other end.
    try:
        opened = os.open(path, flags | _NO_LINK | _NO_WAIT | _BINARY, mode)
    except OSError as exc:
        if exc.errno != errno.ELOOP:
            raise
        msg = f"{escape_path(path)} is a link; remove it, or name another file"
        raise ConfigurationError(msg) from exc
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ConfigurationError(f"{escape_path(path)} is not a regular file")
    return opened


_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)


def _make_new_path(real: Path) -> Path:
    return real.with_name(f"{real.name}.part.{secrets.token_hex(8)}.tmp")


def _remove_leftovers(real: Path) -> None:
    """Remove the temporary files of exports to this file that were killed."""
    pattern = re.compile(re.escape(f"{real.name}.part.") + r"[0-9a-f]{16}\.tmp")
    for path in real.parent.iterdir():
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _check_can_replace(real: Path) -> None:
    """Raise ``ConfigurationError`` for a path that no file can replace."""
    if real.is_symlink():  # Since Python 3.13, resolve() accepts a loop of links.
        raise ConfigurationError(f"{escape_path(real)} is a link to itself")
    if real.exists():
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigurationError(
                f"{escape_path(real)} is a folder; name a file in it"
            )
        if not stat.S_ISREG(mode):
            # Replacing a device such as /dev/null would break other programs.
            raise ConfigurationError(f"{escape_path(real)} is not a regular file")
        if not os.access(real, os.W_OK):
            raise ConfigurationError(f"{escape_path(real)} is write-protected")
    if not real.parent.is_dir():
        folder = escape_path(real.parent)
        raise ConfigurationError(f"there is no folder {folder}; make it first")
    with contextlib.suppress(FileNotFoundError):
        _make_new_path(real).lstat()  # The longest name fails here if it is too long.


def _check_may_replace(real: Path, *, overwrite: bool) -> None:
    if real.exists() and not overwrite:
        msg = (
            f"{escape_path(real)} exists. Name another file, or replace it with "
            "overwrite=True. Nothing was sent"
        )
        raise ConfigurationError(msg)


@contextlib.contextmanager
def open_replacement(real: Path, *, overwrite: bool) -> Generator[BinaryIO, None, None]:
    """Open a new file, which becomes the real one when the block ends.

    The caller has locked the ``.part`` file.

    Raises:
        FileExistsError: Somebody else has made the file meanwhile, and it may not be
            replaced.
    """
    _remove_leftovers(real)
    new = _make_new_path(real)
    with contextlib.ExitStack() as undo:
        file = undo.enter_context(_create(new, get_mode(real)))
        undo.callback(new.unlink, missing_ok=True)
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()  # Windows does not rename an open file.
        if overwrite:
            new.replace(real)
        else:
            _move_if_absent(new, real)
        undo.pop_all()
    sync_folder(real.parent)


def _create(new: Path, mode: int | None) -> BinaryIO:
    """Create a file, with the given permissions or the usual ones."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    file = os.fdopen(open_no_link(new, flags, 0o666 if mode is None else 0o600), "w+b")
    if mode is not None:
        # Before the first row, which not everybody may be allowed to read.
        if sys.platform == "win32":
            new.chmod(mode)
        else:
            os.fchmod(file.fileno(), mode)
    return file


def _move_if_absent(new: Path, real: Path) -> None:
    """Rename a file, but replace none, in one step where the file system can do it."""
    try:
        os.link(new, real)
    except FileExistsError:
        raise _make_exists_error(real) from None
    except OSError:
        # A file system without hard links, such as FAT.
        if os.path.lexists(real):
            raise _make_exists_error(real) from None
        new.rename(real)
    else:
        new.unlink()


def _make_exists_error(real: Path) -> FileExistsError:
    reason = (
        "another program has made this file meanwhile; the rows are in the .part file"
    )
    return FileExistsError(errno.EEXIST, reason, str(real))


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk; Windows has no call for it."""
    if sys.platform != "win32":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def escape_path(path: StrPath) -> str:
    """Return a path as text that UTF-8 can encode."""
    return os.fspath(path).encode(errors="backslashreplace").decode()
