"""What happened in a schedule: the steps of the actors, the exchanges beneath them."""

from contextvars import ContextVar

import attrs

from openfunnel_async.sandbox import Kind
from tests.storm.exchange_plans import ExchangePlan

CURABLE = frozenset({408, 429, 500, 502, 503, 504})


@attrs.define(eq=False)
class Step:
    """One thing an actor does, which is one call of the client or a few.

    Attributes:
        number: Counted over all actors.
        actor: Whose.
        words: What, for people.
        began: Virtual seconds.
        ended: Virtual seconds; None while it lasts.
        left_at: When it was broken off, if it was.
        outcome: What came of it, for people.
    """

    number: int
    actor: int
    description: str
    began: float
    ended: float | None = None
    cancelled_at: float | None = None
    outcome: str = "never ended"


CURRENT_STEP: ContextVar[Step | None] = ContextVar("CURRENT", default=None)
"""The step under way; the client's own tasks inherit that of whoever began them."""
CURRENT_CALL: ContextVar[int] = ContextVar("CALL")
"""The call that the client makes, once for all its tries."""


@attrs.define(eq=False, kw_only=True)
class Exchange:
    """One request, as the transport saw it.

    Attributes:
        number: Counted over all exchanges.
        step: The step that caused it.
        task: The name of the task it was sent in; those that read the jobs of one
            batch share theirs.
        kind: The operation.
        call: Which call of the client's it is a try of.
        query: Pairs.
        job_id: The job it names.
        tag: The query of the search it submits.
        fate: What is to become of it.
        began: Virtual seconds; so are the other moments.
        sent_at: When the first byte left.
        arrived_at: When the service saw it.
        ended_at: When the client had its answer, its error, or gave up.
        status: What the service answered, heard or not.
        heard: Whether a complete answer reached the client.
        end: What became of it, for people.
        asked_by_limit: Seconds that the service's own rate limit asked to wait.
    """

    number: int
    step: Step | None
    task: str
    kind: Kind
    call: int
    query: tuple[tuple[str, str], ...]
    job_id: str | None
    tag: str | None
    plan: ExchangePlan
    began: float
    sent_at: float | None = None
    arrived_at: float | None = None
    ended_at: float | None = None
    status: int | None = None
    is_received: bool = False
    end: str = "under way"
    limit_retry_after: float | None = None

    @property
    def is_refusal_to_serve(self) -> bool:
        """Whether the client heard a 429, after which even a submit may come again."""
        return self.is_received and self.status == 429

    @property
    def is_sound(self) -> bool:
        """Whether the client heard an answer that another try would not better."""
        if not self.is_received or self.status is None or self.status in CURABLE:
            return False
        return self.status // 100 != 2 or not self.plan.is_misleading

    @property
    def retry_after(self) -> float | None:
        """Seconds that the answer asked to wait, if the client heard it say so."""
        if not self.is_received:
            return None
        return (
            self.limit_retry_after
            if self.plan.retry_after is None
            else self.plan.retry_after
        )


@attrs.define(eq=False)
class EventLog:
    """Steps and exchanges in the order they began."""

    steps: list[Step] = attrs.field(factory=list[Step])
    exchanges: list[Exchange] = attrs.field(factory=list[Exchange])

    def lines(self) -> list[str]:
        """Tell the whole story, one line an event, by the virtual clock."""
        reported = [(s.began, 0, _start_line(s)) for s in self.steps]
        reported += [(e.began, 1, _exchange_line(e)) for e in self.exchanges]
        reported += [
            (s.ended, 2, _end_line(s)) for s in self.steps if s.ended is not None
        ]
        return [line for _, _, line in sorted(reported)]


def _start_line(step: Step) -> str:
    return f"{step.began:9.3f}  #{step.number} actor {step.actor}: {step.description}"


def _end_line(step: Step) -> str:
    return f"{step.ended:9.3f}  #{step.number} actor {step.actor} -> {step.outcome}"


def _exchange_line(exchange: Exchange) -> str:
    step = "-" if exchange.step is None else f"#{exchange.step.number}"
    about = exchange.tag or (exchange.job_id or "")[:8]
    cursor = "".join(f" {value}" for _, value in exchange.query)
    until = "..." if exchange.ended_at is None else f"{exchange.ended_at:.3f}"
    return (
        f"{exchange.began:9.3f}    {step} {exchange.kind} {about}{cursor} "
        f"[{exchange.plan.name}] {exchange.end} at {until}"
    )
