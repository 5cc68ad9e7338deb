"""Invariants about a Book whose program crashes: nothing is lost, nothing is twice."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from openfunnel_async import Company
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.sandbox import Row
from tests.storm.book_records import BookRecord, BookView, query_of
from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.job_invariants import jobs_by_tag, tries_by_tag
from tests.storm.row_invariants import had_gap, is_row
from tests.support.stakes import most_committed

_OPEN = (EntryState.SUBMITTING, EntryState.SUBMITTED, EntryState.UNKNOWN)
_ROUNDING = 1e-6


def an_entry_is_submitted_once(evidence: Evidence) -> Iterator[str]:
    """No search is sent again that may have made a job, unless a person says so."""
    if evidence.book is None:
        return
    resolved = evidence.book.resolved
    for query, jobs in jobs_by_tag(evidence).items():
        if len(jobs) > 1 + resolved[query]:
            yield f"{query}: {len(jobs)} jobs"
    for query, tries in tries_by_tag(evidence).items():
        again = sum(_may_have_made_a_job(earlier) for earlier, _ in pairwise(tries))
        if again > resolved[query]:
            yield f"{query}: sent {again} times more after a submit that may count"


def _may_have_made_a_job(exchange: Exchange) -> bool:
    """Whether nobody can tell from the answer that there is no job."""
    if exchange.sent_at is None:
        return False
    status = exchange.status or 0
    refused = exchange.is_received and status // 100 == 4 and status != 408
    return not refused


def the_book_names_every_job(evidence: Evidence) -> Iterator[str]:
    """Each job is that of its entry, or its submit is of unknown outcome."""
    for book, view in _views(evidence):
        for entry in view.entries:
            jobs = view.made.get(query_of(entry), [])
            known = {entry.job_id} if entry.job_id is not None else set[str]()
            unnamed = set(jobs) - known
            excused = book.resolved[query_of(entry)]
            excused += entry.state in {EntryState.SUBMITTING, EntryState.UNKNOWN}
            if len(unnamed) > excused:
                yield f"{entry.key} is {entry.state} at {view.moment:.3f}: {jobs}"
            if entry.job_id is not None and entry.job_id not in jobs:
                yield f"{entry.key} has {entry.job_id}, made {jobs}"


def stored_rows_are_those_of_the_job(evidence: Evidence) -> Iterator[str]:
    """The rows of an entry come once and in order; a settled entry has all of them."""
    for _, view in _views(evidence):
        for entry in view.entries:
            stored = view.rows.get(entry.key, [])
            rows: tuple[Row, ...] = ()
            if entry.job_id is not None:
                rows = evidence.service.jobs[entry.job_id].rows
            yield from _wrong_rows(entry, stored, rows)


def _wrong_rows(
    entry: BookEntry, stored: list[Company], rows: tuple[Row, ...]
) -> Iterator[str]:
    if entry.rows != len(stored):
        yield f"{entry.key}: {len(stored)} rows, {entry.rows} are noted"
    if len(stored) > len(rows):
        yield f"{entry.key}: {len(stored)} rows of {len(rows)}"
    for place, (company, row) in enumerate(zip(stored, rows, strict=False)):
        if not is_row(company, row):
            yield f"{entry.key}: row {place} is {company.linkedin_url}"
            return
    if entry.state is EntryState.SETTLED and len(stored) < len(rows):
        yield f"{entry.key} is settled with {len(stored)} rows of {len(rows)}"


def stored_bills_are_those_of_the_ledger(evidence: Evidence) -> Iterator[str]:
    """A settled entry has the status and the bill of its job.

    A manifest that the service states wrong is stored as it was stated.
    """
    for _, view in _views(evidence):
        for entry in view.entries:
            if entry.state is not EntryState.SETTLED or entry.job_id is None:
                continue
            job = evidence.service.jobs[entry.job_id]
            if entry.status is None or entry.status.value != job.ends:
                yield f"{entry.key}: {entry.status}, the job ended as {job.ends}"
            if entry.billed != job.credits and not had_gap(evidence, entry.job_id):
                yield f"{entry.key}: billed {entry.billed}, the ledger: {job.credits}"


def what_may_be_billed_is_reserved(evidence: Evidence) -> Iterator[str]:
    """The exposure of every job and of every unknown submit is reserved.

    A submit is unknown only after a crash, or after an answer that was not sound.
    """
    for _, view in _views(evidence):
        if view.status is None:
            continue
        reserved = sum(e.exposure or 0 for e in view.entries if e.state in _OPEN)
        if not math.isclose(view.status.reserved, reserved, abs_tol=_ROUNDING):
            seen = f"{view.status.reserved:g} reserved at {view.moment:.3f}"
            yield f"{seen}, expected {reserved:g}"
        unknown = sum(entry.state is EntryState.UNKNOWN for entry in view.entries)
        unsound = sum(
            exchange.kind == "submit"
            # A redirection says nothing about a job.
            and (not exchange.is_sound or (exchange.status or 0) // 100 == 3)
            for exchange in evidence.event_log.exchanges
        )
        if unknown > view.crashes + unsound:
            yield f"{unknown} unknown after {view.crashes} crashes"


def a_book_keeps_its_cap(evidence: Evidence) -> Iterator[str]:
    """What the jobs have billed and may bill is never more than the cap."""
    if evidence.book is None or evidence.book.cap is None:
        return
    jobs = evidence.service.jobs
    gaps = sum(had_gap(evidence, job_id) for job_id in jobs)
    at_risk = most_committed(list(jobs.values()))
    # A manifest with a gap may state a bill that is one too low.
    if at_risk > evidence.book.cap + gaps:
        yield f"{at_risk:g} credits were at risk under {evidence.book.cap:g}"


def the_book_adds_up(evidence: Evidence) -> Iterator[str]:
    """The Book's own check finds nothing, after any life."""
    for _, view in _views(evidence):
        yield from view.check.problems


def a_run_without_faults_ends_the_batch(evidence: Evidence) -> Iterator[str]:
    """Once nothing fails, a run leaves no submit and no job under way."""
    if evidence.book is None or not evidence.book.has_finished:
        return
    states = Counter(entry.state for entry in evidence.book.last.entries)
    for state in (EntryState.SUBMITTING, EntryState.SUBMITTED):
        if states[state]:
            yield f"{states[state]} entries are {state} at the end"


def _views(evidence: Evidence) -> Iterator[tuple[BookRecord, BookView]]:
    if evidence.book is not None:
        for view in evidence.book.views:
            yield evidence.book, view
