"""A limit in requests per second, in front of the service."""

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
"""What a `RateLimit` says of the wait: see its ``retry_after``."""

# A client that waits as long as it was asked to must not fail by a rounding error.
_ROUNDING = 1e-6


def _check_retry_after(_: object, __: object, style: RetryAfterStyle) -> None:
    """Refuse a wait that is neither seconds nor one of the words."""
    if isinstance(style, str):
        if style not in ("seconds", "date"):
            raise ValueError(f"retry_after is 'seconds' or 'date', not {style!r}")
    elif style is not None and not 0 <= style < math.inf:
        raise ValueError(f"retry_after cannot be {style} s")


@attrs.frozen(kw_only=True)
class RateLimit:
    """Answers 429 to requests beyond N a second; they take no effect.

    A bucket of ``burst`` tokens that fills at ``per_second``: a request takes one,
    a refused request takes none. All keys share the bucket.

    The seconds are those of the service's ``clock``, whatever its ``speed``: for a
    `Sandbox`, real seconds. They are the seconds in which a client waits when it is
    sent Retry-After. `Service.advance` does not fill the bucket.

    The limit is a part of the service, and faults are around the service: a fault
    that takes the place of the service takes no token, and `LostAnswer` can lose
    a 429.

    Attributes:
        per_second: Requests a second.
        on: The kind of request it counts and refuses; others pass.
        burst: Requests that may come at once; a second's worth when not given.
        retry_after: What Retry-After says. ``seconds``: the whole seconds until a
            request passes, rounded up. ``date``: that moment as a date, with a Date
            header beside it. A number: this number. None: no such header.
        status: 429, or the 503 that some gateways send here.
        wall_clock: The seconds since 1970 that dates are made of.
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
        """Return the answer to a request that is ``wait`` seconds too early."""
        content = {"detail": "Too many requests"}
        return json_reply(self.status, content, headers=self._headers(wait))

    def _headers(self, wait: float) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        if self.retry_after == "seconds":
            return {"retry-after": str(max(1, math.ceil(wait)))}
        if self.retry_after == "date":
            now = self.wall_clock()
            # A date has whole seconds: each is rounded away from the other.
            until = formatdate(math.ceil(now + wait), usegmt=True)
            return {"date": formatdate(math.floor(now), usegmt=True)} | {
                "retry-after": until
            }
        return {"retry-after": f"{self.retry_after:g}"}


@attrs.define(eq=False)
class TokenBucket:
    """How much of a `RateLimit` is used up."""

    _full_at: float = attrs.field(init=False, default=-math.inf)

    def take(self, limit: RateLimit, kind: Kind, now: float) -> float:
        """Take a token, or return the seconds until there is one."""
        if limit.on not in ("any", kind):
            return 0.0
        full_at = max(self._full_at, now)
        wait = full_at - (limit.burst - 1) / limit.per_second - now
        if wait > _ROUNDING:
            return wait
        self._full_at = full_at + 1 / limit.per_second
        return 0.0
