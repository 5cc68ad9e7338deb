"""Bugs that are planted on purpose, to check that the invariants find them.

The client makes its own parts, so a broken variant of one of them could only get in
through copies of all parts above it. A planted bug therefore replaces one attribute
for the time of a block.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from inspect import getattr_static
from typing import Any

import attrs

from openfunnel_async import BulkJob, PageStream, RowStream
from tests.storm import (
    book_invariants,
    bugs_of_batches,
    bugs_of_books,
    bugs_of_jobs,
    bugs_of_waits,
    call_invariants,
    cancel_invariants,
    group_invariants,
    job_invariants,
    row_invariants,
    wait_invariants,
)
from tests.storm.internals import (
    BackgroundTasks,
    Caller,
    Cancellation,
    Completions,
    CreditCap,
    EntryRecord,
    FollowedJobs,
    Follower,
    JobState,
    ManySearches,
    Outage,
    PageReader,
    PollLoop,
    RetryAllowance,
    SendProgress,
    SharedTask,
    Submitter,
    SubmitThrottle,
    Tries,
    UnfinishedWork,
    cancel_calls,
    cancellation,
    client,
    endpoints,
    entries,
    error_replies,
    following,
    replies,
    requests_module,
    state,
    submitting,
)
from tests.storm.invariants import Invariant


@attrs.frozen
class Bug:
    """A mistake that a developer could make.

    Attributes:
        what: The mistake, in words.
        invariant: The invariant that must find it.
        owner: The class or module whose attribute is replaced.
        attribute: Its name.
        replace: Returns the broken attribute for the original one.
    """

    what: str
    invariant: Invariant
    owner: Any = attrs.field(repr=False)
    attribute: str
    replace: Callable[[Any], Any] = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.what


@contextmanager
def planted(bug: Bug) -> Generator[None]:
    """Plant the bug for the time of the block."""
    # Statically: the property itself is needed, not its value.
    original = getattr_static(bug.owner, bug.attribute)
    setattr(bug.owner, bug.attribute, bug.replace(original))
    try:
        yield
    finally:
        setattr(bug.owner, bug.attribute, original)


BUGS: tuple[Bug, ...] = (
    Bug(
        "searches with the same limit get the same handle",
        job_invariants.a_handle_means_one_job,
        Submitter, "_send", bugs_of_jobs.pool_handles,
    ),
    Bug(
        "a 408 to a submit is raised as a refusal",
        job_invariants.a_refusal_means_no_job,
        replies, "_refused_submit", bugs_of_jobs.raise_408,
    ),
    Bug(
        "every unknown outcome is reported as accepted",
        job_invariants.an_unknown_outcome_means_one_job_at_most,
        replies, "_unknown", bugs_of_jobs.claim_acceptance,
    ),
    Bug(
        "a submit whose answer was lost is sent again",
        job_invariants.a_submit_is_not_sent_again,
        Caller, "_once", bugs_of_jobs.send_twice,
    ),
    Bug(
        "a page that was read again is returned from its first row",
        row_invariants.rows_come_once_and_in_order,
        PageReader, "_compare", bugs_of_jobs.start_page_again,
    ),
    Bug(
        "the newest page is not read again",
        row_invariants.rows_come_once_and_in_order,
        PageReader, "is_whole", bugs_of_jobs.take_any_page_as_whole,
    ),
    Bug(
        "a checkpoint is a row behind",
        row_invariants.rows_come_once_and_in_order,
        PageReader, "place", bugs_of_jobs.checkpoint_one_row_behind,
    ),
    Bug(
        "the status is the last one that an answer stated",
        row_invariants.a_status_is_true_and_never_goes_back,
        state, "furthest", bugs_of_jobs.take_last_status,
    ),
    Bug(
        "a 409 to a cancel is taken as cancelled",
        row_invariants.a_status_is_true_and_never_goes_back,
        Cancellation, "_find_out", bugs_of_jobs.infer_cancelled,
    ),
    Bug(
        "avoided credits are computed before the bill is known",
        row_invariants.numbers_are_those_of_the_ledger,
        cancellation, "_avoided", bugs_of_jobs.subtract_unknown_bill,
    ),
    Bug(
        "a poll loop does not report its answers",
        call_invariants.nothing_hangs,
        PollLoop, "_end_request", bugs_of_jobs.report_no_answer,
    ),
    Bug(
        "the job of a cancelled submit is not cancelled",
        job_invariants.every_running_job_is_known,
        BackgroundTasks, "_cancel", bugs_of_jobs.skip_cancel,
    ),
    Bug(
        "a submit ends with its caller",
        job_invariants.every_running_job_is_known,
        Submitter, "submit", bugs_of_jobs.submit_unshielded,
    ),
    Bug(
        "a cancelled batch does not cancel its jobs",
        job_invariants.every_running_job_is_known,
        ManySearches, "_release_all", bugs_of_batches.release_nothing,
    ),
    Bug(
        "the cap ignores reservations",
        group_invariants.a_batch_stays_under_its_cap,
        CreditCap, "fits_now", bugs_of_batches.ignore_reservations,
    ),
    Bug(
        "an unknown bill counts as zero",
        group_invariants.a_batch_stays_under_its_cap,
        CreditCap, "replace_by_bill", bugs_of_batches.take_unknown_bill_as_zero,
    ),
    Bug(
        "a slot is free after the submit",
        group_invariants.a_batch_keeps_to_its_slots,
        ManySearches, "_start", bugs_of_batches.free_slot_after_submit,
    ),
    Bug(
        "outcomes are in the order in which the jobs end",
        group_invariants.every_outcome_is_returned,
        ManySearches, "run", bugs_of_batches.return_in_order_of_end,
    ),
    Bug(
        "wait_all leaves failed jobs out",
        group_invariants.every_outcome_is_returned,
        client, "wait_all", bugs_of_batches.drop_failed_jobs,
    ),
    Bug(
        "as_completed leaves out a handle that cannot be read",
        group_invariants.every_outcome_is_returned,
        Completions, "next_outcome", bugs_of_batches.skip_failed_handles,
    ),
    Bug(
        "a group wait that ends waits for the other jobs",
        group_invariants.group_waits_end_in_time,
        Completions, "_stop", bugs_of_batches.leave_waits_running,
    ),
    Bug(
        "a failure stops the submits and cancels nothing",
        group_invariants.a_failure_cancels_the_rest,
        ManySearches, "_note_failure", bugs_of_batches.stop_submits_only,
    ),
    Bug(
        "the jobs of a batch are cancelled one by one",
        group_invariants.a_cancelled_batch_cancels_its_jobs,
        BackgroundTasks, "_cancel", bugs_of_batches.cancel_one_by_one,
    ),
    Bug(
        "a cancelled stream ends normally",
        call_invariants.a_cancelled_step_ends_cancelled,
        RowStream, "__anext__", bugs_of_jobs.stop_when_cancelled,
    ),
    Bug(
        "a poll loop without callers leaves its task running",
        call_invariants.closing_leaves_nothing,
        PollLoop, "_remove", bugs_of_jobs.leave_task_running,
    ),
    Bug(
        "aclose() does not wait for background tasks",
        call_invariants.closing_leaves_nothing,
        BackgroundTasks, "aclose", bugs_of_jobs.close_without_waiting,
    ),
    Bug(
        "a call has one try more than its policy",
        call_invariants.retries_are_bounded,
        Tries, "__init__", bugs_of_jobs.add_attempt,
    ),
    Bug(
        "Retry-After is ignored",
        call_invariants.retries_are_bounded,
        error_replies, "retry_after", bugs_of_jobs.ignore_retry_after,
    ),
    Bug(
        "retries have no shared allowance",
        call_invariants.retries_are_bounded,
        RetryAllowance, "spend", bugs_of_jobs.allow_all_retries,
    ),
    Bug(
        "the key is in the query as well",
        call_invariants.the_key_stays_in_its_header,
        Caller, "_keyed", bugs_of_jobs.put_key_in_query,
    ),
    Bug(
        "an error quotes the request with its headers",
        call_invariants.the_key_stays_in_its_header,
        Caller, "_once", bugs_of_jobs.quote_key,
    ),
    Bug(
        "a stream raises at the end of a cancelled job",
        call_invariants.errors_are_declared_and_have_a_cause,
        PageReader, "is_complete", bugs_of_jobs.refuse_cancelled_end,
    ),
    Bug(
        "a receipt requires the bill",
        call_invariants.only_own_errors_are_raised,
        cancel_calls, "write_receipt", bugs_of_jobs.require_bill,
    ),
    Bug(
        "an informative field of a wrong type is an error",
        call_invariants.errors_are_declared_and_have_a_cause,
        endpoints, "read_page", bugs_of_jobs.require_progress_text,
    ),
    Bug(
        "exceptions of a transport are raised as they are",
        call_invariants.only_own_errors_are_raised,
        Caller, "_once", bugs_of_jobs.raise_foreign,
    ),
    Bug(
        "a request without a progress report counts as not sent",
        job_invariants.a_submit_is_not_sent_again,
        SendProgress, "begin", bugs_of_jobs.assume_unsent,
    ),
    Bug(
        "any 2xx to a cancel accepts it",
        cancel_invariants.an_accepted_cancel_is_true,
        endpoints, "read_cancel", bugs_of_jobs.accept_any_2xx,
    ),
    Bug(
        "a background cancel is tried for ten seconds only",
        cancel_invariants.a_cancel_is_not_given_up,
        BackgroundTasks, "_cancel", bugs_of_jobs.cancel_for_ten_seconds,
    ),
    Bug(
        "a cancel is sent as often as a read",
        cancel_invariants.a_cancel_is_not_given_up,
        Tries, "_has_no_attempt_left", bugs_of_jobs.count_attempts_only,
    ),
    Bug(
        "unfinished work is not logged",
        cancel_invariants.every_job_left_running_is_named,
        UnfinishedWork, "report", bugs_of_jobs.log_nothing,
    ),
    Bug(
        "the first manifest of a job is kept",
        row_invariants.a_bill_that_was_read_is_shown,
        JobState, "observe", bugs_of_jobs.keep_first_snapshot,
    ),
    Bug(
        "a slot is free before the cancel of its job is accepted",
        group_invariants.a_slot_is_kept_while_its_job_runs,
        ManySearches, "_cancel", bugs_of_batches.free_slot_after_cancel,
    ),
    Bug(
        "a failure is noted a second later",
        group_invariants.a_failure_cancels_the_rest,
        ManySearches, "_note_failure", bugs_of_batches.note_failure_late,
    ),
    Bug(
        "a submit of a batch counts its attempts after a 429",
        group_invariants.no_search_is_lost_to_a_rate_limit,
        Tries, "__init__", bugs_of_batches.count_attempts_only,
    ),
    Bug(
        "a 429 delays only the submit that it answers",
        call_invariants.a_429_delays_all_submits,
        SubmitThrottle, "delay_all", bugs_of_batches.delay_no_submit,
    ),
    Bug(
        "a handle states one row more than its search",
        job_invariants.a_handle_means_one_job,
        Submitter, "_send", bugs_of_waits.add_to_limit,
    ),
    Bug(
        "the position changes before the next page is read",
        row_invariants.rows_come_once_and_in_order,
        PageReader, "_read_next", bugs_of_waits.move_early,
    ),
    Bug(
        "a page is handed out before it is whole",
        row_invariants.rows_come_once_and_in_order,
        PageStream, "_is_due", bugs_of_waits.yield_partial_pages,
    ),
    Bug(
        "a stream does not count the first row of a page",
        row_invariants.rows_come_once_and_in_order,
        RowStream, "__anext__", bugs_of_waits.skip_first_in_count,
    ),
    Bug(
        "a page that is fetched lacks its first row",
        row_invariants.rows_come_once_and_in_order,
        BulkJob, "fetch_page", bugs_of_waits.drop_first_row,
    ),
    Bug(
        "a result ignores partial_ok",
        row_invariants.rows_come_once_and_in_order,
        BulkJob, "result", bugs_of_waits.force_partial_ok,
    ),
    Bug(
        "concurrent cancels send a request each",
        cancel_invariants.one_handle_sends_one_cancel,
        SharedTask, "join", bugs_of_waits.share_no_cancel,
    ),
    Bug(
        "a cancel is sent although the job is known to be terminal",
        cancel_invariants.one_handle_sends_one_cancel,
        Cancellation, "request", bugs_of_waits.cancel_terminal_job,
    ),
    Bug(
        "each poll is half a minute late",
        wait_invariants.a_wait_ends_in_time,
        PollLoop, "_next_due", bugs_of_waits.poll_late,
    ),
    Bug(
        "a timeout is five seconds longer",
        wait_invariants.a_wait_ends_in_time,
        BulkJob, "wait_until_terminal", bugs_of_waits.extend_timeout,
    ),
    Bug(
        "a wait that ends takes the poll away from the others",
        call_invariants.a_cancelled_step_ends_cancelled,
        PollLoop, "_remove", bugs_of_waits.cancel_shared_poll,
    ),
    Bug(
        "no outage is survived",
        wait_invariants.an_outage_is_survived,
        Outage, "has_lasted", bugs_of_waits.end_outage_at_once,
    ),
    Bug(
        "the client's own pause is checked against the deadline",
        wait_invariants.an_outage_is_survived,
        requests_module, "wait_after", bugs_of_waits.report_own_pause,
    ),
    Bug(
        "a call is tried once",
        wait_invariants.a_read_is_tried_as_often_as_its_policy_says,
        Tries, "_has_no_attempt_left", bugs_of_waits.try_once,
    ),
)  # fmt: skip

# Of a schedule in which a program runs a Book.
BOOK_BUGS: tuple[Bug, ...] = (
    Bug(
        "a submit of a dead process is planned again",
        book_invariants.an_entry_is_submitted_once,
        submitting, "sweep", bugs_of_books.plan_lost_submits_again,
    ),
    Bug(
        "a submit of unknown outcome is taken as not sent",
        book_invariants.an_entry_is_submitted_once,
        submitting, "record_no_job", bugs_of_books.take_unknown_outcomes_as_unsent,
    ),
    Bug(
        "a submit of a dead process is taken as refused",
        book_invariants.the_book_names_every_job,
        submitting, "sweep", bugs_of_books.reject_lost_submits,
    ),
    Bug(
        "a job is read from its first row again",
        book_invariants.stored_rows_are_those_of_the_job,
        EntryRecord, "start", bugs_of_books.read_from_the_first_row,
    ),
    Bug(
        "the last row of a page is lost",
        book_invariants.stored_rows_are_those_of_the_job,
        following, "record_page", bugs_of_books.drop_the_last_row_of_a_page,
    ),
    Bug(
        "the exposure is stored as the bill",
        book_invariants.stored_bills_are_those_of_the_ledger,
        Follower, "_read_bill", bugs_of_books.bill_the_exposure,
    ),
    Bug(
        "an unknown submit gives its reservation back",
        book_invariants.what_may_be_billed_is_reserved,
        submitting, "sweep", bugs_of_books.return_reservations_of_lost_submits,
    ),
    Bug(
        "a cap ignores reservations",
        book_invariants.a_book_keeps_its_cap,
        submitting, "find_room", bugs_of_books.ignore_reservations,
    ),
    Bug(
        "transitions are not noted",
        book_invariants.the_book_adds_up,
        entries, "note_event", bugs_of_books.note_no_event,
    ),
    Bug(
        "a job of an earlier life is not followed",
        book_invariants.a_run_without_faults_ends_the_batch,
        FollowedJobs, "take_free", bugs_of_books.follow_new_jobs_only,
    ),
)  # fmt: skip
