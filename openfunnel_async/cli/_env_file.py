"""The ``.env`` file: the key and the address in it, for its owner alone."""

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from openfunnel_async._client.settings import BASE_URL_VARIABLE, KEY_VARIABLE
from openfunnel_async._transport.wire import SecretText

_LARGEST = 1024 * 1024
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_COMMENT = re.compile(r"\s#.*")


def read(path: Path) -> dict[str, SecretText]:
    """Return the settings of a file that this program knows.

    Plain ``NAME=value`` lines, with or without ``export`` and quotes; nothing in
    them is expanded. Of a name that stands twice the last counts.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_LARGEST).decode("utf-8-sig", errors="replace")
    found: dict[str, SecretText] = {}
    for line in text.splitlines():
        name, value = _setting(line)
        if name in {KEY_VARIABLE, BASE_URL_VARIABLE}:
            found[name] = value
    return {name: value for name, value in found.items() if value}


def _setting(line: str) -> tuple[str, SecretText]:
    match = _LINE.fullmatch(line)
    if match is None:
        return "", SecretText()
    name, value = match.groups()
    quote = value[:1]
    if quote in {"'", '"'} and value.find(quote, 1) > 0:
        return name, SecretText(value[1 : value.index(quote, 1)])
    return name, SecretText(_COMMENT.sub("", f" {value}").strip())


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read the file."""
    return os.name != "posix" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def check_writable(path: Path) -> None:
    """Find out whether `write` can work, by making its file and taking it away.

    Raises:
        OSError: It cannot, and ``strerror`` says why.
    """
    real = path.resolve()
    if real.exists() and not real.is_file():
        what = "a folder" if real.is_dir() else "not a regular file"
        raise OSError(errno.EINVAL, f"it is {what}", str(path))
    handle, part = _part_of(real)
    os.close(handle)
    Path(part).unlink()


def write(path: Path, settings: Mapping[str, str | None]) -> None:
    """Put settings into the file; its other lines stay as they are.

    The file is whole at every moment, and from the first one on nobody but its
    owner can read it.

    Args:
        path: The file, made if there is none.
        settings: Values by name; None takes a setting out.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    real = path.resolve()
    before = real.read_bytes() if real.exists() else b""
    handle, part = _part_of(real)
    with contextlib.ExitStack() as undo:
        undo.callback(Path(part).unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            file.write(_changed(before, settings))
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(real)
        undo.pop_all()


def _part_of(real: Path) -> tuple[int, str]:
    """Open a new file beside the real one; mkstemp gives it the mode 0600."""
    return tempfile.mkstemp(prefix=f".{real.name}.", suffix=".part", dir=real.parent)


def _changed(before: bytes, settings: Mapping[str, str | None]) -> bytes:
    """Return the file's bytes with the settings put in the place of the old ones."""
    left = {name: value for name, value in settings.items() if value is not None}
    lines: list[bytes] = []
    for line in before.splitlines(keepends=True):
        name, _ = _setting(line.decode("utf-8-sig", errors="replace").rstrip("\r\n"))
        if name not in settings:
            lines.append(line)
        elif name in left:
            lines.append(f"{name}={left.pop(name)}\n".encode())
    if lines and left and not lines[-1].endswith((b"\n", b"\r")):
        lines.append(b"\n")
    lines += [f"{name}={value}\n".encode() for name, value in left.items()]
    return b"".join(lines)
