"""A batch is exported from the disk, also while it is unfinished."""

from pathlib import Path

import pytest

from openfunnel_async import (
    Book,
    ConfigurationError,
    LookalikeSearch,
    OpenFunnel,
    export,
)
from openfunnel_async.sandbox import JobLife, Sandbox
from tests.export.readers import READERS, list_names, read_links

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


@pytest.mark.parametrize("suffix", READERS)
async def test_a_batch_is_exported_whole_and_in_order(
    tmp_path: Path, suffix: str
) -> None:
    """Caught: rows that are found meanwhile missing, and the report silent on it."""
    searches = [LookalikeSearch(query=f"voice {n}", limit=130) for n in range(2)]
    path = tmp_path / f"out{suffix}"
    async with (
        Sandbox(lives=[AT_ONCE] * 2) as sandbox,
        OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            book=Book(tmp_path / "book.sqlite"),
        ) as client,
    ):
        batch = await client.batch("q4", searches)
        empty = await export.to_file(batch, path)
        assert (empty.rows, empty.unfinished) == (0, 2)
        await batch.run()
        requests = len(sandbox.requests)
        report = await export.to_file(batch, path, overwrite=True)
        assert (report.rows, report.unfinished) == (260, 0)
        assert len(sandbox.requests) == requests
        assert read_links(path) == [
            row["linkedin_url"] for job in sandbox.jobs.values() for row in job.rows
        ]


async def test_what_a_batch_cannot_do_is_refused(tmp_path: Path) -> None:
    """Caught: ``resume`` ignored, which discards a file that it should continue."""
    path = tmp_path / "out.csv"
    async with (
        Sandbox() as sandbox,
        OpenFunnel(
            sandbox.api_key,
            base_url=sandbox.base_url,
            book=Book(tmp_path / "book.sqlite"),
        ) as client,
    ):
        batch = await client.batch("q4", [LookalikeSearch(query="voice", limit=1)])
        with pytest.raises(ConfigurationError, match="without resume"):
            await export.to_file(batch, path, resume=True)
        with pytest.raises(ConfigurationError, match="takes a batch"):
            export.write(batch, path)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] -- wrong on purpose
    assert "out.csv" not in list_names(tmp_path)
