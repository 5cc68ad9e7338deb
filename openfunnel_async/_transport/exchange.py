"""One exchange over a session, and what the session's signals say about it.

aiohttp's exceptions carry the request headers, key included, and so do the frames
of their tracebacks. So none is chained or re-raised: what failed is put into words
inside the handler and raised outside of it.

Whether a submit was sent is read from the connection's own signals, never from the
type of an exception alone. A session that gives no signals counts as having sent.
"""

import asyncio
import contextlib
import platform
from typing import Any

import aiohttp
from yarl import URL

from openfunnel_async._transport.connection_faults import in_words, reason_of
from openfunnel_async._transport.pool import Heard, ignore
from openfunnel_async._transport.wire import (
    MAX_BODY,
    FinalTransportError,
    SendProgress,
    SendState,
    WireReply,
    WireRequest,
)
from openfunnel_async._version import __version__
from openfunnel_async.errors import TransportError

USER_AGENT = (
    f"openfunnel-async/{__version__} python/{platform.python_version()} "
    f"aiohttp/{aiohttp.__version__}"
)
_OWN_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"}
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_POOLED_MOST = 100
# What aiohttp gives to a signal: a namespace with `trace_request_ctx`.
_Context = Any


class Exchange:
    """What the connection's signals say about one request.

    Attributes:
        is_connecting: Whether the session has reported that it looks for a connection.
        is_fresh: Whether a connection that was used before is refused.
        is_reused: Whether the connection that it found was used before.
        was_sent: Whether the service may have seen the request.
    """

    __slots__ = ("_request", "is_connecting", "is_fresh", "is_reused", "was_sent")

    def __init__(self, request: WireRequest, *, is_fresh: bool) -> None:
        self._request = request
        # A read that is sent once more was sent before, whatever becomes of it now.
        self.was_sent = request.progress.state is SendState.SENT
        self.is_fresh = is_fresh
        self.is_connecting = False
        self.is_reused = False

    def waiting(self) -> None:
        """Note that there is no connection yet."""
        if not self.was_sent:
            self._request.progress.waiting()

    def connected(self, *, is_reused: bool) -> None:
        """Note that there is a connection; what goes over it the next signal says."""
        self.is_connecting = True
        self.is_reused = is_reused
        if not self.was_sent:
            self._request.progress.unsure()

    def sending(self) -> None:
        """Note the moment before the first byte, or refuse to send.

        Raises:
            _PooledConnectionError: A fresh connection was asked for.
            _SentTwiceError: A POST was sent before, and something repeats it.
        """
        if self.is_fresh and self.is_reused:
            self.waiting()
            raise _PooledConnectionError
        if self.was_sent and self._request.method != "GET":
            raise _SentTwiceError
        self.was_sent = True
        self._request.progress.sent()

    def begin(self) -> None:
        """Note that the request is handed to a session that may report nothing."""
        if not self.was_sent:
            self._request.progress.unsure()

    def cut_off(self) -> None:
        """Note an end for which a session that looked for no connection has no word."""
        if not self.is_connecting:
            self.begin()


class _PooledConnectionError(Exception):
    """A fresh connection was asked for and the pool gave a used one."""


class _SentTwiceError(Exception):
    """Something in the user's session repeats what may be sent only once."""


async def over_fresh_connection(
    session: aiohttp.ClientSession,
    request: WireRequest,
    heard: Heard = ignore,
) -> WireReply:
    """Send over a connection that was not used before."""
    for _ in range(_POOLED_MOST):
        exchange = Exchange(request, is_fresh=True)
        with contextlib.suppress(_PooledConnectionError):
            return await exchange_over(session, request, exchange, heard)
    raise TransportError("the session gave used connections only", False)


async def exchange_over(
    session: aiohttp.ClientSession,
    request: WireRequest,
    exchange: Exchange,
    heard: Heard,
) -> WireReply:
    """Send and read, with every fault put into words of our own."""
    url = URL(request.url, encoded=True)
    headers = {**_OWN_HEADERS, **request.headers}
    if getattr(session, "closed", False) is True:
        raise FinalTransportError("the aiohttp session is closed", False)
    exchange.begin()
    is_known = False
    try:
        # All that a user's session may have other defaults for.
        response = await session.request(
            request.method,
            url,
            headers=headers,
            data=request.body,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=True,
            timeout=_NO_LIMIT,
            trace_request_ctx=exchange,
        )
        is_known = True
    except RuntimeError as exc:
        # Without a thread for a look-up there is no connection to send over.
        is_known = "start new thread" in str(exc)
        raise
    except _PooledConnectionError:
        # Refused before the first byte, by a signal of ours.
        is_known = True
        raise
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        exchange.cut_off()
        failed = in_words(exc, request)
    except _SentTwiceError:
        is_known = True
        msg = "the session repeats requests; this one was sent and is not sent again"
        failed = TransportError(msg, True)
    except asyncio.CancelledError as exc:
        exchange.cut_off()
        # The frames below hold the headers; the cancellation continues without.
        raise exc.with_traceback(None) from None
    else:
        return await _receive(response, request.progress, heard)
    finally:
        # Whatever a session's own code raised: that nothing was sent is not known.
        if not is_known:
            exchange.cut_off()
    raise failed


async def _receive(
    response: aiohttp.ClientResponse, progress: SendProgress, heard: Heard
) -> WireReply:
    """Read the body up to the cap; of one that breaks off, keep what came."""
    content, chunks, size = response.content, list[bytes](), 0
    is_broken = True
    fault = ""
    heard()
    try:
        while not content.at_eof() and size <= MAX_BODY:
            chunks.append(await content.readany())
            size += len(chunks[-1])
            heard()
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
    """Return a trace config that notes what the connection does."""
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
    """Note the moment before the first byte, or refuse the connection.

    aiohttp sends this signal before it writes; raising here closes the connection
    with nothing sent (seen in 3.14: StreamWriter.write_headers).
    """
    if isinstance(exchange := context.trace_request_ctx, Exchange):
        exchange.sending()
