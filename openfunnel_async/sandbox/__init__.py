"""A local OpenFunnel, for people without a key and for tests.

It acts out the project's contract with the service (tests/contract in the source
tree) and knows nothing of the client. Jobs, pages, cancels, credits and errors are
real; companies and their hosts are made up.

What goes wrong is a list of values, to be used in any test, and changed while it
runs. Each strikes one request, or as many as its ``times`` say, and is then gone:

    async with Sandbox(faults=[LostAnswer(on="submit")]) as sandbox:
        ...
        assert len(sandbox.jobs) == 1  # it took effect, though no answer came

=============================== ===============================================
at or before the accept         `FaultyProxy.refusing`, `ResetOnAccept`
once the headers were read      ``ResetConnection(after="headers")``
in place of any effect          `StatusFault`, `Redirect`, `GatewayPage`,
                                `LoginPage`, `EmptyAnswer`
once the request took effect    `LostAnswer`, ``ResetConnection()``, `SlowAnswer`,
                                ``StatusFault(processed=True)``,
                                ``GatewayPage(processed=True)``,
                                ``EmptyAnswer(processed=True)``
in mid-answer                   `CutBody`, `TrickledBody`, `OversizedBody`
the answer itself               `BodyFault`, `EditedAnswer`, `MalformedAnswer`,
                                `SetCookie`, `OtherJob`
the job                         `UnknownStatus`, `StaleRead`, `VanishedJob`,
                                `UnfinishedManifest`, `CompletesUnderCancel`; see
                                also `Unknowns`
the account                     ``Sandbox(credits=-5)``
too many requests               ``Sandbox(rate_limit=RateLimit(per_second=10))``
between two requests            ``Sandbox(keep_alive=0.02)``, `CloseIdle`
a connection that is open       `FaultyProxy.silence`, `SilentAfter`
a slow line                     ``FaultyProxy(bytes_per_second=32_000)``
=============================== ===============================================

A `FaultyProxy` does the like to any server, byte by byte and connection by
connection. Pauses of faults and plans, and the seconds of a `RateLimit`, are real
ones, whatever the sandbox's ``speed``.
"""

from ._companies import Row, RowShape
from ._deliveries import (
    Cut,
    Delivery,
    Dropped,
    Garbled,
    Late,
    Paced,
    Padded,
    Whole,
)
from ._evidence import JobView, SeenRequest
from ._faults import (
    BodyFault,
    EditedAnswer,
    Exchange,
    Fault,
    Redirect,
    RetryAfter,
    SetCookie,
    StatusFault,
    Target,
    TargetedFault,
)
from ._gateway_faults import EmptyAnswer, GatewayPage, LoginPage
from ._job_faults import (
    CompletesUnderCancel,
    OtherJob,
    StaleRead,
    UnfinishedManifest,
    UnknownStatus,
    VanishedJob,
)
from ._jobs import Job, JobState
from ._ledger import Ledger, LedgerEntry
from ._lives import JobLife, realistic_life
from ._messages import Kind, SandboxReply, SandboxRequest
from ._proxy import FaultyProxy
from ._proxy_plans import (
    CloseIdle,
    ConnectionPlan,
    CutAfter,
    Delay,
    PassThrough,
    ProxyConnection,
    ResetAfter,
    ResetOnAccept,
    SilentAfter,
    Trickle,
)
from ._rate_limit import RateLimit, RetryAfterStyle
from ._server import Sandbox
from ._service import Plan, Service
from ._socket_faults import (
    CutBody,
    LostAnswer,
    MalformedAnswer,
    OversizedBody,
    ResetConnection,
    SlowAnswer,
    TrickledBody,
)
from ._unknowns import Unknowns

__all__ = [
    "BodyFault",
    "CloseIdle",
    "CompletesUnderCancel",
    "ConnectionPlan",
    "Cut",
    "CutAfter",
    "CutBody",
    "Delay",
    "Delivery",
    "Dropped",
    "EditedAnswer",
    "EmptyAnswer",
    "Exchange",
    "Fault",
    "FaultyProxy",
    "Garbled",
    "GatewayPage",
    "Job",
    "JobLife",
    "JobState",
    "JobView",
    "Kind",
    "Late",
    "Ledger",
    "LedgerEntry",
    "LoginPage",
    "LostAnswer",
    "MalformedAnswer",
    "OtherJob",
    "OversizedBody",
    "Paced",
    "Padded",
    "PassThrough",
    "Plan",
    "ProxyConnection",
    "RateLimit",
    "Redirect",
    "ResetAfter",
    "ResetConnection",
    "ResetOnAccept",
    "RetryAfter",
    "RetryAfterStyle",
    "Row",
    "RowShape",
    "Sandbox",
    "SandboxReply",
    "SandboxRequest",
    "SeenRequest",
    "Service",
    "SetCookie",
    "SilentAfter",
    "SlowAnswer",
    "StaleRead",
    "StatusFault",
    "Target",
    "TargetedFault",
    "Trickle",
    "TrickledBody",
    "UnfinishedManifest",
    "UnknownStatus",
    "Unknowns",
    "VanishedJob",
    "Whole",
    "realistic_life",
]
