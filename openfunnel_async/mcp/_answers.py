"""What the tools answer: structured results, made from the entries of the Book."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from openfunnel_async import CREDITS_PER_COMPANY, JobSnapshot
from openfunnel_async.book import BookEntry, EntryState
from openfunnel_async.mcp._untrusted import escape_value


class JobAnswer(TypedDict):
    """A job, as the Book knows it."""

    job: str
    state: str
    is_done: bool
    delivered: int
    in_book: int
    new: int
    limit: int
    credits_so_far: float
    credits_billed: float | None
    budget_left: float
    next: str
    problem: NotRequired[str]
    untrusted: NotRequired[dict[str, Any]]


class Started(JobAnswer):
    """A job that was started, or that the same request had started before."""

    is_new: bool


class JobLine(TypedDict):
    """A job in a list."""

    job: str
    state: str
    in_book: int
    limit: int
    search: dict[str, Any]


class JobList(TypedDict, total=False):
    """One job, or the last ones."""

    job: str
    state: str
    is_done: bool
    delivered: int
    in_book: int
    new: int
    limit: int
    credits_so_far: float
    credits_billed: float | None
    budget_left: float
    next: str
    problem: str
    untrusted: dict[str, Any]
    jobs: list[JobLine]


class Cancelled(JobAnswer):
    """The receipt of a cancel."""

    accepted: bool
    already_ended: bool
    credits_avoided: float | None


class Estimate(TypedDict):
    """What a search can cost."""

    credits_at_most: float
    budget_left: float
    fits: bool
    job: str | None
    state: str | None
    next: str


class Sample(TypedDict):
    """A few companies."""

    job: str
    rows: int
    in_book: int
    untrusted: dict[str, Any]


class Saved(TypedDict):
    """A file that was written."""

    job: str
    path: str
    rows: int
    is_complete: bool
    next: str


OPEN_STATES = frozenset({EntryState.SUBMITTING, EntryState.SUBMITTED})
"""States in which somebody must follow the entry."""


def is_done(entry: BookEntry) -> bool:
    """Whether nothing more happens to an entry unless somebody decides it."""
    return entry.state not in {*OPEN_STATES, EntryState.PLANNED}


def name_state(entry: BookEntry) -> str:
    """Return one word: how far the entry has come, or how its job has ended."""
    if entry.state is EntryState.SETTLED and entry.status is not None:
        return str(entry.status)
    return "running" if entry.state is EntryState.SUBMITTED else str(entry.state)


def find_job(entry: BookEntry) -> str:
    """Return the name by which the tools know an entry."""
    return entry.batch or entry.key


def make_answer(
    entry: BookEntry, budget_left: float, snapshot: JobSnapshot | None
) -> JobAnswer:
    """Return what is known of a job.

    The Book has whole pages, so the service may have delivered, and billed, more.

    Args:
        entry: The entry of the Book.
        budget_left: What is left of the budget.
        snapshot: The last answer of the service about a job that runs.
    """
    reported = None if snapshot is None else snapshot.delivered
    delivered = max(entry.rows, reported or 0)
    credit = float(delivered * CREDITS_PER_COMPANY)
    return {
        "job": find_job(entry),
        "state": name_state(entry),
        "is_done": is_done(entry),
        "delivered": delivered,
        "in_book": entry.rows,
        "new": entry.new,
        "limit": entry.search.limit or 0,
        "credits_so_far": credit if entry.billed is None else entry.billed,
        "credits_billed": entry.billed,
        "budget_left": budget_left,
        "next": advise(entry),
    }


def make_line(entry: BookEntry) -> JobLine:
    """Return a job for a list."""
    search = {
        name: escape_value(value)
        for name, value in entry.search.to_dict().items()
        if value
    }
    return {
        "job": find_job(entry),
        "state": name_state(entry),
        "in_book": entry.rows,
        "limit": entry.search.limit or 0,
        "search": search,
    }


def advise(entry: BookEntry) -> str:
    """Say what a model, or a person, can do next."""
    if entry.state is EntryState.SETTLED:
        return _advise_after_end(entry)
    return _ADVICE[entry.state].format(key=entry.key)


def _advise_after_end(entry: BookEntry) -> str:
    if entry.rows:
        return "sample shows a few companies, save writes all of them into a file."
    return (
        "It delivered no company. The same request is this job; another query or other "
        "filters are another search."
    )


_ADVICE = {
    EntryState.PLANNED: (
        "Nothing was sent for it. start with the same request tries it again."
    ),
    EntryState.SUBMITTING: "The submit is under way. Call status again.",
    EntryState.SUBMITTED: "Call status again until is_done; cancel stops the spend.",
    EntryState.REJECTED: (
        "The service refused the search, and nothing was billed. Change it."
    ),
    EntryState.UNKNOWN: (
        "A submit was sent, and nobody can know whether it made a job that bills. Its "
        "credits stay reserved, and it is not sent again. Tell the user, who decides: "
        "openfunnel-async batch resolve {key} with --job-id, --skip or --submit-again."
    ),
    EntryState.SKIPPED: (
        "Nothing is running for it. start with the same request tries it again, unless "
        "the user has decided about it."
    ),
}
