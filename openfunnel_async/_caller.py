"""Send calls and repeat those that may be repeated: the only place that does."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import anyio
import attrs

from openfunnel_async._endpoints import Call, Kind
from openfunnel_async._pacing import RetryPolicy
from openfunnel_async._retries import RetryBudget, Tries, retry_after_of
from openfunnel_async._time_limit import TimeLimit
from openfunnel_async._wire import (
    API_KEY_HEADER,
    Headers,
    SecretText,
    SendProgress,
    Transport,
    WireReply,
    WireRequest,
)
from openfunnel_async.errors import (
    APIError,
    InvalidResponseError,
    OpenFunnelError,
    RequestTimeoutError,
    TransportError,
)

T = TypeVar("T")
_SHORTEST_REAL_KEY = 16
_READS_AT_ONCE = 100
# An escape of a visible ASCII character, which no writer of JSON needs.
_ESCAPED = re.compile(rb"\\(?:u00[2-7]|/)")
OnStall = Callable[[Kind, float, OpenFunnelError], None]


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
        self._limits = TimeLimit(request_timeout)
        self._budget = RetryBudget()
        # In the order of coming; what stops or caps a spend never stands behind it.
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)
        self._echo = re.compile(b"".join(map(_raw_or_escaped, key)))

    async def call(
        self,
        call: Call[T],
        *,
        progress: SendProgress | None = None,
        on_stall: OnStall | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> T:
        """Send the call until it has an answer, or an error that is final.

        Args:
            call: What to send and how to read the answer.
            progress: Filled in with how far the exchange under way has come.
            on_stall: Told of each pause that the service asks for: for which kind,
                the moment it ends, and the error that asked.
            is_wanted: Whether to try again is still wanted.

        Cancellation: passes through; the exchange under way is closed.
        """
        tries: Tries | None = None
        while True:
            try:
                if call.kind is Kind.READ:
                    async with self._reading:
                        answer = await self._once(call, SendProgress())
                else:
                    answer = await self._once(call, progress or SendProgress())
            except (TransportError, APIError, InvalidResponseError) as exc:
                error = exc
            else:
                self._budget.earn()
                return answer
            tries = tries or Tries(call.kind, self._retry, self._budget)
            pause = tries.pause(error)
            if pause is None or not is_wanted():
                raise error
            await sit_out(call.kind, pause, error, on_stall)

    async def _once(self, call: Call[T], progress: SendProgress) -> T:
        progress.begin()
        failed: TransportError | None = None
        try:
            with self._limits.begin():
                request = self._keyed(call.request, progress)
                # At once, as a header's name shows in the repr of a frame's reply.
                reply = self._without_key(await self._transport.send(request))
        except TransportError as exc:
            failed = exc
        except TimeoutError:
            failed = self._timed_out(progress)
        else:
            return call.read(reply)
        finally:
            progress.finish()
            if progress.partial is not None:
                progress.partial = self._without_key(progress.partial)
        if call.lost is not None and failed.request_sent:
            raise call.lost(str(failed), progress.partial)
        raise failed

    def _keyed(self, request: WireRequest, progress: SendProgress) -> WireRequest:
        """Put the key on, for the moment of sending."""
        return WireRequest(
            method=request.method,
            origin=request.origin,
            path=request.path,
            query=request.query,
            headers=Headers({**request.headers, API_KEY_HEADER: self._key}),
            body=request.body,
            fresh_connection=request.fresh_connection,
            progress=progress,
        )

    def _without_key(self, reply: WireReply) -> WireReply:
        """Take an echoed key out of a reply before anything reads it.

        A key too short to be one (``"test"``) is left: it would garble every answer.
        """
        if len(self._key) < _SHORTEST_REAL_KEY:
            return reply
        for name, value in reply.headers.items():
            if self._key in value or self._key in name:
                reply = attrs.evolve(reply, headers=self._clean(reply.headers))
                break
        is_raw = self._key.encode() in reply.body
        if not is_raw and _ESCAPED.search(reply.body) is None:
            return reply
        return attrs.evolve(reply, body=self._echo.sub(b"<hidden>", reply.body))

    def _clean(self, headers: Mapping[str, str]) -> Headers:
        return Headers(
            {
                name.replace(self._key, "<hidden>"): value.replace(
                    self._key, "<hidden>"
                )
                for name, value in headers.items()
            }
        )

    def _timed_out(self, progress: SendProgress) -> TransportError:
        msg = f"no complete answer within {self._limits.seconds:g} s"
        return RequestTimeoutError(msg, progress.may_be_sent)


async def sit_out(
    kind: Kind, pause: float, error: OpenFunnelError, on_stall: OnStall | None = None
) -> None:
    """Sleep after a failure, unless the service asks for more than is left.

    Raises:
        OpenFunnelError: The failure itself, where its Retry-After ends beyond the
            deadline of whoever waits.
    """
    asked = retry_after_of(error)
    if asked is not None:
        until = anyio.current_time() + asked
        if until > anyio.current_effective_deadline():
            raise error
        if on_stall is not None:
            on_stall(kind, until, error)
    await anyio.sleep(pause)


def _raw_or_escaped(character: str) -> bytes:
    """Return a pattern for a character of JSON text, however it is written."""
    raw = re.escape(character.encode())
    return rb"(?:\\?" + raw + rb"|\\u(?i:%04x))" % ord(character)
