"""Tell an engine what became due, in the transaction in which it did."""

from collections.abc import Mapping
from typing import Any

import psycopg

from openfunnel_async.book._values import EntryState

_ACTIONS = {EntryState.PLANNED: "submit", EntryState.SUBMITTED: "follow"}


def defer_tasks(connection: psycopg.Connection[Any], due: Mapping[int, float]) -> None:
    """Defer the tasks of entries, if the database has the tables of an engine.

    Args:
        connection: A connection with an open transaction.
        due: For each entry, in how many seconds it is due.
    """
    found = connection.execute(
        "SELECT id, key, state FROM of_search WHERE id = ANY(%s) AND batch IS NOT NULL"
        " AND state = ANY(%s) AND to_regclass('procrastinate_jobs') IS NOT NULL"
        " ORDER BY id",
        (list(due), list(_ACTIONS)),
    ).fetchall()
    if found:
        from openfunnel_async.book._postgres.deferring import defer_due  # noqa: PLC0415 -- the engine is for those who have its tables

        defer_due(
            connection,
            [(key, _ACTIONS[state], due[number]) for number, key, state in found],
        )
