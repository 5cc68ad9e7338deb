"""The definitions and the answers, as a host sees them."""

import csv
import json

import pytest

from openfunnel_async import Book, LookalikeSearch
from openfunnel_async.mcp._arguments import SearchArguments
from openfunnel_async.mcp._definitions import DEFINITIONS, make_tools
from openfunnel_async.mcp._refusals import Refusal
from openfunnel_async.mcp._requests import name_job, normalise
from tests.mcp.hosts import LONG, QUERY, Desk

pytestmark = pytest.mark.anyio

TOOLS = ["estimate", "start", "status", "sample", "save", "cancel"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_whole_exchange(desk: Desk, mode: str) -> None:
    """The SDK's client checks each structured result against its schema."""
    async with desk.host(mode=mode) as host:
        listed = await host.client.list_tools()
        assert [tool.name for tool in listed.tools] == TOOLS
        search = {"query": "voice ai", "limit": 250}
        before = await host.call("estimate", **search)
        assert before.fields == {
            "credits_at_most": 250,
            "budget_left": 500,
            "fits": True,
            "job": None,
            "state": None,
            "next": "start buys it.",
        }
        started = await host.call("start", **search)
        assert started["is_new"]
        end = await host.finish(started["job"])
        assert (end["state"], end["delivered"], end["new"]) == ("completed", 250, 250)
        assert (end["credits_so_far"], end["credits_billed"]) == (250, 250)
        assert end["budget_left"] == 250
        after = await host.call("estimate", **search)
        assert (after["job"], after["state"]) == (started["job"], "completed")
        sample = await host.call("sample", job=started["job"], rows=20)
        assert len(sample["untrusted"]["companies"]) == 20
        saved = await host.call("save", job=started["job"], file="a.parquet")
        assert (saved["rows"], saved["is_complete"]) == (250, True)
        assert desk.read_list(saved["path"]).startswith("PAR1")
        listing = await host.call("status")
        assert [one["job"] for one in listing["jobs"]] == [started["job"]]
    assert (desk.count_submits(), desk.count_credits()) == (1, 250)


async def test_known_companies_are_not_new(desk: Desk) -> None:
    async with desk.host() as host:
        first = await host.call("start", query="voice ai", limit=100)
        await host.finish(first["job"])
        second = await host.call("start", query="voice ai", limit=120)
        end = await host.finish(second["job"])
        assert end["delivered"] == 120
        assert 0 < end["new"] < 120
        new = await host.call("save", job=second["job"], file="new.csv", new_only=True)
        assert new["rows"] == end["new"]


async def test_progress_where_the_host_asks_for_it(desk: Desk) -> None:
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        job = (await host.call("start", query="voice ai", limit=300))["job"]
        answer = await host.call("status", job=job, wait_seconds=4)
    assert answer.progress
    counts = [done for done, *_ in answer.progress]
    assert counts == sorted(set(counts))
    text = "100 of at most 300 companies are in the Book"
    assert (100.0, 300.0, text) in answer.progress


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("start", {"query": "x"}),
        ("start", {"query": "x", "limit": 0}),
        ("start", {"query": "x", "limit": 10_001}),
        ("start", {"query": "x", "limit": "10"}),
        ("start", {"query": "x", "limit": 10.5}),
        ("start", {"query": "x", "limit": True}),
        ("start", {"query": "x", "limit": None}),
        ("start", {"limit": 10}),
        ("start", {"query": " ", "limit": 10}),
        ("start", {"query": "x" * 201, "limit": 10}),
        ("start", {"query": "x", "limit": 10, "max_results": 5}),
        ("start", {"query": "x", "limit": 10, "budget": "other"}),
        ("start", {"query": "x", "limit": 10, "api_key": "other"}),
        ("start", {"query": "x", "limit": 10, "min_employees": 5, "max_employees": 1}),
        ("start", {"query": "x", "limit": 10, "seed_domains": "a.example"}),
        ("start", {"limit": 10, "seed_domains": [f"{n}.example" for n in range(11)]}),
        ("status", {"job": "mcp-1", "wait_seconds": 46}),
        ("status", {"job": "mcp-1", "wait_seconds": -1}),
        ("sample", {"job": "mcp-1", "rows": 21}),
        ("sample", {"job": "mcp-1", "columns": []}),
        ("sample", {"job": "mcp-1", "columns": ["name"] * 50}),
        ("save", {"job": "mcp-1", "file": "x.csv", "overwrite": True}),
        ("save", {"job": "mcp-1", "file": "x.csv", "columns": ["nothing"]}),
        ("cancel", {}),
    ],
)
async def test_arguments_that_are_refused(
    desk: Desk, tool: str, arguments: dict[str, object]
) -> None:
    """Caught: a name that is ignored, a value that is converted."""
    async with desk.host() as host:
        answer = await host.call(tool, **arguments)
    assert answer.is_error
    assert answer["error"] in {"invalid_arguments", "no_job"}
    assert (desk.count_submits(), await desk.entries()) == (0, [])


async def test_what_another_program_bought_is_not_shown(desk: Desk) -> None:
    """A Book has the batches of people as well."""
    async with Book(desk.book_path) as book:
        assert await book.entries() == []
    async with desk.host() as host:
        for job in ("", "q4", "mcp-", "mcp-%", "mcp-' OR 1=1 --", "cli/20261126"):
            for tool in ("status", "sample", "cancel"):
                assert (await host.call(tool, job=job))["error"] == "no_job"


def test_the_annotations_are_honest() -> None:
    hints = {name: one.annotations for name, one in DEFINITIONS.items()}
    read_only = [name for name, hint in hints.items() if hint.read_only_hint]
    assert read_only == ["estimate", "status", "sample"]
    destructive = [
        name
        for name, hint in hints.items()
        if not hint.read_only_hint and hint.destructive_hint
    ]
    assert destructive == ["start", "cancel"]
    assert all(hint.idempotent_hint for hint in hints.values())


def test_the_definitions_are_short() -> None:
    """What a model reads of each tool, with its input."""
    for tool in make_tools():
        shown = {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.input_schema,
        }
        assert len(json.dumps(shown)) < 1_100, tool.name
        assert "title" not in json.dumps(shown)
        assert '"null"' not in json.dumps(tool.input_schema)


def test_the_arguments_are_the_fields_of_a_search() -> None:
    """Two are not offered: a kind of search that is slow, and fields nobody knows."""
    fields = set(SearchArguments.model_fields)
    of_a_search = {*LookalikeSearch(query="x").to_dict()}
    assert of_a_search - fields == {"search_type", "extra"}


def test_another_request_is_another_job() -> None:
    """Caught: a field that the name leaves out."""
    base = {"query": "voice ai", "limit": 10}
    others: list[dict[str, object]] = [
        {"query": "voice AI"},
        {"limit": 11},
        {"seed_domains": ["a.example"]},
        {"min_employees": 0},
        {"max_employees": 9},
        {"funding_stages": ["Seed"]},
        {"locations": ["DEU"]},
    ]
    names = {
        name_job(SearchArguments.model_validate(base | other).to_search())
        for other in [{}, *others]
    }
    assert len(names) == 1 + len(others)


def test_the_name_of_a_job_never_changes() -> None:
    """A Book outlives versions: another name would buy everything again."""
    search = LookalikeSearch(
        query="  Voice   AI ",
        seed_domains=["B.example", "a.example", "a.example"],
        limit=100,
        min_employees=0,
        funding_stages=["Series A", " Seed"],
        locations=["deu", "AUT"],
    )
    assert name_job(normalise(search)) == "mcp-ee904eed8d7e"


def test_a_search_that_is_invalid_is_a_refusal() -> None:
    with pytest.raises(Refusal, match="invalid_arguments"):
        SearchArguments.model_validate({"limit": 3}).to_search()


async def test_an_export_has_every_row_once(desk: Desk) -> None:
    async with desk.host() as host:
        job = (await host.call("start", **QUERY))["job"]
        await host.finish(job)
        saved = await host.call("save", job=job, file="a.csv")
    rows = list(csv.DictReader(desk.read_list(saved["path"]).splitlines()))
    assert len({row["linkedin_url"] for row in rows}) == len(rows) == 100
