"""The body of a submit, checked against contract/openapi.yaml as FastAPI does."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import cast

import attrs

from openfunnel_async.sandbox._service.messages import Issue, SandboxRequest

LIMIT_WHEN_NONE_IS_SENT = 100
"""The contract has no default; a small one makes a mistake cheap."""

STAGES = frozenset(
    ["Pre-Seed", "Seed", "Acquired", "Private", "Public"]
    + [f"Series {letter}" for letter in "ABCDEFGH"]
)


@attrs.frozen(kw_only=True)
class Search:
    """The fields of a search that have an effect.

    Attributes:
        query: The text, if any.
        seed_domains: The domains of example companies, if any.
        limit: The most companies to deliver.
        min_employees: The fewest employees, inclusive.
        max_employees: The most employees, inclusive.
        locations: Countries as alpha-3 codes, or ``EU``; empty for anywhere.
    """

    query: str | None
    seed_domains: tuple[str, ...]
    limit: int
    min_employees: int | None
    max_employees: int | None
    locations: tuple[str, ...]


def read_json(request: SandboxRequest) -> object | Issue:
    """Parse the body of a request, or return its issue."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if not request.body:
        return Issue(type="missing", loc=("body",), msg="Field required")
    if media_type.lower() != "application/json":
        text = request.body.decode("utf-8", "replace")
        return _not_an_object(text)
    try:
        return cast(
            "object",
            json.loads(request.body, parse_constant=_refuse, parse_float=_parse_float),
        )
    except (ValueError, RecursionError):
        return Issue(
            type="json_invalid", loc=("body", 0), msg="JSON decode error", input={}
        )


def read_object(request: SandboxRequest) -> Mapping[str, object] | Issue:
    """Parse a body that must be a JSON object, or return its issue."""
    content = read_json(request)
    if isinstance(content, dict):
        return cast("Mapping[str, object]", content)
    return content if isinstance(content, Issue) else _not_an_object(content)


def read_search(request: SandboxRequest) -> Search | tuple[Issue, ...]:
    """Make a search from the body of a submit, or return all its issues."""
    body = read_object(request)
    if isinstance(body, Issue):
        return (body,)
    issues = tuple(_issues(body))
    return issues or _search(body)


def text_issues(
    body: Mapping[str, object], name: str, *, most: int | None = None
) -> Iterator[Issue]:
    """Check that a field exists and is text of at most ``most`` characters."""
    if name not in body:
        yield Issue(
            type="missing", loc=("body", name), msg="Field required", input=dict(body)
        )
        return
    yield from _text_issues(body[name], ("body", name), most=most)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _parse_float(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else cast("float", _refuse(number))


def _not_an_object(content: object) -> Issue:
    return Issue(
        type="model_attributes_type",
        loc=("body",),
        msg="Input should be a valid dictionary or object to extract fields from",
        input=content,
    )


def _search(body: Mapping[str, object]) -> Search:
    """Make a search from valid values; JSON integers may be written as floats."""
    return Search(
        query=cast("str | None", body.get("query")),
        seed_domains=_strings(body.get("seed_domains")),
        limit=_integer(body.get("limit")) or LIMIT_WHEN_NONE_IS_SENT,
        min_employees=_integer(body.get("min_employees")),
        max_employees=_integer(body.get("max_employees")),
        locations=_strings(body.get("locations")),
    )


def _integer(value: object) -> int | None:
    return None if value is None else int(cast("float", value))


def _strings(value: object) -> tuple[str, ...]:
    return tuple(cast("list[str]", value or []))


def _issues(body: Mapping[str, object]) -> Iterator[Issue]:
    """Check the fields in the order of contract/openapi.yaml."""
    if body.get("query") is None and not body.get("seed_domains"):
        yield Issue(
            type="value_error",
            loc=("body",),
            msg="Value error, give at least one of query and seed_domains",
            input=dict(body),
        )
    if body.get("query") is not None:
        yield from _text_issues(body["query"], ("body", "query"), least=1, most=200)
    yield from _list_issues(body, "seed_domains", most=10)
    if "limit" in body:
        yield from _integer_issues(body, "limit", least=1, most=10_000)
    for name in ("min_employees", "max_employees"):
        if body.get(name) is not None:
            yield from _integer_issues(body, name, least=0)
    yield from _stage_issues(body)
    yield from _list_issues(body, "locations")
    if body.get("search_type") not in (None, "semantic", "agentic"):
        yield _enum_issue(("body", "search_type"), body["search_type"])


def _text_issues(
    value: object, loc: tuple[str | int, ...], *, least: int = 0, most: int | None
) -> Iterator[Issue]:
    if not isinstance(value, str):
        msg = "Input should be a valid string"
        yield Issue(type="string_type", loc=loc, msg=msg, input=value)
    elif len(value) < least:
        msg = f"String should have at least {least} character"
        yield Issue(type="string_too_short", loc=loc, msg=msg, input=value)
    elif most is not None and len(value) > most:
        msg = f"String should have at most {most} characters"
        yield Issue(type="string_too_long", loc=loc, msg=msg, input=value)
    elif any("\ud800" <= character <= "\udfff" for character in value):
        msg = "Input should be a valid string, unable to parse raw data as unicode"
        yield Issue(type="string_unicode", loc=loc, msg=msg, input=value)


def _list_issues(
    body: Mapping[str, object], name: str, *, most: int | None = None
) -> Iterator[Issue]:
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        msg = "Input should be a valid list"
        yield Issue(type="list_type", loc=("body", name), msg=msg, input=value)
        return
    items = cast("list[object]", value)
    if most is not None and len(items) > most:
        msg = f"List should have at most {most} items, not {len(items)}"
        yield Issue(type="too_long", loc=("body", name), msg=msg, input=items)
    for index, item in enumerate(items):
        yield from _text_issues(item, ("body", name, index), most=None)


def _stage_issues(body: Mapping[str, object]) -> Iterator[Issue]:
    issues = tuple(_list_issues(body, "funding_stages"))
    yield from issues
    if issues:
        return
    for index, stage in enumerate(_strings(body.get("funding_stages"))):
        if stage not in STAGES:
            yield _enum_issue(("body", "funding_stages", index), stage)


def _enum_issue(loc: tuple[str | int, ...], value: object) -> Issue:
    msg = "Input should be one of the documented words"
    return Issue(type="enum", loc=loc, msg=msg, input=value)


def _integer_issues(
    body: Mapping[str, object], name: str, *, least: int, most: int | None = None
) -> Iterator[Issue]:
    value, loc = body[name], ("body", name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = "Input should be a valid integer"
        yield Issue(type="int_type", loc=loc, msg=msg, input=value)
    elif isinstance(value, float) and not value.is_integer():
        msg = "Input should be a valid integer, got a number with a fractional part"
        yield Issue(type="int_from_float", loc=loc, msg=msg, input=value)
    else:
        yield from range_issues(value, loc, least=least, most=most)


def range_issues(
    value: float, loc: tuple[str | int, ...], *, least: int, most: int | None
) -> Iterator[Issue]:
    """Check that a number is in a range, both ends included."""
    if value < least:
        msg = f"Input should be greater than or equal to {least}"
        yield Issue(type="greater_than_equal", loc=loc, msg=msg, input=value)
    elif most is not None and value > most:
        msg = f"Input should be less than or equal to {most}"
        yield Issue(type="less_than_equal", loc=loc, msg=msg, input=value)
