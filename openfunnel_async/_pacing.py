"""When to look again and how long to back off: pure schedules of delays.

In three sentences: from the rows so far and the time they took, guess when the job
will be done. Sleep half the way to that moment, whether it lies ahead or already
behind, but never less than 1.5 s nor more than 6 s. While nothing is known of the
rows, a fifth of the time since the submit stands for the way.
"""

import random
from typing import NamedTuple

import attrs

from openfunnel_async._invalid import ConfigurationError, check_seconds, check_whole

_PRIOR_ROWS = 100
_PRIOR_SECONDS_PER_ROW = 0.2
_ELAPSED_SHARE = 0.2
_SETTLE_FIRST = 2.0
_SETTLE_SHARE = 0.1
_BACKOFF_FIRST = 0.5
_BACKOFF_LONGEST = 8.0


@attrs.frozen(kw_only=True)
class PollPolicy:
    """How a wait paces its looks at a job.

    Attributes:
        share: Part of the way to the expected finish to sleep, above 0.
        shortest: Least seconds between two looks.
        longest: Most seconds between two looks.
        jitter: Every sleep is varied by up to this part of it, 0 to 1.
    """

    __module__ = "openfunnel_async"

    share: float = 0.5
    shortest: float = 1.5
    longest: float = 6.0
    jitter: float = 0.1

    def __attrs_post_init__(self) -> None:
        check_seconds("shortest", self.shortest)
        check_seconds("longest", self.longest, above_zero=True)
        if self.shortest > self.longest:
            raise ConfigurationError("shortest must not be above longest")
        for name, value in (("share", self.share), ("jitter", self.jitter)):
            if not 0 <= check_seconds(name, value) <= 1:
                raise ConfigurationError(f"{name} must be a number from 0 to 1")
        if not self.share:
            raise ConfigurationError("share must be above 0")

    @classmethod
    def fixed(cls, seconds: float) -> "PollPolicy":
        """Look every so many seconds, whatever the job reports."""
        check_seconds("seconds", seconds, above_zero=True)
        return cls(shortest=seconds, longest=seconds, jitter=0.0)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how long a request that may be repeated is repeated.

    Attributes:
        attempts: Most times one call sends its request, the first included.
        outage: Seconds of unbroken failure that a wait or a stream survives.
        max_retry_after: Longest Retry-After to wait for, in seconds; a longer one
            is raised at once.
    """

    __module__ = "openfunnel_async"

    attempts: int = 4
    outage: float = 120.0
    max_retry_after: float = 60.0

    def __attrs_post_init__(self) -> None:
        check_whole("attempts", self.attempts, 1)
        check_seconds("outage", self.outage)
        check_seconds("max_retry_after", self.max_retry_after)


class Clues(NamedTuple):
    """What a pacer may know of a job, all times in seconds before now.

    Attributes:
        since_start: Since the submit, or since the handle first looked.
        since_delivering: Since the job was first seen to deliver; None before.
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
    """Return the seconds between the last answer and the next look, not jittered."""
    if clues.since_cancel is not None:
        delay = max(_SETTLE_FIRST, _SETTLE_SHARE * clues.since_cancel)
    else:
        delay = policy.share * distance(clues)
    return min(max(delay, policy.shortest), policy.longest)


def eta(clues: Clues) -> float | None:
    """Return the seconds until the expected finish, None if nothing can be said.

    Nothing can be said without a limit, before the first rows, after a cancel, and
    once the guess has proved wrong: the moment has passed and rows are missing.
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


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row (1, 2, ...)."""
    ceiling = min(_BACKOFF_LONGEST, _BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
    return ceiling * random.uniform(0.5, 1.0)
