"""Get an API key without a browser: request a code by mail, exchange it for the key.

    await sign_up("ada@example.org")
    key = await verify("ada@example.org", input("Code: "))

A second sign-up with the same address recovers its account. The facts are in
docs/reference/contract.md, "Access".

Neither request is repeated once the service may have received it: a second sign-up
mails a second code, and a code can be used only once.
"""

import re
from typing import TypeVar, cast

import anyio

from openfunnel_async._client.settings import (
    read_address,
    read_ca_file_setting,
    read_proxy_setting,
)
from openfunnel_async._protocol.endpoints import Call
from openfunnel_async._protocol.retry_loop import Caller
from openfunnel_async._protocol.sign_up_endpoints import SignUpEndpoints
from openfunnel_async._protocol.sign_up_replies import AgentKey
from openfunnel_async._transport.aiohttp_transport import AiohttpTransport
from openfunnel_async._transport.hidden_text import hide_text
from openfunnel_async._transport.wire import SecretText, Transport
from openfunnel_async._values.checks import check_text
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async.errors import ConfigurationError

__all__ = ["AgentKey", "sign_up", "verify"]

_T = TypeVar("_T")
_REQUEST_TIMEOUT = 30.0
_LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
# Six digits are documented; a shorter code is invalid and would cost one of the ten
# attempts.
_CODE = re.compile(r"[0-9]{6,12}", re.ASCII)


async def sign_up(
    email: str, *, base_url: str | None = None, transport: Transport | None = None
) -> None:
    """Request a code by mail; this creates an account for a new address.

    The code is valid for 24 hours and ten attempts. The request is repeated only while
    nothing was sent.

    Args:
        email: The address.
        base_url: As for ``OpenFunnel``.
        transport: Another transport for the request; it is not closed.

    Raises:
        ConfigurationError: The address or base_url is invalid; nothing was sent.
        RateLimitedError: Too many requests; ``retry_after`` states how long to wait.
        RequestRejectedError: The service refused the address.
        ServerError: The service failed; a code may have been mailed.
        TransportError: There was no complete answer; if ``request_sent`` is true, a
            code may have been mailed.
        APIError: The service answered with another refusal.

    Cancellation: a code may have been mailed.
    """
    email = _check_address(email)
    address = read_address(base_url)
    endpoints = SignUpEndpoints(address.origin, address.prefix)
    await _send(endpoints.sign_up(email), transport)


async def verify(
    email: str,
    otp_code: str,
    *,
    base_url: str | None = None,
    transport: Transport | None = None,
) -> AgentKey:
    """Exchange the code for the key.

    The request is repeated only while nothing was sent. If the answer is lost, so is
    the key; a second sign-up recovers the account.

    Args:
        email: The address that was signed up.
        otp_code: The digits that were mailed to it.
        base_url: As for ``OpenFunnel``.
        transport: Another transport for the request; it is not closed.

    Raises:
        ConfigurationError: An argument is invalid; nothing was sent.
        RequestRejectedError: The code is wrong, has expired or was already used.
        RateLimitedError: Too many wrong codes, or too many requests.
        ServerError: The service failed; the code may have been used.
        TransportError: There was no complete answer; if ``request_sent`` is true, the
            code may have been used.
        InvalidResponseError: The code was accepted, but no key can be read.
        APIError: The service answered with another refusal.

    Cancellation: the code may have been used; sign up again.
    """
    otp_code = _check_code(hide_text(otp_code))
    email = _check_address(email)
    address = read_address(base_url)
    endpoints = SignUpEndpoints(address.origin, address.prefix)
    return await _send(endpoints.verify(email, otp_code), transport)


async def _send(call: Call[_T], transport: Transport | None) -> _T:
    """Send over the given transport, else over one that is closed afterwards."""
    if transport is not None:
        return await _caller_over(transport).call(call)
    own = AiohttpTransport(
        proxy=read_proxy_setting(None), ca_file=read_ca_file_setting(None)
    )
    try:
        return await _caller_over(own).call(call)
    finally:
        with anyio.CancelScope(shield=True):
            await own.aclose()


def _caller_over(transport: Transport) -> Caller:
    return Caller(transport, None, RetryPolicy(), _REQUEST_TIMEOUT)


def _check_address(email: object) -> str:
    check_text("email", email, _LONGEST_ADDRESS)
    address = cast("str", email)
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise ConfigurationError("email must be one address, such as ada@example.org")
    return address


def _check_code(code: SecretText | None) -> SecretText:
    if code is None or not _CODE.fullmatch(code):
        raise ConfigurationError("otp_code must be the six digits of the mail, as text")
    return code
