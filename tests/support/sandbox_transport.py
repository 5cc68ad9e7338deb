"""The sandbox without sockets: requests go straight into its service.

On a `VirtualClockLoop`, with the service on the same loop's time, a job of half an
hour passes in milliseconds:

    loop = asyncio.get_running_loop()
    service = Service(clock=loop.time)
    transport = SandboxTransport(service)
    client = OpenFunnel(service.api_key, base_url=ORIGIN, transport=transport)

What fails on the way there and back is decided by `fates`; what goes wrong in the
service, by its own `faults`. A fault that spoils the delivery loses the answer here.
"""

import enum
from collections import deque
from collections.abc import Callable

import anyio
import attrs

from openfunnel_async import TransportError, WireReply, WireRequest
from openfunnel_async.sandbox import SandboxRequest, Service, Whole

ORIGIN = "http://127.0.0.1"


class Fate(enum.Enum):
    """What becomes of one exchange."""

    ANSWERED = "answered"
    LOST = "the request takes effect, its answer does not arrive"
    REFUSED = "nothing is sent"


def _at_once() -> float:
    return 0.0


@attrs.define(eq=False)
class SandboxTransport:
    """A `Transport` whose far end is a `Service` in the same process.

    Attributes:
        service: Who answers; its clock should be the loop's time.
        latency: Called for each exchange, the seconds from sending to the answer;
            the request arrives half-way. Both halves pass in the loop's time.
        fates: What becomes of the exchanges to come, in order; later ones are
            answered. May be added to at any time.
        failed: Exchanges so far that ended in a `TransportError`.
        in_flight: Exchanges under way.
        closed: How often it was closed.
    """

    service: Service
    latency: Callable[[], float] = attrs.field(default=_at_once, kw_only=True)
    fates: deque[Fate] = attrs.field(factory=deque[Fate], kw_only=True)
    failed: int = attrs.field(default=0, init=False)
    in_flight: int = attrs.field(default=0, init=False)
    closed: int = attrs.field(default=0, init=False)

    async def send(self, request: WireRequest, /) -> WireReply:
        """Carry one request there and its reply back, or meet its fate."""
        fate = self.fates.popleft() if self.fates else Fate.ANSWERED
        half = self.latency() / 2
        request.progress.waiting()
        self.in_flight += 1
        try:
            if fate is Fate.REFUSED:
                await anyio.sleep(half)
                self.failed += 1
                raise TransportError("nobody listens", False)
            request.progress.sent()
            await anyio.sleep(half)
            reply = self.service.handle(_arrived(request))
            await anyio.sleep(half)
        finally:
            self.in_flight -= 1
        if fate is Fate.LOST or not isinstance(reply.delivery, Whole):
            self.failed += 1
            raise TransportError("the answer was lost", True)
        return WireReply(
            status_code=reply.status, headers=reply.headers, body=reply.body
        )

    async def aclose(self) -> None:
        """Count the closing; there is nothing to let go of."""
        self.closed += 1


def _arrived(request: WireRequest) -> SandboxRequest:
    return SandboxRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers={name.lower(): text for name, text in request.headers.items()},
        body=request.body or b"",
    )
