"""A search as the Book keeps it: canonical JSON, and a key that is made from it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from openfunnel_async._values.search import (
    CREDITS_PER_COMPANY,
    LookalikeSearch,
)

_DIGITS = 10


class PlannedSearch(NamedTuple):
    """A search that is to be written into the Book.

    Attributes:
        key: Its key.
        request: Its canonical JSON.
        exposure: The most credits that it can bill; None without a limit.
        label: The caller's own name for it.
    """

    key: str
    request: str
    exposure: float | None
    label: str | None = None


def write_request(search: LookalikeSearch) -> str:
    """Return the search as canonical JSON: equal searches give equal texts.

    Fields that are not set are left out, so that a field of a later version does not
    change the text of today's searches.
    """
    fields = {
        name: value for name, value in search.to_dict().items() if value or value == 0
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_request(request: str) -> LookalikeSearch:
    """Return the search of a canonical JSON."""
    return LookalikeSearch(**json.loads(request))


def find_exposure(search: LookalikeSearch) -> float | None:
    """Return the most credits that a search can bill; None without a limit."""
    return None if search.limit is None else float(search.limit * CREDITS_PER_COMPANY)


def plan_one(key: str, search: LookalikeSearch) -> PlannedSearch:
    """Return the planned search with a key of the caller's own."""
    return PlannedSearch(key, write_request(search), find_exposure(search))


def plan_searches(
    batch: str, searches: Iterable[LookalikeSearch], labels: Iterable[str | None]
) -> list[PlannedSearch]:
    """Return the searches of a batch with their keys.

    A key is made from the batch and the request, so the same list gives the same keys
    in any order. A search that is in the list twice is two searches: the second key
    ends in ``-2``.
    """
    seen: Counter[str] = Counter()
    planned: list[PlannedSearch] = []
    for search, label in zip(searches, labels, strict=True):
        one = plan_one("", search)
        digest = hashlib.sha256(one.request.encode()).hexdigest()[:_DIGITS]
        seen[digest] += 1
        number = f"-{seen[digest]}" if seen[digest] > 1 else ""
        planned.append(one._replace(key=f"{batch}/{digest}{number}", label=label))
    return planned
