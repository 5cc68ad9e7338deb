"""Check the searches of a batch before they are written into the Book."""

import logging
from collections import Counter
from collections.abc import Iterable

from openfunnel_async._text import escaped
from openfunnel_async._values.checks import (
    check_amount,
    check_seconds,
    check_text,
    check_whole,
)
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async.book._records import BatchOptions
from openfunnel_async.book._requests import PlannedSearch, plan_searches
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import ConfigurationError

_logger = logging.getLogger("openfunnel_async")
_LONGEST_NAME = 200


def plan_batch(
    name: str,
    searches: Iterable[LookalikeSearch],
    most: float | None,
    labels: Iterable[str | None] | None,
) -> list[PlannedSearch]:
    """Return the searches with their keys, if they can be planned.

    Raises:
        ConfigurationError: Something is invalid; nothing was written.
    """
    wanted = _check_searches(searches)
    if most is not None:
        _check_limits(wanted)
    planned = plan_searches(name, wanted, _check_labels(labels, len(wanted)))
    times = Counter(one.request for one in planned)
    for request, number in times.items():
        if number > 1:
            _logger.warning(
                "batch %s has the same search %d times, and each of them is billed: %s",
                escaped(name, 100),
                number,
                escaped(request, 200),
            )
    return planned


def check_name(what: str, name: object) -> str:
    """Return the name of a batch, or a key.

    Raises:
        ConfigurationError: It is no text, empty, too long, or has a control character.
    """
    check_text(what, name, _LONGEST_NAME)
    text = str(name)
    if not text.isprintable():
        raise ConfigurationError(f"{what} must be printable, on one line")
    return text


def check_options(
    max_credits: object, distinct: object, reuse_days: object
) -> BatchOptions:
    """Return the limits of a batch.

    Raises:
        ConfigurationError: One is no number, or too small.
    """
    return BatchOptions(
        None if max_credits is None else check_amount("max_credits", max_credits),
        None if distinct is None else check_whole("distinct", distinct, 1),
        None
        if reuse_days is None
        else check_seconds("reuse_days", reuse_days, above_zero=True),
    )


def check_state(state: EntryState | None) -> tuple[EntryState, ...]:
    """Return the states to look for; none of them means all.

    Raises:
        ConfigurationError: It is no state.
    """
    if state is None:
        return ()
    try:
        return (EntryState(state),)
    except ValueError:
        msg = f"state must be one of {', '.join(EntryState)}"
        raise ConfigurationError(msg) from None


def _check_searches(searches: Iterable[LookalikeSearch]) -> list[LookalikeSearch]:
    if not isinstance(searches, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("searches must be a list of LookalikeSearch values")
    wanted = list(searches)
    if not all(isinstance(search, LookalikeSearch) for search in wanted):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("searches must be LookalikeSearch values")
    if not wanted:
        raise ConfigurationError("searches is empty: a batch needs at least one")
    return wanted


def _check_limits(searches: list[LookalikeSearch]) -> None:
    for place, search in enumerate(searches):
        if search.limit is None:
            msg = (
                f"under a cap every search needs a limit; searches[{place}] has none, "
                "so what it may bill is not known. Nothing was written or sent"
            )
            raise ConfigurationError(msg)


def _check_labels(labels: Iterable[str | None] | None, number: int) -> list[str | None]:
    if labels is None:
        return [None] * number
    if isinstance(labels, str) or not isinstance(labels, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("labels must be a list of texts")
    given = list(labels)
    if len(given) != number:
        msg = f"there are {len(given)} labels for {number} searches; give one for each"
        raise ConfigurationError(msg)
    for label in given:
        if label is not None:
            check_name("each label", label)
    return given
