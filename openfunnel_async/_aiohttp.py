"""The transport that ships: one aiohttp session; the only import of aiohttp.

aiohttp's exceptions carry the request headers, key included, and so do the frames
of their tracebacks. So none is chained or re-raised: what failed is put into words
inside the handler and raised outside of it. Whether a request was sent is read
from the connection's own signal, never from the type of an exception.
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
    CutReplyError,
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

    A session of its own follows no redirect, keeps no cookie and ignores proxies
    and netrc of the environment. It has no time limit: the client sets one.

    Args:
        session: A session of the user's own, for a special TLS set-up or a proxy.
            It gets one trace config more, is not closed here, and its cookies and
            ``trust_env`` are its owner's affair.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._session = session
        self._owns_session = session is None
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
        session = self._open_session()
        for _ in range(_POOLED_MOST):
            with contextlib.suppress(_PooledConnectionError):
                return await self._exchange(session, request)
        raise TransportError("no fresh connection could be had", False)

    async def aclose(self) -> None:
        """Close the session, unless it is the user's own."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None and self._owns_session:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trace_configs=[_signals()],
                trust_env=False,
            )
        return self._session

    async def _exchange(
        self, session: aiohttp.ClientSession, request: WireRequest
    ) -> WireReply:
        """Send and read, with every fault put into words of our own."""
        request.progress.waiting()
        exchange = _Exchange(
            progress=request.progress, fresh=request.fresh_connection, reused=False
        )
        try:
            response = await self._open(session, request, exchange)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            failed = _in_words(exc, request.progress)
        except asyncio.CancelledError as exc:
            # The frames below hold the headers; the cancellation goes on without.
            raise exc.with_traceback(None) from None
        else:
            return await self._read(response)
        raise failed

    async def _open(
        self, session: aiohttp.ClientSession, request: WireRequest, exchange: _Exchange
    ) -> aiohttp.ClientResponse:
        return await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers={
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "gzip, deflate",
                **request.headers,
            },
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_request_ctx=exchange,
        )

    async def _read(self, response: aiohttp.ClientResponse) -> WireReply:
        """Read the body up to the cap; what broke off is kept with the error."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        body = bytearray()
        try:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    break
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            broken: str | None = f"the reply broke off ({_name(exc)})"
        except asyncio.CancelledError as exc:
            raise exc.with_traceback(None) from None
        else:
            broken = None
        finally:
            if response.content.at_eof() and response.content.exception() is None:
                response.release()
            else:
                response.close()
        reply = WireReply(
            status_code=response.status, headers=headers, body=bytes(body)
        )
        if broken is not None:
            raise CutReplyError(broken, reply)
        return reply


def _in_words(exc: Exception, progress: SendProgress) -> TransportError:
    """Say what failed without the exception, which holds the headers."""
    sent = progress.may_be_sent
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


async def _on_reused(_session: object, context: Any, _params: object) -> None:  # noqa: ANN401
    exchange = context.trace_request_ctx
    if isinstance(exchange, _Exchange):
        exchange.reused = True


async def _on_sending(_session: object, context: Any, _params: object) -> None:  # noqa: ANN401
    """Note the moment before the first byte, or refuse a used connection.

    aiohttp sends this signal before it writes; raising here closes the connection
    with nothing sent (seen in 3.14: StreamWriter.write_headers).
    """
    exchange = context.trace_request_ctx
    if isinstance(exchange, _Exchange):
        if exchange.fresh and exchange.reused:
            raise _PooledConnectionError
        exchange.progress.sent()
