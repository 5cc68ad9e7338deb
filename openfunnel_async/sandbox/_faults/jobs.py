"""Faults of jobs: what an answer says of one, and when one ends."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import attrs
from attrs import validators

from openfunnel_async.sandbox._faults.answers import edit_reply
from openfunnel_async.sandbox._faults.gateways import GatewayPage
from openfunnel_async.sandbox._service.fault import Exchange, Fault, TargetedFault
from openfunnel_async.sandbox._service.jobs import JobState
from openfunnel_async.sandbox._service.messages import SandboxReply, json_reply

_NOBODYS_JOB = "00000000-0000-4000-8000-000000000000"
_STATUS_THAT_FOLLOWS = {"submit": "pending", "cancel": "cancelling"}


@attrs.frozen(kw_only=True)
class UnknownStatus(Fault):
    """Says an unheard-of word in place of a job's status.

    Strikes reads of jobs that are still going: facts.md, "Read", takes any other
    word for that.

    Attributes:
        word: The word.
    """

    __module__ = "openfunnel_async.sandbox"

    word: str

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether this reads a job that is still going."""
        if exchange.kind != "read" or exchange.job is None:
            return False
        return not exchange.job.at(exchange.moment).is_terminal

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and put the word in."""
        reply = exchange.serve()
        if reply.status != 200:
            return reply
        return edit_reply(reply, lambda body: body | {"status": self.word})


@attrs.frozen(kw_only=True)
class StaleRead(Fault):
    """Answers a read with the job as it was just before its status changed.

    Strikes reads of jobs that have been something else before, so the status
    always goes backwards.
    """

    __module__ = "openfunnel_async.sandbox"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether this reads a job that has a past."""
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

    __module__ = "openfunnel_async.sandbox"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether this cancels a job nobody cancelled yet."""
        if exchange.kind != "cancel" or exchange.job is None:
            return False
        return exchange.job.at(exchange.moment).status in ("pending", "running")

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Finish the job, then serve."""
        if exchange.job is not None:
            exchange.job.finish(exchange.moment)
        return exchange.serve()


@attrs.frozen(kw_only=True)
class OtherJob(TargetedFault):
    """Answers a submit, a read or a cancel as if it were about another job.

    Where the service itself answers with an error, that error is the answer.

    Attributes:
        job_id: The id in the answer; None for an answer that has none.
        processed: Whether a submit or cancel took effect. If not, the answer still
            says that it did. A read never has an effect.
    """

    __module__ = "openfunnel_async.sandbox"

    job_id: str | None = _NOBODYS_JOB
    processed: bool = True

    def strikes(self, exchange: Exchange) -> bool:
        """Report whether the answer has a job's id, and is of this kind."""
        if exchange.kind not in ("submit", "read", "cancel"):
            return False
        return self.on in ("any", exchange.kind)

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve or not, and put the other id in."""
        status = _STATUS_THAT_FOLLOWS.get(exchange.kind)
        if self.processed or status is None:
            reply = exchange.serve()
            return reply if reply.status >= 300 else edit_reply(reply, self._other)
        body = {"message": "The request was accepted.", "status": status}
        return json_reply(200, self._other(body))

    def _other(self, body: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in body.items() if name != "job_id"}
        return kept if self.job_id is None else kept | {"job_id": self.job_id}


@attrs.frozen(kw_only=True)
class VanishedJob(TargetedFault):
    """Answers 404 for a job that a read has shown before.

    The request takes no effect. Strikes reads and cancels, once the job was read.

    Attributes:
        page: Who seems to answer: the service (``json``), or a gateway without a
            backend, with a page (``html``) or a line (``text``).
    """

    __module__ = "openfunnel_async.sandbox"

    page: Literal["json", "html", "text"] = attrs.field(
        default="json", validator=validators.in_(("json", "html", "text"))
    )

    def strikes(self, exchange: Exchange) -> bool:
        """Report whether the request names a job that was read."""
        if exchange.job is None or not exchange.job.was_read:
            return False
        return self.on in ("any", exchange.kind)

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer that there is no such job."""
        if self.page == "json":
            return json_reply(404, {"detail": "This key has no job with that id."})
        text = "default backend - 404" if self.page == "text" else None
        return GatewayPage(status=404, text=text).answer(exchange)


@attrs.frozen(kw_only=True)
class UnfinishedManifest(Fault):
    """Answers reads of a job that has ended with a manifest that is not complete yet.

    Reads after those show the right manifest; the bill in the ledger is right from
    the start.

    Attributes:
        missing: Keys that are left out.
        nulls: Keys whose value is null.
        absent: Whether the manifest is null as a whole.
        count_short_by: Rows by which ``count`` is too low; below 0, too high.
        billed_short_by: Credits by which ``credits_consumed`` is too low; below 0,
            too high.
        seconds: Sandbox seconds after the end of a job in which its reads are
            struck, however many; ``times`` does not count then. None for ``times``
            reads, at any time and of any job that has ended.
    """

    __module__ = "openfunnel_async.sandbox"

    missing: tuple[str, ...] = ("credits_consumed",)
    nulls: tuple[str, ...] = ()
    absent: bool = False
    count_short_by: int = 0
    billed_short_by: float = 0.0
    seconds: float | None = attrs.field(
        default=None, validator=validators.optional(validators.gt(0))
    )

    def strikes(self, exchange: Exchange) -> bool:
        """Report whether this reads a job that has ended, and recently enough."""
        job = exchange.job
        if exchange.kind != "read" or job is None or exchange.moment < job.ends_at:
            return False
        age = exchange.moment - job.ends_at
        return self.seconds is None or age < self.seconds

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and take from the manifest what is not there yet."""
        return edit_reply(exchange.serve(), self._edit_body)

    def used_once(self) -> Self | None:
        """Return what is left of the fault after a strike."""
        return super().used_once() if self.seconds is None else self

    def _edit_body(self, body: dict[str, Any]) -> dict[str, Any]:
        manifest = body.get("manifest")
        if not manifest:
            return body
        return body | {
            "manifest": None if self.absent else self._edit_manifest(manifest)
        }

    def _edit_manifest(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        changed = {
            **manifest,
            "count": manifest["count"] - self.count_short_by,
            "credits_consumed": manifest["credits_consumed"] - self.billed_short_by,
            **dict.fromkeys(self.nulls),
        }
        return {
            name: value for name, value in changed.items() if name not in self.missing
        }
