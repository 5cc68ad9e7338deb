"""Steps that use a handle: poll, wait, cancel, read."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Literal

import anyio

from openfunnel_async import (
    BulkJob,
    Company,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobPage,
    JobSnapshot,
    OpenFunnelError,
    PageStream,
    RowStream,
    WaitTimeoutError,
)
from tests.storm.event_log import Step
from tests.storm.random_choices import RandomChoices
from tests.storm.records import (
    CancelOfTerminal,
    Reading,
    ReadingKind,
    Wait,
    WatchedHandle,
)
from tests.storm.scenario import Scenario

Stream = RowStream | PageStream
OnTimeout = Literal["leave", "cancel"]
_ON_TIMEOUT: tuple[OnTimeout, ...] = ("leave", "leave", "cancel")
HandleStep = Callable[[Scenario, RandomChoices, Step, WatchedHandle], Awaitable[None]]


async def poll(
    scenario: Scenario, _rng: RandomChoices, _step: Step, handle: WatchedHandle
) -> None:
    """Poll once."""
    scenario.check_snapshot(handle, await handle.job.poll())


async def fetch(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read the first page, and perhaps the pages after it."""
    reading = _reading(scenario, step, handle, "fetch", follow=False)
    reading.skipped = 0
    page = await handle.job.fetch_page()
    reading.rows += page.rows
    while page.next_cursor is not None and rng.chance(0.7):
        page = await handle.job.fetch_page(page.next_cursor)
        reading.rows += page.rows
    if page.next_cursor is None:
        reading.end = "normal"


async def wait(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Wait for the terminal status, with or without a timeout."""
    timeout = _timeout(rng)
    on_timeout: OnTimeout = rng.choice(_ON_TIMEOUT)
    step.description += f" timeout {timeout} then {on_timeout}"
    snapshots: list[JobSnapshot] = []
    if on_timeout == "leave":
        scenario.evidence.waits.append(Wait(step, handle, timeout, is_for_status=True))
    snapshot = await handle.job.wait_until_terminal(
        timeout=timeout,
        on_timeout=on_timeout,
        on_progress=snapshots.append if rng.chance(0.3) else None,
    )
    scenario.check_snapshot(handle, snapshot)
    step.outcome = snapshot.status


async def cancel(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Cancel, perhaps several times at once."""
    waits, callers = rng.chance(0.5), rng.choice([1, 1, 2, 3])
    timeout = rng.weighted({60.0: 3, None: 2, rng.seconds(12): 1})
    step.description += f" wait {waits} timeout {timeout} by {callers}"

    scenario.evidence.waits.append(Wait(step, handle, timeout))

    async def ask() -> None:
        time, is_terminal = asyncio.get_running_loop().time, handle.job.is_terminal
        began = time()
        scenario.record_receipt(
            handle, await handle.job.cancel(wait=waits, timeout=timeout)
        )
        if is_terminal:
            call = CancelOfTerminal(step, handle.job.id, began, time())
            scenario.evidence.cancels_of_terminal.append(call)

    await _together(scenario, step, [ask() for _ in range(callers)])


async def read_rows(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read all rows, or leave the stream after some of them."""
    reading = _reading(scenario, step, handle, "rows", follow=rng.chance(0.8))
    most = rng.weighted({10_000: 3, rng.randint(1, 150): 2})
    async with handle.job.rows(follow=reading.follow) as stream:
        await _read(reading, stream, most)


async def read_in_pieces(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read rows with pauses, and cancel some of the calls."""
    reading = _reading(scenario, step, handle, "rows", follow=True)
    async with handle.job.rows() as stream:
        for _ in range(rng.randint(1, 6)):
            with anyio.move_on_after(rng.seconds(20)):
                await _read(reading, stream, rng.randint(1, 120))
            await anyio.sleep(rng.seconds(6))
        if rng.chance(0.6):
            await _read(reading, stream, 10_000)


async def read_twice(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read several streams of one handle at the same time."""
    readings = [
        _reading(scenario, step, handle, "rows", follow=True),
        _reading(scenario, step, handle, "rows", follow=True),
        _reading(scenario, step, handle, "pages", follow=True),
    ]
    streams: list[Stream] = [handle.job.rows(), handle.job.rows(), handle.job.pages()]
    most = rng.weighted({10_000: 2, 20: 1})
    work = [_read(r, s, most) for r, s in zip(readings, streams, strict=True)]
    await _together(scenario, step, work)


async def read_pages(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read all pages, or leave the stream after one."""
    reading = _reading(scenario, step, handle, "pages", follow=rng.chance(0.8))
    async with handle.job.pages(follow=reading.follow) as stream:
        await _read(reading, stream, rng.choice([1, 100, 100]))


async def resume(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Read some rows, and continue with another handle."""
    first = _reading(scenario, step, handle, "rows", follow=True)
    async with handle.job.rows() as stream:
        await _read(first, stream, rng.randint(1, 150))
        checkpoint = stream.checkpoint()
    place = str(checkpoint) if rng.chance(0.5) else checkpoint
    skipped = first.skipped + len(first.rows)
    resumed = scenario.client.resume(place)
    again = scenario.watch(resumed, skipped=skipped)
    second = _reading(scenario, step, again, "rows", follow=True)
    if rng.chance(0.5):
        await _read(second, again.job.rows(), 10_000)
    else:
        second.kind = "pages"
        await _read(second, again.job.pages(), 10_000)


async def take(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Take the number of rows that are needed, and cancel the rest."""
    reading = _reading(scenario, step, handle, "take", follow=True)
    reading.most, reading.with_domain = rng.randint(1, 120), rng.chance(0.5)
    where = _is_hosted if reading.with_domain else None
    step.description += f" {reading.most}"
    try:
        got = await handle.job.take(reading.most, where=where, timeout=_timeout(rng))
    except JobError as exc:
        reading.rows += exc.rows
        raise
    reading.rows += got.rows
    reading.end = "normal"
    scenario.record_receipt(handle, got.receipt)


def _is_hosted(company: Company) -> bool:
    return bool(company.domain)


async def result(
    scenario: Scenario, rng: RandomChoices, step: Step, handle: WatchedHandle
) -> None:
    """Wait for all rows."""
    reading = _reading(scenario, step, handle, "result", follow=True)
    timeout, partial_ok = _timeout(rng), rng.chance(0.5)
    step.description += f" timeout {timeout} partial_ok {partial_ok}"
    reading.partial_ok = partial_ok
    scenario.evidence.waits.append(Wait(step, handle, timeout))
    try:
        got = await handle.job.result(timeout=timeout, partial_ok=partial_ok)
    except (JobFailedError, JobCancelledError, WaitTimeoutError) as exc:
        reading.rows += exc.rows
        if isinstance(exc, JobFailedError):
            reading.end = "failed"
        elif isinstance(exc, JobCancelledError):
            reading.end = "cancelled"
        raise
    reading.rows += got.rows
    reading.manifest, reading.status = got.manifest, got.status
    reading.end = "normal"
    step.outcome = f"{len(got.rows)} rows, {got.status}"


HANDLE_STEPS: dict[str, tuple[float, HandleStep]] = {
    "poll": (1.5, poll),
    "fetch": (0.7, fetch),
    "wait": (2.5, wait),
    "cancel": (3.0, cancel),
    "rows": (2.0, read_rows),
    "pieces": (1.0, read_in_pieces),
    "streams": (0.7, read_twice),
    "pages": (1.0, read_pages),
    "result": (1.5, result),
    "resume": (1.0, resume),
    "take": (1.0, take),
}

# Steps that read with no other handle than the one they were given.
ONE_HANDLE = frozenset(HANDLE_STEPS) - {"resume"}


def _timeout(rng: RandomChoices) -> float | None:
    return rng.weighted({None: 3, rng.seconds(60): 3, 0.0: 0.5})


def _reading(
    scenario: Scenario,
    step: Step,
    handle: WatchedHandle,
    kind: ReadingKind,
    *,
    follow: bool,
) -> Reading:
    job: BulkJob = handle.job
    rows_written = scenario.evidence.service.jobs[job.id].rows_written
    reading = Reading(job.id, kind, step, follow, rows_written)
    reading.skipped = handle.skipped
    scenario.evidence.readings.append(reading)
    return reading


async def _together(
    scenario: Scenario, step: Step, work: Iterable[Coroutine[Any, Any, None]]
) -> None:
    """Run the calls at the same time, and record the error of each."""

    async def one(part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except OpenFunnelError as exc:
            scenario.record_error(step, exc)

    async with asyncio.TaskGroup() as group:
        for part in work:
            group.create_task(one(part))


async def _read(reading: Reading, stream: Stream, most: int) -> None:
    """Read up to that number of rows or pages, and record how the stream ended."""
    try:
        for _ in range(most):
            found: Company | JobPage = await anext(stream)
            if isinstance(found, Company):
                reading.rows.append(found)
            else:
                reading.rows += found.rows
                reading.page_sizes.append(len(found.rows))
    except StopAsyncIteration:
        reading.end = "normal"
    except JobFailedError:
        reading.end = "failed"
        raise
    finally:
        if isinstance(stream, RowStream):
            reading.stated = stream.delivered
