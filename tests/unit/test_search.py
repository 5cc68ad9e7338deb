"""What a search refuses before anything is sent."""

from typing import Any

import attrs
import pytest

from openfunnel_async import ConfigurationError, LookalikeSearch

NOT_LIMITS: list[object] = [0, -1, 10_001, True, False, 1.5, 5.0, "5", [5]]
NOT_COUNTS: list[object] = [-1, True, 1.5, "5"]


def refused(**fields: Any) -> str:
    """Return the message with which a search of these fields is refused."""
    with pytest.raises(ConfigurationError) as caught:
        LookalikeSearch(**fields)
    return str(caught.value)


def test_neither_query_nor_seeds() -> None:
    assert "query" in refused()
    assert "seed_domains" in refused(limit=5)
    assert "seed_domains" in refused(seed_domains=())


@pytest.mark.parametrize("query", ["", " ", "\t\n", "x" * 201, 7, b"voice", ["voice"]])
def test_a_query_that_is_no_text_of_1_to_200_characters(query: object) -> None:
    message = refused(query=query)
    assert message.startswith("query must be text of 1 to 200 characters")


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
    assert message == "seed_domains must hold 1 to 10 domains"


def test_ten_seeds_are_taken() -> None:
    seeds = [f"c{n}.example" for n in range(10)]
    assert LookalikeSearch(seed_domains=seeds).seed_domains == tuple(seeds)


@pytest.mark.parametrize("name", ["seed_domains", "funding_stages", "locations"])
@pytest.mark.parametrize("value", ["DEU", b"DEU", 5, {"DEU": 1}, {"DEU"}, iter("DEU")])
def test_texts_that_are_not_a_list_or_tuple(name: str, value: object) -> None:
    message = refused(**{"query": "voice", name: value})
    assert message == f"{name} must be a list or tuple of texts"


@pytest.mark.parametrize("name", ["seed_domains", "funding_stages", "locations"])
@pytest.mark.parametrize("item", ["", "  ", 5, None, "x" * 501])
def test_a_list_with_something_that_is_not_text(name: str, item: object) -> None:
    message = refused(**{"query": "voice", name: ["fine", item]})
    assert message.startswith(f"each of {name} must be text of 1 to 500 characters")


@pytest.mark.parametrize("limit", NOT_LIMITS)
def test_a_limit_that_is_no_whole_number_from_1_to_10_000(limit: object) -> None:
    message = refused(query="voice", limit=limit)
    assert message == "limit must be a whole number from 1 to 10,000, or left out"


@pytest.mark.parametrize("limit", [1, 10_000])
def test_both_ends_of_the_limit_are_taken(limit: int) -> None:
    assert LookalikeSearch(query="voice", limit=limit).limit == limit


@pytest.mark.parametrize("name", ["min_employees", "max_employees"])
@pytest.mark.parametrize("value", NOT_COUNTS)
def test_employees_that_are_no_whole_number_from_0(name: str, value: object) -> None:
    message = refused(query="voice", **{name: value})
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
