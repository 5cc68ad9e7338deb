"""What becomes of an exchange, as a value."""

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
    """What becomes of one exchange.

    Attributes:
        name: For the tally; ``fair`` is the only one that does no harm.
        connect: Seconds until the first byte leaves.
        there: Seconds until the service sees the request.
        back: Seconds until the client has the answer.
        broken: Where the connection breaks, if it does.
        foreign: Makes an exception that is not the client's own, which is raised.
        when: Whether that is raised before the first byte leaves, or after.
        is_silent: Whether the transport reports nothing, whatever the schedule says.
        fault: What the service does wrong.
        headers: What the answer carries besides.
        asked: Seconds the answer asks to wait, where it says so in good form.
        mangle: What happens to the body of a 2xx on its way.
        kept: Part of the body that arrives where the answer is cut.
        is_spoiled: Whether a 2xx cannot be believed.
        outlives: Whether a request that was sent arrives though the client gave up.
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
