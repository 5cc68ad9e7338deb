"""Pace: polls a job and delay, of the SDK's own waiter in virtual time.

`python -m tests.pace` takes minutes to wait for every job of the model; here are as
many as take seconds.
"""

from collections.abc import Mapping

from tests.benchmarks.tables import Cell, Figure, Goal, Table
from tests.pace.model import CLASSES, jobs_of
from tests.pace.run import FIXED, STEADY, Summary, summary, wait_for

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


def measure(*, each: Mapping[str, int]) -> Table:
    """Wait for N jobs of each limit of a class, by each policy."""
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
    for kind, limits in CLASSES.items():
        found: Summary = summary(wait_for(jobs_of(limits, each[kind]), _POLICIES[name]))
        polls, delay = _GOALS[kind] if name == _DEFAULT else (None, None)
        cells += [Figure(found.polls, polls), Figure(found.delay, delay)]
    return cells
