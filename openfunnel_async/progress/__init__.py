"""Show the progress of jobs: on a terminal, in a notebook, or as lines of a log.

    with Progress([job]) as show:
        await job.wait_until_terminal(on_progress=show)

``watch()`` does this for any number of jobs. Both need the extra ``cli`` (rich), except
in a notebook.
``Progress`` sends no request: it shows the last answers of the handles.

An unknown number is left out. The messages of the service are shown without their
control characters, and are never read as markup.
"""

import math
import sys
import threading
import time
from collections.abc import Iterable
from importlib.util import find_spec
from types import EllipsisType
from typing import TYPE_CHECKING, Self, TextIO

import anyio

from openfunnel_async import (
    BulkJob,
    Event,
    JobSnapshot,
    JobStatus,
    OutageBegan,
    OutageEnded,
    RetryPolicy,
)
from openfunnel_async.errors import ConfigurationError, OpenFunnelError
from openfunnel_async.progress._line import JobLine
from openfunnel_async.progress._notebook import NotebookLines, is_notebook

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

__all__ = ["Progress", "watch"]

_State = tuple[str, JobSnapshot | None, JobStatus, OpenFunnelError | None]


class Progress:
    """A context manager that shows jobs; it can be their ``on_progress``.

    On a terminal it draws a table in place, which updates itself and stays at the end.
    Jobs for which it has no room are counted in the line below it.
    In a notebook (Jupyter, VS Code, Colab) the output of the cell has a line for each
    of up to ten jobs. It is replaced when the status, the message or a number of a job
    has changed. Anywhere else it writes a line for each such change.

    Args:
        jobs: The handles to show. A snapshot of another job adds a line for it.
        file: The file to write to; by default the output of the cell in a notebook,
            and ``sys.stderr`` anywhere else.
        retry: The policy of the client, which limits an outage; see ``on_event()``.

    Raises:
        ConfigurationError: The extra ``cli`` is missing.
    """

    def __init__(
        self,
        jobs: Iterable[BulkJob] = (),
        *,
        file: TextIO | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
    ) -> None:
        self._in_notebook = file is None and is_notebook()
        if not self._in_notebook and find_spec("rich") is None:
            raise ConfigurationError(
                "progress needs rich: install the extra, openfunnel-async[cli]"
            )
        self._jobs = {job.id: job for job in jobs}
        self._lines = {job_id: JobLine(job_id=job_id) for job_id in self._jobs}
        self._notebook = NotebookLines(self._lines.values())
        self._file = sys.stderr if file is None else file
        self._longest_outage = retry.outage
        self._started_at = time.monotonic()
        self._has_ended = False
        self._terminal: Console | None = None
        self._live: Live | None = None
        # rich draws in another thread.
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if not self._in_notebook:
            self._find_terminal()
        self.refresh()
        if self._live is not None:
            self._live.start()
        return self

    def _find_terminal(self) -> None:
        from openfunnel_async.progress._table import create_live_table, find_terminal  # noqa: PLC0415 -- an extra

        self._terminal = find_terminal(self._file)
        if self._terminal is not None:
            self._live = create_live_table(self._terminal, self._draw)

    def __exit__(self, *_exc: object) -> None:
        self._has_ended = True
        self.refresh()
        if self._live is not None:
            self._live.stop()

    def __call__(self, snapshot: JobSnapshot) -> None:
        """Show a snapshot; add a line for a new job."""
        with self._lock:
            self._update([(snapshot.job_id, snapshot, snapshot.status, None)])

    def refresh(self) -> None:
        """Show the state of the handles; for programs that read rows or pages."""
        with self._lock:
            jobs = self._jobs.values()
            self._update((job.id, job.snapshot, job.status, job.error) for job in jobs)

    def on_event(self, event: Event) -> None:
        """Show the outages of the service; for ``OpenFunnel(on_event=)``.

        An outage is shown with the seconds for which the wait continues. Other events
        change nothing.
        """
        line = self._lines.get(event.job_id or "")
        if line is None or not isinstance(event, (OutageBegan, OutageEnded)):
            return
        with self._lock:
            began = isinstance(event, OutageBegan)
            line.outage_since = line.now() if began else None
            line.longest_outage = self._longest_outage
            self._update([(line.job_id, line.snapshot, line.status, line.error)])

    def _update(self, states: Iterable[_State]) -> None:
        changed: list[JobLine] = []
        for job_id, snapshot, status, error in states:
            line = self._lines.setdefault(job_id, JobLine(job_id=job_id))
            if line.update(snapshot, status, error):
                changed.append(line)
        if changed and self._in_notebook:
            self._notebook.write()
        elif self._terminal is None:
            self._write(changed)

    def _write(self, lines: Iterable[JobLine]) -> None:
        # The encoding of a pipe may not have every character.
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        for line in lines:
            text = f"{line.format_text()}\n".encode(encoding, "backslashreplace")
            self._file.write(text.decode(encoding))
            self._file.flush()

    def _draw(self) -> "Group":
        from openfunnel_async.progress._table import draw_screen  # noqa: PLC0415 -- an extra

        self.refresh()
        elapsed = time.monotonic() - self._started_at
        size = None if self._terminal is None else self._terminal.size
        with self._lock:
            return draw_screen(
                [*self._lines.values()],
                elapsed=elapsed,
                width=size.width if size else 0,
                # At the end nothing is drawn again, so all jobs may scroll by.
                height=size.height if size and not self._has_ended else None,
            )


def _check_timeout(timeout: object) -> None:
    if timeout is None or timeout is ...:
        return
    if not isinstance(timeout, (int, float)) or not 0 <= timeout < math.inf:
        msg = "timeout must be a finite number of seconds of at least 0, or None"
        raise ConfigurationError(msg)


async def watch(
    jobs: Iterable[BulkJob],
    *,
    timeout: float | EllipsisType | None = ...,  # noqa: ASYNC109 -- a total
    file: TextIO | None = None,
) -> dict[str, JobSnapshot | OpenFunnelError]:
    """Wait for jobs and show their progress.

    Args:
        jobs: The handles of the jobs.
        timeout: Total seconds; the client's ``wait_timeout`` by default, None for no
            limit.
        file: The file to write to; by default the output of the cell in a notebook,
            and ``sys.stderr`` anywhere else.

    Returns:
        For each job's id its terminal snapshot, or the error that ended its wait. The
        error is a ``WaitTimeoutError`` if the timeout passed.

    Raises:
        ConfigurationError: The extra ``cli`` is missing; the timeout is invalid.

    Cancellation: the jobs continue, and the handles stay usable.
    """
    _check_timeout(timeout)
    handles = tuple(jobs)
    outcomes: dict[str, JobSnapshot | OpenFunnelError] = {}

    async def wait(job: BulkJob) -> None:
        try:
            outcome = await job.wait_until_terminal(timeout=timeout, on_progress=show)
        except OpenFunnelError as exc:
            outcomes.setdefault(job.id, exc)
        else:
            outcomes[job.id] = outcome

    with Progress(handles, file=file) as show:
        async with anyio.create_task_group() as group:
            for job in handles:
                group.start_soon(wait, job)
    return {job.id: outcomes[job.id] for job in handles}
