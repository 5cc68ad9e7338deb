"""The paths of an export: checked at the start, replaced in one step at the end."""

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._formats import get_writer

StrPath = str | os.PathLike[str]


def check_path(path: StrPath) -> Path:
    """Return the path of the real file, if it can be written.

    Raises:
        ConfigurationError: It cannot; the message gives the reason and the remedy.
    """
    try:
        real = Path(path).resolve()
        get_writer(real.suffix)
        _check_can_replace(real)
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


def _get_new_path(real: Path) -> Path:
    return real.with_name(f"{real.name}.part.tmp")


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
        _get_new_path(real).lstat()  # The longest name fails here if it is too long.


@contextlib.contextmanager
def open_replacement(real: Path) -> Generator[BinaryIO, None, None]:
    """Open a new file, which replaces the real one when the block ends."""
    new = _get_new_path(real)
    with contextlib.ExitStack() as undo:
        undo.callback(new.unlink, missing_ok=True)
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if real.exists():
            shutil.copymode(real, new)
        new.replace(real)
        undo.pop_all()
    sync_folder(real.parent)


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
