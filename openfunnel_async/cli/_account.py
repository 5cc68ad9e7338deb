"""``balance`` and ``estimate``: what there is, and what a search may take of it."""

from openfunnel_async.cli._exits import Exit
from openfunnel_async.cli._jobs import asked
from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.cli._search import SearchFlags, exposure, worst_case
from openfunnel_async.cli._settings import Service


def balance(*, service: Service = Service()) -> Exit:  # noqa: B008 -- frozen
    """Tell the account's credits, which is free."""
    voice = Voice(json=service.json)
    credits_ = asked(service.account(), lambda client: client.credit_balance())
    numbers = (credits_.credits_left, credits_.credits_used, credits_.total_credits)
    width = max(len(amount(number)) for number in numbers)
    lines = (
        f"{amount(number):>{width}} credits {what}"
        for number, what in zip(numbers, ("left", "used", "in all"), strict=True)
    )
    voice.result(
        "balance",
        "\n".join(lines),
        total_credits=credits_.total_credits,
        credits_used=credits_.credits_used,
        credits_left=credits_.credits_left,
    )
    return Exit.OK


def estimate(
    *,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Hold a search's worst case against the account's credits; starts nothing.

    Free. Ends with 5 where the account does not cover it.
    """
    voice, search = Voice(json=service.json), flags.search()
    credits_ = asked(service.account(), lambda client: client.credit_balance())
    worst, left = worst_case(search), credits_.credits_left
    covered = worst <= left
    verdict = "which covers it" if covered else "which does NOT cover it"
    voice.result(
        "estimate",
        f"The search may bill {exposure(search)}.\n"
        f"The account has {amount(left)} credits left, {verdict}.",
        worst_case_credits=worst,
        limit=search.limit,
        credits_left=left,
        covered=covered,
    )
    return Exit.OK if covered else Exit.BUDGET
