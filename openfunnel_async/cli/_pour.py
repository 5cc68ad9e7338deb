"""Rows onto stdout, a line of JSON each, as they come."""

import sys
import unicodedata
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from openfunnel_async import BulkJob, Company
from openfunnel_async.cli._ctrl_c import Interrupts
from openfunnel_async.cli._exits import Exit, exit_of, facts_of
from openfunnel_async.cli._jobs import end_of
from openfunnel_async.cli._say import Voice, amount, mute
from openfunnel_async.errors import OpenFunnelError
from openfunnel_async.export._columns import choose, entries
from openfunnel_async.export._formats import writer

_write = writer(Path("rows.jsonl"))


async def pour(
    job: BulkJob,
    columns: Sequence[str] | None,
    voice: Voice,
    interrupts: Interrupts,
    *,
    follow: bool,
) -> Exit:
    """Print a job's rows; what is said meanwhile goes to stderr.

    Ctrl-C, also a second one, ends the printing and leaves the job as it is.
    """
    chosen = choose(columns)
    code = await interrupts.until(partial(_pour, job, chosen, voice, follow=follow))
    return interrupts.code if code is None else code


async def _pour(
    job: BulkJob, columns: Sequence[str], voice: Voice, *, follow: bool
) -> Exit:
    rows = 0
    try:
        async with job.rows(follow=follow) as stream:
            async for company in stream:
                _print(company, columns)
                rows += 1
    except BrokenPipeError:
        mute(sys.stdout)
        return Exit.FAILED
    except OpenFunnelError as error:
        voice.error(str(error), code=int(exit_of(error)), **facts_of(error))
        return exit_of(error)
    status = str(job.status)
    voice.note(
        "printed",
        f"{amount(rows)} companies; job {job.id} is {status}",
        job_id=job.id,
        rows=rows,
        status=status,
    )
    if job.snapshot is None or not job.is_terminal:
        return Exit.PARTIAL
    return end_of(job.snapshot)


def _print(company: Company, columns: Sequence[str]) -> None:
    line = BytesIO()
    _write(entries([company]), line, columns)
    text = line.getvalue().decode()
    if sys.stdout.isatty():
        # JSON escapes the control characters of ASCII, and leaves the others.
        text = "".join(s for s in text if s == "\n" or unicodedata.category(s) != "Cc")
    sys.stdout.write(text)
    sys.stdout.flush()
