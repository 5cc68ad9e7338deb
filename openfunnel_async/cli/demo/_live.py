"""The story as a table that changes in place, for a terminal."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

import attrs
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from openfunnel_async.cli._say import amount
from openfunnel_async.cli.demo._part import Part, Stage
from openfunnel_async.cli.demo._screen import INTRODUCTION

_WIDEST = 100
_ROOM_FOR_A_BAR = 72
_STYLES = {
    "running": "cyan",
    "cancelling": "yellow",
    "cancelled": "magenta",
    "completed": "green",
    "failed": "red",
}


@attrs.define(eq=False, kw_only=True)
class LiveScreen:
    """A table that is drawn anew whenever something happened.

    Attributes:
        console: The terminal.
        now: Tells the sandbox's time.
    """

    console: Console
    now: Callable[[], float]
    _parts: Sequence[Part] = attrs.field(init=False, default=())
    _live: Live = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Drawn by hand: a thread that draws by itself could not be held against
        # the sandbox's time.
        self._live = Live(
            console=self.console, auto_refresh=False, get_renderable=self._draw
        )

    @contextmanager
    def showing(self, parts: Sequence[Part]) -> Generator[None, None, None]:
        """Keep the table on the terminal, and leave its last state there."""
        self._parts = parts
        for line in INTRODUCTION:
            self.console.print(f" {line}", style="dim", highlight=False)
        with self._live:
            yield

    def said(self, part: Part) -> None:  # noqa: ARG002 -- all parts are drawn
        """Draw the note."""
        self._live.refresh()

    def handed(self, part: Part) -> None:
        """Leave the row to the next drawing; dozens come at once."""

    def ticked(self) -> None:
        """Draw what has come since."""
        self._live.refresh()

    def sum_up(self, lines: Iterable[tuple[str, str, str]], last: str) -> None:
        """Print the numbers in a column."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column()
        table.add_column(justify="right", style="bold")
        table.add_column(style="dim")
        for line in lines:
            table.add_row(*line)
        self.console.print(Padding(table, (0, 0, 0, 1)))
        self.console.print(f"\n {last}", highlight=False, markup=False, soft_wrap=True)

    def _draw(self) -> RenderableType:
        """Draw the table, under it what is being done about each job, and the time."""
        minutes, seconds = divmod(int(self.now()), 60)
        clock = Text(f"    {minutes}:{seconds:02} by the sandbox's clock\n", "dim")
        return Group(self._table(), *map(_note, self._parts), clock)

    def _table(self) -> Table:
        width = min(self.console.width, _WIDEST)
        bar_width = max(10, width - 70) if width >= _ROOM_FOR_A_BAR else 0
        table = Table(box=box.SIMPLE_HEAD, width=width, pad_edge=False)
        table.add_column("", width=1, style="bold")
        table.add_column("Search", ratio=1, no_wrap=True)
        table.add_column("Status", width=10, no_wrap=True)
        if bar_width:
            table.add_column("", width=bar_width, no_wrap=True)
        table.add_column("Rows read", justify="right", width=9, no_wrap=True)
        table.add_column("Credits", justify="right", width=12, no_wrap=True)
        for part in self._parts:
            bar = [self._bar(part, bar_width)] if bar_width else []
            amounts = (_rows(part), _credits(part))
            table.add_row(part.name, part.title, _status(part), *bar, *amounts)
        return table

    def _bar(self, part: Part, width: int) -> Text:
        full, rest = ("#", ".") if self.console.options.ascii_only else ("━", "·")
        filled = width * len(part.rows) // part.limit
        text = Text()
        text.append(full * filled, style=_STYLES.get(part.job.status, ""))
        return text.append(rest * (width - filled), style="dim")


def _note(part: Part) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {part.name}  ", "bold")
    return text.append(part.note, "" if part.stage is Stage.DONE else "dim")


def _status(part: Part) -> Text:
    return Text(part.job.status, style=_STYLES.get(part.job.status, ""))


def _rows(part: Part) -> str:
    return f"{amount(len(part.rows))}/{amount(part.limit)}"


def _credits(part: Part) -> str:
    """Tell the bill, or what the rows read will be on it."""
    if part.billed is not None:
        return f"{amount(part.billed)} billed"
    if part.stage in {Stage.ALONE, Stage.STOPPING} and not part.rows:
        return "not known"
    return f"{amount(len(part.rows))} so far"
