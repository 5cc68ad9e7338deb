"""A local OpenFunnel, for people without a key and for tests.

It acts out the project's contract with the service (tests/contract in the source
tree) and knows nothing of the client. Jobs, pages, cancels, credits and errors are
real; companies and their hosts are made up.
"""

from ._companies import Row, RowShape
from ._evidence import JobView, SeenRequest
from ._faults import (
    BodyFault,
    CompletesUnderCancel,
    Exchange,
    Fault,
    LostAnswer,
    StaleRead,
    StatusFault,
    Target,
    TargetedFault,
    UnknownStatus,
)
from ._jobs import Job, JobState
from ._ledger import Ledger, LedgerEntry
from ._lives import JobLife, realistic_life
from ._messages import (
    Delivery,
    Dropped,
    Kind,
    SandboxReply,
    SandboxRequest,
    Whole,
)
from ._server import Sandbox
from ._service import Plan, Service
from ._unknowns import Unknowns

__all__ = [
    "BodyFault",
    "CompletesUnderCancel",
    "Delivery",
    "Dropped",
    "Exchange",
    "Fault",
    "Job",
    "JobLife",
    "JobState",
    "JobView",
    "Kind",
    "Ledger",
    "LedgerEntry",
    "LostAnswer",
    "Plan",
    "Row",
    "RowShape",
    "Sandbox",
    "SandboxReply",
    "SandboxRequest",
    "SeenRequest",
    "Service",
    "StaleRead",
    "StatusFault",
    "Target",
    "TargetedFault",
    "UnknownStatus",
    "Unknowns",
    "Whole",
    "realistic_life",
]
