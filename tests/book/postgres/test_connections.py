"""The database is away, slow, or cut off in the worst moment: nothing is done twice."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import anyio
import psycopg
import pytest

from openfunnel_async import (
    Book,
    BookError,
    BookTooNewError,
    ConfigurationError,
    JobCheckpoint,
)
from openfunnel_async.book import EntryState
from openfunnel_async.book._postgres import connection
from openfunnel_async.book._postgres.schema import MIGRATIONS
from openfunnel_async.book._postgres.store import PostgresStore
from tests.book.conformance.planned import ROWS, entry_of, plan, submitted
from tests.book.postgres.relay import Relay
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.anyio
COMMIT = b"COMMIT"


@pytest.fixture
def relay(postgres_url: str) -> Iterator[Relay]:
    with Relay(postgres_url) as started:
        yield started


@pytest.fixture
async def store(relay: Relay) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore(relay.url)
    yield opened
    relay.is_silent = False
    await opened.aclose()


@pytest.mark.parametrize("order", ["cut_before", "cut_after"])
async def test_a_commit_that_is_cut_off_is_done_once(
    store: PostgresStore, relay: Relay, order: str
) -> None:
    """Caught: a page written twice (an error), or an intent taken for another's."""
    await plan(store, "a", "b")
    entry = await submitted(store, "a", "job-1")
    assert await store.take_lease(entry.id)
    setattr(relay, order, COMMIT)
    await store.record_page(entry.id, 0, ROWS, str(JobCheckpoint(job_id="job-1")))
    setattr(relay, order, COMMIT)
    await submitted(store, "b", "job-2")
    assert relay.cuts == 2
    assert (await entry_of(store, "a")).rows == len(ROWS)
    assert (await store.check()).problems == ()


async def test_a_transaction_that_is_cut_off_is_run_again(
    store: PostgresStore, relay: Relay
) -> None:
    await plan(store, "a")
    relay.cut_before = b"INSERT INTO of_reservation"
    entry = await submitted(store, "a", "job-1")
    assert relay.cuts == 1
    assert entry.state is EntryState.SUBMITTED


async def test_a_database_that_never_answers_is_given_up(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that acknowledges every byte, and is dead: TCP cannot notice it."""
    monkeypatch.setattr(connection, "_STALLED_AFTER", 0.3)
    store = PostgresStore(f"{relay.url}&connect_timeout=2", patience=0.5)
    await plan(store, "a")
    relay.is_silent = True
    with pytest.raises(BookError, match="cannot be reached"):
        await store.set_budget("b", (1.0, None, None))
    relay.is_silent = False
    assert (await entry_of(store, "a")).state is EntryState.PLANNED
    await store.aclose()


async def test_a_read_that_is_never_answered_is_given_up(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a status that is waited for without end."""
    for name in ("_STALLED_AFTER", "_READ_STALLED_AFTER"):
        monkeypatch.setattr(connection, name, 0.3)
    store = PostgresStore(f"{relay.url}&connect_timeout=2", patience=0.5)
    await plan(store, "a")
    relay.is_silent = True
    async with asyncio.timeout(20):
        with pytest.raises(BookError, match="cannot be reached"):
            await store.find_reports()
    relay.is_silent = False
    assert (await entry_of(store, "a")).state is EntryState.PLANNED
    await store.aclose()


async def test_a_cancelled_close_closes_all_the_same(postgres_url: str) -> None:
    """Caught: connections that stay open, and leases that others wait for."""
    store = PostgresStore(f"{postgres_url}&application_name=closing")
    await store.acquire_run_lock()
    await plan(store, "a")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.aclose()
    with psycopg.connect(postgres_url) as other:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        async with asyncio.timeout(5):
            while other.execute(query, ("closing",)).fetchone() != (0,):  # noqa: ASYNC110 -- of another process
                await asyncio.sleep(0.05)
        assert other.execute("SELECT count(*) FROM of_process").fetchone() == (0,)


async def test_a_crash_of_the_database_is_survived(tmp_path: object) -> None:
    del tmp_path
    with PostgresServer() as server:
        store = PostgresStore(server.url)
        await plan(store, *[f"k{n}" for n in range(30)])
        restart = asyncio.create_task(asyncio.to_thread(server.restart))
        for number in range(30):
            await submitted(store, f"k{number}", f"job-{number}")
            await asyncio.sleep(0.02)
        await restart
        assert (await store.check()).problems == ()
        await store.aclose()


async def test_a_database_that_stays_away_is_an_error_that_names_it() -> None:
    with PostgresServer() as server:
        store = PostgresStore(server.url, patience=0.5)
        await plan(store, "a")
        server.stop()
        with pytest.raises(BookError, match=f":{server.port}/postgres cannot be"):
            await entry_of(store, "a")
        server.start()
        assert (await entry_of(store, "a")).state is EntryState.PLANNED
        await store.aclose()


async def test_an_id_is_kept_while_the_database_is_away(
    caplog: pytest.LogCaptureFixture, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a job that bills and that nobody can name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with PostgresServer() as server:
        first = PostgresStore(server.url, patience=0.2)
        await plan(first, "a")
        intent = await first.begin_submit((await entry_of(first, "a")).id, first.owner)
        server.stop()
        with caplog.at_level(logging.CRITICAL), pytest.raises(BookError):
            await first.record_submitted("a", intent.attempt, "job-1", 60)
        await first.hold_id("a", intent.attempt, "job-1", 60)
        # The process is killed now; another one of this machine is started later.
        server.start()
        other = PostgresStore(server.url)
        await other.restore_held_ids()
        await other.restore_held_ids()
        entry = await entry_of(other, "a")
        assert (entry.state, entry.job_id) == (EntryState.SUBMITTED, "job-1")
        await other.aclose()
        await first.aclose()


async def test_a_newer_schema_is_refused(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    await plan(store, "a")
    await store.aclose()
    with psycopg.connect(postgres_url) as db:
        newer = str(len(MIGRATIONS) + 1)
        db.execute("UPDATE of_meta SET value = %s WHERE name = 'version'", (newer,))
    with pytest.raises(BookTooNewError, match="install the openfunnel-async"):
        await store.find_reports()
    await store.aclose()


async def test_many_processes_make_the_tables_once(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url) for _ in range(8)]
    await asyncio.gather(*(store.count_known() for store in stores))
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bad user:secret@h:x/db",
        "postgresql://u:secret@[::1/db",
        "mysql://u:secret@h/db",
        "postgresql:secret",
        "sqlite://host/secret",
    ],
)
def test_a_bad_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Book.connect(url)
    assert "secret" not in str(caught.value)


async def test_a_password_is_never_shown(postgres_url: str) -> None:
    host = postgres_url.partition("@")[2].partition("/")[0]
    book = Book.connect(f"postgresql://nobody:s3cret@{host}/postgres")
    with pytest.raises(BookError) as caught:
        await book.batches()
    assert "s3cret" not in f"{caught.value!r}{caught.value.__cause__!r}{book!r}"
    await book.aclose()


async def test_a_process_that_is_stopped_inside_a_transaction_blocks_nobody(
    postgres_url: str,
) -> None:
    """Its session is ended by the server, which it finds out when it wakes up."""
    store = PostgresStore(postgres_url)
    await plan(store, "a")
    stopped = psycopg.connect(postgres_url, autocommit=True)
    stopped.execute(connection._SESSION.replace("15s", "1s"))
    stopped.execute(connection._BEGIN, prepare=False)
    await submitted(store, "a", "job-1")
    with pytest.raises(psycopg.Error):
        stopped.execute("COMMIT")
    stopped.close()
    await store.aclose()
