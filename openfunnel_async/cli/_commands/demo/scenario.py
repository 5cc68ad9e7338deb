"""The scenario of the demo: three jobs at the same time, each with a different end.

The sandbox's time moves in equal steps, and only when the client has seen everything
that has happened before. So each run has the same rows and bills, on any machine.
"""

import enum
from contextlib import AsyncExitStack

import anyio
import attrs

from openfunnel_async import (
    AiohttpTransport,
    BulkJob,
    CancelReceipt,
    Company,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
)
from openfunnel_async.cli._commands.demo.display import Report
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.sandbox import JobLife, JobView, Sandbox, Unknowns

PAUSE = 0.08
"""Real seconds between two steps: about ten seconds for the whole demo."""

_STEP = 1.0
_CHECK_INTERVAL = 0.005
_ENOUGH_ROWS = 500
_LATE_CANCEL_AT = 94.0

_JOBS = (
    (
        LookalikeSearch(query="voice AI for clinics", limit=600),
        JobLife(queue=2, first_page_after=18, seconds_per_page=18, closing=2),
    ),
    (
        LookalikeSearch(query="hospital software", limit=2000),
        JobLife(queue=4, first_page_after=15, seconds_per_page=15, closing=2),
    ),
    (
        LookalikeSearch(query="medical robotics", limit=200),
        JobLife(queue=3, first_page_after=16, seconds_per_page=16, closing=2),
    ),
)


class Phase(enum.Enum):
    """What the demo does with a job."""

    UNATTENDED = enum.auto()
    READING = enum.auto()
    CANCELLING = enum.auto()
    DONE = enum.auto()


@attrs.define(eq=False, kw_only=True)
class DemoJob:
    """One job of the demo.

    Attributes:
        name: A letter.
        search: Its search.
        job: Its handle.
        report: Called at every event.
        phase: What the demo does with it.
        rows: The companies that were read.
        receipt: What its cancel achieved, if there was one.
        note: The last message about it.
    """

    name: str
    search: LookalikeSearch
    job: BulkJob
    report: Report
    phase: Phase = Phase.READING
    rows: list[Company] = attrs.field(factory=list[Company])
    receipt: CancelReceipt | None = None
    note: str = ""

    @property
    def title(self) -> str:
        """The search in a few words."""
        return self.search.query or ""

    @property
    def limit(self) -> int:
        """The most companies it may deliver; every search here has a limit."""
        return self.search.limit or 0

    @property
    def billed(self) -> float | None:
        """The bill; None until there is one."""
        manifest = None if self.job.snapshot is None else self.job.snapshot.manifest
        return None if manifest is None else manifest.credits_consumed

    def is_up_to_date(self, truth: JobView) -> bool:
        """Whether the client waits for the sandbox's time, and not for an answer."""
        match self.phase:
            case Phase.UNATTENDED:
                return truth.time < _LATE_CANCEL_AT
            case Phase.READING:
                is_current = self.job.status == truth.status
                has_all_rows = len(self.rows) == truth.rows_written
                return is_current and has_all_rows and not self.job.is_terminal
            case Phase.CANCELLING:
                return self.job.status == truth.status == "cancelling"
            case Phase.DONE:
                return True

    def add_row(self, company: Company) -> None:
        """Add a row, and report every hundredth one."""
        self.rows.append(company)
        if len(self.rows) % 100 == 0:
            count, limit = format_amount(len(self.rows)), format_amount(self.limit)
            self.report(self, f"{count} of {limit} rows")

    def set_note(self, note: str) -> None:
        """Report what the demo does with the job."""
        self.note = note
        self.report(self, note)

    async def cancel(self, reason: str) -> CancelReceipt:
        """Cancel the job, and wait until it is terminal."""
        self.phase = Phase.CANCELLING
        self.set_note(f"{reason}: cancelling")
        self.receipt = await self.job.cancel(wait=True)
        self.phase = Phase.READING
        return self.receipt

    def end(self, outcome: str) -> None:
        """Report how the job ended, with its bill."""
        self.phase = Phase.DONE
        self.set_note(f"{outcome}: {format_amount(self.billed or 0.0)} credits billed")


def make_sandbox() -> Sandbox:
    """Build the sandbox, whose time does not move by itself."""
    # A page that grows while it is read is the harder case for a reader. A checkpoint
    # some seconds away shows that a cancel may bill a little more.
    unknowns = Unknowns(newest_page_grows=True, settle=5.0)
    lives = [life for _, life in _JOBS]
    return Sandbox(speed=0, seed="demo", lives=lives, unknowns=unknowns)


async def play(
    sandbox: Sandbox, jobs: list[DemoJob], report: Report, *, pause: float
) -> float:
    """Run the scenario.

    Args:
        sandbox: A result of ``make_sandbox()``.
        jobs: An empty list, for the jobs.
        report: Called at every event of a job.
        pause: Real seconds between two steps of the sandbox's time.

    Returns:
        The credits used, as the balance states them.

    Raises:
        ExceptionGroup: Of ``OpenFunnelError``, if a job did not end as planned.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sandbox)
        key, url = sandbox.api_key, sandbox.base_url
        # About one poll for each step. For the service, keep the default policy.
        polling = PollPolicy.fixed(max(pause, 0.01))
        # Its own transport: no proxy of the environment reaches this machine.
        transport = AiohttpTransport()
        client = OpenFunnel(key, base_url=url, polling=polling, transport=transport)
        await stack.enter_async_context(client)
        for name, (search, _) in zip("ABC", _JOBS, strict=True):
            job = await client.submit(search)
            jobs.append(DemoJob(name=name, search=search, job=job, report=report))
            limit = format_amount(jobs[-1].limit)
            report(jobs[-1], f'submitted: "{search.query}", at most {limit} companies')
        jobs[2].phase = Phase.UNATTENDED
        async with anyio.create_task_group() as group:
            group.start_soon(_advance_time, sandbox, jobs, pause)
            group.start_soon(_read_to_the_end, jobs[0])
            group.start_soon(_cancel_when_enough, jobs[1])
            group.start_soon(_cancel_too_late, jobs[2], sandbox)
        balance = await client.credit_balance()
    return balance.credits_used


async def _advance_time(sandbox: Sandbox, jobs: list[DemoJob], pause: float) -> None:
    while any(job.phase is not Phase.DONE for job in jobs):
        await anyio.sleep(pause)
        while not all(job.is_up_to_date(sandbox.jobs[job.job.id]) for job in jobs):  # noqa: ASYNC110 -- streams have no event
            await anyio.sleep(_CHECK_INTERVAL)
        sandbox.advance(_STEP)


async def _read_to_the_end(job: DemoJob) -> None:
    """Read rows while the job runs, until it completes."""
    job.set_note("reading rows as they arrive")
    async with job.job.rows() as rows:
        async for company in rows:
            job.add_row(company)
    job.end(str(job.job.status))


async def _cancel_when_enough(job: DemoJob) -> None:
    """Cancel the job, and read also the rows that it delivers until it stops."""
    job.set_note(f"reading the first {_ENOUGH_ROWS} rows")
    async with job.job.rows() as rows:
        async for company in rows:
            job.add_row(company)
            if rows.delivered >= _ENOUGH_ROWS:
                break
        receipt = await job.cancel(f"{_ENOUGH_ROWS} rows are enough")
        async for company in rows:
            job.add_row(company)
    job.end(f"{receipt.status}, {format_amount(receipt.credits_avoided or 0.0)} saved")


async def _cancel_too_late(job: DemoJob, sandbox: Sandbox) -> None:
    """Cancel a job that has ended unnoticed, and lose nothing."""
    job.set_note("not polled: its status is still that of the submit")
    while sandbox.now < _LATE_CANCEL_AT:  # noqa: ASYNC110 -- the sandbox has no event
        await anyio.sleep(_CHECK_INTERVAL)
    receipt = await job.cancel("not polled since the submit")
    async with job.job.rows() as rows:
        async for company in rows:
            job.add_row(company)
    late = f"cancel came late: already {receipt.status} (409), nothing lost"
    job.end(late if receipt.already_terminal else str(receipt.status))
