"""Two servers on a Book on PostgreSQL, which both of them run at the same time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from openfunnel_async.book import EntryState
from openfunnel_async.sandbox import LostAnswer, SlowAnswer, Unknowns
from tests.cli.command import life
from tests.fleet.programs import WatchedSandbox
from tests.mcp.hosts import QUERY, Desk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(tmp_path: Path, postgres_url: str) -> AsyncIterator[Desk]:
    async with WatchedSandbox(unknowns=Unknowns(settle=0)) as sandbox:
        sandbox.plan = lambda _number, _limit: life()
        made = Desk(folder=tmp_path, sandbox=sandbox, database=postgres_url)
        made.lists.mkdir()
        await made.set_budget(500)
        yield made


async def test_a_request_is_one_job_of_two_servers(desk: Desk) -> None:
    """The host of the first one gives up, and the second one is asked the same.

    Caught: a second purchase, and a server that reads only what it has bought.
    """
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=1.5))
    async with desk.host() as first, desk.host() as second:
        with pytest.raises(MCPError):
            await first.client.call_tool("start", QUERY, read_timeout_seconds=0.5)
        job = (await second.call("start", **QUERY))["job"]
        assert not (await first.call("start", **QUERY))["is_new"]
        ends = [await host.finish(job) for host in (first, second)]
        assert [end["delivered"] for end in ends] == [100, 100]
        assert (await second.call("sample", job=job, rows=20))["untrusted"]
        saved = await second.call("save", job=job, file="companies.csv")
        assert desk.read_list(saved["path"]).count("\r\n") == 101
        # The budget is of both.
        other = await first.call("start", query="robots", limit=300)
        assert not other.is_error
        refused = await second.call("start", query="hospital software", limit=300)
        assert (refused["error"], refused["budget_left"]) == ("over_budget", 100)
        await first.finish(other["job"])
    assert (desk.count_submits(), desk.count_credits()) == (2, 400)
    assert (await desk.check()).is_ok


async def test_an_answer_that_is_lost_is_not_asked_for_again(desk: Desk) -> None:
    """Caught: a second server that takes an unknown outcome for nothing bought."""
    desk.sandbox.faults.append(LostAnswer(on="submit"))
    async with desk.host() as first, desk.host() as second:
        answers = [await host.call("start", **QUERY) for host in (first, second, first)]
    assert {answer["state"] for answer in answers} == {"unknown"}
    assert [entry.state for entry in await desk.entries()] == [EntryState.UNKNOWN]
    assert desk.count_submits() == 1
    assert (await desk.check()).is_ok
