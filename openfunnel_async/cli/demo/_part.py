"""What one job plays in the demo: its search, how far it is, what came of it."""

import enum

import attrs

from openfunnel_async import BulkJob, CancelReceipt, Company, LookalikeSearch, Manifest


class Stage(enum.Enum):
    """What the demo is doing about a job."""

    ALONE = enum.auto()
    """Nothing: nobody looks."""
    READING = enum.auto()
    STOPPING = enum.auto()
    """Cancelling it and waiting for the settling."""
    DONE = enum.auto()


@attrs.define(eq=False, kw_only=True)
class Part:
    """One job of the demo.

    Attributes:
        name: A letter.
        search: What it looks for.
        job: Its handle, which knows only what it has asked.
        stage: What is being done about it.
        alone_until: Sandbox time at which somebody looks after it, if it is alone.
        rows: The companies handed over so far.
        receipt: What its cancel achieved, if there was one.
        note: What was last said of it.
    """

    name: str
    search: LookalikeSearch
    job: BulkJob
    stage: Stage = Stage.READING
    alone_until: float = 0.0
    rows: list[Company] = attrs.field(factory=list[Company])
    receipt: CancelReceipt | None = None
    note: str = ""

    @property
    def title(self) -> str:
        """Name the search in a few words."""
        return self.search.query or ""

    @property
    def limit(self) -> int:
        """Tell the most companies it may deliver; every search here has a limit."""
        return self.search.limit or 0

    @property
    def manifest(self) -> Manifest | None:
        """Give what the job said of its whole, None before its end."""
        return self.job.snapshot.manifest if self.job.snapshot is not None else None

    @property
    def billed(self) -> float | None:
        """Tell the bill, None before it is written."""
        return self.manifest.credits_consumed if self.manifest is not None else None
