"""The two requests of a sign-up, which a client does not need.

They are in a module of their own, so that a program that has a key does not import it.
"""

from functools import partial

from openfunnel_async._protocol.endpoints import Call, Endpoints, Kind
from openfunnel_async._protocol.sign_up_replies import (
    AgentKey,
    lost_sign_up,
    lost_verification,
    read_sign_up,
    read_verification,
)
from openfunnel_async._transport.wire import SecretText

_SIGN_UP = "/api/v1/agent/sign-up"
_VERIFY = "/api/v1/agent/verify"


class SignUpEndpoints(Endpoints):
    """Build the calls of a sign-up at one service address."""

    def sign_up(self, email: str) -> Call[None]:
        """Request a code by mail."""
        request = self._post(_SIGN_UP, {"email": email})
        return Call(Kind.SIGN_UP, request, read_sign_up, lost_sign_up)

    def verify(self, email: str, otp_code: SecretText) -> Call[AgentKey]:
        """Exchange the code for the key."""
        request = self._post(_VERIFY, {"email": email, "otp_code": otp_code})
        read = partial(read_verification, email, otp_code)
        return Call(Kind.SIGN_UP, request, read, partial(lost_verification, otp_code))
