"""One request, one job, and never beyond the budget, whatever a host does."""

import signal
import sys

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from openfunnel_async import Book, LookalikeSearch, OpenFunnel
from openfunnel_async.book import EntryState
from openfunnel_async.mcp._requests import name_job, normalise
from openfunnel_async.sandbox import LostAnswer, SlowAnswer, StatusFault
from tests.cli.command import life
from tests.mcp.hosts import BUDGET, LONG, QUERY, Answer, Desk, Host

pytestmark = pytest.mark.anyio

_LATE = 3.0
_PATIENCE = 0.5


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_late_answer_and_a_repeated_call_are_one_job(
    desk: Desk, mode: str
) -> None:
    """The host gives up before the service has answered, and the model asks again.

    Caught: a submit in the task of the call; no shared call for the same request.
    """
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=_LATE))
    async with desk.host(mode=mode) as host:
        for _ in range(3):
            with pytest.raises(MCPError):
                await host.client.call_tool(
                    "start", QUERY, read_timeout_seconds=_PATIENCE
                )
        answer = await host.call("start", **QUERY)
        assert not answer.is_error
        end = await host.finish(answer["job"])
    assert (end["state"], end["delivered"], end["credits_billed"]) == (
        "completed",
        100,
        100,
    )
    assert (desk.count_submits(), len(desk.sandbox.jobs), desk.count_credits()) == (
        1,
        1,
        100,
    )
    assert (await desk.check()).is_ok


async def test_calls_at_the_same_time_are_one_job(desk: Desk) -> None:
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=_PATIENCE))
    answers: list[Answer] = []
    variants: list[dict[str, object]] = [
        {"query": "voice ai", "seed_domains": ["a.example", "b.example"]},
        {"query": " voice  ai ", "seed_domains": ["B.example", "a.example"]},
        {"query": "voice ai", "seed_domains": ["b.example", "a.example", "a.example"]},
        {"query": "voice ai", "seed_domains": ["a.example", "b.example"]},
    ]

    async def start(host: Host, variant: dict[str, object]) -> None:
        answers.append(await host.call("start", limit=100, **variant))

    async with desk.host() as host, anyio.create_task_group() as group:
        for variant in variants:
            group.start_soon(start, host, variant)
    assert len({answer["job"] for answer in answers}) == 1
    assert (desk.count_submits(), len(desk.sandbox.jobs)) == (1, 1)


async def test_a_model_that_asks_ten_times_stays_within_the_budget(desk: Desk) -> None:
    """Each request is another one, so that only the budget can stop them.

    Caught: a client without the budget; a check of the budget in the tool alone.
    """
    async with desk.host() as host:
        answers = [
            await host.call("start", query=f"voice ai {number}", limit=150)
            for number in range(10)
        ]
        jobs = [one["job"] for one in answers if not one.is_error]
        for job in jobs:
            await host.finish(job)
    refused = [one for one in answers if one.is_error]
    assert (len(jobs), len(refused), desk.count_credits()) == (3, 7, 450)
    assert {one["error"] for one in refused} == {"over_budget"}
    assert "50 are left of the budget" in refused[-1]["message"]
    assert refused[-1]["budget_left"] == 50
    assert (desk.count_submits(), (await desk.check()).is_ok) == (3, True)


async def test_ten_calls_at_the_same_time_stay_within_the_budget(desk: Desk) -> None:
    """All of them read the budget before one is submitted."""
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=_PATIENCE))
    answers: list[Answer] = []

    async def start(host: Host, number: int) -> None:
        answers.append(await host.call("start", query=f"ai {number}", limit=150))

    async with desk.host() as host:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(start, host, number)
        jobs = [one["job"] for one in answers if not one.is_error]
        for job in jobs:
            await host.finish(job)
    assert (len(jobs), desk.count_credits(), desk.count_submits()) == (3, 450, 3)
    assert {one["error"] for one in answers if one.is_error} == {"over_budget"}


async def test_what_was_refused_is_not_bought_later(desk: Desk) -> None:
    """A person raises the budget; only another call may buy.

    Caught: a search that stays planned, and a server that runs what is planned.
    """
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        await host.call("start", query="first", limit=400)
        refused = await host.call("start", query="second", limit=200)
        assert refused["error"] == "over_budget"
        await desk.set_budget(5_000)
        await anyio.sleep(1.5)
    async with desk.host() as host:
        await host.call("status", wait_seconds=0)
        await anyio.sleep(1.5)
        assert desk.count_submits() == 1
        again = await host.call("start", query="second", limit=200)
        assert again["is_new"]
        assert again["state"] in {"running", "completed"}
    assert desk.count_submits() == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL to send there")
async def test_killed_between_the_post_and_the_answer(desk: Desk) -> None:
    """The same request is a named unknown, never a second submit.

    Caught: a server that plans again what it finds in the state submitting.
    """
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=60))
    async with desk.host() as host, anyio.create_task_group() as group:
        group.start_soon(_call_until_killed, host)
        await desk.sandbox.until(lambda: desk.count_submits() == 1)
        await host.kill()
    async with desk.host() as host:
        answer = await host.call("start", **QUERY)
        [entry] = await desk.entries()
        assert (answer["state"], answer["is_new"]) == ("unknown", False)
        assert f"openfunnel-async batch resolve {entry.key}" in answer["next"]
        assert answer["budget_left"] == 400
        assert (await host.call("start", **QUERY))["state"] == "unknown"
        assert (await host.call("status", job=answer["job"]))["state"] == "unknown"
        assert (await host.call("cancel", job=answer["job"]))["state"] == "unknown"
        [job] = desk.sandbox.jobs
        resolve = ("batch", "resolve", entry.key, "--job-id", job)
        outcome = await desk.terminal.run_in_thread(*resolve)
        assert outcome.code == 0, outcome.err
        end = await host.finish(answer["job"])
        assert (end["state"], end["delivered"], end["budget_left"]) == (
            "completed",
            100,
            400,
        )
    assert (desk.count_submits(), desk.count_credits()) == (1, 100)
    assert (await desk.check()).is_ok


async def _call_until_killed(host: Host) -> None:
    with pytest.raises(MCPError):
        await host.client.call_tool("start", QUERY)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL to send there")
async def test_killed_while_the_job_runs(desk: Desk) -> None:
    """A new server continues with it, also before a tool is called."""
    desk.sandbox.plan = lambda _number, _limit: life(pages=1)
    async with desk.host() as host:
        job = (await host.call("start", query="voice ai", limit=300))["job"]
        await host.kill()
    desk.end_jobs()
    async with desk.host() as host:
        reads = desk.sandbox.count("read")
        await desk.sandbox.until(lambda: desk.sandbox.count("read") > reads)
        end = await host.finish(job)
        assert (end["delivered"], end["new"], end["credits_billed"]) == (300, 300, 300)
        assert (await host.call("start", query="voice ai", limit=300))["job"] == job
    assert (desk.count_submits(), desk.count_credits()) == (1, 300)
    assert (await desk.check()).is_ok


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL to send there")
async def test_killed_again_and_again_during_repeated_calls(desk: Desk) -> None:
    """Ten servers are killed at different moments of the same request.

    Caught: anything that sends a second submit after a restart.
    """
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=0.15))
    for number in range(10):
        async with desk.host() as host, anyio.create_task_group() as group:
            group.start_soon(_call_if_alive, host)
            await anyio.sleep(0.03 * number)
            await host.kill()
    async with desk.host() as host:
        answer = await host.call("start", **QUERY)
        assert answer["state"] in {"running", "completed", "unknown"}
    assert (desk.count_submits(), len(desk.sandbox.jobs)) == (1, 1)
    assert (await desk.check()).is_ok


async def _call_if_alive(host: Host) -> None:
    try:
        await host.client.call_tool("start", QUERY)
    except MCPError:
        return


async def test_what_an_earlier_server_has_planned_is_not_sent(desk: Desk) -> None:
    """It was killed before the submit, and nobody waits for it any more.

    Caught: a server that runs at its start whatever is planned.
    """
    search = normalise(LookalikeSearch(query="voice ai", limit=100))
    key, url = desk.sandbox.api_key, desk.sandbox.base_url
    async with OpenFunnel(key, base_url=url, book=Book(desk.book_path)) as client:
        labels = [f"mcp, budget {BUDGET}"]
        await client.batch(name_job(search), [search], labels=labels)
    async with desk.host() as host:
        status = await host.call("status", job=name_job(search), wait_seconds=0)
        assert (status["state"], status["is_done"]) == ("planned", False)
        desk.sandbox.plan = lambda _number, _limit: LONG
        await host.call("start", query="another one", limit=300)
        await anyio.sleep(1.5)
        assert desk.count_submits() == 1
        assert (await host.call("start", **QUERY))["job"] == name_job(search)
    assert desk.count_submits() == 2


async def test_a_lost_answer_is_a_named_unknown(desk: Desk) -> None:
    desk.sandbox.faults.append(LostAnswer(on="submit"))
    async with desk.host() as host:
        answer = await host.call("start", **QUERY)
        again = await host.call("start", **QUERY)
    assert (answer["state"], again["state"]) == ("unknown", "unknown")
    assert "batch resolve" in again["next"]
    assert desk.count_submits() == 1


async def test_what_a_person_has_skipped_is_not_bought(desk: Desk) -> None:
    """Caught: a skipped unknown that is planned again for the model."""
    desk.sandbox.faults.append(LostAnswer(on="submit"))
    async with desk.host() as host:
        await host.call("start", **QUERY)
        [entry] = await desk.entries()
        skip = ("batch", "resolve", entry.key, "--skip")
        assert (await desk.terminal.run_in_thread(*skip)).code == 0
        answer = await host.call("start", **QUERY)
    assert answer["error"] == "decided"
    assert entry.key in answer["message"]
    assert desk.count_submits() == 1


async def test_a_refused_search_can_be_asked_for_again(desk: Desk) -> None:
    """No job was made, so nothing is bought twice."""
    reply = {"detail": [{"loc": ["body", "query"], "msg": "too vague", "type": "x"}]}
    desk.sandbox.faults.append(StatusFault(on="submit", status=422, body=reply))
    async with desk.host() as host:
        refused = await host.call("start", **QUERY)
        assert (refused["state"], refused["budget_left"]) == ("rejected", 500)
        assert "too vague" in refused["untrusted"]["error"]
        again = await host.call("start", **QUERY)
        assert again["state"] in {"running", "completed"}
    assert len(desk.sandbox.jobs) == 1


async def test_an_account_without_credits_is_a_refusal_in_words(desk: Desk) -> None:
    """Caught: a search that stays planned, and is bought when credits arrive."""
    broke = {"error_code": "CREDITS_EXCEEDED", "detail": "no credits"}
    desk.sandbox.faults.append(StatusFault(on="submit", status=402, body=broke))
    async with desk.host() as host:
        refused = await host.call("start", **QUERY)
        [entry] = await desk.entries()
        assert (refused["error"], entry.state) == ("not_sent", EntryState.SKIPPED)
        assert (await host.call("estimate", **QUERY))["budget_left"] == 500
        assert (await host.call("start", **QUERY))["is_new"]
    assert len(desk.sandbox.jobs) == 1


async def test_a_cancelled_job_is_not_bought_again(desk: Desk) -> None:
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        job = (await host.call("start", query="voice ai", limit=300))["job"]
        receipt = await host.call("cancel", job=job)
        assert (receipt["state"], receipt["accepted"]) == ("cancelled", True)
        assert receipt["credits_billed"] + receipt["credits_avoided"] == 300
        assert receipt["delivered"] == receipt["credits_billed"]
        again = await host.call("cancel", job=job)
        assert (again["accepted"], again["already_ended"]) == (False, True)
        same = await host.call("start", query="voice ai", limit=300)
        assert (same["job"], same["state"]) == (job, "cancelled")
    assert (desk.count_submits(), desk.statuses()) == (1, ["cancelled"])
    assert (await desk.check()).is_ok


async def test_a_cancel_whose_host_gives_up_is_sent(desk: Desk) -> None:
    """Caught: a cancel that ends with the call."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        job = (await host.call("start", query="voice ai", limit=300))["job"]
        desk.sandbox.faults.append(StatusFault(on="cancel", status=503, times=4))
        with pytest.raises(MCPError):
            await host.client.call_tool(
                "cancel", {"job": job}, read_timeout_seconds=0.4
            )
        end = await host.finish(job)
    assert end["state"] == "cancelled"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
async def test_the_end_of_the_server_leaves_the_job(
    desk: Desk, number: signal.Signals | None
) -> None:
    """A signal, or the end of stdin. Caught: a client that cancels at its end."""
    desk.sandbox.plan = lambda _number, _limit: LONG
    async with desk.host() as host:
        await host.call("start", query="voice ai", limit=300)
        if number is not None:
            host.send_signal(number)
    [entry] = await desk.entries()
    assert (entry.state, desk.statuses()) == (EntryState.SUBMITTED, ["running"])
    assert desk.sandbox.count("cancel") == 0
    assert (await desk.check()).is_ok


async def test_a_submit_under_way_is_written_when_the_host_leaves(desk: Desk) -> None:
    """Caught: a server that ends before the answer is in the Book."""
    desk.sandbox.faults.append(SlowAnswer(on="submit", delay=1.0))
    async with desk.host() as host:
        with pytest.raises(MCPError):
            await host.client.call_tool("start", QUERY, read_timeout_seconds=0.3)
        await desk.sandbox.until(lambda: desk.count_submits() == 1)
    [entry] = await desk.entries()
    assert (entry.state, entry.job_id) == (EntryState.SUBMITTED, *desk.sandbox.jobs)
