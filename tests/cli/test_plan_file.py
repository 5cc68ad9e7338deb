"""``batch plan FILE``: every broken line is named, and then nothing is written."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openfunnel_async import Book
from openfunnel_async.book import BookEntry
from tests.cli.command import Terminal
from tests.fleet.programs import WatchedSandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    async with WatchedSandbox() as sandbox:
        yield Terminal(folder=tmp_path, sandbox=sandbox)
        assert [seen.kind for seen in sandbox.requests] == []


async def read_entries(terminal: Terminal) -> list[BookEntry]:
    async with Book(terminal.folder / "openfunnel.sqlite") as book:
        return await book.entries()


def write(terminal: Terminal, name: str, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (terminal.folder / name).write_bytes(data)


async def find_faults(terminal: Terminal, name: str, *flags: str) -> dict[int, str]:
    """Plan a broken file; return what is wrong with each line."""
    before = sorted(terminal.folder.iterdir())
    outcome = await terminal.run_in_thread("batch", "plan", name, *flags, "--json")
    assert (outcome.code, outcome.out) == (2, "")
    *lines, last = outcome.errors
    assert last["message"].endswith("Nothing was written or sent")
    assert sorted(terminal.folder.iterdir()) == before
    assert {error["path"] for error in outcome.errors} == {name}
    return {error["line"]: error["message"] for error in lines}


async def test_a_csv_file_as_excel_writes_it(terminal: Terminal) -> None:
    """Caught: the byte order mark in the first name, and the line breaks of Windows."""
    text = (
        "query,seed_domains,limit,min_employees,max_employees,funding_stages,"
        "locations,label\r\n"
        '"voice ai, for ""clinics""",,150,,,Seed; Series A,DEU;AUT,Clinics\r\n'
        "\r\n,,,,,,,\r\n"
        '"two\r\nlines",a.example; b.example,,10,50,,,\r\n'
    )
    write(terminal, "q4.csv", b"\xef\xbb\xbf" + text.encode())
    outcome = await terminal.run("batch", "plan", "q4.csv", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    path = str((terminal.folder / "openfunnel.sqlite").resolve())
    assert outcome.objects == [
        {
            "event": "planned",
            "name": "q4",
            "searches": 2,
            "worst_case_credits": 10_150,
            "unlimited": 1,
            "duplicates": 0,
            "max_credits": None,
            "distinct": None,
            "is_new": True,
            "book": path,
        }
    ]
    first, second = await read_entries(terminal)
    assert first.search.query == 'voice ai, for "clinics"'
    assert first.search.funding_stages == ("Seed", "Series A")
    assert (first.search.locations, first.label) == (("DEU", "AUT"), "Clinics")
    assert second.search.query == "two\r\nlines"
    assert second.search.seed_domains == ("a.example", "b.example")
    assert (second.search.min_employees, second.search.max_employees) == (10, 50)
    assert (second.search.limit, second.label) == (None, None)


async def test_json_lines_with_extra(terminal: Terminal) -> None:
    lines = [
        {"query": "a\u2028b", "limit": 10, "extra": {"new_field": [1]}, "label": "x"},
        {"seed_domains": ["a.example"], "limit": 20, "search_type": "semantic"},
    ]
    text = "\r\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    write(terminal, "q4.jsonl", text)
    flags = ("--name", "nightly", "--max-credits", "25")
    outcome = await terminal.run("batch", "plan", "q4.jsonl", *flags)
    assert outcome.code == 0
    assert "Planned 2 searches as batch nightly in " in outcome.out
    assert "Worst case: 30 credits; the cap stops the batch at 25." in outcome.out
    assert "openfunnel-async batch run nightly --book " in outcome.err
    first, second = await read_entries(terminal)
    assert (first.search.query, first.search.extra) == ("a\u2028b", {"new_field": [1]})
    assert (first.batch, first.label, second.search.limit) == ("nightly", "x", 20)


async def test_all_broken_lines_of_a_csv_file_are_named(terminal: Terminal) -> None:
    text = (
        "query,limit,label\nok,10,\n,5,\nx,ten,\n"
        '"two\nlines",10001,\nvoice, ai,10,\ny,10\n"a"b,1,\nz,1,"a\nb"\n"open,1,\n'
    )
    write(terminal, "bad.csv", text)
    faults = await find_faults(terminal, "bad.csv")
    assert [*faults] == [3, 4, 5, 7, 8, 9, 10, 12]
    assert "needs a query" in faults[3]
    assert "limit must be a whole number, not 'ten'" in faults[4]
    assert "from 1 to 10,000" in faults[5]
    assert "4 cells for 3 columns" in faults[7]
    assert "2 cells for 3 columns" in faults[8]
    assert "label must be printable" in faults[10]
    assert "a double quote is not closed" in faults[12]


@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("query,limitt", ["no column 'limitt': did you mean limit?"]),
        ("Query,limit", ["no column 'Query': did you mean query?"]),
        ("qwzx,query,foo", ["no column 'qwzx': use query", "no column 'foo'"]),
        ("query,limit,limit", ["the column limit is there twice"]),
        ("limit,label", ["there must be a column query or seed_domains"]),
        ("query;limit", ["the columns must be separated by commas"]),
        ("query,limit,", ["there is no column ''"]),
    ],
)
async def test_a_wrong_column_is_refused(
    terminal: Terminal, header: str, faults: list[str]
) -> None:
    """Caught: a limit that is ignored, because its column has a typing error."""
    write(terminal, "bad.csv", f"{header}\nx,10\n")
    outcome = await terminal.run_in_thread("batch", "plan", "bad.csv")
    assert outcome.code == 2
    assert [line for line in outcome.err.splitlines() if "line 1:" in line] != []
    for fault in faults:
        assert fault in outcome.err
    assert [path.name for path in terminal.folder.iterdir()] == ["bad.csv"]


async def test_all_broken_json_lines_are_named(terminal: Terminal) -> None:
    lines = [
        '{"query":"a","limit":100}',
        "",
        '{"query":"b","limitt":1}',
        '{"query":"c","limit":true}',
        "nope",
        '{"query":"d","seed_domains":"x.example"}',
        '{"query":"d","query":"e"}',
        '{"query":"\\ud800"}',
        "[1]",
        '{"query":"f","limit":NaN}',
        '{"query":"g","extra":{"limit":1}}',
        '{"query":"h","label":7}',
        "[" * 100_000,
    ]
    write(terminal, "bad.jsonl", "\n".join(lines))
    faults = await find_faults(terminal, "bad.jsonl")
    assert [*faults] == [*range(3, 14)]
    assert "no key 'limitt': did you mean limit?" in faults[3]
    assert "not JSON: Expecting value at character 1" in faults[5]
    assert "the key 'query' is there twice" in faults[7]


@pytest.mark.parametrize("name", ["bad.csv", "bad.jsonl"])
async def test_what_is_no_text_or_empty_is_refused(
    terminal: Terminal, name: str
) -> None:
    write(terminal, name, b"query\n\xff\n")
    assert "it is not UTF-8" in (await find_faults(terminal, name))[2]
    write(terminal, name, b"\n\n")
    outcome = await terminal.run_in_thread("batch", "plan", name)
    assert "it has no search" in outcome.err


async def test_twenty_broken_lines_are_named_and_the_others_counted(
    terminal: Terminal,
) -> None:
    write(terminal, "bad.csv", "query,limit\n" + "x,0\n" * 30)
    outcome = await terminal.run_in_thread("batch", "plan", "bad.csv")
    assert outcome.err.count("line ") == 20
    assert "has 30 broken lines. 10 more are not shown." in outcome.err


async def test_under_a_cap_each_line_without_a_limit_is_named(
    terminal: Terminal,
) -> None:
    write(terminal, "q4.csv", "query,limit\na,10\nb,\nc,\n")
    faults = await find_faults(terminal, "q4.csv", "--max-credits", "100")
    assert [*faults] == [2 + 1, 3 + 1]
    assert "under --max-credits every search needs a limit" in faults[3]


@pytest.mark.parametrize("name", ["missing.csv", "q4.xlsx", "folder.csv"])
async def test_a_file_that_cannot_be_read_is_refused(
    terminal: Terminal, name: str
) -> None:
    (terminal.folder / "folder.csv").mkdir()
    outcome = await terminal.run_in_thread("batch", "plan", name)
    assert outcome.code == 2
    assert name in outcome.err


async def test_the_same_file_again_is_the_same_batch(terminal: Terminal) -> None:
    write(terminal, "q4.csv", "query,limit\na,10\nb,20\na,10\n")
    plan = ("batch", "plan", "q4.csv", "--json")
    first = await terminal.run_in_thread(*plan, "--max-credits", "50")
    again = await terminal.run_in_thread(*plan)
    assert (first.code, again.code) == (0, 0)
    assert first.find("planned")["duplicates"] == 1
    found = again.find("planned")
    assert (found["is_new"], found["max_credits"]) == (False, 50.0)
    assert len(await read_entries(terminal)) == 3
    write(terminal, "q4.csv", "query,limit\na,10\nc,20\n")
    other = await terminal.run_in_thread(*plan)
    assert other.code == 2
    assert "has other searches" in other.errors[-1]["message"]
    assert len(await read_entries(terminal)) == 3
