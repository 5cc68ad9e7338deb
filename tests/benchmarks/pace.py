"""Pace: polls a job and delay, of the SDK's own waiter in virtual time.

`python -m tests.pace` takes minutes to wait for every job of the model; here are as
many as take seconds.
"""

from collections.abc import Mapping

from openfunnel_async import PollPolicy
from tests.benchmarks.tables import Cell, Figure, Goal, Table, Tables
from tests.pace.model import CLASSES, SEED, PacedJob, jobs_of, mixed
from tests.pace.run import (
    FIXED,
    ONE_WAY,
    STEADY,
    Summary,
    busiest_second,
    summary,
    wait_for,
)

_WHY = "The model is deterministic, so the policy itself falls short."
# Polls a job, and the mean delay in seconds.
_GOALS = {
    "small": (Goal(13.6, why=_WHY), Goal(1.85, why=_WHY)),
    "medium": (Goal(26.6, why=_WHY), Goal(2.0, why=_WHY)),
    "large": (Goal(160, why=_WHY), Goal(1.85, why=_WHY)),
}
_DEFAULT = "**the default policy**, jitter 0"
_POLICIES = {"fixed 4 s, on these jobs": FIXED, _DEFAULT: STEADY}
# Known for all the jobs of the model.
_KNOWN = {
    "fixed 4 s": ((13.8, 2.18), (34.9, 2.27), (222, 2.19)),
    "fixed 30 s (azure-core)": ((2.3, 14.5), (5.3, 15.0), (31.4, 15.1)),
    "exponential 1 → 20 s, full jitter (google-api-core)": (
        (11.5, 6.74),
        (20.2, 6.67),
        (97.8, 6.85),
    ),
    "best possible without the progress": (
        (13.0, 1.69),
        (23.3, 2.62),
        (57.3, 6.89),
    ),
}


_CANCEL = (Goal(6.5, why=_WHY), Goal(1.5, why=_WHY))
_DAY = PollPolicy()
# The longest sleep and a request, which may just have missed the end before.
_LONGEST = Goal(_DAY.longest * (1 + _DAY.jitter) + 3 * ONE_WAY, why=_WHY)
_BUSIEST = Goal(300, why=_WHY)
_LESS = Goal(1, why="On these jobs the fixed pace is better.")
# Nothing was tuned on them.
_OTHER_SEEDS = ("other seed 1", "other seed 2")


def measure(*, each: Mapping[str, int], at_once: int) -> Tables:
    """Wait for N jobs of each limit of a class, by each policy.

    Args:
        each: N, by class.
        at_once: Jobs that are submitted within a second.
    """
    return Tables([_by_policy(each), _by_case(each), _of_many(at_once)])


def _by_policy(each: Mapping[str, int]) -> Table:
    rows: list[list[Cell]] = [
        [name, *(Figure(number) for pair in known for number in pair)]
        for name, known in _KNOWN.items()
    ]
    rows += [[name, *_waited(name, each)] for name in _POLICIES]
    rows.append(["to reach", *(goal for pair in _GOALS.values() for goal in pair)])
    heads = [
        "policy",
        *(f"{kind}: {what}" for kind in CLASSES for what in ("polls", "delay, s")),
    ]
    counts = ", ".join(f"{each[kind]} of each {kind} limit" for kind in CLASSES)
    about = (
        f"Jobs of the model on virtual time, {counts}: polls a job, and mean seconds "
        "from its end to the answer that reports it. The SDK's real waiter on a "
        f"scripted transport; the first {len(_KNOWN)} rows are known for all jobs."
    )
    return Table("Pace", heads, rows, about)


def _waited(name: str, each: Mapping[str, int]) -> list[Cell]:
    cells: list[Cell] = []
    for kind in CLASSES:
        found = _wait(kind, each[kind], _POLICIES[name])
        polls, delay = _GOALS[kind] if name == _DEFAULT else (None, None)
        cells += [Figure(found.polls, polls), Figure(found.delay, delay)]
    return cells


def _wait(
    kind: str,
    each: int,
    policy: PollPolicy,
    *,
    seed: str = SEED,
    cancels: bool = False,
) -> Summary:
    jobs: list[PacedJob] = jobs_of(CLASSES[kind], each, seed)
    return summary(wait_for(jobs, policy, cancels=cancels))


def _by_case(each: Mapping[str, int]) -> Table:
    """Cancel the jobs, and wait for those of other seeds."""
    most = max(each.values())
    cancelled = [_wait(kind, most, STEADY, cancels=True) for kind in CLASSES]
    polls, delay = _CANCEL
    rows: list[list[Cell]] = [
        [
            "after a cancel: polls a job",
            *(Figure(found.polls, polls) for found in cancelled),
            polls,
        ],
        [
            "after a cancel: mean delay, s",
            *(Figure(found.delay, delay) for found in cancelled),
            delay,
        ],
    ]
    for seed in _OTHER_SEEDS:
        pairs = [_compare(kind, max(1, each[kind] // 4), seed) for kind in CLASSES]
        for place, what in enumerate(("polls", "mean delay")):
            figures = [Figure(pair[place], _LESS) for pair in pairs]
            rows.append([f"{what} in those of fixed 4 s, {seed}", *figures, _LESS])
    about = (
        f"The default policy without jitter. {most} jobs of each limit are cancelled, "
        "each at a moment of its own: the polls after the cancel, and the seconds from "
        "the end of the job to the answer that reports it. Of the other seeds, on "
        "which nothing was tuned, a quarter of the jobs above."
    )
    return Table(
        "Pace after a cancel, and on other jobs",
        ("", *CLASSES, "to reach"),
        rows,
        about,
    )


def _compare(kind: str, each: int, seed: str) -> tuple[float, float]:
    """Return polls and delay of the default policy in those of the fixed pace."""
    own, fixed = (_wait(kind, each, policy, seed=seed) for policy in (STEADY, FIXED))
    return own.polls / fixed.polls, own.delay / fixed.delay


def _of_many(jobs: int) -> Table:
    """Submit many jobs within a second."""
    outcomes = wait_for(mixed(jobs), _DAY, apart=1 / jobs)
    found = summary(outcomes)
    rows: list[list[Cell]] = [
        [
            "most polls in any second",
            Figure(busiest_second(outcomes), _BUSIEST, digits=0),
            _BUSIEST,
        ],
        ["longest delay of a job, s", Figure(found.longest, _LONGEST), _LONGEST],
        ["mean delay, s", Figure(found.delay), None],
        ["polls a job", Figure(found.polls), None],
    ]
    about = (
        f"{jobs:,} jobs of a day's mix, submitted within 1 s by one client that waits "
        "for them by the default policy with its jitter. The longest delay is the "
        "longest sleep, varied, and three times the 0.1 s that a message takes."
    )
    return Table("Pace of many jobs at once", ("", "measured", "to reach"), rows, about)
