"""Tables as people read them, in a terminal and in Markdown alike."""

from collections.abc import Collection, Mapping, Sequence

import attrs

STRAIGHT = 2.0


@attrs.frozen
class Goal:
    """A number to reach.

    Attributes:
        number: The most that is good, or the least.
        at_least: Whether more is better.
        why: What to say where it is missed: the reason as far as it is known.
    """

    number: float
    at_least: bool = False
    why: str = ""

    def is_missed(self, measured: float) -> bool:
        """Whether the number falls short of the goal."""
        return measured < self.number if self.at_least else measured > self.number

    def find_gap(self, measured: float) -> float:
        """Return how far a number falls short, in parts of the goal."""
        return abs(measured - self.number) / self.number

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.number:g}"


@attrs.frozen
class Figure:
    """One measured number and what is asked of it."""

    measured: float
    goal: Goal | None = None
    digits: int = 2

    def __str__(self) -> str:
        text = f"{self.measured:,.{self.digits}f}"
        missed = self.goal is not None and self.goal.is_missed(self.measured)
        if self.goal is None:
            return text
        return f"**{text} missed**" if missed else f"{text} reached"


Cell = str | Goal | Figure | None


@attrs.frozen
class Table:
    """A titled table.

    Attributes:
        title: Its heading.
        heads: The heads of the columns.
        rows: Cells; the first of each row names it.
        about: What was measured and how, in front of the table.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    about: str = ""

    def __str__(self) -> str:
        """Markdown, laid out so that it can be read as it is."""
        body = [[_text(cell) for cell in row] for row in self.rows]
        widths = [
            max(3, *(len(line[place]) for line in [self.heads, *body]))
            for place in range(len(self.heads))
        ]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [_line(row, widths) for row in [self.heads, rule, *body]]
        parts = [f"## {self.title}", self.about, "\n".join(lines), *self._missed()]
        return "\n\n".join(part for part in parts if part)

    def _missed(self) -> list[str]:
        """Say of each missed number why."""
        return [
            f"Missed by {cell.goal.find_gap(cell.measured):.0%}: {_text(row[0])} "
            f"({cell.measured:,.{cell.digits}f}, {cell.goal}). {cell.goal.why}".rstrip()
            for row in self.rows
            for cell in row
            if isinstance(cell, Figure)
            and cell.goal is not None
            and cell.goal.is_missed(cell.measured)
        ]


@attrs.frozen
class Tables:
    """The tables of a section."""

    tables: Sequence[Table]

    def __str__(self) -> str:
        """One below the other."""
        return "\n\n".join(map(str, self.tables))


def make_growth_rows(
    names: Mapping[str, str],
    found: Sequence[Mapping[str, float]],
    bounded: Collection[str],
    why: str,
) -> list[Sequence[Cell]]:
    """Make the rows of a table of growth, by which one sees a curve that bends.

    Args:
        names: What is measured, and its title.
        found: The numbers of each size, the smallest size first.
        bounded: What is to stay below twice its least at the smaller sizes.
        why: What to say where it does not.
    """
    rows: list[Sequence[Cell]] = []
    *smaller, largest = found
    for name, title in names.items():
        goal = None
        if name in bounded:
            least = min(numbers[name] for numbers in smaller)
            goal = Goal(float(f"{STRAIGHT * least:.3g}"), why=why)
        figures = [Figure(numbers[name]) for numbers in smaller]
        rows.append([title, *figures, Figure(largest[name], goal), goal])
    return rows


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]
    return f"| {' | '.join(padded)} |"
