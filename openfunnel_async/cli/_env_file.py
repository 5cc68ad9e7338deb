"""The ``.env`` file: the key and the address in it, for its owner alone."""

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from openfunnel_async import BASE_URL_VARIABLE, KEY_VARIABLE, SecretText

_MAX_BYTES = 1024 * 1024
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_COMMENT = re.compile(r"\s#.*")


def read_file(path: Path) -> dict[str, SecretText]:
    """Return the settings of a file that this program knows.

    The file has ``NAME=value`` lines, with or without ``export`` and quotes. Nothing
    in them is expanded. If a name occurs twice, the last one counts.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8-sig", errors="replace")
    found: dict[str, SecretText] = {}
    for line in text.splitlines():
        name, value = _parse_line(line)
        if name in {KEY_VARIABLE, BASE_URL_VARIABLE}:
            found[name] = value
    return {name: value for name, value in found.items() if value}


def _parse_line(line: str) -> tuple[str, SecretText]:
    match = _LINE.fullmatch(line)
    if match is None:
        return "", SecretText()
    name, value = match.groups()
    quote = value[:1]
    if quote in {"'", '"'} and value.find(quote, 1) > 0:
        return name, SecretText(value[1 : value.index(quote, 1)])
    return name, SecretText(_COMMENT.sub("", f" {value}").strip())


def is_private(path: Path) -> bool:
    """Whether only its owner can read the file."""
    return os.name != "posix" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def check_writable(path: Path) -> None:
    """Check that ``write_file`` can work: create its temporary file and delete it.

    Raises:
        OSError: It cannot, and ``strerror`` has the reason.
    """
    real = path.resolve()
    if real.exists() and not real.is_file():
        kind = "a folder" if real.is_dir() else "not a regular file"
        raise OSError(errno.EINVAL, f"it is {kind}", str(path))
    handle, temporary = _create_temporary(real)
    os.close(handle)
    Path(temporary).unlink()


def write_file(path: Path, settings: Mapping[str, str | None]) -> None:
    """Write settings into the file; its other lines stay as they are.

    The file is replaced in one step, and only its owner can read it.

    Args:
        path: The file, created if it is missing.
        settings: Values by name; None removes a setting.

    Raises:
        OSError: It cannot be written; its old content is still there.
    """
    real = path.resolve()
    before = real.read_bytes() if real.exists() else b""
    handle, temporary = _create_temporary(real)
    with contextlib.ExitStack() as undo:
        undo.callback(Path(temporary).unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            file.write(_replace_settings(before, settings))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(real)
        undo.pop_all()


def _create_temporary(real: Path) -> tuple[int, str]:
    """Open a new file beside the real one; mkstemp gives it the mode 0600."""
    return tempfile.mkstemp(prefix=f".{real.name}.", suffix=".part", dir=real.parent)


def _replace_settings(before: bytes, settings: Mapping[str, str | None]) -> bytes:
    """Return the content of the file with the new settings instead of the old ones."""
    left = {name: value for name, value in settings.items() if value is not None}
    lines: list[bytes] = []
    for line in before.splitlines(keepends=True):
        text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
        name, _ = _parse_line(text)
        if name not in settings:
            lines.append(line)
        elif name in left:
            lines.append(f"{name}={left.pop(name)}\n".encode())
    if lines and left and not lines[-1].endswith((b"\n", b"\r")):
        lines.append(b"\n")
    lines += [f"{name}={value}\n".encode() for name, value in left.items()]
    return b"".join(lines)
