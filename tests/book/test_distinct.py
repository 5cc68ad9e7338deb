"""``distinct=500`` on a market of which half is owned: how far it goes beyond."""

import pytest

from tests.book.market import CHECKPOINT, refresh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.virtual_time,
    pytest.mark.usefixtures("inline"),
]


@pytest.mark.parametrize("max_active", [1, 2, 4])
async def test_each_job_stops_within_a_checkpoint_of_the_500th(
    address: str, max_active: int
) -> None:
    """Caught: a job that is not cancelled; a search submitted after the 500th."""
    found = await refresh(address, distinct=500, max_active=max_active)
    report = found.report
    assert report.new >= 500
    assert 0.4 < report.known / report.rows < 0.65
    assert found.jobs_after == found.jobs
    assert max(found.rows_after) <= CHECKPOINT
    pages = [company.linkedin_url for company in found.new]
    assert len(pages) == len(set(pages)) == report.new
    assert report.new <= 500 + CHECKPOINT * (max_active + 1)
    assert report.spent == report.rows == found.billed
