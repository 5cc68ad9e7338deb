"""A hundred waits through ten minutes in which nothing answers, in virtual time.

A wait polls at the pace of its policy, here every 5 s, and what it asks for at such
a moment is a tick. Whatever else is sent is a retry, and the retries of all waits
share one budget: twenty, and a fifth of one for each answer before. With
``pytest -s`` the counts are shown.
"""

import asyncio
from collections import defaultdict
from itertools import pairwise
from typing import Literal

import anyio
import attrs
import pytest

from openfunnel_async import (
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    RetryPolicy,
    TransportError,
    WireReply,
    WireRequest,
)
from openfunnel_async.sandbox import JobLife, Service
from tests.support.figures import measured
from tests.support.sandbox_transport import ORIGIN, SandboxTransport

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

JOBS = 100
TICK = 5.0
BEGINS, ENDS = 60.0, 660.0
BUDGET = 20
SEARCH = LookalikeSearch(query="voice ai", limit=10)
# Over in the middle of the outage, so that the first look after it ends the wait.
LIFE = JobLife(queue=200, first_page_after=100)

Outage = Literal["refused", "reset", "503", "503 with Retry-After"]


@attrs.define(eq=False)
class Unreachable(SandboxTransport):
    """Answers nothing between two moments.

    Attributes:
        outage: What comes in place of an answer.
        began: The moment from which all are counted.
        asked: The moments of the requests made meanwhile, by path.
    """

    outage: Outage = attrs.field(kw_only=True)
    began: float = attrs.field(init=False, factory=anyio.current_time)
    asked: defaultdict[str, list[float]] = attrs.field(
        init=False, factory=lambda: defaultdict[str, list[float]](list)
    )

    async def send(self, request: WireRequest, /) -> WireReply:
        now = self.now
        if not BEGINS <= now < ENDS:
            return await super().send(request)
        self.asked[request.path].append(now)
        await anyio.sleep(0.01)
        if self.outage.startswith("503"):
            after = {"retry-after": "7"} if "Retry-After" in self.outage else {}
            return WireReply(status_code=503, headers=after)
        raise TransportError("nothing answers", self.outage == "reset")

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return anyio.current_time() - self.began

    @property
    def gaps(self) -> list[float]:
        """Seconds between each two requests about a job."""
        return [
            later - earlier
            for moments in self.asked.values()
            for earlier, later in pairwise(moments)
        ]

    @property
    def ticks(self) -> int:
        """Requests as far from the one before as the policy says, or the first."""
        return len(self.asked) + sum(gap >= TICK for gap in self.gaps)

    @property
    def requests(self) -> int:
        """All requests made during the outage."""
        return sum(map(len, self.asked.values()))


async def waited_through(outage: Outage) -> tuple[Unreachable, list[JobStatus]]:
    """Wait for all jobs at once, and return the outcomes."""
    service = Service(
        clock=asyncio.get_running_loop().time, plan=lambda _number, _limit: LIFE
    )
    transport = Unreachable(service, outage=outage)
    async with OpenFunnel(
        service.api_key,
        base_url=ORIGIN,
        transport=transport,
        polling=PollPolicy.fixed(TICK),
        retry=RetryPolicy(outage=3600),
    ) as client:
        jobs = [await client.submit(SEARCH) for _ in range(JOBS)]
        await client.wait_all(jobs, timeout=3600)
        assert [job.error for job in jobs if job.error] == []
        # Each has one look after the outage, and no more is needed.
        assert transport.now < ENDS + TICK + 10
    return transport, [job.status for job in jobs]


@pytest.fixture(scope="module", params=["refused", "reset", "503"])
async def after(
    request: pytest.FixtureRequest, anyio_backend: object
) -> tuple[Unreachable, list[JobStatus]]:
    """One outage for both tests of it."""
    del anyio_backend
    return await waited_through(request.param)


Waited = tuple[Unreachable, list[JobStatus]]


async def test_an_outage_is_not_met_by_a_storm(after: Waited) -> None:
    """Caught: no budget at all, 23,591 retries; one for each call, 23,560."""
    transport, _ = after
    retries = transport.requests - transport.ticks
    measured(
        f"{retries} retries beyond {transport.ticks:,} polls of {JOBS} jobs in ten "
        f"minutes of nothing but {transport.outage}"
    )
    assert retries <= BUDGET


async def test_all_waits_end_after_an_outage(after: Waited) -> None:
    """Caught: an outage of which each failure counts as a wait's last one."""
    transport, statuses = after
    assert statuses == [JobStatus.COMPLETED] * JOBS
    # Nobody gave up, or asked more often than it should.
    for moments in transport.asked.values():
        assert 0.8 * (ENDS - BEGINS) / TICK < len(moments) <= (ENDS - BEGINS) / TICK + 5


async def test_a_retry_after_is_not_undercut_in_an_outage() -> None:
    """Caught: a pause of the policy's own in place of the longer one asked for."""
    transport, statuses = await waited_through("503 with Retry-After")
    assert statuses == [JobStatus.COMPLETED] * JOBS
    assert min(transport.gaps) >= 7
