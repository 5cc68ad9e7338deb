"""``demo``: run the scenario, write the companies and compare the bills."""

import contextlib
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from openfunnel_async import BulkResult, MergedResults, export, merge_results
from openfunnel_async.cli._commands.demo import scenario
from openfunnel_async.cli._commands.demo.display import show
from openfunnel_async.cli._commands.demo.scenario import DemoJob
from openfunnel_async.cli._commands.output_file import Overwrite, check_output
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.cli._settings import Json
from openfunnel_async.errors import OpenFunnelError
from openfunnel_async.sandbox import Ledger


def run_demo(
    *,
    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"),
            help="The file for the companies; companies.csv in a new folder, "
            "openfunnel-demo, by default.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> ExitCode:
    """Run three jobs at the same time against a local sandbox, for free.

    Takes about ten seconds, and needs no key, no account and no network. One job
    completes, one is cancelled when there are enough rows, and one has already ended
    when it is cancelled. The rows are the same on every run.
    """
    printer = Printer(json=json)
    if output is not None:
        check_output(output, None, overwrite=overwrite)
        return _play(output, printer, overwrite=overwrite)
    folder = _make_folder()
    try:
        return _play(folder / "companies.csv", printer)
    finally:
        # Fails, as it should, for a folder that has the companies.
        with contextlib.suppress(OSError):
            folder.rmdir()


def _make_folder() -> Path:
    """Make a new folder in the current one.

    Raises:
        CommandError: It cannot be made.
    """
    for number in itertools.count(1):
        folder = Path("openfunnel-demo" + (f"-{number}" if number > 1 else ""))
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise CommandError(f"cannot make {folder}: {error.strerror}") from None
        return folder
    raise AssertionError("numbers do not end")


def _play(output: Path, printer: Printer, *, overwrite: bool = False) -> ExitCode:
    code = ExitCode.FAILED
    try:
        code = play_and_write(output, printer, overwrite=overwrite)
    except* BrokenPipeError:
        pass  # stdout has failed; the exit code reports it.
    except* (OpenFunnelError, OSError) as group:
        text = f"the demo failed: {group.exceptions[0]}"
        printer.print_error(text, code=int(ExitCode.FAILED))
    return code


def play_and_write(
    output: Path, printer: Printer, *, overwrite: bool = False
) -> ExitCode:
    """Run the scenario and write its companies.

    Returns:
        The exit code: 1 if the client's numbers differ from the sandbox's ledger.

    Raises:
        ExceptionGroup: Of ``OpenFunnelError``, if a job did not end as planned.
        OSError: The file could not be written.
    """
    sandbox, jobs = scenario.make_sandbox(), list[DemoJob]()
    with show(sandbox, jobs, printer) as report:
        play = partial(scenario.play, sandbox, jobs, report, pause=scenario.PAUSE)
        credits_used = anyio.run(play)
    merged = merge_rows(jobs)
    titles = [job.title for job in jobs]
    export.write(merged, output, searches=titles, overwrite=overwrite)
    differences = find_differences(jobs, credits_used, sandbox.ledger)
    printer.print_result(
        "demo",
        summarize(jobs, merged, output, agrees=not differences),
        jobs=len(jobs),
        delivered=sum(len(job.rows) for job in jobs),
        companies=len(merged.companies),
        credits_used=_add_bills(jobs),
        credits_saved=_add_savings(jobs),
        agrees=not differences,
        path=str(output),
    )
    if differences:
        text = f"the bills differ: {'; '.join(differences)}"
        printer.print_error(text, code=int(ExitCode.FAILED))
    return ExitCode.FAILED if differences else ExitCode.OK


def merge_rows(jobs: Sequence[DemoJob]) -> MergedResults:
    """Return each company once, in the order of the jobs and of their rows."""
    return merge_results(
        BulkResult(status=job.job.status, rows=tuple(job.rows), manifest=None)
        for job in jobs
    )


def summarize(
    jobs: Sequence[DemoJob], merged: MergedResults, output: Path, *, agrees: bool
) -> str:
    """Describe the numbers of all jobs, each with a remark."""
    companies = merged.companies
    shared = sum(len(company.found_by) > 1 for company in companies)
    equals = "equals" if agrees else "is NOT what is in"
    lines = (
        ("Delivered", sum(len(job.rows) for job in jobs), f"by {len(jobs)} jobs"),
        ("Unique companies", len(companies), f"{shared} found by more than one search"),
        ("Credits used", _add_bills(jobs), f"{equals} the sandbox's ledger"),
        ("Credits saved", _add_savings(jobs), "not billed: the cancelled rest"),
    )
    numbers = [
        f"{name:<18}{format_amount(number):>7}  {remark}"
        for name, number, remark in lines
    ]
    last = f"{format_amount(len(companies))} companies are in {output}"
    return "\n".join(["", *numbers, "", last])


def _add_bills(jobs: Sequence[DemoJob]) -> float:
    return sum(job.billed or 0.0 for job in jobs)


def _add_savings(jobs: Sequence[DemoJob]) -> float:
    receipts = (job.receipt for job in jobs)
    return sum(receipt.credits_avoided or 0.0 for receipt in receipts if receipt)


def find_differences(
    jobs: Sequence[DemoJob], credits_used: float, ledger: Ledger
) -> list[str]:
    """Compare the client's numbers with the ledger: each job, and the total."""
    booked = {bill.job_id: (bill.companies, bill.credits) for bill in ledger.entries}
    read = {job.job.id: (len(job.rows), job.billed) for job in jobs}
    differences = [
        f"job {job_id}: the client has {read.get(job_id)}, "
        f"the ledger {booked.get(job_id)} (companies, credits)"
        for job_id in read | booked
        if read.get(job_id) != booked.get(job_id)
    ]
    if credits_used != ledger.used:
        balance, booked_total = format_amount(credits_used), format_amount(ledger.used)
        differences.append(f"the balance has {balance}, the ledger {booked_total}")
    return differences
