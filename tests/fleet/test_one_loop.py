"""A client belongs to the event loop it was first used on."""

import asyncio
import gc
import os
import threading
import traceback
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import pytest

from openfunnel_async import (
    BulkJob,
    ConfigurationError,
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
    PageStream,
    RowStream,
    WireReply,
)
from openfunnel_async._job.event_loop import LoopGuard
from tests.job.streams import page
from tests.support.scripted import (
    JOB,
    KEY,
    ScriptedTransport,
    cancel_reply,
    job_reply,
    reply,
    submit_reply,
)

T = TypeVar("T")
SEARCH = LookalikeSearch(query="voice", limit=10)
BALANCE = reply(
    200, {"total_credits": 10, "credits_used": 0, "credits_left": 10, "account": "a"}
)
PAGES = (page(0, 0, 3), page(1, 3, 5, status="completed", ends=True, count=5))
REMEDY = (
    "make one client for each event loop, inside the coroutine that asyncio.run() runs"
)


class Scene:
    """A client with a handle and streams that were used on one loop."""

    def __init__(self, read: Sequence[WireReply] = PAGES) -> None:
        self.transport = ScriptedTransport(
            submit=[submit_reply()],
            read=read,
            cancel=[cancel_reply()],
            balance=[BALANCE],
        )
        self.transport.began = 0.0
        self.client = OpenFunnel(
            KEY, base_url="https://api.example", transport=self.transport
        )
        self.job: BulkJob
        self.rows: RowStream
        self.pages: PageStream

    async def use(self) -> "Scene":
        self.job = await self.client.submit(SEARCH)
        self.rows, self.pages = self.job.rows(), self.job.pages()
        await anext(self.rows)
        return self


async def enter(manager: "OpenFunnel | RowStream | PageStream") -> None:
    async with manager:
        pass


async def enter_running(scene: Scene) -> None:
    async with scene.client.running(SEARCH):
        pass


async def run_over(scene: Scene) -> None:
    async for _ in scene.client.as_completed([scene.job]):
        pass


USES: dict[str, Callable[[Scene], Awaitable[object]]] = {
    "submit": lambda scene: scene.client.submit(SEARCH),
    "running": enter_running,
    "credit_balance": lambda scene: scene.client.credit_balance(),
    "as_completed": run_over,
    "wait_all": lambda scene: scene.client.wait_all([scene.job]),
    "wait_all of none": lambda scene: scene.client.wait_all([]),
    "run_many": lambda scene: scene.client.run_many([SEARCH]),
    "run_many of none": lambda scene: scene.client.run_many([]),
    "run_many with a balance": lambda scene: scene.client.run_many(
        [SEARCH], max_credits=5, check_balance=True
    ),
    "aclose": lambda scene: scene.client.aclose(),
    "async with": lambda scene: enter(scene.client),
    "poll": lambda scene: scene.job.poll(),
    "fetch_page": lambda scene: scene.job.fetch_page(),
    "wait": lambda scene: scene.job.wait_until_terminal(),
    "cancel": lambda scene: scene.job.cancel(),
    "result": lambda scene: scene.job.result(),
    "take": lambda scene: scene.job.take(1),
    "next row": lambda scene: anext(scene.rows),
    "next page": lambda scene: anext(scene.pages),
    "a new stream": lambda scene: anext(scene.job.rows()),
    "a resumed job": lambda scene: scene.client.resume(scene.rows.checkpoint()).poll(),
    "closing a stream": lambda scene: scene.rows.aclose(),
    "a stream as a block": lambda scene: enter(scene.rows),
    "closing pages": lambda scene: scene.pages.aclose(),
}
by_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    """Have what was never awaited, or never retrieved, fail the test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def attempt(use: Callable[[Scene], Awaitable[object]], scene: Scene) -> str:
    """Return what the refusal says; no task may be left behind."""
    with pytest.raises(ConfigurationError) as caught:
        await use(scene)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return str(caught.value)


@by_use
def test_a_second_run_is_refused_before_anything_is_sent(
    use: Callable[[Scene], Awaitable[object]],
) -> None:
    """Caught: any of the checks left out."""
    scene = asyncio.run(Scene().use())
    sent = len(scene.transport.seen)
    said = asyncio.run(attempt(use, scene))
    assert "closed" in said
    assert REMEDY in said
    assert len(scene.transport.seen) == sent


@by_use
def test_another_threads_loop_is_refused_and_the_first_stays_usable(
    use: Callable[[Scene], Awaitable[object]],
) -> None:
    """Caught: a check that lets the newest loop have the client."""
    said: list[str] = []

    async def main() -> None:
        scene = await Scene().use()
        other = threading.Thread(
            target=lambda: said.append(asyncio.run(attempt(use, scene)))
        )
        other.start()
        await asyncio.get_running_loop().run_in_executor(None, other.join)
        assert (await anext(scene.rows)).name == "Company 1"
        await scene.rows.aclose()
        await scene.job.cancel()
        await scene.client.aclose()
        assert scene.transport.closings == 1

    asyncio.run(main())
    assert REMEDY in said[0]
    assert "closed" not in said[0]


@by_use
def test_without_a_loop_of_asyncio_one_line_says_so(
    use: Callable[[Scene], Awaitable[object]],
) -> None:
    """Trio drives a coroutine as this does: by sending to it, and no loop runs."""
    scene = Scene()
    scene.job = scene.client.job(JOB)
    scene.rows, scene.pages = scene.job.rows(), scene.job.pages()

    async def main() -> None:
        await use(scene)

    coroutine = main()
    with pytest.raises(ConfigurationError) as caught:
        coroutine.send(None)
    said = str(caught.value)
    assert "openfunnel_async runs on asyncio" in said
    assert "anyio's asyncio backend" in said
    assert "\n" not in said
    assert scene.transport.seen == []
    assert scene.transport.closings == 0


def in_a_child(child: Callable[[], str]) -> str:
    """Return what a forked process says."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads that other tests have left running.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        try:
            os.write(writer, child().encode())
        except BaseException:  # noqa: BLE001 -- whatever it is, the parent must see it
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    return said


@by_use
def test_a_forked_child_is_refused(
    use: Callable[[Scene], Awaitable[object]],
) -> None:
    """Caught: a check of the loop alone, which a child may have inherited."""
    loop = asyncio.new_event_loop()
    scene = loop.run_until_complete(Scene().use())
    said = in_a_child(lambda: asyncio.run(attempt(use, scene)))
    # The very loop, as the child has it.
    inherited = in_a_child(lambda: loop.run_until_complete(attempt(use, scene)))
    loop.run_until_complete(scene.client.aclose())
    loop.close()
    for refusal in (said, inherited):
        assert "another process, from which this one was forked" in refusal
        assert REMEDY in refusal


def test_a_child_that_is_forked_inside_a_coroutine_is_refused_as_well() -> None:
    def drive(scene: Scene) -> str:
        try:
            scene.job.poll().send(None)
        except ConfigurationError as error:
            return str(error)
        return "it was sent"

    async def main() -> str:
        scene = await Scene().use()
        said = in_a_child(lambda: drive(scene))
        await scene.client.aclose()
        return said

    assert "another process" in asyncio.run(main())


def test_a_client_that_was_never_used_goes_to_the_child() -> None:
    scene = Scene()
    scene.job = scene.client.job(JOB)

    async def poll() -> str:
        async with scene.client:
            return (await scene.job.poll()).status

    assert in_a_child(lambda: asyncio.run(poll())) == JobStatus.RUNNING


def test_a_client_that_was_never_used_is_closed_on_any_loop() -> None:
    """Caught: a closing that needs a first use."""
    scene = Scene()
    asyncio.run(scene.client.aclose())
    assert scene.transport.closings == 1


def test_closing_again_on_another_loop_does_nothing() -> None:
    scene = Scene()

    async def close() -> None:
        await scene.use()
        await scene.client.aclose()

    asyncio.run(close())
    asyncio.run(scene.client.aclose())
    assert scene.transport.closings == 1


def test_a_handle_and_a_checkpoint_are_made_without_a_loop() -> None:
    scene = Scene()
    job = scene.client.job(JOB, limit=5)
    assert str(job.rows().checkpoint()) == str(job.checkpoint())
    assert scene.client.as_completed([job]).jobs == [job]


def test_a_refusal_does_not_bind_a_client() -> None:
    """Caught: a first use that is noted although no loop runs."""
    scene = Scene()
    with pytest.raises(ConfigurationError):
        scene.client.credit_balance().send(None)
    assert asyncio.run(scene.client.credit_balance()).credits_left == 10


def test_the_streams_place_is_untouched_by_a_refusal() -> None:
    """Caught: a stream that another loop has closed, or moved by a row."""
    first = asyncio.new_event_loop()
    scene = first.run_until_complete(Scene().use())
    with pytest.raises(ConfigurationError):
        asyncio.run(_await(anext(scene.rows)))
    with pytest.raises(ConfigurationError):
        asyncio.run(_await(scene.rows.aclose()))
    row = first.run_until_complete(_await(anext(scene.rows)))
    assert row.name == "Company 1"
    first.run_until_complete(scene.client.aclose())
    first.close()


async def _await(work: Awaitable[T]) -> T:
    return await work


def test_completed_jobs_are_not_begun_on_another_loop() -> None:
    """Caught: an iteration that is closed by the wrong loop, and ends quietly."""

    async def main() -> None:
        scene = Scene(read=[job_reply("completed")])
        job = await scene.client.submit(SEARCH)
        ended = scene.client.as_completed([job])
        said = await asyncio.to_thread(lambda: asyncio.run(_refused(ended.aclose())))
        assert REMEDY in said
        assert (await anext(ended)).status is JobStatus.COMPLETED
        await ended.aclose()
        await scene.client.aclose()

    asyncio.run(main())


async def _refused(work: Awaitable[object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await work
    return str(caught.value)


def test_two_threads_that_begin_at_once_do_not_both_own_it() -> None:
    """Caught: the loop kept without a second look, once both have seen none."""
    guard, outcomes = LoopGuard(), list[str]()

    async def use() -> None:
        try:
            guard.check()
        except ConfigurationError:
            outcomes.append("refused")
        else:
            outcomes.append("accepted")

    threads = [threading.Thread(target=asyncio.run, args=[use()]) for _ in range(2)]
    with guard._binding:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.1)
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted", "refused"]
