"""Sandbox and client walk together; what the client shows is held to the truth.

Planted bugs this walk was seen to catch stand at the invariants. The rules caught
two more: concurrent cancels send a request each; one waiter's leaving ends the poll
loop of the others.
"""

from math import isclose

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, invariant, rule

from openfunnel_async import (
    APIError,
    Company,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobNotFoundError,
    JobPage,
    RateLimitedError,
    TransportError,
    WaitTimeoutError,
)
from tests.properties.machine import Walk
from tests.properties.plans import seconds
from tests.properties.profiles import bounded
from tests.properties.world import Reading, Watched, is_row


class Together(Walk):
    """The rules about rows, and what holds after every step."""

    streams = Bundle[Reading]("streams")

    @rule(target=streams, handle=Walk.handles, follow=st.booleans())
    def open_stream(self, handle: Watched, follow: bool) -> Reading:
        self.readings.append(Reading(handle, handle.job.rows(follow=follow), follow))
        return self.readings[-1]

    @rule(
        one=streams,
        other=streams,
        most=st.integers(1, 250),
        patience=st.none() | seconds(40),
    )
    def read(
        self, one: Reading, other: Reading, most: int, patience: float | None
    ) -> None:
        mark, readings = self.world.mark(), {one: None, other: None}

        async def read(reading: Reading) -> None:
            try:
                await reading.read(most)
            except JobFailedError:
                assert self.world.truth(reading.job).status == "failed"
                reading.is_over = True
            except (APIError, TransportError) as exc:
                # One that follows survives whatever a retry can cure.
                early = isinstance(exc, RateLimitedError) and patience is not None
                wants = 1 if early else 4
                cured = reading.follow and not early
                if cured and not isinstance(exc, JobNotFoundError):
                    raise
                self.world.excuse(reading.handle, exc, mark, wants=wants)

        async def together() -> None:
            with anyio.move_on_after(patience):
                async with anyio.create_task_group() as group:
                    for reading in readings:
                        group.start_soon(read, reading)

        self.world.run(together())
        for reading in readings:
            if reading.is_over and reading.follow:
                reading.check_end(self.world.truth(reading.job))

    @rule(reading=consumes(streams))
    def leave_half_way(self, reading: Reading) -> None:
        self.world.run(reading.stream.aclose())
        self.readings.remove(reading)

    @rule(handle=Walk.handles)
    def fetch_pages(self, handle: Watched) -> None:
        written = self.world.truth(handle.job).rows_written

        async def chain() -> list[JobPage]:
            pages = [await handle.job.fetch_page()]
            while pages[-1].next_cursor is not None:
                pages.append(await handle.job.fetch_page(pages[-1].next_cursor))
            return pages

        pages = self.ask(handle, chain())
        if pages is None:
            return
        rows = [row for page in pages for row in page.rows]
        truth = self.world.truth(handle.job)
        assert len(rows) >= written
        assert all(map(is_row, rows, truth.rows))
        assert pages[-1].snapshot.status is handle.job.status

    @rule(
        handle=Walk.handles, partial_ok=st.booleans(), timeout=st.none() | seconds(200)
    )
    def result(self, handle: Watched, partial_ok: bool, timeout: float | None) -> None:
        mark = self.world.mark()
        error: JobError | None = None
        rows: tuple[Company, ...] = ()
        try:
            got = self.world.run(
                handle.job.result(timeout=timeout, partial_ok=partial_ok)
            )
        except (RateLimitedError, JobNotFoundError) as exc:
            in_time = timeout is None
            self.world.excuse(handle, exc, mark, wants=1, in_time=in_time)
            return
        except (JobFailedError, JobCancelledError, WaitTimeoutError) as exc:
            error, rows = exc, exc.rows
        else:
            rows = got.rows
            assert got.status == self.world.truth(handle.job).status
            assert got.status == "completed" or partial_ok
            assert got.manifest is not None
            assert got.manifest.count == len(rows)
        truth = self.world.truth(handle.job)
        assert all(map(is_row, rows, truth.rows))
        if isinstance(error, WaitTimeoutError):
            assert isclose(truth.time - mark.time, timeout or 0, abs_tol=1e-6)
            return
        assert len(rows) == len(truth.rows)
        if error is not None:
            assert not partial_ok
            assert isinstance(error, JobFailedError) is (truth.status == "failed")
            assert truth.status != "completed"

    @invariant()
    def statuses_follow_the_truth(self) -> None:
        """Never backwards, never ahead; a terminal one is the final one.

        Seen to fail: the status is the last one reported; a 409 read as cancelled.
        """
        for watched in self.watched:
            watched.check(self.world.truth(watched.job))

    @invariant()
    def rows_are_how_the_truth_begins(self) -> None:
        """In order, each once, none changed.

        Seen to fail: a page that grew is handed out from its first row again.
        """
        for reading in self.readings:
            reading.check(self.world.truth(reading.job))

    @invariant()
    def every_job_has_a_handle_or_was_reported(self) -> None:
        """No job runs that nobody was told of.

        Seen to fail: a submit is sent again after a lost answer.
        """
        handed = sum(watched.submitted for watched in self.watched)
        assert len(self.world.service.jobs) == handed + self.unknown_jobs

    @invariant()
    def nobody_pays_above_the_limits(self) -> None:
        ledger, jobs = self.world.service.ledger, self.world.service.jobs
        for entry in ledger.entries:
            assert entry.credits <= jobs[entry.job_id].limit
        assert ledger.used <= ledger.total

    def teardown(self) -> None:
        """Let everything come to its end, and hold all of it to the truth."""
        if not hasattr(self, "world"):
            return
        with self.world as world:
            world.service.faults.clear()
            world.transport.fates.clear()
            # Whoever attached too early to see the job can see it now.
            world.run(anyio.sleep(5))
            for watched in self.watched:
                world.run(watched.job.wait_until_terminal(timeout=None))
            for reading in self.readings:
                if reading.follow:
                    self.read(reading, reading, 1000, None)
                    assert reading.is_over
            self.statuses_follow_the_truth()
            assert all(watched.job.is_terminal for watched in self.watched)
            world.close()


TestTogether = Together.TestCase
TestTogether.settings = bounded(100, steps=25)
