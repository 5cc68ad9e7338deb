"""The table for a terminal; the only import of rich outside the command line."""

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
from openfunnel_async.progress._line import Line

_TICKS_A_SECOND = 4
_ROOM_FOR_BARS = 100
_BAR = 16
_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.CANCELLING: "yellow",
    JobStatus.CANCELLED: "magenta",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
}


def terminal(file: TextIO) -> Console | None:
    """Return the terminal behind a file; None if there is none."""
    console = Console(file=file)
    # The file itself decides: FORCE_COLOR makes no terminal of a pipe.
    return console if file.isatty() and not console.is_dumb_terminal else None


def live(console: Console, draw: Callable[[], Table]) -> Live:
    """Return the object that keeps a table on a terminal."""
    return Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=_TICKS_A_SECOND,
        # Printed text goes above the table, but never from a pipe into it.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )


def table(lines: Iterable[Line], width: int) -> Table:
    """Draw a line for each job; its texts are never markup."""
    shown = [*lines]
    figures = [(one.amount, one.rate, one.eta, one.credits) for one in shown]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("Job")
    drawn.add_column("Stage")
    has_bars = width >= _ROOM_FOR_BARS
    if has_bars:
        drawn.add_column("", width=_BAR)
    for place, name in enumerate(("Delivered", "Rate", "ETA", "Credits")):
        # A width of their own, so that only the texts before them are shortened.
        widest = max([len(name), *(len(texts[place]) for texts in figures)])
        drawn.add_column(name, justify="right", width=widest)
    for one, texts in zip(shown, figures, strict=True):
        style = _STYLES.get(one.status, "")
        bar = [_bar(one, style)] if has_bars else []
        job, stage = _short(one.job_id), _short(one.stage, style)
        drawn.add_row(job, stage, *bar, *map(Text, texts))
    return drawn


def _short(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _bar(line: Line, style: str) -> ProgressBar | Text:
    """Draw the delivered part of the limit; nothing where that is not known."""
    fraction = None if line.snapshot is None else line.snapshot.fraction
    if fraction is None:
        return Text()
    return ProgressBar(
        1.0, fraction, style="dim", complete_style=style or "bar.complete"
    )
