"""The pace: how many seconds to leave between an answer and the next poll.

In three sentences: from the rows so far and the time that they took, the expected
finish of the job is guessed. The delay is half of the distance to that moment, before
or after it, but at least 1.5 s and at most 6 s. While the limit is not known, a fifth
of the elapsed time is taken as the distance.
"""

import random
from typing import NamedTuple

from openfunnel_async._values.policies import PollPolicy

_PRIOR_ROWS = 100
_PRIOR_SECONDS_PER_ROW = 0.2
_ELAPSED_SHARE = 0.2
_SETTLE_FIRST = 2.0
_SETTLE_SHARE = 0.1


class Clues(NamedTuple):
    """What the pace depends on, all times in seconds before now.

    Attributes:
        since_start: Since the submit, or since the first answer.
        since_delivering: Since an answer first stated delivered rows; None before.
        since_progress: Since ``processed`` last grew.
        since_cancel: Since a cancel was accepted; None if none was.
        processed: Rows delivered so far.
        limit: Rows asked for.
    """

    since_start: float = 0.0
    since_delivering: float | None = None
    since_progress: float = 0.0
    since_cancel: float | None = None
    processed: int = 0
    limit: int | None = None


def poll_delay(policy: PollPolicy, clues: Clues) -> float:
    """Return the seconds between the last answer and the next poll, not jittered."""
    if clues.since_cancel is not None:
        delay = max(_SETTLE_FIRST, _SETTLE_SHARE * clues.since_cancel)
    else:
        delay = policy.share * distance(clues)
    return min(max(delay, policy.shortest), policy.longest)


def eta(clues: Clues) -> float | None:
    """Return the seconds until the expected finish, None if nothing can be said.

    Nothing can be said without a limit, before the first rows, after a cancel, and
    once the guess was wrong: the moment has passed and rows are missing.
    """
    if clues.limit is None or not clues.processed or clues.since_cancel is not None:
        return None
    if clues.processed >= clues.limit:
        return 0.0
    ahead = _until_finish(clues, clues.limit)
    return ahead if ahead > 0 else None


def distance(clues: Clues) -> float:
    """Return how many seconds the expected finish lies ahead or behind."""
    if clues.limit is None:
        return _ELAPSED_SHARE * clues.since_start
    return abs(_until_finish(clues, clues.limit))


def _until_finish(clues: Clues, limit: int) -> float:
    """Return the seconds until the expected finish, negative once it has passed."""
    took = (clues.since_delivering or 0.0) - clues.since_progress
    rate = (_PRIOR_SECONDS_PER_ROW * _PRIOR_ROWS + took) / (
        _PRIOR_ROWS + clues.processed
    )
    return max(0, limit - clues.processed) * rate - clues.since_progress


def jittered(delay: float, jitter: float) -> float:
    """Vary a delay by up to the part ``jitter`` of it, either way."""
    return delay * random.uniform(1 - jitter, 1 + jitter) if jitter else delay
