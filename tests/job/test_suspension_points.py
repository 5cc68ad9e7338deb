"""A cancellation at every suspension point of every operation, in virtual time.

Each test makes up to three hundred trials, all of a few milliseconds.
"""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from openfunnel_async import OpenFunnelError
from openfunnel_async.sandbox import LostAnswer, StatusFault
from tests.support.steps import STEPPED
from tests.support.struck import SEARCH, WAYS, Operation, Trial, Way, every_trial
from tests.support.virtual_time import AnyioBackend

pytestmark = pytest.mark.anyio

TRIED = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def anyio_backend() -> AnyioBackend:
    return STEPPED


async def poll(trial: Trial) -> None:
    await trial.job.poll()


async def fetch_page(trial: Trial) -> None:
    await trial.job.fetch_page()


async def wait(trial: Trial) -> None:
    await trial.job.wait_until_terminal()


async def wait_for_news(trial: Trial) -> None:
    await trial.job.wait_until_terminal(on_progress=lambda _: None)


async def wait_and_cancel(trial: Trial) -> None:
    with pytest.raises(TimeoutError, match="was not over"):
        await trial.job.wait_until_terminal(timeout=1, on_timeout="cancel")


async def cancel(trial: Trial) -> None:
    await trial.job.cancel()


async def cancel_and_wait(trial: Trial) -> None:
    await trial.job.cancel(wait=True)


async def take(trial: Trial) -> None:
    await trial.job.take(3)


async def wait_all(trial: Trial) -> None:
    await trial.client.wait_all([trial.job, trial.client.job(trial.job.id)])


async def read_rows(trial: Trial) -> None:
    async for company in trial.stream:
        trial.names.append(company.name)


async def read_finished_rows(trial: Trial) -> None:
    trial.service.advance(100)
    await read_rows(trial)


async def submit(trial: Trial) -> None:
    await trial.client.submit(SEARCH)


async def submit_for_a_block(trial: Trial) -> None:
    async with trial.client.running(SEARCH, on_exit="cancel"):
        pass


async def close(trial: Trial) -> None:
    await trial.client.aclose()


def assert_it_came_out(trial: Trial, way: Way) -> None:
    # A scope does not strike a task that has what it waited for and needs no more.
    assert trial.came_out or trial.finished
    assert trial.came_out == trial.struck or way == "scope"


async def assert_nothing_is_left(trial: Trial, way: Way) -> None:
    if way.startswith("twice"):
        # The second strikes the tidying-up, which has told the rest to end by then.
        for _ in range(3):
            await asyncio.sleep(0)
    assert trial.left == (0, 0)


@TRIED
@pytest.mark.parametrize(
    "operation",
    [poll, fetch_page, wait, wait_for_news, wait_and_cancel, cancel, cancel_and_wait,
     take, wait_all],
)  # fmt: skip
async def test_what_a_handle_does(operation: Operation, way: Way) -> None:
    """Caught: the last who leaves a shared wait not waiting for its end."""
    async for trial in every_trial(operation, way):
        assert_it_came_out(trial, way)
        await assert_nothing_is_left(trial, way)
        # The handle is as good as ever.
        await trial.job.poll()
        assert (await trial.job.wait_until_terminal()).is_terminal
        await assert_nothing_is_left(trial, way)


@TRIED
@pytest.mark.parametrize("operation", [read_rows, read_finished_rows])
async def test_a_stream_goes_on_with_the_very_next_row(
    operation: Operation, way: Way
) -> None:
    """Caught: a page taken off the way before it was awaited; `used` set too soon."""
    async for trial in every_trial(operation, way):
        assert_it_came_out(trial, way)
        await read_rows(trial)
        assert trial.names == trial.truth
        await trial.stream.aclose()
        assert trial.left == (0, 0)


def nothing(_: Trial) -> None:
    pass


def lost(trial: Trial) -> None:
    trial.service.faults.append(LostAnswer(on="submit"))


def late(trial: Trial) -> None:
    """Let the request arrive after six seconds, and its answer after as many."""
    trial.transport.latency = lambda: 12.0


def failing(trial: Trial) -> None:
    trial.service.faults.append(StatusFault(on="submit", processed=True))


def refused(trial: Trial) -> None:
    trial.service.faults.append(StatusFault(on="submit", status=422))


def limited(trial: Trial) -> None:
    trial.service.faults.append(StatusFault(on="submit", status=429, retry_after=1))


def not_cancellable(trial: Trial) -> None:
    trial.service.faults.append(StatusFault(on="cancel", times=99))


def not_visible(trial: Trial) -> None:
    trial.service.faults.append(StatusFault(on="cancel", status=404, times=2))


PREPARED = pytest.mark.parametrize(
    "prepare",
    [nothing, lost, late, failing, refused, limited, not_cancellable, not_visible],
)


def somehow(operation: Operation) -> Operation:
    """Let the operation fail: what it raises tells of its job."""

    async def operate(trial: Trial) -> None:
        with contextlib.suppress(OpenFunnelError):
            await operation(trial)

    return operate


@TRIED
@PREPARED
@pytest.mark.parametrize("operation", [submit, submit_for_a_block])
async def test_a_submit_leaves_no_job_that_nobody_knows_of(
    operation: Operation, way: Way, prepare: Callable[[Trial], None]
) -> None:
    """Caught: no rescue; a rescue in the caller's own task; an orphan forgotten."""
    async for trial in every_trial(somehow(operation), way, prepare):
        assert_it_came_out(trial, way)
        await trial.client.aclose()
        assert trial.unaccounted == []
        assert trial.left == (0, 0)
        assert len(trial.service.jobs) <= 2


@PREPARED
@pytest.mark.parametrize("way", ["once", "scope", "wait_for"])
async def test_a_submit_is_seen_to_before_its_cancellation_goes_through(
    way: Way, prepare: Callable[[Trial], None]
) -> None:
    """Caught: the rescue left to itself, in the background."""
    async for trial in every_trial(somehow(submit), way, prepare):
        assert trial.left == (0, 0)
        assert trial.unaccounted == []


@TRIED
async def test_another_submit_is_made_after_it(way: Way) -> None:
    async for trial in every_trial(submit, way):
        job = await trial.client.submit(SEARCH)
        assert job.id in trial.service.jobs
        assert (await job.cancel()).accepted


@TRIED
async def test_a_closing_is_finished_first(way: Way) -> None:
    """Caught: `aclose` without its shield."""
    async for trial in every_trial(close, way):
        assert_it_came_out(trial, way)
        await trial.client.aclose()
        assert (trial.left, trial.transport.closed) == ((0, 0), 1)
