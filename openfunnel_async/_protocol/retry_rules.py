"""What may be repeated, when, and how much of it a client does: pure decisions.

A submit is repeated only while nothing was sent, or after a 429, which says that
nothing happened. A read is repeated as often as the policy says. A cancel is repeated
for as long as its caller waits: it is the one request that stops a spend, and it costs
nothing. Peers repeat a billed POST after a lost answer; that is the bug this module
exists against. The table is in docs/promises.md.
"""

import random
from http import HTTPStatus

from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.error_replies import is_from_service
from openfunnel_async._transport.wire import FinalTransportError
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async.errors import (
    APIError,
    InvalidResponseError,
    JobNotFoundError,
    OpenFunnelError,
    RateLimitedError,
    ServerError,
    TransportError,
)

_BACKOFF_FIRST = 0.5
_BACKOFF_LONGEST = 8.0
_ALLOWANCE = 20.0
_EARNED = 0.2
_JITTER = 0.1
_SHORTEST_JITTER = 0.1
# While a cancel is not accepted, the job delivers and bills.
_LONGEST_CANCEL_PAUSE = 4.0


class RetryAllowance:
    """The retries that all calls of a client share.

    Five answers earn one retry back, so an outage is met by twenty retries in all
    and not by a storm. A cancel is not charged: it saves money. Nor is a retry at
    the service's own bidding (Retry-After).
    """

    def __init__(self) -> None:
        self.left = _ALLOWANCE

    def spend(self) -> bool:
        """Take one retry, if there is one left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def earn(self) -> None:
        """Note an answer."""
        self.left = min(_ALLOWANCE, self.left + _EARNED)


class Tries:
    """The failures of one call so far, and what they allow next.

    Args:
        kind: What the request does to money.
        policy: How often a submit or a read is tried.
        allowance: The retries that all calls of the client share.
        patience: Seconds for which a submit is tried again after one 429 after the
            other; without it the policy's attempts count.
        job_is_known: Whether an answer about the job was seen, so that a 404 is an
            outage rather than the truth.
    """

    def __init__(
        self,
        kind: Kind,
        policy: RetryPolicy,
        allowance: RetryAllowance,
        *,
        patience: float | None = None,
        job_is_known: bool = False,
    ) -> None:
        self._kind = kind
        self._policy = policy
        self._allowance = allowance
        self._patience = patience
        self._job_is_known = job_is_known
        self._failures = 0
        self._limited_since: float | None = None
        self._unbelieved = {True: 0, False: 0}

    def pause(self, error: OpenFunnelError, now: float) -> float | None:
        """Return the seconds until the next try, or None if there is none.

        Args:
            error: What failed.
            now: The loop's time.
        """
        self._failures += 1
        if not isinstance(error, RateLimitedError):
            self._limited_since = None
        if not self._may_repeat(error):
            return None
        pause = backoff(self._failures)
        if self._kind is Kind.CANCEL:
            pause = min(pause, _LONGEST_CANCEL_PAUSE)
        asked = retry_after_of(error)
        most = self._policy.max_retry_after
        if self._patience is not None and isinstance(error, RateLimitedError):
            if self._limited_since is None:
                self._limited_since = now
            most = self._limited_since + self._patience - now
            pause = min(pause, max(most, 0.0))
            if most <= 0:
                return None
        elif self._has_no_attempt_left():
            return None
        if asked is not None:
            return max(pause, asked) if asked <= most else None
        return pause if self._is_allowed(error) else None

    def _has_no_attempt_left(self) -> bool:
        """Whether the policy's attempts are used; a cancel has its own time limit."""
        is_counted = self._kind is not Kind.CANCEL
        return is_counted and self._failures >= self._policy.attempts

    def _is_allowed(self, error: OpenFunnelError) -> bool:
        """Take one of the shared retries, where this one counts among them."""
        if self._kind is Kind.CANCEL:
            return True
        if self._kind is Kind.SUBMIT and isinstance(error, RateLimitedError):
            # All submits of the client are held back already.
            return True
        return self._allowance.spend()

    def _may_repeat(self, error: OpenFunnelError) -> bool:
        if self._kind is Kind.CANCEL:
            return is_curable(error, job_is_known=self._job_is_known)
        if self._kind is Kind.SIGN_UP:
            return _was_not_sent(error)
        if isinstance(error, InvalidResponseError):
            self._unbelieved[error.is_json] += 1
            return self._kind is Kind.READ and self._unbelieved[error.is_json] == 1
        if self._kind is Kind.SUBMIT and not isinstance(error, RateLimitedError):
            return _was_not_sent(error)
        return is_curable(error, job_is_known=self._job_is_known)


def _was_not_sent(error: OpenFunnelError) -> bool:
    """Whether nothing was sent, and a later try may succeed."""
    is_unsent = isinstance(error, TransportError) and not error.request_sent
    return is_unsent and is_curable(error)


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row (1, 2, ...)."""
    ceiling = min(_BACKOFF_LONGEST, _BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
    return ceiling * random.uniform(0.5, 1.0)


def retry_after_of(error: OpenFunnelError) -> float | None:
    """Return the seconds that the service asked to wait, if it did."""
    return error.retry_after if isinstance(error, APIError) else None


def with_jitter(asked: float) -> float:
    """Return a Retry-After with up to a tenth of it, or 0.1 s, on top.

    Callers that were refused together must not come back together.
    """
    return asked + random.uniform(0.0, max(asked * _JITTER, _SHORTEST_JITTER))


def is_curable(error: OpenFunnelError, *, job_is_known: bool = False) -> bool:
    """Whether the same request may well be answered a little later.

    Args:
        error: What failed.
        job_is_known: Whether an answer about the job was seen. A 404 is then an
            outage, as the service does not forget jobs; one that the service did not
            write (no JSON) always is.
    """
    if isinstance(error, JobNotFoundError):
        return job_is_known or not is_from_service(error)
    if isinstance(error, TransportError):
        return not isinstance(error, FinalTransportError)
    if isinstance(error, InvalidResponseError):
        return not error.is_json
    return isinstance(error, (RateLimitedError, ServerError)) or (
        isinstance(error, APIError) and error.status_code == HTTPStatus.REQUEST_TIMEOUT
    )
