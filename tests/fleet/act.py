"""Run one schedule with the SDK and an in-memory sandbox, in virtual time."""

import asyncio
import random
from itertools import cycle

import anyio
import anyio.lowlevel
import attrs

from openfunnel_async import (
    JobOutcome,
    LookalikeSearch,
    OpenFunnel,
    RetryPolicy,
    WireReply,
    WireRequest,
)
from openfunnel_async.sandbox import JobView, Service, Unknowns
from tests.fleet.account import most_committed
from tests.fleet.schedule import Leave, Schedule
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.virtual_time import VirtualClockLoop


@attrs.define(eq=False)
class Witness:
    """A transport that notes of which jobs the client was told the id.

    A torn answer ends in the middle of its JSON, after the id.
    """

    inner: SandboxTransport
    torn: frozenset[int]
    told: set[str] = attrs.field(factory=set[str], init=False)
    _submits: int = attrs.field(default=0, init=False)

    async def send(self, request: WireRequest, /) -> WireReply:
        reply = await self.inner.send(request)
        if not request.path.endswith("search-lookalikes-bulk"):
            return reply
        number, self._submits = self._submits, self._submits + 1
        made = [id_ for id_ in self.inner.service.jobs if id_.encode() in reply.body]
        self.told.update(made)
        if made and number in self.torn:
            cut = reply.body.index(made[0].encode()) + len(made[0]) + 2
            return attrs.evolve(reply, body=reply.body[:cut])
        return reply

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.frozen(kw_only=True)
class Seen:
    """What a schedule left.

    Attributes:
        outcomes: Of the batch; None if its caller went.
        raised: What the batch raised, where its caller did not go.
        told: Jobs whose ids the client was told.
        at_return: The jobs that went on when the batch was over.
        going: The jobs nobody had asked to stop once the client was closed.
        orphans: Those the client named then.
        views: The truth about all jobs.
        went_at: When the caller went, or the batch was over.
        took: Seconds from then to the end of the batch.
        committed: Most credits billed and at stake at any one moment.
        most_active: Most jobs alive at any one moment.
        left_over: Tasks and requests after the closing.
    """

    outcomes: list[JobOutcome] | None
    raised: BaseException | None
    told: frozenset[str]
    at_return: frozenset[str]
    going: frozenset[str]
    orphans: frozenset[str]
    views: tuple[JobView, ...]
    went_at: float
    took: float
    committed: float
    most_active: int
    left_over: int


def act(schedule: Schedule) -> Seen:
    """Run a schedule; the same one gives the same evidence."""
    drawn = random.getstate()
    random.seed(schedule.seed)
    try:
        with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
            return runner.run(_act(schedule))
    finally:
        random.setstate(drawn)


async def _act(schedule: Schedule) -> Seen:
    loop = asyncio.get_running_loop()
    service = Service(
        clock=loop.time,
        credits=1e9,
        row_shape="six",
        faults=schedule.faults,
        unknowns=Unknowns(
            settle=schedule.settle, failed_rows_billed=schedule.failed_rows_billed
        ),
        lives=schedule.lives,
    )
    delays = cycle(schedule.latencies)
    inner = SandboxTransport(service, latency=lambda: next(delays))
    inner.fates.extend(schedule.fates)
    witness = Witness(inner, schedule.torn_submits)
    client = OpenFunnel(
        service.api_key,
        base_url=ORIGIN,
        transport=witness,
        retry=RetryPolicy(outage=schedule.outage),
        wait_timeout=schedule.wait_timeout,
    )
    task = asyncio.create_task(_batch(client, schedule))
    await asyncio.sleep(0)
    went_at = await _go(task, schedule.leave)
    await asyncio.wait([task])
    took = loop.time() - went_at
    at_return = _going(service)
    await client.aclose()
    orphans, going = frozenset(client.orphans), _going(service)
    left_over = await _left_over(service, inner)
    outcomes, raised = _end_of(task)
    views = tuple(service.jobs.values())
    return Seen(
        outcomes=outcomes,
        raised=raised,
        told=frozenset(witness.told),
        at_return=at_return,
        going=going,
        orphans=orphans,
        views=views,
        went_at=went_at,
        took=took,
        committed=most_committed(views),
        most_active=_most_active(views),
        left_over=left_over,
    )


async def _batch(client: OpenFunnel, schedule: Schedule) -> list[JobOutcome] | None:
    """Run the batch; None if a scope or a time-out ended it."""
    work = client.run_many(
        [
            LookalikeSearch(query=f"search {number}", limit=limit)
            for number, limit in enumerate(schedule.limits)
        ],
        max_active=schedule.max_active,
        max_credits=schedule.max_credits,
        on_error=schedule.on_error,
    )
    leave = schedule.leave
    if leave is None or leave.how in {"once", "twice"}:
        return await work
    if leave.how == "scope":
        with anyio.move_on_after(leave.at):
            return await work
        return None
    try:
        return await asyncio.wait_for(work, leave.at)
    except TimeoutError:
        return None


async def _go(
    task: asyncio.Task[list[JobOutcome] | None], leave: Leave | None
) -> float:
    """Let the caller go, in the manner drawn, and tell when."""
    await asyncio.wait([task], timeout=leave.at if leave is not None else None)
    went_at = asyncio.get_running_loop().time()
    if leave is None:
        return went_at
    if leave.how in {"once", "twice"}:
        task.cancel()
    if leave.how == "twice":
        await asyncio.wait([task], timeout=leave.gap)
        for _ in range(leave.turns):
            await anyio.lowlevel.checkpoint()
        task.cancel()
    return went_at


def _end_of(
    task: asyncio.Task[list[JobOutcome] | None],
) -> tuple[list[JobOutcome] | None, BaseException | None]:
    if task.cancelled():
        return None, None
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)


def _going(service: Service) -> frozenset[str]:
    alive = {"pending", "running"}
    return frozenset(v.id for v in service.jobs.values() if v.status in alive)


def _most_active(views: tuple[JobView, ...]) -> int:
    starts = [view.created_at for view in views]
    alive = (sum(v.created_at <= at < v.ends_at for v in views) for at in starts)
    return max(alive, default=0)


async def _left_over(service: Service, transport: SandboxTransport) -> int:
    """Count what is still going on, and what begins within five minutes."""
    await anyio.lowlevel.checkpoint()
    tasks = len(asyncio.all_tasks()) - 1
    before = len(service.requests)
    await anyio.sleep(300)
    return tasks + transport.in_flight + len(service.requests) - before
