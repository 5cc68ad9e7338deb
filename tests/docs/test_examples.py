"""Every example on a page is run."""

from pathlib import Path

import pytest

from openfunnel_async.sandbox import BodyFault, JobLife, Sandbox
from tests.docs.pages import FRAGMENTS, Example, examples
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
# Who runs the programs of a page, and the fragments that are not run in here.
RUN_BY = {
    "README.md": "test_readme.py",
    "index.md": "test_readme.py",
    "tutorial.md": "test_tutorial.py",
    "tutorial-pull-the-plug.md": "test_tutorial_plug.py",
    "how-to/batch-script.md": "test_howto_batch.py",
    "how-to/nightly-batch.md": "test_howto_nightly.py",
    "how-to/budget.md": "test_howto_budget.py",
    "how-to/do-not-buy-it-twice.md": "test_howto_twice.py",
    "how-to/export.md": "test_howto_export.py",
    "how-to/company-network.md": "test_howto_network.py",
    "how-to/logging.md": "test_howto_logging.py",
    "how-to/opentelemetry.md": "test_howto_opentelemetry.py",
    "how-to/record-and-replay.md": "test_howto_recording.py",
    "how-to/take-what-you-need.md": "test_howto_take.py",
    "how-to/test-your-own-code.md": "test_howto_testing.py",
    "how-to/web-app.md": "test_howto_web.py",
    "how-to/web-app-aiohttp.md": "test_howto_web.py",
    "how-to/worker-pool.md": "test_howto_worker.py",
    "how-to/other-schedulers.md": "test_howto_schedulers.py",
    "how-to/workers.md": "test_howto_workers.py",
    "reference/buy.md": "test_reference_programs.py",
    "reference/events.md": "test_reference_programs.py",
}


def fragment(page: str, number: int) -> Example:
    [found] = [e for e in examples() if (e.page, e.number) == (page, number)]
    return found


async def run(example: Example, folder: Path, sandbox: Sandbox) -> str:
    """Run an example and return its output."""
    process = await run_program(example.program, folder, environment_of(sandbox))
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode()


def test_every_example_is_run_by_somebody() -> None:
    """Caught: a program added to a page that no test names."""
    tests = Path(__file__).parent
    for example in examples():
        if not example.is_program and (example.page, example.number) in FRAGMENTS:
            continue
        assert example.page in RUN_BY, f"nobody runs {example.name}:\n{example.code}"
        assert (tests / RUN_BY[example.page]).is_file()


@pytest.mark.parametrize(("page", "number"), FRAGMENTS)
async def test_a_fragment_runs(page: str, number: int, tmp_path: Path) -> None:
    async with Sandbox(lives=[AT_ONCE] * 3) as sandbox:
        await run(fragment(page, number), tmp_path, sandbox)


async def test_a_careful_submit_finds_the_job_of_a_broken_answer(
    tmp_path: Path,
) -> None:
    """Caught: the error let through although it has the job's id."""
    cut = BodyFault(on="submit", body=b'{"job_id": "job-1", "message": "st')
    page = "explanation/money-and-cancellation.md"
    async with Sandbox(faults=[cut]) as sandbox:
        said = await run(fragment(page, 0), tmp_path, sandbox)
    assert said == "120\n"
