"""The how-to on recordings: record a run against a sandbox, replay it without one."""

import re
from pathlib import Path

import anyio
import pytest

from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program
from tests.plugin.runs import passes, run

pytestmark = pytest.mark.anyio

PAGE = DOCS / "how-to" / "record-and-replay.md"
OWN, VCR, TRACE = blocks(PAGE, "python")
ANYIO = ("-p", "anyio.pytest_plugin")
# A few polls while it runs, at the interval of the programs.
LIFE = JobLife(queue=20, first_page_after=40, seconds_per_page=40, closing=40)
FILTER = 'filter_headers=["x-api-key"]'


async def record(folder: Path) -> tuple[Sandbox, str]:
    """Record a run with the first program; return its sandbox and its output."""
    async with Sandbox(speed=100, lives=[LIFE]) as sandbox:
        process = await run_program(OWN, folder, environment_of(sandbox))
    assert process.returncode == 0, process.stderr.decode()
    return sandbox, process.stdout.decode()


async def test_what_was_recorded_is_replayed_without_a_service(
    pytester: pytest.Pytester,
) -> None:
    folder = pytester.path
    sandbox, output = await record(folder)
    assert re.fullmatch(r"\d+ domains recorded\n", output)
    assert sandbox.api_key not in (folder / "leads.jsonl").read_text(encoding="utf-8")
    assert len(sandbox.jobs) == 1
    pytester.makepyfile(OWN)
    assert await anyio.to_thread.run_sync(lambda: passes(pytester, *ANYIO, tests=1))


async def test_a_replay_of_other_code_fails(pytester: pytest.Pytester) -> None:
    """Caught: a replay that answers with anything that it has."""
    await record(pytester.path)
    reading = "companies = await job.result()"
    assert reading in OWN
    pytester.makepyfile(OWN.replace(reading, "companies = await job.take(5)"))
    result = await anyio.to_thread.run_sync(lambda: run(pytester, *ANYIO))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*was not recorded; nothing was sent*"])


async def test_the_trace_begins_with_the_submit_and_ends_with_the_job(
    tmp_path: Path,
) -> None:
    sandbox, _ = await record(tmp_path)
    process = await run_program(TRACE, tmp_path, {})
    assert process.returncode == 0, process.stderr.decode()
    lines = [line.split() for line in process.stdout.decode().splitlines()]
    assert {job_id for job_id, *_ in lines} == sandbox.jobs.keys()
    assert lines[0][1:] == ["0.0", "s", "pending", "None"]
    assert lines[-1][3:] == ["completed", "100"]
    seconds = [float(line[1]) for line in lines]
    assert seconds == sorted(seconds)
    assert {"pending", "running", "completed"} <= {line[3] for line in lines}


@pytest.mark.parametrize("serializer", ["yaml", "json"])
async def test_vcrpy_records_and_replays(serializer: str, tmp_path: Path) -> None:
    code = VCR.replace(FILTER, f'{FILTER}, serializer="{serializer}"')
    async with Sandbox(speed=100, lives=[LIFE]) as sandbox:
        environment = environment_of(sandbox)
        first = await run_program(code, tmp_path, environment)
    assert first.returncode == 0, first.stderr.decode()
    assert sandbox.api_key not in (tmp_path / "leads.yaml").read_text(encoding="utf-8")
    # The sandbox is closed now.
    again = await run_program(
        code, tmp_path, environment | {"OPENFUNNEL_API_KEY": "any-key"}
    )
    assert again.returncode == 0, again.stderr.decode()
    assert again.stdout == first.stdout == b"100 companies\n"


async def test_vcrpy_without_the_filter_writes_no_yaml(tmp_path: Path) -> None:
    """Caught: a key that is written like any other header."""
    assert FILTER in VCR
    async with Sandbox(speed=100, lives=[LIFE]) as sandbox:
        code = VCR.replace(FILTER, "")
        process = await run_program(code, tmp_path, environment_of(sandbox))
    assert process.returncode == 1
    assert b"an API key is not pickled" in process.stderr
    cassette = tmp_path / "leads.yaml"
    assert not cassette.exists() or sandbox.api_key not in cassette.read_text("utf-8")


async def test_vcrpy_with_a_request_that_is_not_in_the_cassette(tmp_path: Path) -> None:
    (tmp_path / "leads.yaml").write_text("interactions: []\nversion: 1\n")
    code = VCR.replace(FILTER, f'{FILTER}, record_mode="none"')
    environment = {"OPENFUNNEL_API_KEY": "any-key"}
    process = await run_program(code, tmp_path, environment)
    assert process.returncode == 1
    last = process.stderr.decode().splitlines()[-1]
    assert "SubmitOutcomeUnknownError: " in last
