"""The events of one call: each attempt, its failure, and the pause after it."""

import asyncio

from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.event_emitter import EventEmitter
from openfunnel_async._protocol.retry_rules import retry_after_of
from openfunnel_async._transport.wire import WireRequest
from openfunnel_async.errors import APIError, OpenFunnelError, RateLimitedError


class RequestEvents:
    """Emit the events of one call.

    Args:
        emitter: Delivers them.
        kind: The effect of the request.
        request: The request; its method and path are public, its headers are not.
        job_id: The job it is about, if any.
    """

    __slots__ = ("_attempt", "_emitter", "_job_id", "_kind", "_request", "_sent_at")

    def __init__(
        self,
        emitter: EventEmitter,
        kind: Kind,
        request: WireRequest,
        job_id: str | None,
    ) -> None:
        self._emitter = emitter
        self._kind = kind.value
        self._request = request
        self._job_id = job_id
        self._attempt = 0
        self._sent_at: float | None = None

    def begin(self) -> None:
        """Count an attempt; its request may still have to wait."""
        self._attempt += 1
        self._sent_at = None

    def note_sent(self) -> None:
        """Report that the request is given to the transport."""
        self._sent_at = asyncio.get_running_loop().time()
        self._emitter.emit(
            "RequestSent",
            self._job_id,
            kind=self._kind,
            method=self._request.method,
            path=self._request.path,
            attempt=self._attempt,
        )

    def note_failed(self, error: OpenFunnelError) -> None:
        """Report the failure of the attempt, and a pause that it asks for."""
        sent_at, now = self._sent_at, asyncio.get_running_loop().time()
        status = error.status_code if isinstance(error, APIError) else None
        self._emitter.emit(
            "RequestFailed",
            self._job_id,
            kind=self._kind,
            attempt=self._attempt,
            seconds=None if sent_at is None else now - sent_at,
            error=str(error),
            status_code=status if sent_at is not None else None,
        )

    def note_throttled(self, seconds: float, error: OpenFunnelError) -> None:
        """Report that the service asks to wait."""
        self._emitter.emit(
            "Throttled",
            self._job_id,
            kind=self._kind,
            seconds=seconds,
            error=str(error),
        )

    def note_retry(self, seconds: float, error: OpenFunnelError) -> None:
        """Report that the request is sent again after a pause."""
        asked = retry_after_of(error)
        if asked is not None or isinstance(error, RateLimitedError):
            self.note_throttled(seconds if asked is None else asked, error)
        self._emitter.emit(
            "RetryScheduled",
            self._job_id,
            kind=self._kind,
            seconds=seconds,
            error=str(error),
        )
