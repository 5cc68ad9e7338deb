"""Show a running batch: its sums in place on a terminal, lines in a pipe, objects."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import attrs

from openfunnel_async import Event, OutageBegan, OutageEnded
from openfunnel_async.book import BatchStatus
from openfunnel_async.cli._output.batch_reports import (
    batch_fields,
    describe_progress,
    describe_rows,
    running_of,
)
from openfunnel_async.cli._output.live_status import print_outage
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

_LINE_EVERY = 5.0
_REFRESHES_PER_SECOND = 4
_MINUTE = 60


class BatchDisplay(Protocol):
    """Shows the sums of a batch."""

    def show(self, status: BatchStatus) -> None:
        """Show new sums."""
        ...

    def show_event(self, event: Event) -> None:
        """Show that the service does not answer, or answers again."""
        ...

    def close(self) -> None:
        """Show the last sums, and leave the terminal as it was."""
        ...


@contextmanager
def show_batch(printer: Printer, file: TextIO) -> Generator[BatchDisplay, None, None]:
    """Show the sums of a batch while the body runs.

    Args:
        printer: Prints the objects of ``--json``.
        file: The stream for people.
    """
    display = _open_display(printer, file)
    try:
        yield display
    finally:
        display.close()


def _open_display(printer: Printer, file: TextIO) -> BatchDisplay:
    if printer.json:
        return _Objects(printer=printer)
    from rich.console import Console  # noqa: PLC0415 -- for people only

    console = Console(file=file)
    if file.isatty() and not console.is_dumb_terminal:
        return _Screen(console)
    return _Lines(file=file)


class _Outages:
    """Describes outages, each of which many jobs notice."""

    def __init__(self) -> None:
        self._jobs: set[str | None] = set()
        self.text: str | None = None

    def note(self, event: Event) -> str | None:
        """Return a text if an event changes whether the service answers."""
        before = self.text
        if isinstance(event, OutageBegan):
            self._jobs.add(event.job_id)
            self.text = before or f"the service fails: {one_line(event.error)}"
        elif isinstance(event, OutageEnded):
            self._jobs.discard(event.job_id)
            self.text = before if self._jobs else None
        if self.text == before:
            return None
        return self.text or "the service answers again"


@attrs.define(eq=False, kw_only=True)
class _Objects:
    """Prints an object for new sums."""

    printer: Printer
    _started_at: float = attrs.field(init=False, factory=time.monotonic)

    def show(self, status: BatchStatus) -> None:
        elapsed = round(time.monotonic() - self._started_at, 1)
        fields = batch_fields(status) | {"elapsed": elapsed}
        self.printer.print_event("batch_progress", "", **fields)

    def show_event(self, event: Event) -> None:
        print_outage(self.printer, event)

    def close(self) -> None:
        """Do nothing: all sums are printed."""


@attrs.define(eq=False, kw_only=True)
class _Lines:
    """Writes a line from time to time; a log must not grow for hours."""

    file: TextIO
    _shown_at: float | None = attrs.field(init=False, default=None)
    _left: BatchStatus | None = attrs.field(init=False, default=None)
    _outages: _Outages = attrs.field(init=False, factory=_Outages)

    def show(self, status: BatchStatus) -> None:
        self._left = status
        now = time.monotonic()
        if self._shown_at is None or now - self._shown_at >= _LINE_EVERY:
            self._shown_at = now
            self.close()

    def show_event(self, event: Event) -> None:
        message = self._outages.note(event)
        if message is not None:
            self._write(message)

    def close(self) -> None:
        status, self._left = self._left, None
        if status is not None:
            self._write(describe_progress(status))

    def _write(self, text: str) -> None:
        self.file.write(f"{text}\n")
        self.file.flush()


class _Screen:
    """Draws the sums of a batch again and again in place."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._started_at = time.monotonic()
        self._status: BatchStatus | None = None
        self._outages = _Outages()
        self._live: Live | None = None

    def show(self, status: BatchStatus) -> None:
        self._status = status
        if self._live is None:
            self._live = self._start(self._draw)

    def _start(self, draw: "Callable[[], Table]") -> "Live":
        from rich.live import Live  # noqa: PLC0415 -- for people only

        live = Live(
            console=self._console,
            get_renderable=draw,
            refresh_per_second=_REFRESHES_PER_SECOND,
            # stdout may be a pipe, which must not get what is drawn.
            redirect_stdout=False,
        )
        live.start()
        return live

    def show_event(self, event: Event) -> None:
        self._outages.note(event)

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _draw(self) -> "Table":
        from rich.progress_bar import ProgressBar  # noqa: PLC0415 -- for people only
        from rich.table import Table  # noqa: PLC0415 -- for people only
        from rich.text import Text  # noqa: PLC0415 -- for people only

        drawn = Table.grid(padding=(0, 2))
        drawn.add_column(style="dim")
        drawn.add_column(no_wrap=True, overflow="ellipsis")
        if self._status is None:
            return drawn
        for title, text in _describe_rows(self._status).items():
            drawn.add_row(title, Text(text))
        ended = self._status.searches - self._status.planned - running_of(self._status)
        width = min(40, self._console.width - 20)
        drawn.add_row("", ProgressBar(self._status.searches, ended, width=width))
        drawn.add_row("Elapsed", format_clock(time.monotonic() - self._started_at))
        if self._outages.text is not None:
            drawn.add_row("Outage", Text(self._outages.text, style="red"))
        return drawn


def _describe_rows(status: BatchStatus) -> dict[str, str]:
    """Return the titles and the texts of the table."""
    others = {"rejected": status.rejected, "skipped": status.skipped}
    states = {
        "planned": status.planned,
        "running": running_of(status),
        "settled": status.settled,
        "unknown": status.unknown,
        **{what: count for what, count in others.items() if count},
    }
    cap = "no cap" if status.cap is None else f"cap {format_amount(status.cap)}"
    return {
        "Batch": one_line(status.name),
        "Searches": "  ".join(
            f"{format_amount(count)} {what}" for what, count in states.items()
        ),
        "Rows": f"{format_amount(status.rows)}  ({describe_rows(status)})",
        "Credits": f"{format_amount(status.spent)} spent  "
        f"{format_amount(status.reserved)} reserved  {cap}",
    }


def format_clock(seconds: float) -> str:
    """Format a time as hours, minutes and seconds."""
    minutes, seconds = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
