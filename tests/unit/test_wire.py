"""What goes over the wire shows neither the key nor the bodies."""

import copy
import pickle
import reprlib
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from openfunnel_async import WireReply, WireRequest
from openfunnel_async._transport.wire import (
    Headers,
    SecretText,
    SendProgress,
    SendState,
)
from tests.support.scripted import KEY

REQUEST = WireRequest(
    method="POST",
    origin="https://api.example",
    path="/a/b%20c",
    query=(("cursor", "page 1"), ("x", "ä&b=c/d?#+%")),
    headers=Headers({"accept": "text/x", "x-api-key": SecretText(KEY)}),
    body=b"sensitive",
)


def test_the_url_quotes_the_query_and_leaves_the_path() -> None:
    assert REQUEST.url == (
        "https://api.example/a/b%20c?cursor=page+1&x=%C3%A4%26b%3Dc%2Fd%3F%23%2B%25"
    )


def test_without_a_query_there_is_no_question_mark() -> None:
    assert attrs.evolve(REQUEST, query=()).url == "https://api.example/a/b%20c"


@pytest.mark.parametrize("show", [repr, str, "{0}".format, "{0!r}".format])
def test_a_request_shows_no_key_no_header_value_and_no_body(show: object) -> None:
    assert callable(show)
    shown = str(show(REQUEST))
    for hidden in (KEY, "text/x", "sensitive"):
        assert hidden not in shown
    assert "x-api-key" in shown
    assert "<9 bytes>" in shown


def test_a_request_without_a_body_says_so() -> None:
    assert "body=None" in repr(attrs.evolve(REQUEST, body=None))


def test_a_reply_shows_no_header_value_and_no_body() -> None:
    answer = WireReply(
        status_code=200, headers={"set-cookie": "sid=1"}, body=b"sensitive"
    )
    assert "set-cookie" in repr(answer)
    assert "sid=1" not in repr(answer)
    assert "sensitive" not in repr(answer)


@pytest.mark.parametrize(
    ("status", "is_success"),
    [(199, False), (200, True), (204, True), (299, True), (300, False), (409, False)],
)
def test_every_2xx_is_a_success(status: int, *, is_success: bool) -> None:
    assert WireReply(status_code=status).is_success == is_success


def test_a_secret_is_the_text_but_does_not_show_itself() -> None:
    secret = SecretText(KEY)
    assert secret == KEY
    for shown in (repr(secret), f"{secret!r}", repr([secret]), repr({"k": secret})):
        assert KEY not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    """Caught: SecretText without `__reduce__`."""
    for holder in (SecretText(KEY), REQUEST, REQUEST.headers):
        with pytest.raises(TypeError):
            pickle.dumps(holder, protocol)


@pytest.mark.parametrize(
    "part", [slice(0, 12), slice(None, None, -1), slice(-12, None)]
)
def test_a_part_of_a_secret_is_hidden_as_well(part: slice) -> None:
    """Caught: `str` from a slice, which rich and reprlib show with short limits."""
    assert repr(SecretText(KEY)[part]) == "'<hidden>'"
    assert SecretText(KEY)[part] == KEY[part]
    assert type(SecretText(KEY)[3]) is SecretText


def test_a_secret_joined_to_a_text_is_hidden_as_well() -> None:
    secret = SecretText(KEY)
    joined = (secret + "x", "x" + secret, secret[:3] + secret[-3:])
    assert [repr(text) for text in joined] == ["'<hidden>'"] * 3
    assert joined[:2] == (f"{KEY}x", f"x{KEY}")


def test_what_shortens_a_long_text_shows_no_part_of_a_secret() -> None:
    short = reprlib.Repr()
    for most in range(1, 40):
        short.maxstring = most
        shown = short.repr(SecretText(KEY)) + short.repr([SecretText(KEY)])
        # As rich.pretty does with its max_string.
        shown += f"{SecretText(KEY)[:most]!r}+{len(KEY) - most}"
        assert not any(KEY[at : at + 4] in shown for at in range(len(KEY) - 3))


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy])
def test_a_copy_is_the_same_and_hides_the_same(twin: Callable[[Any], Any]) -> None:
    """Caught: a refused `__reduce__` alone, which kept vcrpy from copying a request."""
    for holder in (SecretText(KEY), REQUEST, REQUEST.headers, [REQUEST]):
        again = twin(holder)
        assert again == holder
        assert type(again) is type(holder)
        assert KEY not in repr(again)
        with pytest.raises(TypeError):
            pickle.dumps(again)


def test_headers_are_a_mapping_of_their_own() -> None:
    given = {"a": "1"}
    headers = Headers(given)
    given["a"] = "2"
    assert dict(headers) == {"a": "1"}
    assert len(headers) == 1
    assert repr(Headers()) == "<headers none>"


def test_a_transport_that_reports_nothing_is_taken_to_send_from_the_start() -> None:
    progress = SendProgress()
    assert not progress.may_be_sent
    progress.begin()
    assert progress.state is SendState.UNREPORTED
    assert progress.may_be_sent


def test_a_transport_that_reports_is_believed() -> None:
    progress = SendProgress()
    progress.begin()
    told = [progress.may_be_sent]
    for step in (progress.waiting, progress.sent, progress.finish):
        step()
        told.append(progress.may_be_sent)
    assert told == [True, False, True, False]


def test_a_transport_that_is_unsure_counts_as_having_sent() -> None:
    progress = SendProgress()
    progress.begin()
    progress.waiting()
    progress.unsure()
    assert (progress.may_be_sent, progress.is_reported) == (True, False)


def test_what_arrives_is_passed_on_until_the_exchange_ends() -> None:
    """Caught: an exchange that extends the limit of the one before it."""
    progress, seen = SendProgress(), list[int]()
    progress.received(1)
    progress.when_received(seen.append)
    progress.received(2)
    progress.finish()
    progress.received(4)
    assert seen == [2]


def test_where_a_request_notes_its_progress_is_no_part_of_its_value() -> None:
    assert attrs.evolve(REQUEST, progress=SendProgress()) == REQUEST
