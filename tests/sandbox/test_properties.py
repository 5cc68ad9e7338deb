"""Whatever is asked and whenever: the contract, the money and the rows hold."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from openfunnel_async.sandbox import JobLife, Service, Unknowns
from tests.sandbox.caller import Caller

_RANK = {"pending": 0, "running": 1, "cancelling": 2}
_seconds = st.integers(0, 40).map(float)
_lives = st.builds(
    JobLife,
    queue=_seconds,
    processed_after=_seconds,
    first_page_after=_seconds,
    seconds_per_page=_seconds | st.lists(_seconds, max_size=3).map(tuple),
    closing=_seconds,
    rows=st.none() | st.integers(0, 450),
    ends=st.sampled_from(["completed", "failed"]),
)
_unknowns = st.builds(
    Unknowns,
    newest_page_grows=st.booleans(),
    second_cancel=st.sampled_from([200, 409]),
    pending_shape=st.sampled_from(["nulls", "absent", "empty"]),
    past_end_cursor=st.sampled_from(["404", "422", "empty"]),
    labels=st.sampled_from(["numbered", "opaque"]),
    failed_rows_billed=st.booleans(),
    low_credits=st.sampled_from(["refuse", "fail"]),
    settle=_seconds | st.just("next_page"),
    bare_bodies=st.sampled_from(["json", "empty"]),
)


class SandboxMachine(RuleBasedStateMachine):
    """It failed with bills by the limit, with a status that may go back, and
    with a page's start one row off.
    """  # noqa: D205 -- one sentence

    @initialize(unknowns=_unknowns, lives=st.lists(_lives, min_size=8, max_size=8))
    def begin(self, unknowns: Unknowns, lives: list[JobLife]) -> None:
        service = Service(
            speed=0, unknowns=unknowns, lives=lives, credits=900, row_shape="six"
        )
        self.caller = Caller(service)
        self.furthest: dict[str, int] = {}
        self.read: dict[str, list[object]] = {}

    @precondition(lambda self: len(self.caller.service.jobs) < 8)
    @rule(limit=st.integers(1, 450))
    def submit(self, limit: int) -> None:
        self.caller.submit(limit=limit)

    @rule(seconds=_seconds)
    def advance(self, seconds: float) -> None:
        self.caller.service.advance(seconds)

    @precondition(lambda self: self.caller.service.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(list(self.caller.service.jobs)))
        before = self.caller.service.jobs[job_id].status
        answer = self.caller.cancel(job_id)
        assert answer.status == 409 or before in _RANK

    @precondition(lambda self: self.caller.service.jobs)
    @rule(data=st.data())
    def read_pages(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(list(self.caller.service.jobs)))
        if "rows" not in self.caller.read(job_id).body:
            return
        rows = self.caller.read_all(job_id)
        earlier = self.read.get(job_id, [])
        assert rows[: len(earlier)] == earlier
        assert tuple(rows) == self.caller.service.jobs[job_id].rows[: len(rows)]
        self.read[job_id] = list(rows)

    @invariant()
    def statuses_only_go_forward(self) -> None:
        for job_id, job in self.caller.service.jobs.items():
            rank = _RANK.get(job.status, 3)
            assert rank >= self.furthest.get(job_id, 0)
            self.furthest[job_id] = rank

    @invariant()
    def the_ledger_equals_the_rows(self) -> None:
        service = self.caller.service
        for entry in service.ledger.entries:
            job = service.jobs[entry.job_id]
            free = job.status == "failed" and not service.unknowns.failed_rows_billed
            assert entry.companies == job.rows_written == len(job.rows) <= job.limit
            assert entry.credits == (0 if free else entry.companies)

    @invariant()
    def the_ledger_bills_exactly_the_jobs_that_ended(self) -> None:
        service = self.caller.service
        ended = {id_ for id_, job in service.jobs.items() if job.status not in _RANK}
        assert {entry.job_id for entry in service.ledger.entries} == ended

    @invariant()
    def credits_are_never_overdrawn(self) -> None:
        assert self.caller.service.ledger.balance >= 0


TestSandbox = SandboxMachine.TestCase
TestSandbox.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, derandomize=True
)
