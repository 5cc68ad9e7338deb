"""A terminal job of many pages, and a client with some latency, in virtual time."""

import asyncio
from collections.abc import Callable, Sequence

from openfunnel_async import (
    BulkJob,
    Company,
    LookalikeSearch,
    OpenFunnel,
    WireReply,
    WireRequest,
)
from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.support.sandbox_transport import ORIGIN, SandboxTransport
from tests.support.scripted import Seen, job_reply, manifest, rows

LATENCY = 0.2
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
STRAIGHT = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}


class Wire(SandboxTransport):
    """Counts the most exchanges that were under way at the same time."""

    most = 0

    async def send(self, request: WireRequest, /) -> WireReply:
        self.most = max(self.most, self.in_flight + 1)
        return await super().send(request)


class World:
    """A job of N rows, and a client with 0.2 s of latency."""

    def __init__(
        self,
        count: int,
        *,
        read_ahead: int = 8,
        unknowns: Unknowns | None = None,
        life: JobLife = AT_ONCE,
    ) -> None:
        self.service = Service(
            clock=asyncio.get_running_loop().time,
            unknowns=unknowns or Unknowns(),
            lives=[life],
            row_shape="six",
        )
        self.wire = Wire(self.service, latency=lambda: LATENCY)
        self.client = OpenFunnel(
            self.service.api_key,
            base_url=ORIGIN,
            transport=self.wire,
            read_ahead=read_ahead,
        )
        self.search = LookalikeSearch(query="voice ai", limit=count)

    async def finished(self) -> BulkJob:
        """Submit the job, wait until it is terminal, and return a new handle of it."""
        job = await self.client.submit(self.search)
        await job.wait_until_terminal()
        self.wire.most = 0
        return self.client.job(job.id)

    def check(self, job: BulkJob, found: Sequence[Company], start: int = 0) -> None:
        """Check that the companies are the rows of the job, from a position on."""
        delivered = [row["linkedin_url"] for row in self.service.jobs[job.id].rows]
        assert [company.linkedin_url for company in found] == delivered[start:]

    def cursors(self) -> list[str | None]:
        """List the cursors of the reads."""
        reads = [seen for seen in self.service.requests if seen.kind == "read"]
        return [dict(seen.query).get("cursor") for seen in reads]


def book(
    turns: dict[int, int] = STRAIGHT, *, pages: int | None = 6
) -> Callable[[Seen], WireReply]:
    """Return the route of a finished job, two rows a page.

    Args:
        turns: The next page of each page; a page without one is the last.
        pages: The number of pages in the manifest.
    """
    count, page = 2, 0
    while page in turns:
        count, page = count + 2, turns[page]

    def read(seen: Seen) -> WireReply:
        number = int((seen.cursor or "page_0000").removeprefix("page_"))
        turn = turns.get(number)
        return job_reply(
            "completed",
            rows=rows(2 * number, 2 * number + 2),
            page=f"page_{number:04}",
            next_cursor=None if turn is None else f"page_{turn:04}",
            manifest=manifest(count, pages=pages),
        )

    return read
