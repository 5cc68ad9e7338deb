"""What a user and the world may do, one step after the other.

`Walk` holds the rules about jobs as a whole; rows and the invariants stand in
`test_together`.
"""

import asyncio
from collections.abc import Coroutine
from math import isclose
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from openfunnel_async import (
    APIError,
    CancelReceipt,
    InsufficientCreditsError,
    JobNotFoundError,
    JobSnapshot,
    LookalikeSearch,
    OpenFunnelError,
    RateLimitedError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitTimeoutError,
)
from openfunnel_async.sandbox import (
    CompletesUnderCancel,
    Fault,
    JobLife,
    StaleRead,
    Unknowns,
    UnknownStatus,
)
from tests.properties.plans import (
    FAULTS,
    LATENCIES,
    LIMITS,
    LIVES,
    UNKNOWNS,
    seconds,
)
from tests.properties.world import ATTEMPTS, Mark, Reading, Watched, World
from tests.support.sandbox_transport import Fate

T = TypeVar("T")
LONGEST_PAUSE = 6.0
NOBODY: MultipleResults[Watched] = multiple()


class Walk(RuleBasedStateMachine):
    """The rules about jobs: make, look at, wait for and cancel them."""

    handles = Bundle[Watched]("handles")

    @initialize(
        unknowns=UNKNOWNS, latencies=LATENCIES, credit=st.sampled_from([400.0, 50_000])
    )
    def begin(
        self, unknowns: Unknowns, latencies: tuple[float, ...], credit: float
    ) -> None:
        self.world = World(unknowns=unknowns, latencies=latencies, credit=credit)
        self.slowest = max(latencies)
        self.watched: list[Watched] = []
        self.readings: list[Reading] = []
        self.unknown_jobs = 0

    @rule(target=handles, limit=st.none() | LIMITS, life=LIVES)
    def submit(
        self, limit: int | None, life: JobLife
    ) -> Watched | MultipleResults[Watched]:
        world, made = self.world, len(self.world.service.jobs)
        world.life = life
        search = LookalikeSearch(query="voice ai", limit=limit)
        failures, new = world.failures(), 0
        try:
            job = world.run(world.client.submit(search))
        except SubmitOutcomeUnknownError as exc:
            told = (exc.accepted, exc.job_id, exc.max_exposure)
            assert told == (False, None, limit)
            new = len(world.service.jobs) - made
            assert new <= 1
            self.unknown_jobs += new
        except InsufficientCreditsError:
            assert world.service.unknowns.low_credits == "refuse"
        except (RateLimitedError, TransportError) as exc:
            self.check_unsent(exc)
            assert world.failures() - failures == ATTEMPTS
        else:
            assert list(world.service.jobs)[made:] == [job.id]
            assert limit is None or job.limit == limit
            self.watched.append(Watched(job, submitted=True))
            return self.watched[-1]
        assert len(world.service.jobs) == made + new
        return NOBODY

    def check_unsent(self, error: OpenFunnelError) -> None:
        """What was sent ends in an unknown outcome, never in another error."""
        assert isinstance(error, RateLimitedError) or (
            isinstance(error, TransportError) and not error.request_sent
        )

    @rule(target=handles, known=handles, with_limit=st.booleans())
    def attach(self, known: Watched, with_limit: bool) -> Watched:
        limit = self.world.truth(known.job).limit if with_limit else None
        job = self.world.client.job(known.job.id, limit=limit)
        self.watched.append(Watched(job, submitted=False))
        return self.watched[-1]

    @rule(pause=seconds(60))
    def time_passes(self, pause: float) -> None:
        self.world.run(asyncio.sleep(pause))

    @precondition(lambda self: len(self.world.service.faults) < 3)
    @rule(fault=FAULTS)
    def something_will_go_wrong(self, fault: Fault) -> None:
        self.world.service.faults.append(fault)

    @precondition(lambda self: len(self.world.transport.fates) < 3)
    @rule(fate=st.sampled_from(Fate))
    def an_exchange_will_break(self, fate: Fate) -> None:
        self.world.transport.fates.append(fate)

    @rule(handle=handles)
    def poll(self, handle: Watched) -> None:
        snapshot = self.ask(handle, handle.job.poll())
        if snapshot is not None:
            assert snapshot.status is handle.job.status
            assert handle.job.snapshot == snapshot

    @rule(
        handle=handles,
        strange=st.just(StaleRead()) | st.just(UnknownStatus(word="resting")),
    )
    def poll_strangely(self, handle: Watched, strange: Fault) -> None:
        faults = self.world.service.faults
        faults.insert(0, strange)
        self.poll(handle)
        faults[:] = [fault for fault in faults if fault is not strange]

    @rule(
        handle=handles,
        wait=st.booleans(),
        callers=st.integers(1, 3),
        completes=st.sampled_from([False, False, True]),
    )
    def cancel(
        self, handle: Watched, wait: bool, callers: int, completes: bool
    ) -> None:
        faults, knew = self.world.service.faults, handle.job.is_terminal
        under, mark = CompletesUnderCancel(), self.world.mark()
        faults[:0] = [under] if completes else []
        seen = len(self.world.service.requests)

        async def together() -> list[CancelReceipt | BaseException]:
            calls = (handle.job.cancel(wait=wait, timeout=None) for _ in range(callers))
            return await asyncio.gather(*calls, return_exceptions=True)

        outcomes = self.world.run(together())
        faults[:] = [fault for fault in faults if fault is not under]
        requests = self.world.service.requests[seen:]
        # Right after the submit a 404 may only mean "not yet".
        posts = sum(r.kind == "cancel" and r.status != 404 for r in requests)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                self.world.excuse(handle, outcome, mark)
                continue
            self.world.check_receipt(handle.job, outcome)
            assert outcome.status.is_terminal or not wait
            if knew:
                assert posts == 0
            elif self.world.failures() == mark.failures:
                assert posts == 1

    @rule(
        handle=handles,
        timeout=st.none() | seconds(60),
        on_timeout=st.sampled_from(["leave", "leave", "cancel"]),
    )
    def wait(self, handle: Watched, timeout: float | None, on_timeout: Any) -> None:
        world, mark = self.world, self.world.mark()
        wait = handle.job.wait_until_terminal(timeout=timeout, on_timeout=on_timeout)
        try:
            snapshot = world.run(wait)
        except WaitTimeoutError:
            assert timeout is not None
            took = world.loop.time() - mark.time
            assert isclose(took, timeout, abs_tol=1e-6) or on_timeout == "cancel"
        except (RateLimitedError, JobNotFoundError) as exc:
            self.world.excuse(handle, exc, mark, wants=1, in_time=timeout is None)
        else:
            assert snapshot.status == world.truth(handle.job).status
            if world.failures() == mark.failures:
                ended = max(mark.time, world.truth(handle.job).ends_at)
                late = world.loop.time() - ended
                assert late <= LONGEST_PAUSE + 2 * self.slowest

    @rule(
        leaver=handles,
        stayer=handles,
        after=seconds(20),
        timeout=st.none() | seconds(9),
    )
    def one_of_two_waiters_leaves(
        self, leaver: Watched, stayer: Watched, after: float, timeout: float | None
    ) -> None:
        mark = self.world.mark()

        async def both() -> tuple[
            JobSnapshot | BaseException, JobSnapshot | BaseException
        ]:
            leaving = asyncio.create_task(leaver.job.wait_until_terminal())
            staying = asyncio.create_task(
                stayer.job.wait_until_terminal(timeout=timeout)
            )
            await asyncio.sleep(after)
            leaving.cancel()
            return await asyncio.gather(leaving, staying, return_exceptions=True)

        left, stayed = self.world.run(both())
        if not isinstance(left, asyncio.CancelledError):
            self.check_wait(leaver, left, mark, in_time=True)
        if not isinstance(stayed, WaitTimeoutError) or timeout is None:
            self.check_wait(stayer, stayed, mark, in_time=timeout is None)

    def check_wait(
        self,
        handle: Watched,
        outcome: JobSnapshot | BaseException,
        mark: Mark,
        *,
        in_time: bool,
    ) -> None:
        """See that a wait ended as the job did, or had reason not to."""
        if isinstance(outcome, BaseException):
            self.world.excuse(handle, outcome, mark, wants=1, in_time=in_time)
        else:
            assert outcome.status == self.world.truth(handle.job).status

    def ask(self, handle: Watched, work: Coroutine[Any, Any, T]) -> T | None:
        """Make a call that may fail, but only after all its attempts."""
        mark = self.world.mark()
        try:
            return self.world.run(work)
        except (APIError, TransportError) as exc:
            self.world.excuse(handle, exc, mark)
        return None
