"""Checks of addresses that consist of a scheme, a host and a port.

A fault is a ``ValueError`` whose text continues a sentence and never quotes the
address, which may contain a secret.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from openfunnel_async._values.checks import wrong_text

_HOST = re.compile(
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII
)
_HIGHEST_PORT = 65_535


def split_address(url: object) -> SplitResult:
    """Return the parts of an http or https URL with a valid host.

    Raises:
        ValueError: It is another kind of value.
    """
    wrong = wrong_text(url)
    if wrong is not None:
        raise ValueError(f"is {wrong}")
    if not url:
        raise ValueError("is empty")
    if not isinstance(url, str) or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise ValueError("is not a plain URL")
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not _is_host(parts.hostname or ""):
        raise ValueError("names no host")
    if parts.query or parts.fragment or url[-1] in "?#":
        raise ValueError("has a query or a fragment")
    return parts


def origin_of(parts: SplitResult) -> str:
    """Return scheme, host and port; a bad port raises ValueError."""
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{_port(parts)}"


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, without a query to a name server."""
    address = _ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _port(parts: SplitResult) -> str:
    if parts.netloc.endswith(":"):
        raise ValueError("has an empty port")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is None:
        return ""
    if not 0 < port <= _HIGHEST_PORT:
        raise ValueError("has no possible port")
    return f":{port}"


def _is_host(host: str) -> bool:
    if ":" in host:
        return _ip_address(host) is not None and "%" not in host
    return _HOST.fullmatch(host) is not None


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
