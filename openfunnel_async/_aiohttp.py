"""The transport that ships, over aiohttp; the only import of it.

aiohttp's exceptions carry the request headers, key included, and so do the frames
of their tracebacks. So none is chained or re-raised: what failed is put into words
inside the handler and raised outside of it.

Whether a submit was sent is read from the connection's own signal, never from the
type of an exception. The signals cost a fifth of a request, so reads and cancels,
which may always be repeated, go without them over a session of their own.
"""

import asyncio
import contextlib
import platform
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from openfunnel_async._codec import MAX_BODY
from openfunnel_async._invalid import ConfigurationError
from openfunnel_async._version import __version__
from openfunnel_async._wire import (
    SendProgress,
    UntrustedCertificateError,
    WireReply,
    WireRequest,
)
from openfunnel_async.errors import TransportError

USER_AGENT = (
    f"openfunnel-async/{__version__} python/{platform.python_version()} "
    f"aiohttp/{aiohttp.__version__}"
)
_OWN_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"}
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_CERTIFICATE_FAULTS = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
)
_POOLED_MOST = 100


class _Exchange(SimpleNamespace):
    """What the connection's signals say about one request."""

    progress: SendProgress
    fresh: bool
    reused: bool


class _PooledConnectionError(Exception):
    """A fresh connection was asked for and the pool gave a used one."""


class AiohttpTransport:
    """Carry requests over aiohttp.

    Sessions of its own follow no redirect, keep no cookie and ignore proxies and
    netrc of the environment. They have no time limit: the client sets one.

    Args:
        session: A session of the user's own, for a special TLS set-up or a proxy.
            It gets one trace config more, is not closed here, and its cookies and
            ``trust_env`` are its owner's affair.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._users = session
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False
        if session is not None:
            session.trace_configs.append(_signals())

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send once and read the whole reply.

        Raises:
            TransportError: With ``request_sent`` as the connection tells it.
            ConfigurationError: The transport is closed.

        Cancellation: passes through; the connection in use is closed.
        """
        session, has_signals = self._session_for(request)
        if not has_signals:
            return await self._exchange(session, request, None)
        for _ in range(_POOLED_MOST):
            exchange = _Exchange(
                progress=request.progress, fresh=request.fresh_connection, reused=False
            )
            with contextlib.suppress(_PooledConnectionError):
                return await self._exchange(session, request, exchange)
        raise TransportError("no fresh connection could be had", False)

    async def aclose(self) -> None:
        """Close the sessions, but not the user's own."""
        self._closed = True
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()

    def _session_for(self, request: WireRequest) -> tuple[aiohttp.ClientSession, bool]:
        """Return the session to use, and whether it has the signals."""
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        if self._users is not None:
            return self._users, True
        if request.fresh_connection:
            if self._fresh is None:
                connector = aiohttp.TCPConnector(force_close=True)
                self._fresh = _session(connector, [_signals()])
            return self._fresh, True
        if self._pooled is None:
            self._pooled = _session(aiohttp.TCPConnector(limit=0), [])
        return self._pooled, False

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        request: WireRequest,
        exchange: _Exchange | None,
    ) -> WireReply:
        """Send and read, with every fault put into words of our own."""
        if exchange is not None:
            request.progress.waiting()
        try:
            response = await session.request(
                request.method,
                URL(request.url, encoded=True),
                headers={**_OWN_HEADERS, **request.headers},
                data=request.body,
                allow_redirects=False,
                timeout=_NO_LIMIT,
                trace_request_ctx=exchange,
            )
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            failed = _in_words(exc, request.progress)
        except asyncio.CancelledError as exc:
            # The frames below hold the headers; the cancellation goes on without.
            raise exc.with_traceback(None) from None
        else:
            return await _read(response, request.progress)
        raise failed


async def _read(response: aiohttp.ClientResponse, progress: SendProgress) -> WireReply:
    """Read the body up to the cap; of one that breaks off, keep what came."""
    content, chunks, size = response.content, list[bytes](), 0
    is_broken = True
    fault = ""
    try:
        while not content.at_eof() and size <= MAX_BODY:
            chunks.append(await content.readany())
            size += len(chunks[-1])
        is_broken = False
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        fault = f"the reply broke off ({_name(exc)})"
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
    return WireReply(
        status_code=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=b"".join(chunks),
    )


def _session(
    connector: aiohttp.TCPConnector, signals: list[aiohttp.TraceConfig]
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=signals,
        trust_env=False,
    )


def _in_words(exc: Exception, progress: SendProgress) -> TransportError:
    """Say what failed without the exception, which holds the headers."""
    sent = progress.may_be_sent
    if not progress.is_reported and isinstance(exc, aiohttp.ClientConnectorError):
        # A read without signals: there was no connection to send it on.
        sent = False
    if isinstance(exc, _CERTIFICATE_FAULTS):
        msg = "the server's certificate is not trusted; check base_url"
        return UntrustedCertificateError(msg, False)
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        what = "the host name could not be resolved; check base_url and the network"
    elif isinstance(exc, aiohttp.ClientConnectorSSLError):
        what = "the TLS handshake failed"
    elif isinstance(exc, aiohttp.ClientConnectorError):
        what = "no connection could be made; check base_url and the network"
    elif isinstance(exc, aiohttp.ClientResponseError):
        what = "the reply was not well-formed HTTP"
    elif sent:
        what = "the connection broke before the reply was complete"
    else:
        what = "the connection broke before anything was sent"
    return TransportError(f"{what} ({_name(exc)})", sent)


def _name(exc: Exception) -> str:
    return type(exc).__name__


def _signals() -> aiohttp.TraceConfig:
    """Return a trace config that notes what the connection does."""
    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(_on_reused)
    config.on_request_headers_sent.append(_on_sending)
    config.freeze()
    return config


async def _on_reused(_session: object, context: Any, _params: object) -> None:  # noqa: ANN401 -- aiohttp's own
    exchange = context.trace_request_ctx
    if isinstance(exchange, _Exchange):
        exchange.reused = True


async def _on_sending(_session: object, context: Any, _params: object) -> None:  # noqa: ANN401 -- aiohttp's own
    """Note the moment before the first byte, or refuse a used connection.

    aiohttp sends this signal before it writes; raising here closes the connection
    with nothing sent (seen in 3.14: StreamWriter.write_headers).
    """
    exchange = context.trace_request_ctx
    if isinstance(exchange, _Exchange):
        if exchange.fresh and exchange.reused:
            raise _PooledConnectionError
        exchange.progress.sent()
