"""Companies nobody has heard of, the same ones for the same seed.

The population has no end: company n is drawn from the seed and n alone. A search
takes three of ten as it walks along, so two searches of one sandbox share some.
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
    """What a filter needs to know of a company, and the draws that are left."""

    rng: Random
    number: int
    employees: int | None
    place: vocabulary.Place

    @property
    def stem(self) -> str:
        """Name the company's pages, like no other company's."""
        word = vocabulary.STEMS[self.number % len(vocabulary.STEMS)].lower()
        return f"{word}-{self.number:x}"


@attrs.define(eq=False, kw_only=True)
class FoundCompanies:
    """The companies of one job in their order, drawn when they are looked at.

    Attributes:
        seed: The sandbox's seed.
        numbers: Which companies of the population.
        topic: What the search was about, for the reasons.
        shape: Six documented keys a row, or the sixteen seen live.
    """

    seed: str
    numbers: Sequence[int]
    topic: str
    shape: RowShape
    _drawn: dict[int, Row] = attrs.field(init=False, factory=dict[int, Row])

    def __len__(self) -> int:
        """Count the companies found."""
        return len(self.numbers)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from ``start`` up to, not including, ``stop``."""
        return [self._row(number) for number in self.numbers[start:stop]]

    def _row(self, number: int) -> Row:
        row = self._drawn.get(number)
        if row is None:
            draft = _draft_company(self.seed, number)
            row = _six(draft, self.topic)
            if self.shape == "sixteen":
                row |= _ten_more(draft)
            self._drawn[number] = row
        return row


def find_companies(search: Search, *, seed: str, shape: RowShape) -> FoundCompanies:
    """Find the companies of a search: those its filters let through, to its limit.

    Funding stages and the search type change nothing here. A company of unknown
    size matches no bound on the size.
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
        too_many = math.inf if most is None else most
        if draft.employees is None or not least <= draft.employees <= too_many:
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


def _six(draft: _Draft, topic: str) -> Row:
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
    """Draw a host: 5.5 % have none, and a few share their group's."""
    draw = draft.rng.random()
    if draw < 0.055:
        return ""
    if draw < 0.0725:
        return draft.rng.choice(vocabulary.GROUP_DOMAINS)
    return f"{sketch.stem}.example"


def _linkedin_url(draft: _Draft) -> str:
    raw = "société-" if draft.rng.random() < 0.01 else ""
    return f"https://www.linkedin.com/company/{raw}{sketch.stem}-sandbox"


def _headquarters(draft: _Draft) -> str | None:
    draw = draft.rng.random()
    if draw < 0.12:
        return None
    if draw < 0.2:
        return draft.place.country
    return f"{sketch.place.city}, {sketch.place.country}"


def _match_reason(rng: Random, topic: str) -> str | None:
    if rng.random() < 0.01:
        return None
    opening = f'Close to "{topic[:60]}" in what it sells and to whom it sells. '
    return (opening + " ".join(rng.sample(vocabulary.REASONS, rng.randint(2, 4))))[:306]


def _ten_more(draft: _Draft) -> Row:
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
    """Blank seven texts of a hundred, most of them as null."""
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
