"""Faults that change what is answered about a job, or when it ends."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import attrs
from attrs import validators

from openfunnel_async.sandbox._faults.answers import edit_reply
from openfunnel_async.sandbox._faults.gateways import GatewayPage
from openfunnel_async.sandbox._service.fault import Exchange, Fault, TargetedFault
from openfunnel_async.sandbox._service.jobs import JobState
from openfunnel_async.sandbox._service.messages import SandboxReply, json_reply

_UNKNOWN_JOB = "00000000-0000-4000-8000-000000000000"
_STATUS_AFTER = {"submit": "pending", "cancel": "cancelling"}


@attrs.frozen(kw_only=True)
class UnknownStatus(Fault):
    """Answers with an undocumented word as a job's status.

    It applies to reads of jobs that are not terminal: docs/reference/contract.md,
    "Read", treats every other word as not terminal.

    Attributes:
        word: The word.
    """

    __module__ = "openfunnel_async.sandbox"

    word: str

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request reads a job that is not terminal."""
        if exchange.kind != "read" or exchange.job is None:
            return False
        return not exchange.job.at(exchange.moment).is_terminal

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and replace the status."""
        reply = exchange.serve()
        if reply.status != 200:
            return reply
        return edit_reply(reply, lambda body: body | {"status": self.word})


@attrs.frozen(kw_only=True)
class StaleRead(Fault):
    """Answers a read with the state just before the job's last change of status.

    It applies to reads of jobs that had another status before, so the status always
    moves backwards.
    """

    __module__ = "openfunnel_async.sandbox"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request reads a job that had another status before."""
        return self._earlier_state(exchange) is not None

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve with the earlier state."""
        return exchange.serve(shown=self._earlier_state(exchange))

    def _earlier_state(self, exchange: Exchange) -> JobState | None:
        if exchange.kind != "read" or exchange.job is None:
            return None
        return exchange.job.previous_state(exchange.moment)


@attrs.frozen(kw_only=True)
class CompletesUnderCancel(Fault):
    """Completes a job, with all its rows, at the moment its cancel arrives.

    The cancel is then answered with 409, as for any job that is already terminal.
    """

    __module__ = "openfunnel_async.sandbox"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request is the first cancel of an active job."""
        if exchange.kind != "cancel" or exchange.job is None:
            return False
        return exchange.job.at(exchange.moment).status in ("pending", "running")

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Complete the job, then serve."""
        if exchange.job is not None:
            exchange.job.finish(exchange.moment)
        return exchange.serve()


@attrs.frozen(kw_only=True)
class OtherJob(TargetedFault):
    """Answers a submit, a read or a cancel with the id of another job.

    An error of the service is answered unchanged.

    Attributes:
        job_id: The id in the answer; None for an answer without an id.
        processed: Whether a submit or cancel takes effect. If not, the answer still
            states that it did. A read never has an effect.
    """

    __module__ = "openfunnel_async.sandbox"

    job_id: str | None = _UNKNOWN_JOB
    processed: bool = True

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request is of this kind and its answer has a job's id."""
        if exchange.kind not in ("submit", "read", "cancel"):
            return False
        return self.on in ("any", exchange.kind)

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve or not, and replace the id."""
        status = _STATUS_AFTER.get(exchange.kind)
        if self.processed or status is None:
            reply = exchange.serve()
            return reply if reply.status >= 300 else edit_reply(reply, self._replace_id)
        body = {"message": "The request was accepted.", "status": status}
        return json_reply(200, self._replace_id(body))

    def _replace_id(self, body: Mapping[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in body.items() if name != "job_id"}
        return rest if self.job_id is None else rest | {"job_id": self.job_id}


@attrs.frozen(kw_only=True)
class VanishedJob(TargetedFault):
    """Answers 404 for a job that a read has shown before.

    The request takes no effect. It applies to reads and cancels after the first read.

    Attributes:
        page: The form of the answer: that of the service (``json``), or of a gateway
            without a backend: a page (``html``) or a line (``text``).
    """

    __module__ = "openfunnel_async.sandbox"

    page: Literal["json", "html", "text"] = attrs.field(
        default="json", validator=validators.in_(("json", "html", "text"))
    )

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request names a job that was read before."""
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
    """Answers reads of a terminal job with an incomplete manifest.

    Later reads return the correct manifest; the bill in the ledger is always correct.

    Attributes:
        missing: Keys that are omitted.
        nulls: Keys whose value is null.
        absent: Whether the whole manifest is null.
        count_short_by: Rows by which ``count`` is too low; below 0, too high.
        billed_short_by: Credits by which ``credits_consumed`` is too low; below 0,
            too high.
        seconds: For how many sandbox seconds after the end of a job the fault applies
            to every read of it; ``times`` has no effect then. None: it applies to
            ``times`` reads, at any time, of any terminal job.
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
        """Return whether the request reads a terminal job, within ``seconds``."""
        job = exchange.job
        if exchange.kind != "read" or job is None or exchange.moment < job.ends_at:
            return False
        age = exchange.moment - job.ends_at
        return self.seconds is None or age < self.seconds

    def answer(self, exchange: Exchange) -> SandboxReply:
        """Serve, and make the manifest incomplete."""
        return edit_reply(exchange.serve(), self._edit_body)

    def used_once(self) -> Self | None:
        """Return the fault for later requests, or None after its last one."""
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
