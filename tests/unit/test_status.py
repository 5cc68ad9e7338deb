"""Which status may follow which; docs/explanation/life-of-a-job.md has the table."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import JobStatus
from openfunnel_async._values.status import effective, furthest

PENDING, RUNNING, CANCELLING, CANCELLED, COMPLETED, FAILED, UNKNOWN = JobStatus
TERMINAL = {CANCELLED, COMPLETED, FAILED}
LEGAL = {
    PENDING: {RUNNING, CANCELLING, *TERMINAL},
    RUNNING: {CANCELLING, *TERMINAL},
    CANCELLING: TERMINAL,
    CANCELLED: set[JobStatus](),
    COMPLETED: set[JobStatus](),
    FAILED: set[JobStatus](),
    UNKNOWN: set(JobStatus) - {UNKNOWN},
}
PAIRS = list(itertools.product(JobStatus, JobStatus))


@pytest.mark.parametrize(("seen", "reported"), PAIRS)
def test_the_furthest_state_follows_the_table(
    seen: JobStatus, reported: JobStatus
) -> None:
    expected = reported if reported in LEGAL[seen] else seen
    assert furthest(seen, reported) is expected


@pytest.mark.parametrize(("seen", "reported"), PAIRS)
def test_a_known_report_shows_the_furthest_state(
    seen: JobStatus, reported: JobStatus
) -> None:
    if reported is not UNKNOWN:
        assert effective(seen, reported) is furthest(seen, reported)


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (PENDING, UNKNOWN),
        (RUNNING, UNKNOWN),
        (UNKNOWN, UNKNOWN),
        (CANCELLING, CANCELLING),
        (CANCELLED, CANCELLED),
        (COMPLETED, COMPLETED),
        (FAILED, FAILED),
    ],
)
def test_an_unknown_word_shows_only_in_place_of_pending_or_running(
    seen: JobStatus, shown: JobStatus
) -> None:
    assert effective(seen, UNKNOWN) is shown


@settings(deadline=None)
@given(st.lists(st.sampled_from(JobStatus)))
def test_no_sequence_of_reports_goes_backwards(reports: list[JobStatus]) -> None:
    """Caught: `furthest` without `seen.is_terminal`: failed after completed."""
    known = UNKNOWN
    for reported in reports:
        after = furthest(known, reported)
        assert after is known or after in LEGAL[known]
        known = after


@settings(deadline=None)
@given(st.lists(st.sampled_from(JobStatus)))
def test_an_accepted_cancel_or_an_end_is_never_unseen(reports: list[JobStatus]) -> None:
    """Caught: `effective` that shows UNKNOWN in place of cancelling."""
    known, steady = UNKNOWN, False
    for reported in reports:
        shown = effective(known, reported)
        known = furthest(known, reported)
        steady = steady or reported in {CANCELLING, *TERMINAL}
        assert not steady or shown in {CANCELLING, *TERMINAL}


@pytest.mark.parametrize("status", JobStatus)
def test_exactly_three_states_are_terminal(status: JobStatus) -> None:
    assert status.is_terminal == (status in TERMINAL)


@pytest.mark.parametrize("status", JobStatus)
def test_each_word_is_read(status: JobStatus) -> None:
    assert JobStatus.parse(status.value) is status


@pytest.mark.parametrize("word", ["", "paused", "Completed", " completed", "done"])
def test_any_other_word_reads_as_unknown(word: str) -> None:
    assert JobStatus.parse(word) is UNKNOWN
