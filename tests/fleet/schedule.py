"""A batch as chance makes it: searches, lives, faults, a cap, and a caller who goes."""

import random
from typing import Literal

import attrs

from openfunnel_async.sandbox import (
    CompletesUnderCancel,
    Fault,
    JobLife,
    LostAnswer,
    StaleRead,
    StatusFault,
)
from tests.support.sandbox_transport import Fate

How = Literal["once", "twice", "wait_for", "scope"]
OnError = Literal["collect", "cancel_rest"]
_SUBMIT_REFUSALS = (400, 401, 403, 422, 429, 500, 503)
_READ_REFUSALS = (404, 401, 429, 500, 503)
_CANCEL_REFUSALS = (404, 422, 429, 500, 503)


@attrs.frozen(kw_only=True)
class Leave:
    """How the caller of the batch goes, and when."""

    at: float
    how: How
    # Seconds, or turns of the loop, to a second cancellation.
    gap: float = 0.0
    turns: int = 0


@attrs.frozen(kw_only=True)
class Schedule:
    """Everything that one run follows from."""

    seed: int
    limits: tuple[int, ...]
    lives: tuple[JobLife, ...]
    max_active: int
    max_credits: int | None
    on_error: OnError
    latencies: tuple[float, ...]
    settle: float | Literal["next_page"]
    failed_rows_billed: bool
    faults: tuple[Fault, ...] = ()
    fates: tuple[Fate, ...] = ()
    torn_submits: frozenset[int] = frozenset()
    outage: float = 120.0
    wait_timeout: float | None = None
    leave: Leave | None = None

    @property
    def is_fair(self) -> bool:
        """Whether nothing goes wrong but jobs that fail."""
        calm = not (self.faults or self.fates or self.torn_submits)
        return calm and self.wait_timeout is None


def draw(seed: int) -> Schedule:
    """Draw the schedule of a seed; half of them meet faults."""
    rng = random.Random(f"fleet/{seed}")
    count = rng.randint(1, 10)
    limits = tuple(rng.choice((1, 5, 40, 100, 150, 300)) for _ in range(count))
    stormy = rng.random() < 0.5
    return Schedule(
        seed=seed,
        limits=limits,
        lives=tuple(_life(rng, limit) for limit in limits),
        max_active=rng.randint(1, 6),
        max_credits=_cap(rng, limits),
        on_error=rng.choice(("collect", "cancel_rest")),
        latencies=tuple(rng.choice((0.0, 0.1, 0.5, 2.0)) for _ in range(5)),
        settle=rng.choice(("next_page", 0.0, 2.0, 30.0)),
        failed_rows_billed=rng.random() < 0.5,
        faults=tuple(_fault(rng) for _ in range(rng.randint(0, 4))) if stormy else (),
        fates=_fates(rng) if stormy and rng.random() < 0.5 else (),
        torn_submits=_torn(rng, count)
        if stormy and rng.random() < 0.3
        else frozenset(),
        outage=rng.choice((10.0, 120.0)),
        wait_timeout=rng.choice((None, None, 10.0, 30.0)) if stormy else None,
        leave=_leave(rng) if rng.random() < 0.6 else None,
    )


def _life(rng: random.Random, limit: int) -> JobLife:
    return JobLife(
        queue=rng.choice((0.0, 1.0, 8.0)),
        processed_after=rng.choice((0.0, 2.0)),
        first_page_after=rng.uniform(0, 20),
        seconds_per_page=rng.uniform(0, rng.choice((5, 20, 60))),
        closing=rng.choice((0.0, 1.0, 5.0)),
        rows=rng.choice((None, None, rng.randint(0, limit))),
        ends="failed" if rng.random() < 0.2 else "completed",
    )


def _cap(rng: random.Random, limits: tuple[int, ...]) -> int | None:
    if rng.random() < 0.35:
        return None
    largest, whole = max(limits), sum(limits)
    return rng.choice((largest, rng.randint(0, whole), rng.randint(largest, whole)))


def _fault(rng: random.Random) -> Fault:
    times = rng.choice((1, 1, 2, 6, 60))
    kind = rng.randrange(6)
    if kind == 0:
        refusal = rng.choice(_SUBMIT_REFUSALS)
        processed = refusal >= 500 and rng.random() < 0.5
        return StatusFault(on="submit", status=refusal, processed=processed)
    if kind == 1:
        return StatusFault(on="read", status=rng.choice(_READ_REFUSALS), times=times)
    if kind == 2:
        refusal = rng.choice(_CANCEL_REFUSALS)
        return StatusFault(on="cancel", status=refusal, times=times)
    if kind == 3:
        return LostAnswer(on=rng.choice(("submit", "read", "cancel")), times=times)
    return rng.choice((CompletesUnderCancel(times=times), StaleRead(times=times)))


def _fates(rng: random.Random) -> tuple[Fate, ...]:
    weights = (20, rng.choice((0, 1, 4)), rng.choice((1, 4)))
    return tuple(rng.choices(list(Fate), weights, k=rng.choice((20, 100))))


def _torn(rng: random.Random, count: int) -> frozenset[int]:
    return frozenset(number for number in range(count) if rng.random() < 0.3)


def _leave(rng: random.Random) -> Leave:
    return Leave(
        at=rng.uniform(0, rng.choice((2, 12, 60, 120))),
        how=rng.choice(("once", "twice", "wait_for", "scope")),
        gap=rng.choice((0.0, 0.0, rng.uniform(0, 12))),
        turns=rng.randint(0, 12),
    )
