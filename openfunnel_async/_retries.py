"""What may be repeated, when, and how much of it a client does: pure decisions.

The table is design.md's, "Money and truth". A submit is repeated only while nothing
was sent, or after a 429; a cancel and a read may always be repeated. Peers repeat a
billed POST after a lost answer; that is the bug this module exists against.
"""

from http import HTTPStatus

from openfunnel_async._endpoints import Kind
from openfunnel_async._pacing import RetryPolicy, backoff
from openfunnel_async._wire import UntrustedCertificateError
from openfunnel_async.errors import (
    APIError,
    InvalidResponseError,
    OpenFunnelError,
    RateLimitedError,
    ServerError,
    TransportError,
)

_BUDGET = 20.0
_EARNED = 0.2


class RetryBudget:
    """The retries that all calls of a client share.

    Five answers earn one retry back, so an outage is met by twenty retries in all
    and not by a storm. A cancel is not charged: it saves money. Nor is a retry at
    the service's own bidding (Retry-After).
    """

    def __init__(self) -> None:
        self.left = _BUDGET

    def spend(self) -> bool:
        """Take one retry, if there is one left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def earn(self) -> None:
        """Note an answer."""
        self.left = min(_BUDGET, self.left + _EARNED)


class Tries:
    """The failures of one call so far, and what they allow next."""

    def __init__(self, kind: Kind, policy: RetryPolicy, budget: RetryBudget) -> None:
        self._kind = kind
        self._policy = policy
        self._budget = budget
        self._failures = 0
        self._unbelieved = {True: 0, False: 0}

    def pause(self, error: OpenFunnelError) -> float | None:
        """Return the seconds until the next try, or None if there is none."""
        self._failures += 1
        if not self._may_repeat(error) or self._failures >= self._policy.attempts:
            return None
        pause = backoff(self._failures)
        asked = retry_after_of(error)
        if asked is not None:
            return max(pause, asked) if asked <= self._policy.max_retry_after else None
        if self._kind is not Kind.CANCEL and not self._budget.spend():
            return None
        return pause

    def _may_repeat(self, error: OpenFunnelError) -> bool:
        if isinstance(error, InvalidResponseError):
            self._unbelieved[error.is_json] += 1
            return self._kind is Kind.READ and self._unbelieved[error.is_json] == 1
        if self._kind is Kind.SUBMIT and not isinstance(error, RateLimitedError):
            return is_curable(error) and not getattr(error, "request_sent", True)
        return is_curable(error)


def retry_after_of(error: OpenFunnelError) -> float | None:
    """Return the seconds that the service asked to wait, if it did."""
    return error.retry_after if isinstance(error, APIError) else None


def is_curable(error: OpenFunnelError) -> bool:
    """Whether the same request may well be answered a little later."""
    if isinstance(error, TransportError):
        return not isinstance(error, UntrustedCertificateError)
    if isinstance(error, InvalidResponseError):
        return not error.is_json
    return isinstance(error, (RateLimitedError, ServerError)) or (
        isinstance(error, APIError) and error.status_code == HTTPStatus.REQUEST_TIMEOUT
    )
