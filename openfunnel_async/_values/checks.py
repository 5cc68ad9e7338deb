"""Checks of arguments: return the checked value, or raise ``ConfigurationError``."""

import math
import operator
import os
import re
from collections.abc import Iterable
from datetime import timedelta
from types import EllipsisType
from typing import SupportsFloat, SupportsIndex, TypeVar, cast
from uuid import UUID

from openfunnel_async._text import escaped
from openfunnel_async.errors import ConfigurationError

_T = TypeVar("_T")
_MOST_SECONDS = 1e12
_LONGEST_WORD = 500
_JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)


def check_job_id(value: object) -> str:
    """Return the id if it may be part of a URL, else raise ``ConfigurationError``."""
    if not isinstance(value, str):
        raise ConfigurationError(f"job_id must be text, {_instead(value)}")
    if not is_job_id(value):
        msg = (
            "job_id must be 1-128 characters of A-Z a-z 0-9 . _ ~ - "
            "and not '.' or '..'; copy it from the answer to the submit"
        )
        raise ConfigurationError(msg)
    return str(value)


def is_job_id(value: object) -> bool:
    """Whether the value is an id that may be part of a URL.

    See docs/explanation/custody-of-the-key.md, "Job ids in URLs".
    """
    return (
        isinstance(value, str)
        and value not in {".", ".."}
        and _JOB_ID.fullmatch(value) is not None
    )


def check_kind(name: str, value: _T, kind: type[_T]) -> _T:
    """Return a value of this class, else raise ``ConfigurationError``."""
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be a {kind.__name__}, {_instead(value)}")
    return value


def check_whole(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return a whole number within the bounds, both included, as an int, else raise."""
    allowed = f"of at least {low}" if high is None else f"from {low} to {high:,}"
    number = _index(value)
    if number is None:
        msg = f"{name} must be a whole number {allowed}, {_instead(value, 'int')}"
        raise ConfigurationError(msg)
    if number < low or (high is not None and number > high):
        msg = f"{name} must be a whole number {allowed}, or left out"
        raise ConfigurationError(msg)
    return number


def _index(value: object) -> int | None:
    """Return a whole number as an int; a numpy array with one item is not one."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or _is_sized(value):
        return None
    try:
        return int(operator.index(cast("SupportsIndex", value)))
    except TypeError:
        return None


def check_seconds(name: str, value: object, *, above_zero: bool = False) -> float:
    """Return a duration in seconds as a float, else raise."""
    seconds = _real(value)
    bound = "above 0" if above_zero else "of at least 0"
    allowed = f"{name} must be a finite number of seconds {bound}"
    if seconds is None:
        raise ConfigurationError(f"{allowed}, {_instead(value, 'float')}")
    if math.isfinite(seconds) and (seconds > 0 or not (seconds or above_zero)):
        return seconds
    raise ConfigurationError(allowed)


def check_rate(name: str, value: object) -> float:
    """Return a number of events a second, above 0, else raise."""
    rate = _real(value)
    if rate is None:
        msg = f"{name} must be a number above 0, or None, {_instead(value, 'float')}"
        raise ConfigurationError(msg)
    if math.isfinite(rate) and rate > 0:
        return rate
    raise ConfigurationError(f"{name} must be a number above 0, or None")


def check_amount(name: str, value: object) -> float:
    """Return a number of credits, of at least 0, else raise."""
    amount = _real(value)
    allowed = f"{name} must be a number of at least 0, or None"
    if amount is None:
        raise ConfigurationError(f"{allowed}, {_instead(value, 'float')}")
    if math.isfinite(amount) and amount >= 0:
        return amount
    raise ConfigurationError(allowed)


def _real(value: object) -> float | None:
    """Return a real number as a float, infinite if it is too large."""
    if isinstance(value, bool) or not _is_real(value):
        return None
    try:
        number = float(cast("SupportsFloat", value))
    except OverflowError:
        return math.inf
    return number if abs(number) < _MOST_SECONDS else math.inf


def _is_real(value: object) -> bool:
    if isinstance(value, (float, int)):
        return True
    from numbers import Real  # noqa: PLC0415 -- for numbers of other libraries

    return isinstance(value, Real)


def _instead(value: object, kind: str = "str") -> str:
    """Describe a value of the wrong type, and what to pass instead."""
    if isinstance(value, timedelta):
        return "not a timedelta: pass .total_seconds()"
    if isinstance(value, str):
        return f"not text: use {kind}(...)"
    if isinstance(value, (bytes, bytearray)):
        return "not bytes: use .decode()"
    hint = f": use {kind}(...)" if _converts(value, kind) else ""
    return f"not {escaped(type(value).__name__, 60)}{hint}"


def _converts(value: object, kind: str) -> bool:
    """Whether ``int``, ``float`` or ``str`` of the value is probably intended."""
    if kind == "str":
        return isinstance(value, (os.PathLike, UUID))
    is_number = hasattr(type(value), f"__{kind}__")
    return is_number and not isinstance(value, bool) and not _is_sized(value)


def _is_sized(value: object) -> bool:
    return hasattr(type(value), "__len__")


def check_timeout(value: object, default: float | None = None) -> float | None:
    """Return a total time in seconds; ``...`` takes the default, None is for ever."""
    if isinstance(value, EllipsisType):
        return default
    return None if value is None else check_seconds("timeout", value)


def check_text(name: str, value: object, longest: int) -> None:
    """Raise unless the value is text of 1 to ``longest`` characters, not blank."""
    if not isinstance(value, str):
        msg = f"{name} must be text of 1 to {longest} characters, {_instead(value)}"
        raise ConfigurationError(msg)
    if not value.strip() or len(value) > longest:
        msg = f"{name} must be text of 1 to {longest} characters, not only spaces"
        raise ConfigurationError(msg)
    if not is_unicode(value):
        msg = f"{name} must be valid Unicode text; it has half a surrogate pair"
        raise ConfigurationError(msg)


def wrong_text(value: object) -> str | None:
    """Say what is wrong with a value that should be text; None if it is text."""
    return None if isinstance(value, str) else _instead(value)


def check_label(name: str, value: object) -> None:
    """Raise unless the value is text that can be the label of a page."""
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise ConfigurationError(f"{name} must be the label of a page, or None")


def is_unicode(value: str) -> bool:
    """Whether the text can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_texts(name: str, value: object) -> tuple[str, ...]:
    """Return the texts as a tuple; a single text is refused, None means no texts."""
    if value is None:
        return ()
    if isinstance(value, str):
        msg = f"{name} must be a list or tuple of texts; for one text pass [text]"
        raise ConfigurationError(msg)
    if not isinstance(value, (list, tuple)):
        kind = escaped(type(value).__name__, 60)
        msg = f"{name} must be a list or tuple of texts, not {kind}: use list(...)"
        raise ConfigurationError(msg)
    items = tuple(cast("Iterable[str]", value))
    for item in items:
        check_text(f"each of {name}", item, _LONGEST_WORD)
    return items
