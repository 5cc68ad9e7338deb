"""How many credits a search can bill."""

from openfunnel_async import CREDITS_PER_COMPANY, MAX_LIMIT, LookalikeSearch
from openfunnel_async.cli._output.text import format_amount


def worst_case(search: LookalikeSearch) -> int:
    """Return the most credits that a search can bill.

    A search without a limit can deliver as much as the service allows.
    """
    return companies_at_most(search) * CREDITS_PER_COMPANY


def companies_at_most(search: LookalikeSearch) -> int:
    """Return the most companies that a search can deliver."""
    return MAX_LIMIT if search.limit is None else search.limit


def describe_worst_case(search: LookalikeSearch) -> str:
    """Describe the most that a search can bill."""
    most = f"up to {format_amount(worst_case(search))} credits"
    if search.limit is None:
        return (
            f"{most} (no --limit: the service's own limit of {MAX_LIMIT:,} companies)"
        )
    return f"{most}, one for each company"
