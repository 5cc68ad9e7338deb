"""An account of a sandbox in memory, a client that uses it, and the truth over time.

Both are on the running loop's time, which in these tests jumps.
"""

import asyncio
from collections.abc import Iterable
from itertools import cycle
from typing import Any, Literal, Self

import anyio
import anyio.lowlevel
import attrs

from openfunnel_async import JobOutcome, LookalikeSearch, OpenFunnel, PollPolicy
from openfunnel_async.sandbox import (
    Fault,
    JobLife,
    JobView,
    SeenRequest,
    Service,
    Unknowns,
)
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.stakes import most_at_once, most_committed

STEADY = PollPolicy(jitter=0.0)


def lasting(
    seconds: float,
    rows: int | None = None,
    ends: Literal["completed", "failed"] = "completed",
) -> JobLife:
    """Plan a job that writes all its rows at its end, N seconds away."""
    return JobLife(
        queue=0,
        processed_after=0,
        first_page_after=seconds,
        seconds_per_page=0,
        closing=0,
        rows=rows,
        ends=ends,
    )


def search(number: int = 0, limit: int | None = 100) -> LookalikeSearch:
    """Make a search that tells its number."""
    return LookalikeSearch(query=f"search {number}", limit=limit)


def searches(*limits: int | None) -> list[LookalikeSearch]:
    """Make a search for each limit, in order."""
    return [search(number, limit) for number, limit in enumerate(limits)]


class Account:
    """A sandbox's first account and a client, as an async context manager.

    Args:
        lives: The lives of the first jobs; those after them live like the last.
        latency: Seconds of each exchange, over and over again.
        credit: Credits to begin with.
        faults: What goes wrong in the service.
        unknowns: How the contract's open questions are answered.
        options: Of the client.
    """

    def __init__(
        self,
        *lives: JobLife,
        latency: Iterable[float] = (0.2,),
        credit: float = 1e6,
        faults: Iterable[Fault] = (),
        unknowns: Unknowns | None = None,
        **options: Any,
    ) -> None:
        plans = lives or (lasting(20),)
        options = {"polling": STEADY, "wait_timeout": None} | options
        self.service = Service(
            clock=asyncio.get_running_loop().time,
            credits=credit,
            row_shape="six",
            faults=faults,
            unknowns=unknowns or Unknowns(),
            plan=lambda number, _limit: plans[min(number, len(plans) - 1)],
        )
        delays = cycle(latency)
        self.transport = SandboxTransport(self.service, latency=lambda: next(delays))
        self.client = OpenFunnel(
            self.service.api_key,
            base_url=ORIGIN,
            transport=self.transport,
            **options,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.client.aclose()
        assert self.transport.in_flight == 0

    @property
    def views(self) -> list[JobView]:
        """The truth about the jobs, in the order of their submits."""
        return list(self.service.jobs.values())

    def seen(self, kind: str) -> list[SeenRequest]:
        """List the requests of a kind."""
        return [one for one in self.service.requests if one.kind == kind]

    def going(self) -> list[str]:
        """List the jobs nobody has asked to stop and that have not ended."""
        states = {"pending", "running"}
        return [view.id for view in self.views if view.status in states]

    def most_at_once(self) -> int:
        """Count the jobs that were alive at the same moment, at the most."""
        return most_at_once(self.views)

    def most_committed(self) -> float:
        """Add up what was billed and may be billed, at the worst moment."""
        return most_committed(self.views)


@attrs.frozen
class Unanswered:
    """A count of tasks and requests, to see that none is left behind."""

    tasks: frozenset[asyncio.Task[object]]

    @classmethod
    def now(cls) -> Self:
        """Remember the tasks that run."""
        return cls(frozenset(asyncio.all_tasks()))

    async def check(self, account: Account) -> None:
        """See that no new task still runs, and that none begins any more."""
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert asyncio.all_tasks() <= self.tasks
        before = len(account.service.requests)
        await anyio.sleep(60)
        assert len(account.service.requests) == before
        assert account.transport.in_flight == 0


def kinds(outcomes: Iterable[JobOutcome]) -> list[str]:
    """Name each outcome by its error's class, or by its result's status."""
    return [
        type(outcome.error).__name__
        if outcome.error is not None
        else outcome.result.status.value
        if outcome.result is not None
        else "nothing"
        for outcome in outcomes
    ]
