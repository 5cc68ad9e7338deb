"""Pages to script a stream with, and ways to read one."""

from openfunnel_async import (
    BulkJob,
    Company,
    RowStream,
    WireReply,
)
from tests.support.scripted import (
    job_reply,
    manifest,
    rows,
)


def page(  # noqa: PLR0913 -- a page at a glance
    number: int,
    start: int,
    stop: int,
    *,
    status: str = "running",
    ends: bool = False,
    count: int | None = None,
) -> WireReply:
    """Build page `number` with the rows start..stop; `ends` means a null cursor."""
    return job_reply(
        status,
        rows=rows(start, stop),
        page=f"page_{number:04}",
        next_cursor=None if ends else f"page_{number + 1:04}",
        manifest=None if count is None else manifest(count),
    )


async def names(job: BulkJob, *, follow: bool = True) -> list[str | None]:
    async with job.rows(follow=follow) as stream:
        found = [company.name async for company in stream]
        assert stream.delivered == len(found)
        return found


async def collect(stream: RowStream, into: list[Company]) -> None:
    async for company in stream:
        into.append(company)  # noqa: PERF401 -- kept when it raises


def numbered(stop: int) -> list[str]:
    return [f"Company {number}" for number in range(stop)]
