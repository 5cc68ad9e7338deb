"""The pace beside fixed intervals: the polls of one job, and the cost of many jobs.

Both are measured with the SDK's own poll loop, on the model of jobs from the tests.
"""

from collections.abc import Iterator
from statistics import fmean

from docs.pictures.drawing import drawing, line, text
from openfunnel_async import PollPolicy
from tests.pace.model import CLASSES, SEED, PacedJob, draw, jobs_of
from tests.pace.run import STEADY, Outcome, wait_for

WIDTH = 860
LEFT, RIGHT = 150, 740
# The polls and delays of this job are near the averages of all jobs, by each policy.
NUMBER = 3
ROWS_TOP, ROWS_BOTTOM = 62, 190
LANES = (
    ("every 30 s", PollPolicy.fixed(30), "third"),
    ("every 4 s", PollPolicy.fixed(4), "second"),
    ("the default", STEADY, "first"),
)
ABOUT_ONE = (
    "The rows of one job over time, and below them its polls: every 30 seconds, every "
    "4 seconds, and by the default pace, which polls less often than every 4 seconds "
    "until the end is near."
)
INTERVALS = (2, 3, 4, 6, 8, 12)
EACH = 100
MOST_POLLS, MOST_DELAY = 75, 8
ABOUT_MANY = (
    "Polls of a job against the seconds until its end is noticed. Fixed intervals lie "
    "on a curve; the default pace lies below it: fewer polls for the same delay."
)


def one_job() -> str:
    """Draw the course of one job and when each policy polls it."""
    job = draw(SEED, 1000, NUMBER)
    outcomes = [wait_for([job], policy)[0] for _, policy, _ in LANES]
    span = job.end + max(outcome.delay for outcome in outcomes)
    lanes = [
        part
        for place, outcome in enumerate(outcomes)
        for part in _lane(job, outcome, span, place)
    ]
    end = _x(job.end, span)
    marks = [
        line([(end, 40), (end, 350)], "line missed"),
        text(end, 32, "the job is terminal", "quiet small", "middle"),
    ]
    return drawing(WIDTH, 390, ABOUT_ONE, [*_course(job, span), *marks, *lanes])


def _x(moment: float, span: float) -> float:
    return LEFT + (RIGHT - LEFT) * moment / span


def _course(job: PacedJob, span: float) -> Iterator[str]:
    """Draw how the rows arrive, page by page."""

    def height(rows: int) -> float:
        return ROWS_BOTTOM - (ROWS_BOTTOM - ROWS_TOP) * rows / job.rows

    points = [(_x(0, span), height(0))]
    for page, moment in enumerate(job.pages):
        came = min(job.rows, 100 * (page + 1))
        points += [(_x(moment, span), points[-1][1]), (_x(moment, span), height(came))]
    points.append((_x(job.end, span), height(job.rows)))
    yield line(points, "graph good")
    yield text(LEFT - 12, ROWS_TOP + 5, f"{job.rows:,} rows", "good", "end")
    yield text(LEFT - 12, ROWS_BOTTOM + 5, "0", "quiet", "end")
    yield line([(LEFT, 360), (RIGHT, 360)], "edge")
    for moment in range(0, int(span) + 1, 30):
        x = _x(moment, span)
        yield line([(x, 360), (x, 365)], "edge")
        yield text(x, 381, f"{moment} s", "quiet small", "middle")


def _lane(job: PacedJob, outcome: Outcome, span: float, place: int) -> Iterator[str]:
    """Draw when one policy polls, and how late it notices the end."""
    y, (name, _, kind) = 240 + 44 * place, LANES[place]
    yield text(LEFT - 12, y + 5, name, kind, "end")
    for moment in outcome.times:
        x = _x(moment - outcome.times[-1] + job.end + outcome.delay, span)
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:g}" r="3"/>'
    count = f"{outcome.polls} polls"
    yield text(RIGHT + 14, y - 2, count, f"{kind} small")
    yield text(RIGHT + 14, y + 14, f"{outcome.delay:.1f} s late", f"{kind} small")


def many_jobs() -> str:
    """Draw polls against delay: the curve of fixed intervals, and the default."""
    jobs = jobs_of(CLASSES["medium"], EACH)
    fixed = [(every, _cost(jobs, PollPolicy.fixed(every))) for every in INTERVALS]
    default = _cost(jobs, STEADY)
    parts = [*_axes(), line([_at(cost) for _, cost in fixed], "graph second")]
    for every, cost in fixed:
        x, y = _at(cost)
        parts.append(f'<circle class="second" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        note = f"every {every} s"
        parts.append(text(round(x + 8), round(y - 8), note, "second small"))
    x, y = _at(default)
    parts.append(f'<circle class="first" cx="{x:.1f}" cy="{y:.1f}" r="6"/>')
    found = f"the default: {default[0]:.0f} polls, {default[1]:.1f} s"
    parts.append(text(round(x - 10), round(y + 22), found, "first", "end"))
    return drawing(WIDTH, 400, ABOUT_MANY, parts)


def _cost(jobs: list[PacedJob], policy: PollPolicy) -> tuple[float, float]:
    outcomes = wait_for(jobs, policy)
    return fmean(one.polls for one in outcomes), fmean(one.delay for one in outcomes)


def _at(cost: tuple[float, float]) -> tuple[float, float]:
    polls, delay = cost
    return 90 + 720 * polls / MOST_POLLS, 340 - 300 * delay / MOST_DELAY


def _axes() -> Iterator[str]:
    yield line([(90, 30), (90, 340), (820, 340)], "edge")
    for polls in range(0, MOST_POLLS + 1, 15):
        x, _ = _at((polls, 0))
        yield text(x, 360, f"{polls}", "quiet small", "middle")
    for delay in range(MOST_DELAY + 1):
        _, y = _at((0, delay))
        yield text(80, y + 5, f"{delay} s", "quiet small", "end")
    yield text(455, 385, "polls of a job, on average", "quiet", "middle")
    yield text(102, 36, "seconds until its end is noticed", "quiet")
