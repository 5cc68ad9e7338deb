"""Invariants about rows, statuses and numbers."""

from collections.abc import Iterator
from math import inf
from typing import cast

from openfunnel_async import CancelReceipt, Company, JobStatus, Manifest
from openfunnel_async.sandbox import JobView, Row
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.records import Reading, Receipt

_PAGE_SIZE = 100
_OK = 200
_FURTHER = {status: place for place, status in enumerate(JobStatus)}


def rows_come_once_and_in_order(evidence: Evidence) -> Iterator[str]:
    """A stream returns the rows of the job, each once, in order, and at its end all."""
    jobs = evidence.service.jobs
    truth: dict[str, tuple[Row, ...]] = {}
    for reading in evidence.readings:
        view = jobs[reading.job_id]
        if reading.job_id not in truth:
            truth[reading.job_id] = view.rows
        for seen in _row_faults(evidence, reading, view, truth[reading.job_id]):
            yield f"{reading.step.label}: {seen}"


def _row_faults(
    evidence: Evidence, reading: Reading, view: JobView, rows: tuple[Row, ...]
) -> Iterator[str]:
    given, rows = reading.rows, _meant(reading, rows)
    yield from _miscounted(reading)
    if len(given) > len(rows):
        yield f"{len(given)} rows of {len(rows)}"
    for place, (company, row) in enumerate(zip(given, rows, strict=False)):
        if not is_row(company, row):
            yield f"row {place} is {company.linkedin_url}, not {row['linkedin_url']}"
            return
    if reading.end == "open":
        return
    if reading.follow:
        if len(given) != len(rows):
            yield f"it ended after {len(given)} rows of {len(rows)}"
        yield from _ended_wrong(reading, view)
        return
    # A page stream returns whole pages only, and the last one may still grow.
    held_back = _PAGE_SIZE if reading.kind == "pages" else 0
    least = reading.rows_written - held_back - reading.skipped
    if len(given) < least and not _was_stale(evidence, reading):
        yield f"{len(given)} rows, {reading.rows_written} were written before"


def _miscounted(reading: Reading) -> Iterator[str]:
    """Check the sizes of pages, and the number of rows that a stream states."""
    # The first page may be short on a resumed handle, the last one on any.
    if any(size != _PAGE_SIZE for size in reading.page_sizes[1:-1]):
        yield f"pages of {reading.page_sizes} rows"
    if reading.stated not in {None, len(reading.rows)}:
        yield f"{len(reading.rows)} rows, the stream states {reading.stated}"


def _ended_wrong(reading: Reading, view: JobView) -> Iterator[str]:
    """Check how a stream or a result ended against how the job ended."""
    failed = reading.end == "failed"
    if reading.kind in {"rows", "pages"} and failed != (view.ends == "failed"):
        yield f"it ended as {reading.end}, the job as {view.ends}"
    if reading.kind == "result" and reading.end == "normal":
        if reading.status not in {None, JobStatus(view.ends)}:
            yield f"a result states {reading.status}, the job ended as {view.ends}"
        if view.ends != "completed" and not reading.partial_ok:
            yield f"a result without an error, the job ended as {view.ends}"


def _meant(reading: Reading, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows of the job that the reading has to return."""
    wanted = rows[reading.skipped :]
    if reading.with_domain:
        wanted = tuple(row for row in wanted if row["domain"])
    return wanted[: reading.most]


def _was_stale(evidence: Evidence, reading: Reading) -> bool:
    return any(
        exchange.job_id == reading.job_id and exchange.plan.name == "stale"
        for exchange in evidence.event_log.exchanges
    )


def is_row(company: Company, row: Row) -> bool:
    """Whether a company is this row, field by field."""
    return not company.extra and all(
        getattr(company, key) == (_texts(value) if key == "industries" else value)
        for key, value in row.items()
    )


def _texts(value: object) -> tuple[str, ...] | None:
    return None if value is None else tuple(cast("list[str]", value))


def a_status_is_true_and_never_goes_back(evidence: Evidence) -> Iterator[str]:
    """A handle's status is never ahead of the truth, and never goes backwards.

    A terminal status is the job's own. An unknown word may be reported in place of
    pending and running.
    """
    jobs = evidence.service.jobs
    for handle in evidence.handles:
        before: JobStatus | None = None
        for now, shown, true in handle.statuses:
            end = JobStatus(jobs[handle.job.id].ends)
            if not _may_follow(before, shown) or not _may_show(shown, true, end):
                seen = f"{handle.job.id} at {now:.3f}: {before} -> {shown}"
                yield f"{seen}, true is {true} and in the end {end}"
            before = before if shown is JobStatus.UNKNOWN else shown


def _may_follow(before: JobStatus | None, shown: JobStatus) -> bool:
    if before is None:
        return True
    if shown is JobStatus.UNKNOWN:
        return before in {JobStatus.PENDING, JobStatus.RUNNING}
    return not before.is_terminal and _FURTHER[shown] >= _FURTHER[before]


def _may_show(shown: JobStatus, true: JobStatus, end: JobStatus) -> bool:
    if shown.is_terminal:
        return shown is true is end
    return shown is JobStatus.UNKNOWN or _FURTHER[shown] <= _FURTHER[true]


def numbers_are_those_of_the_ledger(evidence: Evidence) -> Iterator[str]:
    """Receipts, manifests and balances state the ledger's numbers, or None."""
    for kept in evidence.receipts:
        has_gap = had_gap(evidence, kept.receipt.job_id)
        for seen in () if has_gap else _receipt_faults(kept):
            yield f"{kept.receipt}: {seen}"
    for reading in evidence.readings:
        view, manifest = evidence.service.jobs[reading.job_id], reading.manifest
        if reading.kind != "result" or reading.end != "normal":
            continue
        if had_gap(evidence, reading.job_id):
            continue
        bill = None if manifest is None else (manifest.count, manifest.credits_consumed)
        if bill != (len(view.rows), view.credits):
            yield f"a result of {view.id} states {bill}, billed {view.credits}"
    for kept_balance in evidence.balances:
        used = kept_balance.balance.credits_used
        if not kept_balance.before <= used <= kept_balance.after:
            yield f"a balance of {used} used, {kept_balance.after} true"


def a_bill_that_was_read_is_shown(evidence: Evidence) -> Iterator[str]:
    """A handle that has read a complete manifest states the ledger's bill.

    So does a result, also after an incomplete manifest. A later manifest replaces an
    earlier one. So a handle is checked only if its last answer is known to be its
    own: in a step of no other handle of the job.
    """
    for handle in evidence.handles:
        if not (handle.job.is_terminal and had_gap(evidence, handle.job.id)):
            continue
        view, snapshot = evidence.service.jobs[handle.job.id], handle.job.snapshot
        others = [
            other.steps
            for other in evidence.handles
            if other is not handle and other.job.id == handle.job.id
        ]
        own = handle.steps.difference(*others) if others else None
        last = _last_read(evidence, handle.job.id, own, inf)
        if last is not None and _is_complete(last, view):
            manifest = None if snapshot is None else snapshot.manifest
            if _bill(manifest) != (len(view.rows), view.credits):
                yield f"{view.id}: {_bill(manifest)}, billed {view.credits}"
    for reading in evidence.readings:
        view, step = evidence.service.jobs[reading.job_id], reading.step
        if reading.kind != "result" or reading.end != "normal":
            continue
        until = inf if step.ended is None else step.ended
        last = _last_read(evidence, reading.job_id, {step.number}, until)
        is_complete = last is not None and _is_complete(last, view)
        if is_complete and _bill(reading.manifest) != (len(view.rows), view.credits):
            yield f"a result of {view.id} states {_bill(reading.manifest)}"


def _bill(manifest: Manifest | None) -> tuple[object, object] | None:
    return None if manifest is None else (manifest.count, manifest.credits_consumed)


def had_gap(evidence: Evidence, job_id: str) -> bool:
    """Whether an answer about the job had an incomplete manifest."""
    return any(
        exchange.job_id == job_id and exchange.plan.name == "unfinished manifest"
        for exchange in evidence.event_log.exchanges
    )


def _last_read(
    evidence: Evidence, job_id: str, steps: set[int] | None, until: float
) -> Exchange | None:
    """Return the last answer until then, if it was read in one of the steps.

    Without ``steps``, in any step.
    """
    is_received = [
        exchange
        for exchange in evidence.event_log.exchanges
        if exchange.kind == "read"
        and exchange.job_id == job_id
        and (exchange.ended_at or 0.0) <= until
        and exchange.is_sound
        and exchange.status == _OK
    ]
    # Of several at the same moment the incomplete one may have been the last.
    last = max(
        is_received, key=lambda e: (e.ended_at or 0.0, _has_gaps(e)), default=None
    )
    if last is None or steps is None:
        return last
    is_own = last.step is not None and last.step.number in steps
    return last if is_own else None


def _has_gaps(exchange: Exchange) -> bool:
    return exchange.plan.name in {"unfinished manifest", "stale", "wrong shape"}


def _is_complete(exchange: Exchange, view: JobView) -> bool:
    """Whether the answer had the whole manifest, and a caller waited for it."""
    cancelled_at = None if exchange.step is None else exchange.step.cancelled_at
    return (
        not _has_gaps(exchange)
        and (exchange.arrived_at or 0.0) >= view.ends_at
        and (cancelled_at is None or (exchange.ended_at or 0.0) < cancelled_at)
    )


def _receipt_faults(kept: Receipt) -> Iterator[str]:
    receipt, view = kept.receipt, kept.view
    if receipt.job_id != view.id or receipt.requested_limit != kept.limit:
        yield f"of {view.id}, limit {kept.limit}"
    if not (receipt.accepted or receipt.already_terminal):
        yield "neither accepted nor already terminal"
    if receipt.status.is_terminal:
        # The view of a terminal job does not change, so it can be read now.
        if receipt.status != view.status:
            yield f"the job is {view.status}"
        if (receipt.delivered, receipt.credits_consumed) != (
            view.rows_written,
            view.credits,
        ):
            yield f"delivered {view.rows_written}, billed {view.credits}"
        if receipt.credits_avoided != _avoided(kept):
            yield f"avoided {_avoided(kept)}"
    elif _numbers(receipt) != (None, None, None):
        yield "numbers of a job that runs"
    elif receipt.already_terminal:
        yield "already terminal, but the status is not"


def _numbers(receipt: CancelReceipt) -> tuple[object, object, object]:
    return receipt.delivered, receipt.credits_consumed, receipt.credits_avoided


def _avoided(kept: Receipt) -> float | None:
    if kept.view.ends != "cancelled":
        return 0.0
    billed = kept.view.credits
    if kept.limit is None or billed is None:
        return None
    return kept.view.limit - billed
