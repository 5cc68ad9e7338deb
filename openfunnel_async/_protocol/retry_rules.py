"""Which requests may be repeated, when, and how often: pure decisions.

A submit is repeated only while nothing was sent, or after a 429, which means that no
job was started. A sign-up or a verification is repeated only while nothing was sent. A
read is repeated as often as the policy allows. A cancel is repeated for as long as its
caller waits: it is the one request that stops a spend, and it costs nothing.

The table is in docs/explanation/money-and-cancellation.md, "What may be repeated".
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
# Until a cancel is accepted, the job delivers rows and bills them.
_LONGEST_CANCEL_PAUSE = 4.0


class RetryAllowance:
    """The retries that all calls of a client share.

    There are twenty, and five answers add one again, so an outage causes no flood of
    requests. Three kinds of retries are not counted: those of a cancel, which saves
    money; those for which the service named a time (Retry-After); and those of a submit
    after a 429, which the throttle delays.
    """

    def __init__(self) -> None:
        self.left = _ALLOWANCE

    def spend(self) -> bool:
        """Take one retry; return False if none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def earn(self) -> None:
        """Record an answer, which adds a fifth of a retry."""
        self.left = min(_ALLOWANCE, self.left + _EARNED)


class Tries:
    """The failures of one call so far, and whether it may be tried again.

    Args:
        kind: The effect of the request.
        policy: How often a submit or a read is tried.
        allowance: The retries that all calls of the client share.
        rate_limit_timeout: Seconds of unbroken 429s after which a submit fails; without
            it the policy's attempts count.
        job_is_known: Whether an answer about the job was read, so that a 404 is an
            outage and does not mean that there is no job.
    """

    def __init__(
        self,
        kind: Kind,
        policy: RetryPolicy,
        allowance: RetryAllowance,
        *,
        rate_limit_timeout: float | None = None,
        job_is_known: bool = False,
    ) -> None:
        self._kind = kind
        self._policy = policy
        self._allowance = allowance
        self._rate_limit_timeout = rate_limit_timeout
        self._job_is_known = job_is_known
        self._failures = 0
        self._refusals = 0
        self._others_accepted = 0
        self._limited_since: float | None = None
        self._invalid_answers = {True: 0, False: 0}

    def pause(
        self, error: OpenFunnelError, now: float, others_accepted: int = 0
    ) -> float | None:
        """Return the seconds until the next try, or None if there is none.

        Args:
            error: The failure.
            now: The loop's time.
            others_accepted: How many submits of the client the service has accepted.
        """
        self._count(error, others_accepted)
        if not self._may_repeat(error):
            return None
        pause = backoff(self._failures + self._refusals)
        if self._kind is Kind.CANCEL:
            pause = min(pause, _LONGEST_CANCEL_PAUSE)
        asked = retry_after_of(error)
        most = self._policy.max_retry_after
        if self._rate_limit_timeout is not None and isinstance(error, RateLimitedError):
            if self._limited_since is None:
                self._limited_since = now
            most = self._limited_since + self._rate_limit_timeout - now
            pause = min(pause, max(most, 0.0))
            if most <= 0:
                return None
        elif self._has_no_attempt_left():
            return None
        if asked is not None:
            return max(pause, asked) if asked <= most else None
        return pause if self._is_allowed(error) else None

    def _count(self, error: OpenFunnelError, others_accepted: int) -> None:
        """Count a failure.

        Of the submits that wait together, one is refused in each second of the limit,
        and it may be the same one every time. So the refusals of a submit count from
        the last moment at which the service accepted another one.
        """
        if not isinstance(error, RateLimitedError):
            self._limited_since = None
            self._failures += 1
            return
        if self._kind is Kind.SUBMIT and others_accepted != self._others_accepted:
            self._others_accepted = others_accepted
            self._limited_since = None
            self._refusals = 0
        self._refusals += 1

    def _has_no_attempt_left(self) -> bool:
        """Whether the policy's attempts are used up; a cancel has none."""
        is_counted = self._kind is not Kind.CANCEL
        return is_counted and self._failures + self._refusals >= self._policy.attempts

    def _is_allowed(self, error: OpenFunnelError) -> bool:
        """Take one of the shared retries, if this retry counts."""
        if self._kind is Kind.CANCEL:
            return True
        if self._kind is Kind.SUBMIT and isinstance(error, RateLimitedError):
            # The throttle already delays all submits of the client.
            return True
        return self._allowance.spend()

    def _may_repeat(self, error: OpenFunnelError) -> bool:
        if self._kind is Kind.CANCEL:
            return is_curable(error, job_is_known=self._job_is_known)
        if self._kind is Kind.SIGN_UP:
            return _was_not_sent(error)
        if isinstance(error, InvalidResponseError):
            self._invalid_answers[error.is_json] += 1
            return self._kind is Kind.READ and self._invalid_answers[error.is_json] == 1
        if self._kind is Kind.SUBMIT and not isinstance(error, RateLimitedError):
            return _was_not_sent(error)
        return is_curable(error, job_is_known=self._job_is_known)


def _was_not_sent(error: OpenFunnelError) -> bool:
    """Whether nothing was sent, and a later try may succeed."""
    is_unsent = isinstance(error, TransportError) and not error.request_sent
    return is_unsent and is_curable(error)


def backoff(failures: int) -> float:
    """Return the seconds to wait after a number of failures in a row (1, 2, ...)."""
    ceiling = min(_BACKOFF_LONGEST, _BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
    return ceiling * random.uniform(0.5, 1.0)


def retry_after_of(error: OpenFunnelError) -> float | None:
    """Return the seconds that the service asked to wait, if it did."""
    return error.retry_after if isinstance(error, APIError) else None


def with_jitter(asked: float) -> float:
    """Return a Retry-After with a random addition of up to a tenth, at least 0.1 s.

    Callers that were refused at the same time must not send again at the same time.
    """
    return asked + random.uniform(0.0, max(asked * _JITTER, _SHORTEST_JITTER))


def is_curable(error: OpenFunnelError, *, job_is_known: bool = False) -> bool:
    """Whether the same request may succeed later.

    Args:
        error: The failure.
        job_is_known: Whether an answer about the job was read. A 404 is then an
            outage, because the service does not forget jobs. A 404 that the service did
            not write (no JSON) is always an outage.
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
