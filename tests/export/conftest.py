"""A service and a client in virtual time, for the tests of exports."""

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


class ConnectedService:
    """A service whose jobs have the given lives, and a client of it."""

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

    async def submit_and_wait(self, limit: int = 350, **life: Any) -> BulkJob:
        """Submit a job, wait until it is terminal, and return a new handle of it."""
        job = await self.submit(limit, **life)
        await job.wait_until_terminal()
        return self.client.job(job.id)

    def delivered(self, job: BulkJob) -> list[object]:
        """List the companies that a job has delivered."""
        return [row["linkedin_url"] for row in self.service.jobs[job.id].rows]

    def reads(self, job: BulkJob) -> list[str | None]:
        """List the cursors of the pages that were requested."""
        seen = [one for one in self.service.requests if one.kind == "read"]
        return [dict(one.query).get("cursor") for one in seen if one.job_id == job.id]


async def run_in_loop(work: Callable[..., Any], *args: object) -> Any:
    """Call a function in the loop: a thread would not stop the virtual clock."""
    await anyio.lowlevel.checkpoint()
    return work(*args)


@pytest.fixture
async def connected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ConnectedService]:
    monkeypatch.setattr(_streaming, "run_sync", run_in_loop)
    created = ConnectedService()
    async with created.client:
        yield created
