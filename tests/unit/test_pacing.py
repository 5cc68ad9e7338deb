"""When to look again: bounds, the three-sentence rule, and policies."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import ConfigurationError, PollPolicy, RetryPolicy
from openfunnel_async._job.pacing import Clues, jittered, poll_delay
from openfunnel_async._protocol.retry_rules import backoff

DEFAULT = PollPolicy()
# Without bounds the rule itself shows.
BARE = PollPolicy(shortest=0.0, longest=10_000.0, jitter=0.0)
SECONDS = st.floats(0, 1e6)
CLUES = st.builds(
    Clues,
    since_start=SECONDS,
    since_delivering=st.none() | SECONDS,
    since_progress=SECONDS,
    since_cancel=st.none() | SECONDS,
    processed=st.integers(0, 10_000),
    limit=st.none() | st.integers(1, 10_000),
)
NOT_SECONDS: list[object] = [-1, float("nan"), float("inf"), "2", None, True]


@settings(deadline=None)
@given(CLUES)
def test_the_delay_keeps_its_bounds(clues: Clues) -> None:
    """Caught: the bounds put on the way instead of on the sleep."""
    assert 1.5 <= poll_delay(DEFAULT, clues) <= 6.0


@settings(deadline=None)
@given(CLUES, st.floats(0.1, 100))
def test_a_fixed_pace_is_fixed(clues: Clues, seconds: float) -> None:
    policy = PollPolicy.fixed(seconds)
    assert poll_delay(policy, clues) == seconds
    assert jittered(seconds, policy.jitter) == seconds


@settings(deadline=None)
@given(st.floats(0.1, 100))
def test_jitter_is_a_tenth_either_way(delay: float) -> None:
    varied = jittered(delay, 0.1)
    assert 0.9 * delay <= varied <= 1.1 * delay


def test_half_the_way_to_a_finish_ahead() -> None:
    clues = Clues(limit=1000)
    assert poll_delay(BARE, clues) == pytest.approx(0.5 * 1000 * 0.2)


def test_half_the_way_back_to_a_finish_behind() -> None:
    clues = Clues(since_delivering=400, since_progress=100, processed=1000, limit=1000)
    assert poll_delay(BARE, clues) == pytest.approx(0.5 * 100)


def test_the_rows_so_far_outweigh_the_prior() -> None:
    clues = Clues(since_delivering=200, since_progress=0, processed=100, limit=200)
    rate = (0.2 * 100 + 200) / (100 + 100)
    assert poll_delay(BARE, clues) == pytest.approx(0.5 * 100 * rate)


def test_time_in_the_queue_does_not_count() -> None:
    queued = Clues(since_start=900, limit=1000)
    assert poll_delay(BARE, queued) == poll_delay(BARE, Clues(limit=1000))


def test_without_a_limit_a_fifth_of_the_time_stands_for_the_way() -> None:
    clues = Clues(since_start=100, processed=500)
    assert poll_delay(BARE, clues) == pytest.approx(0.5 * 0.2 * 100)


def test_more_rows_than_asked_for_are_no_way_back() -> None:
    clues = Clues(since_delivering=10, processed=70, limit=50)
    assert poll_delay(BARE, clues) == 0


@pytest.mark.parametrize(
    ("since", "delay"), [(0, 2.0), (10, 2.0), (20, 2.0), (40, 4.0), (100, 6.0)]
)
def test_after_a_cancel_two_seconds_grow_to_six(since: float, delay: float) -> None:
    assert poll_delay(DEFAULT, Clues(since_cancel=since, limit=9)) == delay


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_the_backoff_is_bounded(failures: int) -> None:
    assert 0.25 <= backoff(failures) <= 8.0


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 8)]
)
def test_the_backoff_doubles_up_to_its_bound(failures: int, ceiling: float) -> None:
    drawn = [backoff(failures) for _ in range(500)]
    assert ceiling / 2 <= min(drawn) < max(drawn) <= ceiling


@pytest.mark.parametrize("name", ["shortest", "longest", "share", "jitter"])
@pytest.mark.parametrize("value", NOT_SECONDS)
def test_a_poll_policy_refuses_what_is_no_number(name: str, value: object) -> None:
    fields: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=name):
        PollPolicy(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"longest": 0},
        {"shortest": 7.0},
        {"shortest": 3.0, "longest": 2.0},
        {"share": 1.5},
        {"jitter": 1.5},
        {"jitter": -0.1},
    ],
)
def test_a_poll_policy_refuses_nonsense(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(fields))):
        PollPolicy(**fields)


def test_a_share_of_nothing_is_refused_as_documented() -> None:
    with pytest.raises(ConfigurationError, match="share"):
        PollPolicy(share=0.0)


@pytest.mark.parametrize("value", [*NOT_SECONDS, 0])
def test_a_fixed_pace_refuses_what_is_no_time(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        PollPolicy.fixed(value)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="longest"):
        PollPolicy(longest=10**400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("outage", value) for value in NOT_SECONDS),
        *(("max_retry_after", value) for value in NOT_SECONDS),
        *(("attempts", value) for value in [0, -1, 1.5, True, "4", None]),
    ],
)
def test_a_retry_policy_refuses_nonsense(name: str, value: object) -> None:
    fields: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=name):
        RetryPolicy(**fields)


def test_the_defaults_are_the_documented_ones() -> None:
    assert attrs.astuple(PollPolicy()) == (0.5, 1.5, 6.0, 0.1)
    assert attrs.astuple(RetryPolicy()) == (4, 120.0, 60.0)
