"""Defer the tasks of an engine, Procrastinate, inside the transactions of the Book.

A task is a hint: it names an entry, and the Book decides what is done for it. A step
has one waiting task at most (``queueing_lock``), however often it is deferred. It is
found again by a sweep if its task is lost.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import starmap
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager

NAMESPACE = "openfunnel"
"""The first part of the names of the tasks."""
# A job that bills is read before the next one is submitted.
_PRIORITIES = {"submit": 0, "follow": 1}
_ROUNDS = 3
# A type that Procrastinate has since the version whose functions are called here.
_FIND_TABLES = "SELECT to_regtype('procrastinate_job_to_defer_v1')"
_FIND_WAITING = (
    "SELECT queueing_lock FROM procrastinate_jobs"
    " WHERE status = 'todo' AND queueing_lock = ANY(%s)"
)


def name_task(action: str) -> str:
    """Return the full name of the task that does such a step."""
    return f"{NAMESPACE}:{action}"


def name_queue(action: str) -> str:
    """Return the queue of the tasks that do such a step."""
    return f"{NAMESPACE}_{action}"


def make_task(key: str, action: str, after: float, failures: int = 0) -> "Job":
    """Return the task of a step.

    Args:
        key: The key of the entry.
        action: ``submit`` or ``follow``.
        after: In how many seconds it is due.
        failures: How many tasks of it have failed, one after the other.
    """
    from procrastinate.jobs import Job  # noqa: PLC0415 -- an extra

    due = None
    if after > 0:
        due = datetime.now(UTC) + timedelta(seconds=after)
    arguments: dict[str, Any] = {"key": key}
    if failures:
        arguments["failures"] = failures
    return Job(
        queue=name_queue(action),
        priority=_PRIORITIES[action],
        lock=None,
        queueing_lock=f"{name_task(action)}:{key}",
        task_name=name_task(action),
        task_kwargs=arguments,
        scheduled_at=due,
    )


def defer_due(
    connection: psycopg.Connection[Any], steps: Sequence[tuple[str, str, float]]
) -> None:
    """Defer the tasks of steps that became due in a transaction.

    It does nothing in a database without Procrastinate's tables. A step that has a
    waiting task already gets no second one.

    Args:
        connection: A connection with an open transaction, which stays usable.
        steps: The key of an entry, ``submit`` or ``follow``, and in how many seconds.

    Raises:
        psycopg.Error: The database does not work.
    """
    if not steps or not _has_tables(connection):
        return
    from procrastinate.manager import JobManager  # noqa: PLC0415 -- an extra
    from procrastinate.sync_psycopg_connector import (  # noqa: PLC0415 -- an extra
        SyncPsycopgConnector,
    )

    manager = JobManager(SyncPsycopgConnector())
    tasks = {str(task.queueing_lock): task for task in starmap(make_task, steps)}
    for _ in range(_ROUNDS):
        for lock in _find_waiting(connection, list(tasks)):
            del tasks[lock]
        if _defer(manager, connection, list(tasks.values())):
            return
    # Others defer some of them at this moment.
    for task in tasks.values():
        _defer(manager, connection, [task])


def _has_tables(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(_FIND_TABLES).fetchone()
    return row is not None and row[0] is not None


def _find_waiting(connection: psycopg.Connection[Any], locks: list[str]) -> list[str]:
    found = connection.execute(_FIND_WAITING, (locks,)).fetchall()
    return [str(lock) for (lock,) in found]


def _defer(
    manager: "JobManager", connection: psycopg.Connection[Any], tasks: "list[Job]"
) -> bool:
    """Defer tasks; False, with nothing done, if one of them is waiting already."""
    from procrastinate.exceptions import (  # noqa: PLC0415 -- an extra
        AlreadyEnqueued,
        ConnectorException,
    )

    if not tasks:
        return True
    try:
        with connection.transaction():
            manager.batch_defer_jobs(tasks, connection=connection)
    except AlreadyEnqueued:
        return False
    except ConnectorException as exc:
        # The Book knows what the errors of psycopg mean.
        raise exc.__cause__ or exc from None
    return True
