"""Two workers buy a batch once, whatever fails meanwhile; real processes."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from openfunnel_async import Book
from openfunnel_async.book._postgres import schema
from openfunnel_async.sandbox import Sandbox
from tests.book.kill.harness import ROOT, Figures, slow_submits, untraced_environment
from tests.book.kill.judge import judge
from tests.book.kill.worker import DONE
from tests.book.kill_postgres.harness import buy_among_faults
from tests.book.kill_postgres.worker import TOO_NEW
from tests.support.postgres import PostgresServer, make_schema

pytestmark = pytest.mark.anyio
BY_LEASES = [
    "SIGKILL",
    "cut after COMMIT",
    "SIGSTOP",
    "database away",
    "silent link",
    "SIGTERM",
]
BY_TASKS = [
    "SIGKILL",
    "database crash",
    "cut before COMMIT",
    "SIGSTOP",
    "SIGTERM",
    "SIGKILL",
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as started:
        yield started


@pytest.mark.parametrize(
    ("faults", "engines", "cap"),
    [(BY_LEASES, (False, False), None), (BY_TASKS, (True, True), 1200)],
)
async def test_two_workers_buy_a_batch_once_among_faults(
    server: PostgresServer,
    tmp_path: Path,
    faults: list[str],
    engines: tuple[bool, bool],
    cap: float | None,
) -> None:
    """Caught: the planted bug below; more by `python -m tests.book.kill_postgres`."""
    figures, left = Figures(), list(faults)
    while left:
        verdict = await buy_among_faults(
            server,
            tmp_path,
            Random(f"{engines}{len(left)}"),
            figures,
            searches=24,
            cap=cap,
            faults=left,
            engines=engines,
        )
        assert figures.problems == []
        assert verdict.jobs + verdict.unknown >= 10
        assert cap is None or 0 < verdict.billed <= cap
        left = left[figures.kills.total() - (len(faults) - len(left)) :]


async def test_a_book_that_forgets_its_intents_submits_twice(
    server: PostgresServer, tmp_path: Path
) -> None:
    """The control: the same kills, and the sweep plans lost submits again."""
    figures, rng = Figures(), Random("the control")
    while not figures.totals["doubled"] and figures.kills.total() < 60:
        await buy_among_faults(
            server,
            tmp_path,
            rng,
            figures,
            searches=12,
            cap=None,
            faults=["SIGKILL"] * 8,
            options=("--forget-intents",),
        )
    assert figures.totals["doubled"] > 0


async def test_workers_that_ignore_leases_are_noticed(
    server: PostgresServer, tmp_path: Path
) -> None:
    """The other control: both follow each job, and nothing fails but that."""
    figures = Figures()
    await buy_among_faults(
        server,
        tmp_path,
        Random("no leases"),
        figures,
        searches=12,
        cap=None,
        faults=[],
        options=("--ignore-leases",),
    )
    problems = "".join(figures.problems)
    assert "written by another process" in problems or "of_page_pkey" in problems


async def test_an_id_outlives_its_process_while_the_database_is_away(
    server: PostgresServer, tmp_path: Path
) -> None:
    """Caught: a start that does not read the file with the ids.

    The fault "dead links" is like it, and takes longer.
    """
    figures = Figures()
    verdict = await buy_among_faults(
        server,
        tmp_path,
        Random("an id"),
        figures,
        searches=12,
        cap=None,
        faults=["id in hand"],
        engines=(False, True),
    )
    assert figures.problems == []
    assert figures.totals["ids held outside of the database"] > 0
    assert (verdict.jobs, verdict.unknown) == (12, 0)


async def test_a_newer_version_beside_an_older_one(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer one migrates; the older one ends its work, or refuses to begin it."""
    url = make_schema(server.url)
    async with Sandbox(speed=100) as sandbox:
        sandbox.faults[:] = slow_submits(Random("versions"))
        environment = {
            **untraced_environment(),
            "OPENFUNNEL_API_KEY": sandbox.api_key,
            "OPENFUNNEL_BASE_URL": sandbox.base_url,
            "XDG_STATE_HOME": str(tmp_path),
        }

        async def start(*more: str) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.book.kill_postgres.worker", url, "--searches", "20"),
                *more,
                cwd=ROOT,
                env=environment,
                stdout=asyncio.subprocess.DEVNULL,
            )

        older = await start()
        while not sandbox.jobs:  # noqa: ASYNC110 -- another process makes them
            await asyncio.sleep(0.05)
        newer = await start("--newer")
        assert await newer.wait() == DONE
        assert await older.wait() in {DONE, TOO_NEW}
        assert await (await start()).wait() == TOO_NEW
        later = (*schema.MIGRATIONS, "")
        monkeypatch.setattr(schema, "MIGRATIONS", later)
        verdict = await judge(Book.connect(url), sandbox, cuts=0)
        assert verdict.problems == []
        assert verdict.jobs == 20
