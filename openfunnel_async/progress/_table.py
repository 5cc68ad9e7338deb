"""The table on a terminal; the only module besides the CLI that imports rich."""

import sys
from collections.abc import Callable, Iterable
from typing import TextIO

from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from openfunnel_async import JobStatus
from openfunnel_async.progress._line import JobLine

_REFRESHES_PER_SECOND = 4
_MIN_WIDTH_OF_BARS = 100
_BAR_WIDTH = 16
_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.CANCELLING: "yellow",
    JobStatus.CANCELLED: "magenta",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
}


def find_terminal(file: TextIO) -> Console | None:
    """Return the terminal that a file writes to; None if it is not a terminal."""
    console = Console(file=file)
    # Ask the file: with FORCE_COLOR rich takes a pipe for a terminal.
    return console if file.isatty() and not console.is_dumb_terminal else None


def create_live_table(console: Console, draw: Callable[[], Table]) -> Live:
    """Return the object that draws a table again and again in place."""
    return Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=_REFRESHES_PER_SECOND,
        # Text printed to the terminal appears above the table; a pipe keeps its own.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )


def draw_table(lines: Iterable[JobLine], width: int) -> Table:
    """Return a table with a line for each job; no text is read as markup."""
    shown = [*lines]
    figures = [(one.amount, one.rate, one.eta, one.credits) for one in shown]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("Job")
    drawn.add_column("Status")
    has_bars = width >= _MIN_WIDTH_OF_BARS
    if has_bars:
        drawn.add_column("", width=_BAR_WIDTH)
    for place, name in enumerate(("Delivered", "Rate", "ETA", "Credits")):
        # A fixed width, so that rich shortens only the texts before the figures.
        widest = max([len(name), *(len(texts[place]) for texts in figures)])
        drawn.add_column(name, justify="right", width=widest)
    for one, texts in zip(shown, figures, strict=True):
        style = _STYLES.get(one.status, "")
        bar = [_draw_bar(one, style)] if has_bars else []
        job, description = _shorten(one.job_id), _shorten(one.description, style)
        drawn.add_row(job, description, *bar, *map(Text, texts))
    return drawn


def _shorten(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _draw_bar(line: JobLine, style: str) -> ProgressBar | Text:
    """Return a bar of the delivered fraction; empty if it is not known."""
    fraction = None if line.snapshot is None else line.snapshot.fraction
    if fraction is None:
        return Text()
    return ProgressBar(
        1.0, fraction, style="dim", complete_style=style or "bar.complete"
    )
