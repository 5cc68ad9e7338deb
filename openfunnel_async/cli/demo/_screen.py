"""Who is told of the story; here in plain lines, for a log or a pipe."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import attrs

from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.cli.demo._part import Part

INTRODUCTION = (
    "Three searches against a sandbox of their own: no key, no real credits.",
    "Its time runs fast: the seconds shown are the sandbox's.",
)
_ROWS_A_LINE = 100


class Screen(Protocol):
    """Shows the story while it is played."""

    def showing(self, parts: Sequence[Part]) -> AbstractContextManager[None]:
        """Be there from the submits to the end."""
        ...

    def said(self, part: Part) -> None:
        """Show a part's new note."""
        ...

    def handed(self, part: Part) -> None:
        """Show that a part has one row more."""
        ...

    def ticked(self) -> None:
        """Show that time has moved."""
        ...

    def sum_up(self, lines: Iterable[tuple[str, str, str]], last: str) -> None:
        """Show the numbers at the end, and a last sentence."""
        ...


@attrs.frozen(kw_only=True)
class PlainScreen:
    """A line for each thing that happens, without any control codes.

    Attributes:
        now: Tells the sandbox's time.
    """

    now: Callable[[], float]

    @contextmanager
    def showing(self, parts: Sequence[Part]) -> Generator[None, None, None]:
        """Introduce the story and its jobs."""
        _print(*INTRODUCTION, "")
        for part in parts:
            limit = amount(part.limit)
            self._tell(part, f'submitted: "{part.title}", at most {limit} companies')
        yield

    def said(self, part: Part) -> None:
        """Print the note."""
        self._tell(part, part.note)

    def handed(self, part: Part) -> None:
        """Print every hundredth row's number."""
        rows = len(part.rows)
        if rows % _ROWS_A_LINE == 0:
            self._tell(part, f"{amount(rows)} of {amount(part.limit)} rows")

    def ticked(self) -> None:
        """Print nothing: time alone is no news."""

    def sum_up(self, lines: Iterable[tuple[str, str, str]], last: str) -> None:
        """Print the numbers in a column."""
        _print("", *(f"{what:<18}{number:>7}  {why}" for what, number, why in lines))
        _print("", last)

    def _tell(self, part: Part, text: str) -> None:
        _print(f"{self.now():>4.0f} s  {part.name}  {text}")


@attrs.frozen(kw_only=True)
class ObjectScreen:
    """An object for each thing that happens, for a program.

    Attributes:
        voice: Prints them.
        now: Tells the sandbox's time.
    """

    voice: Voice
    now: Callable[[], float]

    @contextmanager
    def showing(self, parts: Sequence[Part]) -> Generator[None, None, None]:
        """Tell the jobs."""
        for part in parts:
            self._tell(part, "submitted")
        yield

    def said(self, part: Part) -> None:
        """Tell the note."""
        self._tell(part, part.note)

    def handed(self, part: Part) -> None:
        """Tell every hundredth row's number."""
        if len(part.rows) % _ROWS_A_LINE == 0:
            self._tell(part, "")

    def ticked(self) -> None:
        """Tell nothing: time alone is no news."""

    def sum_up(self, lines: Iterable[tuple[str, str, str]], last: str) -> None:
        """Tell nothing: a program is told the numbers themselves."""

    def _tell(self, part: Part, note: str) -> None:
        self.voice.note(
            "progress",
            "",
            job_id=part.job.id,
            status=str(part.job.status),
            delivered=len(part.rows),
            limit=part.limit,
            credits_so_far=part.billed if part.billed is not None else len(part.rows),
            note=note,
            sandbox_seconds=round(self.now(), 1),
        )


def _print(*lines: str) -> None:
    # A log is read while it grows, and block buffering would keep it back.
    print(*lines, sep="\n", flush=True)
