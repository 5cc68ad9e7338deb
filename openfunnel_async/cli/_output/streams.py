"""Guard stdout and stderr: output that fails is discarded, and ends no command.

A command that spends must not end because a disk is full, a terminal is gone or a
reader has left. So both streams are replaced by ones whose writes never raise. They
keep their first failure; the command prints what matters to the other stream, and its
exit code reports the failure.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Generator
from typing import Any, Literal, TextIO, cast

StreamName = Literal["stdout", "stderr"]
NAMES: tuple[StreamName, StreamName] = ("stdout", "stderr")
_STANDARD_DESCRIPTORS = 3


class GuardedStream:
    """A stream that discards everything after its first failure.

    Attributes:
        failure: The error of its first failed write; None while it works.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # Python has None in place of a stream that was closed when it started.
        self._stream = stream
        self.failure: Exception | None = None

    def write(self, text: str) -> int:
        """Write a text, or discard it."""
        if self._stream is None:
            # An empty text is no output that could be lost.
            if text and self.failure is None:
                self.failure = OSError(errno.EBADF, "it is closed")
        elif self.failure is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or discard it."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fail(error)

    def isatty(self) -> bool:
        """Whether somebody can read it on a terminal."""
        if self._stream is None or self.failure is not None:
            return False
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- any attribute of a stream
        return getattr(self._stream, name)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        # What is still buffered, and the interpreter's last flush, must not fail.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            discarding = os.open(os.devnull, os.O_WRONLY)
            os.dup2(discarding, cast("TextIO", self._stream).fileno())
            os.close(discarding)


_guards: dict[StreamName, GuardedStream] = {}


@contextlib.contextmanager
def guard_streams() -> Generator[None, None, None]:
    """Replace stdout and stderr by guarded ones while the body runs."""
    _open_closed_descriptors()
    before: dict[StreamName, TextIO | None]
    before = {name: getattr(sys, name) for name in NAMES}
    for name in NAMES:
        _escape_unencodable_characters(before[name])
        _guards[name] = GuardedStream(before[name])
        setattr(sys, name, _guards[name])
    try:
        yield
    finally:
        for name, stream in before.items():
            _guards[name].flush()
            setattr(sys, name, stream)
        _guards.clear()


def failure_of(name: StreamName) -> Exception | None:
    """Return why a stream has failed; None while it works."""
    guard = _guards.get(name)
    if guard is None:
        return None
    guard.flush()
    return guard.failure


def describe_failure(failure: Exception) -> str:
    """Describe in a few words why a stream has failed."""
    if isinstance(failure, BrokenPipeError):
        return "it has no reader"
    return getattr(failure, "strerror", None) or type(failure).__name__


def _open_closed_descriptors() -> None:
    """Open the null device in place of closed standard streams.

    Otherwise a file or connection that is opened next gets the number of stdout or
    stderr, and a library that writes there writes into it.
    """
    for descriptor in range(_STANDARD_DESCRIPTORS):
        with contextlib.suppress(OSError):
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, os.O_RDWR)


def _escape_unencodable_characters(stream: TextIO | None) -> None:
    """Escape every character that the encoding of a stream lacks."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
