"""A full disk, a read-only file, a damaged page: a clear error, no second submit.

Each test uses real processes, and lets a good file finish the batch at the end.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openfunnel_async import Book
from openfunnel_async.sandbox import Sandbox, SlowAnswer
from tests.book.kill.harness import Worker, send_signal
from tests.book.kill.judge import judge
from tests.book.kill.worker import BOOK_FAILED, DONE

pytestmark = pytest.mark.anyio
_PAGE = 4096


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without rights can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


async def buy_a_part(worker: Worker) -> None:
    """Run the batch until something is settled, and kill the program."""
    async with worker.started() as process:
        while not any(view.credits for view in worker.sandbox.jobs.values()):  # noqa: ASYNC110 -- the sandbox has no event
            await asyncio.sleep(0.02)
        send_signal(process, signal.SIGKILL)


async def finish(worker: Worker, *, cuts: int) -> None:
    """Let the program buy the rest, and check everything."""
    code, errors = await worker.run()
    assert code == DONE, errors
    worker.sandbox.advance(1e6)
    verdict = await judge(Book(worker.path), worker.sandbox, cuts=cuts)
    assert verdict.problems == []
    assert verdict.doubled == verdict.unnamed == 0
    # A kill may have come between an intent and its request.
    assert 12 - verdict.unknown <= verdict.jobs <= 12


@pytest.mark.parametrize("most_bytes", [0, 200_000, 300_000, 400_000])
async def test_a_full_disk_loses_nothing(tmp_path: Path, most_bytes: int) -> None:
    """Caught: an id that is neither in the Book nor beside it.

    No file may grow beyond a size. The program ends with an error, or holds an id and
    tries to write it until it is killed.
    """
    slow = SlowAnswer(on="submit", delay=0.2, times=100)
    async with Sandbox(speed=300, faults=[slow]) as sandbox:
        worker = Worker(tmp_path / "book.sqlite", sandbox)
        async with worker.started("--most-bytes", str(most_bytes)) as process:
            ended = asyncio.create_task(process.communicate())
            await asyncio.wait([ended], timeout=3)
            code = process.returncode
            if code is None:
                send_signal(process, signal.SIGKILL)
            _, errors = await ended
        assert code in {None, BOOK_FAILED}, errors
        assert b"Traceback" not in errors
        if most_bytes == 0:
            assert sandbox.requests == []
        await finish(worker, cuts=0)


async def test_a_read_only_file_sends_nothing(open_folder: Path) -> None:
    async with Sandbox(speed=300) as sandbox:
        worker = Worker(open_folder / "book.sqlite", sandbox)
        await buy_a_part(worker)
        _set_modes(open_folder, 0o444, 0o555)
        before = len(sandbox.requests)
        code, errors = await worker.run("--as-nobody")
        assert code == BOOK_FAILED
        assert errors.startswith("BookError: ")
        assert "read" in errors or "denied" in errors
        assert len(sandbox.requests) == before
        _set_modes(open_folder, 0o600, 0o755)
        await finish(worker, cuts=1)


def _set_modes(folder: Path, of_files: int, of_folder: int) -> None:
    for path in folder.iterdir():
        path.chmod(of_files)
    folder.chmod(of_folder)


def _roots(path: Path) -> dict[str, int]:
    """Return the first page of each table and index."""
    db = sqlite3.connect(path)
    try:
        found = db.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage")
        return dict(found.fetchall())
    finally:
        db.close()


def _damage(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(100))


DAMAGES: dict[str, Callable[[dict[str, int]], int]] = {
    "the header": lambda _: 0,
    **{
        name: lambda roots, name=name: (roots[name] - 1) * _PAGE  # type: ignore[misc]  # mypy guesses no type for a default
        for name in (
            "of_search",
            "sqlite_autoindex_of_search_2",
            "of_reservation",
            "of_page",
        )
    },
}


@pytest.mark.parametrize("where", DAMAGES)
async def test_a_damaged_page_sends_nothing(tmp_path: Path, where: str) -> None:
    """Caught: a damage that shows after a submit, when its id cannot be written."""
    async with Sandbox(speed=300) as sandbox:
        worker = Worker(tmp_path / "book.sqlite", sandbox)
        await buy_a_part(worker)
        copy = Worker(tmp_path / "copy.sqlite", sandbox)
        async with Book(worker.path) as book:
            await book.backup(copy.path)
        _damage(copy.path, DAMAGES[where](_roots(copy.path)))
        before = len(sandbox.requests)
        code, errors = await copy.run()
        assert (code, len(sandbox.requests) - before) == (BOOK_FAILED, 0), errors
        assert errors.startswith("DamagedBookError: ")
        assert "Traceback" not in errors
        await finish(worker, cuts=1)
