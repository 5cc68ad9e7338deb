"""Made-up companies, the same ones for the same seed.

There are infinitely many: company n depends on the seed and n only. A search finds
three of ten, so two searches of one sandbox share some companies.
"""

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal

import attrs

from openfunnel_async.sandbox._service import vocabulary
from openfunnel_async.sandbox._service.search import Search

Row = dict[str, object]
RowShape = Literal["six", "sixteen"]

_SHARE_FOUND = 0.3
_MOST_FILTERED = 40_000
_MOST_EMPLOYEES = 152_642
_MOST_REVENUE = 29_938_000_000


@attrs.frozen(kw_only=True)
class _Draft:
    """The part of a company that filters read, and the generator of the rest."""

    rng: Random
    number: int
    employees: int | None
    place: vocabulary.Place

    @property
    def stem(self) -> str:
        """Return a name for URLs that no other company has."""
        word = vocabulary.STEMS[self.number % len(vocabulary.STEMS)].lower()
        return f"{word}-{self.number:x}"


@attrs.define(eq=False, kw_only=True)
class FoundCompanies:
    """The companies of one job in their order; each is made when it is first read.

    Attributes:
        seed: The sandbox's seed.
        numbers: The numbers of the companies.
        topic: The subject of the search, for the match reasons.
        shape: Whether a row has the six documented keys or the sixteen observed ones.
    """

    seed: str
    numbers: Sequence[int]
    topic: str
    shape: RowShape
    _made: dict[int, Row] = attrs.field(init=False, factory=dict[int, Row])

    def __len__(self) -> int:
        """Return the number of companies found."""
        return len(self.numbers)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from ``start`` up to, not including, ``stop``."""
        return [self._row(number) for number in self.numbers[start:stop]]

    def _row(self, number: int) -> Row:
        row = self._made.get(number)
        if row is None:
            draft = _draft_company(self.seed, number)
            row = _six_keys(draft, self.topic)
            if self.shape == "sixteen":
                row |= _ten_further_keys(draft)
            self._made[number] = row
        return row


def find_companies(search: Search, *, seed: str, shape: RowShape) -> FoundCompanies:
    """Find the companies that match a search's filters, up to its limit.

    Funding stages and the search type have no effect. A company of unknown size does
    not match a filter on the size.
    """
    topic = search.query or ", ".join(search.seed_domains)
    rng = Random(f"{seed}/search/{search.query}/{'/'.join(search.seed_domains)}")
    found = list(_numbers(search, seed, rng))
    rng.shuffle(found)
    return FoundCompanies(seed=seed, numbers=found, topic=topic, shape=shape)


def _numbers(search: Search, seed: str, rng: Random) -> Iterator[int]:
    filtered = (search.min_employees, search.max_employees, search.locations) != (
        None, None, (),
    )  # fmt: skip
    found = number = 0
    while found < search.limit and not (filtered and number > _MOST_FILTERED):
        number += 1
        if rng.random() >= _SHARE_FOUND:
            continue
        if filtered and not _matches(_draft_company(seed, number), search):
            continue
        found += 1
        yield number


def _matches(draft: _Draft, search: Search) -> bool:
    least = search.min_employees or 0
    most = search.max_employees
    if (search.min_employees, most) != (None, None):
        upper = math.inf if most is None else most
        if draft.employees is None or not least <= draft.employees <= upper:
            return False
    code = draft.place.code
    return (
        not search.locations
        or code in search.locations
        or ("EU" in search.locations and code in vocabulary.EU)
    )


def _draft_company(seed: str, number: int) -> _Draft:
    rng = Random(f"{seed}/company/{number}")
    size = min(_MOST_EMPLOYEES, int(rng.lognormvariate(4.0, 2.0)))
    employees = None if rng.random() < 0.067 else size
    place = rng.choice(vocabulary.PLACES)
    return _Draft(rng=rng, number=number, employees=employees, place=place)


def _six_keys(draft: _Draft, topic: str) -> Row:
    rng = draft.rng
    return {
        "name": _name(rng),
        "domain": _domain(draft),
        "linkedin_url": _linkedin_url(draft),
        "headquarters": _headquarters(draft),
        "match_reason": _match_reason(rng, topic),
        "employee_count": draft.employees,
    }


def _name(rng: Random) -> str:
    if rng.random() < 0.06:
        return rng.choice(vocabulary.WHOLE_NAMES)
    words = f"{rng.choice(vocabulary.FIRST)} {rng.choice(vocabulary.SECOND)}"
    return words + rng.choice(vocabulary.SUFFIXES)


def _domain(draft: _Draft) -> str:
    """Draw a host: 5.5 % have none, and some share one with other companies."""
    draw = draft.rng.random()
    if draw < 0.055:
        return ""
    if draw < 0.0725:
        return draft.rng.choice(vocabulary.GROUP_DOMAINS)
    return f"{draft.stem}.example"


def _linkedin_url(draft: _Draft) -> str:
    raw = "société-" if draft.rng.random() < 0.01 else ""
    return f"https://www.linkedin.com/company/{raw}{draft.stem}-sandbox"


def _headquarters(draft: _Draft) -> str | None:
    draw = draft.rng.random()
    if draw < 0.12:
        return None
    if draw < 0.2:
        return draft.place.country
    return f"{draft.place.city}, {draft.place.country}"


def _match_reason(rng: Random, topic: str) -> str | None:
    if rng.random() < 0.01:
        return None
    opening = f'Close to "{topic[:60]}" in what it sells and to whom it sells. '
    return (opening + " ".join(rng.sample(vocabulary.REASONS, rng.randint(2, 4))))[:306]


def _ten_further_keys(draft: _Draft) -> Row:
    rng, place = draft.rng, draft.place
    revenue = min(_MOST_REVENUE, int(rng.lognormvariate(16, 2.5)) * 1000)
    return {
        "rerank_score": None,
        "funding_stage": _or_null(rng, 0.33, rng.choice(vocabulary.STAGES)),
        "revenue_usd": _or_null(rng, 0.7, revenue),
        "industries": _or_null(rng, 0.04, _industries(rng)),
        "hq_city": _or_null(rng, 0.2, place.city),
        "hq_region": _or_null(rng, 0.21, place.region),
        "hq_country": _or_null(rng, 0.19, place.country),
        "linkedin_follower_count": _or_null(rng, 0.05, int(rng.paretovariate(0.4))),
        "description": _or_empty(rng, _description(rng)),
        "tagline": _or_empty(rng, rng.choice(vocabulary.SENTENCES).strip()),
    }


def _or_null(rng: Random, share: float, value: object) -> object:
    return None if rng.random() < share else value


def _or_empty(rng: Random, text: str) -> str | None:
    """Replace 7 % of the texts: 5 % by null, 2 % by an empty text."""
    draw = rng.random()
    if draw < 0.05:
        return None
    return "" if draw < 0.07 else text


def _industries(rng: Random) -> list[str]:
    most = len(vocabulary.INDUSTRIES)
    return rng.sample(vocabulary.INDUSTRIES, min(16, most, int(rng.paretovariate(0.8))))


def _description(rng: Random) -> str:
    count = rng.randint(4, 34)
    return " ".join(rng.choice(vocabulary.SENTENCES) for _ in range(count))[
        :2240
    ].strip()
