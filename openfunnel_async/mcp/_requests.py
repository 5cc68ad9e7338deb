"""A search that a model asks for: normalised, so that the same one has one name."""

import hashlib
import json
from collections.abc import Iterable

import attrs

from openfunnel_async import LookalikeSearch

PREFIX = "mcp-"
_DIGITS = 12


def normalise(search: LookalikeSearch) -> LookalikeSearch:
    """Return the search as it is sent.

    A model that repeats a request may change spaces, the order of a list, or the
    capitals of a domain; none of them is another request.
    """
    query = None if search.query is None else " ".join(search.query.split())
    return attrs.evolve(
        search,
        query=query,
        seed_domains=_sort(domain.lower() for domain in search.seed_domains),
        funding_stages=_sort(search.funding_stages),
        locations=_sort(place.upper() for place in search.locations),
    )


def name_job(search: LookalikeSearch) -> str:
    """Return the name of the batch that has this normalised search alone."""
    fields = {
        name: value for name, value in search.to_dict().items() if value or value == 0
    }
    text = json.dumps(fields, sort_keys=True)
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def _sort(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text.strip() for text in texts}))
