"""The lines of a notebook: HTML in one output that is replaced, without widgets."""

import sys
from collections.abc import Collection, Iterable
from html import escape
from typing import Any, Protocol, cast

from openfunnel_async.progress._line import JobLine

_MOST_LINES = 10


class DisplayHandle(Protocol):
    """What IPython returns for an output that can be replaced."""

    def update(self, obj: object) -> object:
        """Replace the output."""


def is_notebook() -> bool:
    """Whether this program runs in the kernel of a notebook; imports nothing."""
    ipython: Any = sys.modules.get("IPython")
    find_shell = getattr(ipython, "get_ipython", None)
    # IPython on a terminal has a shell, and no kernel.
    return callable(find_shell) and getattr(find_shell(), "kernel", None) is not None


def display(shown: object) -> DisplayHandle:
    """Show an object with ``_repr_html_``, and return the handle that replaces it."""
    ipython: Any = sys.modules["IPython"]
    return cast("DisplayHandle", ipython.display.display(shown, display_id=True))


class NotebookLines:
    """The lines of jobs as a notebook shows them, the running ones first."""

    def __init__(self, lines: Collection[JobLine]) -> None:
        self._lines = lines
        self._handle: DisplayHandle | None = None

    def write(self) -> None:
        """Show the lines, in place of those that were shown before."""
        if self._handle is None:
            self._handle = display(self)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        texts = [line.format_text() for line in self._shown()]
        return "\n".join([*texts, *self._rest()])

    def _repr_html_(self) -> str:
        texts = [*map(_line, self._shown()), *map(escape, self._rest())]
        return "".join(
            f'<div style="white-space: pre-wrap">{text}</div>' for text in texts
        )

    def _shown(self) -> list[JobLine]:
        first = sorted(self._lines, key=lambda line: line.status.is_terminal)
        return first[:_MOST_LINES]

    def _rest(self) -> Iterable[str]:
        left = len(self._lines) - _MOST_LINES
        return [f"and {left:,} more jobs"] if left > 0 else []


def _line(line: JobLine) -> str:
    fraction = None if line.snapshot is None else line.snapshot.fraction
    bar = "" if fraction is None else f'<progress value="{fraction:.3f}"></progress> '
    return bar + escape(line.format_text())
