"""Stop a job that delivers too few new companies: a pure rule."""

from collections import deque
from collections.abc import Iterable

import attrs

from openfunnel_async._values.checks import check_amount, check_whole
from openfunnel_async.errors import ConfigurationError


@attrs.frozen
class StopRule:
    """When a job is cancelled because too few of its companies are new.

    Attributes:
        min_share: The least share of new companies, 0.0 to 1.0.
        over: Over how many of the last rows.
    """

    min_share: float
    over: int


def check_stop_rule(min_new_share: object, over: object) -> StopRule | None:
    """Return the rule; None if there is none.

    Raises:
        ConfigurationError: The share is not between 0 and 1, or the number is too low.
    """
    number = check_whole("over", over, 1)
    if min_new_share is None:
        return None
    share = check_amount("min_new_share", min_new_share)
    if not 0 < share <= 1:
        raise ConfigurationError("min_new_share must be above 0 and at most 1")
    return StopRule(share, number)


class LastRows:
    """Which of the last rows of a job were new companies.

    Args:
        rule: The rule.
    """

    def __init__(self, rule: StopRule) -> None:
        self._rule = rule
        self._is_new: deque[bool] = deque(maxlen=rule.over)

    def note(self, is_new: Iterable[bool]) -> bool:
        """Note rows; return whether the job is to be cancelled by now."""
        self._is_new.extend(is_new)
        is_full = len(self._is_new) == self._rule.over
        return is_full and sum(self._is_new) < self._rule.min_share * self._rule.over
