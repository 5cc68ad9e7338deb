"""Before a command spends: the worst case is shown, and somebody agrees to it."""

import sys
from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import LookalikeSearch
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.cli._search import exposure, worst_case


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Consent:
    """What was agreed to beforehand."""

    max_credits: Annotated[
        float | None,
        Parameter(
            help="Refuse a search that may bill more, before anything is sent. "
            "Agrees to one that does not."
        ),
    ] = None
    yes: Annotated[
        bool,
        Parameter(name=("--yes", "-y"), help="Agree to the worst case unasked."),
    ] = False

    def check(self) -> None:
        """Refuse a cap that cannot be one.

        Raises:
            CommandError: It is not a number of at least 0.
        """
        most = self.max_credits
        if most is not None and not 0 <= most < float("inf"):
            raise CommandError("--max-credits must be a number of at least 0")

    def obtain(self, search: LookalikeSearch, voice: Voice) -> None:
        """See to it that somebody has agreed to the search's worst case.

        Raises:
            CommandError: It is over the cap, or nobody agreed. Nothing was sent.
        """
        worst = worst_case(search)
        if self.max_credits is not None and worst > self.max_credits:
            text = (
                f"this search may bill {exposure(search)}; --max-credits allows "
                f"{amount(self.max_credits)}. Nothing was sent; lower --limit"
            )
            raise CommandError(
                text,
                Exit.BUDGET,
                worst_case_credits=worst,
                max_credits=self.max_credits,
            )
        voice.hint(f"This search may bill {exposure(search)}.")
        if not self.yes and self.max_credits is None:
            _ask(voice)


def _ask(voice: Voice) -> None:
    if voice.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            "nobody is there to agree to this search's worst case: give --yes, or "
            "--max-credits with a cap. Nothing was sent"
        )
    sys.stderr.write("Submit it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError("not submitted; nothing was sent", Exit.FAILED)
