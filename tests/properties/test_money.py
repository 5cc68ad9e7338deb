"""Money: no job without a handle, no number without the ledger."""

import asyncio

from hypothesis import assume, given
from hypothesis import strategies as st

from openfunnel_async import (
    BulkJob,
    JobStatus,
    LookalikeSearch,
    OpenFunnelError,
    SubmitOutcomeUnknownError,
    TransportError,
)
from openfunnel_async.sandbox import CompletesUnderCancel, JobLife, Unknowns
from tests.properties.plans import LATENCIES, LIMITS, LIVES, UNKNOWNS, seconds
from tests.properties.profiles import bounded
from tests.properties.world import World
from tests.support.sandbox_transport import Fate

LIFE = JobLife(queue=1, first_page_after=3, seconds_per_page=5.0, closing=1)


def search_for(limit: int) -> LookalikeSearch:
    return LookalikeSearch(query="voice ai", limit=limit)


@bounded(80)
@given(
    life=LIVES, limit=LIMITS, unknowns=UNKNOWNS, moment=seconds(120), slow=LATENCIES,
    gets_there_first=st.booleans(),
)  # fmt: skip
def test_a_cancel_at_any_moment_is_billed_as_the_receipt_says(  # noqa: PLR0913, PLR0917 -- what may vary
    life: JobLife,
    limit: int,
    unknowns: Unknowns,
    moment: float,
    slow: tuple[float, ...],
    gets_there_first: bool,
) -> None:
    """Seen to fail: credits avoided are reckoned from `processed` at the cancel."""
    with World(unknowns=unknowns, latencies=slow) as world:
        world.life = life
        if gets_there_first:
            world.service.faults.append(CompletesUnderCancel())
        job = world.run(world.client.submit(search_for(limit)))
        world.run(asyncio.sleep(moment))
        receipt = world.run(job.cancel(wait=True, timeout=None))
        assert receipt.status.is_terminal
        world.check_receipt(job, receipt)
        if receipt.status is JobStatus.CANCELLED:
            assert receipt.credits_consumed is not None
            assert receipt.credits_avoided == limit - receipt.credits_consumed
        balance = world.run(world.client.credit_balance())
        assert balance.credits_used == receipt.credits_consumed
        world.close()


@bounded(60)
@given(fates=st.lists(st.sampled_from(Fate), max_size=6), slow=LATENCIES)
def test_a_submit_makes_one_job_or_says_what_it_may_have_made(
    fates: list[Fate], slow: tuple[float, ...]
) -> None:
    """Seen to fail: a submit is sent again after a lost answer."""
    with World(latencies=slow) as world:
        world.life = LIFE
        world.transport.fates.extend(fates)
        outcome: BulkJob | OpenFunnelError
        try:
            outcome = world.run(world.client.submit(search_for(100)))
        except (SubmitOutcomeUnknownError, TransportError) as exc:
            outcome = exc
        made = list(world.service.jobs)
        if isinstance(outcome, BulkJob):
            assert made == [outcome.id]
        elif isinstance(outcome, SubmitOutcomeUnknownError):
            assert len(made) == 1
            assert outcome.max_exposure == 100
        else:
            assert made == []
            assert fates[:4] == [Fate.REFUSED] * 4
        world.close()


@bounded(60)
@given(
    leaves=seconds(12), again=seconds(8), slow=LATENCIES,
    fates=st.lists(st.sampled_from([Fate.REFUSED]), max_size=2),
)  # fmt: skip
def test_no_job_runs_on_for_a_caller_who_left_during_the_submit(
    leaves: float, again: float, slow: tuple[float, ...], fates: list[Fate]
) -> None:
    """Cancelled twice, even: its job is cancelled, or an orphan one can see.

    Seen to fail: the cancellation goes through at once.
    """
    # A submit is read on for 5 s; what takes longer is warned about, not known.
    assume(max(slow) < 2.5)
    with World(latencies=slow) as world:
        world.life = JobLife(queue=1000)
        world.transport.fates.extend(fates)

        async def leave() -> BulkJob | None:
            task = asyncio.create_task(world.client.submit(search_for(100)))
            await asyncio.sleep(leaves)
            task.cancel()
            await asyncio.wait([task], timeout=again)
            task.cancel()
            await asyncio.wait([task])
            # A second cancellation gets out; the client ends what it began.
            await world.client.aclose()
            return None if task.cancelled() else task.result()

        job = world.run(leave())
        if job is None:
            going = [
                view.id
                for view in world.service.jobs.values()
                if view.status in {"pending", "running"}
            ]
            assert going == list(world.client.orphans)
        else:
            assert list(world.service.jobs) == [job.id]
