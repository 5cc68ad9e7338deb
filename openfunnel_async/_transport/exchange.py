"""One exchange over a session, and what the session's signals report about it.

aiohttp's exceptions contain the request headers with the key, and so do the frames of
their tracebacks. So none is chained or raised again: the handler describes the failure
in a new error, which is raised outside of the handler.

Whether a submit was sent is read from the signals of the connection, never from the
type of an exception alone. Without signals the request counts as sent.
"""

import asyncio
import contextlib
from typing import Any

import aiohttp
from yarl import URL

from openfunnel_async._transport.connection_faults import describe_failure, reason_of
from openfunnel_async._transport.pool import OnByte, ignore
from openfunnel_async._transport.wire import (
    MAX_BODY,
    FinalTransportError,
    SendProgress,
    SendState,
    WireReply,
    WireRequest,
)
from openfunnel_async.errors import TransportError

_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_POOLED_MOST = 100
# The context that aiohttp passes to a signal: a namespace with `trace_request_ctx`.
_Context = Any


class Exchange:
    """What the connection's signals report about one request.

    Attributes:
        is_connecting: Whether the session has reported that it needs a connection.
        is_fresh: Whether a connection that was used before is refused.
        is_reused: Whether the connection was used before.
        was_sent: Whether the service may have received the request.
    """

    __slots__ = ("_request", "is_connecting", "is_fresh", "is_reused", "was_sent")

    def __init__(self, request: WireRequest, *, is_fresh: bool) -> None:
        self._request = request
        # A read that is repeated over another pool counts as sent from the start.
        self.was_sent = request.progress.state is SendState.SENT
        self.is_fresh = is_fresh
        self.is_connecting = False
        self.is_reused = False

    def waiting(self) -> None:
        """Record that there is no connection yet."""
        if not self.was_sent:
            self._request.progress.waiting()

    def connected(self, *, is_reused: bool) -> None:
        """Record that there is a connection; the next signal reports what is sent."""
        self.is_connecting = True
        self.is_reused = is_reused
        if not self.was_sent:
            self._request.progress.unsure()

    def sending(self) -> None:
        """Record the moment before the first byte, or refuse to send.

        Raises:
            _PooledConnectionError: The request needs a fresh connection.
            _SentTwiceError: The session repeats a POST that was sent before.
        """
        if self.is_fresh and self.is_reused:
            self.waiting()
            raise _PooledConnectionError
        if self.was_sent and self._request.method != "GET":
            raise _SentTwiceError
        self.was_sent = True
        self._request.progress.sent()

    def begin(self) -> None:
        """Record that a session, which may report nothing, gets the request."""
        if not self.was_sent:
            self._request.progress.unsure()

    def cut_off(self) -> None:
        """Record a failure; a session without signals may have sent the request."""
        if not self.is_connecting:
            self.begin()


class _PooledConnectionError(Exception):
    """The request needs a fresh connection, and the pool returned a used one."""


class _SentTwiceError(Exception):
    """The user's session repeats a request that may be sent only once."""


async def over_fresh_connection(
    session: aiohttp.ClientSession,
    request: WireRequest,
    on_byte: OnByte = ignore,
) -> WireReply:
    """Send over a connection that was not used before."""
    for _ in range(_POOLED_MOST):
        exchange = Exchange(request, is_fresh=True)
        with contextlib.suppress(_PooledConnectionError):
            return await exchange_over(session, request, exchange, on_byte)
    raise TransportError("the session returned used connections only", False)


async def exchange_over(
    session: aiohttp.ClientSession,
    request: WireRequest,
    exchange: Exchange,
    on_byte: OnByte,
) -> WireReply:
    """Send and read; every failure becomes an error without the exception."""
    url = URL(request.url, encoded=True)
    if getattr(session, "closed", False) is True:
        raise FinalTransportError("the aiohttp session is closed", False)
    exchange.begin()
    is_known = False
    try:
        # Everything for which a user's session may have other defaults.
        response = await session.request(
            request.method,
            url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=True,
            timeout=_NO_LIMIT,
            trace_request_ctx=exchange,
        )
        is_known = True
    except RuntimeError as exc:
        # Without a thread for the DNS query there is no connection.
        is_known = "start new thread" in str(exc)
        raise
    except _PooledConnectionError:
        # Our signal refused the connection before the first byte.
        is_known = True
        raise
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        exchange.cut_off()
        failed = describe_failure(exc, request)
    except _SentTwiceError:
        is_known = True
        msg = "the session repeats requests; this one was sent and is not sent again"
        failed = TransportError(msg, True)
    except asyncio.CancelledError as exc:
        exchange.cut_off()
        # The inner frames contain the headers; the cancellation continues without them.
        raise exc.with_traceback(None) from None
    else:
        return await _receive(response, request.progress, on_byte)
    finally:
        # The session's own code raised: it is unknown whether anything was sent.
        if not is_known:
            exchange.cut_off()
    raise failed


async def _receive(
    response: aiohttp.ClientResponse, progress: SendProgress, on_byte: OnByte
) -> WireReply:
    """Read the body up to the limit; record the part of one that breaks off."""
    content, chunks, size = response.content, list[bytes](), 0
    is_broken = True
    fault = ""
    on_byte()
    try:
        while not content.at_eof() and size <= MAX_BODY:
            chunks.append(await content.readany())
            size += len(chunks[-1])
            on_byte()
            progress.received(len(chunks[-1]))
        is_broken = False
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        fault = f"the reply broke off ({reason_of(exc)})"
    except asyncio.CancelledError as exc:
        raise exc.with_traceback(None) from None
    finally:
        if not content.at_eof() or content.exception() is not None:
            response.close()
        if is_broken:
            progress.partial = _reply(response, chunks)
    if is_broken:
        raise TransportError(fault, True)
    return _reply(response, chunks)


def _reply(response: aiohttp.ClientResponse, chunks: list[bytes]) -> WireReply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if len(headers) < len(response.headers):
        headers = {
            name: ", ".join(response.headers.getall(name, [])) for name in headers
        }
    return WireReply(
        status_code=response.status, headers=headers, body=b"".join(chunks)
    )


def signals() -> aiohttp.TraceConfig:
    """Return a trace config that records what the connection does."""
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_on_start)
    config.on_connection_queued_start.append(_on_connecting)
    config.on_connection_create_start.append(_on_connecting)
    config.on_connection_create_end.append(_on_created)
    config.on_connection_reuseconn.append(_on_reused)
    config.on_request_headers_sent.append(_on_sending)
    config.freeze()
    return config


async def _on_start(_session: object, context: _Context, _params: object) -> None:
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.waiting()


async def _on_connecting(_session: object, context: _Context, _params: object) -> None:
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.is_connecting = True


async def _on_created(_session: object, context: _Context, _params: object) -> None:
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.connected(is_reused=False)


async def _on_reused(_session: object, context: _Context, _params: object) -> None:
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.connected(is_reused=True)


async def _on_sending(_session: object, context: _Context, _params: object) -> None:
    """Record the moment before the first byte, or refuse the connection.

    aiohttp sends this signal before it writes. An exception here closes the connection
    before anything is sent (true of 3.14: StreamWriter.write_headers).
    """
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.sending()
