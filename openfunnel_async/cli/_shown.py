"""How jobs under way are shown: a table on a terminal, lines in a pipe, or objects."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

import attrs

from openfunnel_async import BulkJob, JobSnapshot
from openfunnel_async._values.search import CREDITS_PER_COMPANY
from openfunnel_async.cli._say import Voice

Show = Callable[[JobSnapshot], None]


@contextmanager
def shown(
    jobs: Sequence[BulkJob], voice: Voice, file: TextIO | None = None
) -> Generator[Show, None, None]:
    """Show jobs for the length of a block; give what takes their news.

    Args:
        jobs: The jobs.
        voice: Speaks to a program with ``--json``.
        file: Where people look; stderr by default.
    """
    if voice.json:
        yield _Objects(voice=voice).show
        return
    from openfunnel_async.progress import Progress  # noqa: PLC0415 -- for people only

    stream = cast("TextIO", _Patient(file or sys.stderr, voice))
    with Progress(jobs, file=stream) as progress:
        yield progress


class _Patient:
    """A stream that goes on when its reader has gone.

    The work may be worth more than the look at it: a job that spends is not dropped
    because ``| head`` has seen enough.
    """

    def __init__(self, stream: TextIO, voice: Voice) -> None:
        self._stream = stream
        self._voice = voice

    def write(self, text: str) -> int:
        with self._whoever_reads():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._whoever_reads():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a stream has
        return getattr(self._stream, name)

    @contextmanager
    def _whoever_reads(self) -> Generator[None, None, None]:
        try:
            yield
        except BrokenPipeError:
            self._voice.lose(self._stream)


@attrs.define(eq=False, kw_only=True)
class _Objects:
    """Tells a program whenever something about a job has changed."""

    voice: Voice
    _told: dict[str, dict[str, object]] = attrs.field(
        init=False, factory=dict[str, dict[str, object]]
    )
    _began: dict[str, tuple[float, int]] = attrs.field(
        init=False, factory=dict[str, tuple[float, int]]
    )

    def show(self, snapshot: JobSnapshot) -> None:
        facts = progress_of(snapshot)
        if facts != self._told.get(snapshot.job_id):
            self._told[snapshot.job_id] = facts
            eta = None if snapshot.eta is None else round(snapshot.eta, 1)
            rate = self._rate(snapshot)
            self.voice.note("progress", "", **facts, rate=rate, eta=eta)

    def _rate(self, snapshot: JobSnapshot) -> float | None:
        """Return companies a second since the first look at the job."""
        if snapshot.delivered is None:
            return None
        now = time.monotonic()
        since, before = self._began.setdefault(
            snapshot.job_id, (now, snapshot.delivered)
        )
        grown = snapshot.delivered - before
        return round(grown / (now - since), 2) if grown > 0 and now > since else None


def progress_of(snapshot: JobSnapshot) -> dict[str, object]:
    """Return what a program is told of a job on its way."""
    manifest, delivered = snapshot.manifest, snapshot.delivered
    billed = None if manifest is None else manifest.credits_consumed
    so_far = None if delivered is None else float(delivered * CREDITS_PER_COMPANY)
    return {
        "job_id": snapshot.job_id,
        "status": str(snapshot.status),
        "delivered": delivered,
        "limit": snapshot.limit,
        "credits_so_far": so_far if billed is None else billed,
    }
