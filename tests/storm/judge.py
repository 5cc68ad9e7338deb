"""The invariants, held against the sandbox's own books.

Each looks at the evidence of one schedule and tells what it finds wrong with it.
`planted` has at least one bug for each, and the tests see each of them caught.
"""

from collections.abc import Callable, Iterator

import attrs

from tests.storm import (
    judge_calls,
    judge_cancels,
    judge_jobs,
    judge_many,
    judge_rows,
    judge_waits,
)
from tests.storm.evidence import Evidence

Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: tuple[Invariant, ...] = (
    judge_jobs.a_handle_means_one_job,
    judge_jobs.a_refusal_means_no_job,
    judge_jobs.an_unknown_outcome_means_one_job_at_most,
    judge_jobs.a_submit_is_not_sent_again,
    judge_rows.rows_come_once_and_in_order,
    judge_rows.a_status_is_true_and_never_goes_back,
    judge_rows.numbers_are_those_of_the_ledger,
    judge_rows.a_bill_that_was_read_is_shown,
    judge_cancels.an_accepted_cancel_is_true,
    judge_cancels.one_handle_sends_one_cancel,
    judge_cancels.a_cancel_is_not_given_up,
    judge_cancels.who_is_left_behind_is_named,
    judge_calls.nothing_hangs,
    judge_jobs.no_job_runs_unknown_to_all,
    judge_many.a_batch_stays_under_its_cap,
    judge_many.a_batch_keeps_to_its_slots,
    judge_many.a_slot_is_kept_while_its_job_runs,
    judge_many.no_search_is_lost_to_a_rate_limit,
    judge_many.no_member_is_lost,
    judge_many.waiting_together_ends_in_time,
    judge_many.a_failure_ends_the_rest,
    judge_many.a_batch_that_is_left_ends_its_jobs,
    judge_calls.a_cancelled_step_ends_cancelled,
    judge_calls.closing_leaves_nothing,
    judge_calls.retries_are_bounded,
    judge_waits.a_wait_ends_in_time,
    judge_waits.an_outage_is_survived,
    judge_waits.a_read_is_tried_as_often_as_its_policy_says,
    judge_calls.a_refused_client_submits_later,
    judge_calls.nothing_foreign_comes_out,
    judge_calls.the_key_stays_in_its_header,
    judge_calls.errors_are_declared_and_have_a_cause,
)


@attrs.frozen(order=True)
class Violation:
    """An invariant that did not hold, and what was seen."""

    invariant: str
    seen: str


def judge(evidence: Evidence) -> Iterator[Violation]:
    """Hold every invariant against the evidence."""
    for invariant in INVARIANTS:
        for seen in invariant(evidence):
            yield Violation(invariant.__name__, seen)
