"""Before a command spends: it prints the worst case, and the user agrees to it."""

import sys
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import LookalikeSearch
from openfunnel_async.cli._output.credits import describe_worst_case, worst_case
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
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
        worst = worst_case(search)
        if self.max_credits is not None and worst > self.max_credits:
            text = (
                f"this search can bill {describe_worst_case(search)}; --max-credits "
                f"allows {format_amount(self.max_credits)}. Nothing was sent; lower "
                "--limit"
            )
            raise CommandError(
                text,
                ExitCode.BUDGET,
                worst_case_credits=worst,
                max_credits=self.max_credits,
            )
        printer.print_hint(f"This search can bill {describe_worst_case(search)}.")
        if not self.yes and self.max_credits is None:
            _ask(printer)


def _ask(printer: Printer) -> None:
    if printer.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            "agree to this search's worst case with --yes, or set a cap with "
            "--max-credits. Nothing was sent"
        )
    sys.stderr.write("Submit it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError("not submitted; nothing was sent", ExitCode.FAILED)
