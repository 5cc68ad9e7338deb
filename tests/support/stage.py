"""A service, a job in it, a client, and one fault between them.

    async with stage_for(plan(ResetAfter(received=0)), "read", times=1) as stage:
        await stage.ask("read")
    assert stage.requests == 2

A fault concerns one kind of request, N times, and no other.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import attrs

from openfunnel_async import (
    AiohttpTransport,
    LookalikeSearch,
    OpenFunnel,
    RetryPolicy,
    WireReply,
    WireRequest,
)
from openfunnel_async._transport.wire import SendProgress
from openfunnel_async.sandbox import (
    ConnectionPlan,
    FaultyProxy,
    JobLife,
    Sandbox,
    SlowAnswer,
    TargetedFault,
    TrickledBody,
    Unknowns,
)
from tests.support.documented import strangers

__all__ = [
    "ATTEMPTS",
    "SEARCH",
    "Asked",
    "Stage",
    "fault",
    "foreign",
    "plan",
    "stage_for",
]

ATTEMPTS = 3
SEARCH = LookalikeSearch(query="voice ai", limit=250)
# Running from the start and for ever, so that a cancel is always accepted.
_LONG = JobLife(queue=0, processed_after=0, first_page_after=1e9)

Asked = Literal["submit", "cancel", "read"]
Struck = Asked | Literal["any"]
Strike = Callable[["Stage", Struck, int], None]
When = Literal["before", "after", "unreported", "returned"]


def fault(make: Callable[..., TargetedFault], **options: Any) -> Strike:
    """Return what has the service itself go wrong."""

    def strike(stage: "Stage", kind: Struck, times: int) -> None:
        stage.sandbox.faults.append(make(on=kind, times=times, **options))
        if make in (SlowAnswer, TrickledBody):
            stage.patience = 8.0

    return strike


def plan(plan: ConnectionPlan) -> Strike:
    """Return what has a proxy before the service break the connection."""

    def strike(stage: "Stage", kind: Struck, times: int) -> None:
        del kind
        stage.proxy.plan += [plan] * times
        stage.proxied = True

    return strike


def foreign(make: Callable[[], Exception], when: When) -> Strike:
    """Return what has the transport fail in a way that is not the client's own."""

    def strike(stage: "Stage", kind: Struck, times: int) -> None:
        stage.transport = ForeignTransport(kind, times, make, when)

    return strike


@attrs.define(eq=False)
class ForeignTransport:
    """A transport that breaks its promise to raise `TransportError` alone.

    Attributes:
        kind: The requests that it strikes.
        times: How many of them.
        make: Makes the exception; where it is returned, it is no reply.
        when: Before the first byte, after the service has acted, or after that
            without a report of how far it has come.
        struck: Requests of the kind so far, also those that were let through.
    """

    kind: Struck
    times: int
    make: Callable[[], Exception]
    when: When
    struck: int = 0
    inner: AiohttpTransport = attrs.field(factory=AiohttpTransport)

    async def send(self, request: WireRequest, /) -> WireReply:
        """Carry the request, and fail before or after that."""
        if _kind_of(request) != self.kind:
            return await self.inner.send(request)
        self.struck += 1
        if self.struck > self.times:
            return await self.inner.send(request)
        if self.when == "before":
            request.progress.waiting()
            raise self.make()
        if self.when == "unreported":
            await self.inner.send(attrs.evolve(request, progress=SendProgress()))
            raise self.make()
        await self.inner.send(request)
        if self.when == "returned":
            return cast("WireReply", self.make())
        raise self.make()

    async def aclose(self) -> None:
        """Close the inner one."""
        await self.inner.aclose()


def _kind_of(request: WireRequest) -> Asked:
    if request.method == "GET":
        return "read"
    return "cancel" if request.path.endswith("/cancel") else "submit"


@attrs.define(eq=False)
class Stage:
    """What one test plays on.

    Attributes:
        sandbox: The service.
        proxy: What may stand before it.
        proxied: Whether the client's way leads through the proxy.
        patience: Seconds that the client waits for an answer.
        transport: What the client sends with, if not with its own.
        kind: What the fault strikes.
        job_id: A job that is there already.
        client: The client.
    """

    sandbox: Sandbox
    proxy: FaultyProxy
    kind: Struck
    job_id: str
    proxied: bool = False
    patience: float = 60.0
    transport: ForeignTransport | None = None
    client: OpenFunnel = attrs.field(init=False)

    @property
    def requests(self) -> int:
        """Requests at the service, or connections at the proxy before it.

        With a transport that fails by itself, what it was given.
        """
        if self.transport is not None:
            return self.transport.struck
        if self.proxied:
            return len(self.proxy.connections)
        seen = self.sandbox.requests
        return sum(self.kind in ("any", request.kind) for request in seen)

    @property
    def made(self) -> int:
        """Jobs that were made, beside the one that was there already."""
        return len(self.sandbox.jobs) - 1

    async def arrived(self) -> None:
        """Return when a request has arrived."""
        async with asyncio.timeout(600):
            while not self.requests:  # noqa: ASYNC110 -- the sandbox gives no notice
                await asyncio.sleep(0)

    async def ask(self, kind: Asked) -> object:
        """Make one call of the kind."""
        if kind == "submit":
            return await self.client.submit(SEARCH)
        job = self.client.job(self.job_id)
        return await (job.cancel() if kind == "cancel" else job.poll())


@asynccontextmanager
async def stage_for(
    strike: Strike, kind: Struck, *, times: int = 10**6, **options: Any
) -> AsyncGenerator[Stage]:
    """Set the stage, with a client that tries three times.

    At its end, every request that arrived must have been a documented one.
    """
    async with (
        Sandbox(
            speed=0,
            plan=lambda _number, _limit: _LONG,
            unknowns=Unknowns(second_cancel=409),
        ) as sandbox,
        FaultyProxy(upstream=sandbox.base_url) as proxy,
    ):
        async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as early:
            job_id = (await early.submit(SEARCH)).id
        sandbox.requests.clear()
        stage = Stage(sandbox, proxy, kind, job_id)
        # A proxy's plans come by the list, and no test makes that many connections.
        strike(stage, kind, min(times, 50))
        address = proxy.base_url if stage.proxied else sandbox.base_url
        options = {
            "retry": RetryPolicy(attempts=ATTEMPTS),
            "request_timeout": stage.patience,
            **options,
        }
        if stage.transport is not None:
            options["transport"] = stage.transport
        async with OpenFunnel(sandbox.api_key, base_url=address, **options) as client:
            stage.client = client
            yield stage
        assert strangers(sandbox.requests, sandbox.base_url, proxy.base_url) == []
