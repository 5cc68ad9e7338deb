"""``distinct=500`` on a market of which half is owned: how far it goes beyond."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async.book._batch_run import BatchRun
from openfunnel_async.sandbox import JobLife, Unknowns
from tests.book.account import BookAccount
from tests.fleet.account import search

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]
# In this sandbox a job stops when the page that it writes is complete.
CHECKPOINT = 100


class Market:
    """Searches that share about half of their companies with what is owned."""

    def __init__(self, account: BookAccount) -> None:
        self.account = account
        self.at_decision: dict[str, int] = {}

    def note(self) -> None:
        """Remember what each job had delivered when it was decided to stop."""
        self.at_decision = self.delivered()

    def delivered(self) -> dict[str, int]:
        """Return the rows that each job has delivered by now, billed or not."""
        return {view.id: view.rows_written for view in self.account.views}

    def since(self) -> Mapping[str, int]:
        """Return the rows of each job after the decision."""
        now = self.delivered()
        return {job: now[job] - rows for job, rows in self.at_decision.items()}


@pytest.mark.parametrize("max_active", [1, 2, 4])
async def test_each_job_stops_within_a_checkpoint_of_the_500th(
    book_path: Path, max_active: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: a job that is not cancelled; a search submitted after the 500th."""
    unknowns = Unknowns(settle="next_page")
    async with BookAccount(book_path, JobLife(), unknowns=unknowns) as account:
        owned = await account.client.batch("old", [search(1, 1000), search(2, 1000)])
        await owned.run()
        used = account.service.ledger.used
        market = Market(account)
        skip = BatchRun._stop_at_enough

        async def stop(run: Any, new: int) -> None:
            if new >= 500 and not market.at_decision:
                market.note()
            await skip(run, new)

        monkeypatch.setattr(BatchRun, "_stop_at_enough", stop)
        wanted = [search(number, 1000) for number in range(3, 11)]
        batch = await account.client.batch("new", wanted, distinct=500)
        report = await batch.run(max_active=max_active)
        assert report.new >= 500
        assert 0.4 < report.known / report.rows < 0.65
        assert market.delivered().keys() == market.at_decision.keys()
        assert max(market.since().values()) <= CHECKPOINT
        print(max_active, report.new, report.rows, market.since())
        new = [company async for company in batch.rows(new_only=True)]
        assert len(new) == report.new <= 500 + CHECKPOINT * (max_active + 1)
        assert report.spent == account.service.ledger.used - used
        await account.check()
