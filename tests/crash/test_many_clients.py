"""A job's rows, read by one client after the other."""

import asyncio
from typing import Literal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async import BulkJob, JobFailedError, LookalikeSearch, OpenFunnel
from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.support.hypothesis_settings import bounded
from tests.support.sandbox_transport import ORIGIN, SandboxTransport

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@st.composite
def lives(draw: st.DrawFn) -> JobLife:
    """Draw the life of a job of up to 320 rows."""
    return JobLife(
        queue=draw(st.sampled_from([0.0, 3.0])),
        first_page_after=draw(st.sampled_from([0.0, 9.0])),
        seconds_per_page=draw(st.sampled_from([0.0, 7.0, 20.0])),
        rows=draw(st.integers(0, 320) | st.sampled_from([100, 200, 300])),
        ends=draw(st.sampled_from(["completed", "completed", "failed"])),
    )


async def read_rest(
    job: BulkJob, most: int | None, patience: float
) -> list[str | None]:
    """Read up to N rows, for at most `patience` seconds; all rows without N."""
    found: list[str | None] = []
    with anyio.move_on_after(None if most is None else patience):
        try:
            async with job.rows() as stream:
                while most is None or len(found) < most:
                    found.append((await anext(stream)).linkedin_url)
        except (StopAsyncIteration, JobFailedError):
            pass
    return found


@bounded(80)
@given(
    life=lives(),
    grows=st.booleans(),
    labels=st.sampled_from(["numbered", "opaque"]),
    shape=st.sampled_from(["nulls", "absent", "empty"]),
    wait=st.booleans(),
    breaks=st.lists(st.tuples(st.integers(0, 330), st.integers(1, 40)), max_size=3),
    as_text=st.booleans(),
)
async def test_a_job_read_by_several_clients_is_read_once(  # noqa: PLR0913, PLR0917 -- what may vary
    life: JobLife,
    grows: bool,
    labels: Literal["numbered", "opaque"],
    shape: Literal["nulls", "absent", "empty"],
    wait: bool,
    breaks: list[tuple[int, int]],
    as_text: bool,
) -> None:
    """Caught: an offset that counts the rows of all pages instead of one.

    Also: the rows of the newest page counted as read before it is whole.
    """
    unknowns = Unknowns(newest_page_grows=grows, labels=labels, pending_shape=shape)
    clock = asyncio.get_running_loop().time
    service = Service(clock=clock, lives=[life], unknowns=unknowns, row_shape="six")

    def connect() -> OpenFunnel:
        transport = SandboxTransport(service)
        return OpenFunnel(service.api_key, base_url=ORIGIN, transport=transport)

    async with connect() as client:
        job = await client.submit(LookalikeSearch(query="voice ai", limit=330))
        if wait:
            await job.wait_until_terminal()
        checkpoint, found = job.checkpoint(), list[str | None]()
    for most, patience in [*breaks, (None, 0)]:
        async with connect() as client:
            job = client.resume(str(checkpoint) if as_text else checkpoint)
            found += await read_rest(job, most, patience)
            checkpoint = job.checkpoint()
    assert found == [row["linkedin_url"] for row in service.jobs[job.id].rows]
