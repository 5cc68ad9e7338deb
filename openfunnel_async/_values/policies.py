"""How a client paces its polls and repeats its requests."""

import attrs

from openfunnel_async._values.checks import check_seconds, check_whole
from openfunnel_async.errors import ConfigurationError


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
