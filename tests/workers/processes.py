"""Processes of a team: one plans, some work, and one exports."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import psycopg

from openfunnel_async import Book
from openfunnel_async.book import BatchStatus, BookCheck
from openfunnel_async.sandbox import Sandbox

_WITHIN = 200.0
_PAUSE = 0.05


@attrs.frozen(kw_only=True)
class Team:
    """A database and a service that processes share.

    Attributes:
        url: The address of the database.
        sandbox: The service.
    """

    url: str
    sandbox: Sandbox

    async def start(self, *words: str) -> Process:
        """Start a process of ``tests.workers.program``."""
        word, *rest = words
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.workers.program", word, self.url, *rest),
            env=os.environ
            | {
                "OPENFUNNEL_API_KEY": self.sandbox.api_key,
                "OPENFUNNEL_BASE_URL": self.sandbox.base_url,
            },
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *words: str) -> None:
        """Run a process to its end."""
        process = await self.start(*words)
        await self.end(process)

    async def end(self, process: Process, code: int = 0) -> str:
        """Wait for a process, and return what it has logged."""
        async with asyncio.timeout(_WITHIN):
            _, errors = await process.communicate()
        assert process.returncode == code, errors.decode()
        return errors.decode()

    @asynccontextmanager
    async def working(self, number: int) -> AsyncGenerator[list[Process]]:
        """Run workers for a block; those that are left then are killed."""
        workers = [await self.start("work") for _ in range(number)]
        try:
            yield workers
        finally:
            for worker in workers:
                if worker.returncode is None:
                    worker.kill()
                await worker.communicate()

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none while the tables are not there."""
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            try:
                return await (await connection.execute(statement.encode())).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    async def count_jobs(self) -> list[int]:
        """Return how many jobs each process follows, the smallest number first."""
        found = await self.query(
            "SELECT count(*) FROM of_search WHERE state = 'submitted'"
            " AND owner IS NOT NULL GROUP BY owner ORDER BY 1"
        )
        return [number for (number,) in found]

    async def until(self, is_true: Callable[[BatchStatus], bool]) -> BatchStatus:
        """Wait until the batch is so."""
        async with asyncio.timeout(_WITHIN), Book.connect(self.url) as book:
            while True:
                (status,) = await book.batches()
                if is_true(status):
                    return status
                await asyncio.sleep(_PAUSE)

    async def check(self) -> BookCheck:
        """Recompute every sum of the Book."""
        async with Book.connect(self.url) as book:
            return await book.check()
