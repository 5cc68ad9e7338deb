"""A pooled connection that died silently: what it costs in seconds and rows.

A NAT or VPN change drops the packets of established connections without a word, and
new connections work. Here the kernel does it; see network.py. A job writes 25 rows
every 2.5 s, and each network change comes when it has written 25.
"""

from collections.abc import Callable

import anyio
import pytest

from tests.netns.conftest import FIGURES
from tests.netns.network import Network
from tests.netns.scene import Measured, TransportName, measure

pytestmark = pytest.mark.anyio

# A cancel over a fresh connection takes milliseconds; a busy machine takes longer.
AT_ONCE = 1.0
# The 25 rows that were there, and at most the next 25.
FEW_ROWS = 50
# A read over a dead connection; then the next turn to poll.
READ = 10.0
TURN = 3.0

Noted = Callable[[str, Measured], None]


@pytest.fixture
def noted(record_property: Callable[[str, object], None]) -> Noted:
    """Keep figures for the summary, and check that they are about a dead connection."""

    def note(what: str, seen: Measured) -> None:
        cancels = seen.requests.get("cancel", 0)
        line = (
            f"{what:<40}{seen.seconds:6.2f} s {seen.rows:5} rows "
            f"{cancels:2} cancels {seen.requests.get('read', 0):3} reads "
            f"{seen.dropped:4} packets dropped; jobs {seen.statuses}"
        )
        record_property(FIGURES, line)
        assert seen.pooled >= 1
        assert seen.crossed > 0

    return note


async def scene(
    link: Network,
    scenario: str,
    *,
    transport: TransportName = "shipped",
    **life: float,
) -> Measured:
    with anyio.fail_after(60):
        return await measure(link, scenario, transport=transport, **life)


@pytest.mark.parametrize("transport", ["shipped", "own_session"])
async def test_a_cancel_takes_no_dead_connection(
    link: Network, noted: Noted, transport: TransportName
) -> None:
    """Caught: a cancel over the pool, which bills for the whole request timeout."""
    seen = await scene(link, "cancel", transport=transport)
    noted(f"cancel(), {transport}", seen)
    assert seen.seconds < AT_ONCE
    assert seen.rows <= FEW_ROWS
    assert seen.requests["cancel"] == 1
    assert seen.statuses == {"cancelled": 1}


async def test_a_cancel_over_the_pool_bills_for_the_whole_timeout(
    link: Network, noted: Noted
) -> None:
    """The control: with the old behaviour the connection is dead, and it costs rows.

    The request timeout is 5 s here, so that the control does not take 30 s.
    """
    seen = await scene(link, "cancel", transport="pooled_cancels")
    noted("control: cancel() over the pool, 5 s", seen)
    assert seen.seconds >= 5
    assert seen.rows > FEW_ROWS
    assert seen.dropped > 0


async def test_leaving_running_sends_the_cancel_at_once(
    link: Network, noted: Noted
) -> None:
    """Caught: leaving after 10 s with no cancel sent and the job still billing."""
    seen = await scene(link, "running")
    noted("leaving running()", seen)
    assert seen.seconds < AT_ONCE
    assert seen.rows <= FEW_ROWS
    assert seen.requests["cancel"] == 1
    assert seen.statuses == {"cancelled": 1}


async def test_take_stops_the_bill_at_once(link: Network, noted: Noted) -> None:
    """The read that confirms the end may meet the dead connection; the cancel not.

    Caught: a cancel over the pool, after which 25 rows cost 325.
    """
    seen = await scene(link, "take")
    noted("take(25)", seen)
    assert seen.extra["taken"] == 25
    assert seen.rows <= FEW_ROWS
    assert seen.requests["cancel"] == 1
    assert seen.statuses == {"cancelled": 1}
    assert seen.seconds < READ + TURN


async def test_a_cancelled_batch_cancels_its_jobs_at_once(
    link: Network, noted: Noted
) -> None:
    """Caught: the first cancel takes the pooled connection and never arrives."""
    seen = await scene(link, "run_many")
    noted("run_many of 3, cancelled", seen)
    assert seen.seconds < AT_ONCE
    assert seen.rows <= 3 * FEW_ROWS
    assert seen.requests["cancel"] == 3
    assert seen.statuses == {"cancelled": 3}


async def test_a_submit_takes_no_dead_connection(link: Network, noted: Noted) -> None:
    """New connections work after the change, or no test here would prove anything."""
    seen = await scene(link, "submit")
    noted("submit()", seen)
    assert seen.seconds < AT_ONCE
    assert seen.requests["submit"] == 1


@pytest.mark.parametrize("scenario", ["poll", "poll_full_pool"])
async def test_a_dead_connection_costs_a_poll_ten_seconds_at_most(
    link: Network, noted: Noted, scenario: str
) -> None:
    """Caught: the whole request timeout; one dead connection after the other."""
    seen = await scene(link, scenario)
    noted(scenario, seen)
    assert seen.pooled >= (6 if scenario == "poll_full_pool" else 1)
    assert seen.seconds <= READ


async def test_a_wait_sees_the_end_soon_after_it(link: Network, noted: Noted) -> None:
    """Caught: a read over a dead connection that lasts the whole request timeout."""
    seen = await scene(link, "wait", first_page_after=5, rows=100)
    noted("wait_until_terminal()", seen)
    assert seen.statuses == {"completed": 1}
    assert seen.seconds <= READ + TURN


async def test_rows_go_on_after_a_short_stall_each_once(
    link: Network, noted: Noted
) -> None:
    """Caught: a stall of the whole request timeout."""
    seen = await scene(link, "rows", first_page_after=2, seconds_per_page=2, rows=300)
    noted("rows() across the change, longest gap", seen)
    assert (seen.extra["delivered"], seen.extra["distinct"]) == (300, 300)
    assert seen.seconds <= READ + TURN
