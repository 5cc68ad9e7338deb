"""A program that ends in the middle of a submit logs that a job may be billing.

The processes and signals are real; the sandbox answers a submit after a minute.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from openfunnel_async.sandbox import SlowAnswer, StatusFault
from openfunnel_async.sandbox._threaded import SharedSandbox, in_a_thread

_SLOW = SlowAnswer(on="submit", delay=60, times=9)


@pytest.fixture
def sandbox() -> Iterator[SharedSandbox]:
    sandbox = SharedSandbox()
    with in_a_thread(sandbox):
        yield sandbox


def run(sandbox: SharedSandbox, way: str, interrupts: int = 0) -> str:
    """Run the program, interrupt it N times, and return what it wrote."""
    environment = {
        **os.environ,
        "OPENFUNNEL_BASE_URL": sandbox.base_url,
        "OPENFUNNEL_API_KEY": sandbox.api_key,
    }
    command = [sys.executable, "-m", "tests.crash.interrupted", way]
    with subprocess.Popen(  # noqa: S603 -- this Python and a module of the tests
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(interrupts):
            # By then the request was sent, or the first interrupt is being handled.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGINT)
        return process.communicate(timeout=30)[1].decode()


def count_lines(text: str, what: str) -> int:
    return sum(what in line for line in text.splitlines())


@pytest.mark.parametrize(
    ("way", "interrupts"),
    [
        ("ctrl-c", 2),
        ("no runner", 1),
        ("return", 0),
        ("exit", 0),
        ("close", 0),
        ("thread", 0),
    ],
)
def test_a_submit_that_is_cut_off_is_logged_once(
    sandbox: SharedSandbox, way: str, interrupts: int
) -> None:
    """Caught: no log of a billing job; `UnfinishedWork` without its `atexit`."""
    sandbox.faults.append(_SLOW)
    wrote = run(sandbox, way, interrupts)
    assert count_lines(wrote, "a job may be billing up to 77 credits") == 1


def test_a_submit_is_logged_when_its_loop_closes(
    sandbox: SharedSandbox,
) -> None:
    """Caught: `UnfinishedWork` without its `__del__`; logged only at the exit."""
    sandbox.faults.append(_SLOW)
    wrote = run(sandbox, "close")
    assert wrote.index("may be billing") < wrote.index("the program continues")


def test_one_interrupt_waits_for_the_answer_and_then_logs(
    sandbox: SharedSandbox,
) -> None:
    sandbox.faults.append(_SLOW)
    wrote = run(sandbox, "ctrl-c", 1)
    assert count_lines(wrote, "a job may be billing up to 77 credits") == 1


def test_a_job_that_could_not_be_cancelled_is_named(sandbox: SharedSandbox) -> None:
    """Caught: a background cancel that ended with the loop and was not logged."""
    sandbox.faults.append(StatusFault(on="cancel", times=10_000))
    wrote = run(sandbox, "block", 2)
    [job_id] = sandbox.jobs
    last = f"job {job_id} could not be cancelled and may be billing"
    assert count_lines(wrote, last) == 1


_LATE = """
import asyncio, resource, sys
from openfunnel_async import LookalikeSearch, OpenFunnel, WireReply
from openfunnel_async import OpenFunnelError

class Transport:
    sent = 0
    async def send(self, request):
        Transport.sent += 1
        # Later imports happen when the job exists already.
        self.before = set(sys.modules)
        return WireReply(status_code=200, body=b'{"job_id": "job-1"}')
    async def aclose(self):
        pass

async def main():
    transport = Transport()
    client = OpenFunnel("of_" + 64 * "0", transport=transport)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        await client.submit(LookalikeSearch(query="voice", limit=5))
    except OpenFunnelError as exc:
        print(type(exc).__name__, Transport.sent)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    job = await client.submit(LookalikeSearch(query="voice", limit=5))
    print(job.id, sorted(set(sys.modules) - transport.before))

asyncio.run(main())
"""


def test_nothing_is_imported_between_an_answer_and_its_handle() -> None:
    """Caught: anyio's backend imported after the answer: an error lost the job."""
    ran = subprocess.run(  # noqa: S603 -- this Python and the lines above
        [sys.executable, "-c", _LATE], capture_output=True, check=True, text=True
    )
    assert ran.stdout.splitlines() == ["ConfigurationError 0", "job-1 []"]
