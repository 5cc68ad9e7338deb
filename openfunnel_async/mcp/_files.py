"""The files that ``save`` writes: new ones, in one folder, and nowhere else."""

import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterable, Sequence
from pathlib import Path

from openfunnel_async import Company, export
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.mcp._refusals import Refusal
from openfunnel_async.mcp._untrusted import escape

SUFFIXES = (".csv", ".jsonl", ".parquet")
# No separators, spaces or dots at the start: no way out of the folder, and no hidden
# file. Nothing that a shell or another system could understand as something else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_LONGEST_NAME = 100
# Windows opens a device for these names, whatever their ending is.
_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)", re.IGNORECASE
)


class SaveFolder:
    """The folder of the host's configuration.

    Args:
        path: The folder; it must exist.

    Raises:
        ConfigurationError: It does not exist, or is no folder.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._path = path.expanduser().resolve(strict=True)
            is_folder = self._path.is_dir()
        except (OSError, RuntimeError, ValueError):
            is_folder = False
        if not is_folder:
            msg = f"the folder {path} does not exist; make it first"
            raise ConfigurationError(msg)

    def check(self, name: str) -> Path:
        """Return the path for a name, if a new file can be made there.

        Raises:
            Refusal: The name is no name of a new file in the folder.
        """
        suffix = Path(name).suffix.lower() if name.isprintable() else ""
        is_name = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None
        if not is_name or suffix not in SUFFIXES:
            raise Refusal(
                "bad_file",
                f"{escape(name, 60)} is no name for a file: use at most "
                f"{_LONGEST_NAME} ASCII letters, digits, dots, - and _, no folder, and "
                f"the ending {', '.join(SUFFIXES)}.",
            )
        if _DEVICES.fullmatch(name.partition(".")[0]) is not None:
            raise Refusal("bad_file", f"{name} is reserved on Windows; use another.")
        path = self._path / name
        # Also a link that leads nowhere is something that exists.
        if os.path.lexists(path):
            raise _make_exists(name)
        return path

    async def write(
        self, rows: AsyncIterable[Company], path: Path, columns: Sequence[str] | None
    ) -> int:
        """Write companies into a new file, whole or not at all; return their number.

        They are written in a folder of their own, and appear at the path in one step
        that follows no link and replaces nothing.

        Raises:
            Refusal: The file cannot be written, or was made meanwhile.
        """
        self._check_unmoved()
        try:
            with tempfile.TemporaryDirectory(
                dir=self._path, prefix=".openfunnel-"
            ) as folder:
                new = Path(folder) / path.name
                report = await export.to_file(rows, new, columns=columns)
                self._check_unmoved()
                _move_if_absent(new, path)
        except FileExistsError:
            raise _make_exists(path.name) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Refusal(
                "bad_file", f"{path.name} cannot be written: {reason}."
            ) from None
        return report.rows

    def _check_unmoved(self) -> None:
        """Check that nobody has replaced the folder by a link to another one."""
        if self._path.resolve() != self._path or not self._path.is_dir():
            raise Refusal("bad_file", "The folder of this server was moved or removed.")


def _move_if_absent(new: Path, path: Path) -> None:
    """Give a file its name, in one step if the file system has hard links."""
    try:
        os.link(new, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # This makes the name or fails, and the rename then follows no link.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def _make_exists(name: str) -> Refusal:
    return Refusal(
        "file_exists", f"{name} exists, and no file is replaced. Use another name."
    )
