"""The states of a job, drawn from the function that says which may follow which."""

from collections.abc import Iterator, Mapping

from docs.pictures.drawing import arrow, box, drawing, line, text, tip
from openfunnel_async import JobStatus
from openfunnel_async._values.status import furthest

WIDTH, HEIGHT = 860, 310
PLACES = {
    JobStatus.PENDING: (100, 90),
    JobStatus.RUNNING: (340, 90),
    JobStatus.CANCELLING: (340, 250),
    JobStatus.COMPLETED: (740, 100),
    JobStatus.FAILED: (740, 165),
    JobStatus.CANCELLED: (740, 230),
}
ENDS = frozenset(status for status in PLACES if status.is_terminal)
DRAWN = {
    (JobStatus.PENDING, JobStatus.RUNNING),
    (JobStatus.PENDING, JobStatus.CANCELLING),
    (JobStatus.RUNNING, JobStatus.CANCELLING),
}
# The frame around the ends: left, top, right, bottom.
FRAME = (655, 40, 825, 275)
ABOUT = (
    "A job is pending, then running, then completed, failed or cancelled. A cancel "
    "makes it cancelling until it is cancelled, or completed or failed if it finished "
    "first. These three are terminal."
)


def moves() -> dict[JobStatus, frozenset[JobStatus]]:
    """Compute from the client's own rule which states may follow which."""
    return {
        seen: frozenset(
            reported
            for reported in PLACES
            if reported is not seen and furthest(seen, reported) is reported
        )
        for seen in PLACES
    }


def draw() -> str:
    """Draw the states and the moves between them."""
    boxes = [box(status.value, *place) for status, place in PLACES.items()]
    return drawing(WIDTH, HEIGHT, ABOUT, [*_ends(), *_moves(), *boxes, *_unknown()])


def _unknown() -> Iterator[str]:
    yield box(JobStatus.UNKNOWN.value, 100, 250)
    note = "shown for a new word, in place of pending or running"
    yield text(37, 293, note, "quiet small")


def _ends() -> Iterator[str]:
    left, top, right, bottom = FRAME
    yield (
        f'<rect class="edge" x="{left}" y="{top}" width="{right - left}" '
        f'height="{bottom - top}" rx="10"/>'
    )
    yield text((left + right) / 2, top + 22, "terminal", "quiet small", "middle")


def _moves() -> Iterator[str]:
    """Draw each move, those to the three ends together as one."""
    _check(moves())
    side = FRAME[0]
    yield arrow((163, 90), (277, 90))
    yield arrow((403, 90), (side, 90))
    yield arrow((340, 112), (340, 228))
    yield arrow((125, 112), (277, 240))
    yield arrow((403, 250), (side, 250))
    around = [(100, 68), (100, 30), (600, 30), (600, 55), (side - 9, 55)]
    yield line(around, "line missed")
    yield tip((side, 55), (1, 0))
    notes = (
        (350, 22, "a poll can miss the states between"),
        (529, 80, "all delivered, or failed"),
        (529, 240, "stops at its next checkpoint,"),
        (529, 270, "unless it finished first"),
    )
    for x, y, words in notes:
        yield text(x, y, words, "quiet small", "middle")
    yield text(352, 175, "cancel()", "code small")


def _check(legal: Mapping[JobStatus, frozenset[JobStatus]]) -> None:
    """Check that the arrows are exactly the possible moves."""
    between = {(seen, to) for seen, all_ in legal.items() for to in all_ - ENDS}
    to_ends = {seen for seen, all_ in legal.items() if all_ >= ENDS}
    from_ends = {seen for seen in ENDS if legal[seen]}
    if between != DRAWN or to_ends != PLACES.keys() - ENDS or from_ends:
        raise AssertionError(f"the arrows do not match the moves: {legal}")
