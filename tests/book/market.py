"""The refresh of a market of which half is owned, in virtual time."""

from pathlib import Path

import attrs
import pytest

from openfunnel_async import Company
from openfunnel_async.book import BatchReport
from openfunnel_async.book._followed_jobs import FollowedJobs
from openfunnel_async.sandbox import JobLife, Unknowns
from tests.book.account import BookAccount
from tests.fleet.account import search

CHECKPOINT = 100
"""The rows of a page: a job of this sandbox stops when the current one is complete."""


@attrs.frozen(kw_only=True)
class Refreshed:
    """What became of it.

    Attributes:
        report: The report of the refresh.
        billed: What the sandbox billed for it.
        new: What the batch returns as new.
        jobs: How many jobs there were when it was decided to stop.
        jobs_after: How many there were at the end.
        rows_after: The rows that each job delivered after the decision.
    """

    report: BatchReport
    billed: float
    new: tuple[Company, ...]
    jobs: int
    jobs_after: int
    rows_after: tuple[int, ...]


async def refresh(path: Path | str, *, distinct: int, max_active: int) -> Refreshed:
    """Buy two searches, then others until enough companies are new."""
    unknowns = Unknowns(settle="next_page")
    decided: dict[str, int] = {}
    stop_at_enough = FollowedJobs.stop_at_enough
    async with BookAccount(path, JobLife(), unknowns=unknowns) as account:

        def delivered() -> dict[str, int]:
            return {view.id: view.rows_written for view in account.views}

        async def stop(run: FollowedJobs, new: int) -> None:
            if new >= distinct and not decided:
                decided.update(delivered())
            await stop_at_enough(run, new)

        owned = await account.client.batch("old", [search(1, 1000), search(2, 1000)])
        await owned.run()
        used = account.service.ledger.used
        wanted = [search(number, 1000) for number in range(3, 11)]
        batch = await account.client.batch("new", wanted, distinct=distinct)
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(FollowedJobs, "stop_at_enough", stop)
            report = await batch.run(max_active=max_active)
        await account.check()
        now = delivered()
        return Refreshed(
            report=report,
            billed=account.service.ledger.used - used,
            new=tuple([row async for row in batch.rows(new_only=True)]),
            jobs=len(decided),
            jobs_after=len(now),
            rows_after=tuple(now[job] - rows for job, rows in decided.items()),
        )
