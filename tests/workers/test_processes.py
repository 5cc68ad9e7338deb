"""A batch of several processes: nothing is lost or doubled, and the work is shared."""

import asyncio
import csv
import json
import signal
from pathlib import Path

import pytest

from tests.workers.processes import Team
from tests.workers.program import LEASE

pytestmark = [pytest.mark.anyio]


async def test_a_killed_worker_loses_and_doubles_nothing(
    team: Team, tmp_path: Path
) -> None:
    """Planned by one process, run by two, one of them killed, exported by a fourth.

    Caught: tasks of a dead worker that nobody continues.
    """
    await team.run("plan", "40", "30")
    async with team.working(2) as (first, second):
        await team.until(lambda status: status.submitted + status.settled >= 20)
        first.kill()
        # A submit of the killed one may be unknown.
        status = await team.until(lambda it: it.settled + it.unknown == 40)
        second.send_signal(signal.SIGTERM)
        await team.end(second)
    assert status.unknown <= 1
    assert 40 - status.unknown <= len(team.sandbox.jobs) <= 40
    assert (await team.check()).is_ok
    await team.run("export", str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == status.rows == 30 * status.settled


async def test_two_workers_share_and_one_takes_over(lasting_team: Team) -> None:
    """Caught: a worker without a limit, which takes whatever comes first."""
    await lasting_team.run("plan", "100", "5000")
    async with lasting_team.working(1) as (first,):
        await lasting_team.until(lambda status: status.submitted == 100)
        async with lasting_team.working(1):
            # The second one comes late, and gets its share all the same.
            await _until_shared(lasting_team, [50, 50], within=200.0)
        # Its lease runs out, and then the others do not count on it any more.
        await _until_shared(lasting_team, [100], within=LEASE + 200.0)
        first.send_signal(signal.SIGTERM)
        await lasting_team.end(first)


async def _until_shared(team: Team, shares: list[int], within: float) -> None:
    """Wait until each worker has its share, give or take a tenth of it."""
    counts: list[int] = []
    async with asyncio.timeout(within):
        while True:
            counts = await team.count_jobs()
            pairs = list(zip(counts, shares, strict=False))
            if len(counts) == len(shares) and all(
                abs(count - share) <= share / 20 for count, share in pairs
            ):
                return
            await asyncio.sleep(0.1)


async def test_sigterm_ends_the_slices_within_seconds(lasting_team: Team) -> None:
    """Caught: slices that are waited for, and tasks that end with their worker."""
    await lasting_team.run("plan", "50", "5000")
    async with lasting_team.working(1) as (worker,):
        await lasting_team.until(lambda status: status.submitted == 50)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10.0):
            await lasting_team.end(worker)
    assert await lasting_team.count_jobs() == []
    waiting = await lasting_team.query(
        "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1"
    )
    assert waiting == [("todo", 50)]
    assert await lasting_team.query("SELECT * FROM of_worker") == []
    assert await lasting_team.query("SELECT * FROM procrastinate_workers") == []


async def test_the_tables_of_the_engine_do_not_grow(team: Team) -> None:
    """Caught: finished tasks that stay."""
    await team.run("plan", "10", "10")
    async with team.working(1) as (worker,):
        await team.until(lambda status: status.settled == 10)
        worker.send_signal(signal.SIGTERM)
        await team.end(worker)
    assert await team.query("SELECT * FROM procrastinate_jobs") == []
    assert await team.query("SELECT * FROM procrastinate_events") == []


async def test_what_a_dead_worker_left_is_deleted(lasting_team: Team) -> None:
    """Caught: tasks that a killed worker is thought to do for ever."""
    await lasting_team.run("plan", "3", "5000")
    async with lasting_team.working(1):
        await lasting_team.until(lambda status: status.submitted == 3)
        await _until_shared(lasting_team, [3], within=20.0)
        ((dead,),) = await lasting_team.query("SELECT DISTINCT owner FROM of_search")
    await _age_workers(lasting_team)
    async with lasting_team.working(1) as (worker,):
        await _until_taken_over(lasting_team, str(dead))
        worker.send_signal(signal.SIGTERM)
        await lasting_team.end(worker)
    rows = await lasting_team.query("SELECT args, status::text FROM procrastinate_jobs")
    keys = [json.dumps(args) for args, _ in rows]
    assert [status for _, status in rows] == ["todo"] * 3
    assert len(set(keys)) == 3


async def _until_taken_over(team: Team, dead: str) -> None:
    """Wait until another worker follows all that a dead one did."""
    async with asyncio.timeout(30.0):
        while True:
            found = await team.query("SELECT owner FROM of_search")
            if not {None, dead} & {owner for (owner,) in found}:
                return
            await asyncio.sleep(0.1)


async def _age_workers(team: Team) -> None:
    """Let the signs of life of the dead ones be old."""
    await team.query(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
        " RETURNING id"
    )
