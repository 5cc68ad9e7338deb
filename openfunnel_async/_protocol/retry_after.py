"""How long an answer asks the client to wait.

The vendor documents no Retry-After for these jobs. Two sources are read: the header
that HTTP defines (RFC 9110, 10.2.3), and the field ``details.retry_after_seconds`` that
the sign-up operations have in the body (docs/reference/contract.md, "Access").
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A longer wait is treated as this one, so that sums of times stay finite.
_MOST_SECONDS = 1e9
# Compiled when an answer asks to wait: most never do.
_NUMBER = r"[0-9]+(\.[0-9]+)?"
_WEEKDAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)[A-Za-z]*"


def retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Return the seconds to wait, at least 0, or None if no valid time is stated.

    If there are several, in a repeated header or in the body, the longest one counts.
    """
    return max([*_from_header(headers), *_from_body(body)], default=None)


def _from_header(headers: Mapping[str, str]) -> Iterator[float]:
    for text in _split_list(headers.get("retry-after", "")):
        seconds = _seconds(text) if text[:1].isdigit() else _until(text, headers)
        if seconds is not None:
            yield seconds


def _split_list(text: str) -> Iterator[str]:
    """Yield the members of a list; a date contains a comma after its weekday."""
    weekday = ""
    for part in map(str.strip, text.split(",")):
        if re.fullmatch(_WEEKDAY, part, re.ASCII):
            weekday = f"{part}, "
        else:
            yield weekday + part
            weekday = ""


def _from_body(body: object) -> Iterator[float]:
    for place in _details(body):
        value = place.get("retry_after_seconds")
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            seconds = _seconds(value)
            if seconds is not None:
                yield seconds


def _details(body: object) -> list[Mapping[str, object]]:
    """Return the objects that may contain the number; the nesting is not certain."""
    found: list[Mapping[str, object]] = []
    places = [body]
    while places and len(found) < 8:  # noqa: PLR2004 -- only a bound
        place = places.pop(0)
        if isinstance(place, Mapping):
            found.append(place)  # pyright: ignore[reportUnknownArgumentType]
            places += [place.get("details"), place.get("detail")]  # pyright: ignore[reportUnknownMemberType]
    return found


def _seconds(value: float | str) -> float | None:
    """Return a number of seconds, shortened if it is long; None if it is invalid."""
    if isinstance(value, str):
        if not re.fullmatch(_NUMBER, value.strip(), re.ASCII):
            return None
        value = float(value)
    try:
        seconds = float(value)
    except OverflowError:
        return None
    is_number = math.isfinite(seconds) and seconds >= 0
    return min(seconds, _MOST_SECONDS) if is_number else None


def _until(text: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds to a date, counted from the answer's Date, else from now."""
    then = _date(text)
    if then is None:
        return None
    stated = map(_date, _split_list(headers.get("date", "")))
    now = next(filter(None, stated), None) or datetime.now(UTC)
    return min(max(0.0, (then - now).total_seconds()), _MOST_SECONDS)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
