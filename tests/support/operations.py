"""What can be under way when somebody is cancelled: one operation of each kind."""

import contextlib

import pytest

from openfunnel_async import JobSnapshot, OpenFunnelError
from tests.support.struck import SEARCH, Operation, Trial

__all__ = [
    "cancel",
    "cancel_and_wait",
    "cancel_soon",
    "close",
    "collect",
    "collect_soon",
    "fetch_page",
    "look_at_the_balance",
    "poll",
    "read_finished_rows",
    "read_rows",
    "run_many",
    "somehow",
    "submit",
    "submit_for_a_block",
    "take",
    "take_soon",
    "wait",
    "wait_a_little",
    "wait_all",
    "wait_and_cancel",
    "wait_for_bad_news",
    "wait_for_news",
    "wait_for_one_after_the_other",
]


async def poll(trial: Trial) -> None:
    await trial.job.poll()


async def fetch_page(trial: Trial) -> None:
    await trial.job.fetch_page()


async def look_at_the_balance(trial: Trial) -> None:
    await trial.client.credit_balance()


async def wait(trial: Trial) -> None:
    await trial.job.wait_until_terminal()


async def wait_a_little(trial: Trial) -> None:
    await trial.job.wait_until_terminal(timeout=10)


async def wait_for_news(trial: Trial) -> None:
    await trial.job.wait_until_terminal(on_progress=lambda _: None)


async def wait_for_bad_news(trial: Trial) -> None:
    def refuse(snapshot: JobSnapshot) -> None:
        raise OpenFunnelError(f"{snapshot.status} is no good")

    await trial.job.wait_until_terminal(on_progress=refuse)


async def wait_and_cancel(trial: Trial) -> None:
    with pytest.raises(TimeoutError, match="was not terminal"):
        await trial.job.wait_until_terminal(timeout=1, on_timeout="cancel")


async def cancel(trial: Trial) -> None:
    await trial.job.cancel()


async def cancel_and_wait(trial: Trial) -> None:
    await trial.job.cancel(wait=True)


async def cancel_soon(trial: Trial) -> None:
    await trial.job.cancel(timeout=10)


async def take(trial: Trial) -> None:
    await trial.job.take(3)


async def take_soon(trial: Trial) -> None:
    await trial.job.take(3, timeout=10)


async def collect(trial: Trial) -> None:
    await trial.job.result()


async def collect_soon(trial: Trial) -> None:
    await trial.job.result(timeout=10)


async def wait_all(trial: Trial) -> None:
    await trial.client.wait_all([trial.job, trial.client.job(trial.job.id)])


async def wait_for_one_after_the_other(trial: Trial) -> None:
    jobs = [trial.job, trial.client.job(trial.job.id)]
    async with trial.client.as_completed(jobs) as completed:
        async for _ in completed:
            pass


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


async def run_many(trial: Trial) -> None:
    await trial.client.run_many([SEARCH] * 3, max_active=2)


async def close(trial: Trial) -> None:
    await trial.client.aclose()


def somehow(operation: Operation) -> Operation:
    """Let the operation fail: what it raises names its job."""

    async def operate(trial: Trial) -> None:
        with contextlib.suppress(OpenFunnelError):
            await operation(trial)

    return operate
