"""``submit(once=)`` of two processes that are at the same step at the same moment."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from openfunnel_async import (
    Book,
    BulkJob,
    LookalikeSearch,
    OpenFunnel,
    RequestRejectedError,
)
from openfunnel_async.book._book import ledger_of
from openfunnel_async.book._postgres.store import PostgresStore
from openfunnel_async.sandbox import Sandbox, StatusFault

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=100) as started:
        yield started


async def _submit_between(
    url: str, sandbox: Sandbox, method: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[BulkJob, ...]:
    """Submit under a key while another process is about to call a method for it."""
    book = Book.connect(url)
    store = ledger_of(book).store
    real = getattr(PostgresStore, method)
    found: list[BulkJob] = []
    async with (
        _open_client(sandbox, book) as client,
        _open_client(sandbox, Book.connect(url)) as other,
    ):

        async def wait(self: PostgresStore, *args: Any, **kwargs: Any) -> Any:
            if self is store and not found:
                found.append(await _submit(other))
            return await real(self, *args, **kwargs)

        monkeypatch.setattr(PostgresStore, method, wait)
        return await _submit(client), *found


def _open_client(sandbox: Sandbox, book: Book) -> OpenFunnel:
    return OpenFunnel(sandbox.api_key, base_url=sandbox.base_url, book=book)


async def _submit(client: OpenFunnel) -> BulkJob:
    return await client.submit(LookalikeSearch(query="a", limit=30), once="k")


async def test_a_key_that_another_process_begins_first_is_its_job(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: an error for a call that came second by a few milliseconds."""
    first, other = await _submit_between(
        postgres_url, sandbox, "begin_submit", monkeypatch
    )
    assert first.id == other.id
    assert [*sandbox.jobs] == [first.id]


async def test_a_refused_search_is_planned_again_by_one_of_two(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults.append(StatusFault(status=422, on="submit"))
    async with _open_client(sandbox, Book.connect(postgres_url)) as client:
        with pytest.raises(RequestRejectedError):
            await _submit(client)
    first, other = await _submit_between(postgres_url, sandbox, "resolve", monkeypatch)
    assert first.id == other.id
    assert [*sandbox.jobs] == [first.id]
