"""Manifests that are unfinished at first, as the sandbox answers them."""

import pytest

from openfunnel_async import BulkJob, IncompleteResultsError, JobStatus
from openfunnel_async.sandbox import UnfinishedManifest
from tests.crash.finished import World

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

FAULTS = [
    UnfinishedManifest(times=1, count_short_by=20, missing=()),
    UnfinishedManifest(times=1, count_short_by=-5, missing=()),
    UnfinishedManifest(times=1, missing=("count",)),
    UnfinishedManifest(times=1, missing=("pages",)),
    UnfinishedManifest(times=1, missing=("credits_consumed",)),
    UnfinishedManifest(times=1, missing=(), billed_short_by=30.0),
    UnfinishedManifest(times=1, missing=(), billed_short_by=-30.0),
    UnfinishedManifest(times=3, missing=("count",), nulls=("credits_consumed",)),
    UnfinishedManifest(times=1, absent=True),
]


def bill(job: BulkJob) -> float | None:
    snapshot = job.snapshot
    return (
        None
        if snapshot is None or snapshot.manifest is None
        else (snapshot.manifest.credits_consumed)
    )


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_every_row_is_read_and_the_bill_is_the_last_one(
    fault: UnfinishedManifest,
) -> None:
    """Caught: the first terminal manifest kept for ever by its handle."""
    world = World(600)
    async with world.client:
        job = await world.client.submit(world.search)
        world.service.faults.append(fault)
        result = await job.result()
        world.check(job, result.rows)
        assert job.status is JobStatus.COMPLETED
        for _ in range(3):
            await job.poll()
        assert bill(job) == 600
        again = await job.result()
        assert again.manifest is not None
        assert again.manifest.count == 600


async def test_a_count_that_stays_wrong_is_an_error_until_it_is_corrected() -> None:
    world = World(300)
    async with world.client:
        job = await world.client.submit(world.search)
        fault = UnfinishedManifest(times=1000, missing=(), count_short_by=20)
        world.service.faults.append(fault)
        for _ in range(2):
            with pytest.raises(IncompleteResultsError) as caught:
                await job.result()
            world.check(job, caught.value.rows)
        world.service.faults.clear()
        world.check(job, (await job.result()).rows)
