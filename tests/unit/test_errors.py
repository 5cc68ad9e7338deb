"""The tree of errors: its shape, and that each one travels."""

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import cast

import pytest

from openfunnel_async import (
    Company,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    ValidationIssue,
    errors,
)
from openfunnel_async._transport.wire import UntrustedCertificateError

SNAPSHOT = JobSnapshot(job_id="job-1", status=JobStatus.RUNNING, raw_status="running")
SEARCH = LookalikeSearch(query="voice", limit=50)
ROWS = (Company(name="A", extra={"x": [1]}), Company(name="B"))
ISSUES = (ValidationIssue(loc=("body", "limit", 0), msg="too big", type="value"),)

PARENTS = {
    "OpenFunnelError": (Exception,),
    "ConfigurationError": (errors.OpenFunnelError, ValueError),
    "CreditCapError": (errors.OpenFunnelError,),
    "TransportError": (errors.OpenFunnelError,),
    "RequestTimeoutError": (errors.TransportError, TimeoutError),
    "InvalidResponseError": (errors.OpenFunnelError,),
    "APIError": (errors.OpenFunnelError,),
    "AuthenticationError": (errors.APIError,),
    "JobNotFoundError": (errors.APIError,),
    "RequestRejectedError": (errors.APIError,),
    "InsufficientCreditsError": (errors.APIError,),
    "RateLimitedError": (errors.APIError,),
    "ServerError": (errors.APIError,),
    "SubmitOutcomeUnknownError": (errors.OpenFunnelError,),
    "BookError": (errors.OpenFunnelError,),
    "BookInUseError": (errors.BookError,),
    "BookTooNewError": (errors.BookError,),
    "OtherAccountError": (errors.BookError,),
    "JobError": (errors.OpenFunnelError,),
    "JobFailedError": (errors.JobError,),
    "JobCancelledError": (errors.JobError,),
    "WaitTimeoutError": (errors.JobError, TimeoutError),
    "CancelConflictError": (errors.JobError,),
    "IncompleteResultsError": (errors.JobError,),
}

FACTS: dict[type[errors.OpenFunnelError], dict[str, object]] = {
    errors.TransportError: {"request_sent": True},
    errors.InvalidResponseError: {"path": "$.rows[3]", "is_json": False},
    errors.APIError: {"status_code": 422, "detail": {"a": [1]}, "retry_after": 2.5},
    errors.SubmitOutcomeUnknownError: {
        "search": SEARCH,
        "accepted": True,
        "job_id": "job-1",
        "max_exposure": 50,
    },
    errors.JobError: {"job_id": "job-1", "snapshot": SNAPSHOT, "rows": ROWS},
}


def example(kind: type[errors.OpenFunnelError]) -> tuple[Exception, dict[str, object]]:
    """Build an error of the kind with every attribute set, and say which."""
    facts: dict[str, object] = {}
    for base, of_base in FACTS.items():
        if issubclass(kind, base):
            facts |= of_base
    if kind is errors.RequestRejectedError:
        facts["issues"] = ISSUES
    build = cast("Callable[..., Exception]", kind)
    return build("what happened", *facts.values()), facts


CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_the_tree_is_the_documented_one() -> None:
    assert {kind.__name__: kind.__bases__ for kind in CLASSES} == PARENTS


def test_every_error_of_the_module_is_public() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert found == set(errors.__all__)


@pytest.mark.parametrize("kind", CLASSES)
def test_its_text_is_the_message_alone(kind: type[errors.OpenFunnelError]) -> None:
    error, _ = example(kind)
    assert str(error) == "what happened"


@pytest.mark.parametrize("kind", CLASSES)
def test_its_attributes_are_what_it_was_given(
    kind: type[errors.OpenFunnelError],
) -> None:
    error, facts = example(kind)
    assert {name: getattr(error, name) for name in facts} == facts


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_comes_out_of_a_pickle_whole(
    kind: type[errors.OpenFunnelError], protocol: int
) -> None:
    """Caught: `OpenFunnelError` that leaves `args` at the message."""
    error, facts = example(kind)
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 -- just written
    assert type(again) is kind
    assert (str(again), again.args) == (str(error), error.args)
    assert {name: getattr(again, name) for name in facts} == facts


@pytest.mark.parametrize("kind", CLASSES)
def test_it_comes_out_of_a_copy_whole(kind: type[errors.OpenFunnelError]) -> None:
    error, facts = example(kind)
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), again.args) == (kind, str(error), error.args)
        assert {name: getattr(again, name) for name in facts} == facts


@pytest.mark.parametrize("kind", CLASSES)
def test_it_names_its_public_module(kind: type[errors.OpenFunnelError]) -> None:
    assert kind.__module__ == "openfunnel_async.errors"


@pytest.mark.parametrize("kind", CLASSES)
def test_it_says_what_is_known(kind: type[errors.OpenFunnelError]) -> None:
    assert kind.__doc__


@pytest.mark.parametrize("kind", CLASSES)
def test_its_message_is_one_bounded_line_whoever_writes_it(
    kind: type[errors.OpenFunnelError],
) -> None:
    """Caught: only the messages of refusals escaped, not those of other modules."""
    _, facts = example(kind)
    build = cast("Callable[..., Exception]", kind)
    error = build("failed: \x1b[2J\n\u202e\ud800" + "x" * 10_000, *facts.values())
    assert str(error).startswith(r"failed: \x1b[2J\n\u202e\ud800x")
    assert str(error) == error.args[0]
    assert len(str(error)) == 1000
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- just written
    assert str(again) == str(error)


def test_what_a_transport_adds_travels_too() -> None:
    error = UntrustedCertificateError("not trusted", False)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- just written
    assert (type(again), again.args) == (type(error), error.args)
    assert not error.request_sent
