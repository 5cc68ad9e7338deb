"""Which proxies, files of CAs, headers and http addresses are accepted."""

from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import AiohttpTransport, ConfigurationError, OpenFunnel
from openfunnel_async._client.extra_headers import hide_headers, read_headers
from openfunnel_async._client.settings import (
    read_address,
    read_ca_file_setting,
    read_proxy_setting,
)
from openfunnel_async._transport.hidden_text import hide_text
from openfunnel_async._transport.network import read_network
from tests.support.scripted import KEY, ScriptedTransport


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROXY", "CA_FILE", "INSECURE_HTTP", "BASE_URL"):
        monkeypatch.delenv(f"OPENFUNNEL_{name}", raising=False)


@pytest.mark.parametrize(
    ("address", "url", "has_credentials"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", False),
        ("HTTPS://Proxy.example/", "https://proxy.example", False),
        ("http://ada:secret@[::1]:3128", "http://[::1]:3128", True),
        ("http://ada@proxy.example", "http://proxy.example", True),
    ],
)
def test_a_proxy_that_is_accepted(
    address: str, url: str, *, has_credentials: bool
) -> None:
    proxy = read_network(hide_text(address), None).proxy
    assert proxy is not None
    assert str(proxy.url) == url
    assert (proxy.authorization is not None) is has_credentials
    assert "secret" not in repr(proxy)


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "proxy.example:3128", "socks5://proxy.example", "http://",
        "http://a b",
        "http://proxy.example/path", "http://proxy.example?x", "http://proxy.example:0",
        "http://:secret@proxy.example", "http://a%3Ab:secret@proxy.example",
        "http://ada:secret%0A@proxy.example", "http://proxy.example:99999",
        b"http://proxy.example", 3128,
    ],
)  # fmt: skip
def test_a_proxy_that_is_refused(address: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^proxy ") as caught:
        OpenFunnel(KEY, proxy=address)
    assert "secret" not in str(caught.value)


def test_a_proxy_of_the_environment_that_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_PROXY", "proxy.example:3128")
    with pytest.raises(ConfigurationError, match="OPENFUNNEL_PROXY"):
        OpenFunnel(KEY)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROXY", "CA_FILE", "INSECURE_HTTP"):
        monkeypatch.setenv(f"OPENFUNNEL_{name}", "")
    assert read_proxy_setting(None) is None
    assert read_ca_file_setting(None) is None
    OpenFunnel(KEY)


def test_an_argument_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_PROXY", "http://other.example")
    monkeypatch.setenv("OPENFUNNEL_CA_FILE", "/other.pem")
    assert read_proxy_setting(hide_text("http://a.example")) == "http://a.example"
    assert read_ca_file_setting("/own.pem") == "/own.pem"
    with pytest.raises(ConfigurationError, match=r"proxy .* is empty"):
        OpenFunnel(KEY, proxy="")


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\0\xfe"])
def test_a_file_without_certificates(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^ca_file \(or OPENFUNNEL_CA_FILE"):
        OpenFunnel(KEY, ca_file=path)


@pytest.mark.parametrize("path", ["", " ", "a\0b", 5, b"/ca.pem", "."])
def test_a_path_that_is_none(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^ca_file "):
        OpenFunnel(KEY, ca_file=path)


@pytest.mark.parametrize(
    "options", [{"proxy": "http://proxy.example"}, {"ca_file": "/ca.pem"}]
)
def test_a_transport_has_its_own_network(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="transport of your own"):
        OpenFunnel(KEY, transport=ScriptedTransport(), **options)
    session: Any = object()
    with pytest.raises(ConfigurationError, match="session of your own"):
        AiohttpTransport(session, **options)


def test_the_environment_is_not_for_a_transport_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENFUNNEL_PROXY", "not a proxy")
    monkeypatch.setenv("OPENFUNNEL_CA_FILE", "/no/such/file")
    OpenFunnel(KEY, transport=ScriptedTransport())


def test_http_to_any_host_on_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://gateway.internal:8080/of"
    for value in ("0", "no", ""):
        monkeypatch.setenv("OPENFUNNEL_INSECURE_HTTP", value)
        with pytest.raises(ConfigurationError, match=r"clear text.*insecure_http=True"):
            read_address(url)
    assert str(read_address(url, insecure_http=True)) == url
    monkeypatch.setenv("OPENFUNNEL_INSECURE_HTTP", "1")
    assert str(read_address(url)) == url


@pytest.mark.parametrize("value", [1, "true", None])
def test_insecure_http_is_true_or_false(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="insecure_http"):
        OpenFunnel(KEY, insecure_http=value)


def test_headers_that_are_accepted() -> None:
    given = {"X-Team": "growth", "authorization": "Bearer abc", "User-Agent": "a/1"}
    headers = read_headers(hide_headers(given))
    assert headers == {name.lower(): value for name, value in given.items()}
    assert "growth" not in repr(headers)
    assert read_headers(hide_headers(None)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "x-api-key", "X-API-Key", "Host", "content-length", "Transfer-Encoding",
        "connection", "Cookie", "Accept", "content-type", "Expect",
    ],
)  # fmt: skip
def test_a_header_that_the_client_sets_itself(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"must not set {name.lower()}"):
        OpenFunnel(KEY, headers={name: "x"})


@pytest.mark.parametrize(
    "headers",
    [
        {"": "x"}, {"X Y": "x"}, {"X:": "x"}, {"X-É": "x"}, {5: "x"}, {"x": 5},
        {"x": "a\r\nb: c"}, {"x": "a\0"}, {"x": "é"}, {"x": None}, {"x": b"a"},
        {"X-A": "1", "x-a": "2"}, [("x", "y")], "x: y", 5,
    ],
)  # fmt: skip
def test_headers_that_are_refused(headers: Any) -> None:
    with pytest.raises(ConfigurationError, match="headers"):
        OpenFunnel(KEY, headers=headers)
