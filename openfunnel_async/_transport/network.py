"""The way to the service: through which proxy, and which certificates are trusted."""

import os
import ssl
from typing import NamedTuple, cast
from urllib.parse import unquote

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from openfunnel_async._transport.hidden_text import WrongText
from openfunnel_async._transport.wire import SecretText
from openfunnel_async._values.addresses import origin_of, split_address
from openfunnel_async.errors import ConfigurationError

PROXY_VARIABLE = "OPENFUNNEL_PROXY"
"""The environment variable that holds the address of a proxy."""
CA_FILE_VARIABLE = "OPENFUNNEL_CA_FILE"
"""The environment variable that holds the path of a file with private CAs."""

CaFile = str | os.PathLike[str]


class Proxy(NamedTuple):
    """A proxy that was checked.

    Attributes:
        url: Its address, without credentials.
        authorization: The value of ``Proxy-Authorization``, or None.
    """

    url: URL
    authorization: SecretText | None = None

    async def authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Add the credentials to CONNECT, or to a request that is sent without TLS.

        aiohttp itself adds those of a proxy's URL to the first request of a connection
        only, and its exceptions contain the URL.
        """
        if self.authorization is not None:
            header = CIMultiDict({hdrs.PROXY_AUTHORIZATION: str(self.authorization)})
            if request.is_ssl():
                request.proxy_headers = header
            else:
                request.headers.update(header)
        return await handler(request)


class Network(NamedTuple):
    """How sessions reach the service.

    Attributes:
        proxy: The proxy for all requests, or None.
        tls: The trusted certificates, or None for those of the system.
    """

    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None


def read_network(proxy: SecretText | None, ca_file: CaFile | None) -> Network:
    """Return the network for the given proxy and file.

    Raises:
        ConfigurationError: The proxy is invalid, or the file cannot be used.
    """
    return Network(
        proxy=None if proxy is None else _read_proxy(proxy),
        tls=None if ca_file is None else _read_certificates(ca_file),
    )


def _read_proxy(address: SecretText) -> Proxy:
    if isinstance(address, WrongText):
        raise ConfigurationError(f"proxy must be text, {address.fault}")
    try:
        return _split_proxy(address)
    except ValueError as exc:
        fault = str(exc)
    msg = (
        f"proxy (or {PROXY_VARIABLE}) {fault}; it must be "
        "http://[USER:PASSWORD@]HOST[:PORT], or the same with https"
    )
    raise ConfigurationError(msg)


def _split_proxy(address: SecretText) -> Proxy:
    parts = split_address(address)
    if parts.path not in {"", "/"}:
        raise ValueError("has a path")
    url = URL(origin_of(parts))
    if "@" not in parts.netloc:
        return Proxy(url=url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user or ":" in user or not f"{user}{password}".isprintable():
        raise ValueError("has invalid credentials")
    return Proxy(
        url=url, authorization=SecretText(aiohttp.encode_basic_auth(user, password))
    )


def _read_certificates(given: object) -> ssl.SSLContext:
    """Return a context that trusts the CAs of the file besides those of the system."""
    wanted = f"ca_file (or {CA_FILE_VARIABLE}) must be the path of a file"
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigurationError(f"{wanted}, not {type(given).__name__}")
    path = os.fspath(cast("os.PathLike[str] | os.PathLike[bytes]", given))
    if isinstance(path, bytes) or not path.strip() or "\0" in path:
        raise ConfigurationError(f"{wanted}, as text that is not empty")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        fault = "it contains no valid certificate in PEM format"
    except OSError as exc:
        fault = exc.strerror or "it cannot be read"
    else:
        return context
    msg = f"ca_file (or {CA_FILE_VARIABLE}) cannot be used: {fault}"
    raise ConfigurationError(msg)
