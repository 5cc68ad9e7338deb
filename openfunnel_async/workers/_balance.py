"""Keep the number of jobs of this worker at its fair share.

Every worker writes every two seconds how many jobs it follows, and reads what the
others do. A worker that has its share fetches no more tasks, and one that has too many
gives some back: their slices end, and their tasks are taken by the others.
"""

import asyncio
import contextlib
import logging
from typing import Any

from openfunnel_async.book import StepAction
from openfunnel_async.book._postgres.deferring import name_queue
from openfunnel_async.workers._engine import EngineConnector
from openfunnel_async.workers._runner import StepRunner
from openfunnel_async.workers._share import Load, find_share, find_slack

_logger = logging.getLogger("openfunnel_async")
_SHORTEST = 0.5
_LONGEST = 2.0
_REPORT = """
WITH mine AS (
    INSERT INTO of_worker (name, jobs, most, seen_at)
        VALUES (%(name)s, %(jobs)s, %(most)s, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET jobs = excluded.jobs, most = excluded.most,
        seen_at = excluded.seen_at
)
SELECT
    (SELECT count(*) FROM procrastinate_jobs
        WHERE status = 'todo' AND queue_name = %(queue)s
        AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())) AS waiting,
    (SELECT coalesce(json_agg(json_build_array(jobs, most)), '[]') FROM of_worker
        WHERE name <> %(name)s
        AND seen_at > clock_timestamp() - interval '10 seconds') AS others
"""
_LEAVE = (
    "DELETE FROM of_worker WHERE name = %(name)s"
    " OR seen_at < clock_timestamp() - interval '1 day'"
)


class Balance:
    """The fair share of one worker.

    Attributes:
        share: How many jobs it should follow.

    Args:
        connector: The connections.
        runner: What this worker does.
        name: The name of this worker.
        most: How many jobs it can follow.
    """

    def __init__(
        self, connector: EngineConnector, runner: StepRunner, name: str, most: int
    ) -> None:
        self._connector = connector
        self._runner = runner
        self._name = name
        self._most = most
        self._workers = 0
        self._is_urgent = asyncio.Event()
        self.share: int = 0

    def may_take(self) -> bool:
        """Whether this worker follows fewer jobs than its share."""
        most = min(self.share + find_slack(self.share), self._most)
        if self._runner.following < most:
            return True
        self._is_urgent.set()
        return False

    async def wait(self) -> None:
        """Wait until it is time to refresh: sooner if tasks were left alone."""
        await asyncio.sleep(_SHORTEST)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST - _SHORTEST):
                await self._is_urgent.wait()
        self._is_urgent.clear()

    async def refresh(self) -> None:
        """Write what this worker follows, and read what its share is."""
        mine = Load(self._runner.following, self._most)
        row = await self._connector.execute_query_one_async(
            _REPORT,
            name=self._name,
            jobs=mine.jobs,
            most=mine.most,
            queue=name_queue(StepAction.FOLLOW),
        )
        others = [Load(*load) for load in row["others"]]
        self.share = self._most
        if others:
            self.share = find_share(mine, others, row["waiting"])
        self._note_workers(len(others) + 1, row)
        excess = mine.jobs - self.share
        if excess > find_slack(self.share):
            self._runner.give_back(excess)

    async def leave(self) -> None:
        """Let the others take over at once."""
        await self._connector.execute_query_async(_LEAVE, name=self._name)

    def _note_workers(self, workers: int, row: dict[str, Any]) -> None:
        if workers != self._workers:
            self._workers = workers
            _logger.info(
                "workers alive: %d; this one should follow %d jobs, and %d wait",
                workers,
                self.share,
                row["waiting"],
            )
