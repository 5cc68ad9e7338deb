"""Budgets: a cap over time for all who submit, in days of UTC."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import anyio
import psycopg
import pytest

from openfunnel_async import (
    Book,
    ConfigurationError,
    CreditCapError,
    OpenFunnel,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.book import BudgetStatus, EntryState
from openfunnel_async.book._calendar import find_periods
from openfunnel_async.book._postgres.database import PostgresDatabase
from openfunnel_async.book._sqlite import database
from openfunnel_async.sandbox import LostAnswer
from tests.book.account import BookAccount
from tests.fleet.account import lasting, search, searches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


@pytest.fixture
async def account(address: str) -> BookAccount:
    return BookAccount(address, lasting(20, rows=30), budget="agent-7")


async def of_total(book: Book, name: str = "agent-7") -> BudgetStatus:
    (found,) = [one for one in await book.budgets() if one.period == "total"]
    assert found.name == name
    assert (await book.check()).problems == ()
    return found


def test_the_calendar() -> None:
    moment = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert find_periods(moment) == ("2026-12-31", "2026-12", "total")
    assert find_periods(moment + 1) == ("2027-01-01", "2027-01", "total")


async def test_a_submit_is_reserved_and_its_bill_replaces_it(
    account: BookAccount,
) -> None:
    async with account:
        await account.book.set_budget("agent-7", total=100)
        job = await account.client.submit(search(limit=50))
        assert (await of_total(account.book)).reserved == 50
        await job.wait_until_terminal()
        await anyio.sleep(1)
        budget = await of_total(account.book)
        assert (budget.spent, budget.reserved, budget.left) == (30, 0, 70)


async def test_what_does_not_fit_is_refused_before_anything_is_sent(
    account: BookAccount,
) -> None:
    async with account:
        await account.book.set_budget("agent-7", per_day=60)
        await account.client.submit(search(1, 50))
        with pytest.raises(CreditCapError, match="agent-7"):
            await account.client.submit(search(2, 50))
        with pytest.raises(CreditCapError, match="unknown"):
            await account.client.submit(search(3, None))
        assert len(account.seen("submit")) == 1


@pytest.mark.parametrize("once", [None, "crm-4711"])
async def test_a_refusal_first_reads_which_jobs_are_terminal(
    account: BookAccount, once: str | None
) -> None:
    """Caught: credits that stay reserved for jobs that nobody waits for."""
    async with account:
        await account.book.set_budget("agent-7", total=90)
        await account.client.submit(search(1, 50))
        await anyio.sleep(60)
        await account.client.submit(search(2, 50), once=once)
        assert len(account.views) == 2


async def test_run_many_and_running_are_under_the_budget(account: BookAccount) -> None:
    async with account:
        await account.book.set_budget("agent-7", total=130)
        outcomes = await account.client.run_many(searches(50, 50, 50, 50), max_active=2)
        bought = [one for one in outcomes if one.error is None]
        refused = [one for one in outcomes if isinstance(one.error, CreditCapError)]
        assert len(bought) + len(refused) == 4
        assert account.most_committed() <= 130
        with pytest.raises(CreditCapError):
            async with account.client.running(search(9, 120)):
                pass
        assert account.service.ledger.used <= 130


async def test_batches_are_under_the_budget_and_stay_planned(
    account: BookAccount,
) -> None:
    async with account:
        await account.book.set_budget("agent-7", per_day=60, per_month=1000)
        batch = await account.client.batch("q4", searches(50, 50, 50))
        report = await batch.run()
        assert (report.settled, report.planned, report.skipped) == (1, 2, 0)
        await account.book.set_budget("agent-7", per_day=1000)
        assert (await batch.run()).settled == 3


@pytest.mark.parametrize("latency", [2.0, 14.0])
async def test_a_cancelled_submit_cancels_its_job(address: str, latency: float) -> None:
    """Caught: an answer later than 5 s, and its job left to bill."""
    async with BookAccount(
        address, lasting(200), latency=[latency], budget="b"
    ) as account:
        await account.book.set_budget("b", total=100)
        submit = asyncio.create_task(account.client.submit(search(limit=50)))
        await anyio.sleep(0.5)
        submit.cancel()
        await asyncio.wait([submit])
        assert submit.cancelled()
        await anyio.sleep(60)
        assert account.going() == []


async def test_an_unknown_outcome_stays_reserved(address: str) -> None:
    faults = [LostAnswer(on="submit")]
    async with BookAccount(
        address, lasting(20), faults=faults, budget="agent-7"
    ) as account:
        await account.book.set_budget("agent-7", total=100)
        with pytest.raises(SubmitOutcomeUnknownError):
            await account.client.submit(search(limit=50))
        (entry,) = await account.book.entries()
        assert entry.state is EntryState.UNKNOWN
        assert (await of_total(account.book)).reserved == 50


async def test_a_bill_after_midnight_is_that_of_the_day_before(
    account: BookAccount, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()]
    monkeypatch.setattr(database, "time", _Clock(now))
    monkeypatch.setattr(PostgresDatabase, "now", _Clock(now).time)
    async with account:
        book = account.book
        await book.set_budget("agent-7", per_day=50, per_month=60)
        job = await account.client.submit(search(1, 50))
        now[0] += 120
        await account.client.submit(search(2, 50))
        await job.wait_until_terminal()
        await anyio.sleep(1)
    query = (
        "SELECT period, spent, reserved FROM of_cap WHERE budget IS NOT NULL"
        " ORDER BY id"
    )
    if account.book.is_shared:
        with psycopg.connect(address) as server:
            found = server.execute(query).fetchall()
    else:
        with closing(sqlite3.connect(account.book.path)) as file:
            found = file.execute(query).fetchall()
    assert found == [
        ("2026-11-30", 30, 0),
        ("2026-11", 30, 0),
        ("total", 30, 50),
        ("2026-12-01", 0, 50),
        ("2026-12", 0, 50),
    ]


class _Clock:
    def __init__(self, now: list[float]) -> None:
        self._now = now

    def time(self) -> float:
        return self._now[0]


async def test_a_budget_that_is_not_there(address: str) -> None:
    async with BookAccount(address, lasting(20), budget="other") as account:
        with pytest.raises(ConfigurationError, match="no budget other"):
            await account.client.submit(search())
        assert account.seen("submit") == []
    with pytest.raises(ConfigurationError, match="Book"):
        OpenFunnel("of_" + "0" * 64, budget="agent-7")


@pytest.mark.parametrize(
    "limits", [{}, {"per_day": -1}, {"total": "x"}, {"per_month": float("nan")}]
)
async def test_limits_that_are_refused(address: str, limits: dict[str, float]) -> None:
    async with Book.connect(address) as book:
        with pytest.raises(ConfigurationError):
            await book.set_budget("agent-7", **limits)
        assert await book.budgets() == []
