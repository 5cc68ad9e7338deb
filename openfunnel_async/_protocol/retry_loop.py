"""Send calls, and repeat those that may be repeated: the only module that does."""

import asyncio
import contextlib
import copy
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import anyio

from openfunnel_async._protocol.endpoints import Call, Kind
from openfunnel_async._protocol.event_emitter import EventEmitter
from openfunnel_async._protocol.request_events import RequestEvents
from openfunnel_async._protocol.retry_rules import (
    RetryAllowance,
    Tries,
    backoff,
    retry_after_of,
    with_jitter,
)
from openfunnel_async._protocol.submit_throttle import SubmitThrottle
from openfunnel_async._text import error_text, escaped
from openfunnel_async._transport.key_echo import KeyEcho
from openfunnel_async._transport.time_limit import Limit, TimeLimit, current_task
from openfunnel_async._transport.wire import (
    API_KEY_HEADER,
    Headers,
    SecretText,
    SendProgress,
    Transport,
    WireReply,
    WireRequest,
)
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async.errors import (
    APIError,
    ConfigurationError,
    InvalidResponseError,
    OpenFunnelError,
    RateLimitedError,
    RequestTimeoutError,
    TransportError,
)

T = TypeVar("T")
_MOST_CONCURRENT = 100
_LONGEST_QUOTE = 300
_MAY_BE_REPEATED = (TransportError, APIError, InvalidResponseError)
OnStall = Callable[[Kind, float, OpenFunnelError], None]
OnFailure = Callable[[OpenFunnelError], None]


def ignore(_error: OpenFunnelError) -> None:
    """Do nothing about a failure after which the call is repeated."""


class Caller:
    """Sends calls with the API key, a time limit and retries.

    Args:
        transport: Carries the requests; it is not closed.
        key: The API key; None for requests that need none.
        retry: How often a call is repeated.
        request_timeout: Seconds for each exchange.
        emitter: Delivers the events; by default only to the logger.
    """

    def __init__(
        self,
        transport: Transport,
        key: SecretText | None,
        retry: RetryPolicy,
        request_timeout: float,
        emitter: EventEmitter | None = None,
    ) -> None:
        self.emitter: EventEmitter = EventEmitter() if emitter is None else emitter
        self._transport = transport
        self._key = key
        self._retry = retry
        self._limits = TimeLimit(request_timeout)
        self._allowance = RetryAllowance()
        self._throttle = SubmitThrottle(retry.max_retry_after)
        # Each kind waits in the order of arrival. A cancel, which stops a spend, never
        # waits for a submit or a read.
        self._gates = {kind: asyncio.Semaphore(_MOST_CONCURRENT) for kind in Kind}
        self._echo = KeyEcho(key)
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Send nothing any more, also over a transport that others still use."""
        self._closed.set()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ConfigurationError("the client is closed; make a new one")

    def with_emitter(self, emitter: EventEmitter) -> "Caller":
        """Return a caller with other events; all limits are shared with this one."""
        other = copy.copy(self)
        other.emitter = emitter
        return other

    async def call(  # noqa: PLR0913 -- one positional argument, the options by name
        self,
        call: Call[T],
        *,
        progress: SendProgress | None = None,
        on_stall: OnStall | None = None,
        on_failure: OnFailure = ignore,
        is_wanted: Callable[[], bool] = lambda: True,
        rate_limit_timeout: float | None = None,
        job_is_known: bool = False,
        job_id: str | None = None,
    ) -> T:
        """Send the call until it has an answer, or an error that is final.

        Args:
            call: What to send and how to read the answer.
            progress: Records how far the current exchange has come.
            on_stall: Called for each pause that the service asks for, with the kind
                of request, the time at which the pause ends, and the error.
            on_failure: Called with each error after which the call is repeated.
            is_wanted: Whether the caller still wants the call to be sent.
            rate_limit_timeout: Seconds of unbroken 429s after which a submit fails;
                without it the policy's attempts count.
            job_is_known: Whether a 404 about the job is an outage.
            job_id: The job, for the events.

        Cancellation: passes through; the current exchange is closed.
        """
        tries: Tries | None = None
        events = self._events_of(call, job_id)
        while True:
            if events is not None:
                events.begin()
            try:
                answer = await self._send(
                    call, progress, rate_limit_timeout, is_wanted, events
                )
            except OpenFunnelError as exc:
                if events is not None:
                    events.note_failed(exc)
                if not isinstance(exc, _MAY_BE_REPEATED):
                    raise
                error = exc
            else:
                self._allowance.earn()
                return answer
            tries = tries or Tries(
                call.kind,
                self._retry,
                self._allowance,
                rate_limit_timeout=rate_limit_timeout,
                job_is_known=job_is_known,
            )
            now, accepted = asyncio.get_running_loop().time(), self._throttle.accepted
            pause = tries.pause(error, now, accepted)
            if pause is None or not is_wanted():
                raise error
            on_failure(error)
            if events is not None:
                events.note_retry(pause, error)
            if progress is not None:
                # A repeated submit had no effect: nothing was sent, or a 429 came.
                progress.was_sent = False
            await wait_after(call.kind, pause, error, on_stall)

    def _events_of(self, call: Call[T], job_id: str | None) -> RequestEvents | None:
        """Return the events of a call; None if nothing receives them."""
        if not self.emitter.is_wanted("RequestSent"):
            return None
        return RequestEvents(self.emitter, call.kind, call.request, job_id)

    def _send(
        self,
        call: Call[T],
        progress: SendProgress | None,
        rate_limit_timeout: float | None,
        is_wanted: Callable[[], bool],
        events: RequestEvents | None,
    ) -> Awaitable[T]:
        """Send once; a submit waits until the throttle lets it through."""
        if call.kind is not Kind.SUBMIT:
            return self._once(call, SendProgress(), events)
        return self._submit_in_turn(
            call, progress, rate_limit_timeout, is_wanted, events
        )

    async def _submit_in_turn(
        self,
        call: Call[T],
        progress: SendProgress | None,
        rate_limit_timeout: float | None,
        is_wanted: Callable[[], bool],
        events: RequestEvents | None,
    ) -> T:
        on_delay = None if events is None else events.note_throttled
        async with self._throttle.turn(rate_limit_timeout, on_delay):
            if not is_wanted():
                raise TransportError(
                    "the submit was withdrawn; nothing was sent", False
                )
            try:
                answer = await self._once(call, progress or SendProgress(), events)
            except RateLimitedError as exc:
                asked = retry_after_of(exc)
                self._throttle.delay_all(exc, backoff(1) if asked is None else asked)
                raise
            self._throttle.accepted += 1
            return answer

    async def _once(
        self,
        call: Call[T],
        progress: SendProgress,
        events: RequestEvents | None = None,
    ) -> T:
        """Send once, so that every failure has a known meaning.

        There are three cases. An error that the reader of a reply raises on purpose is
        raised unchanged. The end of the time limit, and every other exception, become a
        TransportError. If the request may have been sent and the call has a ``lost``,
        the error that this returns is raised in place of the TransportError.
        """
        failed: OpenFunnelError
        reply: WireReply | None = None
        task = current_task()
        if task.cancelling():
            # A cancellation that is pending is raised here, before anything is sent.
            await asyncio.sleep(0)
        cancels = task.cancelling()
        async with self._gates[call.kind]:
            self._check_open()
            if events is not None:
                events.note_sent()
            progress.begin()
            limit = self._limits.begin(task)
            if call.kind is Kind.READ:
                progress.when_received(limit.received)
            try:
                with limit:
                    reply = await self._exchange(call.request, progress, task)
                return call.read(reply)
            except OpenFunnelError as exc:
                if reply is not None or isinstance(exc, ConfigurationError):
                    raise
                _raise_if_cancelled(task, cancels)
                failed = self._as_transport_error(exc, limit, progress, None)
            except Exception as exc:  # noqa: BLE001 -- a seam: anything must become a known outcome
                if reply is None:
                    _raise_if_cancelled(task, cancels)
                failed = self._as_transport_error(exc, limit, progress, reply)
            finally:
                progress.finish()
                if progress.partial is not None:
                    progress.partial = self._echo.remove_from_reply(progress.partial)
        if call.lost is not None and failed.request_sent:
            # The failure may quote what the new error hides: no frame keeps it.
            failed = call.lost(failed, reply or progress.partial)
        raise failed

    async def _exchange(
        self, request: WireRequest, progress: SendProgress, task: asyncio.Task[object]
    ) -> WireReply:
        """Send with the key, and remove the key from the reply."""
        sent = self._transport.send(self._keyed(request, progress))
        cancels = task.cancelling()
        try:
            # A user's transport may return a value of any type.
            reply = cast("object", await sent)
        except asyncio.CancelledError:
            if task.cancelling() > cancels:
                raise
            # Nobody has cancelled this task. A session that is closed, for example,
            # cancels the requests that wait for a connection.
            msg = "the transport cancelled the exchange"
            raise RuntimeError(msg) from None
        if not isinstance(reply, WireReply):
            raise TypeError(f"the transport returned no WireReply: {type(reply)}")
        return self._echo.remove_from_reply(reply)

    def _as_transport_error(
        self,
        exc: Exception,
        limit: Limit,
        progress: SendProgress,
        reply: WireReply | None,
    ) -> TransportError:
        """Describe an exception in a TransportError.

        A foreign exception is not chained: its frames and its values may contain the
        request's headers. Only the texts among its arguments are shown.
        """
        if isinstance(exc, TransportError) and _is_sound(exc):
            return exc
        sent = reply is not None or progress.may_be_sent
        if isinstance(exc, TimeoutError) and limit.has_expired:
            missing = "more of the answer" if limit.was_extended else "complete answer"
            msg = f"no {missing} within {self._limits.seconds:g} s"
            return RequestTimeoutError(msg, sent)
        shown = escaped(self._echo.remove_from_text(error_text(exc)), _LONGEST_QUOTE)
        return TransportError(f"the exchange failed ({shown})", sent)

    def _keyed(self, request: WireRequest, progress: SendProgress) -> WireRequest:
        """Add the key, if there is one, for the moment of sending."""
        headers = Headers(request.headers)
        if self._key is not None:
            headers[API_KEY_HEADER] = self._key
        return WireRequest(
            method=request.method,
            origin=request.origin,
            path=request.path,
            query=request.query,
            headers=headers,
            body=request.body,
            fresh_connection=request.fresh_connection,
            progress=progress,
        )


def _is_sound(error: TransportError) -> bool:
    """Whether an error, which a user's transport may have made, has its facts.

    A class without the ``__init__`` of its base has none: to show it would raise.
    """
    with contextlib.suppress(Exception):
        facts: tuple[object, str] = (error.request_sent, str(error))
        return facts[0] is True or facts[0] is False
    return False


def _raise_if_cancelled(task: asyncio.Task[object], cancels: int) -> None:
    """Raise the cancellation that a transport turned into an exception of its own."""
    if task.cancelling() > cancels:
        raise asyncio.CancelledError from None


async def wait_after(
    kind: Kind, pause: float, error: OpenFunnelError, on_stall: OnStall | None = None
) -> None:
    """Sleep after a failure, unless the service asks for more than is left.

    Raises:
        OpenFunnelError: The failure itself, if its Retry-After ends after the
            caller's deadline.
    """
    asked = retry_after_of(error)
    if asked is not None:
        until = asyncio.get_running_loop().time() + asked
        # A submit and a cancel run in tasks of the client, which have no deadline.
        if kind is Kind.READ and until > anyio.current_effective_deadline():
            raise error
        if on_stall is not None:
            on_stall(kind, until, error)
        pause = max(pause, with_jitter(asked))
    await asyncio.sleep(pause)
