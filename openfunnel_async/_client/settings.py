"""Where the key and the address come from, and which of them are accepted.

The key goes only to the origin of base_url, so an address that could carry it in clear
text, or to another place, is refused before anything is sent. The rules are in
docs/explanation/custody-of-the-key.md, "Where the key is sent".
"""

import os
import re
from typing import NamedTuple

from openfunnel_async._transport.hidden_text import WrongText, hide_text
from openfunnel_async._transport.network import (
    CA_FILE_VARIABLE,
    PROXY_VARIABLE,
    CaFile,
)
from openfunnel_async._transport.wire import SecretText
from openfunnel_async._values.addresses import is_loopback, origin_of, split_address
from openfunnel_async.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.openfunnel.dev"
"""The address of the service."""
KEY_VARIABLE = "OPENFUNNEL_API_KEY"
"""The environment variable that holds the API key."""
BASE_URL_VARIABLE = "OPENFUNNEL_BASE_URL"
"""The environment variable that holds another address than the service's."""
INSECURE_HTTP_VARIABLE = "OPENFUNNEL_INSECURE_HTTP"
"""The environment variable that is 1 where http may be used to any host."""

_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
# Without escapes: a gateway could read %2e%2e or %2f as another path.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*", re.ASCII)
_LONGEST_PREFIX = 200
# A shorter one is no real key, and may be a part of an address by accident.
_SHORTEST_REAL_KEY = 16


class Address(NamedTuple):
    """Where requests go.

    Attributes:
        origin: Scheme, host and port.
        prefix: What each path begins with; empty, or with a leading slash.
    """

    origin: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"


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
            f"no API key: pass api_key or set {KEY_VARIABLE}; a .env file, such as the "
            "one that `openfunnel-async sign-up` writes, is read by the command line "
            "only: load it with `set -a; . ./.env; set +a`"
        )
    if isinstance(key, WrongText):
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


def read_address(
    given: str | None, key: SecretText | None = None, *, insecure_http: bool = False
) -> Address:
    """Return the address of base_url: the argument, the environment's, the default.

    Args:
        given: The argument.
        key: The key, which must not be a part of the address.
        insecure_http: Whether http may be used to any host.

    Raises:
        ConfigurationError: It is invalid, or would send the key in clear text.
    """
    if not isinstance(insecure_http, bool):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("insecure_http must be True or False")
    url = given
    if url is None:
        url = os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
    may_be_clear = insecure_http or os.environ.get(INSECURE_HTTP_VARIABLE) == "1"
    try:
        return _split_base_url(url, key, may_be_clear=may_be_clear)
    except ValueError as exc:
        fault = str(exc)
    msg = (
        f"base_url (or {BASE_URL_VARIABLE}) {fault}; it must be "
        "https://HOST[:PORT][/PATH], or http:// to a loopback address such as "
        "http://127.0.0.1:8787, or to any host with insecure_http=True "
        f"(or {INSECURE_HTTP_VARIABLE}=1)"
    )
    raise ConfigurationError(msg)


def _split_base_url(
    url: object, key: SecretText | None, *, may_be_clear: bool
) -> Address:
    parts = split_address(url)
    if "@" in parts.netloc:
        raise ValueError("has a user name")
    is_clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    if is_clear and not may_be_clear:
        raise ValueError("would send the key in clear text")
    origin, prefix = origin_of(parts), parts.path.removesuffix("/")
    if len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix):
        raise ValueError("has an invalid path")
    if not {".", ".."}.isdisjoint(prefix.split("/")):
        raise ValueError("has an invalid path")
    if key is not None and len(key) >= _SHORTEST_REAL_KEY and key in prefix:
        raise ValueError("has the API key in its path")
    return Address(origin, prefix)


def read_proxy_setting(given: SecretText | None) -> SecretText | None:
    """Return the proxy given, else the one of the environment."""
    if given is not None:
        return given
    return hide_text(os.environ.get(PROXY_VARIABLE) or None)


def read_ca_file_setting(given: CaFile | None) -> CaFile | None:
    """Return the file given, else the one of the environment."""
    return given if given is not None else os.environ.get(CA_FILE_VARIABLE) or None
