"""The file of a Book: whose it is, who may run it, and what is refused."""

# ruff: noqa: ASYNC240 -- small files, and nothing else runs on the loop

import asyncio
import contextlib
import logging
import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import (
    Book,
    BookError,
    BookInUseError,
    BookTooNewError,
    ConfigurationError,
    JobCheckpoint,
)
from openfunnel_async.book._ledger import Ledger
from openfunnel_async.book._run_lock import RunLock
from openfunnel_async.book._spill import HeldId, SpillFile, read_held_ids
from openfunnel_async.book._sqlite import connection
from openfunnel_async.book._sqlite.connection import Connection, find_file_system
from openfunnel_async.book._sqlite.schema import MIGRATIONS
from openfunnel_async.book._sqlite.store import SqliteStore
from tests.book.conformance.planned import ROWS, entry_of, plan, submitted, submitting

pytestmark = pytest.mark.anyio


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_all_files_are_for_their_owner_alone(book_path: Path) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    await store.acquire_run_lock()
    await store.hold_id("a", 1, "job-1", 60)
    found = {path.name: mode(path) for path in book_path.parent.iterdir()}
    names = ("", "-wal", "-shm", ".lock", ".spill")
    assert found == {f"book.sqlite{name}": 0o600 for name in names}
    await store.release_run_lock()
    await store.aclose()


async def test_each_commit_waits_for_the_disk(book_path: Path) -> None:
    """A kill cannot show it: what is written is in the memory of the system."""
    opened = Connection(book_path)
    pragmas = ("synchronous", "journal_mode", "fullfsync", "foreign_keys")
    values = [
        await opened.call(
            lambda db, name=name: db.execute(f"PRAGMA {name}").fetchone()[0]  # type: ignore[misc]  # mypy guesses no type for a default
        )
        for name in pragmas
    ]
    assert values == [2, "wal", 1, 1]
    await opened.aclose()


async def test_a_closed_book_is_opened_again_when_it_is_used(book_path: Path) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    await store.aclose()
    assert not book_path.with_name("book.sqlite-wal").exists()
    assert (await entry_of(store, "a")).key == "a"
    await store.aclose()
    await store.aclose()


@pytest.mark.parametrize(
    "path", ["", "a\0b", 7, "no/such/folder/x.sqlite", ".", "~nosuchuser/x", "x" * 300]
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        Book(path)


@pytest.mark.parametrize(
    "url", ["", "mysql:///x", "sqlite://x", "sqlite:///", 3, None, b"x"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Book.connect(url)


def test_an_address_of_a_file(book_path: Path) -> None:
    assert Book.connect(f"sqlite:///{book_path}").path == book_path


BAD_CALLS: tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...] = (
    ("batch", ("a\nb",), {}),
    ("batch", ("\ud800",), {}),
    ("entries", (), {"batch": ["q4"]}),
    ("entries", (), {"state": "lost"}),
    ("resolve", (None,), {"skip": True}),
    ("resolve", ("\ud800",), {"skip": True}),
    ("resolve", ("k",), {}),
    ("resolve", ("k",), {"skip": True, "submit_again": True}),
    ("resolve", ("k",), {"job_id": "../x"}),
)


@pytest.mark.parametrize(("name", "args", "options"), BAD_CALLS)
async def test_arguments_that_are_refused(
    book_path: Path, name: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    async with Book(book_path) as book:
        with pytest.raises(ConfigurationError):
            await getattr(book, name)(*args, **options)


async def test_two_names_of_one_file_have_one_lock(book_path: Path) -> None:
    """Caught: two processes that run one Book by a link to it."""
    async with Book(book_path) as book:
        link = book_path.with_name("link.sqlite")
        link.symlink_to(book_path)
        assert Book(link).path == book.path
        hard = book_path.with_name("hard.sqlite")
        os.link(book_path, hard)
        assert "hard link" in str(await refused(hard))


async def refused(path: Path) -> BookError:
    async with _closing(Book(path)) as book:
        with pytest.raises(BookError) as caught:
            await book.batches()
    return caught.value


class _closing:  # noqa: N801 -- reads as contextlib.aclosing
    def __init__(self, book: Book) -> None:
        self._book = book

    async def __aenter__(self) -> Book:
        return self._book

    async def __aexit__(self, *_exc: object) -> None:
        await self._book.aclose()


async def test_a_file_that_is_no_database(book_path: Path) -> None:
    book_path.write_text("query,limit\n" * 1000)
    before = book_path.read_bytes()
    assert "not a database" in str(await refused(book_path))
    assert book_path.read_bytes() == before


async def test_a_database_that_is_no_book(book_path: Path) -> None:
    other = sqlite3.connect(book_path)
    other.execute("CREATE TABLE customers (name)")
    other.close()
    before = book_path.read_bytes()
    assert "not a Book" in str(await refused(book_path))
    assert book_path.read_bytes() == before


async def test_a_newer_book(book_path: Path) -> None:
    async with Book(book_path):
        pass
    db = sqlite3.connect(book_path)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    assert isinstance(await refused(book_path), BookTooNewError)


async def test_an_older_book_is_copied_and_migrated(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    await store.aclose()
    longer = (*MIGRATIONS, "ALTER TABLE of_batch ADD COLUMN tried TEXT;")
    for module in (connection, sys.modules[migrate_module]):
        monkeypatch.setattr(module, "MIGRATIONS", longer)
    assert (await entry_of(store, "a")).key == "a"
    await store.aclose()
    (copy,) = book_path.parent.glob(f"book.sqlite.v{len(MIGRATIONS)}-*")
    assert mode(copy) == 0o600
    monkeypatch.undo()
    old = SqliteStore(copy)
    assert (await entry_of(old, "a")).key == "a"
    await old.aclose()
    assert isinstance(await refused(book_path), BookTooNewError)


migrate_module = "openfunnel_async.book._sqlite.schema"


async def test_a_migration_that_fails_changes_nothing(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    await store.aclose()
    script = "ALTER TABLE of_batch ADD COLUMN tried TEXT; SELECT nothing;"
    broken = (*MIGRATIONS, script)
    for module in (connection, sys.modules[migrate_module]):
        monkeypatch.setattr(module, "MIGRATIONS", broken)
    with pytest.raises(BookError, match="nothing"):
        await store.find_reports()
    await store.aclose()
    monkeypatch.undo()
    assert (await entry_of(store, "a")).key == "a"
    await store.aclose()


async def test_a_damaged_page_is_reported(book_path: Path) -> None:
    store = SqliteStore(book_path)
    entries = await plan(store, *[f"key-{number}" for number in range(200)])
    assert len(entries) == 200
    await store.aclose()
    data = bytearray(book_path.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 600] = b"\xff" * 600
    book_path.write_bytes(data)
    error = await refused(book_path)
    assert "malformed" in str(error)
    assert "backup" in str(error)


async def test_a_damaged_file_is_noticed_before_anything_is_sent(
    book_path: Path,
) -> None:
    store = SqliteStore(book_path)
    await plan(store, *[f"key-{number}" for number in range(400)])
    await store.aclose()
    db = sqlite3.connect(book_path)
    name = "sqlite_autoindex_of_search_1"
    (page,) = db.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
    ).fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    data = bytearray(book_path.read_bytes())
    data[(page - 1) * size + 12 : page * size] = b"\xff" * (size - 12)
    book_path.write_bytes(data)
    with pytest.raises(BookError, match="backup"):
        async with Ledger(store).run_lock():
            pass
    await store.aclose()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE of_page SET body = x'00'",
        "UPDATE of_page SET body = x'789c4b4c4a06000226011f'",
        "UPDATE of_search SET state = 'settlee'",
        "UPDATE of_search SET request = '{'",
        "UPDATE of_search SET place = '{}'",
        "UPDATE of_cap SET spent = 7",
        "UPDATE of_search SET rows = 7",
        "DELETE FROM of_page",
        "DELETE FROM of_event",
    ],
)
async def test_damaged_values_are_reported_in_words(
    book_path: Path, damage: str
) -> None:
    """Caught: a ValueError, or a zlib.error, out of check() and rows()."""
    store = SqliteStore(book_path)
    await plan(store, "a", most=100)
    entry = await submitted(store, "a", "job-1")
    place = str(JobCheckpoint(job_id="job-1", page="page_0000", offset=2))
    await store.record_page(entry.id, 0, ROWS, place)
    assert (await store.check()).is_ok
    await store.aclose()
    db = sqlite3.connect(book_path)
    db.execute(damage)
    db.commit()
    db.close()
    async with Book(book_path) as book:
        assert not (await book.check()).is_ok
        with contextlib.suppress(BookError):
            _ = [row async for row in (await book.batch("q4")).rows()]
        with contextlib.suppress(BookError):
            await book.entries()


async def test_the_lock_names_its_holder(book_path: Path) -> None:
    first, second = SqliteStore(book_path), SqliteStore(book_path)
    await first.acquire_run_lock()
    with pytest.raises(BookInUseError, match=rf"pid {os.getpid()} on "):
        await second.acquire_run_lock()
    await first.acquire_run_lock()
    await first.release_run_lock()
    with pytest.raises(BookInUseError):
        await second.acquire_run_lock()
    await first.release_run_lock()
    await second.acquire_run_lock()
    await second.release_run_lock()


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(
    book_path: Path,
) -> None:
    """Caught: the lock held by a child of a process that was killed."""
    lock = RunLock(book_path)
    lock.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    lock.release()
    # The child closes its copy when it begins to run.
    RunLock(book_path).acquire(5.0)
    os.write(writer, b"x")
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)


async def test_a_lock_that_is_a_link_is_refused(
    book_path: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    book_path.with_name("book.sqlite.lock").symlink_to(victim)
    with pytest.raises(BookError):
        RunLock(book_path).acquire()
    assert victim.read_text() == "mine"


MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /mnt/share nfs4 rw 0 0
//nas/x /mnt/share/my\\040files cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/data/book.sqlite", "ext4"),
        ("/tmp/book.sqlite", "tmpfs"),  # noqa: S108 -- no file is made
        ("/mnt/share/book.sqlite", "nfs4"),
        ("/mnt/shared/book.sqlite", "ext4"),
        ("/mnt/share/my files/book.sqlite", "cifs"),
    ],
)
def test_file_systems(path: str, kind: str) -> None:
    assert find_file_system(Path(path), MOUNTS.splitlines()) == kind


async def test_a_network_file_system_is_refused(
    book_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(connection, "_MOUNTS", mounts)
    assert "network file system (nfs4)" in str(await refused(book_path))
    assert not book_path.exists()


async def test_a_file_system_without_locks_is_refused(
    book_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    def connect(path: Path, **options: object) -> sqlite3.Connection:
        database = ":memory:" if options.get("timeout") == 0 else path
        return real(database, isolation_level=None)

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert "does not lock" in str(await refused(book_path))


async def test_a_backup_has_everything(book_path: Path, tmp_path: Path) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    copy = tmp_path / "copy.sqlite"
    await store.backup(copy)
    with pytest.raises(BookError, match="exists"):
        await store.backup(copy)
    with pytest.raises(BookError):
        await store.backup(tmp_path / "no" / "folder")
    assert mode(copy) == 0o600
    await store.aclose()
    other = SqliteStore(copy)
    assert (await entry_of(other, "a")).key == "a"
    assert (await other.check()).is_ok
    await other.aclose()


async def test_ids_that_were_held_are_written_by_the_next_run(
    book_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(book_path)
    await plan(store, "a")
    attempt = await submitting(store, "a")
    await store.hold_id("a", attempt, "job-1", 60)
    spill = SpillFile(book_path)
    with spill.path.open("a") as file:
        file.write('{"key": "a", "attem')
    await store.hold_id("a", attempt, "job-1", 60)
    await store.restore_held_ids()
    assert (await entry_of(store, "a")).job_id == "job-1"
    assert not spill.path.exists()
    # One that has no place is kept apart, and reported once.
    await store.hold_id("gone", 1, "job-2", None)
    with caplog.at_level(logging.ERROR):
        await store.restore_held_ids()
    assert "job-2" in caplog.text
    assert read_held_ids(spill.lost) == [HeldId("gone", 1, "job-2", None)]
    assert not spill.path.exists()
    await store.aclose()


async def test_a_call_that_is_cancelled_does_not_cut_a_transaction(
    book_path: Path,
) -> None:
    """Caught: a commit that is missing; the next transaction broken by this one."""
    store = SqliteStore(book_path)
    for number in range(30):
        task = asyncio.create_task(plan(store, f"k{number}", name=f"b{number}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await plan(store, "last", name="last")
    assert (await store.check()).is_ok
    assert (await store.find_reports("last"))[0].planned == 1
    await store.aclose()


async def test_many_books_can_be_made_at_the_same_moment(book_path: Path) -> None:
    """Caught: one process that makes the file refuses the others."""
    stores = [SqliteStore(book_path) for _ in range(6)]
    await asyncio.gather(*(store.bind_account("11111111") for store in stores))
    for store in stores:
        await store.aclose()
