"""Pages of a finished job read ahead: faster, and not a row different."""

import itertools
import json
import math
import tracemalloc
from typing import Any, Literal

import anyio
import pytest

from openfunnel_async import (
    ConfigurationError,
    InvalidResponseError,
    JobCheckpoint,
    LookalikeSearch,
    RateLimitedError,
    RowStream,
    WireReply,
)
from openfunnel_async.sandbox import EditedAnswer, JobLife, Unknowns
from tests.crash.finished import LATENCY, STRAIGHT, World, book
from tests.job.streams import names, numbered
from tests.support.scripted import (
    JOB,
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
    rows,
    submit_reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@pytest.mark.parametrize("read_ahead", [1, 8, 64])
async def test_it_takes_a_round_trip_for_so_many_pages(read_ahead: int) -> None:
    """Caught: one page fewer read ahead than allowed; all of them at once."""
    world = World(4000, read_ahead=read_ahead)
    async with world.client:
        job = await world.finished()
        began = anyio.current_time()
        found = (await job.result()).rows
        took = anyio.current_time() - began
    world.check(job, found)
    assert took == pytest.approx(LATENCY * (1 + math.ceil(39 / read_ahead)))
    assert world.wire.most == min(read_ahead, 39)


async def test_each_page_is_asked_for_once() -> None:
    """Caught: a page read ahead and read again in its turn."""
    world = World(1000)
    async with world.client:
        job = await world.finished()
        await job.result()
    # What is asked for in the same moment arrives in any order.
    first, *others = world.cursors()[-10:]
    expected = [f"page_{number:04}" for number in range(1, 10)]
    assert (first, sorted(map(str, others))) == (None, expected)


@pytest.mark.parametrize("labels", ["numbered", "opaque"])
@pytest.mark.parametrize("past_end", ["404", "422", "empty"])
@pytest.mark.parametrize("read_ahead", [1, 8, 64])
@pytest.mark.parametrize("miscounted", [-3, 0, 5])
async def test_the_rows_are_the_same_however_they_are_asked_for(
    labels: Literal["numbered", "opaque"],
    past_end: Literal["404", "422", "empty"],
    read_ahead: int,
    miscounted: int,
) -> None:
    """Caught: the manifest's number of pages taken for the end."""

    def miscount(page: dict[str, Any]) -> object:
        return page | {"manifest": page["manifest"] | {"pages": 13 + miscounted}}

    unknowns = Unknowns(labels=labels, past_end_cursor=past_end)
    world = World(1250, read_ahead=read_ahead, unknowns=unknowns)
    async with world.client:
        job = await world.finished()
        edit = EditedAnswer(on="read", edit=miscount, times=100)
        world.service.faults.append(edit)
        found = (await job.result()).rows
    world.check(job, found)
    if labels == "opaque":
        assert world.wire.most == 1


async def test_a_resumed_stream_reads_ahead_as_well() -> None:
    world = World(2000)
    async with world.client:
        job = await world.finished()
        place = JobCheckpoint(
            job_id=job.id, page="page_0003", offset=40, rows_before=300
        )
        began = anyio.current_time()
        found = (await world.client.resume(place).result()).rows
        assert anyio.current_time() - began == pytest.approx(LATENCY * 3)
    world.check(job, found, start=340)


async def test_whole_pages_are_read_ahead_as_well() -> None:
    world = World(900)
    async with world.client:
        job = await world.finished()
        began = anyio.current_time()
        async with job.pages() as stream:
            found = [row async for page in stream for row in page.rows]
        assert anyio.current_time() - began == pytest.approx(LATENCY * 2)
    world.check(job, found)


async def test_nothing_is_read_ahead_while_the_job_runs() -> None:
    """Caught: read ahead as soon as there is a next cursor."""
    life = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=60)
    world = World(1200, life=life)
    async with world.client:
        job = await world.client.submit(world.search)
        stream = job.rows()
        found = [await anext(stream) for _ in range(1200)]
        assert anyio.current_time() < 60
        found += [company async for company in stream]
    world.check(job, found)
    assert world.wire.most == 1
    expected = [None, *(f"page_{number:04}" for number in range(1, 12))]
    assert world.cursors()[:12] == expected


async def test_a_cursor_that_leads_elsewhere_is_followed() -> None:
    """Caught: the guess trusted: the pages between were handed out."""
    transport = ScriptedTransport(read=book(STRAIGHT | {2: 7, 7: 8, 8: 9}))
    async with connect(transport) as client:
        found = await names(client.job(JOB))
    assert found == [*numbered(6), *(f"Company {row}" for row in range(14, 20))]


@pytest.mark.parametrize(
    ("said", "times"), [("page_0009", 1), ("page_0009", 2), (None, 1)]
)
async def test_a_page_that_does_not_say_what_it_is_is_read_again(
    said: str | None, times: int
) -> None:
    """Caught: a page without its label taken for the one asked for."""
    route, wrong = book(), [times]

    def read(seen: Seen) -> WireReply:
        if seen.cursor == "page_0003" and wrong[0]:
            wrong[0] -= 1
            return job_reply("completed", rows=rows(90, 95), page=said)
        return route(seen)

    async with connect(ScriptedTransport(read=read)) as client:
        assert await names(client.job(JOB)) == numbered(12)
    assert wrong == [0]


@pytest.mark.parametrize(
    ("status", "times"), [(503, 4), (429, 4), (404, 1), (422, 1), (401, 1)]
)
async def test_a_page_that_fails_is_asked_for_again_in_its_turn(
    status: int, times: int
) -> None:
    """Caught: the failure of a page read ahead raised as it is."""
    route, failures = book(), [times]

    def read(seen: Seen) -> WireReply:
        if seen.cursor == "page_0003" and failures[0]:
            failures[0] -= 1
            return reply(status)
        return route(seen)

    async with connect(ScriptedTransport(read=read)) as client:
        assert await names(client.job(JOB)) == numbered(12)
    assert failures == [0]


async def test_without_a_number_of_pages_nothing_is_guessed() -> None:
    transport = ScriptedTransport(read=book(pages=None))
    async with connect(transport) as client:
        stream = client.job(JOB).rows()
        await anext(stream)
        await anyio.sleep(1)
        assert transport.count("read") == 1
        assert await names(client.job(JOB)) == numbered(12)


@pytest.mark.parametrize("value", [0, 65, -1, True, 1.5, "8", None])
async def test_what_is_no_number_of_pages_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"read_ahead .* from 1 to 64"):
        connect(ScriptedTransport(), read_ahead=value)


async def test_a_number_of_pages_beyond_belief_costs_nothing() -> None:
    """Caught: the labels of all pages to come written out for each page."""
    route = book()

    def read(seen: Seen) -> WireReply:
        answer = json.loads(route(seen).body)
        return reply(200, answer | {"manifest": answer["manifest"] | {"pages": 10**5}})

    async with connect(ScriptedTransport(read=read)) as client:
        tracemalloc.start()
        try:
            assert await names(client.job(JOB)) == numbered(12)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


async def test_a_label_of_endless_digits_is_no_number() -> None:
    """Caught: `ValueError` of int(), which refuses to read that many digits."""
    labels = ["page_" + "0" * 4999 + digit for digit in "01"]

    def read(seen: Seen) -> WireReply:
        at = labels.index(seen.cursor or labels[0])
        return job_reply(
            "completed",
            rows=rows(at, at + 1),
            page=labels[at],
            next_cursor=None if at else labels[1],
            manifest=manifest(2, pages=2),
        )

    async with connect(ScriptedTransport(read=read)) as client:
        assert await names(client.job(JOB)) == numbered(2)


def many_pages(seen: Seen) -> WireReply:
    """Answer for any job: finished, twenty pages of two rows."""
    number = int((seen.cursor or "page_0000")[-4:])
    if number >= 20:
        return reply(404, {"detail": "no such page"})
    return job_reply(
        "completed",
        rows=rows(2 * number, 2 * number + 2),
        page=f"page_{number:04}",
        next_cursor=None if number == 19 else f"page_{number + 1:04}",
        manifest=manifest(40, pages=20),
        job_id=seen.job_id,
    )


def asked(transport: ScriptedTransport, *jobs: str) -> int:
    return sum(seen.job_id in jobs for seen in transport.of("read"))


async def test_streams_of_a_client_share_the_places_to_read_ahead() -> None:
    """Caught: eight pages for each stream: 50 jobs held 450 pages.

    Besides the page it has reached, each stream may read its own next one.
    """
    transport = ScriptedTransport(read=many_pages)
    async with connect(transport, read_ahead=8) as client:
        streams = [client.job(f"job-{number}").rows() for number in range(50)]
        for stream in streams:
            await anext(stream)
        await anyio.sleep(1)
        assert 50 + 8 <= transport.count("read") <= 50 + 50 + 8
        # Nobody waits for a place: all of them are read to their ends.
        found = [[company.name async for company in stream] for stream in streams]
        assert found == [numbered(40)[1:]] * 50
    # Each page was requested once.
    assert transport.count("read") == 50 * 20


@pytest.mark.parametrize("way", ["aclose", "forget", "finish", "fail"])
async def test_a_stream_that_ends_gives_its_places_back(way: str) -> None:
    """Caught: places that are lost with their stream: nobody reads ahead any more."""

    def read(seen: Seen) -> WireReply:
        if way == "fail" and seen.job_id == "first" and seen.cursor == "page_0002":
            return job_reply(rows=[], page="page_0002", next_cursor="page_0000")
        return many_pages(seen)

    transport = ScriptedTransport(read=read)
    failed = list[RowStream]()
    async with connect(transport, read_ahead=8) as client:
        for _ in range(3):
            first = client.job("first").rows()
            await anext(first)
            await anyio.sleep(1)
            if way == "aclose":
                await first.aclose()
            elif way == "finish":
                assert len([company async for company in first]) == 39
            elif way == "fail":
                with pytest.raises(InvalidResponseError):
                    async for _ in first:
                        pass
                failed.append(first)
            del first
        second = client.job("second").rows()
        await anext(second)
        await anyio.sleep(1)
        assert asked(transport, "second") >= 8


async def test_streams_that_come_later_get_their_share() -> None:
    """Caught: the first stream takes every place again that it gives back."""
    transport = ScriptedTransport(read=many_pages)
    async with connect(transport, read_ahead=8) as client:
        first, second = (client.job(name).rows() for name in ("first", "second"))
        await anext(first)
        await anyio.sleep(1)
        assert asked(transport, "first") == 1 + 1 + 7
        found = [(await anext(second)).name]
        await anyio.sleep(1)
        assert asked(transport, "second") == 1 + 1 + 1
        for _ in range(20):
            await anext(first)
            await anyio.sleep(1)
        found += [(await anext(second)).name for _ in range(2)]
        await anyio.sleep(1)
        # It has reached its second page; its next one and half the places are read.
        assert asked(transport, "second") == 2 + 1 + 4
        assert found == numbered(3)


async def test_a_guessed_page_that_is_not_found_is_asked_for_once() -> None:
    """Caught: a 404 about a job that was read taken for an outage: four requests.

    The manifest says 23 pages, and there are 20.
    """

    def read(seen: Seen) -> WireReply:
        answer = json.loads(many_pages(seen).body)
        if "manifest" not in answer:
            return many_pages(seen)
        return reply(200, answer | {"manifest": answer["manifest"] | {"pages": 23}})

    transport = ScriptedTransport(submit=[submit_reply()], read=read)
    async with connect(transport) as client:
        # Its own submit was just now, when a 404 may mean "not yet".
        job = await client.submit(LookalikeSearch(query="voice"))
        stream = job.rows()
        found = [(await anext(stream)).name for _ in range(31)]
        assert transport.now < 5
        await anyio.sleep(10)
        assert [transport.cursors().count(f"page_00{n}") for n in (20, 21, 22)] == [
            1
        ] * 3
        found += [company.name async for company in stream]
    assert found == numbered(40)


async def test_a_page_that_a_cursor_leads_to_survives_404s() -> None:
    """Caught: no retry for any page of a finished job."""
    failures = [3]

    def read(seen: Seen) -> WireReply:
        if seen.cursor == "page_0001" and failures[0]:
            failures[0] -= 1
            return reply(404, {"detail": "no such page"})
        return many_pages(seen)

    async with connect(ScriptedTransport(read=read)) as client:
        assert await names(client.job(JOB)) == numbered(40)
    assert failures == [0]


@pytest.mark.parametrize("pages", [1, 2, 3])
async def test_a_number_of_pages_that_is_too_low_does_not_end_the_reading_ahead(
    pages: int,
) -> None:
    """Caught: one page after the other once the stated number has been passed."""
    transport = ScriptedTransport(read=book(pages=pages))
    async with connect(transport) as client:
        stream = client.job(JOB).rows()
        # The cursor of the last stated page leads beyond the number.
        found = [(await anext(stream)).name for _ in range(2 * pages)]
        await anyio.sleep(1)
        assert transport.count("read") == 6
        found += [company.name async for company in stream]
    assert found == numbered(12)
    assert transport.count("read") == 6


def limits_page(number: int, refusal: WireReply, *, times: int) -> Any:
    """Answer with the pages of a finished job; one of them is refused N times."""
    refused = 0

    def read(seen: Seen) -> WireReply:
        nonlocal refused
        at = int((seen.cursor or "page_0000")[-1])
        if at == number and refused < times:
            refused += 1
            return refusal
        return job_reply(
            "completed",
            rows=rows(10 * at, 10 * at + 10),
            page=f"page_{at:04}",
            next_cursor=f"page_{at + 1:04}" if at < 4 else None,
            manifest=manifest(50, pages=5),
        )

    return read


async def test_a_retry_after_beyond_the_time_that_is_left_is_raised_at_once() -> None:
    """Caught: a page read ahead that is waited for until the time has passed."""
    limited = reply(429, {"detail": "slow down"}, {"retry-after": "40"})
    transport = ScriptedTransport(read=limits_page(2, limited, times=1))
    async with connect(transport) as client:
        job = client.job(JOB)
        with pytest.raises(RateLimitedError) as caught:
            await job.result(timeout=30)
        assert transport.now < 1
        assert len(caught.value.rows) == 20
        assert len((await job.result(timeout=60)).rows) == 50


@pytest.mark.parametrize("seconds", [5, 300])
async def test_a_page_that_is_given_up_does_not_undercut_its_retry_after(
    seconds: int,
) -> None:
    """Caught: the page read in its turn at once, as if nothing had been asked for."""
    limited = reply(429, {"detail": "slow down"}, {"retry-after": str(seconds)})
    transport = ScriptedTransport(read=limits_page(2, limited, times=4))
    async with connect(transport, wait_timeout=None) as client:
        job = client.job(JOB)
        if seconds > 60:
            with pytest.raises(RateLimitedError):
                await job.result()
            assert transport.now < 1
            return
        assert len((await job.result()).rows) == 50
    times = [seen.at for seen in transport.of("read") if seen.cursor == "page_0002"]
    assert len(times) == 5
    assert all(later - at >= seconds for at, later in itertools.pairwise(times))
