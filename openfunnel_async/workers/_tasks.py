"""The tasks: a name and a queue for each step of the Book."""

import asyncio
from collections.abc import Awaitable, Callable

from procrastinate import Blueprint, JobContext
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from openfunnel_async import Book, OpenFunnel
from openfunnel_async.book import Step, StepAction
from openfunnel_async.book._postgres.deferring import NAMESPACE as NAMESPACE  # noqa: PLC0414 -- public
from openfunnel_async.book._postgres.deferring import name_queue
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.workers._runner import StepRunner, start_serving

FindRunner = Callable[[], Awaitable[StepRunner]]
SLICE = 300.0
QUEUES = (name_queue(StepAction.SUBMIT), name_queue(StepAction.FOLLOW))
"""The queues: of the submits, which one task at a time does, and of the jobs."""
_SWEEP_CRON = "* * * * * */10"
# Before every submit: a sweep finds what a dead worker had.
_SWEEP_PRIORITY = 2
_PAUSE = 30


class _Retry(BaseRetryStrategy):
    """Try again what failed outside of a step, for example to defer the next task."""

    def get_retry_decision(
        self, *, exception: BaseException, job: Job
    ) -> RetryDecision | None:
        """Return when; None for a task that was cancelled, which has deferred anew."""
        del job
        if isinstance(exception, asyncio.CancelledError | JobAborted):
            return None
        return RetryDecision(retry_in={"seconds": _PAUSE})


class _Process:
    """The one runner of a process, which serves from its first task on.

    It ends with the event loop, and closes the client then.
    """

    def __init__(self, client: OpenFunnel, book: Book | None) -> None:
        self._client = client
        self._runner = StepRunner(client.book_steps(book), SLICE)
        self._serving: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def find_runner(self) -> StepRunner:
        """Return the runner; serve before, if nobody does.

        Raises:
            BookError: The Book cannot be served.
        """
        async with self._starting:
            if self._serving is None or self._serving.done():
                self._serving = await start_serving(self._runner.steps)
        return self._runner


def fill_blueprint(find_runner: FindRunner, *, sweeps: bool) -> Blueprint:
    """Return the tasks.

    Args:
        find_runner: Returns what does the steps in this process.
        sweeps: Whether the periodic sweep is one of them.
    """
    tasks = Blueprint()
    retry = _Retry()

    @tasks.task(name="submit", queue=QUEUES[0], retry=retry, pass_context=True)
    async def submit(context: JobContext, key: str, failures: int = 0) -> None:
        step = Step(key, StepAction.SUBMIT, 0.0)
        await (await find_runner()).do(context.app.job_manager, step, failures)

    @tasks.task(name="follow", queue=QUEUES[1], retry=retry, pass_context=True)
    async def follow(context: JobContext, key: str, failures: int = 0) -> None:
        step = Step(key, StepAction.FOLLOW, 0.0)
        await (await find_runner()).do(context.app.job_manager, step, failures)

    async def sweep(context: JobContext, timestamp: int) -> None:
        del timestamp
        await (await find_runner()).sweep(context.app.job_manager)

    if sweeps:
        task = tasks.task(name="sweep", queue=QUEUES[0], pass_context=True)(sweep)
        tasks.periodic(
            cron=_SWEEP_CRON,
            queueing_lock=f"{NAMESPACE}:sweep",
            priority=_SWEEP_PRIORITY,
        )(task)
    del submit, follow
    return tasks


def make_blueprint(client: OpenFunnel, book: Book | None = None) -> Blueprint:
    """Return the tasks for an app of Procrastinate: ``openfunnel:submit`` and others.

    Add them with ``app.add_tasks_from(tasks, namespace=workers.NAMESPACE)``: the Book
    defers tasks under these names. They are in the queues ``workers.QUEUES``; the first
    one needs one place, the second one a place for each job that runs.

    Args:
        client: Submits and follows. It is used on the event loop of the worker alone.
        book: The Book on PostgreSQL, in the database of the app; the client's own by
            default.

    Raises:
        ConfigurationError: There is no Book, or it is not on PostgreSQL.
    """
    return fill_blueprint(_Process(client, book).find_runner, sweeps=True)


_configured: list[_Process] = []


def configure(client: OpenFunnel, book: Book | None = None) -> None:
    """Say which client and Book the tasks of ``blueprint`` use in this process.

    Args:
        client: As for ``make_blueprint()``.
        book: As for ``make_blueprint()``.

    Raises:
        ConfigurationError: There is no Book, or it is not on PostgreSQL.
    """
    _configured[:] = [_Process(client, book)]


async def _find_configured() -> StepRunner:
    if not _configured:
        raise ConfigurationError(
            "the tasks of openfunnel_async.workers have no client: call "
            "workers.configure(client) where the app is made"
        )
    return await _configured[0].find_runner()


blueprint: Blueprint = fill_blueprint(_find_configured, sweeps=True)
"""The tasks of ``make_blueprint()``, with the client given to ``configure()``."""
