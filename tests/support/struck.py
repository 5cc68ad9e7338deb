"""A client, a service and one operation, to be struck at every step it takes.

    async for trial in every_trial(operation, "once"):
        assert trial.came_out or not trial.struck

A trial's service is a sandbox in virtual time. An exchange connects for 0.2 s, takes
0.2 s there and 0.2 s back, so each of its phases is a time of its own. Another
setting, such as one with real sockets, is given as a context manager.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Literal, TypeVar

import anyio
import attrs

from openfunnel_async import (
    BulkJob,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    RowStream,
    WireReply,
    WireRequest,
)
from openfunnel_async.sandbox import JobLife, Service
from tests.support.leftovers import others
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.steps import SteppedLoop

__all__ = [
    "SEARCH",
    "WAYS",
    "Operation",
    "Setting",
    "Trial",
    "VirtualTrial",
    "Way",
    "assert_it_came_out",
    "every_trial",
    "in_virtual_time",
]

SEARCH = LookalikeSearch(query="voice ai", limit=101)
Way = Literal["once", "twice", "twice in a row", "scope", "wait_for"]
WAYS: tuple[Way, ...] = ("once", "twice", "twice in a row", "scope", "wait_for")

_LIFE = JobLife(queue=1, first_page_after=1, seconds_per_page=2, closing=1)
_PHASE = 0.2
_MOST = 2000


@attrs.define(eq=False)
class Trial:
    """One run of an operation that is struck.

    Attributes:
        service: The truth.
        client: The client.
        job: A job that runs, with 101 rows to come.
        stream: A stream of its rows, for an operation that reads one.
        names: The rows that the operation has read.
        struck: Whether the operation was still under way when it was struck.
        came_out: Whether the strike came out of it, as it must.
        finished: Whether it returned in place of that.
        behind: Tasks that were still there in the moment in which it ended.
        warnings: What was logged as one meanwhile.
        grain: How much more time each trial is given than the one before, in s.
    """

    service: Service
    client: OpenFunnel
    job: BulkJob
    stream: RowStream
    names: list[str | None] = attrs.field(factory=list[str | None], kw_only=True)
    struck: bool = attrs.field(default=False, init=False)
    came_out: bool = attrs.field(default=False, init=False)
    finished: bool = attrs.field(default=False, init=False)
    behind: int = attrs.field(default=0, init=False)
    warnings: list[str] = attrs.field(factory=list[str], init=False)
    grain: ClassVar[float]

    @property
    def truth(self) -> list[object]:
        """The names of all rows of the job."""
        return [row["name"] for row in self.service.jobs[self.job.id].rows]

    @property
    def unaccounted(self) -> list[str]:
        """Jobs that bill for a cancelled caller, and that nothing names."""
        if self.finished or any("is not known" in text for text in self.warnings):
            return []
        known = (self.job.id, *self.client.orphans)
        return [
            job.id
            for job in self.service.jobs.values()
            if job.status in ("pending", "running") and job.id not in known
        ]


@attrs.define(eq=False)
class VirtualTrial(Trial):
    """A trial in virtual time.

    Attributes:
        transport: The way to the service.
    """

    transport: SandboxTransport
    grain: ClassVar[float] = 1.5 * _PHASE

    @property
    def left(self) -> tuple[int, int]:
        """Exchanges under way, and tasks beside the test's own."""
        return self.transport.in_flight, len(others() - {asyncio.current_task()})


T = TypeVar("T", bound=Trial)
Operation = Callable[[Trial], Awaitable[object]]
Setting = Callable[[], AbstractAsyncContextManager[T]]


class _Connecting(SandboxTransport):
    """Takes its time before anything is sent."""

    async def send(self, request: WireRequest, /) -> WireReply:
        request.progress.waiting()
        self.in_flight += 1
        try:
            await anyio.sleep(_PHASE)
        finally:
            self.in_flight -= 1
        return await super().send(request)


@asynccontextmanager
async def in_virtual_time() -> AsyncGenerator[VirtualTrial]:
    """Set the scene without sockets."""
    service = Service(
        clock=asyncio.get_running_loop().time,
        plan=lambda _number, _limit: _LIFE,
        row_shape="six",
    )
    transport = _Connecting(service, latency=lambda: 2 * _PHASE)
    async with OpenFunnel(
        service.api_key,
        base_url=ORIGIN,
        transport=transport,
        polling=PollPolicy.fixed(2),
    ) as client:
        job = await client.submit(SEARCH)
        yield VirtualTrial(service, client, job, job.rows(), transport)


class _Warnings(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())


async def every_trial(
    operation: Operation,
    way: Way,
    prepare: Callable[[T], object],
    setting: Setting[T],
) -> AsyncIterator[T]:
    """Strike the operation before its first step, before its second, and so on.

    Ways:
        once: ``task.cancel()``; ``twice``: again three steps later, or the next.
        scope: An anyio scope is cancelled.
        wait_for: It is given no time, then a grain of it, then two, and so on.

    The last trial is the first whose operation ended before it was cancelled. After
    each the client is closed, and what it left behind then is checked.
    """
    logger = logging.getLogger("openfunnel_async")
    for number in range(_MOST):
        async with setting() as trial:
            prepare(trial)
            handler = _Warnings(trial.warnings)
            logger.addHandler(handler)
            try:
                if way == "wait_for":
                    await _give_time(trial, operation, number * trial.grain)
                else:
                    await _strike(trial, operation, way, number)
                yield trial
            finally:
                logger.removeHandler(handler)
        if not trial.struck:
            return
    raise AssertionError("the operation never ended")


def assert_it_came_out(trial: Trial, way: Way) -> None:
    """See that the strike came out of the operation, if it struck at all."""
    # A scope does not strike a task that has what it waited for and needs no more.
    assert trial.came_out or trial.finished
    assert trial.came_out == trial.struck or way == "scope"


async def _strike(trial: Trial, operation: Operation, way: Way, number: int) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    scope, before = anyio.CancelScope(), others()

    async def operate() -> None:
        try:
            with scope:
                await operation(trial)
                trial.finished = True
        finally:
            trial.behind = len(others() - before - {asyncio.current_task()})

    task = asyncio.create_task(operate())

    def strike() -> None:
        trial.struck = not task.done()
        if way == "scope":
            scope.cancel()
        else:
            task.cancel()

    loop.before_step(number, strike)
    if way.startswith("twice"):
        loop.before_step(number + (3 if way == "twice" else 1), task.cancel)
    await asyncio.wait([task])
    loop.forget()
    trial.came_out = task.cancelled() or scope.cancelled_caught
    if not task.cancelled():
        task.result()


async def _give_time(trial: Trial, operation: Operation, seconds: float) -> None:
    async def operate() -> None:
        await operation(trial)

    try:
        await asyncio.wait_for(operate(), seconds)
        trial.finished = True
    except TimeoutError as exc:
        # A wait's own error is one as well; it has no business here.
        assert type(exc) is TimeoutError, exc  # noqa: PT017 -- one of two ways out
        trial.struck = trial.came_out = True
