"""The credits of an account, and the bills of its jobs."""

import attrs


@attrs.frozen(kw_only=True)
class LedgerEntry:
    """The one bill of a job, written when it ends.

    Attributes:
        time: Sandbox time of the end, in seconds.
        job_id: The job.
        companies: Companies that it delivered.
        credits: Their price, 1 credit each; see docs/reference/contract.md, "Money".
    """

    __module__ = "openfunnel_async.sandbox"

    time: float
    job_id: str
    companies: int
    credits: float


@attrs.define(eq=False, repr=False)
class Ledger:
    """An account's credits and its bills, in the order the jobs ended.

    Attributes:
        total: Credits of the account at its start.
    """

    __module__ = "openfunnel_async.sandbox"

    total: float
    _entries: dict[str, LedgerEntry] = attrs.field(
        init=False, factory=dict[str, LedgerEntry]
    )

    def __repr__(self) -> str:
        """Return the number of bills and the totals."""
        bills = f"{len(self._entries)} bill{'' if len(self._entries) == 1 else 's'}"
        return f"<Ledger {bills}, {self.used:.12g} of {self.total:.12g} credits used>"

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return the bills, oldest first."""
        return tuple(self._entries.values())

    @property
    def used(self) -> float:
        """Return the credits billed so far."""
        return sum((entry.credits for entry in self._entries.values()), 0.0)

    @property
    def balance(self) -> float:
        """Return the credits left."""
        return self.total - self.used

    def has(self, job_id: str) -> bool:
        """Return whether the job was billed."""
        return job_id in self._entries

    def credits_of(self, job_id: str) -> float:
        """Return the credits of a job's bill, 0.0 before it is billed."""
        entry = self._entries.get(job_id)
        return 0.0 if entry is None else entry.credits

    def post(self, entry: LedgerEntry) -> None:
        """Add a bill.

        Raises:
            ValueError: The job was billed before.
        """
        if self.has(entry.job_id):
            raise ValueError(f"job {entry.job_id} was billed already")
        self._entries[entry.job_id] = entry
