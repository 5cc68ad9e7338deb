"""How long an answer asks its caller to wait.

The vendor documents no Retry-After for these jobs; what HTTP defines is read
(RFC 9110, 10.2.3), and the body's ``details.retry_after_seconds`` of its sign-up
operations (facts.md, "Rows").
"""

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Return the seconds to wait, at least 0, or None if nothing sensible is said.

    Where header and body both speak, the longer time counts.
    """
    stated = [_from_header(headers), _from_body(body)]
    known = [seconds for seconds in stated if seconds is not None]
    return max(known, default=None)


def _from_header(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text[:1].isalpha():
        return _until(_date(text), _date(headers.get("date", "")))
    return _seconds(text)


def _from_body(body: object) -> float | None:
    for place in _details(body):
        value = place.get("retry_after_seconds")
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return _seconds(value)
    return None


def _details(body: object) -> list[Mapping[str, object]]:
    """Return the places that may hold the number; their nesting is not certain."""
    found: list[Mapping[str, object]] = []
    places = [body]
    while places and len(found) < 8:  # noqa: PLR2004 -- a bound, not a measure
        place = places.pop(0)
        if isinstance(place, Mapping):
            found.append(place)  # pyright: ignore[reportUnknownArgumentType]
            places += [place.get("details"), place.get("detail")]  # pyright: ignore[reportUnknownMemberType]
    return found


def _seconds(value: float | str) -> float | None:
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until(then: datetime | None, now: datetime | None) -> float | None:
    """Measure against the answer's own Date, so that no clock here matters."""
    if then is None or now is None or (then.tzinfo is None) != (now.tzinfo is None):
        return None
    return max(0.0, (then - now).total_seconds())
