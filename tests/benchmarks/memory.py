"""Memory: what streaming, collecting and waiting add."""

from tests.benchmarks.allocated import COLLECTED, DICTS, allocate
from tests.benchmarks.answers import ROWS, finished
from tests.benchmarks.resident import added
from tests.benchmarks.tables import Cell, Figure, Goal, Table

_MB = 1e6
_WAITS = (
    "A waiting job is a handle and its last answer, the caller's task and the "
    "poll loop's, a limit, two futures and a timer."
)
_COLLECTED = (
    "A typed row takes 60 bytes more than its dict; what streaming adds comes on top."
)
_BARE = "collect-bare"
_IN_DICTS = Goal(
    1.05, why="A typed row is an object of 60 bytes around its dict, however small."
)


def measure(origin: str, *, runs: int, jobs: int, polls: int) -> Table:
    """Measure each manner in fresh processes."""

    def mb(manner: str, goal: Goal | None) -> list[Cell]:
        taken = added(manner, origin, runs=runs) / _MB
        return [Figure(taken, goal, digits=1), goal]

    side, collected = Goal(6, why=_WAITS), Goal(9, why=_COLLECTED)
    kb = added(f"side-by-side:{jobs}", origin, runs=1) / 1000
    rows: list[list[Cell]] = [
        ["streaming 10,000 rows, `read_ahead=8`, MB", *mb("stream:8", Goal(5))],
        ["streaming 10,000 rows, `read_ahead=1`, MB", *mb("stream:1", Goal(2))],
        ["collecting 10,000 rows by `result()`, MB", *mb("collect", collected)],
        ["collecting them as dicts by bare aiohttp + orjson, MB", *mb(_BARE, None)],
        ["10,000 rows of sixteen fields, in their dicts", *_in_dicts(origin, True)],
        ["10,000 rows of six fields, in their dicts", *_in_dicts(origin, False)],
        [f"a waiting job, one of {jobs:,}, kB", Figure(kb, side, digits=1), side],
        [
            f"the last nine tenths of {polls:,} polls on one wait, MB",
            *mb(f"long:{polls}", Goal(0.5)),
        ],
    ]
    about = (
        "What is added to a process that has made one call before, each in a fresh "
        f"process, medians of {runs}. A waiting job is counted by its allocations "
        "between two polls, and the rows of a result, in the memory of the dicts that "
        "bare aiohttp + orjson make of them, by theirs; the rest is what is resident."
    )
    return Table("Memory", ("", "added", "to reach"), rows, about)


def _in_dicts(origin: str, wide: bool) -> list[Cell]:
    """Return the memory of collected rows in that of their dicts."""
    job_id = finished(ROWS, wide=wide)
    ours, theirs = (allocate(manner, origin, job_id) for manner in (COLLECTED, DICTS))
    return [Figure(ours / theirs, _IN_DICTS), _IN_DICTS]
