"""What the stores read and write: plain records, the same for every database."""

import enum
import json
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import attrs

from openfunnel_async._orjson import try_dumps, try_loads
from openfunnel_async._protocol.codec import companies, exact_rows
from openfunnel_async._values.checkpoint import JobCheckpoint
from openfunnel_async._values.models import Company
from openfunnel_async._values.search import LookalikeSearch
from openfunnel_async._values.status import JobStatus
from openfunnel_async.book._requests import read_request
from openfunnel_async.book._values import BookEntry, EntryState
from openfunnel_async.errors import BookError, ConfigurationError

# Higher levels take three times as long and save a tenth.
_LEVEL = 1
RESTORE = "keep the file, and restore a backup"


@attrs.frozen(kw_only=True)
class EntryRecord:
    """One row of the table of searches.

    Attributes:
        id: Its number.
        key: Its name, unique in the Book.
        batch: The name of the batch; None for a submit with ``once=``.
        seq: Its place in the batch.
        request: The search, as canonical JSON.
        label: The caller's own name for it.
        exposure: The most credits that it can bill; None without a limit.
        state: How far it has come.
        attempt: How many submits were begun for it.
        job_id: Its job.
        job_limit: The limit of the job as far as it is known.
        place: The checkpoint after the last stored page.
        rows: How many rows are stored.
        new: How many of them were new companies.
        source: The key of the entry whose rows answer this one.
        status: The terminal status.
        billed: The bill that the service stated.
        error: What the entry reports.
        wants_cancel: Whether its job is to be cancelled.
        over_cap: Whether it was skipped because it did not fit under a cap.
        was_unknown: Whether the outcome of a submit was unknown once.
        submitted_at: Seconds since 1970, in UTC.
        settled_at: Seconds since 1970, in UTC.
    """

    id: int
    key: str
    batch: str | None
    seq: int
    request: str
    label: str | None
    exposure: float | None
    state: EntryState = attrs.field(converter=EntryState)
    attempt: int
    job_id: str | None
    job_limit: int | None
    place: str | None
    rows: int
    new: int
    source: str | None
    status: str | None
    billed: float | None
    error: str | None
    wants_cancel: bool = attrs.field(converter=bool)
    over_cap: bool = attrs.field(converter=bool)
    was_unknown: bool = attrs.field(converter=bool)
    submitted_at: float | None
    settled_at: float | None

    @property
    def search(self) -> LookalikeSearch:
        """The search."""
        with _damage("the search of", self.key):
            return read_request(self.request)

    @property
    def start(self) -> JobCheckpoint:
        """The place from which the rows of its job are to be read."""
        if self.place is not None:
            with _damage("the place in the rows of", self.key):
                return JobCheckpoint.parse(self.place)
        return JobCheckpoint(job_id=self.job_id or "", limit=self.job_limit)

    def to_entry(self) -> BookEntry:
        """Return the public value."""
        with _damage("the search or the status of", self.key):
            search = self.search
            status = None if self.status is None else JobStatus(self.status)
        return BookEntry(
            key=self.key,
            batch=self.batch,
            search=search,
            state=self.state,
            job_id=self.job_id,
            status=status,
            rows=self.rows,
            new=self.new,
            reused_from=self.source,
            billed=self.billed,
            exposure=self.exposure,
            error=self.error,
            label=self.label,
            submitted_at=_to_datetime(self.submitted_at),
            settled_at=_to_datetime(self.settled_at),
            was_unknown=self.was_unknown,
        )


class BatchRecord(NamedTuple):
    """One row of the table of batches, with its cap.

    Attributes:
        id: Its number.
        name: Its name.
        most: The most credits that it may spend.
        most_new: At how many new companies it stops.
        reuse_days: How old an answer may be that is used again.
    """

    id: int
    name: str
    most: float | None
    most_new: int | None
    reuse_days: float | None


class BatchOptions(NamedTuple):
    """What a batch is planned with; None leaves an existing batch as it is."""

    most: float | None = None
    most_new: int | None = None
    reuse_days: float | None = None


class PageSums(NamedTuple):
    """What is new after a page.

    Attributes:
        is_new: For each row of the page, whether its company was not known.
        batch_new: New companies of the whole batch, if it stops at a number of them.
    """

    is_new: tuple[bool, ...]
    batch_new: int


class NotFollowedError(BookError):
    """A page came for an entry that this process does not follow any more.

    A person has skipped it, or another process follows its job: the lease was lost.
    """


class DamagedBookError(BookError):
    """Something in the database is not what this package wrote."""


class Room(enum.Enum):
    """What became of an intent to submit."""

    RESERVED = "reserved"
    """The intent is on the disk, and the exposure is reserved."""
    FULL = "full"
    """It does not fit now; a bill may give room back."""
    OVER = "over"
    """It does not fit, whatever the other reservations become."""
    NOT_PLANNED = "not planned"
    """The entry is not planned: somebody else submitted or cancelled it."""


class Intent(NamedTuple):
    """The answer to an intent.

    Attributes:
        room: Whether to submit.
        attempt: The number of the submit.
        budget: The budget under which it does not fit; None for the cap of the batch.
    """

    room: Room
    attempt: int = 0
    budget: str | None = None


class Resolution(enum.Enum):
    """What a person decides about an entry."""

    SKIP = "skip"
    SUBMIT_AGAIN = "submit_again"


class StoredPage(NamedTuple):
    """One stored page.

    Attributes:
        seq: The place of its search in the batch.
        first: How many rows of the search are before it.
        number: How many rows it has.
        new: A bit for each row, from the lowest: whether its company was new.
        body: The rows as the service sent them, packed.
    """

    seq: int
    first: int
    number: int
    new: bytes
    body: bytes


def pack_rows(rows: Sequence[object]) -> bytes:
    """Return rows as compressed JSON, as they were sent."""
    text = try_dumps(rows)
    if text is None:
        written = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which JSON may carry as an escape, has no UTF-8.
        text = written.encode("utf-8", "surrogatepass")
    return zlib.compress(text, _LEVEL)


def unpack_rows(body: bytes) -> Sequence[dict[str, Any]]:
    """Return the rows of a stored page, as they were sent.

    Raises:
        DamagedBookError: The page is not one.
    """
    return _unpack(body)[0]


def _unpack(body: bytes) -> tuple[Sequence[dict[str, Any]], bool]:
    """Return the rows of a stored page, and whether they have the expected types."""
    try:
        text = zlib.decompress(body)
        rows = try_loads(text)
        if isinstance(rows, list):
            quick = cast("list[dict[str, Any]]", rows)
            return exact_rows(quick, lambda: _decode_rows(text))
        return _decode_rows(text), False
    except (zlib.error, ValueError, TypeError, RecursionError):
        pass
    raise DamagedBookError(f"a page of rows in the Book is damaged; {RESTORE}")


def _decode_rows(text: bytes) -> list[dict[str, Any]]:
    rows: object = json.loads(text.decode("utf-8", "surrogatepass"))
    if not isinstance(rows, list):
        raise TypeError
    return cast("list[dict[str, Any]]", rows)


def read_companies(page: StoredPage, *, new_only: bool = False) -> tuple[Company, ...]:
    """Return the companies of a stored page, or those that were new."""
    rows, are_checked = _unpack(page.body)
    if new_only:
        rows = [row for row, new in zip(rows, unpack_bits(page), strict=True) if new]
    return companies(rows, are_checked=are_checked)


def pack_bits(bits: Sequence[bool]) -> bytes:
    """Return a bit for each item, from the lowest."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(page: StoredPage) -> list[bool]:
    """Return whether each row of a page was new."""
    number = int.from_bytes(page.new, "little")
    return [bool(number >> place & 1) for place in range(page.number)]


@contextmanager
def _damage(what: str, key: str) -> Generator[None]:
    """Raise for a value that this package cannot have written."""
    try:
        yield
    except (ConfigurationError, ValueError, TypeError):
        msg = f"{what} {key} in the Book cannot be read; {RESTORE}"
        raise DamagedBookError(msg) from None


def read_record(fields: Mapping[str, Any]) -> EntryRecord:
    """Return the record of a row of the table.

    Raises:
        DamagedBookError: A value is not valid.
    """
    with _damage("the entry", str(fields.get("key"))):
        return EntryRecord(**fields)


def _to_datetime(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
