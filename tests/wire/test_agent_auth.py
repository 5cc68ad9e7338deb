"""Getting a key: each request once, the secrets nowhere, and what to do said."""

import pickle
from typing import Any

import pytest

from openfunnel_async import (
    APIError,
    ConfigurationError,
    InvalidResponseError,
    OpenFunnel,
    OpenFunnelError,
    RateLimitedError,
    RequestRejectedError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WireReply,
    WireRequest,
)
from openfunnel_async._protocol.error_replies import is_from_service
from openfunnel_async.agent_auth import AgentKey, sign_up, verify
from openfunnel_async.sandbox import (
    BodyFault,
    EditedAnswer,
    Fault,
    LostAnswer,
    OversizedBody,
    Redirect,
    ResetConnection,
    Sandbox,
    SetCookie,
    SlowAnswer,
    StatusFault,
    Unknowns,
)
from tests.support.leaks import Secret
from tests.support.raw_server import refused_url
from tests.support.scripted import KEY, broken, unsent

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
WRONG = "000000"


class Desk:
    """A transport that gives the same outcome each time."""

    def __init__(self, *outcomes: WireReply | Exception) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[WireRequest] = []

    async def send(self, request: WireRequest, /) -> WireReply:
        self.sent.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def aclose(self) -> None:
        raise AssertionError("it is the caller's to close")


async def trade(sandbox: Sandbox, code: str | None = None) -> AgentKey:
    code = sandbox.codes[ADA] if code is None else code
    return await verify(ADA, code, base_url=sandbox.base_url)


@pytest.mark.parametrize("nesting", ["top", "detail"])
async def test_a_code_is_traded_for_a_key_that_works(nesting: Any) -> None:
    async with Sandbox(unknowns=Unknowns(error_nesting=nesting)) as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        key = await trade(sandbox)
        assert (key.email, key.is_new_user) == (ADA, True)
        async with OpenFunnel(key.api_key, base_url=sandbox.base_url) as client:
            assert (await client.credit_balance()).credits_used == 0.0
    posts = [request for request in sandbox.requests if request.method == "POST"]
    assert [request.kind for request in posts] == ["sign-up", "verify"]
    for request in posts:
        assert "x-api-key" not in dict(request.headers)
        assert "cookie" not in dict(request.headers)


async def test_the_same_address_recovers_its_account() -> None:
    async with Sandbox() as sandbox:
        keys: list[AgentKey] = []
        for _ in range(2):
            await sign_up(ADA, base_url=sandbox.base_url)
            keys.append(await trade(sandbox))
    assert [key.is_new_user for key in keys] == [True, False]
    assert keys[0].api_key == keys[1].api_key


async def test_a_key_hides_itself() -> None:
    """Caught: the converter left out."""
    key = AgentKey(email=ADA, api_key=KEY)
    assert KEY not in repr(key)
    assert key.api_key == KEY
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("nesting", ["top", "detail"])
async def test_a_wrong_code_says_how_many_attempts_are_left(nesting: Any) -> None:
    async with Sandbox(unknowns=Unknowns(error_nesting=nesting)) as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        with pytest.raises(RequestRejectedError) as caught:
            await trade(sandbox, WRONG)
        assert str(caught.value) == "the code is wrong; 9 attempts left"
        assert caught.value.status_code == 400
        for _ in range(9):
            with pytest.raises(RequestRejectedError):
                await trade(sandbox, WRONG)
        with pytest.raises(RateLimitedError, match="sign up for a new one"):
            await trade(sandbox, WRONG)


async def test_an_expired_code() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(RequestRejectedError, match="expired or was already used"):
            await trade(sandbox, WRONG)


@pytest.mark.parametrize("nesting", ["top", "detail"])
async def test_a_second_code_has_to_wait_and_is_not_asked_for_again(
    nesting: Any,
) -> None:
    """Caught: a 429 is repeated as that of a submit is, which mails a second code."""
    unknowns = Unknowns(error_nesting=nesting)
    async with Sandbox(speed=0, unknowns=unknowns) as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        with pytest.raises(RateLimitedError, match="wait 30 s") as caught:
            await sign_up(ADA, base_url=sandbox.base_url)
    assert caught.value.retry_after == 30.0
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("strike", "error"),
    [
        (LostAnswer(), TransportError),
        (ResetConnection(), TransportError),
        (StatusFault(status=500), ServerError),
        (StatusFault(status=503, retry_after=1), ServerError),
        (StatusFault(status=408), APIError),
        (Redirect(location="/elsewhere"), APIError),
    ],
    ids=["lost", "reset", "500", "503", "408", "redirect"],
)
async def test_what_may_have_worked_is_sent_once_and_said(
    strike: Fault, error: type[OpenFunnelError]
) -> None:
    """Caught: the failures retried as a read's are."""
    async with Sandbox(faults=[strike]) as sandbox:
        with pytest.raises(error, match="may have been mailed nevertheless"):
            await sign_up(ADA, base_url=sandbox.base_url)
        sandbox.faults.append(strike)
        with pytest.raises(error, match="same address recovers the account"):
            await trade(sandbox, WRONG)
    assert [seen.kind for seen in sandbox.requests] == ["sign-up", "verify"]


async def test_what_was_never_sent_is_tried_again() -> None:
    desk = Desk(unsent(), unsent(), WireReply(status_code=202))
    await sign_up(ADA, transport=desk)
    assert len(desk.sent) == 3
    with pytest.raises(TransportError) as caught:
        await sign_up(ADA, base_url=refused_url())
    assert not caught.value.request_sent
    assert "mailed" not in str(caught.value)


async def test_a_transport_that_says_nothing_is_taken_to_have_sent() -> None:
    desk = Desk(broken())
    with pytest.raises(TransportError, match="recovers the account"):
        await verify(ADA, WRONG, transport=desk)
    assert len(desk.sent) == 1


async def test_a_foreign_exception_of_a_transport_is_a_transport_error() -> None:
    """Caught: the exception as it is, with the code in its text."""
    code = "482913"
    desk = Desk(RuntimeError(f"no session for {code} and {KEY}"))
    with pytest.raises(TransportError, match="recovers the account") as caught:
        await verify(ADA, code, transport=desk)
    assert caught.value.request_sent
    assert len(desk.sent) == 1
    for secret in (ShortSecret(code), Secret(KEY)):
        assert secret.leaks_of(caught.value) == []


@pytest.mark.parametrize(
    "strike",
    [
        BodyFault(body=b"<html>", content_type="text/html"),
        BodyFault(body=b"[]"),
        EditedAnswer(edit=lambda body: body | {"api_key": None}),
        EditedAnswer(edit=lambda body: body | {"api_key": "of_\r\nX-Evil: 1"}),
        OversizedBody(),
    ],
    ids=["html", "list", "null", "header", "oversized"],
)
async def test_a_key_that_cannot_be_read_may_be_recovered(strike: Fault) -> None:
    async with Sandbox() as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        sandbox.faults.append(strike)
        with pytest.raises(InvalidResponseError, match="recovers the account"):
            await trade(sandbox)


async def test_a_key_is_kept_whatever_stands_beside_it() -> None:
    """Caught: the other fields held to their types, and the key lost with them."""
    edit = EditedAnswer(
        on="verify", edit=lambda body: {"api_key": body["api_key"], "is_new_user": "x"}
    )
    async with Sandbox(faults=[edit]) as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        key = await trade(sandbox)
    assert (key.email, key.is_new_user) == (ADA, None)
    assert key.api_key == sandbox.api_key


@pytest.mark.parametrize(
    "email",
    ["", " ", "ada", "@example.org", "ada@", "a@b@c", "a b@c.d", "a@b\n", "\ud800@x.y",
     "a\x1b@b.c", "x" * 251 + "@b.c", None, 5],
)  # fmt: skip
async def test_an_address_that_cannot_be_right_is_not_sent(email: Any) -> None:
    desk = Desk()
    with pytest.raises(ConfigurationError, match="email"):
        await sign_up(email, transport=desk)
    with pytest.raises(ConfigurationError, match="email"):
        await verify(email, WRONG, transport=desk)
    assert desk.sent == []


@pytest.mark.parametrize(
    "code", ["", "12345", "12345a", " 123456", "123456\n", "١٢٣٤٥٦", "1" * 13, None, 5]
)
async def test_a_code_that_cannot_be_right_costs_no_attempt(code: Any) -> None:
    desk = Desk()
    with pytest.raises(ConfigurationError, match="six digits") as caught:
        await verify(ADA, code, transport=desk)
    assert desk.sent == []
    assert not code or str(code) not in str(caught.value)


@pytest.mark.parametrize("base_url", ["http://api.example", "https://a@b.example"])
async def test_an_address_of_the_service_that_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        await sign_up(ADA, base_url=base_url)
    with pytest.raises(ConfigurationError, match="base_url"):
        await verify(ADA, WRONG, base_url=base_url)


@pytest.mark.parametrize(
    "strike",
    [
        LostAnswer(),
        StatusFault(status=500, processed=True),
        BodyFault(body=b"{"),
        EditedAnswer(edit=lambda body: body | {"api_key": None, "key": body}),
        OversizedBody(),
    ],
    ids=["lost", "500", "cut", "moved", "oversized"],
)
async def test_no_fault_brings_code_or_key_to_light(
    strike: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Caught: the code kept as plain text; an error raised out of `decode`."""
    caplog.set_level("DEBUG")
    async with Sandbox() as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        code = sandbox.codes[ADA]
        sandbox.faults.append(strike)
        with pytest.raises(OpenFunnelError) as caught:
            await trade(sandbox)
    for secret in (Secret(sandbox.api_key), ShortSecret(code)):
        assert secret.leaks_of(caught.value) == []
        assert secret.leaks_in(caplog.records) == []


class ShortSecret(Secret):
    """A secret that is sought as a whole."""

    def shows_in(self, text: str) -> bool:
        return self.text in text


async def test_an_echo_of_code_and_key_is_taken_out() -> None:
    """Caught: the code left where it stands as a number."""
    code = "482913"
    said = {"detail": {"error_code": "OTP_INVALID", "got": int(code), "was": code,
                       "key": KEY, code: 1}}  # fmt: skip
    async with Sandbox(faults=[StatusFault(status=400, body=said)]) as sandbox:
        with pytest.raises(RequestRejectedError) as caught:
            await verify(ADA, code, base_url=sandbox.base_url)
    assert Secret(KEY).leaks_of(caught.value) == []
    assert ShortSecret(code).leaks_of(caught.value) == []


async def test_an_answer_that_never_comes_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("openfunnel_async.agent_auth._REQUEST_TIMEOUT", 0.05)
    async with Sandbox(faults=[SlowAnswer(delay=60)]) as sandbox:
        with pytest.raises(RequestTimeoutError, match="may have been mailed"):
            await sign_up(ADA, base_url=sandbox.base_url)
    assert len(sandbox.requests) == 1


async def test_a_cookie_is_not_kept() -> None:
    async with Sandbox(faults=[SetCookie(cookie="session=1; Path=/")]) as sandbox:
        await sign_up(ADA, base_url=sandbox.base_url)
        await trade(sandbox)
    assert all("cookie" not in dict(seen.headers) for seen in sandbox.requests)


@pytest.mark.parametrize("status", [401, 403, 404, 502])
async def test_a_gateway_that_refuses_is_not_the_service(status: int) -> None:
    """Caught: an error made anew that forgot who had answered."""
    page = WireReply(status_code=status, headers={"server": "nginx"}, body=b"<html>")
    with pytest.raises(
        APIError, match=r"an HTML page .nginx., not OpenFunnel's"
    ) as raised:
        await sign_up(ADA, base_url="https://api.example", transport=Desk(page))
    assert not is_from_service(raised.value)
    assert "the service refused" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        '{"detail": {"code": 123456, "words": ["123456", {"123456": 1}]}}',
        '{"detail": "no \\u0031\\u0032\\u0033456"}',
        '{"detail": "\\"of_0123456789abcdef\\" \\u006ff_0123456789abcdef"}',
        "<html>123456 of_0123456789abcdef",
    ],
)
async def test_code_and_key_are_taken_out_however_they_are_written(body: str) -> None:
    """Caught: a code written as a number, whose removal left no JSON."""
    reply = WireReply(
        status_code=400, headers={"server": "of_0123456789abcdef"}, body=body.encode()
    )
    with pytest.raises(RequestRejectedError) as raised:
        await verify(
            ADA, "123456", base_url="https://api.example", transport=Desk(reply)
        )
    shown = f"{raised.value} {raised.value!r} {raised.value.detail!r}"
    assert "123456" not in shown
    assert "0123456789abcdef" not in shown
    assert "<hidden>" in shown
    assert is_from_service(raised.value) == body.startswith("{")
