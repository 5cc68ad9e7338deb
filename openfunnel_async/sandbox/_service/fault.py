"""A fault as the service sees it: what it may do with a request."""

from abc import ABC, abstractmethod
from typing import Literal, Protocol, Self

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.messages import Kind, SandboxReply

Target = Literal["submit", "read", "cancel", "balance", "sign-up", "verify", "any"]


class Exchange(Protocol):
    """A request on its way through the service, as a fault sees it."""

    @property
    def kind(self) -> Kind:
        """Return the operation asked for."""
        ...

    @property
    def moment(self) -> float:
        """Return the sandbox time of the request."""
        ...

    @property
    def job(self) -> Job | None:
        """Return the job the request names, if its key has it."""
        ...

    def serve(self, *, shown: JobState | None = None) -> SandboxReply:
        """Let the request take effect; a read shows ``shown`` in place of now."""
        ...


Exchange.__module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class Fault(ABC):
    """Something that goes wrong.

    The first fault in `Sandbox.faults` that strikes a request is the only one that
    does, and is used up once.

    Attributes:
        times: Requests it still strikes.
    """

    __module__ = "openfunnel_async.sandbox"

    times: int = attrs.field(default=1, validator=validators.ge(1))

    @property
    def waits_for_body(self) -> bool:
        """Return whether the request's body is read before the fault acts."""
        return True

    @abstractmethod
    def strikes(self, exchange: Exchange) -> bool:
        """Return whether this request is one of those meant."""

    @abstractmethod
    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer in place of the service, which may be let have its turn."""

    def used_once(self) -> Self | None:
        """Return what is left of the fault after a strike."""
        return attrs.evolve(self, times=self.times - 1) if self.times > 1 else None


@attrs.frozen(kw_only=True)
class TargetedFault(Fault):
    """A fault that strikes one kind of request, or any.

    Attributes:
        on: The kind; ``any`` includes requests that mean no operation.
    """

    __module__ = "openfunnel_async.sandbox"

    on: Target = "any"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request is of this kind."""
        return self.on in ("any", exchange.kind)
