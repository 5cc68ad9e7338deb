"""A sandbox that runs in a thread of its own, beside any event loop or none."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

import attrs
from anyio.from_thread import start_blocking_portal

from openfunnel_async.sandbox._server import Sandbox
from openfunnel_async.sandbox._service.evidence import JobView
from openfunnel_async.sandbox._service.ledger import Ledger
from openfunnel_async.sandbox._service.messages import SandboxReply, SandboxRequest


@attrs.define(eq=False, kw_only=True, repr=False)
class SharedSandbox(Sandbox):
    """A fast sandbox that its server's thread and a test's thread can use at once.

    Without the lock, two threads could bill the same job twice. The lock is
    reentrant, because the function of a fault may read the sandbox that calls it.
    """

    speed: float = attrs.field(default=1000.0, validator=attrs.validators.ge(0))
    _lock: Any = attrs.field(init=False, factory=RLock)

    def handle(self, request: SandboxRequest) -> SandboxReply:
        """Answer a request under the lock."""
        with self._lock:
            return super().handle(request)

    def advance(self, seconds: float) -> None:
        """Move sandbox time forward under the lock."""
        with self._lock:
            super().advance(seconds)

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """Return the truth about every job, read under the lock."""
        with self._lock:
            return super().jobs

    @property
    def ledger(self) -> Ledger:
        """Return the first account's ledger, read under the lock."""
        with self._lock:
            return super().ledger

    def open_account(self, owner: str) -> str:
        """Open one more account under the lock."""
        with self._lock:
            return super().open_account(owner)

    def _fault_ignores_body(self, request: SandboxRequest) -> bool:
        with self._lock:
            return super()._fault_ignores_body(request)


@contextmanager
def in_a_thread(sandbox: Sandbox) -> Generator[None]:
    """Run a sandbox in a thread, on an event loop of its own."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(sandbox),
    ):
        yield
