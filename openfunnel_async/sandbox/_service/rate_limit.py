"""A limit in requests per second."""

import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Literal

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.fault import Target
from openfunnel_async.sandbox._service.messages import Kind, SandboxReply, json_reply

RetryAfterStyle = float | Literal["seconds", "date"] | None
"""The form of the Retry-After header of a `RateLimit`; see its ``retry_after``."""

# A client that waits exactly as long as requested must not fail by a rounding error.
_ROUNDING = 1e-6


def _check_retry_after(_: object, __: object, style: RetryAfterStyle) -> None:
    """Reject a value that is neither a number of seconds nor one of the words."""
    if isinstance(style, str):
        if style not in ("seconds", "date"):
            raise ValueError(f"retry_after is 'seconds' or 'date', not {style!r}")
    elif style is not None and not 0 <= style < math.inf:
        raise ValueError(f"retry_after cannot be {style} s")


@attrs.frozen(kw_only=True)
class RateLimit:
    """Answers 429 to requests beyond N per second; they take no effect.

    A token bucket of ``burst`` tokens that fills at ``per_second``: an accepted request
    takes one token, a rejected one takes none. All keys share the bucket.

    The seconds are those of the service's ``clock``, whatever its ``speed``: for a
    `Sandbox`, real seconds, like those of Retry-After. `Service.advance` does not fill
    the bucket.

    Faults come before the limit: a request that a fault answers without the service
    takes no token, and `LostAnswer` can lose a 429.

    Attributes:
        per_second: Requests per second.
        on: The kind of request that it limits.
        burst: Requests that can arrive at once; by default those of one second.
        retry_after: The Retry-After header. ``seconds``: the seconds until a request
            is accepted, rounded up. ``date``: that time as a date, with a Date header.
            A number: this number. None: no such header.
        status: 429, or the 503 that some gateways send instead.
        wall_clock: Returns the seconds since 1970, for the dates.
    """

    __module__ = "openfunnel_async.sandbox"

    per_second: float = attrs.field(validator=validators.gt(0))
    on: Target = "any"
    burst: int = attrs.field(
        default=attrs.Factory(
            lambda self: max(1, math.floor(self.per_second)), takes_self=True
        ),
        validator=validators.ge(1),
    )
    retry_after: RetryAfterStyle = attrs.field(
        default="seconds", validator=_check_retry_after
    )
    status: Literal[429, 503] = attrs.field(
        default=429, validator=validators.in_((429, 503))
    )
    wall_clock: Callable[[], float] = time.time

    def refusal(self, wait: float) -> SandboxReply:
        """Return the answer to a request that arrives ``wait`` seconds too early."""
        content = {"detail": "Too many requests"}
        return json_reply(self.status, content, headers=self._headers(wait))

    def _headers(self, wait: float) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        if self.retry_after == "seconds":
            return {"retry-after": str(max(1, math.ceil(wait)))}
        if self.retry_after == "date":
            now = self.wall_clock()
            # A date has whole seconds: the two are rounded away from each other.
            until = formatdate(math.ceil(now + wait), usegmt=True)
            return {"date": formatdate(math.floor(now), usegmt=True)} | {
                "retry-after": until
            }
        return {"retry-after": f"{self.retry_after:g}"}


@attrs.define(eq=False)
class TokenBucket:
    """The tokens of a `RateLimit`."""

    _full_at: float = attrs.field(init=False, default=-math.inf)

    def take(self, limit: RateLimit, kind: Kind, now: float) -> float:
        """Take a token and return 0.0, or return the seconds until there is one."""
        if limit.on not in ("any", kind):
            return 0.0
        full_at = max(self._full_at, now)
        wait = full_at - (limit.burst - 1) / limit.per_second - now
        if wait > _ROUNDING:
            return wait
        self._full_at = full_at + 1 / limit.per_second
        return 0.0
