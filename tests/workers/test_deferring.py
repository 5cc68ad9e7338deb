"""Tasks are deferred in the transactions of the Book, and never break them."""

import asyncio

import psycopg
import pytest
from psycopg import Connection

from openfunnel_async.book._postgres.deferring import defer_due
from openfunnel_async.workers._engine import set_up_tables

Rows = list[tuple[str, str]]


@pytest.fixture
def tables(postgres_url: str) -> str:
    asyncio.run(set_up_tables(postgres_url))
    return postgres_url


def read_tasks(url: str) -> Rows:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT task_name, args ->> 'key' FROM procrastinate_jobs ORDER BY id"
        ).fetchall()


def _find_none(_connection: object, _locks: list[str]) -> list[str]:
    return []


def find_backend(connection: Connection[tuple[object, ...]]) -> object:
    return (connection.execute("SELECT 1").fetchone() or (None,))[0]


def test_the_tables_are_made_once_by_many(postgres_url: str) -> None:
    """Caught: two workers that start together, and one that fails."""

    async def start() -> None:
        await asyncio.gather(*(set_up_tables(postgres_url) for _ in range(4)))

    asyncio.run(start())
    assert read_tasks(postgres_url) == []


def test_tasks_come_with_the_commit(tables: str) -> None:
    with psycopg.connect(tables) as connection:
        defer_due(connection, [("a", "submit", 0.0), ("b", "follow", 0.0)])
        assert read_tasks(tables) == []
    assert read_tasks(tables) == [
        ("openfunnel:submit", "a"),
        ("openfunnel:follow", "b"),
    ]


def test_tasks_go_with_the_rollback(tables: str) -> None:
    with psycopg.connect(tables) as connection:
        defer_due(connection, [("a", "submit", 0.0)])
        connection.rollback()
    assert read_tasks(tables) == []


def test_a_step_has_one_waiting_task(tables: str) -> None:
    """Caught: an aborted transaction, or new steps that are left out with old ones."""
    with psycopg.connect(tables) as connection:
        defer_due(connection, [("a", "submit", 0.0)])
    with psycopg.connect(tables) as connection:
        defer_due(connection, [(key, "submit", 0.0) for key in "abc"])
        assert find_backend(connection) == 1
    assert [key for _, key in read_tasks(tables)] == ["a", "b", "c"]


def test_a_task_that_another_defers_at_this_moment_is_enough(
    tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: the error of the unique index, which aborts the transaction."""
    with psycopg.connect(tables) as connection:
        defer_due(connection, [("a", "submit", 0.0)])
    module = "openfunnel_async.book._postgres.deferring"
    monkeypatch.setattr(f"{module}._find_waiting", _find_none)
    with psycopg.connect(tables) as connection:
        defer_due(connection, [(key, "submit", 0.0) for key in "ab"])
        assert find_backend(connection) == 1
    assert [key for _, key in read_tasks(tables)] == ["a", "b"]


def test_without_tables_nothing_happens(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        defer_due(connection, [("a", "submit", 0.0)])
        assert find_backend(connection) == 1


def test_what_is_put_off_is_scheduled(tables: str) -> None:
    with psycopg.connect(tables) as connection:
        defer_due(connection, [("a", "follow", 60.0)])
    with psycopg.connect(tables) as connection:
        row = connection.execute(
            "SELECT scheduled_at BETWEEN now() + interval '50 s'"
            " AND now() + interval '70 s' FROM procrastinate_jobs"
        ).fetchone()
    assert row == (True,)
