"""Show running jobs: a table on a terminal, lines in a pipe, or objects."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

import attrs

from openfunnel_async import CREDITS_PER_COMPANY, BulkJob, JobSnapshot
from openfunnel_async.cli._output.printer import Printer

ShowSnapshot = Callable[[JobSnapshot], None]


@contextmanager
def show_jobs(
    jobs: Sequence[BulkJob], printer: Printer, file: TextIO | None = None
) -> Generator[ShowSnapshot, None, None]:
    """Show jobs while the body runs; yields a callback for their snapshots.

    Args:
        jobs: The jobs.
        printer: Prints the objects of ``--json``.
        file: The stream for people; stderr by default.
    """
    if printer.json:
        yield _ProgressEvents(printer=printer).show
        return
    from openfunnel_async.progress import Progress  # noqa: PLC0415 -- for people only

    stream = cast("TextIO", _UnbreakableStream(file or sys.stderr, printer))
    with Progress(jobs, file=stream) as progress:
        yield progress


class _UnbreakableStream:
    """A stream whose reader may leave.

    A job that spends must not end because ``| head`` has read enough lines.
    """

    def __init__(self, stream: TextIO, printer: Printer) -> None:
        self._stream = stream
        self._printer = printer

    def write(self, text: str) -> int:
        with self._closing_when_broken():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._closing_when_broken():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- any attribute of a stream
        return getattr(self._stream, name)

    @contextmanager
    def _closing_when_broken(self) -> Generator[None, None, None]:
        try:
            yield
        except BrokenPipeError:
            self._printer.close(self._stream)


@attrs.define(eq=False, kw_only=True)
class _ProgressEvents:
    """Prints an object whenever a job has changed."""

    printer: Printer
    _printed: dict[str, dict[str, object]] = attrs.field(
        init=False, factory=dict[str, dict[str, object]]
    )
    _first_counts: dict[str, tuple[float, int]] = attrs.field(
        init=False, factory=dict[str, tuple[float, int]]
    )

    def show(self, snapshot: JobSnapshot) -> None:
        fields = _progress_fields(snapshot)
        if fields != self._printed.get(snapshot.job_id):
            self._printed[snapshot.job_id] = fields
            eta = None if snapshot.eta is None else round(snapshot.eta, 1)
            rate = self._rate(snapshot)
            self.printer.print_event("progress", "", **fields, rate=rate, eta=eta)

    def _rate(self, snapshot: JobSnapshot) -> float | None:
        """Return companies a second since the first snapshot of the job."""
        if snapshot.delivered is None:
            return None
        now = time.monotonic()
        start, before = self._first_counts.setdefault(
            snapshot.job_id, (now, snapshot.delivered)
        )
        added = snapshot.delivered - before
        return round(added / (now - start), 2) if added > 0 and now > start else None


def _progress_fields(snapshot: JobSnapshot) -> dict[str, object]:
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
