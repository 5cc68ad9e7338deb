"""The list of invariants, which compare the evidence with the sandbox's ledger.

Each checks the evidence of one schedule and yields the faults that it finds. `planted`
has at least one bug for each, and the tests check that each is found.
"""

from collections.abc import Callable, Iterator

import attrs

from tests.storm import (
    book_invariants,
    call_invariants,
    cancel_invariants,
    group_invariants,
    job_invariants,
    row_invariants,
    wait_invariants,
)
from tests.storm.evidence import Evidence

Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: tuple[Invariant, ...] = (
    job_invariants.a_handle_means_one_job,
    job_invariants.a_refusal_means_no_job,
    job_invariants.an_unknown_outcome_means_one_job_at_most,
    job_invariants.a_submit_is_not_sent_again,
    row_invariants.rows_come_once_and_in_order,
    row_invariants.a_status_is_true_and_never_goes_back,
    row_invariants.numbers_are_those_of_the_ledger,
    row_invariants.a_bill_that_was_read_is_shown,
    cancel_invariants.an_accepted_cancel_is_true,
    cancel_invariants.one_handle_sends_one_cancel,
    cancel_invariants.a_cancel_is_not_given_up,
    cancel_invariants.every_job_left_running_is_named,
    call_invariants.nothing_hangs,
    job_invariants.every_running_job_is_known,
    group_invariants.a_batch_stays_under_its_cap,
    group_invariants.a_batch_keeps_to_its_slots,
    group_invariants.a_slot_is_kept_while_its_job_runs,
    group_invariants.no_search_is_lost_to_a_rate_limit,
    group_invariants.every_outcome_is_returned,
    group_invariants.group_waits_end_in_time,
    group_invariants.a_failure_cancels_the_rest,
    group_invariants.a_cancelled_batch_cancels_its_jobs,
    call_invariants.a_cancelled_step_ends_cancelled,
    call_invariants.closing_leaves_nothing,
    call_invariants.retries_are_bounded,
    wait_invariants.a_wait_ends_in_time,
    wait_invariants.an_outage_is_survived,
    wait_invariants.a_read_is_tried_as_often_as_its_policy_says,
    call_invariants.a_429_delays_all_submits,
    call_invariants.only_own_errors_are_raised,
    call_invariants.the_key_stays_in_its_header,
    call_invariants.errors_are_declared_and_have_a_cause,
)

# Of a schedule in which a program runs a Book.
BOOK_INVARIANTS: tuple[Invariant, ...] = (
    book_invariants.an_entry_is_submitted_once,
    book_invariants.the_book_names_every_job,
    book_invariants.stored_rows_are_those_of_the_job,
    book_invariants.stored_bills_are_those_of_the_ledger,
    book_invariants.what_may_be_billed_is_reserved,
    book_invariants.a_book_keeps_its_cap,
    book_invariants.the_book_adds_up,
    book_invariants.a_run_without_faults_ends_the_batch,
)
_ALSO = (
    call_invariants.nothing_hangs,
    call_invariants.only_own_errors_are_raised,
    call_invariants.the_key_stays_in_its_header,
)


@attrs.frozen(order=True)
class Violation:
    """An invariant that was violated, and what was found."""

    invariant: str
    seen: str


def check_invariants(evidence: Evidence) -> Iterator[Violation]:
    """Check every invariant of a schedule of actors with the evidence."""
    return _check(INVARIANTS, evidence)


def check_book_invariants(evidence: Evidence) -> Iterator[Violation]:
    """Check every invariant of a schedule with a Book with the evidence."""
    return _check((*BOOK_INVARIANTS, *_ALSO), evidence)


def _check(
    invariants: tuple[Invariant, ...], evidence: Evidence
) -> Iterator[Violation]:
    for invariant in invariants:
        for seen in invariant(evidence):
            yield Violation(invariant.__name__, seen)
