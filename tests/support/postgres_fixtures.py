"""A PostgreSQL for the tests: one server for each process of pytest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer, find_url, make_schema

__all__ = ["postgres_server_url", "postgres_url"]


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """Return the address of a server, started when a test first needs it."""
    url = find_url()
    if url is not None:
        yield url
        return
    with PostgresServer() as server:
        yield server.url


@pytest.fixture
def postgres_url(
    postgres_server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return an address where a Book can be made; nothing else is there."""
    # Where a Book on PostgreSQL keeps the ids that it could not write.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return make_schema(postgres_server_url)
