"""Invariants about jobs, and about what names them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.storm.event_log import Exchange
from tests.storm.evidence import Evidence
from tests.storm.records import Submission


def jobs_by_tag(evidence: Evidence) -> Mapping[str, list[str]]:
    """List the jobs that the sandbox made for each search."""
    made: dict[str, list[str]] = {s.tag: [] for s in evidence.submissions}
    for seen in evidence.service.requests:
        if seen.kind == "submit" and seen.job_id is not None:
            made.setdefault(json.loads(seen.body)["query"], []).append(seen.job_id)
    return made


def tries_by_tag(evidence: Evidence) -> Mapping[str, list[Exchange]]:
    """List the exchanges of each submit, oldest first."""
    tries: dict[str, list[Exchange]] = {s.tag: [] for s in evidence.submissions}
    for exchange in evidence.event_log.exchanges:
        if exchange.tag is not None:
            tries.setdefault(exchange.tag, []).append(exchange)
    return tries


def a_handle_means_one_job(evidence: Evidence) -> Iterator[str]:
    """The handle that a submit returned is of the one job made for its search."""
    made = jobs_by_tag(evidence)
    returned = [s for s in evidence.submissions if s.outcome == "handle"]
    for submission in returned:
        if made[submission.tag] != [submission.job_id]:
            yield f"{submission.tag}: {submission.job_id}, made {made[submission.tag]}"
        if submission.search.limit not in {None, submission.handle_limit}:
            yield f"{submission.tag}: a handle with limit {submission.handle_limit}"
    for job_id, times in Counter(s.job_id for s in returned).items():
        if times > 1:
            yield f"{times} submits returned the job {job_id}"


def a_refusal_means_no_job(evidence: Evidence) -> Iterator[str]:
    """A submit reported as refused or not sent made no job; the latter was not sent."""
    made, tries = jobs_by_tag(evidence), tries_by_tag(evidence)
    for submission in evidence.submissions:
        if submission.outcome not in {"not sent", "rejected", "configuration"}:
            continue
        if made[submission.tag]:
            yield f"{submission.tag}: {submission.outcome}, {made[submission.tag]}"
        sent = any(
            t.sent_at is not None and not t.is_refusal_to_serve
            for t in tries[submission.tag]
        )
        if sent and submission.outcome != "rejected":
            yield f"{submission.tag}: {submission.outcome}, but it was sent"


def an_unknown_outcome_means_one_job_at_most(evidence: Evidence) -> Iterator[str]:
    """An unknown outcome made at most one job, and its error is true."""
    made, tries = jobs_by_tag(evidence), tries_by_tag(evidence)
    for submission in evidence.submissions:
        if submission.outcome != "unknown":
            continue
        jobs = made[submission.tag]
        if len(jobs) > 1:
            yield f"{submission.tag}: {len(jobs)} jobs"
        if (
            submission.accepted
            and len(jobs) != 1
            and not _had_login_page(tries[submission.tag])
        ):
            yield f"{submission.tag}: accepted, and made {jobs}"
        if submission.job_id not in {None, *jobs}:
            yield f"{submission.tag}: names {submission.job_id}, made {jobs}"
        if submission.max_exposure != submission.search.limit:
            yield f"{submission.tag}: a wrong exposure of {submission.max_exposure}"


def _had_login_page(tries: list[Exchange]) -> bool:
    """Whether a 2xx came from something in front of the service."""
    return any(exchange.plan.name == "login page" for exchange in tries)


def a_submit_is_not_sent_again(evidence: Evidence) -> Iterator[str]:
    """A submit that may have been sent is not sent again, except after a 429."""
    for tag, tries in tries_by_tag(evidence).items():
        for earlier, later in pairwise(tries):
            if earlier.sent_at is not None and not earlier.is_refusal_to_serve:
                seen = f"{tag}: sent at {earlier.sent_at:.3f}"
                yield f"{seen}, again at {later.began:.3f}"


def every_running_job_is_known(evidence: Evidence) -> Iterator[str]:
    """Every job is known to the user, or was cancelled for a cancelled caller.

    Known is what a handle or an error names, what is among the orphans, and what a
    warning is about because no answer came. A block that has to cancel its job did so,
    and a cancel was sent for each orphan, unless the client was closed before.
    """
    by_tag, tries = {s.tag: s for s in evidence.submissions}, tries_by_tag(evidence)
    for tag, jobs in jobs_by_tag(evidence).items():
        submission = by_tag[tag]
        if jobs and submission.outcome not in {"handle", "unknown", "caller cancelled"}:
            yield f"{tag}: {jobs}, and its caller got: {submission.outcome}"
        for job_id in (evidence.running - set(evidence.orphans)).intersection(jobs):
            excused = _is_excused(evidence, submission, tries[tag])
            if submission.outcome == "caller cancelled" and not excused:
                yield f"{tag}: its caller was cancelled and {job_id} runs"
            if submission.must_be_cancelled:
                yield f"{tag}: its block was left and {job_id} runs"
    tried = {e.job_id for e in evidence.event_log.exchanges if e.kind == "cancel"}
    for job_id in evidence.orphans:
        if job_id not in tried and evidence.schedule.closing != "early":
            yield f"{job_id} is an orphan, and no cancel was sent"


def _is_excused(
    evidence: Evidence, submission: Submission, tries: list[Exchange]
) -> bool:
    """Whether the client warned about the job, and could not know more."""
    return submission.step.number in evidence.warned_steps and not any(
        t.is_sound and t.status is not None and t.status // 100 == 2 for t in tries
    )
