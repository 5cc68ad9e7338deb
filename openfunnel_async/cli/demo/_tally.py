"""The sum at the end: who was found, what it cost, and whether the books agree."""

from collections.abc import Sequence

import attrs

from openfunnel_async import (
    BulkResult,
    MergedCompany,
    MergedResults,
    merge_results,
)
from openfunnel_async.cli._say import amount
from openfunnel_async.cli.demo._part import Part
from openfunnel_async.sandbox import Ledger


@attrs.frozen(kw_only=True)
class Tally:
    """The numbers of the whole story.

    Attributes:
        delivered: Rows handed over, by all jobs.
        merged: Each company once, and the jobs that found it.
        used: Credits billed.
        saved: Credits that cancels kept from being billed.
    """

    delivered: int
    merged: MergedResults
    used: float
    saved: float

    @property
    def companies(self) -> tuple[MergedCompany, ...]:
        """Give each company once, and the jobs that found it."""
        return self.merged.companies

    def lines(self, jobs: int, *, agrees: bool) -> tuple[tuple[str, str, str], ...]:
        """Spell the numbers: what, how many, and a remark on each."""
        equals = "equals" if agrees else "is NOT what is in"
        shared = sum(len(one.found_by) > 1 for one in self.companies)
        return (
            ("Delivered", amount(self.delivered), f"companies, by {jobs} jobs"),
            (
                "Unique by company",
                amount(len(self.companies)),
                f"{shared} of them found by more than one search",
            ),
            ("Credits used", amount(self.used), f"{equals} the sandbox's ledger"),
            (
                "Credits saved",
                amount(self.saved),
                "not billed: the rest of the cancelled search",
            ),
        )


def add_up(parts: Sequence[Part]) -> Tally:
    """Add up what the client knows of all jobs."""
    receipts = [part.receipt for part in parts if part.receipt is not None]
    return Tally(
        delivered=sum(len(part.rows) for part in parts),
        merged=unique(parts),
        used=sum(part.billed or 0.0 for part in parts),
        saved=sum(receipt.credits_avoided or 0.0 for receipt in receipts),
    )


def unique(parts: Sequence[Part]) -> MergedResults:
    """Take each company once, in the order of the searches and of their rows."""
    return merge_results(
        BulkResult(status=part.job.status, rows=tuple(part.rows), manifest=None)
        for part in parts
    )


def disagreements(
    parts: Sequence[Part], balance_used: float, ledger: Ledger
) -> tuple[str, ...]:
    """Hold the client's numbers against the ledger, job by job and in sum."""
    booked = {bill.job_id: (bill.companies, bill.credits) for bill in ledger.entries}
    read = {part.job.id: (len(part.rows), part.billed) for part in parts}
    names = {part.job.id: part.name for part in parts}
    wrong = [
        f"job {names.get(id_, id_)}: the client has {read.get(id_)}, "
        f"the ledger {booked.get(id_)} (companies, credits)"
        for id_ in read | booked
        if read.get(id_) != booked.get(id_)
    ]
    if balance_used != ledger.used:
        wrong.append(
            f"the balance says {amount(balance_used)} credits used, "
            f"the ledger {amount(ledger.used)}"
        )
    return tuple(wrong)
