"""The how-to on web apps: a real process, and browsers that leave."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

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

    async def line(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(await self._reader.readline())
        return found

    async def rest(self) -> list[dict[str, str]]:
        return [json.loads(line) async for line in self._reader]

    def leave(self) -> None:
        self._writer.transport.abort()


class App:
    """The program of the page, running."""

    def __init__(self, port: int) -> None:
        self._port = port

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
            return (await browser.line())["job_id"]


@asynccontextmanager
async def app(folder: Path, sandbox: WatchedSandbox) -> AsyncGenerator[App]:
    """Run the app; at the end stop it and see that it goes without a word."""
    port = free_port()
    script = write_program("web-app.md", folder)
    async with await start(script, sandbox, PORT=str(port)) as process:
        await until_said(process, "Running on")
        yield App(port)
        process.terminate()
        assert "Traceback" not in await output_of(process)


async def test_a_job_is_started_and_its_rows_are_streamed(tmp_path: Path) -> None:
    async with (
        WatchedSandbox(speed=0, lives=[AT_ONCE]) as sandbox,
        app(tmp_path, sandbox) as running,
    ):
        job_id = await running.start_job(250)
        async with running.browser() as browser:
            browser.ask(f"GET /jobs/{job_id}/rows")
            assert await browser.status() == 200
            lines = await browser.rest()
    truth = sandbox.jobs[job_id].rows
    assert len(lines) == 250
    assert [line["name"] for line in lines] == [row["name"] for row in truth]


async def test_a_search_cut_off_by_its_browser_is_cancelled(tmp_path: Path) -> None:
    """Caught: `handler_cancellation` left out."""
    async with (
        WatchedSandbox(speed=0, lives=[ONE_PAGE]) as sandbox,
        app(tmp_path, sandbox) as running,
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


async def test_a_submit_cut_off_by_its_browser_leaves_no_job(tmp_path: Path) -> None:
    slow = SlowAnswer(on="submit", delay=0.3)
    async with (
        WatchedSandbox(speed=0, lives=[ONE_PAGE], faults=[slow]) as sandbox,
        app(tmp_path, sandbox) as running,
        running.browser() as browser,
    ):
        browser.ask("POST /jobs", {"query": "voice AI", "limit": 300})
        await sandbox.until(lambda: sandbox.count("submit") == 1)
        browser.leave()
        await sandbox.until(lambda: sandbox.count("cancel") == 1)
    [job] = sandbox.jobs.values()
    assert job.status == "cancelling"


async def test_a_reader_who_leaves_leaves_the_job_going(tmp_path: Path) -> None:
    async with WatchedSandbox(speed=0, lives=[ONE_PAGE]) as sandbox:
        async with app(tmp_path, sandbox) as running:
            job_id = await running.start_job(300)
            async with running.browser() as browser:
                browser.ask(f"GET /jobs/{job_id}/rows")
                assert await browser.status() == 200
                await browser.line()
                browser.leave()
        # The app is gone by now, so nothing more can come.
        assert sandbox.count("cancel") == 0
        assert sandbox.jobs[job_id].status == "running"


@pytest.mark.parametrize(
    ("first_line", "body", "status"),
    [
        ("GET /jobs/nobody-knows-it/rows", None, 404),
        ("POST /jobs", {"query": "voice AI", "limit": 501}, 400),
        ("POST /jobs", {"query": "", "limit": 5}, 400),
        ("GET /search?query=voice+AI&limit=many", None, 400),
    ],
)
async def test_what_is_wrong_is_said(
    first_line: str, body: object, status: int, tmp_path: Path
) -> None:
    async with WatchedSandbox(speed=0) as sandbox:
        async with app(tmp_path, sandbox) as running, running.browser() as browser:
            browser.ask(first_line, body)
            assert await browser.status() == status
            assert (await browser.line())["error"]
        assert sandbox.count("submit") == 0
