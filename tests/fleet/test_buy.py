"""`buy()`: a search from start to end for programs that are not asynchronous."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any, cast

import pytest

from openfunnel_async import (
    Company,
    ConfigurationError,
    JobFailedError,
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    WaitTimeoutError,
    buy,
)
from openfunnel_async._client.buy import ClientOptions, _LoopThread
from openfunnel_async.sandbox import JobLife, Sandbox

SEARCH = LookalikeSearch(query="voice ai", limit=300)
FAST = PollPolicy.fixed(0.02)
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
# A page of rows, and the others never.
STUCK = JobLife(queue=0, processed_after=0, first_page_after=0, seconds_per_page=1e9)
FAILING = JobLife(queue=0, first_page_after=0, seconds_per_page=0, ends="failed")

PROGRAM = """
from openfunnel_async import JobChanged, LookalikeSearch, PollPolicy, buy

def report(event):
    if isinstance(event, JobChanged):
        print(event.status, flush=True)

buy(LookalikeSearch(query="ai", limit=300), polling=PollPolicy.fixed(0.02),
    on_event=report)
"""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert "openfunnel_async.buy" not in names


def only_job(sandbox: Sandbox) -> Any:
    [job] = sandbox.jobs.values()
    return job


@pytest.mark.openfunnel(lives=[AT_ONCE])
def test_all_rows_come_back_with_the_bill(openfunnel_sandbox: Sandbox) -> None:
    result = buy(SEARCH, polling=FAST)
    assert result.status is JobStatus.COMPLETED
    assert [row.name for row in result] == [
        row["name"] for row in only_job(openfunnel_sandbox).rows
    ]
    assert result.credits_consumed == 300


@pytest.mark.anyio
@pytest.mark.openfunnel(lives=[AT_ONCE])
@pytest.mark.usefixtures("openfunnel_sandbox")
async def test_it_works_where_a_loop_is_running() -> None:
    assert len(buy(SEARCH, polling=FAST)) == 300


@pytest.mark.openfunnel(lives=[STUCK])
def test_enough_stops_the_spend(openfunnel_sandbox: Sandbox) -> None:
    seen: list[str] = []

    def is_wanted(company: Company) -> bool:
        seen.append(threading.current_thread().name)
        return company.name is not None and len(seen) % 2 == 0

    result = buy(SEARCH, enough=20, where=is_wanted, polling=FAST)
    assert (len(result), len(seen)) == (20, 40)
    assert result.status is JobStatus.CANCELLED
    job = only_job(openfunnel_sandbox)
    assert result.credits_consumed == job.credits == 100
    assert set(seen) == {"openfunnel_async.buy"}


@pytest.mark.openfunnel(lives=[AT_ONCE])
@pytest.mark.usefixtures("openfunnel_sandbox")
def test_where_alone_selects_from_all_rows() -> None:
    seen: list[Company] = []

    def is_wanted(company: Company) -> bool:
        seen.append(company)
        return len(seen) > 290

    result = buy(SEARCH, where=is_wanted, polling=FAST)
    assert (len(result), len(seen)) == (10, 300)
    assert result.status is JobStatus.COMPLETED


@pytest.mark.openfunnel(lives=[STUCK])
def test_the_end_of_the_time_cancels_the_job(openfunnel_sandbox: Sandbox) -> None:
    with pytest.raises(WaitTimeoutError, match="it was cancelled and is") as caught:
        buy(SEARCH, timeout=0.5, polling=FAST)
    assert only_job(openfunnel_sandbox).ends == "cancelled"
    assert len(caught.value.rows) == 100


@pytest.mark.openfunnel(lives=[STUCK])
def test_an_error_of_the_callers_function_cancels_the_job(
    openfunnel_sandbox: Sandbox,
) -> None:
    def divide(company: Company) -> bool:
        return len(company.name or "") / 0 > 1

    with pytest.raises(ZeroDivisionError):
        buy(SEARCH, enough=5, where=divide, polling=FAST)
    assert only_job(openfunnel_sandbox).ends == "cancelled"


@pytest.mark.openfunnel(lives=[FAILING])
@pytest.mark.usefixtures("openfunnel_sandbox")
def test_a_failed_job_is_an_error_with_its_rows() -> None:
    with pytest.raises(JobFailedError):
        buy(SEARCH, polling=FAST)


async def _later(_company: Company) -> bool:
    return True


@pytest.mark.parametrize(
    "wrong",
    [
        {"enough": 0},
        {"enough": "all"},
        {"where": 3},
        {"where": _later},
        {"timeout": -1},
        {"read_ahead": 0},
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    wrong: dict[str, Any], openfunnel_sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError):
        buy(SEARCH, **wrong)
    assert not openfunnel_sandbox.requests


def test_what_is_no_search_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="LookalikeSearch"):
        buy(cast("Any", "voice ai"), api_key="of_key")


def test_the_key_is_in_no_frame() -> None:
    secret = "of_" + "d00d" * 16
    for wrong in ({"base_url": "ftp://x"}, {"base_url": "http://127.0.0.1:1"}):
        with pytest.raises(Exception, match=r"base_url|127\.0\.0\.1") as caught:
            buy(SEARCH, api_key=secret, base_url=wrong["base_url"])
        report = traceback.TracebackException.from_exception(
            caught.value, capture_locals=True
        )
        # The first frame is the one of this test, which has the key in a local.
        frames = [frame.locals for frame in report.stack[1:]]
        assert len(frames) >= 2
        assert secret not in str(frames)


def test_its_options_are_those_of_the_client() -> None:
    """Caught: an option that is new in the client and that a type checker refuses."""
    names = list(inspect.signature(OpenFunnel).parameters)
    assert names == list(ClientOptions.__annotations__)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is sent to a process")
@pytest.mark.openfunnel(lives=[STUCK])
def test_ctrl_c_cancels_the_job_and_waits_for_that(openfunnel_sandbox: Sandbox) -> None:
    """Caught: a thread that ends with the process, and a job that bills on."""
    with subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert said.startswith("cancelling\n")
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert only_job(openfunnel_sandbox).ends == "cancelled"


def test_a_wait_that_is_broken_off_at_its_start_sends_nothing() -> None:
    """Caught: a Ctrl-C between the start of the thread and that of its task."""
    begun: list[float] = []

    async def work() -> None:
        begun.append(time.monotonic())

    thread = _LoopThread(work)
    thread._stop()
    with pytest.raises(asyncio.CancelledError):
        thread.run()
    assert begun == []
