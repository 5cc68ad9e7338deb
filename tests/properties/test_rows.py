"""Rows: in order, each once, none lost, however pages arrive and readers pause."""

import asyncio
from typing import NamedTuple

import anyio
from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async import (
    JobFailedError,
    JobPage,
    LookalikeSearch,
    PageStream,
    PollPolicy,
)
from openfunnel_async.sandbox import JobLife, Unknowns
from tests.properties.plans import LATENCIES, LIMITS, LIVES, UNKNOWNS, seconds
from tests.properties.profiles import bounded
from tests.properties.world import Reading, Watched, World, is_row

PACES = st.sampled_from([0.25, 1.0, 3.0, 20.0]).map(PollPolicy.fixed)


class Break(NamedTuple):
    """Read so many rows, or give up after some seconds; then do something else."""

    most: int
    patience: float | None
    pause: float


BREAKS = st.lists(
    st.builds(Break, st.integers(1, 150), st.none() | seconds(20), seconds(40)),
    max_size=6,
)


def search_for(limit: int) -> LookalikeSearch:
    return LookalikeSearch(query="voice ai", limit=limit)


async def read_while_waiting(reading: Reading, breaks: list[Break]) -> None:
    """Read while somebody else learns first that the job is over."""
    waiting = asyncio.create_task(reading.job.wait_until_terminal())
    await read_with_breaks(reading, breaks)
    await waiting


async def read_with_breaks(reading: Reading, breaks: list[Break]) -> None:
    """Read in pieces, some cut short while they wait, then to the end."""
    try:
        for piece in breaks:
            with anyio.move_on_after(piece.patience):
                await reading.read(piece.most)
            await anyio.sleep(piece.pause)
        while not reading.is_over:
            await reading.read(1000)
    except JobFailedError:
        reading.is_over = True


@bounded(60)
@given(
    life=LIVES, limit=LIMITS, unknowns=UNKNOWNS, pace=PACES, slow=LATENCIES,
    breaks=BREAKS, watched=st.booleans(),
)  # fmt: skip
def test_rows_read_in_pieces_are_the_jobs_rows(  # noqa: PLR0913, PLR0917 -- what may vary
    life: JobLife,
    limit: int,
    unknowns: Unknowns,
    pace: PollPolicy,
    slow: tuple[float, ...],
    breaks: list[Break],
    watched: bool,
) -> None:
    """Each once, in order, none lost.

    Seen to fail: the last page is not read again once the job is over; a page that
    grew is handed out from its first row again.
    """
    with World(unknowns=unknowns, latencies=slow, polling=pace) as world:
        world.life = life
        job = world.run(world.client.submit(search_for(limit)))
        reading = Reading(Watched(job, submitted=True), job.rows(), follow=True)
        read = read_while_waiting if watched else read_with_breaks
        world.run(read(reading, breaks))
        reading.check_end(world.truth(job))
        assert (world.truth(job).status == "failed") is (life.ends == "failed")
        world.close()


async def read_pages(stream: PageStream, patience: float) -> list[JobPage]:
    pages: list[JobPage] = []
    while True:
        with anyio.move_on_after(patience):
            try:
                pages.append(await anext(stream))
            except (StopAsyncIteration, JobFailedError):
                return pages
        await anyio.sleep(0.25)


@bounded(40)
@given(
    life=LIVES, limit=LIMITS, unknowns=UNKNOWNS, slow=LATENCIES,
    patience=st.integers(10, 40),
)  # fmt: skip
def test_each_page_comes_once_and_whole(
    life: JobLife,
    limit: int,
    unknowns: Unknowns,
    slow: tuple[float, ...],
    patience: int,
) -> None:
    with World(unknowns=unknowns, latencies=slow) as world:
        world.life = life
        job = world.run(world.client.submit(search_for(limit)))
        pages = world.run(read_pages(job.pages(), patience))
        truth = world.truth(job)
        rows = [row for page in pages for row in page.rows]
        assert len(rows) == len(truth.rows)
        assert all(map(is_row, rows, truth.rows))
        assert all(len(page.rows) == 100 for page in pages[:-1])
        world.close()


@bounded(40)
@given(life=LIVES, limit=LIMITS, unknowns=UNKNOWNS, moment=seconds(120), slow=LATENCIES)
def test_a_stream_that_does_not_follow_gives_what_there_is(
    life: JobLife,
    limit: int,
    unknowns: Unknowns,
    moment: float,
    slow: tuple[float, ...],
) -> None:
    with World(unknowns=unknowns, latencies=slow) as world:
        world.life = life
        job = world.run(world.client.submit(search_for(limit)))
        world.run(asyncio.sleep(moment))
        before = world.truth(job).rows_written
        stream = job.rows(follow=False)
        reading = Reading(Watched(job, submitted=True), stream, follow=False)
        world.run(read_with_breaks(reading, []))
        reading.check(world.truth(job))
        assert before <= len(reading.rows) <= world.truth(job).rows_written
        world.close()


@bounded(40)
@given(patience=st.lists(seconds(5), min_size=1, max_size=8), slow=st.integers(1, 3))
def test_a_read_cut_short_on_the_wire_is_made_again(
    patience: list[float], slow: int
) -> None:
    """Seen to fail: the position moves on before the next page has come."""
    with World(latencies=(slow,)) as world:
        world.life = JobLife(queue=0, first_page_after=0, seconds_per_page=0.0)
        job = world.run(world.client.submit(search_for(300)))
        world.run(asyncio.sleep(10))
        reading = Reading(Watched(job, submitted=True), job.rows(), follow=True)
        pieces = [Break(1000, quarter, 0) for quarter in patience]
        world.run(read_with_breaks(reading, pieces))
        reading.check_end(world.truth(job))
        world.close()
