"""Before a command spends: it prints the worst case, and the user agrees to it."""

from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import CREDITS_PER_COMPANY, LookalikeSearch
from openfunnel_async.cli._output.credits import describe_worst_case, worst_case
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.prompts import can_ask, is_agreed
from openfunnel_async.cli._output.text import format_amount


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class ConsentFlags:
    """What the user agrees to on the command line."""

    max_credits: Annotated[
        float | None,
        Parameter(
            help="Refuse a search that can bill more, before anything is sent. "
            "Agrees to any other."
        ),
    ] = None
    yes: Annotated[
        bool,
        Parameter(
            name=("--yes", "-y"), help="Agree to the worst case without a question."
        ),
    ] = False

    def check_cap(self) -> None:
        """Refuse an invalid cap.

        Raises:
            CommandError: It is not a number of at least 0.
        """
        cap = self.max_credits
        if cap is not None and not 0 <= cap < float("inf"):
            raise CommandError("--max-credits must be a number of at least 0")

    def obtain(self, search: LookalikeSearch, printer: Printer) -> None:
        """Return only if the user has agreed to the search's worst case.

        Raises:
            CommandError: It exceeds the cap, or nobody agreed. Nothing was sent.
        """
        self.check_sum(search)
        printer.print_hint(f"This search can bill {describe_worst_case(search)}.")
        if not self.yes and self.max_credits is None:
            _ask(printer)

    def check_sum(self, search: LookalikeSearch, sample: int = 0) -> None:
        """Refuse a search that can bill more than the cap, its sample included.

        Raises:
            CommandError: It exceeds the cap. Nothing was sent.
        """
        worst = worst_case(search) + sample * CREDITS_PER_COMPANY
        if self.max_credits is None or worst <= self.max_credits:
            return
        with_sample = f", and its sample {format_amount(sample)}" if sample else ""
        raise CommandError(
            f"this search can bill {describe_worst_case(search)}{with_sample}; "
            f"--max-credits allows {format_amount(self.max_credits)}. Nothing was "
            "sent; lower --limit",
            ExitCode.BUDGET,
            worst_case_credits=worst,
            max_credits=self.max_credits,
        )


def _ask(printer: Printer) -> None:
    if not can_ask(printer):
        raise CommandError(
            "agree to this search's worst case with --yes, or set a cap with "
            "--max-credits. Nothing was sent"
        )
    if not is_agreed("Submit it?", printer):
        raise CommandError("not submitted; nothing was sent", ExitCode.FAILED)
