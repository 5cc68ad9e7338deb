"""Tell an engine what became due, in the transaction in which it did."""

from collections.abc import Sequence
from typing import Any

import psycopg

from openfunnel_async.book._values import EntryState

_ACTIONS = {EntryState.PLANNED: "submit", EntryState.SUBMITTED: "follow"}


def defer_tasks(connection: psycopg.Connection[Any], due: Sequence[int]) -> None:
    """Defer the tasks of entries, if the database has the tables of an engine."""
    found = connection.execute(
        "SELECT key, state FROM of_search WHERE id = ANY(%s) AND batch IS NOT NULL"
        " AND state = ANY(%s) AND to_regclass('procrastinate_jobs') IS NOT NULL"
        " ORDER BY id",
        (list(set(due)), list(_ACTIONS)),
    ).fetchall()
    if found:
        from openfunnel_async.book._postgres.deferring import defer_due  # noqa: PLC0415 -- the engine is for those who have its tables

        defer_due(connection, [(key, _ACTIONS[state]) for key, state in found])
