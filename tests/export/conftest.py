"""A job that delivers over time, in virtual time, and a client of its service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from openfunnel_async import BulkJob, LookalikeSearch, OpenFunnel
from openfunnel_async.export import _streaming
from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.support.sandbox_transport import ORIGIN, SandboxTransport


class World:
    """A service whose jobs have planned lives, and a client of it."""

    def __init__(self) -> None:
        self.service = Service(
            clock=asyncio.get_running_loop().time,
            unknowns=Unknowns(newest_page_grows=True),
            row_shape="six",
        )
        self.client = OpenFunnel(
            self.service.api_key,
            base_url=ORIGIN,
            transport=SandboxTransport(self.service),
        )

    async def submit(self, limit: int = 350, **life: Any) -> BulkJob:
        self.service.plan = lambda _number, _limit: JobLife(**life)
        return await self.client.submit(LookalikeSearch(query="voice", limit=limit))

    async def finished(self, limit: int = 350, **life: Any) -> BulkJob:
        """Submit a job, see it over, and attach to it anew."""
        job = await self.submit(limit, **life)
        await job.wait_until_terminal()
        return self.client.job(job.id)

    def truth(self, job: BulkJob) -> list[object]:
        """List who a job has delivered."""
        return [row["linkedin_url"] for row in self.service.jobs[job.id].rows]

    def reads(self, job: BulkJob) -> list[str | None]:
        """List the pages that were asked for."""
        seen = [one for one in self.service.requests if one.kind == "read"]
        return [dict(one.query).get("cursor") for one in seen if one.job_id == job.id]


async def at_once(work: Callable[..., Any], *args: object) -> Any:
    """Do in the loop what would be done in a thread, which holds no clock back."""
    await anyio.lowlevel.checkpoint()
    return work(*args)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(_streaming, "run_sync", at_once)
    made = World()
    async with made.client:
        yield made
