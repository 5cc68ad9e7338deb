"""One worker, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from openfunnel_async import (
    Book,
    BookError,
    ConfigurationError,
    OpenFunnel,
    RetryPolicy,
)
from openfunnel_async.book import BatchReport
from openfunnel_async.sandbox import StatusFault, VanishedJob
from openfunnel_async.workers import run_worker
from tests.cli.command import life
from tests.support.postgres import PostgresServer
from tests.workers.processes import Team
from tests.workers.program import BATCH, connect, make_searches
from tests.workers.silent_link import SilentLink

pytestmark = [pytest.mark.anyio]


def open_client(
    team: Team,
    book: Book,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
) -> OpenFunnel:
    key, url = team.sandbox.api_key, team.sandbox.base_url
    return OpenFunnel(key, base_url=url, book=book, retry=retry)


@asynccontextmanager
async def working(book: Book, client: OpenFunnel) -> AsyncGenerator[None]:
    """Run a worker for a block."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(book, client, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await worker


async def wait_for(book: Book, team: Team, settled: int) -> BatchReport:
    """Wait until a number of searches are settled."""
    await team.until(lambda status: status.settled >= settled)
    return await (await book.batch(BATCH)).report()


async def test_a_batch_is_bought_while_it_works(team: Team) -> None:
    book = connect(team.url)
    async with open_client(team, book) as client, working(book, client):
        batch = await client.batch(BATCH, make_searches(5, 10))
        await wait_for(book, team, 5)
        companies = [company async for company in batch.rows()]
    assert len(companies) == 50
    assert len(team.sandbox.jobs) == 5


async def test_a_bill_lets_the_next_search_fit(team: Team) -> None:
    """Caught: what does not fit under a cap and is never tried again."""
    book = connect(team.url)
    async with open_client(team, book) as client:
        # Both bill 150 of the 200 that they may; a third one would be too much.
        team.sandbox.plan = lambda _number, _limit: life(rows=150)
        await client.batch(BATCH, make_searches(3, 200), max_credits=350)
        async with working(book, client):
            await team.until(lambda status: status.settled + status.skipped == 3)
    assert len(team.sandbox.jobs) == 2
    assert (await team.check()).is_ok


async def test_a_refusal_that_meets_all_puts_off_all(team: Team) -> None:
    """Caught: planned searches that are fetched one after the other meanwhile."""
    team.sandbox.faults.append(StatusFault(status=429, on="submit", times=2))
    book = connect(team.url)
    async with open_client(team, book) as client:
        await client.batch(BATCH, make_searches(6, 10))
        async with working(book, client):
            await wait_for(book, team, 6)
    assert len(team.sandbox.jobs) == 6


async def test_a_cancelled_worker_gives_everything_back(team: Team) -> None:
    book = connect(team.url)
    async with open_client(team, book) as client:
        await client.batch(BATCH, make_searches(3, 5000))
        worker = asyncio.create_task(run_worker(book, client))
        await team.until(lambda status: status.submitted == 3)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert await team.count_jobs() == []
        assert (
            await team.query("SELECT status::text FROM procrastinate_jobs")
            == [("todo",)] * 3
        )


async def test_a_job_that_vanished_is_tried_again_later(team: Team) -> None:
    """Caught: a task that fails, and comes again without a pause."""
    book = connect(team.url)
    team.sandbox.faults.append(VanishedJob(times=1000))
    retry = RetryPolicy(outage=0.1)
    async with open_client(team, book, retry) as client:
        await client.batch(BATCH, make_searches(1, 5000))
        async with working(book, client), asyncio.timeout(30):
            await _wait_put_off(team)


async def _wait_put_off(team: Team) -> None:
    query = (
        "SELECT 1 FROM procrastinate_jobs WHERE scheduled_at > now() + interval '20 s'"
    )
    rows: list[tuple[object, ...]] = []
    while not rows:
        rows = await team.query(query)
        await asyncio.sleep(0.1)


async def test_a_file_is_no_book_of_many_machines(team: Team) -> None:
    book = Book("openfunnel.sqlite")
    async with open_client(team, book) as client:
        with pytest.raises(ConfigurationError, match="PostgreSQL"):
            await run_worker(book, client)


@pytest.mark.parametrize(
    "arguments", [{"concurrency": 0}, {"slice_seconds": 0.5}, {"slice_seconds": -1.0}]
)
async def test_invalid_arguments_are_refused(
    team: Team, arguments: dict[str, float]
) -> None:
    book = connect(team.url)
    async with open_client(team, book) as client:
        with pytest.raises(ConfigurationError):
            await run_worker(book, client, **arguments)  # type: ignore[arg-type]  # wrong on purpose


async def test_it_ends_when_the_database_stays_away(team: Team) -> None:
    """Caught: a worker that waits for ever, and a supervisor that sees no fault."""
    with PostgresServer() as server:
        book = connect(server.url, patience=1.0)
        async with open_client(team, book) as client:
            await client.batch(BATCH, make_searches(3, 5000))
            worker = asyncio.create_task(run_worker(book, client))
            own = Team(url=server.url, sandbox=team.sandbox)
            await own.until(lambda status: status.submitted == 3)
            await asyncio.to_thread(server.stop)
            with pytest.raises(BookError):
                async with asyncio.timeout(40):
                    await worker
        await asyncio.to_thread(server.start)


async def test_a_short_crash_of_the_database_is_survived(team: Team) -> None:
    """Caught: the engine ending with its first statement that fails."""
    with PostgresServer() as server:
        book = connect(server.url, lease=60.0)
        own = Team(url=server.url, sandbox=team.sandbox)
        async with open_client(team, book) as client:
            await client.batch(BATCH, make_searches(20, 30))
            async with working(book, client):
                await own.until(lambda status: status.submitted + status.settled >= 3)
                await asyncio.to_thread(server.restart)
                async with asyncio.timeout(40):
                    await _wait_settled(own, 20)
        assert len(team.sandbox.jobs) == 20


async def _wait_settled(team: Team, number: int) -> None:
    while True:
        with contextlib.suppress(BookError):
            await team.until(lambda status: status.settled == number)
            return


async def test_it_ends_when_the_database_answers_nothing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a half-open connection, on which a thread waits for ever."""
    monkeypatch.setattr("openfunnel_async.book._postgres.connection._CLOSE_WITHIN", 1.0)
    monkeypatch.setattr("openfunnel_async.workers._run._GIVE_UP_WITHIN", 1.0)
    monkeypatch.setattr("openfunnel_async.book._postgres.store._RENEW_WITHIN", 1.0)
    with PostgresServer() as server:
        async with SilentLink(server.port) as link:
            url = server.url.replace(str(server.port), str(link.port))
            book = connect(f"{url}?connect_timeout=2")
            async with open_client(team, book) as client:
                await client.batch(BATCH, make_searches(3, 5000))
                worker = asyncio.create_task(run_worker(book, client))
                own = Team(url=server.url, sandbox=team.sandbox)
                await own.until(lambda status: status.submitted == 3)
                link.silence()
                with pytest.raises(BookError):
                    async with asyncio.timeout(30):
                        await worker
