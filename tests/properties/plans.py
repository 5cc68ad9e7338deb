"""Strategies: how a job may go, how the unknowns turn out, what goes wrong."""

from hypothesis import strategies as st

from openfunnel_async.sandbox import (
    Fault,
    JobLife,
    LostAnswer,
    StatusFault,
    Target,
    Unknowns,
)


def seconds(most: float) -> st.SearchStrategy[float]:
    """Durations in quarters of a second, so that moments often coincide."""
    return st.integers(0, round(most * 4)).map(lambda quarters: quarters / 4)


LIMITS = st.one_of(st.integers(1, 330), st.sampled_from([1, 99, 100, 101, 200, 300]))

LIVES = st.builds(
    JobLife,
    queue=seconds(6),
    processed_after=seconds(4),
    first_page_after=seconds(25),
    seconds_per_page=st.lists(seconds(30), max_size=3).map(tuple),
    closing=seconds(5),
    rows=st.none() | st.integers(0, 330),
    ends=st.sampled_from(["completed", "completed", "failed"]),
)

UNKNOWNS = st.builds(
    Unknowns,
    newest_page_grows=st.booleans(),
    second_cancel=st.sampled_from([200, 409]),
    cancel_reply_has_status=st.booleans(),
    past_end_cursor=st.sampled_from(["404", "422", "empty"]),
    pending_shape=st.sampled_from(["nulls", "absent", "empty"]),
    job_visible_after=st.just(0.0) | seconds(4),
    labels=st.sampled_from(["numbered", "opaque"]),
    failed_rows_billed=st.booleans(),
    low_credits=st.sampled_from(["refuse", "fail"]),
    submit_reply_has_limit=st.booleans(),
    submit_status_code=st.sampled_from([200, 201, 202]),
    settle=st.just("next_page") | seconds(12),
    bare_bodies=st.sampled_from(["json", "empty"]),
    error_nesting=st.sampled_from(["top", "detail"]),
)

# The time an exchange takes, one after the other and over again.
LATENCIES = st.just((0.0,)) | st.lists(seconds(3), min_size=1, max_size=4).map(tuple)

_TARGETS = st.sampled_from(list[Target](["submit", "read", "cancel", "any"]))
FAULTS: st.SearchStrategy[Fault] = (
    st.builds(
        StatusFault,
        on=_TARGETS,
        status=st.sampled_from([408, 500, 503]),
        processed=st.booleans(),
        times=st.integers(1, 3),
    )
    | st.builds(
        StatusFault,
        on=_TARGETS,
        status=st.just(429),
        retry_after=st.none() | seconds(10),
        times=st.integers(1, 3),
    )
    | st.builds(LostAnswer, on=_TARGETS, times=st.integers(1, 2))
)
