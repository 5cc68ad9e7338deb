"""What the transport does to one exchange, as a value."""

import enum
from collections.abc import Callable, Mapping
from typing import Literal

import attrs

from openfunnel_async.sandbox import Fault

SILENCE = 10_000.0


class Break(enum.Enum):
    """Where the connection breaks."""

    REFUSED = "nothing is sent"
    CUT_BEFORE = "sent, and the service never acts on it"
    LOST = "the service acts on it, its answer does not arrive"
    CUT_REPLY = "the service acts on it, its answer arrives in part"
    STUCK_REPLY = "its answer arrives in part, and then nothing more"
    NO_REPLY = "the service acts on it, and what is returned is no reply"


BodyEdit = Callable[[bytes], bytes]
When = Literal["before", "after"]


@attrs.frozen(kw_only=True)
class ExchangePlan:
    """What the transport does to one exchange.

    Attributes:
        name: The name for the counts; ``no fault`` is the only harmless one.
        connect_seconds: Seconds until the first byte is sent.
        request_seconds: Seconds from then until the service receives the request.
        reply_seconds: Seconds from then until the client has the answer.
        connection_break: Where the connection breaks, if it does.
        make_exception: Makes an exception of another library, to be raised.
        when: Whether that is raised before the first byte is sent, or after.
        is_silent: Whether the transport never reports progress.
        fault: The fault of the service.
        headers: More headers of the answer.
        retry_after: The seconds that the answer asks to wait, if it is well-formed.
        edit_body: Changes the body of a 2xx.
        kept_share: The part of the body that arrives if the answer is cut.
        is_misleading: Whether a 2xx is wrong.
        arrives_anyway: Whether a sent request arrives after the client has stopped.
    """

    name: str = "no fault"
    connect_seconds: float = 0.0
    request_seconds: float = 0.0
    reply_seconds: float = 0.0
    connection_break: Break | None = None
    make_exception: Callable[[], Exception] | None = None
    when: When = "before"
    is_silent: bool = False
    fault: Fault | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    retry_after: float | None = None
    edit_body: BodyEdit | None = None
    kept_share: float = 1.0
    is_misleading: bool = False
    arrives_anyway: bool = True
