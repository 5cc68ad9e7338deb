"""``LookalikeSearch``, and the limits that it checks."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex

import attrs

from openfunnel_async._text import brief_repr, escaped
from openfunnel_async._values.checks import check_text, check_texts, check_whole
from openfunnel_async._values.json_form import Value
from openfunnel_async.errors import ConfigurationError

MAX_LIMIT = 10_000
"""The most companies that one search may ask for."""
CREDITS_PER_COMPANY = 1
"""The credits that the service bills for each delivered company."""
_MAX_QUERY = 200
_MAX_SEEDS = 10


def _seed_domains(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("seed_domains", value)


def _stages(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("funding_stages", value)


def _locations(value: Iterable[str] | None) -> tuple[str, ...]:
    return check_texts("locations", value)


def _limit(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("limit", value, 1, MAX_LIMIT)


def _min_employees(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("min_employees", value, 0)


def _max_employees(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("max_employees", value, 0)


def _own_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- for callers without types
        raise ConfigurationError("extra must be a mapping of fields to their values")
    return copy.deepcopy(dict(value))


@attrs.frozen(kw_only=True)
class LookalikeSearch(Value):
    """Describes the companies to search for; submitting it starts a billed job.

    Only what is certainly invalid is checked here, because the vendor's limits differ
    from its documentation. Vocabularies (funding stages, countries, search types) are
    passed on, and the service checks them. The source is docs/reference/contract.md,
    "Submit".

    Attributes:
        query: What the companies do, 1-200 characters. With ``seed_domains`` it is a
            condition that the similar companies must meet.
        seed_domains: 1-10 domains of companies; the search finds similar ones.
        limit: The most companies to deliver, 1-10,000: the hard cap of the bill, at one
            credit for each company.
        min_employees: Fewest employees, included.
        max_employees: Most employees, included.
        funding_stages: For example ``("Seed", "Series A")``.
        locations: Headquarters countries, ISO 3166-1 alpha-3, or ``"EU"``.
        search_type: ``"semantic"`` or ``"agentic"``; sent only when set.
        extra: Fields of the request that this version does not know, sent as they are.
            The service may ignore a field that it does not know, and bill all the same.

    Raises:
        ConfigurationError: There is neither a query nor a seed, the query is empty or
            too long, there are more than ten seeds, the limit is outside 1-10,000, or
            the minimum is above the maximum.
    """

    __module__ = "openfunnel_async"

    query: str | None = None
    seed_domains: tuple[str, ...] = attrs.field(default=(), converter=_seed_domains)
    limit: int | None = attrs.field(default=None, converter=_limit)
    min_employees: int | None = attrs.field(default=None, converter=_min_employees)
    max_employees: int | None = attrs.field(default=None, converter=_max_employees)
    funding_stages: tuple[str, ...] = attrs.field(default=(), converter=_stages)
    locations: tuple[str, ...] = attrs.field(default=(), converter=_locations)
    search_type: str | None = None
    extra: Mapping[str, Any] = attrs.field(
        factory=dict[str, Any], converter=_own_dict, hash=False
    )

    def __attrs_post_init__(self) -> None:
        if self.query is not None:
            check_text("query", self.query, _MAX_QUERY)
        elif not self.seed_domains:
            raise ConfigurationError("a search needs a query, seed_domains, or both")
        if len(self.seed_domains) > _MAX_SEEDS:
            msg = f"seed_domains must have 1 to {_MAX_SEEDS} domains"
            raise ConfigurationError(msg)
        if self.search_type is not None:
            check_text("search_type", self.search_type, 100)
        low, high = self.min_employees, self.max_employees
        if low is not None and high is not None and low > high:
            raise ConfigurationError("min_employees must not be above max_employees")
        self._check_extra()

    def _check_extra(self) -> None:
        known = {field.name for field in attrs.fields(LookalikeSearch)}
        for name in self.extra:
            check_text("each key of extra", name, 100)
            if name in known:
                msg = f"extra may not have {name!r}: pass it as the argument {name}"
                raise ConfigurationError(msg)
        try:
            json.dumps(self.extra, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as exc:
            msg = f"extra must be JSON: {escaped(str(exc), 200)}"
            raise ConfigurationError(msg) from None

    __repr__ = brief_repr
