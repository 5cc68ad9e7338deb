"""An answer that the service did not write is described, and proves nothing."""

import copy
import pickle

import pytest

from openfunnel_async import (
    APIError,
    AuthenticationError,
    InvalidResponseError,
    JobNotFoundError,
)
from openfunnel_async._protocol.endpoints import Endpoints
from openfunnel_async._protocol.error_replies import failure, is_from_service
from tests.support.scripted import JOB, reply

HTML = b"\n<!DOCTYPE html>\n<html><h1>Oops</h1></html>"
BODIES: list[tuple[bytes, dict[str, str], str]] = [
    (HTML, {"server": "nginx"}, "an HTML page (nginx)"),
    (b"<html></html>", {}, "an HTML page"),
    (b"Oops", {"content-type": "text/html; charset=utf-8"}, "an HTML page"),
    (b"\xef\xbb\xbf<html>", {}, "an HTML page"),
    (b"", {"server": "squid/6.6"}, "an empty body (squid/6.6)"),
    (b" \r\n", {}, "an empty body"),
    (b" " * 5000, {"content-type": "text/plain"}, "plain text"),
    (b"default backend - 404", {}, "plain text"),
    ("no é".encode(), {"content-type": "text/plain"}, "plain text"),
    (b"x{", {"content-type": "application/json"}, "2 bytes that are not JSON"),
    (b"\x1f\x8b\x00" * 400, {}, "1,200 bytes that are not JSON"),
    (HTML, {"server": "\x1b]0;evil\x07"}, r"an HTML page (\x1b]0;evil\x07)"),
    (HTML, {"server": "x" * 9000}, f"an HTML page ({'x' * 39}…)"),
    (HTML, {"server": "  "}, "an HTML page"),
]


def of(status: int, body: object = None, **headers: str) -> APIError:
    return failure(reply(status, body, headers), job_id=JOB)


@pytest.mark.parametrize(("body", "headers", "said"), BODIES)
def test_a_refusal_that_is_not_json_is_described(
    body: bytes, headers: dict[str, str], said: str
) -> None:
    """Caught: six lines of a gateway's HTML in a message."""
    error = of(504, body, **headers)
    assert str(error) == f"HTTP 504 Gateway Timeout, {said}, not OpenFunnel's answer"
    assert not is_from_service(error)


@pytest.mark.parametrize(("body", "headers", "said"), BODIES)
def test_a_2xx_that_is_not_json_is_described(
    body: bytes, headers: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        Endpoints("https://api.example").status(JOB).read(reply(200, body, headers))
    assert str(caught.value) == f"HTTP 200 OK, {said}, not OpenFunnel's answer"
    assert not caught.value.is_json
    assert caught.value.__context__ is None


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [HTML, b"", b"denied", b"{"])
def test_a_gateway_that_refuses_does_not_blame_the_key(
    status: int, body: bytes
) -> None:
    error = of(status, body)
    assert type(error) is AuthenticationError
    assert "OPENFUNNEL_API_KEY" not in str(error)
    assert "it proves nothing about the API key" in str(error)


@pytest.mark.parametrize("body", [HTML, b"", b"default backend - 404", b"404", b"null"])
def test_a_404_of_a_gateway_does_not_say_that_the_job_is_missing(body: bytes) -> None:
    """Caught: a text that happens to be JSON taken for the service's answer."""
    error = of(404, body)
    assert type(error) is JobNotFoundError
    assert "not OpenFunnel's answer" in str(error)
    assert f"does not state whether the job {JOB} exists" in str(error)
    assert not is_from_service(error)


@pytest.mark.parametrize("body", [HTML, {"detail": "x"}])
def test_a_proxy_that_asks_for_credentials_is_said_to(body: object) -> None:
    assert "a proxy asks for credentials" in str(of(407, body))


def test_a_status_without_a_name_is_only_a_number() -> None:
    assert str(of(599, HTML)).startswith("HTTP 599, an HTML page")


@pytest.mark.parametrize("body", [{}, {"detail": "x"}, [], "text", {"detail": None}])
@pytest.mark.parametrize("status", [302, 401, 404, 422, 429, 503])
def test_json_is_the_service_s_own_answer(status: int, body: object) -> None:
    error = of(status, body)
    assert is_from_service(error)
    assert "not OpenFunnel's answer" not in str(error)


@pytest.mark.parametrize("status", [302, 401, 402, 404, 407, 422, 429, 503])
def test_whether_the_service_wrote_it_survives_a_pickle_and_a_copy(status: int) -> None:
    """Caught: the mark kept beside the error's attributes."""
    error = of(status, HTML)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- just written
    assert [is_from_service(each) for each in (error, again, copy.deepcopy(error))] == [
        False
    ] * 3


def test_an_error_without_an_answer_blames_no_gateway() -> None:
    assert is_from_service(APIError("made by a test", 404))
    assert is_from_service(InvalidResponseError("$", "$"))
    assert not is_from_service(InvalidResponseError("$", "$", False))


HOSTILE = "a\x1b[31mb\nc\u202ed\u200be\u2028f\ud800g\x9bh"
SHOWN = r"a\x1b[31mb\nc\u202ed\u200be\u2028f\ud800g\x9bh"


@pytest.mark.parametrize(
    "body",
    [
        {"detail": HOSTILE},
        {"detail": [{"loc": ["body"], "msg": HOSTILE, "type": "t"}]},
        {"detail": [{"loc": [HOSTILE], "msg": "m", "type": "t"}]},
    ],
)
@pytest.mark.parametrize("status", [302, 401, 404, 409, 422, 503])
def test_what_the_service_writes_is_escaped_in_a_message(
    status: int, body: object
) -> None:
    """Caught: terminal sequences and line breaks raw in exceptions."""
    message = str(of(status, body))
    assert SHOWN in message
    assert message.isprintable()


def test_many_complaints_make_no_long_message() -> None:
    entry = {"loc": ["body", "x" * 900], "msg": "y" * 900, "type": "t"}
    error = of(422, {"detail": [entry] * 10_000})
    assert len(str(error)) < 500
    assert len(repr(error)) < 500


def test_a_binary_body_is_no_detail() -> None:
    """Caught: UTF-16 text, in which a key has a NUL after each letter."""
    assert of(400, "no".encode("utf-16-le")).detail is None
