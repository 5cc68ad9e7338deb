"""The events of a schedule: steps of the actors, and their exchanges."""

from contextvars import ContextVar

import attrs

from openfunnel_async.sandbox import Kind
from tests.storm.exchange_plans import ExchangePlan

CURABLE = frozenset({408, 429, 500, 502, 503, 504})


@attrs.define(eq=False)
class Step:
    """One step of an actor: one call of the client, or a few.

    Attributes:
        number: The number of the step, counted over all actors.
        actor: The number of the actor.
        description: The step in words.
        began: The start, in virtual seconds.
        ended: The end, in virtual seconds; None while it lasts.
        cancelled_at: When it was cancelled or left by a break; None if it was not.
        outcome: The outcome in words.
    """

    number: int
    actor: int
    description: str
    began: float
    ended: float | None = None
    cancelled_at: float | None = None
    outcome: str = "never ended"

    @property
    def label(self) -> str:
        """The description and the number."""
        return f"{self.description} #{self.number}"


CURRENT_STEP: ContextVar[Step | None] = ContextVar("CURRENT", default=None)
"""The current step; a task of the client inherits it from the task that started it."""
CURRENT_CALL: ContextVar[int] = ContextVar("CALL")
"""The number of the current call, the same for all its tries."""


@attrs.define(eq=False, kw_only=True)
class Exchange:
    """One request and its answer, as the transport saw them.

    Attributes:
        number: The number of the exchange, counted over all.
        step: The step that caused it; None for a task that callers share.
        task: The name of the task that sent it. The tasks that read the jobs of one
            batch have the same name.
        kind: The operation.
        call: The number of the call of the client; its tries share it.
        query: The pairs of the query.
        job_id: The job that it names.
        tag: The query of the search that it submits.
        plan: What the transport does to it.
        began: The start, in virtual seconds, as all moments here.
        sent_at: When the first byte was sent.
        arrived_at: When the service received it.
        ended_at: When the client had an answer or an error, or stopped waiting.
        status: The status code of the service, received or not.
        is_received: Whether a complete answer reached the client.
        end: The outcome in words.
        limit_retry_after: The seconds that the rate limit of the service asked to wait.
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
        """Whether the client received a 429; then a submit may be sent again."""
        return self.is_received and self.status == 429

    @property
    def is_sound(self) -> bool:
        """Whether the client received an answer that another try cannot improve."""
        if not self.is_received or self.status is None or self.status in CURABLE:
            return False
        return self.status // 100 != 2 or not self.plan.is_misleading

    @property
    def retry_after(self) -> float | None:
        """The seconds that the answer asked to wait, if it was received."""
        if not self.is_received:
            return None
        return (
            self.limit_retry_after
            if self.plan.retry_after is None
            else self.plan.retry_after
        )


@attrs.define(eq=False)
class EventLog:
    """Steps and exchanges, in the order of their start."""

    steps: list[Step] = attrs.field(factory=list[Step])
    exchanges: list[Exchange] = attrs.field(factory=list[Exchange])

    def lines(self) -> list[str]:
        """Return the schedule, one line an event, in the order of time."""
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
