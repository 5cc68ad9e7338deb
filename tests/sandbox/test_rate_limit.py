"""A limit in requests per second: whom it refuses, when, and what it says."""

from email.utils import parsedate_to_datetime
from typing import Any, Literal

import attrs
import pytest

from openfunnel_async.sandbox import LoginPage, RateLimit, Service, StatusFault
from tests.sandbox.caller import Caller


@attrs.define
class _Watch:
    """A clock that is set by hand, apart from sandbox time."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def _limited(watch: _Watch, limit: RateLimit, **options: Any) -> Caller:
    return Caller(Service(clock=watch, rate_limit=limit, **options), believes=False)


def _statuses(caller: Caller, times: int) -> list[int]:
    return [caller.balance().status for _ in range(times)]


def test_requests_beyond_the_rate_are_refused() -> None:
    """Caught: a refused request that takes a token, so that nobody gets through."""
    watch = _Watch()
    caller = _limited(watch, RateLimit(per_second=10))
    assert _statuses(caller, 12) == [200] * 10 + [429] * 2
    watch.now += 0.1
    assert _statuses(caller, 2) == [200, 429]
    watch.now += 1.0
    assert _statuses(caller, 12) == [200] * 10 + [429] * 2


@pytest.mark.parametrize("burst", [1, 3])
@pytest.mark.parametrize("rate", [3, 7, 10])
def test_requests_at_the_rate_pass(rate: float, burst: int) -> None:
    """Caught: a request refused for a rounding error of the clock."""
    watch = _Watch()
    caller = _limited(watch, RateLimit(per_second=rate, burst=burst))
    statuses: list[int] = []
    for number in range(1000):
        watch.now = 100 + number / rate
        statuses += _statuses(caller, 1)
    assert set(statuses) == {200}


def test_a_refused_request_takes_no_effect() -> None:
    """Caught: served before it is refused."""
    caller = _limited(_Watch(), RateLimit(per_second=1, on="submit"))
    assert [caller.submit().status for _ in range(3)] == [200, 429, 429]
    assert len(caller.service.jobs) == 1
    assert [seen.status for seen in caller.service.requests] == [200, 429, 429]


def test_a_limit_may_be_for_one_kind_of_request() -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1, on="submit"))
    assert _statuses(caller, 5) == [200] * 5
    assert [caller.submit().status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("speed", [0, 1, 1000])
def test_the_seconds_are_those_of_the_clock_at_any_speed(speed: float) -> None:
    """Caught: counted in sandbox time."""
    watch = _Watch()
    caller = _limited(watch, RateLimit(per_second=2), speed=speed)
    assert _statuses(caller, 3) == [200, 200, 429]
    caller.service.advance(3600)
    assert _statuses(caller, 1) == [429]
    watch.now += 0.5
    assert _statuses(caller, 2) == [200, 429]


@pytest.mark.parametrize(
    ("per_second", "wait"), [(10, "1"), (1, "1"), (0.4, "3"), (0.2, "5")]
)
def test_retry_after_is_the_whole_seconds_until_a_request_passes(
    per_second: float, wait: str
) -> None:
    """Caught: rounded down, which asks a client back too early."""
    watch = _Watch()
    caller = _limited(watch, RateLimit(per_second=per_second, burst=1))
    caller.balance()
    refused = caller.balance().reply
    assert refused.headers["retry-after"] == wait
    watch.now += float(wait)
    assert caller.balance().status == 200


@pytest.mark.parametrize(("given", "header"), [(1, "1"), (0.25, "0.25"), (None, None)])
def test_retry_after_may_be_a_number_of_its_own_or_missing(
    given: float | None, header: str | None
) -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1, retry_after=given))
    caller.balance()
    assert caller.balance().reply.headers.get("retry-after") == header


@pytest.mark.parametrize("wall", [1_700_000_000.0, 1_700_000_000.999])
def test_retry_after_may_be_a_date(wall: float) -> None:
    """Caught: a date that is less than the wait after the answer's own."""
    limit = RateLimit(per_second=0.4, retry_after="date", wall_clock=lambda: wall)
    caller = _limited(_Watch(), limit)
    caller.balance()
    headers = caller.balance().reply.headers
    until = parsedate_to_datetime(headers["retry-after"])
    asked = until - parsedate_to_datetime(headers["date"])
    assert 2.5 <= asked.total_seconds() <= 4
    assert headers["retry-after"].endswith(" GMT")


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_may_answer_503(status: Literal[429, 503]) -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1, status=status))
    assert _statuses(caller, 2) == [200, status]


def test_all_keys_share_the_limit() -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1))
    other = Caller(caller.service, key=caller.service.open_account("other"))
    other.believes = False
    assert [caller.balance().status, other.balance().status] == [200, 429]


def test_a_fault_in_place_of_the_service_takes_no_token() -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1), faults=[LoginPage()])
    assert b"<html>" in caller.balance().reply.body
    assert _statuses(caller, 2) == [200, 429]


def test_a_fault_around_the_service_does_not_lift_the_limit() -> None:
    hidden = StatusFault(on="submit", processed=True, times=2)
    caller = _limited(_Watch(), RateLimit(per_second=1), faults=[hidden])
    assert [caller.submit().status for _ in range(2)] == [503, 503]
    assert len(caller.service.jobs) == 1


def test_a_limit_may_be_changed_while_it_runs() -> None:
    caller = _limited(_Watch(), RateLimit(per_second=1))
    assert _statuses(caller, 2) == [200, 429]
    caller.service.rate_limit = None
    assert _statuses(caller, 2) == [200, 200]


@pytest.mark.parametrize(
    "options",
    [
        {"per_second": 0},
        {"per_second": 1, "burst": 0},
        {"per_second": 1, "status": 500},
        {"per_second": 1, "retry_after": -1},
        {"per_second": 1, "retry_after": "soon"},
    ],
)
def test_a_limit_that_is_invalid_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=list(options)[-1]):
        RateLimit(**options)
