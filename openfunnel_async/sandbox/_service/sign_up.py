"""Sign-up without a browser: a six-digit code is exchanged for a key."""

import math
from collections.abc import Callable
from random import Random
from typing import Literal

import attrs

from openfunnel_async.sandbox._service.messages import (
    SandboxReply,
    error_reply,
    json_reply,
)

CodeSent = Callable[[str, str], object]
"""Receives the email address and the code of a sign-up."""

_CODE_LIFETIME = 24 * 3600.0
_ATTEMPTS = 10
_SECONDS_BETWEEN_CODES = 30.0


@attrs.define(eq=False, kw_only=True)
class _Pending:
    code: str
    sent_at: float
    attempts_left: int = _ATTEMPTS


@attrs.define(eq=False, kw_only=True)
class SignUps:
    """Sends codes and exchanges them; see docs/reference/contract.md, "Access".

    A code is valid for 24 hours and ten attempts. A new one is sent at most every
    thirty seconds, an interval that the contract does not define.

    Attributes:
        seed: The text from which the codes are made.
        nesting: Where an error has its ``error_code``.
        key_of: Returns the key of an address, the same one each time.
        code_sent: Called with each code, as no email is sent.
    """

    seed: str
    nesting: Literal["top", "detail"]
    key_of: Callable[[str], str]
    code_sent: CodeSent | None = None
    _pending: dict[str, _Pending] = attrs.field(init=False, factory=dict[str, _Pending])
    _known: set[str] = attrs.field(init=False, factory=set[str])
    _sent: int = attrs.field(init=False, default=0)

    @property
    def codes(self) -> dict[str, str]:
        """Return the codes that are not used yet, by address."""
        return {email: pending.code for email, pending in self._pending.items()}

    def sign_up(self, email: str, moment: float) -> SandboxReply:
        """Send a code, unless the last one was sent less than 30 seconds ago."""
        pending = self._pending.get(email)
        since = math.inf if pending is None else moment - pending.sent_at
        if since < _SECONDS_BETWEEN_CODES:
            wait = math.ceil(_SECONDS_BETWEEN_CODES - since)
            return self._reject(
                429, "RATE_LIMITED", "A code was just sent.", retry_after_seconds=wait
            )
        self._sent += 1
        code = f"{Random(f'{self.seed}/code/{email}/{self._sent}').randrange(10**6):06}"
        self._pending[email] = _Pending(code=code, sent_at=moment)
        if self.code_sent is not None:
            self.code_sent(email, code)
        return json_reply(200, {"email": email, "message": "A code is on its way."})

    def verify(self, email: str, otp_code: str, moment: float) -> SandboxReply:
        """Exchange a code for the key, once."""
        pending = self._pending.get(email)
        if pending is None or moment - pending.sent_at >= _CODE_LIFETIME:
            return self._reject(400, "OTP_EXPIRED", "There is no valid code.")
        if not pending.attempts_left:
            return self._reject(429, "OTP_MAX_ATTEMPTS", "Request another code.")
        if otp_code != pending.code:
            pending.attempts_left -= 1
            left = pending.attempts_left
            return self._reject(
                400, "OTP_INVALID", "The code is wrong.", remaining_attempts=left
            )
        return self._exchange_code(email)

    def _exchange_code(self, email: str) -> SandboxReply:
        del self._pending[email]
        is_new_user = email not in self._known
        self._known.add(email)
        key = self.key_of(email)
        return json_reply(
            200, {"email": email, "api_key": key, "is_new_user": is_new_user}
        )

    def _reject(
        self, status: int, error_code: str, message: str, **details: object
    ) -> SandboxReply:
        return error_reply(
            status, error_code, message, nesting=self.nesting, details=details
        )
