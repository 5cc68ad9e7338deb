"""Where the key and the address come from, and which of them are accepted.

The key goes only to the origin of base_url, so an address that could carry it in clear
text, or to another place, is refused before anything is sent. The rules are in
docs/explanation/custody-of-the-key.md, "Where the key is sent".
"""

import ipaddress
import os
import re
from typing import Self
from urllib.parse import SplitResult, urlsplit

from openfunnel_async._transport.wire import SecretText
from openfunnel_async._values.checks import wrong_text
from openfunnel_async.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.openfunnel.dev"
"""The address of the service."""
KEY_VARIABLE = "OPENFUNNEL_API_KEY"
"""The environment variable that holds the API key."""
BASE_URL_VARIABLE = "OPENFUNNEL_BASE_URL"
"""The environment variable that holds another address than the service's."""

_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
_HOST = re.compile(
    r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII
)
_HIGHEST_PORT = 65_535


def hide_text(value: object) -> SecretText | None:
    """Wrap a key at once, so that no frame keeps it as plain text.

    Takes text, or what keeps text hidden itself, such as pydantic's ``SecretStr``.
    Anything else becomes a key that is refused: the key of another account in the
    environment must not be used in its place.
    """
    if value is None:
        return None
    reveal = getattr(value, "get_secret_value", None)
    if callable(reveal):
        value = reveal()
    return SecretText(value) if isinstance(value, str) else WrongKey(value)


class WrongKey(SecretText):
    """Takes the place of a key of another type; keeps only what is wrong with it."""

    __slots__ = ("fault",)

    def __new__(cls, value: object) -> Self:
        made = super().__new__(cls)
        made.fault = wrong_text(value)
        return made

    fault: str | None


def read_key(given: SecretText | None) -> SecretText:
    """Return the key given, else the one of the environment.

    Raises:
        ConfigurationError: There is none, or it is not valid as a key.
    """
    key = (
        given if given is not None else hide_text(os.environ.get(KEY_VARIABLE) or None)
    )
    if key is None:
        raise ConfigurationError(
            f"no API key: pass api_key or set {KEY_VARIABLE}; the .env file that the "
            "command line writes and reads is not read here"
        )
    if isinstance(key, WrongKey):
        raise ConfigurationError(f"api_key must be text, {key.fault}")
    if not key:
        msg = f"api_key is empty: pass the key, or None to use {KEY_VARIABLE}"
        raise ConfigurationError(msg)
    if not _KEY.fullmatch(key):
        msg = (
            f"api_key (or {KEY_VARIABLE}) must be 1-512 visible ASCII characters, "
            "without spaces or line breaks; copy it again"
        )
        raise ConfigurationError(msg)
    return key


def read_origin(given: str | None) -> str:
    """Return the origin of base_url: the argument, the environment's, the default.

    Raises:
        ConfigurationError: Neither https nor http to a loopback address, or more
            than scheme, host and port.
    """
    url = given
    if url is None:
        url = os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
    try:
        return _origin(url)
    except ValueError as exc:
        fault = str(exc)
    msg = (
        f"base_url (or {BASE_URL_VARIABLE}) {fault}; it must be https://HOST[:PORT], "
        "or http:// to a loopback address such as http://127.0.0.1:8787"
    )
    raise ConfigurationError(msg)


def _origin(url: object) -> str:
    wrong = wrong_text(url)
    if wrong is not None:
        raise ValueError(f"is {wrong}")
    if not url:
        raise ValueError("is empty")
    if not isinstance(url, str) or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise ValueError("is not a plain URL")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not _is_host(host):
        raise ValueError("names no host")
    if "@" in parts.netloc:
        raise ValueError("holds a user name")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or url[-1] in "?#":
        raise ValueError("holds more than scheme, host and port")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("would send the key in clear text")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{_port(parts)}"


def _port(parts: SplitResult) -> str:
    """Return the port as it goes into an origin; a bad one raises ValueError."""
    if parts.netloc.endswith(":"):
        raise ValueError("has an empty port")
    port = parts.port
    if port is None:
        return ""
    if not 0 < port <= _HIGHEST_PORT:
        raise ValueError("has no possible port")
    return f":{port}"


def _is_host(host: str) -> bool:
    if ":" in host:
        return _address(host) is not None and "%" not in host
    return _HOST.fullmatch(host) is not None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
