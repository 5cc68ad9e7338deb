"""What is invalid is refused before anything is sent."""

import math
from typing import Any

import pytest

from openfunnel_async import (
    AiohttpTransport,
    ConfigurationError,
    CreditCapError,
    OpenFunnel,
    ServerError,
)
from openfunnel_async.sandbox import StatusFault
from tests.fleet.account import Account, kinds, lasting, search, searches

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("no_task_is_left"),
]


@pytest.mark.parametrize(
    "arguments",
    [
        {"polling": 3},
        {"polling": None},
        {"retry": 3},
        {"transport": 3},
        {"transport": AiohttpTransport},
    ],
)
async def test_a_client(arguments: dict[str, Any]) -> None:
    """Caught: a policy that fails at the first wait, when the job bills already."""
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        OpenFunnel("a-key", **arguments)


async def test_a_client_with_other_options() -> None:
    wrong: Any = 3
    async with Account() as account:
        with pytest.raises(ConfigurationError, match="polling must be a PollPolicy"):
            account.client.with_options(polling=wrong)


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_active": 0},
        {"max_active": -1},
        {"max_active": True},
        {"max_active": 1.5},
        {"max_active": "8"},
        {"max_active": None},
        {"max_credits": -1},
        {"max_credits": -0.5},
        {"max_credits": math.nan},
        {"max_credits": math.inf},
        {"max_credits": True},
        {"max_credits": "100"},
        {"on_error": "raise"},
        {"on_error": "COLLECT"},
        {"on_error": []},
        {"on_error": None},
    ],
)
async def test_run_many(arguments: dict[str, Any]) -> None:
    async with Account() as account:
        with pytest.raises(ConfigurationError, match=next(iter(arguments))):
            await account.client.run_many(searches(5), **arguments)
        assert account.service.requests == []


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(None, id="nothing"),
        pytest.param(5, id="a number"),
        pytest.param("a query", id="text"),
        pytest.param(search(), id="a search"),
        pytest.param({"query": "x"}, id="a mapping"),
        pytest.param(["a query"], id="texts"),
        pytest.param([None], id="nothings"),
        pytest.param([{"query": "x"}], id="mappings"),
        pytest.param([search(), "a query"], id="a search and text"),
        pytest.param([[search()]], id="a list of lists"),
    ],
)
async def test_what_is_no_search(wanted: Any) -> None:
    """Caught: the first search submitted before the second is checked."""
    async with Account() as account:
        with pytest.raises(ConfigurationError, match="LookalikeSearch"):
            await account.client.run_many(wanted)
        assert account.service.requests == []


async def test_a_search_without_a_limit_under_a_cap_is_named() -> None:
    """Caught: the check made search by search, after others were submitted."""
    async with Account() as account:
        with pytest.raises(ConfigurationError, match=r"searches\[2\]"):
            await account.client.run_many(searches(5, 5, None), max_credits=100)
        assert account.service.requests == []


async def test_a_balance_that_covers_the_worst_case_lets_them_run() -> None:
    async with Account(lasting(20), credit=10) as account:
        outcomes = await account.client.run_many(searches(5, 5), check_balance=True)
        assert account.service.requests[0].kind == "balance"
    assert kinds(outcomes) == ["completed"] * 2


async def test_a_balance_that_does_not_is_said_before_anything_is_sent() -> None:
    """Caught: the balance checked against the first search alone."""
    async with Account(credit=9) as account:
        with pytest.raises(CreditCapError, match="10"):
            await account.client.run_many(searches(5, 5), check_balance=True)
        assert [seen.kind for seen in account.service.requests] == ["balance"]


async def test_the_worst_case_is_never_more_than_the_cap() -> None:
    async with Account(lasting(20), credit=9) as account:
        outcomes = await account.client.run_many(
            searches(5, 5), max_credits=5, check_balance=True
        )
    assert kinds(outcomes) == ["completed", "CreditCapError"]


async def test_a_search_without_a_limit_has_no_worst_case() -> None:
    """Caught: the missing limit noticed after the balance was read."""
    async with Account() as account:
        with pytest.raises(ConfigurationError, match=r"check_balance|searches\[1\]"):
            await account.client.run_many(searches(5, None), check_balance=True)
        assert account.service.requests == []


async def test_a_balance_that_cannot_be_read_is_raised() -> None:
    faults = [StatusFault(on="balance", times=10)]
    async with Account(faults=faults) as account:
        with pytest.raises(ServerError):
            await account.client.run_many(searches(5), check_balance=True)
        assert account.seen("submit") == []


async def test_without_the_check_no_balance_is_read() -> None:
    async with Account(lasting(20)) as account:
        await account.client.run_many(searches(5), max_credits=5)
        assert account.seen("balance") == []


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "10", 10**400])
async def test_a_budget_of_polls(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_polls_per_second"):
        Account(max_polls_per_second=rate)


@pytest.mark.parametrize(
    "name", ["nothing", "an id", "ids", "a handle", "pairs", "outcomes", "a search"]
)
async def test_what_is_no_list_of_handles(name: str) -> None:
    """Caught: handles looked up in a set before they are known to be handles."""
    async with Account(lasting(5)) as account:
        [outcome] = await account.client.run_many(searches(5))
        job = account.client.job("an-id")
        wrong: dict[str, Any] = {
            "nothing": None,
            "an id": job.id,
            "ids": [job.id],
            "a handle": job,
            "pairs": [[job, 5]],
            "outcomes": [outcome],
            "a search": [job, search()],
        }
        sent = len(account.service.requests)
        with pytest.raises(ConfigurationError, match="handles"):
            account.client.as_completed(wrong[name])
        with pytest.raises(ConfigurationError, match="handles"):
            await account.client.wait_all(wrong[name])
        assert len(account.service.requests) == sent


@pytest.mark.parametrize("seconds", [-1, math.nan, "10", True, []])
async def test_a_time_out(seconds: Any) -> None:
    async with Account() as account:
        with pytest.raises(ConfigurationError, match="timeout"):
            account.client.as_completed([], timeout=seconds)
        with pytest.raises(ConfigurationError, match="timeout"):
            await account.client.wait_all([], timeout=seconds)
