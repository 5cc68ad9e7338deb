"""The root of the error tree and the checks of what a caller passes in.

They stand below the values, because a value refuses what cannot be right with a
``ConfigurationError``. ``openfunnel_async.errors`` is the public place for both.
"""

import math
import re
from collections.abc import Iterable
from types import EllipsisType
from typing import Any, cast

_MOST_SECONDS = 1e12
_LONGEST_WORD = 500
_JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)


class OpenFunnelError(Exception):
    """Whatever this package raises on purpose.

    Arguments are positional and kept in ``args``, so every error of the tree
    can be pickled; ``str()`` is the message alone.

    Attributes:
        rows: The companies read before it happened, where rows were being read.
            They are pickled with the error, but are not in ``args``.
    """

    __module__ = "openfunnel_async.errors"
    rows: tuple[Any, ...] = ()

    def __init__(self, message: str, *facts: object) -> None:
        super().__init__(message)
        # OSError's own initialiser (TimeoutError is one) would cut longer args.
        self.args: tuple[Any, ...] = (message, *facts)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigurationError(OpenFunnelError, ValueError):
    """A key, base_url, search or argument that cannot be right.

    Nothing was sent and nothing was spent. The message names the argument and
    says what is allowed.
    """

    __module__ = "openfunnel_async.errors"


def check_job_id(value: object) -> str:
    """Return the id if it may enter a URL, else raise ``ConfigurationError``."""
    if not is_job_id(value):
        msg = (
            "job_id must be 1-128 characters of A-Z a-z 0-9 . _ ~ - "
            "and neither '.' nor '..'; copy it from the submit's answer"
        )
        raise ConfigurationError(msg)
    return str(value)


def is_job_id(value: object) -> bool:
    """Whether the value is an id that may enter a URL (design: Custody)."""
    return (
        isinstance(value, str)
        and value not in {".", ".."}
        and _JOB_ID.fullmatch(value) is not None
    )


def check_whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse what is not a whole number within the bounds, both included."""
    allowed = f"of at least {low}" if high is None else f"from {low} to {high:,}"
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < low
        or (high is not None and value > high)
    ):
        msg = f"{name} must be a whole number {allowed}, or left out"
        raise ConfigurationError(msg)


def check_seconds(name: str, value: object, *, above_zero: bool = False) -> float:
    """Return a duration in seconds as a float, else raise."""
    bound = "above 0" if above_zero else "of at least 0"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) < _MOST_SECONDS else math.inf
        if math.isfinite(seconds) and (seconds > 0 or not (seconds or above_zero)):
            return seconds
    raise ConfigurationError(f"{name} must be a finite number of seconds {bound}")


def check_rate(name: str, value: object) -> float:
    """Return a number of times a second, above 0, else raise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        rate = float(value) if abs(value) < _MOST_SECONDS else math.inf
        if math.isfinite(rate) and rate > 0:
            return rate
    raise ConfigurationError(f"{name} must be a number above 0, or None")


def check_timeout(value: object, default: float | None = None) -> float | None:
    """Return a total time in seconds; ``...`` takes the default, None is for ever."""
    if isinstance(value, EllipsisType):
        return default
    return None if value is None else check_seconds("timeout", value)


def check_text(name: str, value: object, longest: int) -> None:
    """Refuse what is not text of 1 to ``longest`` characters with a visible one."""
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        msg = f"{name} must be text of 1 to {longest} characters, not only spaces"
        raise ConfigurationError(msg)
    if not is_unicode(value):
        msg = f"{name} must be valid Unicode text; it holds half a surrogate pair"
        raise ConfigurationError(msg)


def check_label(name: str, value: object) -> None:
    """Refuse what cannot be a page's label: labels are the service's own texts."""
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise ConfigurationError(f"{name} must be a page's label, or None")


def is_unicode(value: str) -> bool:
    """Whether the text can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_texts(name: str, value: object) -> tuple[str, ...]:
    """Return the texts as a tuple; a lone text is refused, None is no texts."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise ConfigurationError(f"{name} must be a list or tuple of texts")
    items = tuple(cast("Iterable[str]", value))
    for item in items:
        check_text(f"each of {name}", item, _LONGEST_WORD)
    return items
