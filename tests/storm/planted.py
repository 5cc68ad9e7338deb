"""Bugs put in on purpose, to see that the judge finds them.

A client makes its own parts, floor upon floor, so a broken variant of one of them
could only get in through a copy of everything above it. A bug is therefore an
attribute that is swapped while the bug is planted.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from inspect import getattr_static
from typing import Any

import attrs

from openfunnel_async import BulkJob, PageStream, RowStream
from tests.storm import (
    broken,
    broken_many,
    broken_waits,
    judge_calls,
    judge_cancels,
    judge_jobs,
    judge_many,
    judge_rows,
    judge_waits,
)
from tests.storm.internals import (
    BackgroundTasks,
    Batch,
    Caller,
    Cancellation,
    Completions,
    CreditCap,
    JobState,
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
    error_replies,
    replies,
    requests_module,
    state,
)
from tests.storm.judge import Invariant


@attrs.frozen
class Bug:
    """A mistake that somebody could make.

    Attributes:
        what: The mistake.
        caught_by: The invariant that must find it.
        owner: The class or module whose attribute is swapped.
        attribute: Its name.
        broken: Makes the broken one out of the sound one.
    """

    what: str
    caught_by: Invariant
    owner: Any = attrs.field(repr=False)
    attribute: str
    broken: Callable[[Any], Any] = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.what


@contextmanager
def planted(bug: Bug) -> Generator[None]:
    """Let the client have the bug for the time of the block."""
    # Statically: a property is wanted as it is, not what it gives.
    sound = getattr_static(bug.owner, bug.attribute)
    setattr(bug.owner, bug.attribute, bug.broken(sound))
    try:
        yield
    finally:
        setattr(bug.owner, bug.attribute, sound)


BUGS: tuple[Bug, ...] = (
    Bug(
        "handles are pooled by limit",
        judge_jobs.a_handle_means_one_job, Submitter, "_send", broken.pooled,
    ),
    Bug(
        "a 408 to a submit is raised as a refusal",
        judge_jobs.a_refusal_means_no_job,
        replies, "_refused_submit", broken.plain_408,
    ),
    Bug(
        "every unknown outcome is told as accepted",
        judge_jobs.an_unknown_outcome_means_one_job_at_most,
        replies, "_unknown", broken.accepted,
    ),
    Bug(
        "a submit whose answer was lost is sent again",
        judge_jobs.a_submit_is_not_sent_again, Caller, "_once", broken.once_more,
    ),
    Bug(
        "a page that was read again is handed out from its first row",
        judge_rows.rows_come_once_and_in_order,
        PageReader, "_compare", broken.from_the_top,
    ),
    Bug(
        "the newest page is not read again",
        judge_rows.rows_come_once_and_in_order,
        PageReader, "is_whole", broken.never_again,
    ),
    Bug(
        "a checkpoint is a row behind",
        judge_rows.rows_come_once_and_in_order,
        PageReader,
        "place",
        broken.a_row_late,
    ),
    Bug(
        "the status is the last one reported",
        judge_rows.a_status_is_true_and_never_goes_back,
        state, "furthest", broken.last_word,
    ),
    Bug(
        "a 409 is taken for cancelled",
        judge_rows.a_status_is_true_and_never_goes_back,
        Cancellation, "_find_out", broken.inferred,
    ),
    Bug(
        "credits avoided are reckoned before the bill",
        judge_rows.numbers_are_those_of_the_ledger,
        cancellation, "_avoided", broken.guessed,
    ),
    Bug(
        "no answer reaches who waits for it",
        judge_calls.nothing_hangs, PollLoop, "_end_request", broken.silent,
    ),
    Bug(
        "a job whose caller has gone is not cancelled",
        judge_jobs.no_job_runs_unknown_to_all,
        BackgroundTasks, "_cancel", broken.forgets,
    ),
    Bug(
        "a submit goes when its caller goes",
        judge_jobs.no_job_runs_unknown_to_all, Submitter, "submit", broken.just_goes,
    ),
    Bug(
        "a batch that is left forgets its jobs",
        judge_jobs.no_job_runs_unknown_to_all,
        Batch, "_release_all", broken_many.lets_them_run,
    ),
    Bug(
        "what is reserved is left out of the cap",
        judge_many.a_batch_stays_under_its_cap,
        CreditCap, "fits_now", broken_many.by_what_was_billed,
    ),
    Bug(
        "a bill that is not known is taken for nothing",
        judge_many.a_batch_stays_under_its_cap,
        CreditCap, "replace_by_bill", broken_many.free_of_charge,
    ),
    Bug(
        "a slot is given back when the submit is answered",
        judge_many.a_batch_keeps_to_its_slots,
        Batch, "_start", broken_many.for_the_submit_alone,
    ),
    Bug(
        "outcomes come as the jobs end",
        judge_many.no_member_is_lost, Batch, "run", broken_many.as_they_end,
    ),
    Bug(
        "of those waited for together only the good ones are told",
        judge_many.no_member_is_lost, client, "wait_all", broken_many.the_good_ones,
    ),
    Bug(
        "a handle that cannot be read does not come out",
        judge_many.no_member_is_lost,
        Completions, "next_outcome", broken_many.without_the_failed,
    ),
    Bug(
        "whoever leaves waits for those that are left",
        judge_many.waiting_together_ends_in_time,
        Completions, "_stop", broken_many.lets_them_wait,
    ),
    Bug(
        "a failure only stops the submits",
        judge_many.a_failure_ends_the_rest,
        Batch, "_note_failure", broken_many.no_more_submits,
    ),
    Bug(
        "the jobs of a batch are cancelled one after the other",
        judge_many.a_batch_that_is_left_ends_its_jobs,
        BackgroundTasks, "_cancel", broken_many.one_after_the_other,
    ),
    Bug(
        "a stream that is cancelled just ends",
        judge_calls.a_cancelled_step_ends_cancelled,
        RowStream, "__anext__", broken.ends_quietly,
    ),
    Bug(
        "the last one to leave a shared task lets it run on",
        judge_calls.closing_leaves_nothing, PollLoop, "_remove", broken.walks_off,
    ),
    Bug(
        "closing waits for nobody",
        judge_calls.closing_leaves_nothing,
        BackgroundTasks, "aclose", broken.in_a_hurry,
    ),
    Bug(
        "a call has one try more than its policy",
        judge_calls.retries_are_bounded, Tries, "__init__", broken.one_more,
    ),
    Bug(
        "Retry-After is not heard",
        judge_calls.retries_are_bounded, error_replies, "retry_after", broken.deaf,
    ),
    Bug(
        "retries have no budget",
        judge_calls.retries_are_bounded, RetryAllowance, "spend", broken.boundless,
    ),
    Bug(
        "the key goes into the query as well",
        judge_calls.the_key_stays_in_its_header, Caller, "_keyed", broken.in_the_query,
    ),
    Bug(
        "an error quotes the request with its headers",
        judge_calls.the_key_stays_in_its_header, Caller, "_once", broken.talkative,
    ),
    Bug(
        "a stream refuses the end of a cancelled job",
        judge_calls.errors_are_declared_and_have_a_cause,
        PageReader, "is_complete", broken.pedantic,
    ),
    Bug(
        "a receipt trips over a job whose bill is not known",
        judge_calls.nothing_foreign_comes_out,
        cancel_calls, "write_receipt", broken.takes_a_bill_for_granted,
    ),
    Bug(
        "a field that only informs has to have its type",
        judge_calls.errors_are_declared_and_have_a_cause,
        endpoints, "read_page", broken.strict,
    ),
    Bug(
        "what a transport raises comes out as it is",
        judge_calls.nothing_foreign_comes_out, Caller, "_once", broken.lets_it_pass,
    ),
    Bug(
        "a transport that reports nothing is taken not to have sent",
        judge_jobs.a_submit_is_not_sent_again, SendProgress, "begin", broken.assumed,
    ),
    Bug(
        "any 2xx to a cancel accepts it",
        judge_cancels.an_accepted_cancel_is_true,
        endpoints, "read_cancel", broken.any_2xx,
    ),
    Bug(
        "a cancel that nobody waits for is tried for ten seconds",
        judge_cancels.a_cancel_is_not_given_up,
        BackgroundTasks, "_cancel", broken.four_times,
    ),
    Bug(
        "a cancel is sent as often as a read",
        judge_cancels.a_cancel_is_not_given_up,
        Tries, "_has_no_attempt_left", broken.as_often_as_a_read,
    ),
    Bug(
        "what was left undone is not logged",
        judge_cancels.who_is_left_behind_is_named,
        UnfinishedWork, "report", broken.said_to_nobody,
    ),
    Bug(
        "the first manifest of a job is kept",
        judge_rows.a_bill_that_was_read_is_shown,
        JobState, "observe", broken.the_first_one,
    ),
    Bug(
        "a slot is given back when its job is given up",
        judge_many.a_slot_is_kept_while_its_job_runs,
        Batch, "_cancel", broken_many.as_soon_as_it_is_given_up,
    ),
    Bug(
        "a failure is noted a second later",
        judge_many.a_failure_ends_the_rest,
        Batch, "_note_failure", broken_many.a_second_later,
    ),
    Bug(
        "a search of a batch is submitted as often as a read is sent",
        judge_many.no_search_is_lost_to_a_rate_limit,
        Tries, "__init__", broken_many.as_often_as_a_read,
    ),
    Bug(
        "a 429 is for the submit alone that it answers",
        judge_calls.a_refused_client_submits_later,
        SubmitThrottle, "hold", broken_many.nobody_else_waits,
    ),
    Bug(
        "a handle states one row more than its search",
        judge_jobs.a_handle_means_one_job,
        Submitter, "_send", broken_waits.one_more_row,
    ),
    Bug(
        "the position changes before the next page is read",
        judge_rows.rows_come_once_and_in_order,
        PageReader, "_read_next", broken_waits.moves_before_the_page_is_read,
    ),
    Bug(
        "a page is handed out before it is whole",
        judge_rows.rows_come_once_and_in_order,
        PageStream, "_is_due", broken_waits.hands_out_partial_pages,
    ),
    Bug(
        "a stream does not count the first row of a page",
        judge_rows.rows_come_once_and_in_order,
        RowStream, "__anext__", broken_waits.does_not_count_first_rows,
    ),
    Bug(
        "a page that is fetched lacks its first row",
        judge_rows.rows_come_once_and_in_order,
        BulkJob, "fetch_page", broken_waits.without_its_first_row,
    ),
    Bug(
        "a result ignores partial_ok",
        judge_rows.rows_come_once_and_in_order,
        BulkJob, "result", broken_waits.always_partial,
    ),
    Bug(
        "concurrent cancels send a request each",
        judge_cancels.one_handle_sends_one_cancel,
        SharedTask, "join", broken_waits.one_request_each,
    ),
    Bug(
        "a cancel is sent although the job is known to be terminal",
        judge_cancels.one_handle_sends_one_cancel,
        Cancellation, "request", broken_waits.although_terminal,
    ),
    Bug(
        "each poll is half a minute late",
        judge_waits.a_wait_ends_in_time,
        PollLoop, "_next_due", broken_waits.polls_half_a_minute_late,
    ),
    Bug(
        "a timeout is five seconds longer",
        judge_waits.a_wait_ends_in_time,
        BulkJob, "wait_until_terminal", broken_waits.adds_five_seconds,
    ),
    Bug(
        "a wait that ends takes the poll away from the others",
        judge_calls.a_cancelled_step_ends_cancelled,
        PollLoop, "_remove", broken_waits.cancels_the_poll_of_others,
    ),
    Bug(
        "no outage is survived",
        judge_waits.an_outage_is_survived,
        Outage, "has_lasted", broken_waits.survives_no_outage,
    ),
    Bug(
        "the client's own pause is checked against the deadline",
        judge_waits.an_outage_is_survived,
        requests_module, "wait_after", broken_waits.reports_its_own_pause,
    ),
    Bug(
        "a call is tried once",
        judge_waits.a_read_is_tried_as_often_as_its_policy_says,
        Tries, "_has_no_attempt_left", broken_waits.tries_once,
    ),
)  # fmt: skip
