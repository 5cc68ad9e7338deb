"""What the pytest plugin provides: a sandbox in a thread, and a client of it.

A fixture that is a coroutine belongs to the plugin that runs it, and to its loop.
These do not: the sandbox has a loop of its own, and the client belongs to the loop of
the test that first uses it, and leaves nothing behind there.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

import anyio
import attrs
from anyio.from_thread import start_blocking_portal

from openfunnel_async._client.client import OpenFunnel
from openfunnel_async._transport.aiohttp_transport import AiohttpTransport
from openfunnel_async._transport.wire import WireReply, WireRequest
from openfunnel_async._values.policies import PollPolicy
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.sandbox import (
    JobView,
    Ledger,
    Sandbox,
    SandboxReply,
    SandboxRequest,
)

_LOOK_EVERY = 0.02


@attrs.define(eq=False, kw_only=True, repr=False)
class SharedSandbox(Sandbox):
    """A quick sandbox that its server's thread and a test's use at the same time.

    Two that settle at once would bill a job twice. A fault's own function may look
    at the sandbox that calls it, so the lock can be taken again.
    """

    speed: float = attrs.field(default=1000.0, validator=attrs.validators.ge(0))
    _lock: Any = attrs.field(init=False, factory=RLock)

    def handle(self, request: SandboxRequest) -> SandboxReply:
        """Answer a request while nobody else looks or answers."""
        with self._lock:
            return super().handle(request)

    def advance(self, seconds: float) -> None:
        """Move sandbox time forward between two requests."""
        with self._lock:
            super().advance(seconds)

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """Show the truth about every job as it is between two requests."""
        with self._lock:
            return super().jobs

    @property
    def ledger(self) -> Ledger:
        """Show the first account's credits as they are between two requests."""
        with self._lock:
            return super().ledger

    def open_account(self, owner: str) -> str:
        """Open one more account between two requests."""
        with self._lock:
            return super().open_account(owner)

    def _ends_at_the_head(self, request: SandboxRequest) -> bool:
        with self._lock:
            return super()._ends_at_the_head(request)


@contextmanager
def in_a_thread(sandbox: Sandbox) -> Generator[None]:
    """Run a sandbox in a thread, on a loop of its own."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(sandbox),
    ):
        yield


def client_of(sandbox: Sandbox) -> OpenFunnel:
    """Make a client that waits as little as the sandbox does."""
    return OpenFunnel(
        sandbox.api_key,
        base_url=sandbox.base_url,
        polling=PollPolicy.fixed(_LOOK_EVERY),
        transport=_PassingTransport(),
    )


class _PassingTransport:
    """Carry each request over a connection of its own, closed with the reply.

    A session is bound to the loop it was made on and must be closed there. The
    loop of a test is gone when its fixtures are torn down.
    """

    def __init__(self) -> None:
        self._closed = False

    async def send(self, request: WireRequest, /) -> WireReply:
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        transport = AiohttpTransport()
        try:
            return await transport.send(request)
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    async def aclose(self) -> None:
        self._closed = True
