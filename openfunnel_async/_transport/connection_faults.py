"""Describe why an exchange failed, without the exception.

aiohttp's exceptions contain the request headers with the key, and the objects of the
connection. So only texts that are known to be harmless are copied from them: the host,
the port, and the reason that the system, the resolver or OpenSSL reported.
"""

import os
import socket
import ssl
from http import HTTPStatus

import aiohttp
from yarl import URL

from openfunnel_async._text import escaped
from openfunnel_async._transport.wire import (
    ProxyRefusedError,
    SendState,
    UntrustedCertificateError,
    WireRequest,
)
from openfunnel_async.errors import TransportError

# Each means that there was no connection over which to send the request.
_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
_REFUSALS = (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.FORBIDDEN)
_LONGEST_REASON = 200


def describe_failure(exc: Exception, request: WireRequest) -> TransportError:
    """Return a TransportError for an exception of aiohttp or of the system.

    An exception that means "never sent" decides ``request_sent``, unless the signals of
    the connection reported that the request was sent before.
    """
    progress = request.progress
    if isinstance(exc, _NEVER_SENT) and progress.state is not SendState.SENT:
        progress.waiting()
        return _never_sent(exc, request)
    sent = progress.may_be_sent
    if isinstance(exc, aiohttp.ClientResponseError):
        what = f"the reply of {_target(request)} was not well-formed HTTP"
    elif sent:
        what = (
            f"the connection to {_target(request)} broke before the reply was complete"
        )
    else:
        what = f"the connection to {_target(request)} broke before anything was sent"
    return TransportError(f"{what} ({reason_of(exc)})", sent)


def reason_of(exc: BaseException) -> str:
    """Return the reason that the system or the library states, else the type's name."""
    if isinstance(exc, aiohttp.ClientConnectorError):
        exc = exc.os_error
    if isinstance(exc, ssl.SSLCertVerificationError):
        return escaped(exc.verify_message.rstrip("."), _LONGEST_REASON)
    if isinstance(exc, ssl.SSLError):
        return escaped((exc.reason or "").replace("_", " ").lower() or _name(exc))
    if not isinstance(exc, OSError):
        return _name(exc)
    # A resolver's numbers are not the system's, and are negative.
    is_resolver = isinstance(exc, socket.gaierror)
    if exc.errno is not None and exc.errno > 0 and not is_resolver:
        return os.strerror(exc.errno)
    texts = [arg for arg in (exc.strerror, *exc.args) if isinstance(arg, str) and arg]
    return escaped(texts[0], _LONGEST_REASON) if texts else _name(exc)


def _never_sent(exc: Exception, request: WireRequest) -> TransportError:
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(exc, request)
    if isinstance(exc, aiohttp.ServerFingerprintMismatch):
        msg = (
            f"the certificate of {_target(request)} is not trusted (it has another "
            "fingerprint)"
        )
        return UntrustedCertificateError(msg, False)
    where, why = _where(exc, request), reason_of(exc)
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        msg = (
            f"the certificate of {where} is not trusted ({why}); check base_url, "
            "or trust a private CA with ca_file"
        )
        return UntrustedCertificateError(msg, False)
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        what = f"the host name of {where} could not be resolved"
    elif isinstance(exc, aiohttp.ClientConnectorSSLError):
        return TransportError(f"the TLS handshake with {where} failed ({why})", False)
    elif isinstance(exc, aiohttp.ClientProxyConnectionError):
        what = f"no connection to the proxy {where} could be made"
        return TransportError(f"{what} ({why}); check the proxy", False)
    else:
        what = f"no connection to {where} could be made"
    return TransportError(f"{what} ({why}); check base_url and the network", False)


def _refused_by_proxy(
    exc: aiohttp.ClientHttpProxyError, request: WireRequest
) -> TransportError:
    """Return the error of a proxy's answer to CONNECT; nothing else was sent."""
    answer = f"HTTP {exc.status} {escaped(str(exc.message), _LONGEST_REASON)}".rstrip()
    what = f"the proxy made no connection to {_target(request)} ({answer})"
    if exc.status not in _REFUSALS:
        return TransportError(what, False)
    if exc.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        what += "; it asks for credentials"
    what += "; this is not repeated, as repeated refusals can lock an account"
    return ProxyRefusedError(what, False)


def _where(exc: Exception, request: WireRequest) -> str:
    """Return host and port of the intended peer, which may be a proxy."""
    host: object = getattr(exc, "host", None)
    port: object = getattr(exc, "port", None)
    if isinstance(host, str) and isinstance(port, int):
        return _host_and_port(host, port)
    return _target(request)


def _target(request: WireRequest) -> str:
    url = URL(request.origin)
    return _host_and_port(url.host or "", url.port or 0)


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{escaped(host)}:{port}"


def _name(exc: BaseException) -> str:
    return type(exc).__name__
