"""Answers of 300 MB, packed and plain: the client reads 8 MiB of them.

Memory is that of a process of its own, so that nothing else is in it; with
``pytest -s`` its figures are shown.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import openfunnel_async
from openfunnel_async.sandbox import OversizedBody, Sandbox
from tests.support import memory_of_one_call
from tests.support.figures import measured
from tests.support.stage import SEARCH
from tests.wire.clients import client_of

pytestmark = pytest.mark.anyio

MOST = 32_000_000
PACKED = pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])


async def called(sandbox: Sandbox, what: str) -> dict[str, Any]:
    """Make one call in another process and return what it tells."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(memory_of_one_call.__file__)),
        sandbox.base_url,
        sandbox.api_key,
        what,
        stdout=asyncio.subprocess.PIPE,
        # The very package that is tested here, wherever it is.
        env=os.environ
        | {"PYTHONPATH": str(Path(openfunnel_async.__file__).parents[1])},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    kind = "submit" if what == "submit" else "read"
    measured(f"a {kind} had its process grow by {report['grown'] / 1e6:.1f} MB")
    return report


@PACKED
async def test_a_read_of_300_megabytes(packed: bool) -> None:
    """Caught: a body that is read whole before it is measured, 380 MB."""
    async with Sandbox() as sandbox:
        async with client_of(sandbox.base_url, sandbox.api_key) as client:
            job = await client.submit(SEARCH)
        sandbox.faults.append(OversizedBody(on="read", gzip=packed))
        report = await called(sandbox, job.id)
        assert [seen.kind for seen in sandbox.requests] == ["submit", "balance", "read"]
    assert report["error"] == "InvalidResponseError"
    assert "larger than 8 MiB" in report["message"]
    assert report["grown"] < MOST


@PACKED
async def test_a_submit_answered_with_300_megabytes(packed: bool) -> None:
    async with Sandbox(faults=[OversizedBody(on="submit", gzip=packed)]) as sandbox:
        report = await called(sandbox, "submit")
        assert [seen.kind for seen in sandbox.requests] == ["balance", "submit"]
        (job_id,) = sandbox.jobs
    assert report["error"] == "SubmitOutcomeUnknownError"
    assert (report["accepted"], report["job_id"]) == (True, job_id)
    assert report["grown"] < MOST


async def test_what_is_measured_is_seen() -> None:
    """What the figures above are compared with: 7 MB are read, and show."""
    async with Sandbox() as sandbox:
        async with client_of(sandbox.base_url, sandbox.api_key) as client:
            job = await client.submit(SEARCH)
        sandbox.faults.append(OversizedBody(on="read", megabytes=7))
        report = await called(sandbox, job.id)
    assert "error" not in report
    assert 7_000_000 < report["grown"] < MOST
