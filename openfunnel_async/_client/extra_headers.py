"""The headers of the user's own that each request of a client gets."""

import re
from collections.abc import Mapping
from typing import cast

from openfunnel_async._transport.hidden_text import WrongText, hide_text
from openfunnel_async._transport.wire import API_KEY_HEADER, Headers, SecretText
from openfunnel_async.errors import ConfigurationError

# Compiled when they are used: most clients have no headers of their own.
_NAME = r"[0-9A-Za-z!#$%&'*+.^_`|~-]{1,100}"
_VALUE = r"[\t -~]{0,8000}"
_OWN = frozenset(
    {
        # The key, the address and the framing of a request.
        API_KEY_HEADER, "host", "content-length", "transfer-encoding", "connection",
        "cookie", "expect", "upgrade", "proxy-authorization",
        # What the client's own reading of answers depends on.
        "accept", "accept-encoding", "cache-control", "content-type",
    }
)  # fmt: skip


class WrongHeaders(Headers):
    """Takes the place of an argument that is not a mapping."""

    __slots__ = ()


def hide_headers(given: object) -> Headers | None:
    """Copy the headers at once, so that no frame shows their values."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return WrongHeaders()
    fields = cast("Mapping[str, object]", given)
    return Headers({name: _hide_value(value) for name, value in fields.items()})


def _hide_value(value: object) -> SecretText:
    hidden = hide_text(value)
    return WrongText(value) if hidden is None else hidden


def read_headers(given: Headers | None) -> Headers:
    """Return the headers with names in lower case.

    Raises:
        ConfigurationError: A name or a value is invalid, or the client sets this
            header itself.
    """
    if isinstance(given, WrongHeaders):
        raise ConfigurationError("headers must be a mapping of names to values")
    found = Headers()
    for name, value in (Headers() if given is None else given).items():
        lower = _check_name(name).lower()
        if lower in found:
            raise ConfigurationError(f"headers has {lower} twice")
        found[lower] = _check_value(lower, value)
    return found


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name, re.ASCII):
        raise ConfigurationError("headers has a name that is no valid header name")
    if name.lower() in _OWN:
        raise ConfigurationError(f"headers must not set {name.lower()}")
    return name


def _check_value(name: str, value: str) -> str:
    if isinstance(value, WrongText) or not re.fullmatch(_VALUE, value, re.ASCII):
        msg = f"the value of {name} in headers must be one line of ASCII text"
        raise ConfigurationError(msg)
    return value
