"""Compare a Book with what the sandbox knows: its requests, its jobs, its ledger."""

import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping

import attrs

from openfunnel_async import Batch, Book, Company
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.sandbox import JobView, Row, Sandbox
from tests.book.kill.worker import BATCH
from tests.support.stakes import most_committed

_OPEN = (EntryState.SUBMITTING, EntryState.SUBMITTED, EntryState.UNKNOWN)
_UNSENT = (EntryState.PLANNED, EntryState.SKIPPED, EntryState.REJECTED)
_ROUNDING = 1e-6


@attrs.define
class Verdict:
    """What was found in a Book, beside the truth.

    Attributes:
        problems: What contradicts a promise, in words.
        submits: Submits that arrived at the sandbox.
        doubled: Those of them that were sent for a search a second time.
        jobs: Jobs that they made.
        unnamed: Jobs that the Book does not know of.
        entries: The entries.
        rows: Rows in the Book, each compared with the sandbox's.
        unknown: Submits of unknown outcome.
        billed: Credits of the sandbox's ledger.
    """

    problems: list[str] = attrs.field(factory=list[str])
    submits: int = 0
    doubled: int = 0
    jobs: int = 0
    unnamed: int = 0
    entries: list[BookEntry] = attrs.field(factory=list[BookEntry])
    rows: int = 0
    unknown: int = 0
    billed: float = 0.0


async def judge(book: Book, sandbox: Sandbox, *, cuts: int) -> Verdict:
    """Recompute everything that the Book promises, at any moment.

    Args:
        book: The Book, which nobody runs.
        sandbox: The truth.
        cuts: How often a process was ended without a warning.
    """
    verdict = Verdict()
    async with book:
        check = await book.check()
        verdict.problems += check.problems
        verdict.entries = await book.entries()
        _judge_submits(verdict, sandbox)
        if verdict.entries:
            batch = await book.batch(BATCH)
            verdict.problems += [p async for p in _judge_rows(batch, verdict, sandbox)]
            verdict.problems += await _judge_sums(batch, verdict, sandbox)
    if verdict.unknown > cuts:
        verdict.problems.append(f"{verdict.unknown} unknown after {cuts} cuts")
    return verdict


def find_undone(verdict: Verdict, cap: float | None) -> list[str]:
    """Return what a batch that was bought to its end has left undone.

    Args:
        verdict: The verdict after the last process has ended.
        cap: The cap of the batch; a search that does not fit under it is left.
    """
    found = verdict.entries
    committed = sum(e.billed or 0 for e in found)
    committed += sum(e.exposure or 0 for e in found if e.state in _OPEN)
    left = math.inf if cap is None else cap - committed + _ROUNDING
    undone = {EntryState.SUBMITTING, EntryState.SUBMITTED}
    return [
        f"{entry.key} is left {entry.state}"
        for entry in found
        if entry.state in undone
        or (entry.state in _UNSENT and (entry.exposure or 0) <= left)
    ]


def _judge_submits(verdict: Verdict, sandbox: Sandbox) -> None:
    """Check that each search was sent once, and that each job is named."""
    submits = [seen for seen in sandbox.requests if seen.kind == "submit"]
    sent = Counter(str(json.loads(seen.body)["query"]) for seen in submits)
    by_query = {str(entry.search.query): entry for entry in verdict.entries}
    verdict.submits, verdict.jobs = len(submits), len(sandbox.jobs)
    verdict.unknown = sum(e.state is EntryState.UNKNOWN for e in verdict.entries)
    for query, times in sent.items():
        if times > 1:
            verdict.doubled += times - 1
            verdict.problems.append(f"{query} was sent {times} times")
    for seen in submits:
        entry = by_query.get(str(json.loads(seen.body)["query"]))
        if entry is None or not _names(entry, seen.job_id):
            verdict.unnamed += 1
            verdict.problems.append(f"job {seen.job_id} is not named: {entry}")
    for entry in verdict.entries:
        if entry.job_id is not None and entry.job_id not in sandbox.jobs:
            verdict.problems.append(f"{entry.key} has a job that does not exist")


def _names(entry: BookEntry, job_id: str | None) -> bool:
    """Whether an entry accounts for a job: by its id, or as of unknown outcome."""
    if entry.job_id is None:
        return entry.state in {EntryState.SUBMITTING, EntryState.UNKNOWN}
    return entry.job_id == job_id


async def _judge_rows(
    batch: Batch, verdict: Verdict, sandbox: Sandbox
) -> AsyncIterator[str]:
    """Compare the rows of each entry with those that its job has delivered."""
    rows = batch.rows()
    for entry in verdict.entries:
        found = [await anext(rows) for _ in range(entry.rows)]
        verdict.rows += len(found)
        view = sandbox.jobs.get(entry.job_id or "")
        delivered = () if view is None else view.rows
        expected = [_identity_of_row(row) for row in delivered]
        if [*map(_identity, found)] != expected[: len(found)]:
            yield f"{entry.key}: its rows are not those of the job, in order"
        if entry.state is EntryState.SETTLED and len(found) != len(expected):
            yield f"{entry.key}: {len(found)} rows of {len(expected)}"
    async for _ in rows:
        yield "there are more rows than the entries have"


def _identity(company: Company) -> tuple[object, ...]:
    return company.name, company.domain, company.linkedin_url


def _identity_of_row(row: Row) -> tuple[object, ...]:
    return row["name"], row["domain"], row["linkedin_url"]


async def _judge_sums(batch: Batch, verdict: Verdict, sandbox: Sandbox) -> list[str]:
    """Compare the bills, what is reserved and the cap with the ledger."""
    jobs, status = sandbox.jobs, await batch.status()
    verdict.billed = sandbox.ledger.used
    problems = [*_judge_bills(verdict.entries, jobs)]
    reserved = sum(e.exposure or 0 for e in verdict.entries if e.state in _OPEN)
    if not math.isclose(status.reserved, reserved, abs_tol=_ROUNDING):
        problems.append(f"{status.reserved:g} is reserved, expected {reserved:g}")
    settled = sum(e.billed or 0 for e in verdict.entries)
    if not math.isclose(status.spent, settled, abs_tol=_ROUNDING):
        problems.append(f"{status.spent:g} is spent, the bills are {settled:g}")
    at_risk = most_committed(list(jobs.values()))
    for name, amount in {
        "at risk": at_risk,
        "billed": verdict.billed,
        "noted": status.spent + status.reserved,
    }.items():
        if status.cap is not None and amount > status.cap + _ROUNDING:
            problems.append(f"{amount:g} is {name} under a cap of {status.cap:g}")
    return problems


def _judge_bills(
    entries: list[BookEntry], jobs: Mapping[str, JobView]
) -> Iterator[str]:
    for entry in entries:
        if entry.state is EntryState.SETTLED:
            view = jobs[entry.job_id or ""]
            if (entry.billed, entry.status) != (view.credits, view.status):
                yield (
                    f"{entry.key}: {entry.billed} billed and {entry.status}, the "
                    f"ledger says {view.credits} and {view.status}"
                )
