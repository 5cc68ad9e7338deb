"""Run the SDK's own waiter against the model, in virtual time.

A real `BulkJob` waits through a `Transport` that acts the model out, 0.1 s each way.
The jitter is drawn from a seed, so the same jobs give the same outcomes.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from statistics import fmean

import anyio
import attrs

from openfunnel_async import (
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    WireReply,
    WireRequest,
)
from tests.pace.model import PacedJob, Status
from tests.support.virtual_time import VirtualClockLoop

ONE_WAY = 0.1
STEADY = PollPolicy(jitter=0.0)
FIXED = PollPolicy.fixed(4)
LONE = 10.0
_JITTER_SEED = 1


@attrs.define(eq=False)
class Life:
    """A submitted job, and when it was polled and cancelled, on its own clock."""

    job: PacedJob
    began: float
    polls: list[float] = attrs.field(factory=list[float])
    cancelled_at: float | None = None

    @property
    def ends_at(self) -> float:
        """When it ends, as things stand."""
        if self.cancelled_at is None:
            return self.job.end
        return min(self.job.end, self.job.settles(self.cancelled_at))

    def status(self, moment: float) -> Status:
        """Tell the job's status at a moment."""
        if moment >= self.ends_at:
            return self.job.ends if self.ends_at == self.job.end else "cancelled"
        if self.cancelled_at is not None:
            return "cancelling"
        return "running" if moment >= self.job.queue else "pending"


class ModelTransport:
    """A service whose jobs live as the model says; a search's query is its number."""

    def __init__(self, jobs: Sequence[PacedJob]) -> None:
        self.jobs = jobs
        self.lives: dict[int, Life] = {}

    async def send(self, request: WireRequest, /) -> WireReply:
        await anyio.sleep(ONE_WAY)
        answer = self._answer(request)
        await anyio.sleep(ONE_WAY)
        return WireReply(status_code=200, body=json.dumps(answer).encode())

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _answer(self, request: WireRequest) -> dict[str, object]:
        now = anyio.current_time()
        _, _, _, _, _, *rest = request.path.split("/")
        if not rest:
            number = int(json.loads(request.body or b"")["query"])
            # The job's clock starts when the submit is answered.
            self.lives[number] = Life(self.jobs[number], now + ONE_WAY)
            return {"job_id": str(number), "status": "pending"}
        life = self.lives[int(rest[0])]
        moment = now - life.began
        if request.method == "POST":
            assert moment < life.job.end, "the model cancels a job that is going"
            life.cancelled_at = moment
            return {"job_id": rest[0], "message": "stopping", "status": "cancelling"}
        life.polls.append(moment)
        return {
            "job_id": rest[0],
            "status": life.status(moment),
            "processed": life.job.processed(min(moment, life.ends_at)),
        }


@attrs.frozen
class Outcome:
    """How one job was waited for.

    Attributes:
        limit: Rows it was asked for.
        polls: Polls of it, the last included.
        delay: Seconds from its end to the answer that reported it.
        times: When the looks arrived, on the clock of all jobs.
    """

    limit: int
    polls: int
    delay: float
    times: tuple[float, ...]


@attrs.frozen
class Summary:
    """Many outcomes in three numbers."""

    polls: float
    delay: float
    longest: float


def summary(outcomes: Sequence[Outcome]) -> Summary:
    """Average over jobs."""
    return Summary(
        fmean(outcome.polls for outcome in outcomes),
        fmean(outcome.delay for outcome in outcomes),
        max(outcome.delay for outcome in outcomes),
    )


def wait_for(
    jobs: Sequence[PacedJob],
    policy: PollPolicy = STEADY,
    *,
    apart: float = LONE,
    cancels: bool = False,
) -> list[Outcome]:
    """Submit the jobs and wait for each, all of them on one loop and one client.

    Args:
        jobs: The jobs, in the order of their submits.
        policy: How the waits are paced.
        apart: Seconds from one submit to the next. Jobs submitted closer together
            than the longest pace are a batch, whose first looks are spread.
        cancels: Whether each job is cancelled at its own moment, and waited for from
            then on; the pace after a cancel does not depend on what was seen before.
    """
    drawn = random.getstate()
    random.seed(_JITTER_SEED)
    try:
        with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
            return runner.run(_wait_for_all(jobs, policy, apart, cancels=cancels))
    finally:
        random.setstate(drawn)


async def _wait_for_all(
    jobs: Sequence[PacedJob], policy: PollPolicy, apart: float, *, cancels: bool
) -> list[Outcome]:
    transport = ModelTransport(jobs)
    async with OpenFunnel(
        "of_" + "0" * 64,
        base_url="http://127.0.0.1",
        transport=transport,
        polling=policy,
        wait_timeout=None,
    ) as client:
        tasks: list[asyncio.Task[Outcome]] = []
        for number in range(len(jobs)):
            await anyio.sleep_until(number * apart)
            one = _wait(client, transport, number, cancels=cancels)
            tasks.append(asyncio.create_task(one))
        return await asyncio.gather(*tasks)


async def _wait(
    client: OpenFunnel,
    transport: ModelTransport,
    number: int,
    *,
    cancels: bool,
) -> Outcome:
    job = transport.jobs[number]
    search = LookalikeSearch(query=str(number), limit=job.limit)
    handle = await client.submit(search)
    life = transport.lives[number]
    if cancels:
        # Sent so that it arrives at the moment the model draws, or right after the
        # submit's answer.
        await anyio.sleep_until(life.began + job.cancel_at - ONE_WAY)
        await handle.cancel(wait=True, timeout=None)
    else:
        await handle.wait_until_terminal()
    moment = anyio.current_time() - life.began
    assert handle.status.value == life.status(moment)
    return Outcome(
        limit=job.limit,
        polls=len(life.polls),
        delay=moment - life.ends_at,
        times=tuple(life.began + at for at in life.polls),
    )


def busiest_second(outcomes: Sequence[Outcome]) -> int:
    """Count the looks in that second, begun anywhere, that has the most of them."""
    times = sorted(at for outcome in outcomes for at in outcome.times)
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most
