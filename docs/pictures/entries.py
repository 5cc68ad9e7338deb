"""The states of an entry in the Book, and who moves it from one to another."""

from collections.abc import Iterator
from typing import Any

import attrs

from docs.pictures.drawing import arrow, box, drawing, line, text, tip
from openfunnel_async.book import EntryState
from openfunnel_async.book._records import EntryRecord, Resolution
from openfunnel_async.book._rules import check_resolution
from openfunnel_async.errors import ConfigurationError

WIDTH, HEIGHT = 860, 340
PLACES = {
    EntryState.PLANNED: (100, 150),
    EntryState.SUBMITTING: (325, 150),
    EntryState.SUBMITTED: (550, 150),
    EntryState.SETTLED: (770, 150),
    EntryState.REJECTED: (550, 50),
    EntryState.UNKNOWN: (550, 260),
    EntryState.SKIPPED: (100, 260),
}
# What a person may decide about an unknown entry, each a dashed arrow.
DECISIONS: tuple[Resolution | str, ...] = (
    "job-1",
    Resolution.SKIP,
    Resolution.SUBMIT_AGAIN,
)
ABOUT = (
    "An entry is planned, then submitting, then submitted, then settled. A submit that "
    "the service refuses makes it rejected, one that was not sent makes it planned "
    "again, and one without an answer makes it unknown. A late id makes an unknown "
    "entry submitted; otherwise a person decides whether it becomes submitted, skipped "
    "or planned. A cancel of the batch, or a cap, makes a planned entry skipped."
)


def draw() -> str:
    """Draw the states and the moves between them."""
    _check()
    boxes = [box(state.value, *place) for state, place in PLACES.items()]
    return drawing(WIDTH, HEIGHT, ABOUT, [*_moves(), *_decisions(), *boxes, *_notes()])


def _moves() -> Iterator[str]:
    """Draw what the Book writes by itself."""
    yield arrow((163, 142), (262, 142))
    yield arrow((262, 160), (163, 160))
    yield arrow((388, 150), (487, 150))
    yield arrow((613, 150), (707, 150))
    yield arrow((360, 128), (487, 56))
    yield arrow((360, 172), (487, 248))
    yield arrow((535, 238), (535, 172))
    yield arrow((75, 172), (75, 238))
    yield arrow((110, 238), (110, 172))


def _decisions() -> Iterator[str]:
    """Draw what ``Book.resolve()`` decides about an unknown entry."""
    yield arrow((570, 238), (570, 172), "line missed")
    yield arrow((487, 260), (163, 260), "line missed")
    around = [(550, 282), (550, 312), (18, 312), (18, 150), (28, 150)]
    yield line(around, "line missed")
    yield tip((37, 150), (1, 0))


def _notes() -> Iterator[str]:
    words = (
        (212, 132, "intent", "middle"),
        (228, 187, "not sent; 401, 402, 429", "middle"),
        (437, 140, "id", "middle"),
        (660, 140, "bill", "middle"),
        (410, 80, "refused", "end"),
        (408, 224, "no answer", "end"),
        (525, 212, "a late id", "end"),
        (120, 210, "down: cancel(), or over the cap", "start"),
        (120, 227, "up: a higher cap", "start"),
        (845, 330, "dashed: a person decides with Book.resolve()", "end"),
    )
    for x, y, note, anchor in words:
        yield text(x, y, note, "quiet small", anchor)
    yield text(580, 210, "job_id=", "code small")
    yield text(325, 252, "skip=True", "code small", "middle")
    yield text(284, 304, "submit_again=True", "code small", "middle")


def _check() -> None:
    """Check that every state is drawn, and that the decisions are possible."""
    if PLACES.keys() != set(EntryState):
        raise AssertionError(f"the boxes do not match the states: {list(PLACES)}")
    for decision in DECISIONS:
        try:
            check_resolution("key", _unknown(), decision, None)
        except ConfigurationError as exc:
            raise AssertionError(f"a dashed arrow is not possible: {exc}") from exc


def _unknown() -> EntryRecord:
    fields: dict[str, Any] = dict.fromkeys(attrs.fields_dict(EntryRecord))
    fields |= {"key": "key", "state": EntryState.UNKNOWN}
    return EntryRecord(**fields)
