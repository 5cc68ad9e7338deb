"""The flags that describe a search."""

from typing import Annotated

import attrs
from cyclopts import Parameter

from openfunnel_async import LookalikeSearch
from openfunnel_async.cli._output.exit_codes import CommandError
from openfunnel_async.cli._output.flag_names import replace_fields
from openfunnel_async.errors import ConfigurationError


def _repeatable(*names: str, text: str) -> Parameter:
    return Parameter(name=names, consume_multiple=True, help=f"{text} Repeatable.")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class SearchFlags:
    """The companies to search for."""

    query: Annotated[
        str | None,
        Parameter(name=("--query", "-q"), help="What the companies do, in words."),
    ] = None
    seed_domains: Annotated[
        tuple[str, ...],
        _repeatable(
            "--seed-domain", text="The domain of a similar company, up to ten."
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
        tuple[str, ...],
        _repeatable("--funding-stage", text='Such as Seed or "Series A".'),
    ] = ()
    locations: Annotated[
        tuple[str, ...],
        _repeatable("--location", text="Headquarters: ISO 3166-1 alpha-3, or EU."),
    ] = ()
    search_type: Annotated[
        str | None,
        Parameter(help="semantic or agentic; the service's choice if not set."),
    ] = None

    def build_search(self) -> LookalikeSearch:
        """Build the search.

        Raises:
            CommandError: It is invalid.
        """
        try:
            return LookalikeSearch(**attrs.asdict(self, recurse=False))
        except ConfigurationError as error:
            raise CommandError(replace_fields(str(error))) from None
