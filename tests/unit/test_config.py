"""Which keys and addresses are accepted."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import ConfigurationError, OpenFunnel
from openfunnel_async._client.settings import read_address, read_key
from openfunnel_async._transport.hidden_text import hide_text
from tests.support.scripted import KEY, ScriptedTransport


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENFUNNEL_API_KEY", raising=False)
    monkeypatch.delenv("OPENFUNNEL_BASE_URL", raising=False)


def refused(base_url: str) -> str:
    """Return the message with which the address is refused."""
    with pytest.raises(ConfigurationError) as caught:
        read_address(base_url)
    message = str(caught.value)
    assert message.startswith("base_url (or OPENFUNNEL_BASE_URL) ")
    assert "must be https://HOST[:PORT][/PATH], or http:// to a loopback" in message
    return message


def test_no_key_at_all() -> None:
    with pytest.raises(ConfigurationError, match="pass api_key or set OPENFUNNEL_API"):
        read_key(None)


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFUNNEL_API_KEY", KEY)
    assert read_key(None) == KEY


def test_the_argument_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_API_KEY", "of_other")
    assert read_key(hide_text(KEY)) == KEY


def test_an_empty_key_is_not_replaced_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_API_KEY", KEY)
    with pytest.raises(ConfigurationError):
        read_key(hide_text(""))


def test_a_key_of_another_type_is_not_replaced_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_API_KEY", KEY)
    key: Any = KEY.encode()
    with pytest.raises(ConfigurationError) as caught:
        OpenFunnel(key, transport=ScriptedTransport())
    assert str(caught.value) == "api_key must be text, not bytes: use .decode()"
    whole = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    ours = [line.locals for line in whole.stack if line.filename != __file__]
    assert ours
    assert KEY not in repr(ours)


class Hidden:
    """A key that keeps itself hide_text, as pydantic's SecretStr does."""

    def __init__(self, inside: object) -> None:
        self._inside = inside

    def __repr__(self) -> str:
        return "Hidden('**********')"

    def get_secret_value(self) -> object:
        return self._inside


def test_a_key_that_keeps_itself_hidden_is_taken() -> None:
    """Caught: `str` of it, which is a row of asterisks."""
    key = hide_text(Hidden(KEY))
    assert key == KEY
    assert repr(key) == "'<hidden>'"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (Hidden(KEY.encode()), "not bytes: use .decode()"),
        (Path("key.txt"), "Path: use str(...)"),
        (7, "not int"),
        (["of_x"], "not list"),
    ],
)
def test_a_key_of_another_type_is_refused_in_words_that_help(
    key: object, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_key(hide_text(key))
    assert str(caught.value).startswith("api_key must be text, not ")
    assert str(caught.value).endswith(words)


def test_an_empty_argument_does_not_fall_back_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Caught: `given or environment`, which sent a key to another address."""
    monkeypatch.setenv("OPENFUNNEL_BASE_URL", "http://127.0.0.1:8787")
    with pytest.raises(ConfigurationError, match="is empty"):
        read_address("")
    with pytest.raises(ConfigurationError, match="api_key is empty"):
        read_key(hide_text(""))


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFUNNEL_BASE_URL", "")
    monkeypatch.setenv("OPENFUNNEL_API_KEY", "")
    assert str(read_address(None)) == "https://api.openfunnel.dev"
    with pytest.raises(ConfigurationError, match="no API key") as caught:
        read_key(None)
    assert "`set -a; . ./.env; set +a`" in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "of_abc\n",
        "of_\r\nX-Evil: 1",
        "of abc",
        " ",
        "\tof_abc",
        "of_ß",
        "k\x00",
        "\x7f",
    ],
)
def test_a_key_that_cannot_be_a_header(key: str) -> None:
    with pytest.raises(ConfigurationError, match="visible ASCII") as caught:
        read_key(hide_text(key))
    assert "api_key (or OPENFUNNEL_API_KEY)" in str(caught.value)
    assert key.strip() == "" or key.strip() not in str(caught.value)


def test_a_key_without_end() -> None:
    with pytest.raises(ConfigurationError):
        read_key(hide_text("k" * 513))


def test_the_service_is_the_default() -> None:
    assert str(read_address(None)) == "https://api.openfunnel.dev"


def test_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFUNNEL_BASE_URL", "http://127.0.0.1:8787")
    assert str(read_address(None)) == "http://127.0.0.1:8787"
    assert str(read_address("https://given.example")) == "https://given.example"


def test_a_bad_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFUNNEL_BASE_URL", "http://evil.example")
    with pytest.raises(ConfigurationError, match="OPENFUNNEL_BASE_URL"):
        read_address(None)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.openfunnel.dev", "https://api.openfunnel.dev"),
        ("https://api.openfunnel.dev/", "https://api.openfunnel.dev"),
        ("HTTPS://API.Example:8443", "https://api.example:8443"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://localhost:8787/", "http://localhost:8787"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("https://gateway.example/openfunnel", "https://gateway.example/openfunnel"),
        ("https://gateway.example/A/b-c/", "https://gateway.example/A/b-c"),
    ],
)
def test_an_address_that_is_accepted(base_url: str, origin: str) -> None:
    assert str(read_address(base_url)) == origin


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.openfunnel.dev",
        "http://192.168.0.1",
        "http://0.0.0.0",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://evil-localhost",
        "http://2130706433",
        "http://0x7f000001",
        "http://127.1",
        "http://[2001:db8::1]",
    ],
)
def test_clear_text_goes_to_a_loopback_address_only(base_url: str) -> None:
    """Caught: `_is_loopback` by `host.startswith("127.")`."""
    assert "clear text" in refused(base_url)


@pytest.mark.parametrize(
    "base_url",
    ["https://user:pass@api.example", "https://@api.example", "http://x@127.0.0.1"],
)
def test_an_address_with_a_user_name(base_url: str) -> None:
    message = refused(base_url)
    assert "user name" in message
    assert "pass" not in message


@pytest.mark.parametrize(
    "rest", ["//", "/?", "?", "?q=1", "#", "#top", ";x", "/a//b", "/..", "/%2e"]
)
def test_an_address_with_more_than_an_origin_and_a_path(rest: str) -> None:
    refused(f"https://api.example{rest}")


@pytest.mark.parametrize("port", ["", "0", "65536", "99999999", "abc", "-1", "8_0"])
def test_an_address_with_a_bad_port(port: str) -> None:
    refused(f"https://api.example:{port}")


@pytest.mark.parametrize(
    "base_url",
    [
        "api.example",
        "//api.example",
        "https://",
        "https:///x",
        "https:api.example",
        "ftp://api.example",
        "file:///etc/passwd",
        "https://api.example\\@evil.example",
        "https:\\\\api.example",
        "https://api.\texample",
        "https://api.example\n",
        " https://api.example",
        "https://api example",
        "https://äpi.example",
        "https://[::1",
        "https://[::1%25lo]",
        "https://[evil]",
        "https://-api.example",
        "https://api..example",
    ],
)
def test_an_address_that_is_no_plain_origin(base_url: str) -> None:
    refused(base_url)


def test_an_address_of_another_type() -> None:
    base_url: Any = 8787
    with pytest.raises(ConfigurationError, match="base_url"):
        read_address(base_url)
