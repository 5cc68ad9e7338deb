"""Random schedules: a company is new exactly once, and a budget is never exceeded."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import anyio
import pytest

from openfunnel_async import CreditCapError, OpenFunnel
from openfunnel_async.sandbox import JobLife
from tests.book.account import BookAccount
from tests.fleet.account import search

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]
BUDGET = 400


def draw_life(rng: Random) -> JobLife:
    return JobLife(
        queue=rng.choice([0, 5]),
        first_page_after=rng.uniform(0, 20),
        seconds_per_page=rng.uniform(0, 20),
        rows=rng.choice([None, 0, 17, 60]),
        ends=rng.choice(["completed", "completed", "failed"]),
    )


async def crash_now_and_then(rng: Random, account: BookAccount, name: str) -> None:
    """Run a batch; its task is cancelled at random moments, and it is run again."""
    wanted = [search(number, rng.choice([20, 60, 150])) for number in range(5)]
    batch = await account.client.batch(name, wanted)
    for _ in range(4):
        with anyio.move_on_after(rng.uniform(0, 60)):
            await batch.run(max_active=rng.randint(1, 3))


async def submit_now_and_then(rng: Random, client: OpenFunnel) -> None:
    """Submit single searches; some callers are cancelled."""
    for number in range(6):
        await anyio.sleep(rng.uniform(0, 20))
        with anyio.move_on_after(rng.choice([0.1, 0.3, 30])):
            try:
                await client.submit(search(100 + number, rng.choice([20, 80])))
            except CreditCapError:
                continue


@pytest.mark.parametrize("seed", range(100))
async def test_what_always_holds(book_path: Path, seed: int) -> None:
    """Caught: reservations that are not counted; a company counted as new twice."""
    rng = Random(seed)
    lives = [draw_life(rng) for _ in range(20)]
    latency = [rng.uniform(0.05, 0.5) for _ in range(7)]
    async with BookAccount(
        book_path, *lives, latency=latency, budget="team"
    ) as account:
        await account.book.set_budget("team", total=BUDGET)
        await asyncio.gather(
            crash_now_and_then(rng, account, "one"),
            crash_now_and_then(rng, account, "two"),
            submit_now_and_then(rng, account.client),
        )
        assert account.most_committed() <= BUDGET
        for name in ("one", "two"):
            batch = await account.client.batch(name)
            await batch.run()
        assert account.most_committed() <= BUDGET
        pages: Counter[str | None] = Counter()
        marks: set[str | None] = set()
        new = 0
        for name in ("one", "two"):
            batch = await account.book.batch(name)
            report = await batch.report()
            found = [row.linkedin_url async for row in batch.rows(new_only=True)]
            assert report.new == len(found)
            pages.update(found)
            marks.update([row.linkedin_url async for row in batch.rows()])
            new += report.new
        assert set(pages.values()) <= {1}
        assert pages.keys() == marks
        assert await account.book.count_known() == new
        (status,) = await account.book.budgets()
        assert status.spent + status.reserved <= BUDGET
        await account.check_sums()
