"""Where a secret could show: texts, tracebacks, chains, pickles, records.

The search is by pieces of the secret, so that half of one is found as well.
"""

import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Secret", "behind"]

_PIECE = 12
_TESTS = str(Path(__file__).parents[1])


class Secret:
    """A text that must not show, and ways to look for it.

    Attributes:
        text: The secret itself.
        escaped: The same text as JSON may also write it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.escaped = "".join(f"\\u{ord(letter):04x}" for letter in text)
        self._pieces = {text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)}

    def __repr__(self) -> str:
        return "<Secret>"

    def shows_in(self, text: str) -> bool:
        """Whether a piece of the secret is in the text."""
        return any(piece in text for piece in self._pieces)

    def leaks_of(self, error: BaseException) -> list[str]:
        """Name every place of an error, or of an error behind it, that shows it."""
        return [
            f"{type(each).__name__}: {place}"
            for each in _chain(error)
            for place, text in _places(each)
            if self.shows_in(text)
        ]

    def leaks_in(self, records: Iterable[logging.LogRecord]) -> list[str]:
        """Name every record that shows it, in its text or in what it is made of."""
        return [
            record.getMessage()
            for record in records
            if self.shows_in(f"{record.getMessage()} {vars(record)!r}")
        ]


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error and all that stand behind it, whatever is displayed."""
    found: list[BaseException] = []
    to_see: list[BaseException | None] = [error]
    while to_see:
        each = to_see.pop()
        if each is not None and each not in found:
            found.append(each)
            to_see += [each.__cause__, each.__context__]
    return found


def _places(error: BaseException) -> Iterator[tuple[str, str]]:
    yield "str", str(error)
    yield "repr", repr(error)
    yield "args", repr(error.args)
    yield "attributes", repr(vars(error))
    yield "pickle", pickle.dumps(error).decode("latin-1")
    # Aiohttp's own errors hold the request's headers.
    yield "type", "" if "aiohttp" not in type(error).__module__ else repr(vars(error))
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    for line in whole.stack:
        if not line.filename.startswith(_TESTS):
            yield f"locals of {line.name}", repr(line.locals)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(_TESTS):
            yield f"frame of {frame.f_code.co_name}", repr(frame.f_locals)


def behind(holder: object) -> Iterator[object]:
    """Give every object that the package keeps behind one of its own."""
    seen: set[int] = set()
    to_see = [holder]
    while to_see:
        each = to_see.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if type(each).__module__.startswith("openfunnel_async"):
            names = {*vars(each)} if hasattr(each, "__dict__") else set[str]()
            for kind in type(each).__mro__:
                names |= {*getattr(kind, "__slots__", ())}
            to_see += [getattr(each, name, None) for name in names]
