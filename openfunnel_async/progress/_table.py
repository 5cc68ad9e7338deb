"""The table on a terminal; the only module besides the CLI that imports rich."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from openfunnel_async import JobStatus
from openfunnel_async.progress._line import JobLine, format_time

_REFRESHES_PER_SECOND = 4
_BAR_WIDTH = 16
_GAP = 2
_SHORTEST = 13
"""Characters of an id at least, if it has as many."""
_LEAST_IMPORTANT = {"Rate": 43, "ETA": 26}
"""Figures that are left out if an id and a status have fewer characters."""
_LINES_AROUND = 5
"""Lines above and below the jobs: the head of the table, sums, outages, the cursor."""
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


def create_live_table(console: Console, draw: Callable[[], Group]) -> Live:
    """Return the object that draws a table again and again in place."""
    return Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=_REFRESHES_PER_SECOND,
        # Text printed to the terminal appears above the table; a pipe keeps its own.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )


def draw_screen(
    lines: Sequence[JobLine], *, elapsed: float, width: int, height: int | None
) -> Group:
    """Return a table of the jobs, and the sums and outages below it.

    Args:
        lines: The jobs.
        elapsed: Seconds since the display began.
        width: The characters of a line of the terminal.
        height: The lines of the terminal; None to draw all jobs.
    """
    shown, rest = lines, list[JobLine]()
    if height is not None and len(lines) > max(1, height - _LINES_AROUND):
        # A job that is terminal does not change any more.
        ordered = sorted(lines, key=lambda one: one.status.is_terminal)
        room = max(1, height - _LINES_AROUND)
        shown, rest = ordered[:room], ordered[room:]
    footer = [_sum_up(lines, len(rest), elapsed), *_describe_outages(lines)]
    texts = (_one_line(text, "dim") for text in footer)
    return Group(_draw_table(shown, width), *texts)


def _sum_up(lines: Sequence[JobLine], hidden: int, elapsed: float) -> str:
    clock = f"{format_time(elapsed)} elapsed"
    if not hidden:
        return clock
    statuses = Counter(line.status.value for line in lines if line.snapshot)
    counts = [f"{count} {status}" for status, count in statuses.most_common()]
    delivered = sum(line.delivered or 0 for line in lines)
    first = f"and {hidden} more; all {len(lines)}: {', '.join(counts)}"
    return f"{first}; {delivered:,} delivered; {clock}"


def _describe_outages(lines: Sequence[JobLine]) -> list[str]:
    """Return a line about the longest outage, if there is one."""
    silent = [line for line in lines if line.silence]
    if not silent:
        return []
    longest = min(silent, key=lambda line: line.outage_since or 0.0)
    jobs = f" about {len(silent)} jobs" if len(silent) > 1 else ""
    text = longest.silence.replace("answer", f"answer{jobs}")
    return [", ".join(filter(None, (text, longest.patience)))]


def _draw_table(lines: Sequence[JobLine], width: int) -> Table:
    """Return a table with a line for each job; no text is read as markup."""
    figures = _choose_figures(lines, width)
    room = _room_beside(figures, width)
    statuses = [_describe(line) for line in lines]
    for_id, for_status, has_bars = _divide(
        room,
        ids=max((len(line.job_id) for line in lines), default=0),
        statuses=max([len("Status"), *map(len, statuses)]),
    )
    has_bars = has_bars and any(_fraction(line) is not None for line in lines)
    drawn = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    drawn.add_column("Job", width=for_id, no_wrap=True)
    drawn.add_column("Status", width=for_status, no_wrap=True)
    if has_bars:
        drawn.add_column("", width=_BAR_WIDTH)
    for name, texts in figures.items():
        widest = _widest(name, texts)
        drawn.add_column(name, justify="right", width=widest, no_wrap=True)
    for place, (line, status) in enumerate(zip(lines, statuses, strict=True)):
        style = _STYLES.get(line.status, "")
        bar = [_draw_bar(line, style)] if has_bars else []
        job = Text(shorten_id(line.job_id, for_id))
        shown = [Text(texts[place]) for texts in figures.values()]
        drawn.add_row(job, _one_line(status, style), *bar, *shown)
    return drawn


def _choose_figures(lines: Sequence[JobLine], width: int) -> dict[str, list[str]]:
    """Return the figures of all jobs by column, without those that have no room."""
    figures = {name: [get(line) for line in lines] for name, get in _FIGURES.items()}
    for name, enough in _LEAST_IMPORTANT.items():
        if _room_beside(figures, width) < enough:
            del figures[name]
    return figures


def _room_beside(figures: Mapping[str, Sequence[str]], width: int) -> int:
    """Return the characters that are left for the id and the status."""
    widths = [_widest(name, texts) for name, texts in figures.items()]
    return width - sum(widths) - _GAP * (len(widths) + 1)


def _widest(name: str, texts: Sequence[str]) -> int:
    return max(map(len, (name, *texts)))


def _divide(room: int, *, ids: int, statuses: int) -> tuple[int, int, bool]:
    """Return the widths of id and status, and whether there is room for bars.

    The status is whole if it can be; the id may be shortened; the bar comes last.
    """
    room = max(room, 2 * _SHORTEST)
    for_status = min(statuses, room - min(ids, _SHORTEST))
    for_id = min(ids, room - for_status)
    left = room - for_status - for_id
    return for_id, for_status, left >= _BAR_WIDTH + _GAP


def shorten_id(job_id: str, width: int) -> str:
    """Shorten an id in the middle: its beginning and its end tell jobs apart."""
    if len(job_id) <= width:
        return job_id
    end = (width - 1) // 2
    return f"{job_id[: width - 1 - end]}…{job_id[-end:]}"


def _describe(line: JobLine) -> str:
    if not line.silence:
        return line.description
    word = "" if line.status is JobStatus.UNKNOWN else f"{line.status.value}, "
    return f"{word}{line.silence}"


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _draw_bar(line: JobLine, style: str) -> ProgressBar | Text:
    """Return a bar of the delivered fraction; empty if it is not known."""
    fraction = _fraction(line)
    if fraction is None:
        return Text()
    return ProgressBar(
        1.0, fraction, style="dim", complete_style=style or "bar.complete"
    )


def _fraction(line: JobLine) -> float | None:
    return None if line.snapshot is None else line.snapshot.fraction


_FIGURES: dict[str, Callable[[JobLine], str]] = {
    "Delivered": lambda line: line.amount,
    "Rate": lambda line: line.rate,
    "ETA": lambda line: line.eta,
    "Credits": lambda line: line.credits,
}
