"""Reservations under a credit cap: pure arithmetic, no I/O.

A job may bill up to its limit, at one credit a company ("Money" in
docs/reference/contract.md), so that much is reserved before it is submitted. The bill
replaces the reservation when the manifest states it, and not before.
"""

import math
from collections.abc import Iterable

from openfunnel_async._values.checks import check_amount
from openfunnel_async._values.search import CREDITS_PER_COMPANY, LookalikeSearch
from openfunnel_async.errors import ConfigurationError, CreditCapError


def check_searches(
    searches: Iterable[LookalikeSearch], max_credits: object
) -> list[LookalikeSearch]:
    """Return the searches, if they can be run under the cap.

    Raises:
        ConfigurationError: Not a search, an invalid cap, or a search
            without a limit under a cap.
    """
    if not isinstance(searches, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("searches must be a list of LookalikeSearch values")
    wanted = list(searches)
    if not all(isinstance(search, LookalikeSearch) for search in wanted):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("searches must be LookalikeSearch values")
    if max_credits is None:
        return wanted
    check_amount("max_credits", max_credits)
    for place, search in enumerate(wanted):
        if search.limit is None:
            msg = (
                f"under max_credits every search needs a limit; searches[{place}] "
                "has none, so what it may bill is not known"
            )
            raise ConfigurationError(msg)
    return wanted


def worst_case(searches: list[LookalikeSearch], max_credits: float | None) -> float:
    """Return the most credits that the searches can bill together.

    Raises:
        ConfigurationError: A search without a limit has no worst case.
    """
    if any(search.limit is None for search in searches):
        msg = "check_balance needs a limit on every search; one has none"
        raise ConfigurationError(msg)
    worst = math.fsum(map(exposure, searches))
    return worst if max_credits is None else min(worst, float(max_credits))


def check_covered(worst: float, credits_left: float) -> None:
    """Refuse searches whose worst case the account does not cover.

    Raises:
        CreditCapError: It does not.
    """
    if worst > credits_left:
        msg = (
            f"the searches may bill {worst:g} credits and the account has "
            f"{credits_left:g} left; nothing was sent"
        )
        raise CreditCapError(msg)


def exposure(search: LookalikeSearch) -> float:
    """Return the most credits a search can bill; it must have a limit."""
    return float((search.limit or 0) * CREDITS_PER_COMPANY)


class CreditCap:
    """What is spent and what may still be spent, checked against a cap.

    Args:
        most: Credits that may be spent in all; None for no cap.
    """

    def __init__(self, most: float | None) -> None:
        self._most = None if most is None else float(most)
        self._spent = 0.0
        self._reserved = 0.0

    def fits_now(self, amount: float) -> bool:
        """Whether the amount fits beside what is spent and reserved."""
        return self._most is None or (
            self._spent + self._reserved + amount <= self._most
        )

    def can_ever_fit(self, amount: float) -> bool:
        """Whether the amount would fit if every reservation were given back."""
        return self._most is None or self._spent + amount <= self._most

    def reserve(self, amount: float) -> None:
        """Reserve the amount."""
        self._reserved += amount

    def release(self, amount: float) -> None:
        """Give a reservation back: nothing was started for it."""
        self._reserved -= amount

    def replace_by_bill(self, amount: float, billed: float | None) -> None:
        """Replace a reservation by the bill; by itself where no bill is known."""
        self._reserved -= amount
        # A refund is no room: what the cap allows is spent by jobs, not earned.
        self._spent += amount if billed is None else max(0.0, billed)
