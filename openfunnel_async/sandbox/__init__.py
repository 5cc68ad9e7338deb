"""A local OpenFunnel, for people without a key and for tests.

It implements the project's contract with the service (tests/contract in the source
tree) and imports nothing of the client. Jobs, pages, cancels, credits and errors behave
as the contract says; companies and their hosts are made up.

Faults are values in a list, which may be changed while the sandbox runs. Each fault
applies to one request, or to as many as its ``times`` says, and is then removed:

    async with Sandbox(faults=[LostAnswer(on="submit")]) as sandbox:
        ...
        assert len(sandbox.jobs) == 1  # the submit took effect without an answer

=============================== ===============================================
When or where it happens        What to use
=============================== ===============================================
at or before the accept         `FaultyProxy.refusing`, `ResetOnAccept`
when the headers were read      ``ResetConnection(after="headers")``
before the request takes effect `StatusFault`, `Redirect`, `GatewayPage`,
                                `LoginPage`, `EmptyAnswer`
after the request took effect   `LostAnswer`, ``ResetConnection()``, `SlowAnswer`,
                                ``StatusFault(processed=True)``,
                                ``GatewayPage(processed=True)``,
                                ``EmptyAnswer(processed=True)``
within the answer's body        `CutBody`, `TrickledBody`, `OversizedBody`
in the answer itself            `BodyFault`, `EditedAnswer`, `MalformedAnswer`,
                                `SetCookie`, `OtherJob`
in the job                      `UnknownStatus`, `StaleRead`, `VanishedJob`,
                                `UnfinishedManifest`, `CompletesUnderCancel`; see
                                also `Unknowns`
in the account                  ``Sandbox(credits=-5)``
too many requests               ``Sandbox(rate_limit=RateLimit(per_second=10))``
between two requests            ``Sandbox(keep_alive=0.02)``, `CloseIdle`
in an open connection           `FaultyProxy.silence`, `SilentAfter`
low bandwidth                   ``FaultyProxy(bytes_per_second=32_000)``
=============================== ===============================================

A `FaultyProxy` does similar things to any server, connection by connection and without
HTTP. Pauses of faults and plans, and the seconds of a `RateLimit`, are real seconds,
whatever the sandbox's ``speed``.
"""

from openfunnel_async.sandbox._faults.answers import (
    BodyFault,
    EditedAnswer,
    Redirect,
    RetryAfter,
    SetCookie,
    StatusFault,
)
from openfunnel_async.sandbox._faults.connections import (
    CutBody,
    LostAnswer,
    MalformedAnswer,
    OversizedBody,
    ResetConnection,
    SlowAnswer,
    TrickledBody,
)
from openfunnel_async.sandbox._faults.gateways import (
    EmptyAnswer,
    GatewayPage,
    LoginPage,
)
from openfunnel_async.sandbox._faults.jobs import (
    CompletesUnderCancel,
    OtherJob,
    StaleRead,
    UnfinishedManifest,
    UnknownStatus,
    VanishedJob,
)
from openfunnel_async.sandbox._proxy.plans import (
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
from openfunnel_async.sandbox._proxy.proxy import FaultyProxy
from openfunnel_async.sandbox._server import Sandbox
from openfunnel_async.sandbox._service.companies import Row, RowShape
from openfunnel_async.sandbox._service.deliveries import (
    Cut,
    Delivery,
    Dropped,
    Garbled,
    Late,
    Paced,
    Padded,
    Whole,
)
from openfunnel_async.sandbox._service.evidence import JobView, SeenRequest
from openfunnel_async.sandbox._service.fault import (
    Exchange,
    Fault,
    Target,
    TargetedFault,
)
from openfunnel_async.sandbox._service.job_lifetimes import JobLife, realistic_life
from openfunnel_async.sandbox._service.jobs import Job, JobState
from openfunnel_async.sandbox._service.ledger import Ledger, LedgerEntry
from openfunnel_async.sandbox._service.messages import (
    Kind,
    SandboxReply,
    SandboxRequest,
)
from openfunnel_async.sandbox._service.rate_limit import RateLimit, RetryAfterStyle
from openfunnel_async.sandbox._service.service import Plan, Service
from openfunnel_async.sandbox._service.unknowns import Unknowns

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
