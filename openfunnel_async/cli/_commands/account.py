"""``balance`` and ``estimate``: the credits left, and what a search can bill."""

from openfunnel_async import CreditBalance
from openfunnel_async.cli._commands.search_flags import SearchFlags
from openfunnel_async.cli._output.credits import describe_worst_case, worst_case
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount
from openfunnel_async.cli._settings import ServiceFlags


def print_balance(*, service: ServiceFlags = ServiceFlags()) -> ExitCode:  # noqa: B008 -- frozen
    """Print the account's credits, for free."""
    balance = _read_balance(service)
    numbers = (balance.credits_left, balance.credits_used, balance.total_credits)
    width = max(len(format_amount(number)) for number in numbers)
    lines = (
        f"{format_amount(number):>{width}} credits {what}"
        for number, what in zip(numbers, ("left", "used", "in total"), strict=True)
    )
    Printer(json=service.json).print_result(
        "balance",
        "\n".join(lines),
        total_credits=balance.total_credits,
        credits_used=balance.credits_used,
        credits_left=balance.credits_left,
    )
    return ExitCode.OK


def print_estimate(
    *,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    service: ServiceFlags = ServiceFlags(),  # noqa: B008 -- frozen
) -> ExitCode:
    """Compare a search's worst case with the account's credits; starts nothing.

    Free. Ends with 5 if the credits do not cover it.
    """
    search = flags.build_search()
    worst, left = worst_case(search), _read_balance(service).credits_left
    covered = worst <= left
    verdict = "which covers it" if covered else "which does NOT cover it"
    Printer(json=service.json).print_result(
        "estimate",
        f"The search can bill {describe_worst_case(search)}.\n"
        f"The account has {format_amount(left)} credits left, {verdict}.",
        worst_case_credits=worst,
        limit=search.limit,
        credits_left=left,
        covered=covered,
    )
    return ExitCode.OK if covered else ExitCode.BUDGET


def _read_balance(service: ServiceFlags) -> CreditBalance:
    return service.find_account().call(lambda client: client.credit_balance())
