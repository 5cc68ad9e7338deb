"""The interface between the service and a fault.

A fault decides whether a request takes effect, changes the answer, and chooses how the
answer is delivered. The service knows no fault by its name.
"""

from abc import ABC, abstractmethod
from typing import Literal, Protocol, Self

import attrs
from attrs import validators

from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.messages import Kind, SandboxReply

Target = Literal["submit", "read", "cancel", "balance", "sign-up", "verify", "any"]


class Exchange(Protocol):
    """One request, as a fault sees it."""

    @property
    def kind(self) -> Kind:
        """Return the kind of the request."""
        ...

    @property
    def moment(self) -> float:
        """Return the sandbox time of the request."""
        ...

    @property
    def job(self) -> Job | None:
        """Return the job that the request names, if it belongs to its key."""
        ...

    def serve(self, *, shown: JobState | None = None) -> SandboxReply:
        """Let the request take effect.

        Args:
            shown: A state that a read returns instead of the current one.
        """
        ...


Exchange.__module__ = "openfunnel_async.sandbox"


@attrs.frozen(kw_only=True)
class Fault(ABC):
    """A fault of the service or the network.

    Only the first fault in `Sandbox.faults` that applies to a request is used for it.

    Attributes:
        times: To how many requests it still applies.
    """

    __module__ = "openfunnel_async.sandbox"

    times: int = attrs.field(default=1, validator=validators.ge(1))

    @property
    def waits_for_body(self) -> bool:
        """Return whether the request's body is read before the fault answers."""
        return True

    @abstractmethod
    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the fault applies to this request."""

    @abstractmethod
    def answer(self, exchange: Exchange) -> SandboxReply:
        """Answer the request; `Exchange.serve` lets it take effect."""

    def used_once(self) -> Self | None:
        """Return the fault for later requests, or None after its last one."""
        return attrs.evolve(self, times=self.times - 1) if self.times > 1 else None


@attrs.frozen(kw_only=True)
class TargetedFault(Fault):
    """A fault that applies to one kind of request, or to any.

    Attributes:
        on: The kind; ``any`` includes requests that match no operation.
    """

    __module__ = "openfunnel_async.sandbox"

    on: Target = "any"

    def strikes(self, exchange: Exchange) -> bool:
        """Return whether the request is of the kind ``on``."""
        return self.on in ("any", exchange.kind)
