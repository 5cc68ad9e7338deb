"""Send calls and repeat those that may be repeated: the only place that does.

The table of design.md, "Money and truth": a submit is repeated only while nothing
was sent, or after a 429; a cancel and a read may always be repeated. Peers repeat
a billed POST after a lost answer; that is the bug this module exists against.
"""

import random
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import anyio
import attrs

from openfunnel_async._endpoints import Call, Kind
from openfunnel_async._pacing import RetryPolicy, backoff
from openfunnel_async._wire import (
    API_KEY_HEADER,
    CutReplyError,
    Headers,
    SecretText,
    SendProgress,
    Transport,
    UntrustedCertificateError,
    WireRequest,
)
from openfunnel_async.errors import (
    APIError,
    InvalidResponseError,
    OpenFunnelError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)

T = TypeVar("T")
OnStall = Callable[[float, OpenFunnelError], None]


class Caller:
    """Give each call its key, its time and its retries."""

    def __init__(
        self,
        transport: Transport,
        key: SecretText,
        retry: RetryPolicy,
        request_timeout: float,
    ) -> None:
        self._transport = transport
        self._key = key
        self._retry = retry
        self._request_timeout = request_timeout
        self._rng = random.Random()

    async def call(
        self,
        call: Call[T],
        *,
        outage: float | None = None,
        progress: SendProgress | None = None,
        on_stall: OnStall | None = None,
    ) -> T:
        """Send the call until it has an answer, or an error that is final.

        Args:
            call: What to send and how to read the answer.
            outage: Seconds of unbroken failure to survive; without it the
                policy's number of attempts counts.
            progress: Filled in with how far the exchange under way has come.
            on_stall: Told of each pause: the moment it ends, and its cause.

        Cancellation: passes through; the exchange under way is closed.
        """
        tries = _Tries(self._retry, outage, anyio.current_time())
        while True:
            try:
                return await self._once(call, progress or SendProgress())
            except (TransportError, APIError, InvalidResponseError) as exc:
                error = exc
            pause = tries.pause(call.kind, error, self._rng)
            if pause is None:
                raise error
            until = anyio.current_time() + pause
            if (
                isinstance(error, RateLimitedError)
                and until > anyio.current_effective_deadline()
            ):
                raise error
            if on_stall is not None:
                on_stall(until, error)
            await anyio.sleep(pause)

    async def _once(self, call: Call[T], progress: SendProgress) -> T:
        progress.begin()
        failed: TransportError | None = None
        try:
            with anyio.fail_after(self._request_timeout):
                reply = await self._transport.send(self._keyed(call.request, progress))
        except TransportError as exc:
            failed = exc
        except TimeoutError:
            failed = self._timed_out(progress)
        else:
            return call.read(reply)
        finally:
            progress.finish()
        if call.kind is Kind.SUBMIT and failed.request_sent:
            raise call.lost(failed)
        raise _plain(failed)

    def _keyed(self, request: WireRequest, progress: SendProgress) -> WireRequest:
        headers = Headers({**request.headers, API_KEY_HEADER: self._key})
        return attrs.evolve(request, headers=headers, progress=progress)

    def _timed_out(self, progress: SendProgress) -> TransportError:
        msg = f"no complete answer within {self._request_timeout:g} s"
        return RequestTimeoutError(msg, progress.may_be_sent)


def _plain(error: TransportError) -> TransportError:
    """Return the error as the public tree has it, without the broken reply."""
    if isinstance(error, CutReplyError):
        return TransportError(error.message, error.request_sent)
    return error


class _Tries:
    """The failures of one call so far, and what they allow next."""

    def __init__(self, policy: RetryPolicy, outage: float | None, now: float) -> None:
        self._policy = policy
        self._outage = outage
        self._since = now
        self._failures = 0
        self._unbelieved = 0

    def pause(
        self, kind: Kind, error: OpenFunnelError, rng: random.Random
    ) -> float | None:
        """Return the seconds until the next try, or None if there is none."""
        self._failures += 1
        if isinstance(error, InvalidResponseError):
            self._unbelieved += 1
        if not self._may_repeat(kind, error):
            return None
        pause = backoff(self._failures, rng)
        if isinstance(error, APIError) and error.retry_after is not None:
            if error.retry_after > self._policy.max_retry_after:
                return None
            pause = max(pause, error.retry_after)
        if self._outage is None:
            return pause if self._failures < self._policy.attempts else None
        left = self._since + self._outage - anyio.current_time()
        return pause if left > 0 else None

    def _may_repeat(self, kind: Kind, error: OpenFunnelError) -> bool:
        if isinstance(error, UntrustedCertificateError):
            return False
        if isinstance(error, TransportError):
            return kind is not Kind.SUBMIT or not error.request_sent
        if isinstance(error, RateLimitedError):
            return True
        if isinstance(error, InvalidResponseError):
            survives = self._outage is not None and not error.is_json
            return kind is Kind.READ and (survives or self._unbelieved == 1)
        return kind is not Kind.SUBMIT and (
            isinstance(error, ServerError)
            or (
                isinstance(error, APIError)
                and error.status_code == HTTPStatus.REQUEST_TIMEOUT
            )
        )


def hide(key: SecretText) -> Callable[[str], str]:
    """Return what takes the key out of a text."""
    return lambda text: text.replace(key, "<hidden>")
