"""The how-tos on web apps: real processes, and browsers that leave."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from anyio.abc import Process

from openfunnel_async.sandbox import JobLife, SlowAnswer
from tests.fleet.programs import (
    WatchedSandbox,
    output_of,
    start,
    until_said,
    write_program,
)

pytestmark = pytest.mark.anyio

AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)
# Time stands still: the first page is there, the next ones never come by themselves.
ONE_PAGE = JobLife(queue=0, first_page_after=0, seconds_per_page=60, closing=60)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Browser:
    """A raw connection that asks for one thing and may leave at any time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    def ask(self, first_line: str, body: object = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        # HTTP/1.0: the body comes as it is and ends with the connection.
        head = (
            f"{first_line} HTTP/1.0\r\nhost: app\r\n"
            f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        self._writer.write(head.encode() + raw)

    async def status(self) -> int:
        head = await self._reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])

    async def line(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._reader.readline())
        return found

    async def rest(self) -> list[dict[str, Any]]:
        return [json.loads(line) async for line in self._reader]

    def leave(self) -> None:
        self._writer.transport.abort()


@attrs.frozen
class Page:
    """A page with an app.

    Attributes:
        name: The name of its file.
        invalid: The status of an answer to an invalid request.
        error: The field of its body that has the reason.
    """

    name: str
    invalid: int
    error: str


AIOHTTP = Page("web-app-aiohttp.md", 400, "error")
FASTAPI = Page("web-app.md", 422, "detail")


@pytest.fixture(params=[AIOHTTP, FASTAPI], ids=["aiohttp", "fastapi"])
def page(request: pytest.FixtureRequest) -> Page:
    found: Page = request.param
    return found


class App:
    """The program of a page, running."""

    def __init__(self, port: int, process: Process) -> None:
        self._port = port
        self._process = process

    @asynccontextmanager
    async def browser(self) -> AsyncGenerator[Browser]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            with anyio.fail_after(30):
                yield Browser(reader, writer)
        finally:
            writer.transport.abort()

    async def start_job(self, limit: int) -> str:
        async with self.browser() as browser:
            browser.ask("POST /jobs", {"query": "voice AI", "limit": limit})
            assert await browser.status() == 202
            return str((await browser.line())["job_id"])

    async def stop(self) -> str:
        """Stop it as a deployment does, and return what it has printed."""
        self._process.terminate()
        return await output_of(self._process)


@asynccontextmanager
async def serving(
    page: Page, folder: Path, sandbox: WatchedSandbox
) -> AsyncGenerator[App]:
    """Run an app, and kill it at the end if it is still running."""
    port = free_port()
    script = write_program(page.name, folder)
    async with await start(script, sandbox, PORT=str(port)) as process:
        try:
            await until_said(process, "http://127.0.0.1:")
            yield App(port, process)
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def app(page: Page, folder: Path, sandbox: WatchedSandbox) -> AsyncGenerator[App]:
    """Run an app; at the end stop it, and check that it ends without a traceback."""
    async with serving(page, folder, sandbox) as running:
        yield running
        assert "Traceback" not in await running.stop()


async def test_a_job_is_started_and_its_rows_are_streamed(
    page: Page, tmp_path: Path
) -> None:
    async with (
        WatchedSandbox(speed=0, lives=[AT_ONCE]) as sandbox,
        app(page, tmp_path, sandbox) as running,
    ):
        job_id = await running.start_job(250)
        async with running.browser() as browser:
            browser.ask(f"GET /jobs/{job_id}/rows")
            assert await browser.status() == 200
            lines = await browser.rest()
    truth = sandbox.jobs[job_id].rows
    assert len(lines) == 250
    assert [line["name"] for line in lines] == [row["name"] for row in truth]


async def test_a_search_cut_off_by_its_browser_is_cancelled(
    page: Page, tmp_path: Path
) -> None:
    """Caught: `handler_cancellation` left out; a job that its generator cancels."""
    async with (
        WatchedSandbox(speed=0, lives=[ONE_PAGE]) as sandbox,
        app(page, tmp_path, sandbox) as running,
        running.browser() as browser,
    ):
        browser.ask("GET /search?query=voice+AI&limit=300")
        assert await browser.status() == 200
        for _ in range(100):
            assert (await browser.line())["name"]
        [job] = sandbox.jobs.values()
        assert job.status == "running"
        browser.leave()
        await sandbox.until(lambda: sandbox.count("cancel") == 1)
    sandbox.advance(600)
    [job] = sandbox.jobs.values()
    assert job.status == "cancelled"
    assert sandbox.ledger.credits_of(job.id) == 100


async def test_a_submit_cut_off_by_its_browser_leaves_no_job(
    page: Page, tmp_path: Path
) -> None:
    """Caught: `is_disconnected()` not checked after the submit."""
    slow = SlowAnswer(on="submit", delay=0.3)
    async with (
        WatchedSandbox(speed=0, lives=[ONE_PAGE], faults=[slow]) as sandbox,
        app(page, tmp_path, sandbox) as running,
        running.browser() as browser,
    ):
        browser.ask("POST /jobs", {"query": "voice AI", "limit": 300})
        await sandbox.until(lambda: sandbox.count("submit") == 1)
        browser.leave()
        await sandbox.until(lambda: sandbox.count("cancel") == 1)
    [job] = sandbox.jobs.values()
    assert job.status == "cancelling"


async def test_a_reader_who_leaves_leaves_the_job_running(
    page: Page, tmp_path: Path
) -> None:
    async with WatchedSandbox(speed=0, lives=[ONE_PAGE]) as sandbox:
        async with app(page, tmp_path, sandbox) as running:
            job_id = await running.start_job(300)
            async with running.browser() as browser:
                browser.ask(f"GET /jobs/{job_id}/rows")
                assert await browser.status() == 200
                await browser.line()
                browser.leave()
        # The app has ended, so nothing more can arrive.
        assert sandbox.count("cancel") == 0
        assert sandbox.jobs[job_id].status == "running"


async def test_an_app_that_is_stopped_cancels_the_jobs_of_its_open_searches(
    page: Page, tmp_path: Path
) -> None:
    """Caught: a client that closes before the cancelled requests have ended."""
    async with WatchedSandbox(speed=0, lives=[ONE_PAGE, ONE_PAGE]) as sandbox:
        async with serving(page, tmp_path, sandbox) as running:
            kept = await running.start_job(300)
            async with running.browser() as browser:
                browser.ask("GET /search?query=voice+AI&limit=300")
                assert await browser.status() == 200
                await browser.line()
                output = await running.stop()
        [searched] = sandbox.jobs.keys() - {kept}
        assert sandbox.jobs[searched].status == "cancelling", output
        assert sandbox.jobs[kept].status == "running"
    assert "may be billing" not in output


async def test_the_status_of_a_job_is_json(tmp_path: Path) -> None:
    async with (
        WatchedSandbox(speed=0, lives=[AT_ONCE]) as sandbox,
        app(FASTAPI, tmp_path, sandbox) as running,
    ):
        job_id = await running.start_job(120)
        async with running.browser() as browser:
            browser.ask(f"GET /jobs/{job_id}")
            assert await browser.status() == 200
            shown = await browser.line()
    assert shown["job_id"] == job_id
    assert shown["status"] == "completed"
    assert shown["manifest"]["count"] == shown["manifest"]["credits_consumed"] == 120


async def test_an_unknown_job_is_a_404(page: Page, tmp_path: Path) -> None:
    async with (
        WatchedSandbox(speed=0) as sandbox,
        app(page, tmp_path, sandbox) as running,
        running.browser() as browser,
    ):
        browser.ask("GET /jobs/nobody-knows-it/rows")
        assert await browser.status() == 404
        assert (await browser.line())["error"]


@pytest.mark.parametrize(
    ("first_line", "body"),
    [
        ("POST /jobs", {"query": "voice AI", "limit": 501}),
        ("POST /jobs", {"query": "", "limit": 5}),
        ("GET /search?query=voice+AI&limit=many", None),
    ],
)
async def test_an_invalid_request_is_refused(
    page: Page, first_line: str, body: object, tmp_path: Path
) -> None:
    async with WatchedSandbox(speed=0) as sandbox:
        async with (
            app(page, tmp_path, sandbox) as running,
            running.browser() as browser,
        ):
            browser.ask(first_line, body)
            assert await browser.status() == page.invalid
            assert (await browser.line())[page.error]
        assert sandbox.count("submit") == 0
