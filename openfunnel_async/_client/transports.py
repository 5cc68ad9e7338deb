"""The transport of a client: the user's own, or one over the network of settings."""

from openfunnel_async._client.settings import (
    read_ca_file_setting,
    read_proxy_setting,
)
from openfunnel_async._transport.aiohttp_transport import AiohttpTransport
from openfunnel_async._transport.network import CaFile
from openfunnel_async._transport.wire import SecretText, Transport
from openfunnel_async.errors import ConfigurationError


def open_transport(
    transport: Transport | None, proxy: SecretText | None, ca_file: CaFile | None
) -> Transport:
    """Return the transport, else one over the proxy and with the CAs of the settings.

    A transport of the user's own has its own network: the environment's is not used.
    """
    if transport is None:
        return AiohttpTransport(
            proxy=read_proxy_setting(proxy), ca_file=read_ca_file_setting(ca_file)
        )
    if isinstance(transport, type) or not _has_methods(transport):
        raise ConfigurationError("transport must be an object with send() and aclose()")
    if proxy is not None or ca_file is not None:
        msg = "proxy and ca_file are not for a transport of your own: set them there"
        raise ConfigurationError(msg)
    return transport


def _has_methods(transport: object) -> bool:
    return all(callable(getattr(transport, name, None)) for name in ("send", "aclose"))
