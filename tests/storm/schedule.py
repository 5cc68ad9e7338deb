"""What is settled before a schedule begins, all of it dealt from its seed."""

from typing import Literal

import attrs

from openfunnel_async import PollPolicy, RetryPolicy
from openfunnel_async.sandbox import JobLife, RateLimit, Unknowns
from tests.storm.dice import Dice

Outage = Literal["outage: refused", "outage: silent", "outage: 503", "outage: lost"]
OUTAGES: dict[Outage, float] = {
    "outage: refused": 3,
    "outage: silent": 1,
    "outage: 503": 3,
    "outage: lost": 2,
}
# Virtual seconds by which the longest program in the worst weather is over.
BOUND = 4 * 3600.0
PLENTY = 50_000.0
_ACTORS = {1: 2, 2: 3, 3: 3, 4: 1, 5: 1}
# How much of the traffic comes to harm, from a fair day to a heavy storm.
_HARM = {0.0: 2, 0.08: 3, 0.2: 4, 0.4: 3, 0.75: 1}


@attrs.frozen(kw_only=True)
class Spell:
    """A time during which no exchange succeeds."""

    begins: float
    ends: float
    kind: Outage


@attrs.frozen(kw_only=True)
class Schedule:
    """One run: who does how much, in what weather, against which service.

    Attributes:
        seed: Everything else follows from it.
        actors: Steps of each actor.
        harm: Share of the exchanges that come to harm.
        slowness: Longest usual seconds an exchange spends on each of its ways.
        reports: Whether the transport says how far a request has come.
        spells: The outages.
        unknowns: How the contract's open questions are answered.
        credits: What the account starts with.
        retry: The client's policy.
        polling: The client's pace.
        request_timeout: The client's patience with one exchange.
        wait_timeout: The client's patience with a job.
        max_polls_per_second: The client's budget of polls, if it has one.
        read_ahead: Pages the client reads ahead.
        closing: How the client is closed; early is while the actors still act.
        rate_limit: The service's limit in requests a second, if it has one.
        has_calm: Whether the faults end, and time passes, before the client is closed.
    """

    seed: int
    actors: tuple[int, ...]
    harm: float
    slowness: float
    reports: bool
    spells: tuple[Spell, ...]
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
    has_calm: bool

    @property
    def is_slow_to_show(self) -> bool:
        """Whether a job may not be found right after its submit."""
        return self.unknowns.job_visible_after > 0


def deal(seed: int) -> Schedule:
    """Deal the schedule of a seed."""
    dice = Dice(f"{seed}/schedule")
    harm = dice.draw(_HARM)
    stormy = harm > 0
    return Schedule(
        seed=seed,
        actors=tuple(dice.randint(1, 5) for _ in range(dice.draw(_ACTORS))),
        harm=harm,
        slowness=dice.draw({0.0: 1, 0.25: 3, 1.0: 2, 2.0: 1}),
        reports=dice.chance(0.85),
        spells=_spells(dice) if stormy else (),
        unknowns=_unknowns(dice),
        credits=dice.draw({PLENTY: 8, 250.0: 1, 60.0: 1}),
        retry=_retry(dice),
        polling=_polling(dice),
        request_timeout=dice.draw({30.0: 3, 15.0: 1, 9.0: 1}),
        wait_timeout=dice.draw({3600.0: 3, 40.0: 1}),
        max_polls_per_second=dice.draw({None: 4, 1.0: 1}),
        read_ahead=dice.choice([1, 2, 8]),
        closing=dice.draw({"once": 4, "together": 1, "cancelled": 1, "early": 1}),
        rate_limit=_rate_limit(dice),
        has_calm=dice.chance(0.5),
    )


def deal_life(seed: int, number: int) -> JobLife:
    """Deal the life of one of the schedule's jobs."""
    dice = Dice(f"{seed}/life/{number}")
    return JobLife(
        queue=dice.quarters(dice.choice([0, 3, 20])),
        processed_after=dice.quarters(3),
        first_page_after=dice.quarters(dice.choice([2, 30, 60])),
        seconds_per_page=tuple(dice.quarters(25) for _ in range(dice.randint(1, 3))),
        closing=dice.quarters(8),
        rows=dice.draw({None: 5, 0: 1, dice.randint(1, 130): 2}),
        ends=dice.draw({"completed": 4, "failed": 1}),
    )


def _spells(dice: Dice) -> tuple[Spell, ...]:
    begins = [dice.quarters(150) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    longest = dice.draw({4.0: 3, 40.0: 2, 300.0: 1})
    return tuple(
        Spell(begins=at, ends=at + dice.quarters(longest), kind=dice.draw(OUTAGES))
        for at in begins
    )


def _unknowns(dice: Dice) -> Unknowns:
    return Unknowns(
        wrong_key_status=dice.choice([401, 403]),
        newest_page_grows=dice.chance(0.5),
        second_cancel=dice.choice([200, 409]),
        cancel_reply_has_status=dice.chance(0.5),
        past_end_cursor=dice.choice(["404", "422", "empty"]),
        pending_shape=dice.choice(["nulls", "absent", "empty"]),
        job_visible_after=dice.draw({0.0: 3, dice.quarters(4): 1}),
        labels=dice.choice(["numbered", "opaque"]),
        failed_rows_billed=dice.chance(0.5),
        low_credits=dice.choice(["refuse", "fail"]),
        submit_reply_has_limit=dice.chance(0.5),
        submit_status_code=dice.choice([200, 201, 202]),
        settle=dice.draw({"next_page": 1, dice.quarters(12): 3}),
        bare_bodies=dice.choice(["json", "empty"]),
        error_nesting=dice.choice(["top", "detail"]),
    )


def _rate_limit(dice: Dice) -> RateLimit | None:
    if dice.chance(0.85):
        return None
    return RateLimit(
        per_second=dice.choice([0.2, 1.0, 4.0]),
        on=dice.choice(["any", "submit", "submit"]),
        burst=dice.choice([1, 2, 5]),
        retry_after=dice.choice(["seconds", "seconds", None, 1.0, 7.0]),
    )


def _retry(dice: Dice) -> RetryPolicy:
    return RetryPolicy(
        attempts=dice.draw({4: 4, 1: 1, 2: 1, 6: 1}),
        outage=dice.draw({120.0: 3, 20.0: 1, 0.0: 1}),
        max_retry_after=dice.draw({60.0: 3, 5.0: 1}),
    )


def _polling(dice: Dice) -> PollPolicy:
    paces = {0: 3, 1: 1, 2: 1}
    match dice.draw(paces):
        case 0:
            return PollPolicy()
        case 1:
            return PollPolicy.fixed(dice.choice([0.5, 2.0, 10.0]))
        case _:
            return PollPolicy(jitter=0.0)
