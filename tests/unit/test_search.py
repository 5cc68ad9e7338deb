"""What a search refuses before anything is sent."""

from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest

from openfunnel_async import ConfigurationError, LookalikeSearch

NOT_WHOLE: list[tuple[object, str]] = [
    ("100", "not text: use int(...)"),
    (5.0, "not float: use int(...)"),
    (1.5, "not float: use int(...)"),
    (float("nan"), "not float: use int(...)"),
    (Fraction(5), "not Fraction: use int(...)"),
    (True, "not bool"),
    (False, "not bool"),
    ([5], "not list"),
    (b"5", "not bytes: use .decode()"),
]


class Count:
    """A whole number of another library, such as numpy's."""

    def __index__(self) -> int:
        return 50


class Array(Count):
    """An array of one number, which numpy also takes as an index."""

    def __int__(self) -> int:
        return 50

    def __len__(self) -> int:
        return 1


def refused(**fields: Any) -> str:
    """Return the message with which a search of these fields is refused."""
    with pytest.raises(ConfigurationError) as caught:
        LookalikeSearch(**fields)
    return str(caught.value)


def test_neither_query_nor_seeds() -> None:
    assert "query" in refused()
    assert "seed_domains" in refused(limit=5)
    assert "seed_domains" in refused(seed_domains=())


@pytest.mark.parametrize("query", ["", " ", "\t\n", "x" * 201])
def test_a_query_that_is_no_text_of_1_to_200_characters(query: object) -> None:
    message = refused(query=query)
    assert message.startswith("query must be text of 1 to 200 characters")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (7, "not int"),
        (b"voice", "not bytes: use .decode()"),
        (Path("voice"), "Path: use str(...)"),
        (UUID(int=1), "not UUID: use str(...)"),
        (["voice"], "not list"),
    ],
)
def test_a_query_of_another_type_is_refused_in_words_that_help(
    query: object, words: str
) -> None:
    message = refused(query=query)
    assert message.startswith("query must be text of 1 to 200 characters, not ")
    assert message.endswith(words)


def test_a_bad_query_is_refused_beside_seeds_as_well() -> None:
    assert "query" in refused(query="", seed_domains=("a.example",))


def test_half_a_surrogate_pair() -> None:
    message = refused(query="voice \ud83d")
    assert message.startswith("query must be valid Unicode")
    assert "seed_domains" in refused(seed_domains=["\udc00.example"])


def test_a_query_of_200_characters_is_taken() -> None:
    assert LookalikeSearch(query="語" * 200).query == "語" * 200


def test_eleven_seeds() -> None:
    message = refused(seed_domains=[f"c{n}.example" for n in range(11)])
    assert message == "seed_domains must have 1 to 10 domains"


def test_ten_seeds_are_taken() -> None:
    seeds = [f"c{n}.example" for n in range(10)]
    assert LookalikeSearch(seed_domains=seeds).seed_domains == tuple(seeds)


@pytest.mark.parametrize("name", ["seed_domains", "funding_stages", "locations"])
@pytest.mark.parametrize("value", [b"DEU", 5, {"DEU": 1}, {"DEU"}, iter("DEU")])
def test_texts_that_are_not_a_list_or_tuple(name: str, value: object) -> None:
    message = refused(**{"query": "voice", name: value})
    kind = type(value).__name__
    assert message == (
        f"{name} must be a list or tuple of texts, not {kind}: use list(...)"
    )


@pytest.mark.parametrize("name", ["seed_domains", "funding_stages", "locations"])
def test_a_lone_text_is_no_list_of_its_letters(name: str) -> None:
    message = refused(**{"query": "voice", name: "DEU"})
    assert message == (
        f"{name} must be a list or tuple of texts; for one text pass [text]"
    )


@pytest.mark.parametrize("name", ["seed_domains", "funding_stages", "locations"])
@pytest.mark.parametrize("item", ["", "  ", 5, None, "x" * 501])
def test_a_list_with_something_that_is_not_text(name: str, item: object) -> None:
    message = refused(**{"query": "voice", name: ["fine", item]})
    assert message.startswith(f"each of {name} must be text of 1 to 500 characters")


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_limit_outside_1_to_10_000(limit: object) -> None:
    message = refused(query="voice", limit=limit)
    assert message == "limit must be a whole number from 1 to 10,000, or left out"


@pytest.mark.parametrize(("value", "words"), [*NOT_WHOLE, (Array(), "not Array")])
@pytest.mark.parametrize("name", ["limit", "min_employees", "max_employees"])
def test_what_is_no_whole_number_is_refused_in_words_that_help(
    name: str, value: object, words: str
) -> None:
    """Caught: `operator.index` alone, which takes an array of one number and True."""
    message = refused(query="voice", **{name: value})
    assert message.startswith(f"{name} must be a whole number ")
    assert message.endswith(f", {words}")


@pytest.mark.parametrize("name", ["limit", "min_employees", "max_employees"])
def test_a_whole_number_of_another_library_is_stored_as_an_int(name: str) -> None:
    fields: dict[str, Any] = {name: Count()}
    assert type(getattr(LookalikeSearch(query="voice", **fields), name)) is int


@pytest.mark.parametrize("limit", [1, 10_000])
def test_both_ends_of_the_limit_are_taken(limit: int) -> None:
    assert LookalikeSearch(query="voice", limit=limit).limit == limit


@pytest.mark.parametrize("name", ["min_employees", "max_employees"])
def test_a_number_of_employees_below_0(name: str) -> None:
    message = refused(query="voice", **{name: -1})
    assert message == f"{name} must be a whole number of at least 0, or left out"


def test_fewest_employees_above_most() -> None:
    message = refused(query="voice", min_employees=11, max_employees=10)
    assert message == "min_employees must not be above max_employees"


def test_fewest_and_most_employees_may_be_the_same() -> None:
    LookalikeSearch(query="voice", min_employees=0, max_employees=0)


@pytest.mark.parametrize("value", ["", 5])
def test_a_search_type_that_is_no_text(value: object) -> None:
    assert refused(query="voice", search_type=value).startswith("search_type must be")


def test_vocabularies_are_left_to_the_service() -> None:
    search = LookalikeSearch(
        query="voice",
        funding_stages=("Series Z",),
        locations=("Atlantis",),
        search_type="telepathic",
    )
    assert search.funding_stages == ("Series Z",)


def test_lists_become_tuples_and_none_no_texts() -> None:
    fields: dict[str, Any] = {"seed_domains": ["a.example"], "locations": None}
    search = LookalikeSearch(**fields)
    assert search.seed_domains == ("a.example",)
    assert search.locations == ()


def test_a_list_changed_afterwards_changes_nothing() -> None:
    stages = ["Seed"]
    fields: dict[str, Any] = {"funding_stages": stages}
    search = LookalikeSearch(query="voice", **fields)
    stages.append("Series A")
    assert search.funding_stages == ("Seed",)


def test_it_is_a_value() -> None:
    search = LookalikeSearch(query="voice", seed_domains=("a.example",), limit=5)
    assert {search, attrs.evolve(search)} == {search}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        search.limit = 6  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue] -- the point


def test_fields_go_by_name_only() -> None:
    with pytest.raises(TypeError):
        LookalikeSearch("voice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] -- the point
