"""How long an answer asks its caller to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async._protocol.retry_after import retry_after

NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


def of_header(value: str, date: str | None = None) -> float | None:
    headers = {"retry-after": value}
    if date is not None:
        headers["date"] = date
    return retry_after(headers, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("1", 1.0), (" 30 ", 30.0), ("2.5", 2.5), ("86400", 86_400.0)],
)
def test_seconds(value: str, seconds: float) -> None:
    assert of_header(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "soon",
        "-1",
        "-0.5",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
        "5 s",
        "1_000",
        "٣",
        ", ,",
        "0x10",
        "five",
    ],
)
def test_what_is_no_time_to_wait_is_none(value: str) -> None:
    assert of_header(value) is None
    assert retry_after({}, {"retry_after_seconds": value}) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 21 Oct 2026 12:00:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 13:00:00 GMT", 3600.0),
        ("Wednesday, 21-Oct-26 12:00:30 GMT", 30.0),
        (NOON, 0.0),
        ("Wed, 21 Oct 2026 11:00:00 GMT", 0.0),
    ],
)
def test_a_date_is_measured_against_the_date_of_the_answer(
    value: str, seconds: float
) -> None:
    assert of_header(value, NOON) == seconds


@pytest.mark.parametrize("date", [None, "", "noon", "Wed, 99 Oct 2026 12:00:00 GMT"])
@pytest.mark.parametrize("ahead", [600, -600])
def test_a_date_is_else_measured_against_our_own_clock(
    date: str | None, ahead: int
) -> None:
    """Caught: None without a Date header, so that a pause asked for was ignored."""
    then = datetime.now(UTC) + timedelta(seconds=ahead)
    seconds = of_header(format_datetime(then, usegmt=True), date)
    assert seconds is not None
    assert max(0, ahead - 60) <= seconds <= max(0, ahead)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120, 60", 120.0),
        ("60,120", 120.0),
        ("1, 2", 2.0),
        ("soon, 5", 5.0),
        ("nan, -1, 5,", 5.0),
        ("Wed, 21 Oct 2026 12:00:30 GMT, 10", 30.0),
        ("10, Wed, 21 Oct 2026 12:00:30 GMT", 30.0),
        ("Wednesday, 21-Oct-26 12:00:30 GMT, Wed, 21 Oct 2026 12:00:40 GMT", 40.0),
        ("Wed Oct 21 12:00:30 2026, 90", 90.0),
    ],
)
def test_of_several_the_longest_counts(value: str, seconds: float) -> None:
    """Caught: the first of a repeated header, and a date cut at its own comma."""
    assert of_header(value, NOON) == seconds


def test_a_repeated_date_header_is_read_as_its_first() -> None:
    assert of_header("Wed, 21 Oct 2026 12:00:30 GMT", f"{NOON}, {NOON}") == 30.0


@pytest.mark.parametrize("value", ["10000000000", "9" * 300])
def test_a_time_too_long_to_wait_for_is_long_and_not_nothing(value: str) -> None:
    """Caught: an overflow read as "nothing was asked", which repeats at once."""
    assert of_header(value) == 1e9
    assert retry_after({}, {"retry_after_seconds": value}) == 1e9
    assert retry_after({}, {"retry_after_seconds": 10**300}) == 1e9


@pytest.mark.parametrize("digits", [400, 4000])
def test_a_number_beyond_all_sense_is_ignored(digits: int) -> None:
    assert of_header("9" * digits) is None
    assert retry_after({}, {"retry_after_seconds": 10**digits}) is None


def test_the_end_of_the_calendar_is_long_as_well() -> None:
    assert of_header("Fri, 31 Dec 9999 23:59:59 GMT", NOON) == 1e9


def test_of_several_places_in_a_body_the_longest_counts() -> None:
    body = {"retry_after_seconds": 5, "detail": {"retry_after_seconds": 9}}
    assert retry_after({}, body) == 9.0


@pytest.mark.parametrize(
    "value", ["Wed", "Wed, 99 Oct 2026 12:00:30 GMT", "x" * 10_000, "a, b c d:e:f g"]
)
def test_a_broken_date_is_none(value: str) -> None:
    assert of_header(value, NOON) is None


@pytest.mark.parametrize("seconds", [7, 7.0, "7"])
@pytest.mark.parametrize(
    "nesting",
    [(), ("details",), ("detail",), ("detail", "details"), ("details", "detail")],
)
def test_seconds_in_the_body_however_nested(
    seconds: object, nesting: tuple[str, ...]
) -> None:
    body: object = {"retry_after_seconds": seconds, "error_code": "RATE_LIMITED"}
    for key in reversed(nesting):
        body = {key: body}
    assert retry_after({}, body) == 7.0


@pytest.mark.parametrize("value", [None, True, -1, [], {}, float("inf"), float("nan")])
def test_a_body_with_something_else_is_none(value: object) -> None:
    assert retry_after({}, {"details": {"retry_after_seconds": value}}) is None


@pytest.mark.parametrize("body", [None, "slow down", [], 5, {"detail": "slow"}, {}])
def test_a_body_that_says_nothing_is_none(body: object) -> None:
    assert retry_after({}, body) is None


@pytest.mark.parametrize(("header", "body"), [("5", 30), ("30", 5), ("30", -1)])
def test_the_longer_of_both_counts(header: str, body: int) -> None:
    """Caught: the header alone where there is one."""
    told = retry_after({"retry-after": header}, {"retry_after_seconds": body})
    assert told == 30.0


@settings(deadline=None)
@given(st.text(), st.text(), st.floats() | st.integers() | st.text())
def test_no_answer_breaks_it(header: str, date: str, body: object) -> None:
    told = retry_after(
        {"retry-after": header, "date": date}, {"retry_after_seconds": body}
    )
    assert told is None or 0 <= told < float("inf")
