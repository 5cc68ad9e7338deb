"""Show running jobs: a table on a terminal, lines in a pipe, or objects."""

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TextIO

import attrs

from openfunnel_async import (
    CREDITS_PER_COMPANY,
    BulkJob,
    Event,
    JobSnapshot,
    OutageBegan,
    OutageEnded,
    RetryPolicy,
)
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import one_line

ShowSnapshot = Callable[[JobSnapshot], None]


class EventRelay:
    """Passes the events of a client, made before its jobs, to what shows the jobs."""

    def __init__(self) -> None:
        self.receive: Callable[[Event], object] = lambda _event: None

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        self.receive(event)


@contextmanager
def show_jobs(
    jobs: Sequence[BulkJob],
    printer: Printer,
    events: EventRelay,
    file: TextIO | None = None,
) -> Generator[ShowSnapshot, None, None]:
    """Show jobs while the body runs; yields a callback for their snapshots.

    Args:
        jobs: The jobs.
        printer: Prints the objects of ``--json``.
        events: The events of the client, for the outages.
        file: The stream for people; stderr by default.
    """
    if printer.json:
        shown = _ProgressEvents(printer=printer)
        events.receive = shown.show_outage
        yield shown.show
        return
    from openfunnel_async.progress import Progress  # noqa: PLC0415 -- for people only

    with Progress(jobs, file=file or sys.stderr) as progress:
        events.receive = progress.on_event
        yield progress


def print_outage(printer: Printer, event: Event) -> None:
    """Print the object of an outage that began or ended; no other event."""
    if isinstance(event, OutageBegan):
        printer.print_event(
            "outage",
            "",
            job_id=event.job_id,
            message=one_line(event.error),
            trying_for=RetryPolicy().outage,
        )
    elif isinstance(event, OutageEnded):
        printer.print_event(
            "outage_ended",
            "",
            job_id=event.job_id,
            seconds=round(event.seconds, 1),
            has_recovered=event.has_recovered,
        )


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

    def show_outage(self, event: Event) -> None:
        """Print that the service stopped to answer, or answers again."""
        print_outage(self.printer, event)

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
