"""Show the demo: a table on a terminal, else lines of text or objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openfunnel_async.cli._output.text import format_amount

if TYPE_CHECKING:
    from openfunnel_async.cli._commands.demo.scenario import DemoJob
    from openfunnel_async.cli._output.printer import Printer
    from openfunnel_async.sandbox import Sandbox

Report = Callable[["DemoJob", str], None]
"""Called with a job and with what happened to it."""

INTRODUCTION = (
    "Three searches against a local sandbox: no key, no real credits.\n"
    "The seconds are the sandbox's; its time runs fast."
)
_STYLES = {"cancelled": "magenta", "completed": "green", "failed": "red"}


@contextmanager
def show(
    sandbox: Sandbox, jobs: Sequence[DemoJob], printer: Printer
) -> Generator[Report, None, None]:
    """Show jobs while the body runs; yields what shows a single event."""
    console = Console(file=sys.stdout)
    # Asked of the stream: FORCE_COLOR does not make a terminal of a pipe.
    if sys.stdout.isatty() and not (printer.json or console.is_dumb_terminal):
        console.print(INTRODUCTION)
        draw = partial(draw_table, sandbox, jobs)
        with Live(console=console, get_renderable=draw):
            yield lambda _job, _text: None
        return
    if not printer.json:
        printer.print_result("", f"{INTRODUCTION}\n")
    yield partial(_print_line, sandbox, printer)


def _print_line(sandbox: Sandbox, printer: Printer, job: DemoJob, text: str) -> None:
    printer.print_result(
        "progress",
        f"{sandbox.now:>4.0f} s  {job.name}  {text}",
        job_id=job.job.id,
        status=str(job.job.status),
        delivered=len(job.rows),
        limit=job.limit,
        credits_so_far=len(job.rows) if job.billed is None else job.billed,
        note=text,
        sandbox_seconds=round(sandbox.now, 1),
    )
    if not printer.stdout_is_open:
        raise BrokenPipeError


def draw_table(sandbox: Sandbox, jobs: Sequence[DemoJob]) -> Group:
    """Draw the jobs, their notes and the time."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "Search", "Status"):
        table.add_column(name, no_wrap=True)
    for name in ("Rows read", "Credits"):
        table.add_column(name, justify="right", no_wrap=True)
    for job in jobs:
        rows = f"{format_amount(len(job.rows))}/{format_amount(job.limit)}"
        status = Text(job.job.status, _STYLES.get(job.job.status, "cyan"))
        table.add_row(job.name, job.title, status, rows, _describe_credits(job))
    notes = [
        Text(f"{job.name}  {job.note}", no_wrap=True, overflow="ellipsis")
        for job in jobs
    ]
    time = Text(f"   {sandbox.now:.0f} s of the sandbox's time", "dim")
    return Group(table, *notes, time)


def _describe_credits(job: DemoJob) -> str:
    if job.billed is not None:
        return f"{format_amount(job.billed)} billed"
    return f"{format_amount(len(job.rows))} so far" if job.rows else "not known"
