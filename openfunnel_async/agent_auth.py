"""Get an API key without a browser: ask for a code by mail, trade it for the key.

    await sign_up("ada@example.org")
    key = await verify("ada@example.org", input("Code: "))

Signing up again with the same address recovers its account. Source: facts.md, "Access".
Neither request may be repeated once it may have been seen: a second sign-up mails a
second code, and a code is good for one trade.
"""

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any, cast

import anyio
import attrs

from openfunnel_async._client.settings import hide_text, read_origin
from openfunnel_async._protocol.codec import decode, encode
from openfunnel_async._protocol.endpoints import Kind
from openfunnel_async._protocol.error_replies import failure, is_from_service
from openfunnel_async._protocol.retry_rules import RetryAllowance, Tries
from openfunnel_async._text import brief_repr
from openfunnel_async._transport.aiohttp_transport import AiohttpTransport
from openfunnel_async._transport.wire import (
    Headers,
    SecretText,
    SendProgress,
    Transport,
    WireReply,
    WireRequest,
)
from openfunnel_async._values.checks import check_text
from openfunnel_async._values.policies import RetryPolicy
from openfunnel_async.errors import (
    APIError,
    ConfigurationError,
    InvalidResponseError,
    RequestTimeoutError,
    TransportError,
)

__all__ = ["AgentKey", "sign_up", "verify"]

_SIGN_UP = "/api/v1/agent/sign-up"
_VERIFY = "/api/v1/agent/verify"
_HEADERS = Headers({"accept": "application/json", "content-type": "application/json"})
_WITHIN = 30.0

_LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
# Six digits are documented; fewer cannot be right and would cost one of ten attempts.
_CODE = re.compile(r"[0-9]{6,12}", re.ASCII)
_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
_LIKE_A_KEY = re.compile(r"of_[0-9A-Za-z]{16,}")
# A text or a number of JSON.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+')

_UNSEEN_CODE = (
    "a code may have been mailed all the same; look there before signing up again"
)
_UNSEEN_KEY = (
    "the code may have been traded and the key, which is shown once, be lost; "
    "signing up again with the same address recovers the account"
)
_ADVICE = {
    "OTP_EXPIRED": "the code has expired or was traded before; sign up for a new one",
    "OTP_INVALID": "that is not the code",
    "OTP_MAX_ATTEMPTS": "too many wrong codes; sign up for a new one",
    "RATE_LIMITED": "the service was asked too often",
}


@attrs.frozen(kw_only=True)
class AgentKey:
    """A key that was just made or recovered; the service shows it this once.

    It stays out of the repr and cannot be pickled: keep ``api_key`` where only its
    owner can read it.

    Attributes:
        email: The address of the account.
        api_key: The key, for ``OpenFunnel(api_key)`` or ``OPENFUNNEL_API_KEY``.
        is_new_user: Whether the account was made now; None if the service does not
            say.
    """

    email: str
    api_key: str = attrs.field(converter=SecretText)
    is_new_user: bool | None = None

    __repr__ = brief_repr


async def sign_up(
    email: str, *, base_url: str | None = None, transport: Transport | None = None
) -> None:
    """Have a code mailed to an address, which makes its account if it has none.

    The code is valid for 24 hours and ten attempts. Sent at most once, and again
    only if nothing was sent before.

    Args:
        email: The address.
        base_url: As for ``OpenFunnel``.
        transport: Another way to carry the request; it is left open.

    Raises:
        ConfigurationError: The address or base_url cannot be right; nothing was sent.
        RateLimitedError: Asked too often; ``retry_after`` says for how long to wait.
        RequestRejectedError: The service refused the address.
        ServerError: The service failed; a code may have been mailed.
        TransportError: No answer; with ``request_sent`` a code may have been mailed.
        APIError: The service answered with another refusal.

    Cancellation: a code may have been mailed.
    """
    call = _Call(path=_SIGN_UP, fields={"email": _address(email)}, unseen=_UNSEEN_CODE)
    reply = await _send(call, read_origin(base_url), transport)
    if not reply.is_success:
        raise _refusal(call, reply)


async def verify(
    email: str,
    otp_code: str,
    *,
    base_url: str | None = None,
    transport: Transport | None = None,
) -> AgentKey:
    """Trade the code for the key, once.

    Sent at most once, and again only if nothing was sent before. An answer that is
    lost takes the key with it; signing up again recovers the account.

    Args:
        email: The address that was signed up.
        otp_code: The digits that were mailed to it.
        base_url: As for ``OpenFunnel``.
        transport: Another way to carry the request; it is left open.

    Raises:
        ConfigurationError: An argument cannot be right; nothing was sent.
        RequestRejectedError: Not the code, or one that has expired or was traded.
        RateLimitedError: Too many wrong codes, or asked too often.
        ServerError: The service failed; the code may have been traded.
        TransportError: No answer; with ``request_sent`` the code may have been traded.
        InvalidResponseError: The code was taken, but no key can be read.
        APIError: The service answered with another refusal.

    Cancellation: the code may have been traded; sign up again.
    """
    otp_code = _code(hide_text(otp_code))
    fields = {"email": _address(email), "otp_code": otp_code}
    call = _Call(path=_VERIFY, fields=fields, unseen=_UNSEEN_KEY, code=otp_code)
    reply = await _send(call, read_origin(base_url), transport)
    if not reply.is_success:
        raise _refusal(call, reply)
    key = _read_key(email, reply)
    if key is None:
        raise InvalidResponseError(f"the answer holds no key: {_UNSEEN_KEY}", "$")
    return key


@attrs.frozen(kw_only=True)
class _Call:
    """What is sent, and what is not known when no answer comes."""

    path: str
    fields: dict[str, str]
    unseen: str
    code: SecretText | None = None

    def hide(self, text: str) -> str:
        """Take the code, and whatever looks like a key, out of a text."""
        if self.code is not None:
            text = text.replace(self.code, "<hidden>")
        return _LIKE_A_KEY.sub("<hidden>", text)

    def hide_token(self, token: re.Match[str]) -> str:
        """Take them out of a text or a number of JSON, which stays JSON."""
        shown = self.hide(token[0])
        return shown if shown == token[0] or shown[0] == '"' else '"<hidden>"'


def _address(email: object) -> str:
    check_text("email", email, _LONGEST_ADDRESS)
    address = cast("str", email)
    if not _ADDRESS.fullmatch(address) or not address.isprintable():
        raise ConfigurationError("email must be one address, such as ada@example.org")
    return address


def _code(given: SecretText | None) -> SecretText:
    if given is None or not _CODE.fullmatch(given):
        raise ConfigurationError("otp_code must be the six digits of the mail, as text")
    return given


async def _send(call: _Call, origin: str, transport: Transport | None) -> WireReply:
    """Send, over connections of its own unless told otherwise."""
    request = WireRequest(
        method="POST",
        origin=origin,
        path=call.path,
        headers=_HEADERS,
        body=encode(call.fields),
        # Only of a fresh connection is it known whether anything was sent.
        fresh_connection=True,
        progress=SendProgress(),
    )
    if transport is not None:
        return await _repeat(call, request, transport)
    own = AiohttpTransport()
    try:
        return await _repeat(call, request, own)
    finally:
        with anyio.CancelScope(shield=True):
            await own.aclose()


async def _repeat(call: _Call, request: WireRequest, transport: Transport) -> WireReply:
    """Send again for as long as nothing was sent."""
    tries = Tries(Kind.SUBMIT, RetryPolicy(), RetryAllowance())
    while True:
        outcome = await _once(transport, request)
        if isinstance(outcome, WireReply):
            return outcome
        pause = tries.pause(outcome, asyncio.get_running_loop().time())
        if pause is None:
            raise _lost(call, outcome)
        await anyio.sleep(pause)


async def _once(
    transport: Transport, request: WireRequest
) -> WireReply | TransportError:
    """Send once; a failure is returned, so that no frame goes along."""
    progress = request.progress
    progress.begin()
    try:
        async with asyncio.timeout(_WITHIN):
            return await transport.send(request)
    except TransportError as exc:
        return exc.with_traceback(None)
    except TimeoutError:
        msg = f"no complete answer within {_WITHIN:g} s"
        return RequestTimeoutError(msg, progress.may_be_sent)
    finally:
        progress.finish()
        progress.partial = None


def _lost(call: _Call, failed: TransportError) -> TransportError:
    """Say what is not known of a request that was sent."""
    if not failed.request_sent:
        return failed
    return type(failed)(f"{failed}; {call.unseen}", True)


def _refusal(call: _Call, reply: WireReply) -> APIError:
    """Return what a reply outside 2xx means, and what to do about it."""
    error = failure(_without_secrets(call, reply))
    said = _advice(error) or str(error)
    if error.retry_after is not None:
        said += f"; wait {error.retry_after:.0f} s before asking again"
    if reply.status_code == HTTPStatus.REQUEST_TIMEOUT or _may_have_worked(reply):
        said += f"; {call.unseen}"
    refused = type(error)(said, *error.args[1:])
    vars(refused).update(_from_service=is_from_service(error))
    return refused


def _may_have_worked(reply: WireReply) -> bool:
    """Whether the answer leaves open what came of the request: 3xx and 5xx do."""
    return reply.status_code // 100 in {3, 5}


def _without_secrets(call: _Call, reply: WireReply) -> WireReply:
    """Take the code, also as a number, and what is like a key out of a refusal."""
    try:
        # Written anew, so that nothing of them is escaped.
        text = json.dumps(decode(reply.body))
    except (InvalidResponseError, RecursionError):
        body = call.hide(reply.body.decode(errors="replace")).encode()
    else:
        body = _TOKEN.sub(call.hide_token, text).encode()
    headers = {name: call.hide(value) for name, value in reply.headers.items()}
    return attrs.evolve(reply, headers=headers, body=body)


def _advice(error: APIError) -> str | None:
    """Say what the error's code means, if it is a known one."""
    if error.status_code in {401, 403} and is_from_service(error):
        return f"the service refused the sign-up (HTTP {error.status_code})"
    for place in _nested(error.detail):
        word = place.get("error_code")
        advice = _ADVICE.get(word) if isinstance(word, str) else None
        if advice is not None:
            return advice + _attempts_left(place.get("details"))
    return None


def _nested(detail: object) -> list[dict[str, Any]]:
    """Return the places where the error may stand; its nesting is not certain."""
    if not isinstance(detail, dict):
        return []
    top = cast("dict[str, Any]", detail)
    inner = [top.get(name) for name in ("detail", "error")]
    return [top, *(cast("dict[str, Any]", one) for one in inner if type(one) is dict)]


def _attempts_left(details: object) -> str:
    left: object = None
    if isinstance(details, dict):
        left = cast("dict[str, object]", details).get("remaining_attempts")
    if type(left) is not int:
        return ""
    return f"; {left} attempt{'' if left == 1 else 's'} left"


def _read_key(email: str, reply: WireReply) -> AgentKey | None:
    """Read the key, and let no other field be in its way: it is shown once.

    Returns None where there is no key: an error raised here would have frames that
    hold the body.
    """
    try:
        answer: Any = decode(reply.body)
    except InvalidResponseError:
        return None
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    api_key, address = fields.get("api_key"), fields.get("email")
    if not isinstance(api_key, str) or not _KEY.fullmatch(api_key):
        return None
    is_new = fields.get("is_new_user")
    return AgentKey(
        email=address if isinstance(address, str) else email,
        api_key=api_key,
        is_new_user=is_new if isinstance(is_new, bool) else None,
    )
