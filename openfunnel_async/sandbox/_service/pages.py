"""The answer to a read: status, manifest and one page of rows."""

import hashlib
import re

from openfunnel_async.sandbox._service.job_lifetimes import PAGE_SIZE
from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.ledger import Ledger
from openfunnel_async.sandbox._service.messages import (
    Issue,
    SandboxReply,
    json_reply,
    validation_reply,
)
from openfunnel_async.sandbox._service.unknowns import Unknowns

_NUMBERED = re.compile(r"page_([0-9]{4,})")


def read_page(
    job: Job, state: JobState, cursor: str | None, ledger: Ledger, unknowns: Unknowns
) -> SandboxReply:
    """Answer a read of one page.

    Args:
        job: The job.
        state: The state to return.
        cursor: The requested label, None for the first page.
        ledger: The ledger with the job's bill.
        unknowns: The answers to the contract's open questions.
    """
    index = 0 if cursor is None else _index(job, cursor, state.pages, unknowns)
    if index is None:
        return _answer_unknown_cursor(job, state, cursor, ledger, unknowns)
    body = _status(job, state, ledger) | _page(job, state, index, unknowns)
    if state.status == "pending":
        body = _pending(body, job, unknowns)
    return json_reply(200, body)


def label(job: Job, index: int, unknowns: Unknowns) -> str:
    """Return the label of a page."""
    if unknowns.labels == "numbered":
        return f"page_{index:04}"
    return hashlib.sha256(f"{job.id}/{index}".encode()).hexdigest()[:20]


def _index(job: Job, cursor: str, pages: int, unknowns: Unknowns) -> int | None:
    """Return the index of a label's page; the first page always exists."""
    known = max(pages, 1)
    if unknowns.labels == "opaque":
        labels = (label(job, index, unknowns) for index in range(known))
        return next((n for n, one in enumerate(labels) if one == cursor), None)
    match = _NUMBERED.fullmatch(cursor)
    index = int(match[1][:9]) if match else known
    return index if index < known and label(job, index, unknowns) == cursor else None


def _status(job: Job, state: JobState, ledger: Ledger) -> dict[str, object]:
    failed = state.status == "failed"
    return {
        "job_id": job.id,
        "status": state.status,
        "manifest": _manifest(job, state, ledger) if state.is_terminal else None,
        "error_message": job.timeline.error_message if failed else None,
        "processed": state.processed,
        "progress_message": state.progress_message,
    }


def _page(
    job: Job, state: JobState, index: int, unknowns: Unknowns
) -> dict[str, object]:
    start = index * PAGE_SIZE
    rows = job.rows(start, min(start + PAGE_SIZE, state.written))
    more = index + 1 < state.pages
    return {
        "rows": rows,
        "page": label(job, index, unknowns) if state.pages else None,
        "next_cursor": label(job, index + 1, unknowns) if more else None,
        "count": len(rows),
    }


def _pending(
    body: dict[str, object], job: Job, unknowns: Unknowns
) -> dict[str, object]:
    """Return the body for a pending job, as `Unknowns.pending_shape` says."""
    if unknowns.pending_shape == "absent":
        return {name: body[name] for name in ("job_id", "status")}
    if unknowns.pending_shape == "empty":
        manifest: dict[str, object] = {}
        return body | {"page": label(job, 0, unknowns), "manifest": manifest}
    return body


def _answer_unknown_cursor(
    job: Job,
    state: JobState,
    cursor: str | None,
    ledger: Ledger,
    unknowns: Unknowns,
) -> SandboxReply:
    """Answer a cursor that is not the label of a written page."""
    if unknowns.past_end_cursor == "404":
        return json_reply(404, {"detail": "There is no such page."})
    if unknowns.past_end_cursor == "422":
        return validation_reply(
            [
                Issue(
                    type="value_error",
                    loc=("query", "cursor"),
                    msg="Value error, there is no such page",
                    input=cursor,
                )
            ]
        )
    empty: dict[str, object] = {
        "rows": [],
        "page": cursor,
        "next_cursor": None,
        "count": 0,
    }
    return json_reply(200, _status(job, state, ledger) | empty)


def _manifest(job: Job, state: JobState, ledger: Ledger) -> dict[str, object]:
    """Return the manifest of a terminal job."""
    seeds = job.search.seed_domains
    found = [domain for domain in seeds if _is_resolvable(domain)]
    lost = [domain for domain in seeds if not _is_resolvable(domain)]
    return {
        "count": state.written,
        "pages": state.pages,
        "page_size": PAGE_SIZE,
        "credits_consumed": ledger.credits_of(job.id),
        "derived_query": job.search.query or f"Companies like {', '.join(seeds)}",
        "resolved_seed_domains": found if seeds else None,
        "unresolved_seed_domains": lost if seeds else None,
        "rerank_degraded": False,
        "partial": state.status != "completed",
    }


def _is_resolvable(domain: str) -> bool:
    """Return False for a seed that has no dot or ends in ``.invalid``."""
    return "." in domain and not domain.endswith(".invalid")
