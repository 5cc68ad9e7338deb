"""Rows as frozen attrs classes, as one writes them without an SDK.

Both clients read by aiohttp and the json of the standard library. One has cattrs build
the rows by its defaults, which coerce. The other refuses a value of a wrong type, by a
hook for rows; the hook is written by hand, because cattrs has no strict mode.
"""

import json
from types import NoneType
from typing import Any, Generic, TypeVar, cast

import aiohttp
import attrs
import cattrs

from tests.benchmarks.answers import WIDE, address
from tests.benchmarks.blocks import Call, Client


@attrs.frozen
class _Company:
    name: str | None = None
    domain: str | None = None
    linkedin_url: str | None = None
    headquarters: str | None = None
    match_reason: str | None = None
    employee_count: int | None = None


@attrs.frozen
class _WideCompany(_Company):
    rerank_score: float | None = None
    funding_stage: str | None = None
    revenue_usd: int | None = None
    industries: list[str] | None = None
    hq_city: str | None = None
    hq_region: str | None = None
    hq_country: str | None = None
    linkedin_follower_count: int | None = None
    description: str | None = None
    tagline: str | None = None


_Row = TypeVar("_Row", bound=_Company)


@attrs.frozen
class _Page(Generic[_Row]):
    job_id: str
    status: str
    rows: list[_Row]
    manifest: dict[str, Any] | None = None
    error_message: str | None = None
    page: str | None = None
    next_cursor: str | None = None
    processed: int | None = None
    progress_message: str | None = None


_OTHER_KINDS = {
    "employee_count": int,
    "rerank_score": float,
    "revenue_usd": int,
    "industries": list,
    "linkedin_follower_count": int,
}
_KINDS = {
    field.name: (_OTHER_KINDS.get(field.name, str), NoneType)
    for field in attrs.fields(_WideCompany)
}


def _build_row(value: object, shape: type[_Row]) -> _Row:
    """Build a row whose values have the declared types."""
    if type(value) is not dict:
        raise TypeError(value)
    row = cast("dict[str, Any]", value)
    for key, field in row.items():
        if type(field) not in _KINDS[key]:
            raise TypeError(key)
    return shape(**row)


def with_cattrs(session: aiohttp.ClientSession, origin: str) -> Client:
    """Build the rows by cattrs as it comes."""
    return _reading(session, origin, cattrs.Converter())


def with_strict_rows(session: aiohttp.ClientSession, origin: str) -> Client:
    """Build the rows by the hook."""
    converter = cattrs.Converter()
    converter.register_structure_hook(_Company, _build_row)
    converter.register_structure_hook(_WideCompany, _build_row)
    return _reading(session, origin, converter)


def _reading(
    session: aiohttp.ClientSession, origin: str, converter: cattrs.Converter
) -> Client:
    def client(job_id: str, cursor: str | None) -> Call:
        url = address(origin, job_id, cursor)
        # The class has no more fields than the rows, whose fields its author knows.
        shape = _Page[_WideCompany] if job_id == WIDE else _Page[_Company]

        async def call() -> object:
            async with session.get(url) as reply:
                return converter.structure(json.loads(await reply.read()), shape)

        return call

    return client
