"""Faults of jobs: what a client is told of one, and when one ends."""

from __future__ import annotations

import attrs

from ._faults import Exchange, Fault, edited
from ._jobs import JobState
from ._messages import SandboxReply


@attrs.frozen(kw_only=True)
class UnknownStatus(Fault):
    """Says an unheard-of word in place of a job's status.

    Strikes reads of jobs that are still going: facts.md, "Read", takes any other
    word for that.

    Attributes:
        word: The word.
    """

    word: str

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this reads a job that is still going."""
        if exchange.kind != "read" or exchange.job is None:
            return False
        return not exchange.job.at(exchange.moment).is_terminal

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and put the word in."""
        reply = exchange.serve()
        if reply.status != 200:
            return reply
        return edited(reply, lambda body: body | {"status": self.word})


@attrs.frozen(kw_only=True)
class StaleRead(Fault):
    """Answers a read with the job as it was just before its status changed.

    Strikes reads of jobs that have been something else before, so the status
    always goes backwards.
    """

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this reads a job that has a past."""
        return self._past(exchange) is not None

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve the past."""
        return exchange.serve(shown=self._past(exchange))

    def _past(self, exchange: Exchange) -> JobState | None:
        if exchange.kind != "read" or exchange.job is None:
            return None
        return exchange.job.previous_state(exchange.moment)


@attrs.frozen(kw_only=True)
class CompletesUnderCancel(Fault):
    """Lets a job complete, all rows delivered, in the instant its cancel arrives.

    The cancel then answers 409, as for any job that got there first.
    """

    def strikes(self, exchange: Exchange) -> bool:
        """Tell whether this cancels a job nobody cancelled yet."""
        if exchange.kind != "cancel" or exchange.job is None:
            return False
        return exchange.job.at(exchange.moment).status in ("pending", "running")

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Finish the job, then serve."""
        if exchange.job is not None:
            exchange.job.finish(exchange.moment)
        return exchange.serve()
