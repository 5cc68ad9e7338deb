"""A row is paid for: whatever it looks like, nothing of it is lost."""

import logging
from collections.abc import Mapping
from typing import Any, cast

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import Company, InvalidResponseError
from openfunnel_async._protocol import codec as _codec
from openfunnel_async._protocol.codec import check_rows, companies

FIELDS = [field.name for field in attrs.fields(Company) if field.name != "extra"]
TEXTS = [
    "name",
    "domain",
    "linkedin_url",
    "headquarters",
    "match_reason",
    "funding_stage",
    "hq_city",
    "hq_region",
    "hq_country",
    "description",
    "tagline",
]
WHOLES = ["employee_count", "revenue_usd", "linkedin_follower_count"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
# Values as the service sends them, and a few that it should not.
USUAL: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(TEXTS, st.none() | st.text()),
    **dict.fromkeys(WHOLES, st.none() | st.integers()),
    "rerank_score": st.none() | st.floats(allow_nan=False) | st.integers(),
    "industries": st.none() | st.lists(st.text()),
}
ROWS = st.dictionaries(st.sampled_from([*FIELDS, "extra"]) | st.text(), JSON)


@pytest.fixture(autouse=True)
def nothing_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_codec, "_warned", set[str]())


def company(row: dict[str, Any]) -> Company:
    """Build one company; the row, which would become its storage, is copied."""
    (built,) = companies([dict(row)])
    return built


def as_texts(value: object) -> tuple[str, ...] | None:
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    texts = [item for item in items if isinstance(item, str)]
    return tuple(texts) if len(texts) == len(items) else None


def by_constructor(row: dict[str, Any]) -> Company:
    """Build a company the slow way: value by value, by the constructor."""
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in row.items():
        if value is None and key in FIELDS:
            continue
        if key == "industries" and (texts := as_texts(value)) is not None:
            fields[key] = texts
        elif (
            (key in TEXTS and type(value) is str)
            or (key in WHOLES and type(value) is int)
            or (key == "rerank_score" and type(value) in {int, float})
        ):
            fields[key] = value
        else:
            extra[key] = value
    return Company(**fields, extra=extra)


@st.composite
def pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw rows of mostly the same keys, with mostly expected types."""
    keys = draw(st.lists(st.sampled_from(FIELDS), unique=True))
    rows = draw(st.lists(st.fixed_dictionaries({key: USUAL[key] for key in keys})))
    for row in rows:
        match draw(st.sampled_from(["as it is"] * 4 + ["odd", "new key", "less"])):
            case "odd" if keys:
                row[draw(st.sampled_from(keys))] = draw(JSON)
            case "new key":
                row[draw(st.sampled_from([*FIELDS, "extra", "eta"]))] = draw(JSON)
            case "less" if keys:
                row.pop(draw(st.sampled_from(keys)), None)
            case _:
                pass
    return rows


def of_one_type(value: object) -> object:
    """Show the type with the value, for 1 == 1.0 == True in Python."""
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        return (isinstance(value, list), [of_one_type(item) for item in items])
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {key: of_one_type(item) for key, item in pairs}
    return (type(value), value)


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_every_value_of_any_object_is_in_its_field_or_in_extra(
    row: dict[str, Any],
) -> None:
    """Caught: `extra[key] = value` only for keys that are not fields."""
    built = company(row)
    for key, value in row.items():
        kept = built.extra if key in built.extra else attrs.asdict(built)
        found: object = kept[key]
        if isinstance(found, tuple):
            found = list(cast("tuple[object, ...]", found))
        assert of_one_type(found) == of_one_type(value)
    assert set(built.extra) <= set(row)


@settings(deadline=None, max_examples=300)
@given(pages())
def test_a_page_is_read_as_its_rows_by_the_constructor(
    rows: list[dict[str, Any]],
) -> None:
    """Caught: a column checked without its lists' items, or without a row's own key."""
    expected = [vars(by_constructor(row)) for row in rows]
    built = [attrs.asdict(one, recurse=False) for one in companies(rows)]
    assert of_one_type(built) == of_one_type(expected)


def test_a_row_is_the_storage_of_its_company() -> None:
    """Caught: a copy of each row, a sixth of the memory of collected rows."""
    rows: list[dict[str, Any]] = [
        {"name": "A", "industries": ["a"]},
        {"name": "B", "industries": None},
    ]
    for row, built in zip(rows, companies(rows), strict=True):
        assert vars(built) is row


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_no_field_holds_what_its_type_does_not_allow(row: dict[str, Any]) -> None:
    built = company(row)
    for name in TEXTS:
        assert type(getattr(built, name)) in {str, type(None)}
    for name in WHOLES:
        assert type(getattr(built, name)) in {int, type(None)}
    assert type(built.rerank_score) in {float, int, type(None)}
    assert type(built.industries) in {tuple, type(None)}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [0, 1.5, True, [], {}, ["a"]])
def test_a_text_field_takes_text_only(name: str, value: object) -> None:
    built = company({name: value})
    assert getattr(built, name) is None
    assert built.extra == {name: value}


@pytest.mark.parametrize("name", WHOLES)
@pytest.mark.parametrize("value", ["5", 5.0, True, False, [], {}])
def test_a_whole_number_field_takes_whole_numbers_only(
    name: str, value: object
) -> None:
    built = company({name: value})
    assert getattr(built, name) is None
    assert built.extra == {name: value}


@pytest.mark.parametrize("value", ["a", ["a", None], ["a", 1], {"a": 1}, True])
def test_industries_take_a_list_of_texts_only(value: object) -> None:
    built = company({"industries": value})
    assert built.industries is None
    assert built.extra == {"industries": value}


def test_the_text_none_and_the_lack_of_text_stay_apart() -> None:
    assert company({"name": "None"}).name == "None"
    assert company({"name": None}) == Company()
    assert company({"domain": ""}).domain == ""


def test_an_unknown_key_goes_to_extra_also_with_null() -> None:
    built = company({"company_size": "11-50", "eta": None, "extra": {"extra": 1}})
    assert built.extra == {
        "company_size": "11-50",
        "eta": None,
        "extra": {"extra": 1},
    }


def test_rows_of_every_script_are_read_as_they_are() -> None:
    row: dict[str, Any] = {
        "name": "株式会社テスト",
        "headquarters": "서울",
        "tagline": "a\nb 🎙",
    }
    assert company(row) == Company(**row)


def test_an_unexpected_type_is_logged_once_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        for row in ({"name": 5_550_123}, {"name": 5_550_124}, {"domain": 5_550_125}):
            company(row)
    messages = caplog.messages
    assert len(messages) == 2
    assert ["name" in messages[0], "domain" in messages[1]] == [True, True]
    assert "555" not in caplog.text


def test_an_unknown_key_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        company({"company_size": "11-50"})
    assert caplog.messages == []


@pytest.mark.parametrize("row", [None, "row", 5, [], True])
def test_a_row_that_is_no_object_says_where(row: object) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        check_rows([{}, {}, {}, row])
    assert caught.value.path == "$.rows[3]"
    assert "$.rows[3] must be an object" in str(caught.value)


def test_a_company_is_a_value() -> None:
    one, same = company({"name": "A", "x": [1]}), company({"name": "A", "x": [1]})
    assert one == same
    assert hash(one) == hash(same)
    assert one != company({"name": "A", "x": [2]})
