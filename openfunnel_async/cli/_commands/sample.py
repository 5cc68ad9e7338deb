"""``run --sample``: buy some companies, show them, and ask before the rest."""

from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import BulkJob, LookalikeSearch
from openfunnel_async.cli._commands.book_flags import make_key
from openfunnel_async.cli._commands.consent import ConsentFlags
from openfunnel_async.cli._commands.purchase import Purchase
from openfunnel_async.cli._commands.where import Where, parse_where
from openfunnel_async.cli._interrupts import Interrupts, run_command
from openfunnel_async.cli._output.credits import companies_at_most, worst_case
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.prompts import can_ask, is_agreed
from openfunnel_async.cli._output.sample_table import Sample, print_sample
from openfunnel_async.cli._output.text import format_amount


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class SampleFlags:
    """How many companies to buy first, and what they should be like."""

    sample: Annotated[
        int | None,
        Parameter(
            help="Buy this number of companies first, show them and the price of the "
            "whole search, and ask. They are in a .sample file beside the output."
        ),
    ] = None
    where: Where = ()

    def check(self, search: LookalikeSearch) -> None:
        """Check the flags, before anything is sent.

        Raises:
            CommandError: A condition is invalid, or the sample is not a part of the
                search.
        """
        parse_where(self.where)
        if self.sample is None:
            if self.where:
                raise CommandError("--where needs --sample")
            return
        most = companies_at_most(search)
        if not 1 <= self.sample < most:
            raise CommandError(
                f"--sample must be at least 1 and below the limit of the search, "
                f"{format_amount(most)}"
            )

    def get_path(self, output: Path) -> Path:
        """Return the path of the sample's file."""
        return output.with_name(f"{output.stem}.sample{output.suffix}")

    def obtain_consent(
        self, search: LookalikeSearch, consent: ConsentFlags, printer: Printer
    ) -> None:
        """Return only if the sample may be bought; the flag itself agrees to its price.

        Raises:
            CommandError: Sample and search together exceed the cap. Nothing was sent.
        """
        count = self.sample or 0
        consent.check_sum(search, count)
        printer.print_hint(f"The sample can bill up to {format_amount(count)} credits.")


def buy_sample(purchase: Purchase, flags: SampleFlags, consent: ConsentFlags) -> None:
    """Buy the sample, show it, and return only if the whole search may be bought.

    Raises:
        CommandError: It may not, or the sample ended early; its file has what is
            billed. Nothing more was sent.
    """
    search = purchase.search
    small = attrs.evolve(
        purchase,
        search=attrs.evolve(search, limit=flags.sample),
        path=flags.get_path(purchase.path),
        enough=None,
        new_only=False,
        key=make_key(),
    )
    sample = run_command(partial(_buy, small, flags, worst_case(search)))
    if isinstance(sample, ExitCode):
        text = "the sample was not bought in full; the search was not submitted"
        raise CommandError(text, sample)
    print_sample(purchase.printer, sample)
    _ask(sample, consent, purchase.printer)


async def _buy(
    purchase: Purchase, flags: SampleFlags, rest: int, interrupts: Interrupts
) -> Sample | ExitCode:
    async with purchase.open_client() as client:
        job = await purchase.submit(client, interrupts)
        code = await purchase.export(job, interrupts)
        if code is not ExitCode.OK:
            return code
        return await _read_sample(job, purchase, flags, rest)


async def _read_sample(
    job: BulkJob, purchase: Purchase, flags: SampleFlags, rest: int
) -> Sample:
    """Read the rows once more, which is free."""
    async with job.rows(follow=False) as rows:
        companies = tuple([company async for company in rows])
    conditions = parse_where(flags.where)
    matches = tuple(
        all(condition.is_met_by(company) for condition in conditions)
        for company in companies
    )
    manifest = None if job.snapshot is None else job.snapshot.manifest
    return Sample(
        job_id=job.id,
        path=str(purchase.path.resolve()),
        companies=companies,
        matches=matches if conditions else None,
        rest=rest,
        credits_consumed=None if manifest is None else manifest.credits_consumed,
    )


def _ask(sample: Sample, consent: ConsentFlags, printer: Printer) -> None:
    """Return only if the user agrees to buy the whole search."""
    if consent.yes:
        if sample.matching == 0:
            raise _stop(sample, "no company of the sample matches --where")
        return
    if not can_ask(printer):
        raise _stop(sample, "without a terminal, the rest needs --yes")
    if not is_agreed("Buy the whole search?", printer):
        raise _stop(sample, "as you decided")


def _stop(sample: Sample, reason: str) -> CommandError:
    return CommandError(
        f"only the sample was bought, {reason}. Nothing more was sent",
        ExitCode.PARTIAL,
        job_id=sample.job_id,
        path=sample.path,
    )
