"""Read about one job: status, pages, the cancel call; every answer is recorded."""

from typing import TypeVar

import anyio
import attrs

from openfunnel_async._caller import Caller
from openfunnel_async._endpoints import Call, CancelAnswer, Endpoints
from openfunnel_async._models import JobPage, JobSnapshot
from openfunnel_async._record import JobRecord
from openfunnel_async.errors import JobNotFoundError

T = TypeVar("T")
_NOT_YET_PAUSE = 0.5


class JobReads:
    """Make the calls about one job and report their answers to its record."""

    __slots__ = ("_caller", "_endpoints", "outage", "record")

    def __init__(
        self, caller: Caller, endpoints: Endpoints, record: JobRecord, outage: float
    ) -> None:
        self._caller = caller
        self._endpoints = endpoints
        self.record = record
        self.outage = outage

    async def look(self, *, outage: float | None = None) -> JobSnapshot:
        """Read the status; ``outage`` says how long to survive failures."""
        call = self._endpoints.snapshot(self.record.job_id)
        return self.record.observe(await self._call(call, outage))

    async def page(self, cursor: str | None, *, outage: float | None = None) -> JobPage:
        """Read one page; its snapshot keeps the answer's own word in raw_status."""
        call = self._endpoints.page(self.record.job_id, cursor)
        page = await self._call(call, outage)
        seen = self.record.observe(page.snapshot)
        shown = attrs.evolve(page.snapshot, status=seen.status)
        return attrs.evolve(page, snapshot=shown)

    async def cancel(self) -> CancelAnswer:
        """Send the cancel."""
        return await self._call(self._endpoints.cancel(self.record.job_id), None)

    async def _call(self, call: Call[T], outage: float | None) -> T:
        """Make the call; soon after one's own submit a 404 means "not yet"."""
        while True:
            try:
                return await self._caller.call(
                    call, outage=outage, on_stall=self.record.stalled
                )
            except JobNotFoundError as exc:
                missing = exc
            left = self.record.visible_by - anyio.current_time()
            if left <= 0:
                raise missing
            await anyio.sleep(min(_NOT_YET_PAUSE, left))
