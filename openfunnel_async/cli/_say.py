"""What the commands say, to people and to programs.

To people: results on stdout, everything else on stderr. With ``--json``: one object a
line, results and progress on stdout, errors and warnings on stderr, so that neither a
``$(...)`` nor a ``jq`` takes one for the other.
"""

import contextlib
import json
import logging
import os
import sys
import unicodedata
from typing import TextIO

import attrs

_PROGRAM = "openfunnel-async"
# Marks that turn the direction of what follows; a name must not rearrange a line.
_TURNS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def one_line(text: str) -> str:
    """Return a text of somebody else's that cannot move a cursor or break a line."""
    return " ".join(_harmless(text.split()))


def _harmless(words: list[str]) -> list[str]:
    return [
        "".join(
            sign
            for sign in word
            if unicodedata.category(sign) not in {"Cc", "Cs"} and sign not in _TURNS
        )
        for word in words
    ]


def amount(number: float) -> str:
    """Spell credits or companies."""
    return f"{number:,.10g}"


@attrs.define(eq=False, kw_only=True)
class Voice:
    """How one command speaks.

    Attributes:
        json: Whether it speaks to a program.
        rows_on_stdout: Whether stdout belongs to the rows.
        has_listener: Whether stdout still goes somewhere.
    """

    json: bool = False
    rows_on_stdout: bool = False
    has_listener: bool = True

    def result(self, event: str, text: str, **fields: object) -> None:
        """Tell what was asked for."""
        self._tell(self._events, event, text, fields)

    def note(self, event: str, text: str, **fields: object) -> None:
        """Tell what happens meanwhile."""
        self._tell(self._events if self.json else sys.stderr, event, text, fields)

    def hint(self, text: str) -> None:
        """Tell people, and no program, something they may want to know."""
        if not self.json:
            self._write(sys.stderr, text)

    def error(self, text: str, **fields: object) -> None:
        """Tell in one paragraph what went wrong."""
        told = one_line(text)
        self._tell(
            sys.stderr, "error", f"{_PROGRAM}: {told}", {"message": told} | fields
        )

    def warning(self, text: str) -> None:
        """Tell what may need a look."""
        told = one_line(text)
        shown = f"{_PROGRAM}: warning: {told}"
        self._tell(sys.stderr, "warning", shown, {"message": told})

    @property
    def _events(self) -> TextIO:
        return sys.stderr if self.rows_on_stdout else sys.stdout

    def _tell(
        self, stream: TextIO, event: str, text: str, fields: dict[str, object]
    ) -> None:
        # ASCII alone, so that any terminal and any locale can take it.
        told = json.dumps({"event": event, **fields}) if self.json else text
        self._write(stream, told)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            # A log is read while it grows, and block buffering would keep it back.
            print(text, file=stream, flush=True)
        except BrokenPipeError:
            self.lose(stream)

    def lose(self, stream: TextIO) -> None:
        """Take note that nobody reads a stream any more."""
        if stream is sys.stdout:
            self.has_listener = False
        mute(stream)


class Relay(logging.Handler):
    """Passes the library's warnings on in the command's own voice."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(logging.WARNING)
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one warning."""
        self._voice.warning(record.getMessage())


def mute(stream: TextIO) -> None:
    """Let a stream whose reader has gone lead nowhere, its last flush included."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def be_readable() -> None:
    """Let no character be too much for the terminal or the pipe."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
