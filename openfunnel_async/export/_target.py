"""The file to end up with: checked beforehand, replaced in one step at the end."""

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
    """Return the real file, if there may be one of that name.

    Raises:
        ConfigurationError: There may not; the message says why and what to do.
    """
    try:
        real = Path(path).resolve()
        writer(real)
        _look(real)
    except ConfigurationError:
        raise
    except (OSError, RuntimeError) as exc:
        raise cannot("write", path, exc) from exc
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"this is not a path: {exc}") from exc
    return real


def cannot(what: str, path: StrPath, exc: Exception) -> ConfigurationError:
    """Say what cannot be done to a file, and why."""
    why = getattr(exc, "strerror", None) or exc
    return ConfigurationError(f"cannot {what} {spelled(path)}: {why}")


def part_path(real: Path) -> Path:
    """Return where the rows are gathered until the file is whole."""
    return real.with_name(f"{real.name}.part")


def _fresh_path(real: Path) -> Path:
    return real.with_name(f"{real.name}.part.tmp")


def _look(real: Path) -> None:
    """Refuse what cannot be replaced."""
    if real.is_symlink():  # From Python 3.13 on, resolving a circle is no error.
        raise ConfigurationError(f"{spelled(real)} is a link that leads to itself")
    if real.exists():
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigurationError(f"{spelled(real)} is a folder; name a file in it")
        if not stat.S_ISREG(mode):
            # Replacing a device such as /dev/null would take it from everybody.
            raise ConfigurationError(f"{spelled(real)} is not a regular file")
        if not os.access(real, os.W_OK):
            raise ConfigurationError(f"{spelled(real)} is write-protected")
    if not real.parent.is_dir():
        folder = spelled(real.parent)
        raise ConfigurationError(f"there is no folder {folder}; make it first")
    with contextlib.suppress(FileNotFoundError):
        _fresh_path(real).lstat()  # The longest name; one too long is told here.


@contextlib.contextmanager
def replacing(real: Path) -> Generator[BinaryIO, None, None]:
    """Give a file to write, which takes the real one's place once it is on the disk."""
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
    """See that the names in a folder are on the disk, where that can be asked for."""
    if sys.platform != "win32":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def spelled(path: StrPath) -> str:
    """Spell a path so that any output can take it."""
    return os.fspath(path).encode(errors="backslashreplace").decode()
