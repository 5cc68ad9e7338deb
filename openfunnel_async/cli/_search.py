"""The flags that describe a search, and what it may cost at most."""

from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import LookalikeSearch
from openfunnel_async._values.search import CREDITS_PER_COMPANY, MAX_LIMIT
from openfunnel_async.cli._exits import CommandError
from openfunnel_async.cli._say import amount
from openfunnel_async.errors import ConfigurationError


def _several(*names: str, text: str) -> Parameter:
    return Parameter(name=names, consume_multiple=True, help=f"{text} Repeatable.")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class SearchFlags:
    """What to look for."""

    query: Annotated[
        str | None,
        Parameter(name=("--query", "-q"), help="What the companies do, in words."),
    ] = None
    seed_domains: Annotated[
        tuple[str, ...],
        _several(
            "--seed-domain", text="A domain of a company to look like, up to ten."
        ),
    ] = ()
    limit: Annotated[
        int | None,
        Parameter(
            name=("--limit", "-n"),
            help="The most companies to deliver: the hard cap of the bill.",
        ),
    ] = None
    min_employees: Annotated[
        int | None, Parameter(help="Fewest employees, included.")
    ] = None
    max_employees: Annotated[
        int | None, Parameter(help="Most employees, included.")
    ] = None
    funding_stages: Annotated[
        tuple[str, ...], _several("--funding-stage", text='Such as Seed or "Series A".')
    ] = ()
    locations: Annotated[
        tuple[str, ...],
        _several("--location", text="Headquarters: ISO 3166-1 alpha-3, or EU."),
    ] = ()
    search_type: Annotated[
        str | None,
        Parameter(help="semantic or agentic; the service's choice if not set."),
    ] = None

    def search(self) -> LookalikeSearch:
        """Build the search.

        Raises:
            CommandError: It cannot be right.
        """
        try:
            return LookalikeSearch(**attrs.asdict(self, recurse=False))
        except ConfigurationError as error:
            raise CommandError(_in_flags(str(error))) from None


_NAMES = {
    "seed_domains": "--seed-domain",
    "funding_stages": "--funding-stage",
    "locations": "--location",
    "min_employees": "--min-employees",
    "max_employees": "--max-employees",
    "search_type": "--search-type",
    "limit": "--limit",
    "query": "--query",
}


def _in_flags(text: str) -> str:
    """Call the fields what the command line calls them."""
    words = text.split(" ")
    spelled = (word.rstrip(",") for word in words)
    named = [
        word.replace(bare, _NAMES.get(bare, bare))
        for word, bare in zip(words, spelled, strict=True)
    ]
    return " ".join(named)


def worst_case(search: LookalikeSearch) -> int:
    """Return the most credits that a search can bill.

    Without a limit it is not known; the service's own limit stands for it.
    """
    companies = MAX_LIMIT if search.limit is None else search.limit
    return companies * CREDITS_PER_COMPANY


def exposure(search: LookalikeSearch) -> str:
    """Say the most that a search can bill."""
    most = f"up to {amount(worst_case(search))} credits"
    if search.limit is None:
        return (
            f"{most} (no --limit: the service's own limit of {MAX_LIMIT:,} companies)"
        )
    return f"{most}, one a company"
