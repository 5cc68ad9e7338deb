"""How often a client polls, and how often it repeats a request."""

import attrs

from openfunnel_async._values.checks import check_seconds, check_whole
from openfunnel_async._values.json_form import Value
from openfunnel_async.errors import ConfigurationError


@attrs.frozen(kw_only=True)
class PollPolicy(Value):
    """How often a job is polled while the caller waits.

    Attributes:
        share: Fraction of the time to the expected end after which the next poll
            follows, above 0 and at most 1.
        shortest: Least seconds between two polls.
        longest: Most seconds between two polls.
        jitter: Every pause is varied at random by up to this fraction, 0 to 1.
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
        """Poll at a fixed interval, whatever the job reports."""
        check_seconds("seconds", seconds, above_zero=True)
        return cls(shortest=seconds, longest=seconds, jitter=0.0)


@attrs.frozen(kw_only=True)
class RetryPolicy(Value):
    """How often, and for how long, a request that may be repeated is repeated.

    Attributes:
        attempts: Most times one call sends its request, including the first. The 429s
            of a submit count anew once the service has accepted another submit.
        outage: Seconds of unbroken failure after which a wait or a stream fails.
        max_retry_after: Longest Retry-After to wait for, in seconds; if it is longer,
            the error is raised at once.
    """

    __module__ = "openfunnel_async"

    attempts: int = 4
    outage: float = 120.0
    max_retry_after: float = 60.0

    def __attrs_post_init__(self) -> None:
        check_whole("attempts", self.attempts, 1)
        check_seconds("outage", self.outage)
        check_seconds("max_retry_after", self.max_retry_after)
