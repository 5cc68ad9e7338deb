"""What the replies to a sign-up and to a verification mean.

A reply may repeat the code or a key. Both are removed from a refusal before an error is
made of it.
"""

import json
import re
from http import HTTPStatus
from typing import Any, cast

import attrs

from openfunnel_async._protocol.codec import decode
from openfunnel_async._protocol.error_replies import (
    error_objects,
    failure,
    is_from_service,
    replace_message,
)
from openfunnel_async._text import brief_repr
from openfunnel_async._transport.wire import SecretText, WireReply
from openfunnel_async.errors import APIError, InvalidResponseError, TransportError

_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
_LIKE_A_KEY = re.compile(r"of_[0-9A-Za-z]{16,}")
# A text or a number of JSON.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+')
_REDIRECT, _SERVER_FAULT = 3, 5

_CODE_UNKNOWN = (
    "a code may have been mailed nevertheless; "
    "check the mailbox before you sign up again"
)
_KEY_UNKNOWN = (
    "the code may have been used, and the key, which is shown once, may be lost; "
    "signing up again with the same address recovers the account"
)
_EXPLANATIONS = {
    "OTP_EXPIRED": "the code has expired or was already used; sign up for a new one",
    "OTP_INVALID": "the code is wrong",
    "OTP_MAX_ATTEMPTS": "too many wrong codes; sign up for a new one",
    "RATE_LIMITED": "too many requests",
}


@attrs.frozen(kw_only=True)
class AgentKey:
    """A key that was just created or recovered; the service shows it only once.

    The key is not in the repr, and the value cannot be pickled: store ``api_key`` where
    only its owner can read it.

    Attributes:
        email: The address of the account.
        api_key: The key, for ``OpenFunnel(api_key)`` or ``OPENFUNNEL_API_KEY``.
        is_new_user: Whether the account was created by this sign-up; None if the
            service does not state it.
    """

    __module__ = "openfunnel_async.agent_auth"

    email: str
    api_key: str = attrs.field(converter=SecretText)
    is_new_user: bool | None = None

    __repr__ = brief_repr


def read_sign_up(reply: WireReply) -> None:
    """Read the reply to a sign-up.

    Raises:
        APIError: The service refused or failed.
    """
    if not reply.is_success:
        raise _refusal(reply, None, _CODE_UNKNOWN)


def read_verification(email: str, otp_code: SecretText, reply: WireReply) -> AgentKey:
    """Read the reply to a verification.

    Raises:
        InvalidResponseError: The reply accepts the code, but has no readable key.
        APIError: The service refused or failed.
    """
    if not reply.is_success:
        raise _refusal(reply, otp_code, _KEY_UNKNOWN)
    key = _read_key(email, reply)
    if key is None:
        raise InvalidResponseError(f"the answer has no key: {_KEY_UNKNOWN}", "$")
    return key


def lost_sign_up(failed: TransportError, _partial: WireReply | None) -> TransportError:
    """Return the error of a sign-up that was sent and got no complete reply."""
    return type(failed)(f"{failed}; {_CODE_UNKNOWN}", True)


def lost_verification(
    otp_code: SecretText, failed: TransportError, _partial: WireReply | None
) -> TransportError:
    """Return the error of a verification that was sent and got no complete reply."""
    return type(failed)(f"{_hide(str(failed), otp_code)}; {_KEY_UNKNOWN}", True)


def _refusal(reply: WireReply, otp_code: SecretText | None, unknown: str) -> APIError:
    """Return the error that a reply outside 2xx means, and what to do about it."""
    error = failure(_hide_in_reply(reply, otp_code))
    message = _explain(error) or error.message
    if error.retry_after is not None:
        message += f"; wait {error.retry_after:.0f} s before the next request"
    if _may_have_had_effect(reply.status_code):
        message += f"; {unknown}"
    return replace_message(error, message)


def _may_have_had_effect(status: int) -> bool:
    family = status // 100
    return family in {_REDIRECT, _SERVER_FAULT} or status == HTTPStatus.REQUEST_TIMEOUT


def _explain(error: APIError) -> str | None:
    """Return what the error code of an answer means; None for an unlisted one."""
    if error.status_code in {401, 403} and is_from_service(error):
        return f"the service refused the sign-up (HTTP {error.status_code})"
    for fields in error_objects(error.detail):
        explanation = _EXPLANATIONS.get(str(fields["error_code"]))
        if explanation is not None:
            return explanation + _attempts_left(fields.get("details"))
    return None


def _attempts_left(details: object) -> str:
    left: object = None
    if isinstance(details, dict):
        left = cast("dict[str, object]", details).get("remaining_attempts")
    if type(left) is not int:
        return ""
    return f"; {left} attempt{'' if left == 1 else 's'} left"


def _read_key(email: str, reply: WireReply) -> AgentKey | None:
    """Read the key, whatever the other fields are: the service shows it only once.

    Returns None where there is no key: an error that is raised here would have frames
    that hold the body.
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


def _hide_in_reply(reply: WireReply, otp_code: SecretText | None) -> WireReply:
    """Remove the code, also as a number, and every text that is like a key."""

    def hide_token(token: re.Match[str]) -> str:
        shown = _hide(token[0], otp_code)
        # In place of a number there must be a text, or the body is no longer JSON.
        return shown if shown == token[0] or shown[0] == '"' else '"<hidden>"'

    try:
        # Encoded again, so that no character of a secret is escaped.
        text = json.dumps(decode(reply.body))
    except (InvalidResponseError, RecursionError):
        body = _hide(reply.body.decode(errors="replace"), otp_code)
    else:
        body = _TOKEN.sub(hide_token, text)
    headers = {name: _hide(value, otp_code) for name, value in reply.headers.items()}
    return attrs.evolve(reply, headers=headers, body=body.encode())


def _hide(text: str, otp_code: SecretText | None) -> str:
    if otp_code is not None:
        text = text.replace(otp_code, "<hidden>")
    return _LIKE_A_KEY.sub("<hidden>", text)
