"""The final file: checked beforehand, replaced in one step at the end."""

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export._formats import writer

StrPath = str | os.PathLike[str]


def check_file(path: StrPath) -> Path:
    """Return the real file, if it can be written.

    Raises:
        ConfigurationError: It cannot; the message says why and what to do.
    """
    try:
        real = Path(path).resolve()
        writer(real)
        _check_replaceable(real)
    except ConfigurationError:
        raise
    except (OSError, RuntimeError) as exc:
        raise path_error("write", path, exc) from exc
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"this is not a path: {exc}") from exc
    return real


def path_error(what: str, path: StrPath, exc: Exception) -> ConfigurationError:
    """Return the error that says what cannot be done to a file, and why."""
    why = getattr(exc, "strerror", None) or exc
    return ConfigurationError(f"cannot {what} {printable(path)}: {why}")


def part_path(real: Path) -> Path:
    """Return the path of the rows until the file is whole."""
    return real.with_name(f"{real.name}.part")


def _fresh_path(real: Path) -> Path:
    return real.with_name(f"{real.name}.part.tmp")


def _check_replaceable(real: Path) -> None:
    """Refuse a path that cannot be replaced by a file."""
    if real.is_symlink():  # Since Python 3.13, resolving a loop is no error.
        raise ConfigurationError(f"{printable(real)} is a link that leads to itself")
    if real.exists():
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigurationError(
                f"{printable(real)} is a folder; name a file in it"
            )
        if not stat.S_ISREG(mode):
            # A device such as /dev/null must not be replaced for all programs.
            raise ConfigurationError(f"{printable(real)} is not a regular file")
        if not os.access(real, os.W_OK):
            raise ConfigurationError(f"{printable(real)} is write-protected")
    if not real.parent.is_dir():
        folder = printable(real.parent)
        raise ConfigurationError(f"there is no folder {folder}; make it first")
    with contextlib.suppress(FileNotFoundError):
        _fresh_path(real).lstat()  # The longest name: here one that is too long fails.


@contextlib.contextmanager
def open_replacement(real: Path) -> Generator[BinaryIO, None, None]:
    """Open a file that replaces the real one once it is on the disk."""
    fresh = _fresh_path(real)
    with contextlib.ExitStack() as undo:
        undo.callback(fresh.unlink, missing_ok=True)
        with fresh.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if real.exists():
            shutil.copymode(real, fresh)
        fresh.replace(real)
        undo.pop_all()
    sync_folder(real.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the platform can."""
    if sys.platform != "win32":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def printable(path: StrPath) -> str:
    """Return a path in characters that any output accepts."""
    return os.fspath(path).encode(errors="backslashreplace").decode()
