"""The parameters of a schedule, all of them drawn from its seed."""

from typing import Literal

import attrs

from openfunnel_async import PollPolicy, RetryPolicy
from openfunnel_async.sandbox import JobLife, RateLimit, Unknowns
from tests.storm.random_choices import RandomChoices

Outage = Literal["outage: refused", "outage: silent", "outage: 503", "outage: lost"]
OUTAGES: dict[Outage, float] = {
    "outage: refused": 3,
    "outage: silent": 1,
    "outage: 503": 3,
    "outage: lost": 2,
}
# Virtual seconds within which the longest schedule with the most faults ends.
LONGEST_SCHEDULE = 4 * 3600.0
MANY_CREDITS = 50_000.0
_ACTORS = {1: 2, 2: 3, 3: 3, 4: 1, 5: 1}
# The part of the exchanges that have a fault, and the weight of each choice.
_FAULT_RATES = {0.0: 2, 0.08: 3, 0.2: 4, 0.4: 3, 0.75: 1}


@attrs.frozen(kw_only=True)
class OutagePeriod:
    """A time in which no exchange succeeds."""

    begins: float
    ends: float
    kind: Outage


@attrs.frozen(kw_only=True)
class Schedule:
    """The parameters of one run.

    Attributes:
        seed: All other values follow from it.
        actors: The number of steps of each actor.
        fault_rate: The part of the exchanges that have a fault.
        latency: The most seconds that each phase of an exchange usually takes.
        reports: Whether the transport reports its progress.
        outages: The outages.
        unknowns: How the sandbox answers what the contract leaves open.
        credits: The credits of the account at the start.
        retry: The retry policy of the client.
        polling: The pace of the client.
        request_timeout: The time limit of the client for one exchange.
        wait_timeout: The time limit of the client for a job.
        max_polls_per_second: The poll limiter of the client, if it has one.
        read_ahead: The number of pages that the client reads ahead.
        closing: How the client is closed; ``early`` is while the actors still run.
        rate_limit: The rate limit of the service, if it has one.
        has_recovery: Whether the faults end some time before the client is closed.
    """

    seed: int
    actors: tuple[int, ...]
    fault_rate: float
    latency: float
    reports: bool
    outages: tuple[OutagePeriod, ...]
    unknowns: Unknowns
    credits: float
    retry: RetryPolicy
    polling: PollPolicy
    request_timeout: float
    wait_timeout: float | None
    max_polls_per_second: float | None
    read_ahead: int
    closing: Literal["once", "together", "cancelled", "early"]
    rate_limit: RateLimit | None
    has_recovery: bool

    @property
    def is_slow_to_show(self) -> bool:
        """Whether a job may be missing right after its submit."""
        return self.unknowns.job_visible_after > 0


def draw_schedule(seed: int) -> Schedule:
    """Draw the schedule of a seed."""
    rng = RandomChoices(f"{seed}/schedule")
    fault_rate = rng.weighted(_FAULT_RATES)
    has_faults = fault_rate > 0
    return Schedule(
        seed=seed,
        actors=tuple(rng.randint(1, 5) for _ in range(rng.weighted(_ACTORS))),
        fault_rate=fault_rate,
        latency=rng.weighted({0.0: 1, 0.25: 3, 1.0: 2, 2.0: 1}),
        reports=rng.chance(0.85),
        outages=_outages(rng) if has_faults else (),
        unknowns=_unknowns(rng),
        credits=rng.weighted({MANY_CREDITS: 8, 250.0: 1, 60.0: 1}),
        retry=_retry(rng),
        polling=_polling(rng),
        request_timeout=rng.weighted({30.0: 3, 15.0: 1, 9.0: 1}),
        wait_timeout=rng.weighted({3600.0: 3, 40.0: 1}),
        max_polls_per_second=rng.weighted({None: 4, 1.0: 1}),
        read_ahead=rng.choice([1, 2, 8]),
        closing=rng.weighted({"once": 4, "together": 1, "cancelled": 1, "early": 1}),
        rate_limit=_rate_limit(rng),
        has_recovery=rng.chance(0.5),
    )


def draw_life(seed: int, number: int) -> JobLife:
    """Draw the plan of one of the schedule's jobs."""
    rng = RandomChoices(f"{seed}/life/{number}")
    return JobLife(
        queue=rng.seconds(rng.choice([0, 3, 20])),
        processed_after=rng.seconds(3),
        first_page_after=rng.seconds(rng.choice([2, 30, 60])),
        seconds_per_page=tuple(rng.seconds(25) for _ in range(rng.randint(1, 3))),
        closing=rng.seconds(8),
        rows=rng.weighted({None: 5, 0: 1, rng.randint(1, 130): 2}),
        ends=rng.weighted({"completed": 4, "failed": 1}),
    )


def _outages(rng: RandomChoices) -> tuple[OutagePeriod, ...]:
    begins = [rng.seconds(150) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
    longest = rng.weighted({4.0: 3, 40.0: 2, 300.0: 1})
    return tuple(
        OutagePeriod(
            begins=at, ends=at + rng.seconds(longest), kind=rng.weighted(OUTAGES)
        )
        for at in begins
    )


def _unknowns(rng: RandomChoices) -> Unknowns:
    return Unknowns(
        wrong_key_status=rng.choice([401, 403]),
        newest_page_grows=rng.chance(0.5),
        second_cancel=rng.choice([200, 409]),
        cancel_reply_has_status=rng.chance(0.5),
        past_end_cursor=rng.choice(["404", "422", "empty"]),
        pending_shape=rng.choice(["nulls", "absent", "empty"]),
        job_visible_after=rng.weighted({0.0: 3, rng.seconds(4): 1}),
        labels=rng.choice(["numbered", "opaque"]),
        failed_rows_billed=rng.chance(0.5),
        low_credits=rng.choice(["refuse", "fail"]),
        submit_reply_has_limit=rng.chance(0.5),
        submit_status_code=rng.choice([200, 201, 202]),
        settle=rng.weighted({"next_page": 1, rng.seconds(12): 3}),
        bare_bodies=rng.choice(["json", "empty"]),
        error_nesting=rng.choice(["top", "detail"]),
    )


def _rate_limit(rng: RandomChoices) -> RateLimit | None:
    if rng.chance(0.85):
        return None
    return RateLimit(
        per_second=rng.choice([0.2, 1.0, 4.0]),
        on=rng.choice(["any", "submit", "submit"]),
        burst=rng.choice([1, 2, 5]),
        retry_after=rng.choice(["seconds", "seconds", None, 1.0, 7.0]),
    )


def _retry(rng: RandomChoices) -> RetryPolicy:
    return RetryPolicy(
        attempts=rng.weighted({4: 4, 1: 1, 2: 1, 6: 1}),
        outage=rng.weighted({120.0: 3, 20.0: 1, 0.0: 1}),
        max_retry_after=rng.weighted({60.0: 3, 5.0: 1}),
    )


def _polling(rng: RandomChoices) -> PollPolicy:
    paces = {0: 3, 1: 1, 2: 1}
    match rng.weighted(paces):
        case 0:
            return PollPolicy()
        case 1:
            return PollPolicy.fixed(rng.choice([0.5, 2.0, 10.0]))
        case _:
            return PollPolicy(jitter=0.0)
