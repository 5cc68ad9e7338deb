"""The rules of the Book that do not depend on the database: pure decisions."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from openfunnel_async._text import escaped
from openfunnel_async.book._records import EntryRecord, Resolution, Room
from openfunnel_async.book._requests import PlannedSearch
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import ConfigurationError

_MOST_NAMED = 3

_MAY_BE_RESOLVED: dict[Resolution | None, tuple[EntryState, ...]] = {
    # None stands for a job id.
    None: (EntryState.UNKNOWN,),
    Resolution.SKIP: (EntryState.UNKNOWN, EntryState.PLANNED, EntryState.SUBMITTED),
    Resolution.SUBMIT_AGAIN: (
        EntryState.UNKNOWN,
        EntryState.REJECTED,
        EntryState.SKIPPED,
    ),
}


class AnyCap(Protocol):
    """What the rule needs of a cap."""

    @property
    def budget(self) -> str | None: ...
    @property
    def most(self) -> float | None: ...
    @property
    def spent(self) -> float: ...
    @property
    def reserved(self) -> float: ...


def find_room(
    caps: Sequence[AnyCap], exposure: float | None
) -> tuple[Room, str | None]:
    """Return whether a search fits under all caps, now or ever.

    Args:
        caps: The caps that apply.
        exposure: The most credits that the search can bill; None without a limit.

    Returns:
        The answer, and the budget under which it does not fit, if it is one.
    """
    full: tuple[Room, str | None] = (Room.RESERVED, None)
    for cap in caps:
        if cap.most is None:
            continue
        if exposure is None or cap.spent + exposure > cap.most:
            return Room.OVER, cap.budget
        if cap.spent + cap.reserved + exposure > cap.most:
            full = Room.FULL, cap.budget
    return full


def check_same_searches(
    name: str, stored: Mapping[str, bool], given: Sequence[PlannedSearch]
) -> None:
    """Check that a batch that exists is the one that is asked for.

    The list must have every search that the batch was planned with, and none that it
    does not have. Searches that ``extend()`` added may be missing.

    Args:
        name: The batch.
        stored: The keys of its searches, and whether ``extend()`` added them.
        given: The searches that are asked for.

    Raises:
        ConfigurationError: It has other searches.
    """
    keys = {planned.key for planned in given}
    new = [planned.request for planned in given if planned.key not in stored]
    gone = [
        key
        for key, is_extension in stored.items()
        if not is_extension and key not in keys
    ]
    if not (new or gone):
        return
    facts: list[str] = []
    if new:
        shown = ", ".join(escaped(request, 120) for request in new[:_MOST_NAMED])
        facts.append(f"{len(new)} of the given searches are not in it ({shown})")
    if gone:
        facts.append(f"{len(gone)} of its searches are not among the given ones")
    raise ConfigurationError(
        f"batch {escaped(name, 100)} has other searches: {' and '.join(facts)}. "
        "Nothing was changed: give the same searches, add new ones with extend(), or "
        "give the batch another name"
    )


def check_same_request(key: str, stored: str, given: str) -> None:
    """Check that a key stands for the search that is given.

    Raises:
        ConfigurationError: It stands for another one.
    """
    if stored != given:
        raise ConfigurationError(
            f"the key {escaped(key, 200)} belongs to another search: "
            f"{escaped(stored, 300)}. Nothing was sent; use another key for this one"
        )


def check_resolution(
    key: str,
    entry: EntryRecord | None,
    resolution: Resolution | str,
    holder: str | None,
) -> EntryRecord:
    """Return the entry, if this can be decided about it.

    Args:
        key: The key that was given.
        entry: The entry with it, if there is one.
        resolution: The decision; a text is the id of a job.
        holder: The key of the entry that has that job already.

    Raises:
        ConfigurationError: It cannot be decided; nothing was changed.
    """
    shown = escaped(key, 200)
    if entry is None:
        msg = f"the Book has no entry {shown}: Book.entries() lists the keys"
        raise ConfigurationError(msg)
    kind = resolution if isinstance(resolution, Resolution) else None
    allowed = _MAY_BE_RESOLVED[kind]
    if entry.state not in allowed:
        what = "job_id" if kind is None else kind.value
        raise ConfigurationError(
            f"{shown} is {entry.state}, and {what} is for entries that are "
            f"{' or '.join(allowed)}; nothing was changed"
        )
    if resolution is Resolution.SUBMIT_AGAIN and entry.job_id is not None:
        raise ConfigurationError(
            f"{shown} has the job {escaped(entry.job_id, 130)}, whose rows can be "
            "read: submitting it again would bill it twice. Put the search into "
            "another batch, or under another key; nothing was changed"
        )
    if holder is not None:
        msg = f"that job belongs to the entry {escaped(holder, 200)}"
        raise ConfigurationError(msg)
    return entry
