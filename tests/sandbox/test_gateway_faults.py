"""Answers that the service did not write, for any kind of request."""

from collections.abc import Callable

import pytest

from openfunnel_async.sandbox import (
    EmptyAnswer,
    Fault,
    GatewayPage,
    LoginPage,
    SandboxReply,
)
from tests.sandbox.caller import Answer, Caller, by_hand

ASKS: dict[str, Callable[[Caller, str], Answer]] = {
    "submit": lambda caller, _: caller.submit(),
    "read": lambda caller, job_id: caller.read(job_id),
    "cancel": lambda caller, job_id: caller.cancel(job_id),
    "balance": lambda caller, _: caller.balance(),
    "sign-up": lambda caller, _: caller.sign_up(email="ada@example.org"),
    "verify": lambda caller, _: caller.verify(email="a@example.org", otp_code="1"),
}


def _with_a_job(fault: Fault) -> tuple[Caller, str]:
    caller = by_hand()
    job_id = caller.start()
    caller.believes = False
    caller.service.faults.append(fault)
    return caller, job_id


def _reply(fault: Fault) -> SandboxReply:
    return _with_a_job(fault)[0].balance().reply


@pytest.mark.parametrize("kind", ASKS)
def test_a_login_page_is_a_200_of_html_for_any_request(kind: str) -> None:
    caller, job_id = _with_a_job(LoginPage())
    reply = ASKS[kind](caller, job_id).reply
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert b"log in" in reply.body


@pytest.mark.parametrize(
    "fault", [LoginPage(), GatewayPage(), EmptyAnswer(), EmptyAnswer(status=204)]
)
def test_what_the_service_did_not_see_has_no_effect(fault: Fault) -> None:
    """Caught: each of these faults with the request served."""
    caller, job_id = _with_a_job(fault)
    caller.service.faults.append(fault)
    caller.cancel(job_id)
    caller.submit()
    assert caller.service.jobs[job_id].status == "pending"
    assert len(caller.service.jobs) == 1


@pytest.mark.parametrize(
    "fault",
    [
        GatewayPage(status=504, processed=True),
        EmptyAnswer(processed=True),
        EmptyAnswer(status=204, processed=True),
    ],
)
def test_a_request_may_take_effect_behind_such_an_answer(fault: Fault) -> None:
    """Caught: ``processed`` left unread."""
    caller, job_id = _with_a_job(fault)
    assert caller.cancel(job_id).status in (200, 204, 504)
    assert caller.service.jobs[job_id].status == "cancelling"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504, 520])
def test_a_gateway_page_names_its_status_and_its_server(status: int) -> None:
    reply = _reply(GatewayPage(status=status, server="cloudflare"))
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["server"] == "cloudflare"
    assert f"<title>{status}".encode() in reply.body
    assert b"<hr><center>cloudflare</center>" in reply.body


def test_a_gateway_may_answer_one_line_of_text() -> None:
    reply = _reply(GatewayPage(status=404, text="default backend - 404"))
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.body == b"default backend - 404"


@pytest.mark.parametrize(
    ("status", "name"), [(401, "www-authenticate"), (407, "proxy-authenticate")]
)
def test_a_gateway_that_wants_credentials_names_its_scheme(
    status: int, name: str
) -> None:
    assert _reply(GatewayPage(status=status)).headers[name].startswith("Basic ")


def test_a_gateway_page_may_carry_retry_after() -> None:
    assert _reply(GatewayPage(status=503, retry_after=7)).headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_answer_may_be_empty(status: int) -> None:
    reply = _reply(EmptyAnswer(status=status))
    assert (reply.status, reply.body, reply.headers) == (status, b"", {})


@pytest.mark.parametrize("status", [199, 300, 404])
def test_an_empty_answer_is_a_2xx(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        EmptyAnswer(status=status)
