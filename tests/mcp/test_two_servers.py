"""Two servers on one Book: both work under one budget, and nothing is bought twice."""

import sys

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from openfunnel_async.book import EntryState
from tests.mcp.hosts import LONG, Answer, Desk, Host

pytestmark = pytest.mark.anyio

OTHER = {"query": "hospital software", "limit": 100}
_SOON = "_purchases._LOCK_WITHIN=1"


async def test_the_same_request_to_both_is_one_job(desk: Desk) -> None:
    answers: list[Answer] = []

    async def start(host: Host) -> None:
        answers.append(await host.call("start", query="voice ai", limit=300))

    async with desk.host() as first, desk.host() as second:
        async with anyio.create_task_group() as group:
            for host in (first, second, first, second):
                group.start_soon(start, host)
        assert len({answer["job"] for answer in answers}) == 1
        job = answers[0]["job"]
        ends = [await host.finish(job) for host in (first, second)]
    assert [end["delivered"] for end in ends] == [300, 300]
    assert (desk.count_submits(), desk.count_credits()) == (1, 300)
    assert (await desk.check()).is_ok


async def test_the_one_that_runs_the_book_submits_for_the_other(desk: Desk) -> None:
    """Caught: a second server that can only read."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as first, desk.host() as second:
        long = await first.call("start", query="voice ai", limit=300)
        other = await second.call("start", query="hospital software", limit=150)
        assert other["is_new"]
        assert other["state"] in {"running", "completed"}
        status = await second.call("status", job=long["job"], wait_seconds=3)
        assert status["state"] == "running"
        assert "problem" not in status.fields
        refused = await second.call("start", query="robots", limit=100)
        assert refused["error"] == "over_budget"
        receipt = await second.call("cancel", job=long["job"])
        assert receipt["state"] == "cancelled"
        desk.end_jobs()
        assert (await second.finish(other["job"]))["delivered"] == 150
    assert desk.count_submits() == 2
    assert (await desk.check()).is_ok


async def test_under_another_budget_the_second_refuses_in_words(desk: Desk) -> None:
    """Nothing is sent, and nothing is bought later.

    Caught: a search that stays planned; one that is bought under the other budget.
    """
    desk.sandbox.plan = lambda _number, _limit: LONG
    await desk.set_budget(500, "other")
    async with (
        desk.host() as first,
        desk.host(budget="other", changes=_SOON) as second,
    ):
        long = await first.call("start", query="voice ai", limit=300)
        refused = await second.call("start", **OTHER)
        assert (refused.is_error, refused["error"]) == (True, "book_in_use")
        assert "is run by process" in refused["message"]
        assert "Call start again later" in refused["message"]
        status = await second.call("status", job=long["job"], wait_seconds=1)
        assert (status["delivered"], status["credits_so_far"]) == (200, 200)
        assert len((await second.call("sample", job=long["job"]))["untrusted"])
        desk.end_jobs()
        await first.finish(long["job"])
        await anyio.sleep(1.5)
        assert desk.count_submits() == 1
        again = await second.call("start", **OTHER)
        assert (again.is_error, again["budget_left"]) == (False, 400)
    assert desk.count_submits() == 2
    states = {entry.state for entry in await desk.entries()}
    assert states == {EntryState.SETTLED}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL to send there")
async def test_the_second_continues_when_the_first_is_killed(desk: Desk) -> None:
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as second:
        async with desk.host() as first:
            job = (await first.call("start", query="voice ai", limit=300))["job"]
            await first.kill()
        desk.end_jobs()
        end = await second.finish(job)
    assert (end["delivered"], desk.count_submits()) == (300, 1)
    assert (await desk.check()).is_ok


async def test_beside_a_batch_that_a_person_runs(desk: Desk) -> None:
    """The command line runs the Book; the agent waits, or refuses in words."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    plan = desk.folder / "q4.csv"
    plan.write_text("query,limit\nnightly,300\n", encoding="utf-8")
    planned = await desk.terminal.run_in_thread("batch", "plan", "q4.csv")
    assert planned.code == 0, planned.err
    terminal = desk.terminal
    async with await terminal.start("batch", "run", "q4", "--json") as process:
        await desk.sandbox.until(lambda: desk.count_submits() == 1)
        async with desk.host(changes=_SOON) as host:
            refused = await host.call("start", **OTHER)
            # Whatever fails from here, the batch must be able to end.
            desk.end_jobs()
            assert refused["error"] == "book_in_use"
            # The batch of the person is none of the agent's business.
            assert (await host.call("status"))["jobs"] == [
                {
                    "job": (await host.call("estimate", **OTHER))["job"],
                    "state": "skipped",
                    "in_book": 0,
                    "limit": 100,
                    "search": OTHER,
                }
            ]
            for tool in ("status", "sample", "cancel"):
                answer = await host.call(tool, job="q4")
                assert answer["error"] == "no_job"
            assert (await terminal.outcome(process)).code == 0
            assert not (await host.call("start", **OTHER)).is_error
    assert desk.count_submits() == 2


async def test_a_start_that_waits_is_withdrawn_without_its_host(desk: Desk) -> None:
    """The host gives up, and nothing is left that could be bought later.

    Caught: work that ends with the call that asked for it.
    """
    desk.sandbox.plan = lambda _number, _limit: LONG
    await desk.set_budget(500, "other")
    async with (
        desk.host() as first,
        desk.host(budget="other", changes=_SOON) as second,
    ):
        await first.call("start", query="voice ai", limit=300)
        with pytest.raises(MCPError):
            await second.client.call_tool("start", OTHER, read_timeout_seconds=0.3)
        await anyio.sleep(3)
        states = [entry.state for entry in await desk.entries()]
        assert states == [EntryState.SUBMITTED, EntryState.SKIPPED]
    assert desk.count_submits() == 1
